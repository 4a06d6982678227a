//! The walk over a body, item by item.

use pulsora_model::limits::EXCERPT_BYTES;
use pulsora_model::name::prefix;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::time::{Precision, parse_time};
use pulsora_model::{Code, Detail, Error, Mode, Result, Scalar};

use super::item::Item;
use super::reader::{MsgpackError, MsgpackReader, Token, timestamp_ns};
use crate::items::{Fault, Items, TableIndex, Time};
use crate::parsed::Parsed;

/// What a request says about its items.
#[derive(Clone, Copy, Debug)]
pub struct MsgpackOptions {
    /// Unit of numeric times; `Auto` unless the request says otherwise.
    pub precision: Precision,
    /// Time of rows that have none, the same for the whole request; nanoseconds UTC.
    pub now_ns: i64,
}

/// Reads MessagePack. Bad items are counted and listed, the good ones are in the result.
///
/// # Errors
/// `empty_body`, `malformed_body`; `mixed_time_units` when the precision is `Auto` and two times
/// disagree. Then nothing is to be stored.
pub fn parse(body: &[u8], options: &MsgpackOptions, schemas: &dyn SchemaLookup) -> Result<Parsed> {
    if body.is_empty() {
        return Err(Error::new(Code::EmptyBody, "the body has no items").hint(EXAMPLE));
    }
    let mut reader = MsgpackReader::new(body);
    let mut parser = Parser {
        items: Items::new(schemas, body.len(), options.precision, options.now_ns),
        index: 0,
    };
    match reader.clone().token()? {
        Token::Array(_) => parser.list(&mut reader)?,
        Token::Map(_) => match Item::read(&mut reader)? {
            Some(Item { batch: Some(mut batch), .. }) => parser.list(&mut batch)?,
            item => {
                parser.next(item)?;
                while !reader.at_end() && matches!(reader.clone().token()?, Token::Map(_)) {
                    parser.next(Item::read(&mut reader)?)?;
                }
            }
        },
        other => {
            let message = format!("expected a map or an array, found {}", other.noun());
            return Err(Error::new(Code::MalformedBody, message).hint(EXAMPLE));
        }
    }
    if !reader.at_end() {
        return Err(reader.error("more follows after the last item").into());
    }
    Ok(parser.items.finish())
}

const EXAMPLE: &str = "send {\"m\": table, \"columns\": {\"time\": [...], name: [...]}}, \
                       {\"m\": table, \"t\": time, \"fields\": {...}, \"tags\": {...}}, or an array of these";

pub(super) struct Parser<'a, 's> {
    pub(super) items: Items<'a, 's>,
    index: u64,
}

impl<'a> Parser<'a, '_> {
    fn list(&mut self, reader: &mut MsgpackReader<'a>) -> Result<()> {
        let Token::Array(len) = reader.token()? else {
            return Err(reader.error("batch is not an array").into());
        };
        for _ in 0..len {
            self.next(Item::read(reader)?)?;
        }
        Ok(())
    }

    /// Stores or rejects the next item; `None` is one that is no map.
    fn next(&mut self, item: Option<Item<'a>>) -> Result<()> {
        self.items.begin();
        let stored = match item {
            Some(item) => self.item(item),
            None => Err(malformed("the item is not a map").into()),
        };
        let index = self.index;
        self.index += 1;
        if let Err(fault) = stored {
            self.items.reject(fault, |detail| Detail { index: Some(index), ..detail })?;
        }
        Ok(())
    }

    fn item(&mut self, mut item: Item<'a>) -> Result<(), Fault> {
        let table = self.table(item.m.as_mut())?;
        match item.columns.take() {
            Some(columns) => self.columnar(table, columns, item.tags),
            None => self.row(table, item),
        }
    }

    fn table(&mut self, m: Option<&mut MsgpackReader<'a>>) -> Result<TableIndex, Fault> {
        let Some(m) = m else {
            return Err(malformed("the item has no m, the name of its table").into());
        };
        Ok(match m.token()? {
            Token::Text(name) => self.items.open(name, Mode::Append)?,
            Token::I64(number) => {
                self.items.open(&format!("measurement_{number}"), Mode::Append)?
            }
            other => {
                let message = format!("m, the name of the table, is {}", other.noun());
                return Err(malformed(message).into());
            }
        })
    }
}

/// A time of an item; `None` for nil.
pub(super) fn time(token: Token<'_>) -> Result<Option<Time>> {
    Ok(Some(match token {
        Token::Nil => return Ok(None),
        Token::I64(time) => Time::Number(time),
        // Whole and exact: |time| ≤ 2^53.
        Token::F64(time) if time.trunc() == time && time.abs() <= 9_007_199_254_740_992.0 => {
            Time::Number(time as i64)
        }
        Token::Text(text) => Time::Exact(parse_time(text)?),
        Token::Timestamp { seconds, nanos } => Time::Exact(timestamp_ns(seconds, nanos)?),
        other => {
            let message = format!("{} is not a time", excerpt(other));
            return Err(Error::new(Code::InvalidTime, message)
                .hint("send an integer, a time text or a timestamp extension"));
        }
    }))
}

/// A value of a field; `None` for nil.
pub(super) fn value<'a>(token: Token<'a>, column: &str) -> Result<Option<Scalar<'a>>, Fault> {
    Ok(Some(match token {
        Token::Nil => return Ok(None),
        Token::Bool(value) => Scalar::Bool(value),
        Token::I64(value) => Scalar::I64(value),
        Token::U64(value) => Scalar::U64(value),
        Token::F64(value) => Scalar::F64(value),
        Token::Text(value) => Scalar::Text(value),
        Token::Timestamp { seconds, nanos } => Scalar::Timestamp(
            timestamp_ns(seconds, nanos).map_err(|error| Fault::of_column(error, column))?,
        ),
        other => {
            let message = format!(
                "column {column:?} holds {}; expected a number, a boolean, text, a timestamp or nil",
                other.noun()
            );
            return Err(Fault::of_column(malformed(message), column));
        }
    }))
}

/// The key of a field or tag.
pub(super) fn name<'a>(token: Token<'a>) -> Result<&'a str> {
    match token {
        Token::Text(name) => Ok(name),
        other => Err(malformed(format!("a name is {}, not text", other.noun()))),
    }
}

/// A value as text for an error.
fn excerpt(token: Token<'_>) -> String {
    match token {
        Token::Text(text) => format!("{:?}", prefix(text, EXCERPT_BYTES)),
        Token::F64(value) => value.to_string(),
        Token::U64(value) => value.to_string(),
        other => other.noun().to_owned(),
    }
}

/// An error of one item.
pub(super) fn malformed(message: impl Into<String>) -> Error {
    Error::new(Code::MalformedBody, message)
}

impl From<MsgpackError> for Fault {
    fn from(error: MsgpackError) -> Fault {
        Error::from(error).into()
    }
}
