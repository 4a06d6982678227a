//! One item: where the values of its keys stand.

use super::reader::{MsgpackError, MsgpackReader, Token};

/// The byte that is nil.
const NIL: u8 = 0xc0;

/// Entries of a map that are kept while it is read over: twice as many as a table has columns.
const ENTRIES_KEPT: u32 = 8_192;

/// The value of `columns`.
#[derive(Clone, Debug)]
pub(super) struct Columns<'a> {
    /// At the value.
    pub(super) value: MsgpackReader<'a>,
    /// At each name and the value behind it, so that they need not be searched again; `None` when the
    /// value is no map, or has too many entries.
    pub(super) entries: Option<Vec<(MsgpackReader<'a>, MsgpackReader<'a>)>>,
}

impl<'a> Columns<'a> {
    /// Reads over the value that comes next; `None` for nil.
    fn read(reader: &mut MsgpackReader<'a>) -> Result<Option<Columns<'a>>, MsgpackError> {
        let value = reader.clone();
        let pairs = match value.clone().token()? {
            Token::Map(pairs @ ..=ENTRIES_KEPT) => pairs,
            other => {
                reader.skip()?;
                return Ok((other != Token::Nil).then_some(Columns { value, entries: None }));
            }
        };
        reader.token()?;
        let mut entries = Vec::new();
        for _ in 0..pairs {
            let name = reader.clone();
            reader.skip_at(1)?;
            let values = reader.clone();
            reader.skip_at(1)?;
            entries.push((name, values));
        }
        Ok(Some(Columns { value, entries: Some(entries) }))
    }
}

/// Readers at the values of an item's keys; nil is absent.
#[derive(Clone, Debug, Default)]
pub(super) struct Item<'a> {
    pub(super) m: Option<MsgpackReader<'a>>,
    pub(super) t: Option<MsgpackReader<'a>>,
    pub(super) h: Option<MsgpackReader<'a>>,
    pub(super) f: Option<MsgpackReader<'a>>,
    pub(super) fields: Option<MsgpackReader<'a>>,
    pub(super) tags: Option<MsgpackReader<'a>>,
    pub(super) columns: Option<Columns<'a>>,
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
        let (mut name, mut time) = (None, None);
        for _ in 0..pairs {
            let key = key(reader)?;
            if key == b"columns" {
                item.columns = Columns::read(reader)?;
                continue;
            }
            let value = reader.clone();
            reader.skip()?;
            let slot = match key {
                b"m" => &mut item.m,
                b"name" => &mut name,
                b"t" => &mut item.t,
                b"time" => &mut time,
                b"h" => &mut item.h,
                b"f" => &mut item.f,
                b"fields" => &mut item.fields,
                b"tags" => &mut item.tags,
                b"batch" => &mut item.batch,
                _ => continue,
            };
            let is_nil = value.rest().first() == Some(&NIL);
            *slot = (!is_nil).then_some(value);
        }
        item.m = item.m.or(name);
        item.t = item.t.or(time);
        Ok(Some(item))
    }
}

/// Reads a key; one that is no text is that of nothing.
fn key<'a>(reader: &mut MsgpackReader<'a>) -> Result<&'a [u8], MsgpackError> {
    if let Some((text, len)) = reader.text_bytes() {
        return Ok(&text[..len]);
    }
    let mut key = reader.clone();
    reader.skip()?;
    match key.token()? {
        Token::Text(text) => Ok(text.as_bytes()),
        _ => Ok(b""),
    }
}
