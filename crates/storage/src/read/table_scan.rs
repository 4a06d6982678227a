//! The sources of one table under the predicates of one scan, and how they are opened together.
//!
//! A *component* is a set of sources that have to be merged. Append tables never merge for a scan in
//! no order, so each source is one; in upsert tables sources belong together that may share a key:
//! they overlap in time and in the range of series.
//!
//! Invariants: components are disjoint in keys (upsert); sources are in sequence order, also within
//! a component.

use std::ops::Range;
use std::sync::Arc;

use pulsora_model::{Column, ColumnId, Mode, Result, TableId};

use super::chunk_rows::ChunkSource;
use super::field::{FieldPredicate, filter};
use super::merge::{Merge, merge};
use super::replaced::{bounds, replaced};
use super::scan::{ScanCounters, ScanStream, TagPredicate, TimeRange};
use super::snapshot::Snapshot;
use super::source::{Ask, BATCH_ROWS, Source};

/// The sources of a table that a scan reads.
#[derive(Clone)]
pub(super) struct TableScan {
    pub ask: Ask,
    /// By sequence, oldest first.
    pub sources: Vec<Source>,
}

impl TableScan {
    /// Takes the sources of a table that may hold matching rows.
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
        let all = all_sources(snapshot, table);
        let segments = snapshot.published.version.table(table).len();
        let mut sources: Vec<Source> =
            all.into_iter().filter(|source| !source.is_pruned(&ask)).collect();
        sources.sort_by_key(|source| source.first);
        let kept = sources.iter().filter(|source| source.is_segment()).count();
        ScanCounters::add(&ask.counters.segments_pruned, segments - kept);
        Ok(TableScan { ask, sources })
    }

    /// The columns by which rows of one component are ordered: tags without those that the predicates
    /// fix to one value, then time.
    pub fn keys(&self) -> Vec<ColumnId> {
        let tags = self.ask.schema.tags().map(|tag| tag.id).filter(|tag| !self.ask.fixes(*tag));
        tags.chain([self.ask.schema.time().id]).collect()
    }

    /// The components of the sources inside `time`, by their earliest time.
    pub fn components(&self, time: TimeRange) -> Vec<Vec<usize>> {
        let inside = (0..self.sources.len()).filter(|i| self.sources[*i].time.overlaps(&time));
        let mut by_time: Vec<usize> = inside.collect();
        by_time.sort_by_key(|source| self.sources[*source].time.start_ns);
        if self.ask.schema.mode == Mode::Append {
            return by_time.into_iter().map(|source| vec![source]).collect();
        }
        self.overlapping(&by_time, time)
    }

    /// Groups sources, given by their earliest time, that may share a key inside `time`.
    fn overlapping(&self, by_time: &[usize], time: TimeRange) -> Vec<Vec<usize>> {
        let mut components: Vec<Vec<usize>> = Vec::new();
        let mut key_ranges = std::collections::HashMap::new();
        for source in by_time {
            key_ranges.insert(*source, self.sources[*source].key_range());
        }
        for source in by_time {
            let touches = |other: &usize| {
                let (a, b) = (&self.sources[*source], &self.sources[*other]);
                let ((a_min, a_max), (b_min, b_max)) = (&key_ranges[source], &key_ranges[other]);
                a.time.intersect(&time).overlaps(&b.time) && a_min <= b_max && b_min <= a_max
            };
            let (joined, mut apart): (Vec<_>, Vec<_>) =
                components.into_iter().partition(|component| component.iter().any(touches));
            let mut component: Vec<usize> = joined.into_iter().flatten().collect();
            component.push(*source);
            component.sort_unstable();
            apart.push(component);
            components = apart;
        }
        components.sort_by_key(|component| self.earliest(component));
        components
    }

    /// Rows inside `time`, if the rows of each source were spread evenly; 0 only if there are none.
    pub fn rows_about(&self, time: TimeRange) -> u64 {
        let width = |range: TimeRange| range.end_ns as f64 - range.start_ns as f64 + 1.0;
        let inside = self.sources.iter().filter(|source| source.time.overlaps(&time));
        let rows = inside.map(|source| {
            let share = width(source.time.intersect(&time)) / width(source.time);
            (source.rows_max() as f64 * share).ceil() as u64
        });
        rows.sum()
    }

    /// Earliest time of a component.
    pub fn earliest(&self, component: &[usize]) -> i64 {
        component.iter().map(|i| self.sources[*i].time.start_ns).min().unwrap_or(i64::MAX)
    }

    /// Latest time of a component.
    pub fn latest(&self, component: &[usize]) -> i64 {
        component.iter().map(|i| self.sources[*i].time.end_ns).max().unwrap_or(i64::MIN)
    }

    /// The rows of a component with `columns`, in key order; of a single segment only these row
    /// groups. Nothing is opened before the first batch is asked for.
    pub fn stream(
        &self,
        component: &[usize],
        columns: &[Column],
        time: TimeRange,
        groups: Option<Range<usize>>,
    ) -> ScanStream {
        let ask = self.ask.within(time);
        let sources: Vec<Source> = component.iter().map(|i| self.sources[*i].clone()).collect();
        let (columns, keys) = (columns.to_vec(), self.keys());
        lazy(move || open(&sources, &ask, &columns, keys, groups))
    }
}

fn all_sources(snapshot: &Snapshot, table: TableId) -> Vec<Source> {
    let segments = snapshot.published.version.table(table);
    let views = snapshot.published.memtables.get(&table).map_or(&[][..], Vec::as_slice);
    let id_ranges = segments.iter().filter_map(|segment| segment.meta.ids.as_ref());
    let id_bounds = bounds(id_ranges.map(|ids| (ids.min_id, ids.max_id)));
    let replaced = replaced(views.iter().map(|view| &**view), id_bounds);
    let from_segments = segments.iter().map(|segment| {
        let has_ids = segment.meta.ids.is_some();
        Source::segment(segment, replaced.ids.clone().filter(|_| has_ids))
    });
    let chunks = views.iter().flat_map(|view| {
        let series = Arc::new(view.series.clone());
        view.chunks.iter().map(move |chunk| (Arc::clone(&series), Arc::clone(chunk)))
    });
    let from_chunks = chunks.zip(&replaced.chunks).map(|((series, chunk), gone)| ChunkSource {
        chunk,
        series,
        gone: gone.clone(),
    });
    from_segments.chain(from_chunks.map(Source::chunk)).collect()
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
    let mut read = columns.to_vec();
    for predicate in ask.fields.iter() {
        if !read.iter().any(|column| column.id == predicate.column) {
            read.extend(ask.schema.column_by_id(predicate.column).cloned());
        }
    }
    let (fields, given) = (Arc::clone(&ask.fields), (0..columns.len()).collect::<Vec<_>>());
    let stream = open_all(sources, ask, &read, keys, groups)?;
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

/// A stream that is opened when its first batch is asked for.
fn lazy(open: impl FnOnce() -> Result<ScanStream> + Send + 'static) -> ScanStream {
    let mut open = Some(open);
    let mut stream: Option<ScanStream> = None;
    Box::new(std::iter::from_fn(move || {
        if let Some(open) = open.take() {
            match open() {
                Ok(opened) => stream = Some(opened),
                Err(error) => return Some(Err(error)),
            }
        }
        stream.as_mut()?.next()
    }))
}
