//! Bytes of an object that is written from its start to its end, with their length and checksum.
//!
//! Invariant: nobody sees the object before [`Sink::finish`]; a sink that is dropped before leaves nothing.

use std::io::{self, Write};

use pulsora_env::{ObjectWriter, Store};
use pulsora_model::Error;

/// An object up to this size is written at its end with one call: many small ones are open at the same
/// time when a flush writes Parquet, and none of them should need an open file.
const WHOLE_BYTES: usize = 256 << 10;

/// An object on its way to the store.
pub(super) struct Sink<'a> {
    store: &'a dyn Store,
    /// Where it is gathered.
    object: String,
    writer: Option<Box<dyn ObjectWriter>>,
    /// Bytes that the writer has not got.
    gathered: Vec<u8>,
    length: u64,
    crc: u32,
}

impl<'a> Sink<'a> {
    /// An object that is gathered as `object`.
    pub fn new(store: &'a dyn Store, object: String) -> Sink<'a> {
        Sink { store, object, writer: None, gathered: Vec::new(), length: 0, crc: 0 }
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
        if self.gathered.len() >= WHOLE_BYTES {
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
