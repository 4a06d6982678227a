//! Which segments and delete bitmaps exist: immutable, replaced as a whole by every edit.

use std::collections::HashMap;
use std::sync::Arc;

use pulsora_model::{Sequence, TableId};

use crate::segment::Segment;

/// The segments of every table at one moment.
#[derive(Clone, Default)]
pub(crate) struct Version {
    /// Number of the last edit in it.
    pub number: u64,
    /// Tables that have segments or flushed sequences.
    pub tables: HashMap<TableId, Arc<TableSegments>>,
}

/// The segments of one table.
#[derive(Clone, Default)]
pub(crate) struct TableSegments {
    /// Ascending by first sequence.
    pub segments: Vec<Segment>,
    /// Rows of records up to here are in segments.
    pub flushed_through: Sequence,
    /// The highest row id that was ever stored in a segment, 0 = none.
    pub row_id_max: u64,
}

impl Version {
    /// The segments of a table, if it has any.
    pub fn table(&self, table: TableId) -> &[Segment] {
        self.tables.get(&table).map_or(&[], |segments| &segments.segments)
    }
}
