//! One statement: its text → tokens → what is asked.
//!
//! Only what [`Statement`] names gets through; everything else is refused by name, whatever the
//! planner would do with it.

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::DuckDbDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};
use pulsora_model::name::prefix;
use pulsora_model::{Code, Detail, Error, Result};

use super::guard::check_text;
use super::refuse::{by_first_words, refused};
use super::{params, show};
use crate::change::RowStatement;
use crate::options::STATEMENT_BYTES_MAX;

/// What is asked.
#[derive(Debug)]
pub(crate) enum Statement {
    /// A query, or EXPLAIN of one, for the planner.
    Query(Box<ast::Statement>),
    ShowDatabases,
    /// Tables of a database; `None` = the request's.
    ShowTables(Option<ast::Ident>),
    /// Columns of a table.
    Describe(ast::ObjectName),
    CreateDatabase {
        name: ast::ObjectName,
        if_not_exists: bool,
    },
    CreateTable(Box<ast::CreateTable>),
    DropTable {
        name: ast::ObjectName,
        if_exists: bool,
    },
    Insert(Box<ast::Insert>),
    /// DELETE, ERASE, UPDATE.
    Rows(Box<RowStatement>),
    /// All rows of a table go.
    Truncate {
        name: ast::ObjectName,
        if_exists: bool,
    },
    AlterTable(Box<ast::AlterTable>),
    AlterDatabase(Box<ast::AlterTable>),
    DropDatabase {
        name: ast::ObjectName,
        if_exists: bool,
    },
}

/// The tokens of a text; every `?` has its number.
///
/// # Errors
/// `sql_syntax` with line and column, or `limit_exceeded`.
pub(crate) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>> {
    if sql.len() > STATEMENT_BYTES_MAX {
        let message = format!("a statement of {} bytes is too long", sql.len());
        return Err(Error::new(Code::LimitExceeded, message)
            .hint("a statement has at most 1 MiB; send many rows to the ingest routes"));
    }
    let tokens = Tokenizer::new(&DuckDbDialect, sql).tokenize_with_location().map_err(|error| {
        let at = (error.location.line, error.location.column);
        syntax_error(sql, Some(at), &error.message)
    })?;
    Ok(params::number_placeholders(tokens))
}

/// Reads one statement from the tokens of `sql`.
///
/// # Errors
/// `sql_syntax` with line and column, `statement_refused` or `sql_invalid`.
pub(crate) fn parse(sql: &str, tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    check_text(&tokens)?;
    let words = first_words(&tokens);
    if words.is_empty() && !tokens.iter().any(|t| is_content(&t.token)) {
        return Err(syntax_error(sql, None, "the statement is empty"));
    }
    if let Some(refusal) = by_first_words(&words) {
        return Err(refusal);
    }
    if let Some(statement) = show::parse(sql, &words, &tokens)? {
        return Ok(statement);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["CREATE", "TABLE"] => classify(parse_one(sql, mark_tags(tokens, 1))?),
        ["ALTER", "TABLE"] => classify(parse_one(sql, mark_tags(tokens, 0))?),
        // The grammar has none of these; they are read as what they are like.
        ["ALTER", "DATABASE" | "SCHEMA"] => {
            match parse_one(sql, with_word(tokens, 1, Keyword::TABLE))? {
                ast::Statement::AlterTable(alter) => Ok(Statement::AlterDatabase(Box::new(alter))),
                other => classify(other),
            }
        }
        ["ERASE", ..] => match parse_one(sql, with_word(tokens, 0, Keyword::DELETE))? {
            ast::Statement::Delete(delete) => {
                Ok(Statement::Rows(Box::new(RowStatement::delete(delete, true)?)))
            }
            other => classify(other),
        },
        _ => classify(parse_one(sql, tokens)?),
    }
}

