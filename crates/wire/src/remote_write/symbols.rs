//! The texts of a 2.0 request that labels point to.
//!
//! Invariants: takes 8 bytes a symbol, whatever the symbols are (a symbol takes at least 2 in the body).

use pulsora_model::{Code, Error, Result};

use crate::protobuf::{ProtobufReader, Value};

/// Number of the field in a request.
const SYMBOLS: u32 = 4;

/// Where the symbols stand.
pub(super) struct Symbols<'a> {
    body: &'a [u8],
    /// Where each ends.
    ends: Vec<u32>,
    /// How long each is.
    lens: Vec<u32>,
}

impl<'a> Symbols<'a> {
    /// Finds the symbols of a request; they may stand anywhere in it.
    ///
    /// # Errors
    /// `malformed_body`; `body_too_large` past 4 GiB.
    pub(super) fn find(body: &'a [u8]) -> Result<Symbols<'a>> {
        if u32::try_from(body.len()).is_err() {
            return Err(Error::new(Code::BodyTooLarge, "a request of more than 4 GiB"));
        }
        let mut symbols = Symbols { body, ends: Vec::new(), lens: Vec::new() };
        let mut reader = ProtobufReader::new(body);
        while let Some(field) = reader.field()? {
            if let (SYMBOLS, Value::Bytes(symbol)) = (field.number, field.value) {
                symbols.ends.push((body.len() - reader.rest().len()) as u32);
                symbols.lens.push(symbol.len() as u32);
            }
        }
        Ok(symbols)
    }

    /// The symbol with this number.
    pub(super) fn symbol(&self, number: u32) -> Option<&'a [u8]> {
        let (end, len) = (*self.ends.get(number as usize)?, *self.lens.get(number as usize)?);
        self.body.get((end - len) as usize..end as usize)
    }
}
