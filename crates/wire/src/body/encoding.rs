//! How a body is compressed.

use pulsora_model::name::prefix;
use pulsora_model::{Code, Error, Result};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952, one or more members.
    Gzip,
    /// RFC 8878, one or more frames.
    Zstd,
}

/// First bytes that tell an encoding.
pub(super) const MAGIC_BYTES: usize = 4;

impl Encoding {
    /// Reads `Content-Encoding`; `None` when it leaves the question open (absent or `identity`).
    ///
    /// # Errors
    /// `unsupported_format` for other encodings and for several at once.
    pub fn from_header(header: Option<&str>) -> Result<Option<Encoding>> {
        let mut found = None;
        for name in header.unwrap_or("").split(',').map(str::trim) {
            let encoding = match name.to_ascii_lowercase().as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Encoding::Gzip,
                "zstd" => Encoding::Zstd,
                _ => {
                    let name = prefix(name, 40);
                    return Err(unsupported(format!("the content encoding {name:?} is not read")));
                }
            };
            if found.replace(encoding).is_some() {
                return Err(unsupported("a body compressed more than once is not read".into()));
            }
        }
        Ok(found)
    }

    /// What the first bytes of a body say.
    pub fn from_magic(start: &[u8]) -> Encoding {
        match start {
            [0x1f, 0x8b, ..] => Encoding::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Encoding::Zstd,
            _ => Encoding::Identity,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Encoding::Identity => "identity",
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
        }
    }
}

fn unsupported(message: String) -> Error {
    Error::new(Code::UnsupportedFormat, message).hint("send the body as gzip, zstd or plain")
}
