//! Bounds on a statement's text that keep every later step from running out of stack or time.
//!
//! A chain of operators becomes a tree as deep as the chain is long. Nested constructs for which the
//! parser knows two readings (`CAST(` as the keyword and as a function) are read twice at every level
//! when something inside is wrong, so their cost doubles with each. Both are counted on the tokens,
//! before anything is built.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use pulsora_model::{Code, Error, Result};

use crate::options::{CHAIN_MAX, NESTING_COST_MAX, NESTING_MAX, SET_OPERATIONS_MAX};

/// Keywords that link two expressions or extend one.
const LINKS: &[Keyword] = &[
    Keyword::AND,
    Keyword::OR,
    Keyword::XOR,
    Keyword::IS,
    Keyword::IN,
    Keyword::LIKE,
    Keyword::ILIKE,
    Keyword::SIMILAR,
    Keyword::BETWEEN,
    Keyword::COLLATE,
    Keyword::AT,
    Keyword::DIV,
    Keyword::REGEXP,
    Keyword::RLIKE,
    Keyword::NOTNULL,
    Keyword::OVERLAPS,
    Keyword::JOIN,
];

const SET_OPERATIONS: &[Keyword] =
    &[Keyword::UNION, Keyword::INTERSECT, Keyword::EXCEPT, Keyword::MINUS];

/// Words before a bracket that have two readings, with how often the cost doubles for each.
const TWO_READINGS: &[(&str, usize)] = &[
    ("NOT", 1),
    ("CAST", 1),
    ("TRY_CAST", 1),
    ("SAFE_CAST", 1),
    ("CONVERT", 1),
    ("TRY_CONVERT", 1),
    ("EXTRACT", 1),
    ("CEIL", 1),
    ("FLOOR", 1),
    ("POSITION", 2),
    ("SUBSTR", 1),
    ("SUBSTRING", 1),
    ("OVERLAY", 1),
    ("TRIM", 1),
    ("INTERVAL", 1),
    ("ARRAY", 1),
    ("STRUCT", 1),
    ("MAP", 1),
    ("MATCH", 1),
    ("PRIOR", 1),
    ("LAMBDA", 1),
];

/// What stands inside one open bracket (or outside all).
#[derive(Clone, Copy, Default)]
struct Level {
    /// Operators since the last comma.
    links: usize,
    /// Doublings by the bracket itself.
    by_bracket: usize,
    /// Doublings by open CASEs, and by others since the last comma.
    by_cases: usize,
    by_words: usize,
}

/// # Errors
/// `sql_invalid` when a chain of operators or of set operations is too long, or the nesting too deep.
pub(super) fn check_text(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut levels = vec![Level::default()];
    let mut set_operations = 0;
    let content = tokens.iter().map(|token| &token.token);
    let content: Vec<&Token> = content.filter(|t| !matches!(t, Token::Whitespace(_))).collect();
    for (index, token) in content.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| content[before]);
        let after = content.get(index + 1).copied();
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                levels.push(Level { by_bracket: doublings(before), ..Level::default() });
                check_nesting(&levels)?;
            }
            Token::RParen | Token::RBracket | Token::RBrace if levels.len() > 1 => {
                levels.pop();
            }
            _ => {}
        }
        let Some(level) = levels.last_mut() else { continue };
        match token {
            Token::Comma => (level.links, level.by_words) = (0, 0),
            Token::Word(word) if SET_OPERATIONS.contains(&word.keyword) => {
                set_operations += 1;
                (level.links, level.by_words) = (0, 0);
            }
            Token::Word(word) if LINKS.contains(&word.keyword) => level.links += 1,
            Token::Word(word) if word.keyword == Keyword::CASE => level.by_cases += 1,
            Token::Word(word) if word.keyword == Keyword::END => {
                level.by_cases = level.by_cases.saturating_sub(1);
            }
            Token::Word(word) if word.keyword == Keyword::INTERVAL => {
                let literal =
                    matches!(after, Some(Token::SingleQuotedString(_) | Token::Number(..)));
                level.by_words += usize::from(!literal);
            }
            Token::Lt if doublings(before) > 0 => level.by_words += 1,
            Token::Arrow | Token::Assignment | Token::RArrow => level.by_words += 1,
            Token::Word(_) | Token::Number(..) | Token::SingleQuotedString(_) => {}
            // Brackets count too: `f(x)(y)`, `a[1][2]`.
            _ => level.links += 1,
        }
        if level.links > CHAIN_MAX {
            let message = format!("an expression chains more than {CHAIN_MAX} operators");
            return Err(Error::new(Code::SqlInvalid, message)
                .hint("use IN (…) for many values, or several statements"));
        }
        if matches!(token, Token::Word(_) | Token::Arrow | Token::Assignment | Token::Lt) {
            check_nesting(&levels)?;
        }
    }
    if set_operations > SET_OPERATIONS_MAX {
        let message = format!("the statement has {set_operations} set operations in a row");
        return Err(Error::new(Code::SqlInvalid, message)
            .hint(format!("use at most {SET_OPERATIONS_MAX} UNION, INTERSECT and EXCEPT")));
    }
    Ok(())
}

/// How often the cost of what follows doubles by the token before a bracket.
fn doublings(before: Option<&Token>) -> usize {
    match before {
        Some(Token::LParen) => 1,
        Some(Token::Word(word)) if word.quote_style.is_none() => {
            let name = word.value.to_ascii_uppercase();
            TWO_READINGS.iter().find(|(two, _)| *two == name).map_or(0, |(_, cost)| *cost)
        }
        _ => 0,
    }
}

fn check_nesting(levels: &[Level]) -> Result<()> {
    let cost = |level: &Level| level.by_bracket + level.by_cases + level.by_words;
    if levels.len() <= NESTING_MAX && levels.iter().map(cost).sum::<usize>() <= NESTING_COST_MAX {
        return Ok(());
    }
    Err(Error::new(Code::SqlInvalid, "the statement is nested too deeply")
        .hint("take it apart with WITH, and leave out brackets that are not needed"))
}
