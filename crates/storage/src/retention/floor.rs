//! The time below which rows of a table have expired.

use pulsora_model::TableSchema;

use crate::catalog::Catalog;
use crate::read::TimeRange;

/// The times that a table keeps at the moment `now_ns` (wall clock).
pub(crate) fn kept(catalog: &Catalog, schema: &TableSchema, now_ns: i64) -> TimeRange {
    match catalog.retention_ns(schema) {
        None => TimeRange::ALL,
        Some(retention_ns) => {
            TimeRange { start_ns: now_ns.saturating_sub(retention_ns), ..TimeRange::ALL }
        }
    }
}