/// The tokens with another keyword as their word `at`.
fn with_word(mut tokens: Vec<TokenWithSpan>, at: usize, keyword: Keyword) -> Vec<TokenWithSpan> {
    let words = tokens.iter_mut().filter(|token| is_content(&token.token));
    if let Some(TokenWithSpan { token: Token::Word(word), .. }) = words.into_iter().nth(at) {
        *word = Word { value: format!("{keyword:?}"), quote_style: None, keyword };
    }
    tokens
}

/// The statement of the planner's grammar; nothing may follow it but semicolons.
fn parse_one(sql: &str, tokens: Vec<TokenWithSpan>) -> Result<ast::Statement> {
    let mut parser = Parser::new(&DuckDbDialect).with_tokens_with_locations(tokens);
    let statement = parser.parse_statement().map_err(|error| parser_error(sql, error))?;
    let mut ended = false;
    while parser.consume_token(&Token::SemiColon) {
        ended = true;
    }
    let next = parser.peek_token();
    match next.token {
        Token::EOF => Ok(statement),
        _ if ended => Err(more_than_one()),
        other => {
            let at = (next.span.start.line, next.span.start.column);
            Err(syntax_error(
                sql,
                Some(at),
                &format!("expected the end of the statement, found {other}"),
            ))
        }
    }
}

pub(super) fn more_than_one() -> Error {
    Error::new(Code::SqlInvalid, "the text holds more than one statement")
        .hint("send one statement per request")
}

fn classify(statement: ast::Statement) -> Result<Statement> {
    match statement {
        ast::Statement::Query(_) => Ok(Statement::Query(Box::new(statement))),
        ast::Statement::Explain { statement: ref inner, .. } => match **inner {
            ast::Statement::Query(_) => Ok(Statement::Query(Box::new(statement))),
            _ => Err(refused("EXPLAIN of this statement", "EXPLAIN answers for queries")),
        },
        ast::Statement::Insert(insert) => Ok(Statement::Insert(Box::new(insert))),
        ast::Statement::CreateTable(create) => Ok(Statement::CreateTable(Box::new(create))),
        ast::Statement::CreateDatabase { db_name, if_not_exists, .. } => {
            Ok(Statement::CreateDatabase { name: db_name, if_not_exists })
        }
        ast::Statement::Drop { object_type, if_exists, names, .. } => {
            let [name] = <[ast::ObjectName; 1]>::try_from(names)
                .map_err(|_| refused("dropping several at once", "drop one per statement"))?;
            match object_type {
                ast::ObjectType::Table => Ok(Statement::DropTable { name, if_exists }),
                _ => Ok(Statement::DropDatabase { name, if_exists }),
            }
        }
        ast::Statement::Delete(delete) => {
            Ok(Statement::Rows(Box::new(RowStatement::delete(delete, false)?)))
        }
        ast::Statement::Update(update) => {
            Ok(Statement::Rows(Box::new(RowStatement::update(update)?)))
        }
        ast::Statement::Truncate(truncate) => {
            let (if_exists, mut names) = (truncate.if_exists, truncate.table_names);
            match (names.pop(), names.is_empty(), truncate.partitions) {
                (Some(target), true, None) => {
                    Ok(Statement::Truncate { name: target.name, if_exists })
                }
                _ => Err(refused("this TRUNCATE", "use TRUNCATE TABLE table")),
            }
        }
        ast::Statement::AlterTable(alter) => Ok(Statement::AlterTable(Box::new(alter))),
        other => {
            let text = other.to_string();
            let word = text.split_whitespace().next().unwrap_or("this statement").to_uppercase();
            Err(refused(
                &word,
                "answered are SELECT, EXPLAIN, SHOW, DESCRIBE, INSERT, UPDATE, DELETE, ERASE, TRUNCATE, \
                 and CREATE, ALTER and DROP of tables and databases",
            ))
        }
    }
}

pub(super) fn is_content(token: &Token) -> bool {
    !matches!(token, Token::Whitespace(_) | Token::SemiColon | Token::EOF)
}

