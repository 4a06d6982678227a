//! Bytes of an object that is written from its start to its end, with their length and checksum.
//!
//! Invariant: nobody sees the object before [`Sink::finish`]; a sink that is dropped before leaves nothing.

use std::io::{self, Write};

use pulsora_env::{ObjectWriter, Store};
use pulsora_model::Error;

use crate::segment::meta::PIECE_BYTES;

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
    written: Written,
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    pub length: u64,
    /// CRC32C of all bytes.
    pub crc: u32,
    /// CRC32C of each [`PIECE_BYTES`] of them.
    pub piece_crcs: Vec<u32>,
}

impl Written {
    fn add(&mut self, bytes: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let filled = (self.length % PIECE_BYTES as u64) as usize;
            let (now, later) = rest.split_at(rest.len().min(PIECE_BYTES - filled));
            match self.piece_crcs.last_mut().filter(|_| filled > 0) {
                Some(crc) => *crc = crc32c::crc32c_append(*crc, now),
                None => self.piece_crcs.push(crc32c::crc32c(now)),
            }
            self.length += now.len() as u64;
            rest = later;
        }
    }
}

impl<'a> Sink<'a> {
    /// An object that is gathered as `object`, in pieces of `piece_bytes`; a smaller one as a whole.
    pub fn new(store: &'a dyn Store, object: String, piece_bytes: usize) -> Sink<'a> {
        let gathered = Vec::new();
        let written = Written::default();
        Sink { store, object, writer: None, gathered, piece_bytes, written }
    }

    /// Gives the object its name, durably.
    ///
    /// # Errors
    /// Those of the store.
    pub fn finish(mut self, name: &str) -> io::Result<Written> {
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
        Ok(self.written)
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.add(bytes);
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
