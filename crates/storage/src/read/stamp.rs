//! What tells whether the rows of a table may differ between two moments.
//!
//! All that a read of a table sees hangs on shared parts of what is published: its schema, the names of its database, its
//! segments with their delete bitmaps, and the views of its memtables. Each is replaced, never changed, when something
//! in it changes. So where two moments have the same parts, every query of the table has the same answer.
//!
//! Invariants
//! - A stamp holds no rows: its pointers are weak, which keeps the address of a part from being used again and
//!   nothing else.
//! - Whatever comes to decide which rows of a table are seen hangs on one of these parts. A table whose rows depend on
//!   the clock has no stamp.

use std::sync::{Arc, Weak};

use pulsora_model::{DatabaseId, TableId, TableSchema};

use super::snapshot::Snapshot;
use crate::catalog::Database;
use crate::manifest::TableSegments;
use crate::memtable::MemtableView;
use crate::read::TimeRange;

/// The parts of a table at one moment.
#[derive(Clone, Debug)]
pub struct TableStamp {
    table: TableId,
    schema: Weak<TableSchema>,
    database: Weak<Database>,
    /// Databases that were ever made: one more may be meant by a name.
    next_database: DatabaseId,
    segments: Option<Weak<TableSegments>>,
    memtables: Vec<Weak<MemtableView>>,
}

impl Snapshot {
    /// The stamp of a table; `None` when it does not exist, or when its rows depend on more than what is stored.
    pub fn stamp(&self, table: TableId) -> Option<TableStamp> {
        let schema = self.published.catalog.table_ref(table)?;
        if self.kept(schema) != TimeRange::ALL {
            // What is shown depends on the moment.
            return None;
        }
        let database = self.published.catalog.database_by_id(schema.database)?;
        let views = self.published.memtables.get(&table).map_or(&[][..], Vec::as_slice);
        Some(TableStamp {
            table,
            schema: Arc::downgrade(schema),
            database: Arc::downgrade(database),
            next_database: self.published.catalog.next_database_id(),
            segments: self.published.version.tables.get(&table).map(Arc::downgrade),
            memtables: views.iter().map(Arc::downgrade).collect(),
        })
    }

    /// Whether the table is at this moment as it was when the stamp was made.
    pub fn is_as_stamped(&self, stamp: &TableStamp) -> bool {
        let now = &self.published;
        let (schema, segments) =
            (now.catalog.table_ref(stamp.table), now.version.tables.get(&stamp.table));
        let database = schema.and_then(|schema| now.catalog.database_by_id(schema.database));
        let views = now.memtables.get(&stamp.table).map_or(&[][..], Vec::as_slice);
        now.catalog.next_database_id() == stamp.next_database
            && schema.is_some_and(|schema| is_same(schema, &stamp.schema))
            && database.is_some_and(|database| is_same(database, &stamp.database))
            && match (segments, &stamp.segments) {
                (Some(segments), Some(stamped)) => is_same(segments, stamped),
                (None, None) => true,
                _ => false,
            }
            && views.len() == stamp.memtables.len()
            && views.iter().zip(&stamp.memtables).all(|(view, stamped)| is_same(view, stamped))
    }
}

fn is_same<T>(part: &Arc<T>, stamped: &Weak<T>) -> bool {
    std::ptr::eq(Arc::as_ptr(part), stamped.as_ptr())
}