/// The first two words in upper case, or fewer when something else stands there.
fn first_words(tokens: &[TokenWithSpan]) -> Vec<String> {
    tokens
        .iter()
        .map(|token| &token.token)
        .filter(|token| is_content(token))
        .map_while(|token| match token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
            _ => None,
        })
        .take(2)
        .collect()
}

/// `name TYPE TAG` → `name TYPE COMMENT 'tag'`, which the grammar knows; `name TAG` has the type
/// `TAG`. Columns stand inside this many brackets.
fn mark_tags(tokens: Vec<TokenWithSpan>, columns_depth: usize) -> Vec<TokenWithSpan> {
    let mut marked = Vec::with_capacity(tokens.len());
    let (mut depth, mut position) = (0usize, 0usize);
    // In ALTER TABLE only behind ADD.
    let mut columns_follow = columns_depth > 0;
    for token in tokens {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        match &token.token {
            Token::Whitespace(_) => {}
            Token::Comma | Token::LParen if depth == columns_depth => position = 0,
            // ADD [COLUMN] [IF NOT EXISTS] stands before the name.
            Token::Word(word)
                if columns_depth == 0
                    && matches!(word.keyword, Keyword::ADD | Keyword::COLUMN | Keyword::EXISTS) =>
            {
                columns_follow |= word.keyword == Keyword::ADD;
                position = 0;
            }
            _ => position += 1,
        }
        match &token.token {
            Token::Word(word)
                if depth == columns_depth
                    && columns_follow
                    && position > 2
                    && word.quote_style.is_none()
                    && word.value.eq_ignore_ascii_case("tag") =>
            {
                let comment =
                    Word { value: "COMMENT".into(), quote_style: None, keyword: Keyword::COMMENT };
                marked.push(TokenWithSpan { token: Token::Word(comment), span: token.span });
                let value = Token::SingleQuotedString(super::create::TAG_MARK.into());
                marked.push(TokenWithSpan { token: value, span: token.span });
            }
            _ => marked.push(token),
        }
    }
    marked
}

pub(super) fn parser_error(sql: &str, error: ParserError) -> Error {
    match error {
        ParserError::RecursionLimitExceeded => {
            Error::new(Code::SqlInvalid, "the statement is nested too deeply")
                .hint("take subqueries apart with WITH")
        }
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => {
            let (message, at) = split_location(&text);
            syntax_error(sql, at, message)
        }
    }
}

/// `… at Line: 1, Column: 8` → the rest and (1, 8).
fn split_location(text: &str) -> (&str, Option<(u64, u64)>) {
    let Some((message, location)) = text.rsplit_once(" at Line: ") else {
        return (text, None);
    };
    let at = location
        .split_once(", Column: ")
        .and_then(|(line, column)| Some((line.parse().ok()?, column.trim().parse().ok()?)));
    (message, at)
}

/// `sql_syntax` at a place (line and column from 1), or at the end of the text.
pub(super) fn syntax_error(sql: &str, at: Option<(u64, u64)>, message: &str) -> Error {
    let (line, column) = at.filter(|(line, _)| *line > 0).unwrap_or_else(|| end_of(sql));
    let mut sentence =
        message.replace("Expected:", "expected").replace("found: EOF", "found the end");
    sentence = sentence.replace("found:", "found");
    let excerpt = sql.lines().nth(line as usize - 1).map(|text| {
        let skipped =
            text.char_indices().nth((column as usize).saturating_sub(20)).map_or(0, |(i, _)| i);
        prefix(&text[skipped..], 80).to_owned()
    });
    Error::new(
        Code::SqlSyntax,
        format!(
            "syntax error at line {line}, column {column}: {}",
            crate::error::sentence(&sentence)
        ),
    )
    .details([Detail {
        line: Some(line),
        text: excerpt,
        message: format!("column {column}: {}", crate::error::sentence(&sentence)),
        ..Detail::default()
    }])
}

fn end_of(sql: &str) -> (u64, u64) {
    let lines = sql.lines().count().max(1);
    let last = sql.lines().last().unwrap_or("");
    (lines as u64, last.chars().count() as u64 + 1)
}
