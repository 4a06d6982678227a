//! The walk over a body, point by point.

use std::borrow::Cow;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use pulsora_model::limits::EXCERPT_BYTES;
use pulsora_model::name::prefix;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::time::{Precision, parse_time};
use pulsora_model::{Code, Detail, Error, Mode, Result, Scalar};

use super::point::Point;
use crate::items::{Fault, Items, TableIndex, Time};
use crate::json_reader::{JsonError, JsonReader, Kind, Number, Scalar as Json};
use crate::parsed::Parsed;

/// What a request says about its points.
#[derive(Clone, Copy, Debug)]
pub struct MetricOptions {
    /// Unit of numeric timestamps; milliseconds unless the request says otherwise.
    pub precision: Precision,
    /// Time of points that have none, the same for the whole request; nanoseconds UTC.
    pub now_ns: i64,
}

/// Reads JSON points. Bad points are counted and listed, the good ones are in the result. New tables
/// are upsert tables.
///
/// # Errors
/// `empty_body`, `invalid_utf8`, `malformed_body`; `mixed_time_units` when the precision is `Auto`
/// and two timestamps disagree. Then nothing is to be stored.
pub fn parse(body: &[u8], options: &MetricOptions, schemas: &dyn SchemaLookup) -> Result<Parsed> {
    if body.trim_ascii().is_empty() {
        return Err(Error::new(Code::EmptyBody, "the body has no points").hint(EXAMPLE));
    }
    let mut reader = JsonReader::from_bytes(body)?;
    let mut parser = Parser {
        items: Items::new(schemas, body.len(), options.precision, options.now_ns),
        seen: HashMap::default(),
        index: 0,
        key: String::new(),
        text: String::new(),
    };
    match reader.peek()? {
        Kind::Object => parser.next(&mut reader)?,
        Kind::Array => {
            reader.begin_array()?;
            while reader.element()? {
                parser.next(&mut reader)?;
            }
        }
        _ => {
            return Err(Error::new(Code::MalformedBody, "expected object or array").hint(EXAMPLE));
        }
    }
    reader.end()?;
    Ok(parser.items.finish())
}

const EXAMPLE: &str = "send {\"metric\":\"cpu\",\"timestamp\":1700000000000,\"value\":0.5,\"tags\":{\"host\":\"a\"}} or an array of these";

struct Parser<'a, 's> {
    items: Items<'a, 's>,
    /// Series by table and raw tags.
    seen: HashMap<(TableIndex, &'a str), u32, RandomState>,
    index: u64,
    key: String,
    text: String,
}

impl<'a> Parser<'a, '_> {
    /// Reads the next point and stores or rejects it.
    fn next(&mut self, reader: &mut JsonReader<'a>) -> Result<()> {
        self.items.begin();
        let stored = match Point::read(reader, &mut self.key)? {
            Some(point) => self.point(&point),
            None => Err(invalid("expected an object").into()),
        };
        let index = self.index;
        self.index += 1;
        if let Err(fault) = stored {
            self.items.reject(fault, |detail| Detail {
                index: Some(index),
                message: format!("point {index}: {}", detail.message),
                ..detail
            })?;
        }
        Ok(())
    }

    fn point(&mut self, point: &Point<'a>) -> Result<(), Fault> {
        let table = self.table(point.metric)?;
        let time = self.time(point.timestamp)?;
        let tags = point.tags.unwrap_or("");
        let seen = self.seen.get(&(table, tags)).copied();
        let series = match seen {
            Some(series) => series,
            None => self.series(table, tags)?,
        };
        if let Some(value) = point.value {
            self.value(table, value)?;
        }
        if let Some(fields) = point.fields {
            self.fields(table, fields)?;
        }
        if self.items.row.is_empty() {
            return Err(invalid("missing or invalid value").into());
        }
        self.items.store(table, series, time)?;
        if seen.is_none() && self.items.tags.is_series() {
            self.seen.insert((table, tags), series);
        }
        Ok(())
    }

    fn table(&mut self, metric: Option<&'a str>) -> Result<TableIndex, Fault> {
        match scalar(metric.unwrap_or("null"), &mut self.text)? {
            Json::Text("") => Err(invalid("missing or invalid metric").into()),
            Json::Text(name) => Ok(self.items.open(name, Mode::Upsert)?),
            _ => Err(invalid("missing or invalid metric").into()),
        }
    }

