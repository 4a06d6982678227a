//! The nouns of Pulsora: names, ids, types, schemas, time, batches, limits and errors.
//!
//! Responsible for what a table is and which value may enter which column. Knows no files, no
//! network, no async and no SQL; every other crate speaks in these words.
//!
//! Reading order: [`name`] and [`ids`] (what things are called) → [`types`] and [`convert`] (which
//! value fits which column) → [`schema`] (a table) → [`series`] (its series and
//! their numbers) → [`time`], [`timestamp`], [`span`] and [`partition`] → [`column`],
//! [`builder`] and [`batch`] (rows on their way in) → [`limits`], [`error`].

pub mod batch;
pub mod builder;
pub mod column;
pub mod convert;
pub mod error;
pub mod ids;
pub mod limits;
pub mod name;
pub mod partition;
pub mod schema;
pub mod series;
pub mod span;
pub mod time;
pub mod timestamp;
pub mod types;

pub use batch::{Batch, FieldColumn, SeriesColumn, SeriesKeys, TableWrite, TagColumn};
pub use builder::BatchBuilder;
pub use column::{ColumnBuilder, Scalar};
pub use error::{Code, Detail, Error, ErrorKind, Result};
pub use ids::{ColumnId, DatabaseId, SegmentId, Sequence, TableId};
pub use name::Name;
pub use partition::PartitionWidth;
pub use schema::{Column, KnownTable, Mode, TableOptions, TableSchema};
pub use series::{SeriesLimits, SeriesRegistry};
pub use timestamp::Timestamp;
pub use types::{ColumnKind, ColumnType};

#[cfg(test)]
mod tests;
