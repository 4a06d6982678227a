//! The key of a statement's answer: its tokens, so that white space and comments do not count, with everything
//! else that the answer depends on beside the tables.
//!
//! The case of a word counts, since names differ by it, unless its place says that it is a keyword: the first word of
//! the statement, and words that go on after an operand, which no alias may be.

use std::fmt::Write;

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use crate::options::PLAN_KEY_BYTES_MAX;
use crate::plans::write_token;
use crate::request::SqlRequest;
use crate::sql::INFORMATION_SCHEMA;

/// Keywords that may follow an operand and may not be its alias.
const AFTER_OPERAND: &[Keyword] = &[
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::UNION,
    Keyword::AS,
    Keyword::AND,
    Keyword::OR,
    Keyword::IN,
    Keyword::IS,
    Keyword::BETWEEN,
    Keyword::LIKE,
];

/// Words that are keywords elsewhere, and mostly names in statements about rows.
const NAMES: &[Keyword] = &[Keyword::NoKeyword, Keyword::TIME, Keyword::VALUE, Keyword::NAME];

/// The key of a query; `None` for other statements, for those of the catalogue's views, for long ones, and where a
/// placeholder has no value.
pub(crate) fn key(
    request: &SqlRequest,
    limit: Option<usize>,
    tokens: &[TokenWithSpan],
) -> Option<String> {
    let content = tokens.iter().map(|token| &token.token);
    let content: Vec<&Token> = content.filter(|token| is_content(token)).collect();
    let is_query = matches!(content.first()?, Token::Word(word)
        if matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES));
    let is_catalogue = |name: &str| name.eq_ignore_ascii_case(INFORMATION_SCHEMA);
    let of_catalogue = is_catalogue(&request.database)
        || content.iter().any(|t| matches!(t, Token::Word(word) if is_catalogue(&word.value)));
    if !is_query || of_catalogue || request.sql.len() > PLAN_KEY_BYTES_MAX {
        return None;
    }
    let mut text = String::with_capacity(request.sql.len() + 64);
    let (database, folds, params) = (&request.database, request.folds, request.params.len());
    write!(text, "{}:{database}{limit:?}{folds:?}{params}", database.len()).ok()?;
    let mut last_folded = None;
    for (index, token) in content.iter().enumerate() {
        let word = match token {
            Token::Word(word) if is_keyword(word, &content[..index], last_folded) => Some(word),
            _ => None,
        };
        last_folded = word.map(|word| word.keyword);
        match word {
            Some(word) => write!(text, "k{:?}", word.keyword).ok()?,
            None => write_token(&mut text, token, &request.params)?,
        }
    }
    Some(text)
}

fn is_content(token: &Token) -> bool {
    !matches!(token, Token::Whitespace(_) | Token::SemiColon | Token::EOF)
}

/// Whether a word can be nothing but a keyword after these tokens, the last of which is `folded` if it is one.
fn is_keyword(word: &Word, before: &[&Token], folded: Option<Keyword>) -> bool {
    if word.quote_style.is_some() {
        return false;
    }
    match (word.keyword, folded) {
        (_, _) if before.is_empty() => true,
        (Keyword::BY, Some(Keyword::GROUP | Keyword::ORDER)) => true,
        (keyword, _) => AFTER_OPERAND.contains(&keyword) && ends_operand(before),
    }
}

/// Whether the last of these tokens ends an operand: a value, a bracket, a star that is no operator, or a name.
fn ends_operand(before: &[&Token]) -> bool {
    let (last, previous) = match before {
        [.., previous, last] => (*last, Some(*previous)),
        [last] => (*last, None),
        [] => return false,
    };
    match last {
        Token::Number(..) | Token::SingleQuotedString(_) | Token::RParen | Token::RBracket => true,
        Token::Mul => {
            matches!(previous, Some(Token::Comma | Token::Period | Token::LParen))
                || matches!(previous, Some(Token::Word(word)) if word.keyword == Keyword::SELECT && before.len() == 2)
        }
        Token::Word(word) => word.quote_style.is_some() || NAMES.contains(&word.keyword),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{SqlParam, tokens};

    fn of(sql: &str) -> Option<String> {
        key(&SqlRequest::new("default", sql), None, &tokens(sql).unwrap())
    }

    #[test]
    fn space_comments_and_the_case_of_keywords_do_not_count() {
        let text = of(
            "SELECT a, count(*) FROM t WHERE time > 5 AND b IN ('x') GROUP BY a ORDER BY a LIMIT 3",
        );
        assert!(text.is_some());
        for same in [
            "select a , count( * )\n from t -- all\n where time>5 and b in ('x') group /* */ by a order by a limit 3;",
            "Select a,count(*) From t Where time > 5 And b In ('x') Group By a Order By a Limit 3",
        ] {
            assert_eq!(of(same), text, "{same}");
        }
        assert_eq!(of("select * from t"), of("SELECT * FROM t"));
    }

    #[test]
    fn everything_else_counts() {
        for (one, other) in [
            ("SELECT a FROM t", "SELECT A FROM t"),
            ("SELECT a FROM t", "SELECT a FROM T"),
            ("SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 2"),
            ("SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = 'X'"),
            ("SELECT a FROM t WHERE b = 1", "SELECT a FROM t WHERE b = 1.0"),
            ("SELECT a b FROM t", "SELECT ab FROM t"),
            ("SELECT \"from\" FROM t", "SELECT \"FROM\" FROM t"),
            ("SELECT a AS select FROM t", "SELECT a AS SELECT FROM t"),
            ("SELECT t.from FROM t", "SELECT t.FROM FROM t"),
            ("SELECT a * from FROM t", "SELECT a * FROM FROM t"),
            ("WITH from AS (SELECT 1) SELECT 1", "WITH FROM AS (SELECT 1) SELECT 1"),
            ("SELECT a asc FROM t", "SELECT a ASC FROM t"),
        ] {
            assert_ne!(of(one), of(other), "{one} and {other}");
        }
        for none in ["EXPLAIN SELECT 1", "INSERT INTO t VALUES (1)", "SHOW TABLES", "SELECT $1"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn params_limit_and_database_count() {
        let sql = "SELECT a FROM t WHERE b = $1";
        let with = |param: SqlParam, database: &str, limit| {
            let request = SqlRequest { params: vec![param], ..SqlRequest::new(database, sql) };
            key(&request, limit, &tokens(sql).unwrap())
        };
        let base = with(SqlParam::I64(1), "default", None);
        assert_eq!(base, with(SqlParam::I64(1), "default", None));
        for other in [
            with(SqlParam::I64(2), "default", None),
            with(SqlParam::F64(1.0), "default", None),
            with(SqlParam::Text("1".into()), "default", None),
            with(SqlParam::I64(1), "other", None),
            with(SqlParam::I64(1), "default", Some(1)),
        ] {
            assert_ne!(base, other);
        }
    }
}
