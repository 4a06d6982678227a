//! The sources of one table under the predicates of one scan, and how they are opened together.
//!
//! Invariant: sources are in sequence order.

use std::ops::Range;
use std::sync::Arc;

use pulsora_model::{Column, ColumnId, Result, TableId};

use super::chunk_rows::ChunkSource;
use super::field::{FieldPredicate, filter};
use super::merge::{Merge, merge};
use super::pieces::Piece;
use super::replaced::{bounds, replaced};
use super::scan::{ScanCounters, ScanStream, TagPredicate, TimeRange};
use super::snapshot::Snapshot;
use super::source::{Ask, BATCH_ROWS, Source};
use super::streams::lazy;
use crate::segment::{SegmentAsk, SegmentView};

/// The sources of a table that a scan reads.
#[derive(Clone)]
pub(super) struct TableScan {
    pub ask: Ask,
    /// By sequence, oldest first.
    pub sources: Vec<Source>,
}

impl TableScan {
    /// Takes the sources of a table that may hold matching rows, and leaves out what has expired.
    ///
    /// # Errors
    /// `table_not_found` when the table has been dropped; `column_not_found` or `invalid_request` for
    /// a field predicate that does not fit it.
    pub fn new(
        snapshot: &Snapshot,
        table: TableId,
        time: TimeRange,
        tags: &[TagPredicate],
        fields: &[FieldPredicate],
    ) -> Result<TableScan> {
        let time = time.intersect(&snapshot.kept(&*snapshot.schema(table)?));
        TableScan::with_expired(snapshot, table, time, tags, fields)
    }

    /// The same with rows that have expired.
    ///
    /// # Errors
    /// As [`TableScan::new`].
    pub fn with_expired(
        snapshot: &Snapshot,
        table: TableId,
        time: TimeRange,
        tags: &[TagPredicate],
        fields: &[FieldPredicate],
    ) -> Result<TableScan> {
        let schema = snapshot.schema(table)?;
        fields.iter().try_for_each(|predicate| predicate.check(&schema))?;
        let counters = Arc::new(ScanCounters::default());
        let ask = Ask {
            schema,
            time,
            tags: tags.into(),
            fields: fields.into(),
            batch_rows: BATCH_ROWS,
            counters,
        };
        let segments = snapshot.published.version.table(table).len();
        let mut sources = matching_sources(snapshot, table, &ask);
        sources.sort_by_key(|source| source.first);
        let kept = sources.iter().filter(|source| source.is_segment()).count();
        ScanCounters::add(&ask.counters.segments_pruned, segments - kept);
        Ok(TableScan { ask, sources })
    }

    /// The columns by which rows of one piece are ordered: tags without those that the predicates
    /// fix to one value, then time.
    pub fn keys(&self) -> Vec<ColumnId> {
        let tags = self.ask.schema.tags().map(|tag| tag.id).filter(|tag| !self.ask.fixes(*tag));
        tags.chain([self.ask.schema.time().id]).collect()
    }

    /// Rows inside `time`, if the rows of each source were spread evenly; 0 only if there are none.
    pub fn rows_about(&self, time: TimeRange) -> u64 {
        let inside = self.sources.iter().filter(|source| source.time.overlaps(&time));
        inside.map(|source| source.rows_about(time)).sum()
    }

    /// Rows of a piece, if the rows of each source were spread evenly.
    pub fn piece_rows(&self, piece: &Piece) -> u64 {
        piece.sources.iter().map(|source| self.sources[*source].rows_about(piece.time)).sum()
    }

    /// The rows of a piece with `columns`, in key order; of a single segment only these row groups.
    /// Nothing is opened before the first batch is asked for.
    pub fn stream(
        &self,
        piece: &Piece,
        columns: &[Column],
        groups: Option<Range<usize>>,
    ) -> ScanStream {
        let ask = self.ask.within(piece.time);
        let sources: Vec<Source> = piece.sources.iter().map(|i| self.sources[*i].clone()).collect();
        let (columns, keys) = (columns.to_vec(), self.keys());
        lazy(move || open(&sources, &ask, &columns, keys, groups))
    }
}

