//! One sorted source of rows: a segment of a version or a chunk of a memtable.
//!
//! Invariants: a source gives rows in (tags, time) order, equal keys in arrival order, without the
//! rows that are gone; in upsert tables each key comes once. It never gives a row outside the
//! asked time range and tags.

use std::cmp::Ordering;
use std::sync::Arc;

use pulsora_model::series::{SeriesTags, tag_order};
use pulsora_model::{Column, ColumnId, Result, Sequence, TableSchema};
use roaring::RoaringBitmap;

use super::chunk_rows::{ChunkRows, ChunkSource};
use super::field::FieldPredicate;
use super::scan::{ScanCounters, ScanStream, TagPredicate, TimeRange};
use crate::segment::{ReadSpec, RowChoice, Segment};

/// Rows of a batch: 64 KiB per eight-byte column, and a whole fraction of a row group.
pub(crate) const BATCH_ROWS: usize = 8_192;

/// What is asked of every source of a scan.
#[derive(Clone)]
pub(super) struct Ask {
    pub schema: Arc<TableSchema>,
    pub time: TimeRange,
    pub tags: Arc<[TagPredicate]>,
    pub fields: Arc<[FieldPredicate]>,
    /// At most this many rows in a batch, a power of two up to [`BATCH_ROWS`].
    pub batch_rows: usize,
    pub counters: Arc<ScanCounters>,
}

impl Ask {
    /// Every row.
    pub fn all(schema: Arc<TableSchema>) -> Ask {
        Ask {
            schema,
            time: TimeRange::ALL,
            tags: Arc::new([]),
            fields: Arc::new([]),
            batch_rows: BATCH_ROWS,
            counters: Arc::new(ScanCounters::default()),
        }
    }

    /// The same for another range of time.
    pub fn within(&self, time: TimeRange) -> Ask {
        Ask { time, ..self.clone() }
    }

    /// The field predicates with their columns.
    pub fn field_columns(&self) -> impl Iterator<Item = (&Column, &FieldPredicate)> {
        let fields = self.fields.iter();
        fields.filter_map(|field| Some((self.schema.column_by_id(field.column)?, field)))
    }

    /// The only value that a tag may have, if the predicates say so.
    pub fn fixes(&self, tag: ColumnId) -> bool {
        self.tags.iter().any(|predicate| {
            predicate.column == tag
                && predicate
                    .values
                    .first()
                    .is_some_and(|first| predicate.values.iter().all(|value| value == first))
        })
    }
}

/// Where the rows of a source are.
#[derive(Clone)]
pub(super) enum Rows {
    /// With the ids that newer rows in memtables replace, ascending.
    Segment {
        segment: Segment,
        replaced_by: Option<Arc<Vec<u64>>>,
    },
    Chunk(ChunkSource),
}

/// A source of a table.
#[derive(Clone)]
pub(super) struct Source {
    pub rows: Rows,
    /// Sequence of its first rows; of two sources with a common key the higher is newer.
    pub first: Sequence,
    /// From the earliest to the latest time of a row.
    pub time: TimeRange,
}

impl Source {
    /// A segment, less the rows whose ids are in `replaced_by`.
    pub fn segment(segment: &Segment, replaced_by: Option<Arc<Vec<u64>>>) -> Source {
        Source {
            first: segment.meta.first,
            time: TimeRange {
                start_ns: segment.meta.min_time_ns,
                end_ns: segment.meta.max_time_ns,
            },
            rows: Rows::Segment { segment: segment.clone(), replaced_by },
        }
    }

    /// A chunk.
    pub fn chunk(source: ChunkSource) -> Source {
        Source {
            first: source.chunk.first,
            time: TimeRange {
                start_ns: source.chunk.min_time_ns,
                end_ns: source.chunk.max_time_ns,
            },
            rows: Rows::Chunk(source),
        }
    }

    /// Smallest and largest series.
    fn key_range(&self) -> (Key<'_>, Key<'_>) {
        match &self.rows {
            Rows::Segment { segment, .. } => {
                (Key::Stored(&segment.meta.min_key), Key::Stored(&segment.meta.max_key))
            }
            Rows::Chunk(source) => {
                let (min, max) = source.key_range();
                (Key::Series(min), Key::Series(max))
            }
        }
    }

    /// Whether the two may hold rows of one series.
    pub fn shares_keys(&self, other: &Source) -> bool {
        let ((min, max), (other_min, other_max)) = (self.key_range(), other.key_range());
        min.order(&other_max).is_le() && other_min.order(&max).is_le()
    }

    /// By smallest series, then by earliest time.
    pub fn key_order(&self, other: &Source) -> Ordering {
        let starts = self.key_range().0.order(&other.key_range().0);
        starts.then(self.time.start_ns.cmp(&other.time.start_ns))
    }

    /// Whether every key is less than every key of `next`; one series may go on in it.
    pub fn ends_before(&self, next: &Source) -> bool {
        match self.key_range().1.order(&next.key_range().0) {
            Ordering::Less => true,
            Ordering::Equal => self.time.end_ns < next.time.start_ns,
            Ordering::Greater => false,
        }
    }

    /// Ranges that hold the times of all rows, ascending and disjoint.
    pub fn spans(&self) -> &[TimeRange] {
        match &self.rows {
            Rows::Segment { .. } => std::slice::from_ref(&self.time),
            Rows::Chunk(source) => source.chunk.spans(),
        }
    }

