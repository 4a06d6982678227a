//! Connections of HTTP clients: how many there are, and how long each may take for what.
//!
//! `accept.rs` takes connections in · `seats.rs` bounds them and makes room at the expense of quiet ones ·
//! `state.rs` what one is doing since when · `socket.rs` its bytes · `one.rs` one from its first byte to
//! its last.
//!
//! Invariants: a connection without a request of its own ends by a deadline; one with a request is never
//! ended for another's sake; when serving ends, every task of a connection has ended.

mod accept;
mod one;
mod seats;
mod socket;
mod state;

pub(crate) use accept::serve;

#[cfg(test)]
mod tests;
