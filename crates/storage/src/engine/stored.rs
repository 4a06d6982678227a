//! What the resolver asks about values that are stored already, or that come before in the same
//! group: whether integers may become floats, and the highest row id.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Int64Type, UInt64Type};
use pulsora_model::convert::{exact_i64, exact_u64};
use pulsora_model::{ColumnId, TableId};

use super::commit::Prepared;
use crate::catalog::{ResolvedRows, Stored};
use crate::read::Published;

/// Segments, memtables, and requests of the same group.
pub(super) struct StoredValues<'a> {
    pub published: &'a Published,
    pub row_id_max: &'a BTreeMap<TableId, u64>,
    /// Requests before this one in the group.
    pub earlier: &'a [Prepared],
    /// Tables before this one in the request.
    pub here: &'a [ResolvedRows],
}

impl Stored for StoredValues<'_> {
    fn exact_as_float(&self, table: TableId, column: ColumnId) -> bool {
        let segments = self.published.version.table(table).iter().all(|segment| {
            segment
                .meta
                .int_bounds
                .iter()
                .all(|bounds| bounds.column != column || exact_u64(bounds.magnitude_max))
        });
        let chunks = self
            .published
            .memtables
            .get(&table)
            .into_iter()
            .flatten()
            .all(|view| view.chunks.iter().filter_map(|chunk| chunk.column(column)).all(exact));
        let group = self.earlier.iter().flat_map(|request| &request.rows).chain(self.here);
        segments
            && chunks
            && group.filter(|rows| rows.table == table).all(|rows| {
                rows.fields.iter().filter(|(id, ..)| *id == column).all(|(_, _, v)| exact(v))
            })
    }

    fn row_id_max(&self, table: TableId) -> u64 {
        let known = self.row_id_max.get(&table).copied().unwrap_or(0);
        let here = self
            .here
            .iter()
            .filter(|rows| rows.table == table)
            .filter_map(|rows| rows.ids.as_ref()?.highest(rows.rows));
        here.max().unwrap_or(0).max(known)
    }
}

/// Whether every integer is exact as a float; other types are.
fn exact(values: &ArrayRef) -> bool {
    if let Some(ints) = values.as_primitive_opt::<Int64Type>() {
        return ints.iter().flatten().all(exact_i64);
    }
    values.as_primitive_opt::<UInt64Type>().is_none_or(|ints| ints.iter().flatten().all(exact_u64))
}
