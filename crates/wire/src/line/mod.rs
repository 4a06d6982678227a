//! InfluxDB line protocol into batches (the grammar of the line-protocol reference, v2).
//!
//! Responsible for the whole text form: escapes, quoted text with newlines, suffixes, comments,
//! missing times. Not responsible for parameters of routes or for what a bad line does to the answer.
//!
//! Invariants: every entry is stored whole or not at all; a bad one is listed with its line and
//! never loses a good one; with [`Precision::Auto`](pulsora_model::time::Precision) all times of a
//! request have one unit, or the request is refused.
//!
//! ```text
//! body        = (blank | comment | entry) separated by \n or \r\n
//! comment     = # up to the end of the line
//! entry       = measurement ("," tag)* " "+ field ("," field)* (" "+ time)? space*
//! measurement = text where "\," and "\ " are , and space
//! tag         = key "=" value, neither empty; "\," "\=" "\ " are , = and space
//! field       = key "=" (integer | unsigned | float | boolean | quoted); key as in tags
//! integer     = sign? digits "i"            unsigned = digits "u"
//! float       = sign? decimal with fraction and exponent | sign? (nan | inf | infinity), any case
//! boolean     = t T true True TRUE f F false False FALSE
//! quoted      = " (any but " | \" | \\)* "   a backslash before anything else is itself; newlines too
//! time        = "-"? digits, in the precision of the request; absent means now
//! ```
//!
//! `parser.rs` walks over the entries and reads each exactly. Before that a line is guessed to look like
//! the last one of its table (`shape.rs`): `run.rs` takes lines as long as the guess holds, with
//! `words.rs` for names and numbers and `numbers.rs` for series. Both ways give the same.
//!
//! Where an entry is bad, reading goes on after its last line; a quoted text that is never closed, or
//! is closed by what looks like the opening quote of a later line, ends at its own line.

mod fields;
mod numbers;
mod parser;
mod run;
mod scan;
mod shape;
mod value;
mod words;

#[cfg(any(test, feature = "fuzz"))]
pub(crate) use parser::parse_exactly;
pub use parser::{LineOptions, parse};

#[cfg(test)]
mod tests;
