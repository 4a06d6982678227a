//! Which segments may hold rows of a time range with certain tags: the first question of every scan,
//! asked before anything is opened. A part that a user can replace.
//!
//! Not responsible for rows in memory, nor for what is inside a segment (its own reader prunes blocks).
//!
//! Invariant: a segment that holds a matching row is never left out; one that is kept may hold none.

use std::fmt;
use std::ops::RangeInclusive;

use pulsora_model::{ColumnId, SegmentId, TableId, TableSchema};

use super::meta::SegmentMeta;
use super::segment::Segment;
use crate::read::{TagPredicate, TimeRange};

/// What a scan asks of segments.
#[derive(Clone, Copy, Debug)]
pub struct SegmentAsk<'a> {
    /// The table.
    pub schema: &'a TableSchema,
    /// Rows outside are of no interest.
    pub time: TimeRange,
    /// All must hold.
    pub tags: &'a [TagPredicate],
}

/// What is known of a segment without opening it.
#[derive(Clone, Copy)]
pub struct SegmentView<'a> {
    segment: &'a Segment,
}

impl<'a> SegmentView<'a> {
    pub(crate) fn new(segment: &'a Segment) -> SegmentView<'a> {
        SegmentView { segment }
    }

    pub(crate) fn segment(self) -> &'a Segment {
        self.segment
    }

    fn meta(&self) -> &'a SegmentMeta {
        &self.segment.meta
    }

    /// Its id, which is never reused: an index may keep what it knows under it.
    pub fn id(&self) -> SegmentId {
        self.meta().id
    }

    /// Its table.
    pub fn table(&self) -> TableId {
        self.meta().table
    }

    /// From its earliest to its latest time.
    pub fn time(&self) -> TimeRange {
        TimeRange { start_ns: self.meta().min_time_ns, end_ns: self.meta().max_time_ns }
    }

    /// Its rows, deleted ones included.
    pub fn rows(&self) -> u64 {
        self.meta().rows
    }

    /// Name of the object in the store that holds it.
    pub fn object(&self) -> &'a str {
        &self.meta().object
    }

    /// The value of a tag in its smallest and in its largest series key (tag by tag in the order of
    /// column ids, absent first). They bound the tag in every row only if all earlier tags are the
    /// same in both.
    pub fn key_bounds(&self, tag: ColumnId) -> RangeInclusive<Option<&'a str>> {
        let of = |key: &'a [(ColumnId, String)]| {
            key.iter().find(|(column, _)| *column == tag).map(|(_, value)| value.as_str())
        };
        of(&self.meta().min_key)..=of(&self.meta().max_key)
    }
}

impl fmt::Debug for SegmentView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {} of table {}", self.meta().id, self.meta().table)
    }
}

/// Says which segments a scan has to open. Called by every scan, on the thread that plans it.
///
/// Every scan shows all segments of its table, so an index needs no notice of new ones: it may look at
/// one when it meets its id for the first time, and forget those that it is not shown any more.
///
/// ```
/// use pulsora_storage::segment::{KeyRanges, SegmentAsk, SegmentIndex, SegmentView};
///
/// /// Leaves out what lies before a moment, whatever is asked.
/// #[derive(Debug)]
/// struct Since(i64);
///
/// impl SegmentIndex for Since {
///     fn may_hold(&self, segment: SegmentView<'_>, ask: &SegmentAsk<'_>) -> bool {
///         segment.time().end_ns >= self.0 && KeyRanges.may_hold(segment, ask)
///     }
/// }
/// ```
pub trait SegmentIndex: fmt::Debug + Send + Sync {
    /// Whether the segment may hold a row of what is asked. `false` is a promise: rows of a segment
    /// that is left out are not found.
    fn may_hold(&self, segment: SegmentView<'_>, ask: &SegmentAsk<'_>) -> bool;

    /// Removes the segments that hold no row of what is asked from all segments of the table. For an
    /// index that wants to be asked once per scan; the default asks [`SegmentIndex::may_hold`] for
    /// each.
    fn prune(&self, segments: &mut Vec<SegmentView<'_>>, ask: &SegmentAsk<'_>) {
        segments.retain(|segment| self.may_hold(*segment, ask));
    }
}

/// The built-in index: the time range and the range of series keys that the manifest has of every
/// segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyRanges;

impl SegmentIndex for KeyRanges {
    fn may_hold(&self, segment: SegmentView<'_>, ask: &SegmentAsk<'_>) -> bool {
        segment.time().overlaps(&ask.time)
            && (ask.tags.is_empty() || !keys_exclude(segment, ask.schema, ask.tags))
    }
}

/// Whether no key of the segment can match. A tag is bounded by both ends of the keys as long as all
/// tags before it are equal in them.
fn keys_exclude(segment: SegmentView<'_>, schema: &TableSchema, tags: &[TagPredicate]) -> bool {
    for tag in schema.tags() {
        let bounds = segment.key_bounds(tag.id);
        let excluded =
            tags.iter().filter(|predicate| predicate.column == tag.id).any(|predicate| {
                !predicate.values.iter().any(|value| bounds.contains(&value.as_deref()))
            });
        if excluded {
            return true;
        }
        if bounds.start() != bounds.end() {
            break;
        }
    }
    false
}
