//! The statements of InfluxQL that clients send to find and make databases.
//!
//! Not a query language: everything else is refused with the way to ask in SQL.

use pulsora_model::name::prefix;
use pulsora_model::span::{SPAN_HINT, parse_span};
use pulsora_model::{Code, Error, Name, Result, limits};

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// `SHOW DATABASES`
    ShowDatabases,
    /// `CREATE DATABASE name [WITH …]`
    CreateDatabase {
        /// The database.
        name: Name,
        /// How long its retention policy keeps rows, nanoseconds; `None` = without one, or for ever.
        retention_ns: Option<i64>,
    },
    /// `DROP DATABASE name`
    DropDatabase(Name),
    /// `SHOW MEASUREMENTS [ON database]`
    ShowMeasurements(Option<Name>),
    /// `DROP MEASUREMENT name`
    DropMeasurement(Name),
    /// `SHOW RETENTION POLICIES [ON database]`
    ShowPolicies(Option<Name>),
}

impl Statement {
    /// Whether it takes something away; such statements come by POST only.
    pub fn drops(&self) -> bool {
        matches!(self, Statement::DropDatabase(_) | Statement::DropMeasurement(_))
    }
}

/// The statements of `text`, separated by semicolons.
///
/// # Errors
/// `invalid_request` for an empty text and for statements that are not understood, `invalid_name`.
pub fn parse(text: &str) -> Result<Vec<Statement>> {
    let tokens = tokens(text)?;
    let statements: Vec<Statement> = tokens
        .split(|token| *token == Token::Semicolon)
        .filter(|tokens| !tokens.is_empty())
        .map(|tokens| statement(tokens, text))
        .collect::<Result<_>>()?;
    if statements.is_empty() {
        return Err(Error::new(Code::InvalidRequest, "q holds no statement").hint(UNDERSTOOD));
    }
    Ok(statements)
}

const UNDERSTOOD: &str = "ask in SQL: POST /api/v1/query with {\"sql\":\"…\"}; of InfluxQL this server \
     knows SHOW DATABASES, CREATE DATABASE, DROP DATABASE, SHOW MEASUREMENTS, DROP MEASUREMENT and SHOW \
     RETENTION POLICIES";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// Letters, digits and whatever else is not a space, a quote or a semicolon.
    Word(String),
    /// In double quotes, without them.
    Quoted(String),
    Semicolon,
}

impl Token {
    fn is(&self, keyword: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn name(&self) -> Result<Name> {
        match self {
            Token::Word(text) | Token::Quoted(text) => Name::new(text),
            Token::Semicolon => Err(Error::internal("statements are split at semicolons")),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&first) = chars.peek() {
        match first {
            ';' => {
                chars.next();
                tokens.push(Token::Semicolon);
            }
            '"' => {
                chars.next();
                tokens.push(Token::Quoted(quoted(&mut chars, text)?));
            }
            _ if first.is_whitespace() => {
                chars.next();
            }
            _ => {
                let mut word = String::new();
                let ends = |c: &char| c.is_whitespace() || matches!(c, ';' | '"');
                while let Some(c) = chars.next_if(|c| !ends(c)) {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

/// The rest of a quoted name; a backslash makes the next character a plain one.
fn quoted(chars: &mut impl Iterator<Item = char>, text: &str) -> Result<String> {
    let mut name = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(name),
            '\\' => name.extend(chars.next()),
            _ => name.push(c),
        }
    }
    let message = format!("a quoted name has no end in {:?}", cut(text));
    Err(Error::new(Code::InvalidRequest, message).hint("close it with a double quote"))
}

fn statement(tokens: &[Token], text: &str) -> Result<Statement> {
    let keywords = |count: usize, words: &[&str]| {
        tokens.len() >= count && words.iter().zip(tokens).all(|(word, token)| token.is(word))
    };
    let on = |from: usize| match &tokens[from..] {
        [] => Some(Ok(None)),
        [on, name] if on.is("on") => Some(name.name().map(Some)),
        _ => None,
    };
    if keywords(3, &["create", "database"]) && tokens.get(3).is_none_or(|token| token.is("with")) {
        let retention_ns = duration(&tokens[3..])?;
        return Ok(Statement::CreateDatabase { name: tokens[2].name()?, retention_ns });
    }
    if tokens.len() == 2 && keywords(2, &["show", "databases"]) {
        return Ok(Statement::ShowDatabases);
    }
    if tokens.len() == 3 && keywords(3, &["drop", "database"]) {
        return Ok(Statement::DropDatabase(tokens[2].name()?));
    }
    if tokens.len() == 3 && keywords(3, &["drop", "measurement"]) {
        return Ok(Statement::DropMeasurement(tokens[2].name()?));
    }
    if keywords(2, &["show", "measurements"])
        && let Some(database) = on(2)
    {
        return Ok(Statement::ShowMeasurements(database?));
    }
    if keywords(3, &["show", "retention", "policies"])
        && let Some(database) = on(3)
    {
        return Ok(Statement::ShowPolicies(database?));
    }
    let message = format!("this InfluxQL is not understood: {:?}", cut(text.trim()));
    Err(Error::new(Code::InvalidRequest, message).hint(UNDERSTOOD))
}

/// The DURATION of a retention policy; the other parts of one have no meaning here.
fn duration(policy: &[Token]) -> Result<Option<i64>> {
    let at = policy.iter().position(|token| token.is("duration"));
    let Some(Token::Word(text)) = at.and_then(|at| policy.get(at + 1)) else { return Ok(None) };
    if text.eq_ignore_ascii_case("inf") {
        return Ok(None);
    }
    let span = parse_span(text).and_then(|span| i64::try_from(span.as_nanos()).ok());
    span.map(|ns| Some(ns).filter(|ns| *ns > 0)).ok_or_else(|| {
        Error::new(Code::InvalidRequest, format!("{:?} is not a duration", cut(text)))
            .hint(SPAN_HINT)
    })
}

fn cut(text: &str) -> &str {
    prefix(text, limits::EXCERPT_BYTES)
}
