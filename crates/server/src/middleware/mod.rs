//! What surrounds every handler.
//!
//! `observe.rs` request id, access log, request metrics · `layers.rs` panics to 500, CORS,
//! compression, and their order.

mod layers;
mod observe;

pub use layers::wrap;

#[cfg(test)]
mod tests;