    /// The least range that holds the times of all rows inside `time`, as far as is known; `None` if
    /// there are none.
    pub fn occupied(&self, time: TimeRange) -> Option<TimeRange> {
        let spans = self.spans().iter().map(|span| span.intersect(&time));
        spans
            .filter(|span| !span.is_empty())
            .reduce(|first, last| TimeRange { start_ns: first.start_ns, end_ns: last.end_ns })
    }

    /// Rows inside `time`, if they were spread evenly; 0 only if there are none.
    pub fn rows_about(&self, time: TimeRange) -> u64 {
        let inside = self.time.intersect(&time);
        if inside == self.time {
            return self.rows_max();
        }
        if inside.is_empty() {
            return 0;
        }
        let width = |range: TimeRange| range.end_ns as f64 - range.start_ns as f64 + 1.0;
        (self.rows_max() as f64 * width(inside) / width(self.time)).ceil() as u64
    }

    /// Times at which a scan in time order may be cut: the ends of a segment's window.
    pub fn cuts(&self) -> Vec<i64> {
        match &self.rows {
            Rows::Segment { segment, .. } => {
                vec![segment.meta.window.start_ns, segment.meta.window.end_ns]
            }
            Rows::Chunk(_) => Vec::new(),
        }
    }

    /// Rows in it, those that are gone included.
    pub fn rows_max(&self) -> u64 {
        match &self.rows {
            Rows::Segment { segment, .. } => segment.meta.rows,
            Rows::Chunk(source) => source.chunk.rows as u64,
        }
    }

    /// Rows of a segment that newer rows in memtables replace.
    ///
    /// # Errors
    /// `corrupt` or `io_error` from the row id index.
    pub fn replaced(&self) -> Result<Option<RoaringBitmap>> {
        match &self.rows {
            Rows::Segment { segment, replaced_by: Some(ids) } => {
                Ok(Some(replaced_rows(segment, ids)?).filter(|rows| !rows.is_empty()))
            }
            _ => Ok(None),
        }
    }

    /// Rows of a segment that are gone, deleted or replaced.
    ///
    /// # Errors
    /// `corrupt` or `io_error` from the row id index.
    pub fn gone(&self) -> Result<Option<Arc<RoaringBitmap>>> {
        let Rows::Segment { segment, .. } = &self.rows else { return Ok(None) };
        Ok(match (self.replaced()?, &segment.deleted) {
            (None, deleted) => deleted.clone(),
            (Some(replaced), None) => Some(Arc::new(replaced)),
            (Some(replaced), Some(deleted)) => Some(Arc::new(&replaced | &**deleted)),
        })
    }

    /// The matching rows with `columns`; of a segment only these row groups.
    ///
    /// # Errors
    /// `corrupt` when an object is damaged or missing, `io_error`; so does every batch.
    pub fn open(
        &self,
        ask: &Ask,
        columns: &[Column],
        groups: Option<std::ops::Range<usize>>,
    ) -> Result<ScanStream> {
        match &self.rows {
            Rows::Chunk(source) => Ok(Box::new(ChunkRows::open(source, ask, columns))),
            Rows::Segment { segment, .. } => {
                let rows = match self.replaced()? {
                    Some(replaced) => RowChoice::LiveExcept(Arc::new(replaced)),
                    None => RowChoice::Live,
                };
                Ok(Box::new(segment.read(ReadSpec {
                    columns: columns.to_vec(),
                    time_column: ask.schema.time().id,
                    time: ask.time,
                    tags: ask.tags.to_vec(),
                    fields: ask.field_columns().map(|(c, f)| (c.clone(), f.clone())).collect(),
                    rows,
                    groups,
                    batch_rows: ask.batch_rows,
                    counters: Arc::clone(&ask.counters),
                })?))
            }
        }
    }

    /// Whether it is a segment.
    pub fn is_segment(&self) -> bool {
        matches!(self.rows, Rows::Segment { .. })
    }
}

/// The rows of a segment, not yet deleted, that have one of `ids` (ascending).
///
/// # Errors
/// `corrupt` or `io_error` from the row id index.
pub(crate) fn replaced_rows(segment: &Segment, ids: &[u64]) -> Result<RoaringBitmap> {
    let Some(meta) = &segment.meta.ids else { return Ok(RoaringBitmap::new()) };
    let from = ids.partition_point(|id| *id < meta.min_id);
    let to = ids.partition_point(|id| *id <= meta.max_id);
    if from >= to {
        return Ok(RoaringBitmap::new());
    }
    let Some(index) = segment.file.id_index()? else { return Ok(RoaringBitmap::new()) };
    let mut rows: RoaringBitmap = index.lookup_many(&ids[from..to])?.into_iter().collect();
    if let Some(deleted) = &segment.deleted {
        rows -= &**deleted;
    }
    Ok(rows)
}

/// Tag values in column order, absent ones left out.
enum Key<'a> {
    Stored(&'a [(ColumnId, String)]),
    Series(SeriesTags<'a>),
}

impl Key<'_> {
    /// Key order: tag by tag in column order, absent first, values by bytes.
    fn order(&self, other: &Key<'_>) -> Ordering {
        match (self, other) {
            (Key::Stored(a), Key::Stored(b)) => tag_order(stored(a), stored(b)),
            (Key::Stored(a), Key::Series(b)) => tag_order(stored(a), *b),
            (Key::Series(a), Key::Stored(b)) => tag_order(*a, stored(b)),
            (Key::Series(a), Key::Series(b)) => tag_order(*a, *b),
        }
    }
}

fn stored(tags: &[(ColumnId, String)]) -> impl Iterator<Item = (ColumnId, &str)> {
    tags.iter().map(|(id, value)| (*id, value.as_str()))
}