    fn time(&mut self, timestamp: Option<&'a str>) -> Result<Time, Fault> {
        let Some(raw) = timestamp else { return Ok(Time::Now) };
        let time = match scalar(raw, &mut self.text)? {
            Json::Number(Number::I64(time)) => Ok(Time::Number(time)),
            Json::Number(Number::F64(time)) if whole(time) => Ok(Time::Number(time as i64)),
            Json::Text(text) => parse_time(text).map(Time::Exact),
            _ => Err(Error::new(
                Code::InvalidTime,
                format!("{} is neither an integer nor a time", prefix(raw, EXCERPT_BYTES)),
            )),
        };
        time.map_err(|error| {
            Fault::of_column(error.context("missing or invalid timestamp"), "timestamp")
        })
    }

    fn series(&mut self, table: TableIndex, raw: &'a str) -> Result<u32, Fault> {
        if !raw.is_empty() {
            self.tags(table, raw)?;
        }
        self.items.tags.series(self.items.tables.batch(table))
    }

    fn tags(&mut self, table: TableIndex, raw: &'a str) -> Result<(), Fault> {
        let mut reader = JsonReader::new(raw);
        if reader.peek()? != Kind::Object {
            return Err(invalid("tags are not an object").into());
        }
        reader.begin_object()?;
        while let Some(name) = reader.key(&mut self.key)? {
            let kind = reader.peek()?;
            let value = match kind {
                Kind::String => Cow::Owned(reader.string(&mut self.text)?.to_owned()),
                Kind::Null => {
                    reader.null()?;
                    continue;
                }
                Kind::Number | Kind::Bool => Cow::Borrowed(reader.raw_value()?),
                Kind::Object | Kind::Array => {
                    let message = format!("tag {name:?} is {}, not text", kind.noun());
                    return Err(Fault::of_column(invalid(&message), name));
                }
            };
            if !value.is_empty() {
                self.items.tags.add(self.items.tables.batch(table), name, value)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, table: TableIndex, raw: &'a str) -> Result<(), Fault> {
        let Json::Number(number) = scalar(raw, &mut self.text)? else {
            let message =
                format!("missing or invalid value: {} is not a number", prefix(raw, EXCERPT_BYTES));
            return Err(Fault::of_column(invalid(&message), "value"));
        };
        let field = self.items.batch(table).field("value");
        let field = field.map_err(|error| Fault::of_column(error, "value"))?;
        self.items.row.put(field, of_number(number));
        Ok(())
    }

    fn fields(&mut self, table: TableIndex, raw: &'a str) -> Result<(), Fault> {
        let mut reader = JsonReader::new(raw);
        if reader.peek()? != Kind::Object {
            return Err(invalid("fields are not an object").into());
        }
        reader.begin_object()?;
        while let Some(name) = reader.key(&mut self.key)? {
            let value = match reader.scalar(&mut self.text)? {
                Json::Null => continue,
                Json::Nested(kind) => {
                    let message = format!(
                        "field {name:?} is {}; expected a number, a boolean, text or null",
                        kind.noun()
                    );
                    return Err(Fault::of_column(invalid(&message), name));
                }
                value => value,
            };
            let field = self.items.batch(table).field(name);
            let field = field.map_err(|error| Fault::of_column(error, name))?;
            match value {
                Json::Number(number) => self.items.row.put(field, of_number(number)),
                Json::Bool(value) => self.items.row.put(field, Scalar::Bool(value)),
                Json::Text(text) => self.items.row.put_text(field, text),
                Json::Null | Json::Nested(_) => {}
            }
        }
        Ok(())
    }
}

/// Reads a raw value that has been checked to be JSON.
fn scalar<'s>(raw: &'s str, scratch: &'s mut String) -> Result<Json<'s>, JsonError> {
    JsonReader::new(raw).scalar(scratch)
}

fn of_number(number: Number) -> Scalar<'static> {
    match number {
        Number::I64(value) => Scalar::I64(value),
        Number::U64(value) => Scalar::U64(value),
        Number::F64(value) => Scalar::F64(value),
    }
}

/// Whether a float is an integer that is exact: |value| ≤ 2^53.
fn whole(value: f64) -> bool {
    value.trunc() == value && value.abs() <= 9_007_199_254_740_992.0
}

fn invalid(message: &str) -> Error {
    Error::new(Code::MalformedBody, message)
}
