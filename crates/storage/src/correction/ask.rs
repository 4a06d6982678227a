//! What a correction is asked to do: which rows, and what becomes of them.

use std::fmt;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use pulsora_model::{ColumnId, Name, Result, TableId};

use crate::read::{TagPredicate, TimeRange};

type Matches = dyn Fn(&RecordBatch) -> Result<BooleanArray> + Send + Sync;
type Changes = dyn Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync;

/// A predicate over rows: any that a function can compute. It must give the same answer for the same
/// row every time, since rows may be looked at more than once.
#[derive(Clone)]
pub struct RowTest {
    /// The columns that it looks at.
    pub(super) columns: Vec<ColumnId>,
    pub(super) matches: Arc<Matches>,
}

impl RowTest {
    /// A test over batches of `columns`, in this order, as a scan gives them. Null counts as false.
    pub fn new(
        columns: Vec<ColumnId>,
        matches: impl Fn(&RecordBatch) -> Result<BooleanArray> + Send + Sync + 'static,
    ) -> RowTest {
        RowTest { columns, matches: Arc::new(matches) }
    }
}

impl fmt::Debug for RowTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a test over {:?}", self.columns)
    }
}

/// Which rows; all must hold.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Rows outside are left alone.
    pub time: TimeRange,
    /// Tag values.
    pub tags: Vec<TagPredicate>,
    /// Row ids, in tables that have them.
    pub ids: Option<Vec<u64>>,
    /// Anything else.
    pub test: Option<RowTest>,
}

impl Selection {
    /// Every row.
    pub fn all() -> Selection {
        Selection { time: TimeRange::ALL, tags: Vec::new(), ids: None, test: None }
    }

    /// Whether it says nothing but a range of time.
    pub(super) fn is_time_only(&self) -> bool {
        self.tags.is_empty() && self.ids.is_none() && self.test.is_none()
    }
}

/// New values for rows.
#[derive(Clone)]
pub struct RowChange(pub(super) Arc<Changes>);

impl RowChange {
    /// A function from batches of whole rows (all columns in the table's order, as a scan gives them)
    /// to batches with the same columns and as many rows, of which it may change fields only.
    pub fn new(
        change: impl Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
    ) -> RowChange {
        RowChange(Arc::new(change))
    }
}

impl fmt::Debug for RowChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("new values")
    }
}

/// What becomes of the rows.
#[derive(Clone, Debug)]
pub enum Change {
    /// They are no longer there. Their bytes go with the next rewrite.
    Delete,
    /// The same, but nobody asks for their number: of all rows of a table none has to be looked at.
    Truncate,
    /// They are no longer there, and the answer comes when their bytes have left log, memory and
    /// segments too.
    Erase,
    /// They take other values.
    Replace(RowChange),
}

/// A change of stored rows: durable and visible as a whole when answered.
#[derive(Clone, Debug)]
pub struct Correction {
    /// The database.
    pub database: Name,
    /// The table.
    pub table: Name,
    /// The table and the version of its schema that columns and functions were made for; another one is
    /// `schema_moved`. `None` = any.
    pub planned_for: Option<(TableId, u32)>,
    /// Which rows.
    pub rows: Selection,
    /// What becomes of them.
    pub change: Change,
}
