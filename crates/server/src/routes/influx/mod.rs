//! What clients of InfluxDB ask beside writing, so that they work as they are.
//!
//! `statement.rs` the InfluxQL that is understood · `query.rs` `/query` of v1 · `delete.rs` deletes of v2 · `buckets.rs` buckets of v2,
//! which are our databases · `orgs.rs` organisations and sessions of v2, of which there is one and none ·
//! `client.rs` who is one of them.

mod buckets;
mod client;
mod delete;
mod orgs;
mod query;
mod statement;

pub use buckets::{bucket, create_bucket, drop_bucket, list_buckets};
pub use client::is_influxdb;
pub use delete::delete;
pub use orgs::{flux, list_orgs, org, sign_in, sign_out};
pub use query::{form, get, is_form, post};

#[cfg(test)]
mod tests;
