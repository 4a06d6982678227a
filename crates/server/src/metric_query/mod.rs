//! Queries of the metric API: points of one table, or aggregates of its fields, straight from a scan.
//!
//! `request.rs` what is asked · `points.rs` rows as points · `aggregate.rs` buckets and groups ·
//! `columns.rs` values of a batch by row.

mod aggregate;
mod columns;
mod points;
mod request;

pub use request::MetricQuery;
