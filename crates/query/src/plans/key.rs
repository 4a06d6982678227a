//! The key of a statement: its tokens, without the literals that something is compared with.
//!
//! Left out are, behind WHERE, numbers and texts after a comparison operator (also with a minus or the word TIMESTAMP
//! between), in an IN list and after BETWEEN; their types stay. Everything else stays as it is: limits,
//! intervals, names, and how many values a list has.

use std::fmt::Write;

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::options::PLAN_KEY_BYTES_MAX;
use crate::request::SqlRequest;
use crate::sql::SqlParam;

/// A literal that a key leaves out. A minus before it stays in the key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Int(i64),
    Float(f64),
    Text(String),
}

/// A literal and where it stands in the text: line and column.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) at: (u64, u64),
    pub(super) literal: Literal,
}

/// A statement without its literals, and they.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(super) text: String,
    pub(super) slots: Vec<Slot>,
}

/// What ends the conditions of a WHERE.
const CONDITION_ENDS: &[Keyword] = &[
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::WINDOW,
    Keyword::QUALIFY,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::FETCH,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
];

/// Where a token stands, as far as literals are concerned.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Elsewhere,
    /// Right of a comparison.
    Compared,
    /// After BETWEEN, and after the AND that belongs to it.
    Low,
    LowRead,
    High,
    /// After IN, and inside its brackets before and after a value.
    In,
    Listed,
    ListedRead,
}

impl Key {
    /// The key of a SELECT; `None` for other statements and for long ones.
    pub(crate) fn of(
        request: &SqlRequest,
        limit: Option<usize>,
        tokens: &[TokenWithSpan],
    ) -> Option<Key> {
        let content = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
        let mut content = content.peekable();
        let is_select = matches!(&content.peek()?.token,
            Token::Word(word) if word.keyword == Keyword::SELECT);
        if !is_select || request.sql.len() > PLAN_KEY_BYTES_MAX {
            return None;
        }
        let mut key =
            Key { text: String::with_capacity(request.sql.len() + 64), slots: Vec::new() };
        let (database, folds, params) = (&request.database, request.folds, request.params.len());
        write!(key.text, "{}:{database}{limit:?}{folds:?}{params}", database.len()).ok()?;
        let (mut place, mut is_condition) = (Place::Elsewhere, false);
        for token in content {
            place = key.add(token, place, &request.params)?;
            if let Token::Word(word) = &token.token {
                is_condition = match word.keyword {
                    Keyword::WHERE => true,
                    keyword => is_condition && !CONDITION_ENDS.contains(&keyword),
                };
            }
            if !is_condition {
                place = Place::Elsewhere;
            }
        }
        Some(key)
    }

    /// Adds a token; the place of the next one.
    fn add(&mut self, token: &TokenWithSpan, place: Place, params: &[SqlParam]) -> Option<Place> {
        use Place::{Compared, Elsewhere, High, In, Listed, ListedRead, Low, LowRead};
        let takes = matches!(place, Compared | Low | High | Listed);
        let literal = literal(&token.token, params)?;
        if let (true, Some(literal)) = (takes, &literal) {
            self.text.push(match literal {
                Literal::Int(_) => '\u{1}',
                Literal::Float(_) => '\u{2}',
                Literal::Text(_) => '\u{3}',
            });
            let at = (token.span.start.line, token.span.start.column);
            self.slots.push(Slot { at, literal: literal.clone() });
            return Some(match place {
                Low => LowRead,
                Listed => ListedRead,
                _ => Elsewhere,
            });
        }
        write_token(&mut self.text, &token.token, params)?;
        Some(match (&token.token, place) {
            (Token::Minus, place) if takes => place,
            (Token::Word(word), place) if takes && word.keyword == Keyword::TIMESTAMP => place,
            (Token::Eq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq, _) => Compared,
            (Token::Word(word), _) if word.keyword == Keyword::BETWEEN => Low,
            (Token::Word(word), LowRead) if word.keyword == Keyword::AND => High,
            (Token::Word(word), _) if word.keyword == Keyword::IN => In,
            (Token::LParen, In) => Listed,
            (Token::Comma, ListedRead) => Listed,
            _ => Elsewhere,
        })
    }
}

/// Writes a token so that no two texts of tokens are the same; `None` for a placeholder without a value.
pub(crate) fn write_token(text: &mut String, token: &Token, params: &[SqlParam]) -> Option<()> {
    match token {
        Token::Word(word) => {
            let quote = word.quote_style.unwrap_or('w');
            write!(text, "{quote}{}:{}", word.value.len(), word.value).ok()
        }
        Token::SingleQuotedString(value) => write!(text, "'{}:{value}", value.len()).ok(),
        Token::Placeholder(name) => {
            let value = format!("{:?}", param(name, params)?);
            write!(text, "${}:{value}", value.len()).ok()
        }
        other => {
            let token = other.to_string();
            write!(text, " {}:{token}", token.len()).ok()
        }
    }
}

fn param<'p>(name: &str, params: &'p [SqlParam]) -> Option<&'p SqlParam> {
    params.get(name.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)?)
}

/// The literal that a token is, if a key may leave it out; `None` outside when the statement has a
/// placeholder without a value.
#[expect(clippy::option_option, reason = "no literal is not the same as no key")]
fn literal(token: &Token, params: &[SqlParam]) -> Option<Option<Literal>> {
    Some(match token {
        Token::SingleQuotedString(text) => Some(Literal::Text(text.clone())),
        Token::Number(digits, false) => number(digits),
        Token::Placeholder(name) => match param(name, params)? {
            SqlParam::I64(value) => Some(Literal::Int(*value)),
            SqlParam::F64(value) if value.is_finite() => Some(Literal::Float(*value)),
            SqlParam::Text(text) => Some(Literal::Text(text.clone())),
            _ => None,
        },
        _ => None,
    })
}

/// A number as the planner reads it: an integer if it is one of 64 bits, else a float. Those between
/// the signed and the unsigned range stay in the key.
fn number(digits: &str) -> Option<Literal> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits.parse().ok().map(Literal::Int);
    }
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let value = digits.parse().ok().filter(|value: &f64| plain && value.is_finite())?;
    Some(Literal::Float(value))
}
