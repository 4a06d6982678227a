//! Which segments hold nothing but expired rows: a pure decision over what the manifest says of them.

use std::sync::Arc;

use pulsora_model::{Name, SegmentId, TableId, TableSchema};

use super::floor::kept;
use crate::catalog::Catalog;
use crate::engine::FlushFilter;
use crate::manifest::Version;
use crate::segment::Segment;

/// The segments of one table that hold nothing but expired rows.
#[derive(Clone, Debug)]
pub struct Expired {
    /// The database.
    pub database: Name,
    /// The table.
    pub table: Arc<TableSchema>,
    /// Rows before this time have expired, nanoseconds.
    pub floor_ns: i64,
    /// The segments.
    pub segments: Vec<SegmentId>,
    /// Their rows, without deleted ones.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What can be dropped at the moment `now_ns` of the tables that `filter` names; tables of which nothing
/// can be are left out.
pub(crate) fn plan(
    version: &Version,
    catalog: &Catalog,
    filter: &FlushFilter,
    now_ns: i64,
) -> Vec<Expired> {
    let mut plan = Vec::new();
    for (id, segments) in &version.tables {
        if let Some(table) = catalog.table_by_id(*id)
            && let Some(expired) = of_table(*id, &segments.segments, table, catalog, now_ns)
            && filter.database.as_ref().is_none_or(|database| *database == expired.database)
            && filter.table.as_ref().is_none_or(|table| *table == expired.table.name)
        {
            plan.push(expired);
        }
    }
    plan
}

fn of_table(
    id: TableId,
    segments: &[Segment],
    table: Arc<TableSchema>,
    catalog: &Catalog,
    now_ns: i64,
) -> Option<Expired> {
    debug_assert_eq!(id, table.id);
    let floor_ns = kept(catalog, &table, now_ns).start_ns;
    let gone: Vec<&Segment> =
        segments.iter().filter(|segment| segment.meta.max_time_ns < floor_ns).collect();
    if gone.is_empty() {
        return None;
    }
    Some(Expired {
        database: catalog.database_name(table.database)?.clone(),
        table,
        floor_ns,
        segments: gone.iter().map(|segment| segment.meta.id).collect(),
        rows: gone.iter().map(|segment| segment.live_rows()).sum(),
        bytes: gone.iter().map(|segment| segment.meta.length).sum(),
    })
}
