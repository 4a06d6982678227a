//! The bodies of the fuzz targets: one plain function per parser, bytes in, checks inside.
//!
//! `targets.rs` lists them and says what must hold for any bytes; the others call one parser each. A
//! new parser takes a file here, a line in [`TARGETS`] and a `[[bin]]` in `crates/wire/fuzz`. The
//! ordinary tests run all of them in a seeded loop; `cargo +nightly fuzz run <name>` by hand.
//!
//! The first byte of an input chooses options and whether the table exists ([`Choice`]); the rest is
//! the body.

mod choice;
mod columns;
mod json;
mod line;
mod otlp;
mod remote_write;
mod targets;

pub use choice::Choice;
pub use targets::{TARGETS, Target};

#[cfg(test)]
mod heap;
#[cfg(test)]
mod tests;
