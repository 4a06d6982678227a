//! What surrounds every handler.
//!
//! `observe.rs` request id, access log, request metrics · `layers.rs` panics to 500, CORS,
//! compression, and their order · `linger.rs` what is left of a body after its answer.

mod layers;
mod linger;
mod observe;

pub use layers::wrap;

#[cfg(test)]
mod tests;