/// The sources that time and, for segments, the index of the snapshot do not rule out.
fn matching_sources(snapshot: &Snapshot, table: TableId, ask: &Ask) -> Vec<Source> {
    let segments = snapshot.published.version.table(table);
    let views = snapshot.published.memtables.get(&table).map_or(&[][..], Vec::as_slice);
    let id_ranges = segments.iter().filter_map(|segment| segment.meta.ids.as_ref());
    let id_bounds = bounds(id_ranges.map(|ids| (ids.min_id, ids.max_id)));
    let replaced = replaced(views.iter().map(|view| &**view), id_bounds);
    let mut sources = Vec::new();
    let mut kept: Vec<SegmentView<'_>> = segments.iter().map(SegmentView::new).collect();
    let asked = SegmentAsk { schema: &ask.schema, time: ask.time, tags: &ask.tags };
    snapshot.index.prune(&mut kept, &asked);
    for segment in kept.into_iter().map(SegmentView::segment) {
        let has_ids = segment.meta.ids.is_some();
        sources.push(Source::segment(segment, replaced.ids.clone().filter(|_| has_ids)));
    }
    let mut gone = replaced.chunks.into_iter();
    for view in views {
        for chunk in &view.chunks {
            let gone = gone.next().flatten();
            let time = TimeRange { start_ns: chunk.min_time_ns, end_ns: chunk.max_time_ns };
            // A chunk finds its series when it is read; that costs no I/O.
            if !time.overlaps(&ask.time) {
                continue;
            }
            let (chunk, series) = (Arc::clone(chunk), view.series.clone());
            sources.push(Source::chunk(ChunkSource { chunk, series, gone }));
        }
    }
    sources
}

/// The rows of sources that have to be merged, with the field predicates applied.
fn open(
    sources: &[Source],
    ask: &Ask,
    columns: &[Column],
    keys: Vec<ColumnId>,
    groups: Option<Range<usize>>,
) -> Result<ScanStream> {
    if ask.fields.is_empty() {
        return open_all(sources, ask, columns, keys, groups);
    }
    if let [source] = sources
        && source.is_segment()
    {
        // A segment applies them itself.
        return source.open(ask, columns, groups);
    }
    let mut read = columns.to_vec();
    for predicate in ask.fields.iter() {
        if !read.iter().any(|column| column.id == predicate.column) {
            read.extend(ask.schema.column_by_id(predicate.column).cloned());
        }
    }
    let (fields, given) = (Arc::clone(&ask.fields), (0..columns.len()).collect::<Vec<_>>());
    let ask = Ask { fields: Arc::new([]), ..ask.clone() };
    let stream = open_all(sources, &ask, &read, keys, groups)?;
    let matching = stream.map(move |batch| {
        let batch = filter(&batch?, &read, &fields)?;
        Ok(batch.project(&given)?)
    });
    Ok(Box::new(matching.filter(|batch| batch.as_ref().map_or(true, |batch| batch.num_rows() > 0))))
}

/// The rows of sources that have to be merged, whatever their fields are.
fn open_all(
    sources: &[Source],
    ask: &Ask,
    columns: &[Column],
    keys: Vec<ColumnId>,
    groups: Option<Range<usize>>,
) -> Result<ScanStream> {
    if let [source] = sources {
        return source.open(ask, columns, groups);
    }
    let mut read = columns.to_vec();
    let missing = keys.iter().filter(|key| !columns.iter().any(|column| column.id == **key));
    read.extend(missing.filter_map(|key| ask.schema.column_by_id(*key).cloned()));
    let streams =
        sources.iter().map(|source| source.open(ask, &read, None)).collect::<Result<Vec<_>>>()?;
    merge(Merge {
        sources: streams,
        columns: read,
        give: columns.to_vec(),
        keys,
        mode: ask.schema.mode,
    })
}
