//! Numbers of the proto3 JSON mapping: as JSON numbers or as texts, enums by number or name.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use super::point::Temporality;

/// u64, u32.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unsigned(pub(super) u64);

/// i64, i32.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Int(pub(super) i64);

/// double; texts are `NaN`, `Infinity`, `-Infinity` and numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Double(pub(super) f64);

/// A temporality.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Temporal(pub(super) Option<Temporality>);

/// A JSON number or text.
enum Token {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
}

struct TokenVisitor;

impl Visitor<'_> for TokenVisitor {
    type Value = Token;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a number as text")
    }

    fn visit_u64<E>(self, value: u64) -> Result<Token, E> {
        Ok(Token::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Token, E> {
        Ok(Token::Signed(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Token, E> {
        Ok(Token::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Token, E> {
        Ok(Token::Text(text.to_owned()))
    }
}

fn wrong<E: Error>(token: &Token, expected: &'static str) -> E {
    let unexpected = match token {
        Token::Unsigned(value) => Unexpected::Unsigned(*value),
        Token::Signed(value) => Unexpected::Signed(*value),
        Token::Float(value) => Unexpected::Float(*value),
        Token::Text(text) => Unexpected::Str(pulsora_model::name::prefix(text, 40)),
    };
    E::invalid_value(unexpected, &expected)
}

impl<'de> Deserialize<'de> for Unsigned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unsigned, D::Error> {
        let token = deserializer.deserialize_any(TokenVisitor)?;
        let value = match &token {
            Token::Unsigned(value) => Some(*value),
            Token::Text(text) => text.parse().ok(),
            Token::Signed(_) | Token::Float(_) => None,
        };
        value.map(Unsigned).ok_or_else(|| wrong(&token, "an unsigned integer"))
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Int, D::Error> {
        let token = deserializer.deserialize_any(TokenVisitor)?;
        let value = match &token {
            Token::Unsigned(value) => i64::try_from(*value).ok(),
            Token::Signed(value) => Some(*value),
            Token::Text(text) => text.parse().ok(),
            Token::Float(_) => None,
        };
        value.map(Int).ok_or_else(|| wrong(&token, "an integer"))
    }
}

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Double, D::Error> {
        let token = deserializer.deserialize_any(TokenVisitor)?;
        let value = match &token {
            Token::Unsigned(value) => Some(*value as f64),
            Token::Signed(value) => Some(*value as f64),
            Token::Float(value) => Some(*value),
            Token::Text(text) => text.parse().ok(),
        };
        value.map(Double).ok_or_else(|| wrong(&token, "a number"))
    }
}

impl<'de> Deserialize<'de> for Temporal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Temporal, D::Error> {
        Ok(Temporal(match deserializer.deserialize_any(TokenVisitor)? {
            Token::Unsigned(number) => Temporality::of(number),
            Token::Text(text) => match text.as_str() {
                "AGGREGATION_TEMPORALITY_DELTA" => Some(Temporality::Delta),
                "AGGREGATION_TEMPORALITY_CUMULATIVE" => Some(Temporality::Cumulative),
                _ => None,
            },
            Token::Signed(_) | Token::Float(_) => None,
        }))
    }
}
