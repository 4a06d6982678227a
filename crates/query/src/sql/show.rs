//! SHOW and DESCRIBE, read from the tokens: they name what there is, never an expression.

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use pulsora_model::Result;

use super::refuse::refused;
use super::statement::{Statement, is_content, more_than_one, syntax_error};

/// The statement if it starts with SHOW, DESCRIBE or DESC (`words` are the first two, upper case).
///
/// # Errors
/// `sql_syntax` or `statement_refused`.
pub(super) fn parse(
    sql: &str,
    words: &[String],
    tokens: &[TokenWithSpan],
) -> Result<Option<Statement>> {
    let mut reader = Reader::new(sql, tokens);
    let second = words.get(1).map_or("", String::as_str);
    let statement = match words.first().map(String::as_str) {
        Some("SHOW") => {
            reader.skip(2);
            match second {
                "DATABASES" | "SCHEMAS" => Statement::ShowDatabases,
                "TABLES" | "MEASUREMENTS" => Statement::ShowTables(reader.optional_from()?),
                "COLUMNS" | "FIELDS" => {
                    reader.expect_from()?;
                    Statement::Describe(reader.object_name()?)
                }
                _ => {
                    return Err(refused(
                        "this SHOW",
                        "use SHOW DATABASES, SHOW TABLES [FROM database] or SHOW COLUMNS FROM table",
                    ));
                }
            }
        }
        Some("DESCRIBE" | "DESC") => {
            if matches!(second, "SELECT" | "WITH") {
                return Err(refused("DESCRIBE of a query", "use EXPLAIN for its plan"));
            }
            reader.skip(if second == "TABLE" { 2 } else { 1 });
            Statement::Describe(reader.object_name()?)
        }
        _ => return Ok(None),
    };
    reader.end()?;
    Ok(Some(statement))
}

struct Reader<'a> {
    sql: &'a str,
    tokens: Vec<&'a TokenWithSpan>,
    next: usize,
}

impl<'a> Reader<'a> {
    fn new(sql: &'a str, tokens: &'a [TokenWithSpan]) -> Reader<'a> {
        let tokens =
            tokens.iter().filter(|t| is_content(&t.token) || t.token == Token::SemiColon).collect();
        Reader { sql, tokens, next: 0 }
    }

    fn skip(&mut self, tokens: usize) {
        self.next += tokens;
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next).map(|token| &token.token)
    }

    fn expected<T>(&self, what: &str) -> Result<T> {
        let at = self.tokens.get(self.next).map(|t| (t.span.start.line, t.span.start.column));
        let found = self.peek().map_or("the end".to_owned(), Token::to_string);
        Err(syntax_error(self.sql, at, &format!("expected {what}, found {found}")))
    }

    fn from(&mut self) -> bool {
        let is_from = matches!(self.peek(), Some(Token::Word(word))
            if word.quote_style.is_none() && matches!(word.value.to_uppercase().as_str(), "FROM" | "IN"));
        self.next += usize::from(is_from);
        is_from
    }

    fn optional_from(&mut self) -> Result<Option<Ident>> {
        if self.from() { self.ident().map(Some) } else { Ok(None) }
    }

    fn expect_from(&mut self) -> Result<()> {
        if self.from() { Ok(()) } else { self.expected("FROM and a table") }
    }

    fn ident(&mut self) -> Result<Ident> {
        let ident = match self.peek() {
            Some(Token::Word(word)) => {
                Ident { quote_style: word.quote_style, ..Ident::new(word.value.clone()) }
            }
            Some(Token::SingleQuotedString(text)) => Ident::with_quote('\'', text.clone()),
            _ => return self.expected("a name"),
        };
        self.next += 1;
        Ok(ident)
    }

    fn object_name(&mut self) -> Result<ObjectName> {
        let mut parts = vec![self.ident()?];
        while self.peek() == Some(&Token::Period) {
            self.next += 1;
            parts.push(self.ident()?);
        }
        Ok(parts.into())
    }

    fn end(&mut self) -> Result<()> {
        let mut ended = false;
        while self.peek() == Some(&Token::SemiColon) {
            self.next += 1;
            ended = true;
        }
        match self.peek() {
            None => Ok(()),
            Some(_) if ended => Err(more_than_one()),
            Some(_) => self.expected("the end of the statement"),
        }
    }
}
