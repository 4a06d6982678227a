//! JSON points into batches: the body of `POST /write` with `metric`, `timestamp` and `value`.
//!
//! Responsible for one point or an array of points. Not responsible for rows of one table in JSON,
//! nor for queries.
//!
//! Invariants: a body that is not JSON stores nothing; a bad point is listed with its index (from 0)
//! and never loses a good one. New tables are upsert tables.
//!
//! ```text
//! body  = point | [ point* ]
//! point = { "metric": text                    the table
//!           "timestamp": integer | time text  in the precision of the request; absent or null: now
//!           "value": number                   the field `value`
//!           "fields": { name: number | boolean | text | null }   besides or instead of "value"
//!           "tags": { name: text | number | boolean | null } }   numbers and booleans as their text
//! ```
//!
//! Other keys are ignored; of a key that comes twice the last counts.

mod parser;
mod point;

pub use parser::{MetricOptions, parse};

#[cfg(test)]
mod tests;
