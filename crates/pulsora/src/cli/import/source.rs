//! The bytes of a file or of standard input, decompressed while they are read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use pulsora_model::{Error, Result};
use pulsora_wire::body::BodyDecoder;

/// Bytes that are read at a time.
const READ_BYTES: usize = 256 << 10;

/// First bytes of gzip and of zstd.
const PACKED: [&[u8]; 2] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd]];

/// A file that is being read.
pub(super) struct Source {
    input: Box<dyn Read + Send>,
    /// `None` when everything has been read.
    decoder: Option<BodyDecoder>,
    chunk: Vec<u8>,
    packed: bool,
    /// Bytes read of the file as it is, packed or not.
    pub bytes_read: u64,
}

impl Source {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// `io_error`.
    pub fn open(path: &Path) -> Result<Source> {
        let input: Box<dyn Read + Send> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| Error::io("open", error))?)
        };
        // A local file is not a stranger's body: what it unpacks to is taken in pieces.
        let decoder = Some(BodyDecoder::new(None, u64::MAX)?);
        Ok(Source { input, decoder, chunk: vec![0; READ_BYTES], packed: false, bytes_read: 0 })
    }

    /// The size of a file as it is, bytes; `None` for what has none.
    pub fn size(path: &Path) -> Option<u64> {
        let metadata = std::fs::metadata(path).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Whether the file is gzip or zstd.
    pub fn is_packed(&self) -> bool {
        self.packed
    }

    /// Whether everything has been read.
    pub fn ended(&self) -> bool {
        self.decoder.is_none()
    }

    /// Reads until `buffer` has at least `target` bytes or everything has been read; `read` is called
    /// after each step.
    ///
    /// # Errors
    /// `io_error`, `malformed_body` when a packed file is damaged.
    pub fn fill(&mut self, buffer: &mut Vec<u8>, target: usize, read: impl Fn(u64)) -> Result<()> {
        while buffer.len() < target {
            let Some(decoder) = &mut self.decoder else { return Ok(()) };
            let count = match self.input.read(&mut self.chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|error| Error::io("read", error))?,
            };
            if self.bytes_read == 0 {
                self.packed = PACKED.iter().any(|magic| self.chunk[..count].starts_with(magic));
            }
            self.bytes_read += count as u64;
            if count > 0 {
                decoder.push(&self.chunk[..count], buffer)?;
            } else if let Some(decoder) = self.decoder.take() {
                decoder.finish(buffer)?;
            }
            read(self.bytes_read);
        }
        Ok(())
    }
}
