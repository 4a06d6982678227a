//! A scan → streams: how pieces are split and chained so that work runs in parallel, and which
//! order may be claimed.
//!
//! Invariant: together the streams give every matching row once.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::Schema;
use pulsora_model::{Code, Column, ColumnId, Error, Result, TableSchema};

use super::pieces::Piece;
use super::scan::{Order, Scan, ScanCounters, ScanPlan, ScanStream};
use super::snapshot::Snapshot;
use super::source::{BATCH_ROWS, Rows};
use super::streams::chained;
use super::table_scan::TableScan;
use super::time_order::time_ordered;
use crate::segment::ROW_GROUP_ROWS;

/// Most streams of one scan: each holds an open batch per source, and more do not help the cores that
/// a query gets.
const STREAMS_MAX: usize = 8;

/// A stream is worth its own thread from this many rows on.
pub(super) const STREAM_ROWS_MIN: u64 = 2 * ROW_GROUP_ROWS as u64;

/// A scan for at most this many rows is one stream: the others would read what nobody asks for.
const LIMIT_OF_ONE_STREAM: usize = ROW_GROUP_ROWS;

/// Fewest rows of a batch, however small the limit.
const BATCH_ROWS_MIN: usize = 64;

impl Snapshot {
    /// The streams that answer `scan`. May sort memtable chunks, so it belongs on a thread that may
    /// block; segments are opened when a stream is first asked for a batch.
    ///
    /// # Errors
    /// `table_not_found`, `column_not_found`; the streams give `corrupt` and `io_error`.
    pub fn scan(&self, scan: &Scan) -> Result<ScanPlan> {
        let mut table = TableScan::new(self, scan.table, scan.time, &scan.tags, &scan.fields)?;
        let columns = asked_columns(&table.ask.schema, scan)?;
        let counters = Arc::clone(&table.ask.counters);
        let fields: Vec<_> = columns.iter().map(Column::arrow_field).collect();
        let (streams, order) = match scan.order {
            Order::Any => {
                if let Some(limit) = scan.limit {
                    let rows = limit.checked_next_power_of_two().unwrap_or(BATCH_ROWS);
                    table.ask.batch_rows = rows.clamp(BATCH_ROWS_MIN, BATCH_ROWS);
                }
                in_any_order(&table, &columns, scan.limit)
            }
            Order::TimeAscending => {
                let order = time_key(&table.ask.schema);
                (vec![time_ordered(table, &columns, scan.order, scan.limit)], order)
            }
            Order::TimeDescending => {
                (vec![time_ordered(table, &columns, scan.order, scan.limit)], Vec::new())
            }
        };
        let streams = streams.into_iter().map(|s| counted(s, Arc::clone(&counters))).collect();
        let given = |id: &ColumnId| columns.iter().any(|column| column.id == *id);
        Ok(ScanPlan {
            schema: Arc::new(Schema::new(fields)),
            streams,
            sorted_by: order.into_iter().take_while(given).collect(),
            counters,
        })
    }
}

fn asked_columns(schema: &TableSchema, scan: &Scan) -> Result<Vec<Column>> {
    let find = |id: &ColumnId| {
        schema.column_by_id(*id).cloned().ok_or_else(|| {
            let message = format!("table {:?} has no column with id {id}", schema.name);
            Error::new(Code::ColumnNotFound, message)
        })
    };
    scan.tags.iter().try_for_each(|predicate| find(&predicate.column).map(|_| ()))?;
    match &scan.columns {
        None => Ok(schema.shown().cloned().collect()),
        Some(ids) => ids.iter().map(find).collect(),
    }
}

/// Time, tags, row id: the order of [`Order::TimeAscending`].
fn time_key(schema: &TableSchema) -> Vec<ColumnId> {
    let ids = schema.row_id().into_iter().map(|column| column.id);
    [schema.time().id].into_iter().chain(schema.tags().map(|tag| tag.id)).chain(ids).collect()
}

/// A part of the work of a scan.
pub(super) struct Part {
    pub piece: Piece,
    /// Row groups of its one segment.
    pub groups: Option<Range<usize>>,
    /// About.
    pub rows: u64,
}

