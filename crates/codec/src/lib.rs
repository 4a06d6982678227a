//! Codecs made for columns of time series: slices in, bytes out.
//!
//! Responsible for the bytes of integers (and timestamps), floats, booleans, validity and strings.
//! Not responsible for I/O, checksums, versions, schemas or Arrow: a caller frames what it gets here,
//! covers it with a checksum, and stores the number of values, which no codec repeats.
//!
//! Reading order: [`varint`] and [`bitpack`] are the two primitives; [`integers`] is built on both;
//! [`floats`], [`bools`], [`nulls`] and [`strings`] choose per block or column and reuse the rest.
//! Those are the columns of log records. The blocks of hot segments are another matter: [`codec`] says
//! what a block codec is, [`codecs`] which there are, [`choose`] which one a block gets.
//!
//! Invariants of the families of log records (those of block codecs are in [`codec`]):
//! - Everything is little-endian and self-delimiting: a decoder takes `&mut &[u8]`, consumes exactly
//!   the bytes that its encoder appended, and leaves what follows.
//! - Zero values take zero bytes, in every family.
//! - A round trip is exact, bit for bit.
//! - No bytes make a decoder panic. It returns a [`DecodeError`], leaves the caller's vector as it
//!   was, and allocates no more than `n` values need. A few bytes may stand for many equal values, so
//!   `n` must come from [`varint::take_count`] or another place with a bound. How far a cursor has
//!   moved after an error is unspecified.
//! - The same input gives the same bytes, on every machine and in every process.

mod alp;
pub mod bitpack;
mod bitstream;
mod booleans;
pub mod bools;
pub mod choose;
pub mod codec;
pub mod codecs;
mod cursor;
mod error;
mod float_bits;
#[cfg(test)]
mod float_series;
pub mod floats;
mod gorilla;
pub mod integers;
mod ints;
mod lanes;
pub mod nulls;
mod pcodec;
mod raw;
mod remembered;
pub mod strings;
#[cfg(test)]
mod tests;
mod text;
mod totals;
mod typed;
pub mod varint;
mod vectors;
mod zstandard;

pub use choose::{Choice, Level, encode_block};
pub use codec::{
    BLOCK_VALUES_MAX, Codec, CodecError, CodecId, Kind, Sink, Speed, Text, VECTOR_VALUES, Values,
};
pub use codecs::Codecs;
pub use error::DecodeError;
pub use remembered::Remembered;
pub use totals::Totals;
