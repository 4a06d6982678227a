//! Items in row form.

use std::borrow::Cow;

use super::item::Item;
use super::parser::{Parser, malformed, name, time, value};
use super::reader::{MsgpackReader, Token};
use crate::items::{Fault, TableIndex, Time};

impl<'a> Parser<'a, '_> {
    /// Stores one row.
    pub(super) fn row(&mut self, table: TableIndex, item: Item<'a>) -> Result<(), Fault> {
        let time = match item.t {
            Some(mut t) => {
                time(t.token()?).map_err(|error| Fault::of_column(error, "t"))?.unwrap_or(Time::Now)
            }
            None => Time::Now,
        };
        let mut tagged = false;
        if let Some(mut h) = item.h {
            tagged = true;
            let host = match h.token()? {
                Token::I64(number) => Cow::Owned(format!("host_{number}")),
                other => tag_value(other, "h")?.unwrap_or_default(),
            };
            self.tag(table, "host", host)?;
        }
        if let Some(tags) = item.tags {
            tagged |= self.tags(table, tags)?;
        }
        if let Some(fields) = item.fields {
            self.fields(table, fields)?;
        }
        if let Some(fields) = item.f {
            self.numbered_fields(table, fields)?;
        }
        if self.items.row.is_empty() {
            return Err(malformed("the item has no fields and no columns").into());
        }
        let series = self.items.tags.series(self.items.tables.batch(table))?;
        self.items.store(table, series, time)?;
        if tagged {
            self.items.tables.upsert(table);
        }
        Ok(())
    }

    fn tag(&mut self, table: TableIndex, name: &str, value: Cow<'a, str>) -> Result<(), Fault> {
        self.items.tags.add(self.items.tables.batch(table), name, value)
    }

    /// Adds the tags; gives whether there are any.
    fn tags(&mut self, table: TableIndex, mut tags: MsgpackReader<'a>) -> Result<bool, Fault> {
        let len = match tags.token()? {
            Token::Map(len) => len,
            other => {
                let message = format!("tags of a row are a map, not {}", other.noun());
                return Err(malformed(message).into());
            }
        };
        for _ in 0..len {
            let name = name(tags.token()?)?;
            if let Some(value) = tag_value(tags.token()?, name)? {
                self.tag(table, name, value)?;
            }
        }
        Ok(len > 0)
    }

    fn fields(&mut self, table: TableIndex, mut fields: MsgpackReader<'a>) -> Result<(), Fault> {
        let len = match fields.token()? {
            Token::Map(len) => len,
            other => {
                let message = format!("fields are a map, not {}", other.noun());
                return Err(malformed(message).into());
            }
        };
        for _ in 0..len {
            let name = name(fields.token()?)?;
            self.field(table, name, fields.token()?)?;
        }
        Ok(())
    }

    /// The fields of the compact form: `field_0`, `field_1`, …
    fn numbered_fields(
        &mut self,
        table: TableIndex,
        mut fields: MsgpackReader<'a>,
    ) -> Result<(), Fault> {
        let len = match fields.token()? {
            Token::Array(len) => len,
            other => {
                return Err(malformed(format!("f is an array, not {}", other.noun())).into());
            }
        };
        for number in 0..len {
            self.field(table, &format!("field_{number}"), fields.token()?)?;
        }
        Ok(())
    }

    fn field(&mut self, table: TableIndex, name: &str, token: Token<'a>) -> Result<(), Fault> {
        if let Some(value) = value(token, name)? {
            let field = self.items.batch(table).field(name);
            let field = field.map_err(|error| Fault::of_column(error, name))?;
            self.items.row.put(field, value);
        }
        Ok(())
    }
}

/// The value of a tag as text; `None` for nil.
pub(super) fn tag_value<'a>(token: Token<'a>, column: &str) -> Result<Option<Cow<'a, str>>, Fault> {
    Ok(Some(match token {
        Token::Nil => return Ok(None),
        Token::Text(text) => Cow::Borrowed(text),
        Token::I64(value) => Cow::Owned(value.to_string()),
        Token::U64(value) => Cow::Owned(value.to_string()),
        Token::F64(value) => Cow::Owned(value.to_string()),
        Token::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        other => {
            let message = format!("tag {column:?} is {}, not text", other.noun());
            return Err(Fault::of_column(malformed(message), column));
        }
    }))
}