fn in_any_order(
    table: &TableScan,
    columns: &[Column],
    limit: Option<usize>,
) -> (Vec<ScanStream>, Vec<ColumnId>) {
    let pieces = table.pieces(table.ask.time);
    let time = [table.ask.schema.time().id];
    let follow = pieces.windows(2).all(|pair| pair[0].time.end_ns <= pair[1].time.start_ns);
    let one_series = table.keys() == time;
    let keys: Vec<ColumnId> = table.ask.schema.tags().map(|tag| tag.id).chain(time).collect();
    let parts = parts(table, pieces);
    let wanted = match limit {
        Some(limit) if limit <= LIMIT_OF_ONE_STREAM => 1,
        _ => {
            let rows: u64 = parts.iter().map(|part| part.rows).sum();
            (rows.div_ceil(STREAM_ROWS_MIN) as usize).clamp(1, STREAMS_MAX)
        }
    };
    let (groups, order) = if one_series && follow {
        (contiguous(parts, wanted), time.to_vec())
    } else if parts.len() <= wanted.max(if limit.is_some() { 1 } else { STREAMS_MAX }) {
        (parts.into_iter().map(|part| vec![part]).collect(), keys)
    } else {
        (balanced(parts, wanted), Vec::new())
    };
    let chains = groups.into_iter().map(|group| chain(table.clone(), group, columns.to_vec()));
    let mut streams: Vec<ScanStream> = chains.collect();
    if streams.is_empty() {
        streams.push(Box::new(std::iter::empty()));
    }
    if let Some(limit) = limit {
        let left = Arc::new(AtomicUsize::new(limit));
        streams = streams.into_iter().map(|s| limited(s, Arc::clone(&left))).collect();
    }
    (streams, order)
}

/// The pieces, big ones of a single segment cut by row groups.
pub(super) fn parts(table: &TableScan, pieces: Vec<Piece>) -> Vec<Part> {
    let mut parts = Vec::new();
    for piece in pieces {
        let rows = table.piece_rows(&piece);
        let segment = piece.single().and_then(|source| match &table.sources[source].rows {
            Rows::Segment { segment, .. } => Some(segment.meta.rows),
            Rows::Chunk(_) => None,
        });
        let count = (rows / STREAM_ROWS_MIN).clamp(1, STREAMS_MAX as u64) as usize;
        let Some(segment_rows) = segment.filter(|_| count > 1) else {
            parts.push(Part { piece, groups: None, rows });
            continue;
        };
        let cut = |part: usize| match part < count {
            true => (segment_rows as usize).div_ceil(ROW_GROUP_ROWS) * part / count,
            false => usize::MAX,
        };
        parts.extend((0..count).map(|part| Part {
            piece: piece.clone(),
            groups: Some(cut(part)..cut(part + 1)),
            rows: rows / count as u64,
        }));
    }
    parts
}

/// At most `count` groups of parts that follow each other, of about the same size.
fn contiguous(parts: Vec<Part>, count: usize) -> Vec<Vec<Part>> {
    let share = parts.iter().map(|part| part.rows).sum::<u64>() / count as u64 + 1;
    let mut groups: Vec<Vec<Part>> = Vec::new();
    let mut before = 0;
    for part in parts {
        let group = (before / share) as usize;
        before += part.rows;
        if groups.len() <= group {
            groups.push(Vec::new());
        }
        if let Some(last) = groups.last_mut() {
            last.push(part);
        }
    }
    groups
}

/// `count` groups of about the same size, whatever the order.
fn balanced(parts: Vec<Part>, count: usize) -> Vec<Vec<Part>> {
    let mut groups: Vec<(u64, Vec<Part>)> = (0..count).map(|_| (0, Vec::new())).collect();
    for part in parts {
        if let Some(smallest) = groups.iter_mut().min_by_key(|(rows, _)| *rows) {
            smallest.0 += part.rows.max(1);
            smallest.1.push(part);
        }
    }
    groups.into_iter().map(|(_, parts)| parts).collect()
}

/// The parts one after the other.
fn chain(table: TableScan, parts: Vec<Part>, columns: Vec<Column>) -> ScanStream {
    let streams =
        parts.into_iter().map(move |part| table.stream(&part.piece, &columns, part.groups));
    chained(streams)
}

/// Cuts a stream when the rows that are left for all streams are used up.
fn limited(stream: ScanStream, left: Arc<AtomicUsize>) -> ScanStream {
    let mut stream = Some(stream);
    Box::new(std::iter::from_fn(move || {
        if left.load(Ordering::Relaxed) == 0 {
            stream = None;
        }
        let batch = match stream.as_mut()?.next()? {
            Ok(batch) => batch,
            error => return Some(error),
        };
        let take = |left: usize| Some(left.saturating_sub(batch.num_rows()));
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).unwrap_or(0);
        let rows = before.min(batch.num_rows());
        (rows > 0).then(|| Ok(batch.slice(0, rows)))
    }))
}

/// Counts the rows that a stream gives.
fn counted(stream: ScanStream, counters: Arc<ScanCounters>) -> ScanStream {
    Box::new(stream.inspect(move |batch| {
        if let Ok(batch) = batch {
            ScanCounters::add(&counters.rows_returned, batch.num_rows());
        }
    }))
}
