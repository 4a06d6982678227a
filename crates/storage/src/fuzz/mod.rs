//! The body of the fuzz target of recovery: a plain function, bytes in, checks inside.
//!
//! `valid.rs` makes a data directory and says what it shows after each request · `damage.rs` reads an
//! input as changes of its log · `replay.rs` opens what is left and says what must hold. The ordinary
//! tests run it in a seeded loop; `cargo +nightly fuzz run wal-replay` in `crates/storage/fuzz` by hand.

mod damage;
mod replay;
mod valid;

pub use replay::wal_replay;

#[cfg(test)]
mod tests;
