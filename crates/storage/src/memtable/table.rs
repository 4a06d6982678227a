//! The growing memtable of the commit owner, and the immutable view that it publishes.
//!
//! Invariants: chunks are ordered by sequence and disjoint in it; the sizes of chunks fall from left
//! to right by at least a factor of two (they are merged geometrically), so there are at most
//! log2(rows) of them.

use std::sync::Arc;

use pulsora_model::{Sequence, TableId};

use super::chunk::Chunk;
use super::series::SeriesTable;

/// A memtable as queries and flushes see it: nothing in it changes.
pub(crate) struct MemtableView {
    pub table: TableId,
    /// Number of the memtable, rising over all tables; tells views of one memtable from the next one.
    pub number: u64,
    pub series: SeriesTable,
    /// By sequence, ascending.
    pub chunks: Vec<Arc<Chunk>>,
    pub rows: usize,
    pub bytes: usize,
    /// Sequence of the first record with rows here.
    pub first: Sequence,
    /// Sequence of the last record with rows here.
    pub last: Sequence,
    /// Monotonic clock at the first row, nanoseconds.
    pub opened_ns: u64,
    /// No more rows will come; waits for its flush.
    pub sealed: bool,
}
