//! Compressed request bodies: gzip and zstd, whole or while they arrive; snappy blocks, whole.
//!
//! The encoding is the one of `Content-Encoding`, or what the first bytes say (`1f 8b` gzip,
//! `28 b5 2f fd` zstd). Bodies of several gzip members or zstd frames are one body. The limit counts
//! decompressed bytes, and decompression stops where it is passed; a decompressor's own memory is
//! bounded whatever the body claims.

mod decoder;
mod encoding;
mod snappy;

pub use decoder::{BodyDecoder, decode};
pub use encoding::Encoding;
pub use snappy::{snappy_len, unpack_snappy};

#[cfg(test)]
mod tests;
