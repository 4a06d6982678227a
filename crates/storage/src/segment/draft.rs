//! What is known of a segment before its rows.

use pulsora_model::partition::Window;
use pulsora_model::{Name, SegmentId, Sequence, TableSchema};

/// What is known of a segment before its rows.
pub(crate) struct SegmentDraft<'a> {
    pub id: SegmentId,
    /// Name of the table's database.
    pub database: &'a Name,
    pub schema: &'a TableSchema,
    /// Wall clock of the newest write among the rows, nanoseconds.
    pub written_ns: i64,
    /// 0 = of a flush, 1 = merged.
    pub level: u8,
    /// The partition; every row lies inside.
    pub window: Window,
    /// Lowest sequence of the rows.
    pub first: Sequence,
    /// Highest sequence of the rows.
    pub last: Sequence,
}
