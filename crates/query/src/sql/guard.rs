//! Bounds on a statement's text that keep every later step from running out of stack.
//!
//! A chain of operators becomes a tree as deep as the chain is long; nesting in brackets is bounded
//! by the parser itself. So chains are counted on the tokens, before anything is built.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use pulsora_model::{Code, Error, Result};

use crate::options::{CHAIN_MAX, SET_OPERATIONS_MAX};

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

/// # Errors
/// `sql_invalid` when a chain of operators or of set operations is too long.
pub(super) fn check_chains(tokens: &[TokenWithSpan]) -> Result<()> {
    // One count per open bracket; a comma starts a new chain.
    let mut chains = vec![0usize];
    let mut set_operations = 0;
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket => chains.push(0),
            Token::RParen | Token::RBracket if chains.len() > 1 => {
                chains.pop();
                // The bracket itself may be one link: `f(x)(y)`, `a[1][2]`.
                count(&mut chains)?;
            }
            Token::Comma => {
                if let Some(last) = chains.last_mut() {
                    *last = 0;
                }
            }
            Token::Word(word) if SET_OPERATIONS.contains(&word.keyword) => set_operations += 1,
            Token::Word(word) if !LINKS.contains(&word.keyword) => {}
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Whitespace(_) => {}
            _ => count(&mut chains)?,
        }
    }
    if set_operations > SET_OPERATIONS_MAX {
        let message = format!("the statement has {set_operations} set operations in a row");
        return Err(Error::new(Code::SqlInvalid, message)
            .hint(format!("use at most {SET_OPERATIONS_MAX} UNION, INTERSECT and EXCEPT")));
    }
    Ok(())
}

fn count(chains: &mut [usize]) -> Result<()> {
    if let Some(last) = chains.last_mut() {
        *last += 1;
        if *last > CHAIN_MAX {
            let message = format!("an expression chains more than {CHAIN_MAX} operators");
            return Err(Error::new(Code::SqlInvalid, message)
                .hint("use IN (…) for many values, or several statements"));
        }
    }
    Ok(())
}
