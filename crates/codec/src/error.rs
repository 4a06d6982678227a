//! The one error of all decoders.
//!
//! Responsible for saying which part of which format was wrong, with the numbers. It never carries
//! bytes of the input, so it is `Copy` and costs nothing to make.

use thiserror::Error;

/// Why bytes could not be decoded. Every kind means that the bytes are not what an encoder of this
/// crate wrote for the expected number of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input ends inside `what`.
    #[error("{what}: needs {need} bytes, {have} are left")]
    Truncated {
        /// The part of the format.
        what: &'static str,
        /// Bytes that this part takes, at least.
        need: usize,
        /// Bytes that were left.
        have: usize,
    },
    /// A byte, width, code or value that no encoder writes at this place.
    #[error("{what}: {found} is not valid")]
    Invalid {
        /// The part of the format.
        what: &'static str,
        /// The offending number.
        found: u64,
    },
    /// A claimed amount over the limit of the caller or of the format.
    #[error("{what}: {found} is over the limit of {max}")]
    TooLarge {
        /// The part of the format.
        what: &'static str,
        /// The claimed amount.
        found: u64,
        /// The largest amount allowed.
        max: u64,
    },
}
