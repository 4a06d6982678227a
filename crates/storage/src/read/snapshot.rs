//! The moment a query reads: catalog, segments, memtable chunks and the visible sequence, taken
//! together from one pointer. No lock is needed after it is taken.

use std::collections::HashMap;
use std::sync::Arc;

use pulsora_model::{Code, Error, Result, Sequence, TableId, TableSchema};

use crate::catalog::Catalog;
use crate::manifest::Version;
use crate::memtable::MemtableView;
use crate::read::TimeRange;
use crate::retention::kept;
use crate::segment::SegmentIndex;

/// What the engine publishes after every group and every manifest edit.
#[derive(Clone)]
pub(crate) struct Published {
    /// Names and schemas.
    pub catalog: Arc<Catalog>,
    /// Segments.
    pub version: Arc<Version>,
    /// Memtables by table, oldest first; the last may still grow (its next state is another view).
    pub memtables: Arc<HashMap<TableId, Vec<Arc<MemtableView>>>>,
    /// Everything up to here is in the above.
    pub visible: Sequence,
}

impl Published {
    /// The same without rows in memory: what works on segments for long must not keep memtables that have been
    /// flushed meanwhile.
    pub fn of_segments(&self) -> Published {
        Published { memtables: Arc::default(), ..self.clone() }
    }
}

/// A moment of the engine; cheap to clone.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) published: Arc<Published>,
    /// Which segments a scan opens.
    pub(crate) index: Arc<dyn SegmentIndex>,
    /// Wall clock, nanoseconds: what has expired by then is not shown.
    pub(crate) now_ns: i64,
}

impl Snapshot {
    /// Everything up to this sequence is seen.
    pub fn sequence(&self) -> Sequence {
        self.published.visible
    }

    /// Names and schemas at this moment.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.published.catalog
    }

    /// The times of which rows of a table are shown: those that retention keeps at this moment.
    pub fn kept(&self, schema: &TableSchema) -> TimeRange {
        kept(&self.published.catalog, schema, self.now_ns)
    }

    /// The schema of a table by its exact names.
    ///
    /// # Errors
    /// `database_not_found` or `table_not_found`, with the nearest names as hint.
    pub fn table(&self, database: &str, table: &str) -> Result<Arc<TableSchema>> {
        self.published.catalog.table(database, table)
    }

    /// The schema of a table by its id, as its rows are stored.
    ///
    /// # Errors
    /// `table_not_found` when it has been dropped.
    pub(crate) fn schema(&self, table: TableId) -> Result<Arc<TableSchema>> {
        self.published.catalog.table_by_id(table).ok_or_else(|| {
            Error::new(Code::TableNotFound, format!("table {table} does not exist any more"))
        })
    }
}
