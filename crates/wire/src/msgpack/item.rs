//! One item: where the values of its keys stand.

use super::reader::{MsgpackError, MsgpackReader, Token};

/// Readers at the values of an item's keys; nil is absent.
#[derive(Clone, Debug, Default)]
pub(super) struct Item<'a> {
    pub(super) m: Option<MsgpackReader<'a>>,
    pub(super) t: Option<MsgpackReader<'a>>,
    pub(super) h: Option<MsgpackReader<'a>>,
    pub(super) f: Option<MsgpackReader<'a>>,
    pub(super) fields: Option<MsgpackReader<'a>>,
    pub(super) tags: Option<MsgpackReader<'a>>,
    pub(super) columns: Option<MsgpackReader<'a>>,
    pub(super) batch: Option<MsgpackReader<'a>>,
}

impl<'a> Item<'a> {
    /// Reads over the item that comes next; `None` when it is no map. Afterwards it is known to be
    /// whole, so that reading its values again fails only by what they mean.
    ///
    /// # Errors
    /// When it is not well formed.
    pub(super) fn read(reader: &mut MsgpackReader<'a>) -> Result<Option<Item<'a>>, MsgpackError> {
        let mark = reader.clone();
        let Token::Map(pairs) = reader.token()? else {
            *reader = mark;
            reader.skip()?;
            return Ok(None);
        };
        let mut item = Item::default();
        for _ in 0..pairs {
            let mut key = reader.clone();
            reader.skip()?;
            let value = reader.clone();
            reader.skip()?;
            let slot = match key.token()? {
                Token::Text("m") => &mut item.m,
                Token::Text("t") => &mut item.t,
                Token::Text("h") => &mut item.h,
                Token::Text("f") => &mut item.f,
                Token::Text("fields") => &mut item.fields,
                Token::Text("tags") => &mut item.tags,
                Token::Text("columns") => &mut item.columns,
                Token::Text("batch") => &mut item.batch,
                _ => continue,
            };
            let is_nil = value.clone().token()? == Token::Nil;
            *slot = (!is_nil).then_some(value);
        }
        Ok(Some(item))
    }
}
