//! Bytes of an object that is written from its start to its end, with their length and checksum.
//!
//! Invariant: nobody sees the object before [`Sink::finish`]; a sink that is dropped before leaves nothing.

use std::io::{self, Write};

use pulsora_env::{ObjectWriter, Store};
use pulsora_model::Error;

/// An object on its way to the store.
pub(super) struct Sink<'a> {
    store: &'a dyn Store,
    /// Where it is gathered.
    object: String,
    writer: Option<Box<dyn ObjectWriter>>,
    /// Bytes that the writer has not got.
    gathered: Vec<u8>,
    /// How many of them it gets at once.
    piece_bytes: usize,
    length: u64,
    crc: u32,
}

impl<'a> Sink<'a> {
    /// An object that is gathered as `object`, in pieces of `piece_bytes`; a smaller one as a whole.
    pub fn new(store: &'a dyn Store, object: String, piece_bytes: usize) -> Sink<'a> {
        let gathered = Vec::new();
        Sink { store, object, writer: None, gathered, piece_bytes, length: 0, crc: 0 }
    }

    /// Gives the object its name, durably; returns its length and its CRC32C.
    ///
    /// # Errors
    /// Those of the store.
    pub fn finish(mut self, name: &str) -> io::Result<(u64, u32)> {
        let written = match self.writer.take() {
            None => self.store.put_if_absent(name, &self.gathered),
            Some(mut writer) => {
                let rest = writer.write(&self.gathered);
                rest.and_then(|()| writer.finish(name).map(drop))
            }
        };
        written.inspect_err(|_| {
            // Its name is of this try alone. After most errors there is nothing to remove.
            let _absent = self.store.delete(name);
        })?;
        Ok((self.length, self.crc))
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len() as u64;
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= self.piece_bytes {
            let writer = match &mut self.writer {
                Some(writer) => writer,
                none => none.insert(self.store.create(&self.object)?),
            };
            writer.write(&self.gathered)?;
            self.gathered.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error of the store, with the object.
pub(super) fn io_error(object: &str, error: io::Error) -> Error {
    Error::io(format!("write segment object {object:?}"), error)
}
