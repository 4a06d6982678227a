//! What the row formats (CSV, JSON, NDJSON, Arrow IPC, Parquet) share.
//!
//! Responsible for the parameters of a row request, its outcome, and every decision that must not
//! differ between formats: types by inference, which column is time, which is the row id, which are
//! tags. Knows no format: a format brings names and values, and gets back a role for each column.
//!
//! The way of a body: a format reads its columns' names → [`infer`] looks at the values of columns
//! without a type → [`layout`] gives each column its role → [`sink`] takes rows (or [`columns`] takes
//! whole arrays) → [`RowsParsed`].

mod boundary;
pub(crate) mod columns;
mod format;
pub(crate) mod infer;
pub(crate) mod layout;
mod options;
mod outcome;
pub(crate) mod plain;
mod series;
pub(crate) mod sink;
pub(crate) mod text;
pub(crate) mod times;

pub use boundary::{Boundary, count_lines, first_record, record_boundary};
pub use format::RowFormat;
pub use options::{OnError, RowOptions, TimeFormat};
pub use outcome::RowsParsed;
pub(crate) use outcome::{Place, Rejects, RowError};

#[cfg(test)]
pub(crate) mod tests;
