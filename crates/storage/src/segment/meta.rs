//! What the manifest says of a segment: enough to prune it without opening it.

use std::cmp::Ordering;

use pulsora_model::partition::Window;
use pulsora_model::series::tag_order;
use pulsora_model::{ColumnId, SegmentId, Sequence, TableId};
use serde::{Deserialize, Serialize};

/// How the bytes of a segment are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentFormat {
    /// Parquet, readable by any reader.
    #[default]
    Parquet,
    /// The native format of hot segments.
    Hot,
}

/// Bytes that one of [`SegmentMeta::piece_crcs`] covers: a few column chunks of a row group, and a reader of
/// less reads little more; a segment of 512 MB has 512 of them, 5 KiB in the manifest.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// A segment, as the manifest names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentMeta {
    /// Never reused.
    pub id: SegmentId,
    /// The table its rows belong to.
    pub table: TableId,
    /// Schema version at the flush; columns added later are null here.
    pub schema_version: u32,
    /// How its bytes are laid out.
    #[serde(default)]
    pub format: SegmentFormat,
    /// Wall clock when it was written, nanoseconds; of a merged segment that of its newest input. 0 =
    /// not known.
    #[serde(default)]
    pub written_ns: i64,
    /// 0 = as a flush left it, 1 = merged.
    #[serde(default)]
    pub level: u8,
    /// Name of the object in the store, e.g. `cold/default~1/cpu~3/2024/01/31/cpu_….parquet`.
    pub object: String,
    /// Where the segment starts in the object, bytes.
    pub offset: u64,
    /// Length of the segment, bytes.
    pub length: u64,
    /// CRC32C of these bytes.
    pub crc: u32,
    /// CRC32C of each [`PIECE_BYTES`] of a Parquet segment, so that a reader of a part need not read all
    /// of it. Empty in segments of older versions, and in hot ones, whose parts have their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub piece_crcs: Vec<u32>,
    /// Rows, deleted ones included.
    pub rows: u64,
    /// The partition.
    pub window: Window,
    /// Earliest time of any row.
    pub min_time_ns: i64,
    /// Latest time of any row.
    pub max_time_ns: i64,
    /// Lowest sequence of any row.
    pub first: Sequence,
    /// Highest sequence of any row.
    pub last: Sequence,
    /// Smallest series key: tag values in column order, `None` = absent. Empty without tags.
    pub min_key: Vec<(ColumnId, String)>,
    /// Largest series key.
    pub max_key: Vec<(ColumnId, String)>,
    /// Bounds of integer columns: what decides whether a column may widen to float.
    pub int_bounds: Vec<IntBounds>,
    /// The (id → row) index, in tables with row ids.
    pub ids: Option<IdIndexMeta>,
}

impl SegmentMeta {
    /// Names of the objects that hold it and its row id index.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &str> {
        let ids = self.ids.as_ref().filter(|ids| ids.object != self.object);
        std::iter::once(self.object.as_str()).chain(ids.map(|ids| ids.object.as_str()))
    }
}

impl SegmentMeta {
    /// By smallest series key.
    pub(crate) fn key_order(&self, other: &SegmentMeta) -> Ordering {
        tag_order(tags(&self.min_key), tags(&other.min_key))
    }

    /// Whether every series of it comes before every series of `other`.
    pub(crate) fn ends_before(&self, other: &SegmentMeta) -> bool {
        tag_order(tags(&self.max_key), tags(&other.min_key)).is_lt()
    }
}

fn tags(key: &[(ColumnId, String)]) -> impl Iterator<Item = (ColumnId, &str)> {
    key.iter().map(|(id, value)| (*id, value.as_str()))
}

/// Smallest and largest value of an integer column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntBounds {
    pub column: ColumnId,
    /// As i128 in two halves would be heavy: the largest magnitude is what widening asks for.
    pub magnitude_max: u64,
}

/// Where the (id → row) index of a segment lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdIndexMeta {
    /// Name of the object in the store: one of its own, or that of a hot segment.
    pub object: String,
    /// Where it starts in the object, bytes.
    #[serde(default)]
    pub offset: u64,
    /// Its length, bytes.
    pub length: u64,
    /// CRC32C of all its bytes.
    pub crc: u32,
    /// Smallest row id.
    pub min_id: u64,
    /// Largest row id.
    pub max_id: u64,
}
