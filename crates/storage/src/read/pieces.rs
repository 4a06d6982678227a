//! Which sources of a table have to be merged, and in which pieces of time.
//!
//! Append tables never merge for a scan in no order: each source is a piece. In upsert tables two
//! sources may share a key where they overlap in time and in the range of series; only there they
//! are merged. Flushes of concurrent writers overlap by seconds, a late row by one moment, so most
//! rows are read from their source alone.
//!
//! Invariants: together the pieces hold every row of every source inside the asked time; no two of
//! them share a key (upsert); sources of a piece are in sequence order; pieces are sorted by their
//! start.

use std::sync::Arc;

use pulsora_model::Mode;

use super::scan::TimeRange;
use super::source::{Rows, Source};
use super::table_scan::TableScan;
use crate::segment::{Segment, SegmentFormat};

/// Most times that the sources of one component are merged: every such range makes each of them be
/// read once more, so ranges that are close to each other are taken together.
const MERGES_MAX: usize = 8;

/// More keys of a chunk are not looked up in another one: merging them costs as much.
const KEYS_MAX: usize = 1 << 16;

/// Sources that are read together in a range of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Positions in the table's sources, ascending.
    pub sources: Vec<usize>,
    /// Within the asked time.
    pub time: TimeRange,
}

impl Piece {
    /// What of it lies inside a range of time.
    pub fn within(&self, time: TimeRange) -> Option<Piece> {
        let time = self.time.intersect(&time);
        (!time.is_empty()).then(|| Piece { sources: self.sources.clone(), time })
    }

    /// Its only source.
    pub fn single(&self) -> Option<usize> {
        match self.sources[..] {
            [source] => Some(source),
            _ => None,
        }
    }
}

/// A range of time in which sources may share keys.
struct Overlap {
    time: TimeRange,
    sources: Vec<usize>,
}

impl TableScan {
    /// The pieces of the sources inside `time`.
    pub fn pieces(&self, time: TimeRange) -> Vec<Piece> {
        let inside = (0..self.sources.len()).filter(|i| self.sources[*i].time.overlaps(&time));
        let mut by_time: Vec<usize> = inside.collect();
        by_time.sort_by_key(|source| self.sources[*source].time.start_ns);
        let mut pieces = Vec::with_capacity(by_time.len());
        let overlaps = match self.ask.schema.mode {
            Mode::Append => Vec::new(),
            Mode::Upsert => self.overlaps(&by_time, time),
        };
        for source in by_time {
            let cut = overlaps.iter().filter(|overlap| overlap.sources.contains(&source));
            self.alone(source, time, cut, &mut pieces);
        }
        let merged = overlaps
            .into_iter()
            .map(|overlap| Piece { sources: overlap.sources, time: overlap.time });
        pieces.extend(merged);
        pieces.sort_by(|a, b| (a.time.start_ns, &a.sources).cmp(&(b.time.start_ns, &b.sources)));
        pieces
    }

    /// The pieces of a source outside its overlaps (ascending in time).
    fn alone<'a>(
        &self,
        source: usize,
        time: TimeRange,
        overlaps: impl Iterator<Item = &'a Overlap>,
        pieces: &mut Vec<Piece>,
    ) {
        let whole = self.sources[source].time.intersect(&time);
        let mut push = |time: TimeRange| {
            if let Some(time) = self.sources[source].occupied(time) {
                pieces.push(Piece { sources: vec![source], time });
            }
        };
        let mut start_ns = Some(whole.start_ns);
        for overlap in overlaps {
            let Some(start) = start_ns else { return };
            if start < overlap.time.start_ns {
                push(TimeRange { start_ns: start, end_ns: overlap.time.start_ns - 1 });
            }
            start_ns = overlap.time.end_ns.checked_add(1);
        }
        if let Some(start_ns) = start_ns.filter(|start| *start <= whole.end_ns) {
            push(TimeRange { start_ns, end_ns: whole.end_ns });
        }
    }

    /// Where sources (given by their earliest time) may share keys inside `time`: ranges that are
    /// disjoint for each source, ascending in time.
    fn overlaps(&self, by_time: &[usize], time: TimeRange) -> Vec<Overlap> {
        let mut component: Vec<usize> = (0..self.sources.len()).collect();
        let mut found: Vec<Overlap> = Vec::new();
        let mut active: Vec<usize> = Vec::new();
        for b in by_time {
            active.retain(|a| self.sources[*a].time.overlaps(&self.sources[*b].time));
            for a in &active {
                let shared = self.shared(*a, *b, time);
                if !shared.is_empty() {
                    let (from, to) = (root(&component, *a), root(&component, *b));
                    component[from.max(to)] = from.min(to);
                }
                let sources = vec![*a.min(b), *a.max(b)];
                found.extend(
                    shared.into_iter().map(|time| Overlap { time, sources: sources.clone() }),
                );
            }
            active.push(*b);
        }
        let mut components: std::collections::BTreeMap<usize, Vec<Overlap>> = Default::default();
        for overlap in found {
            components.entry(root(&component, overlap.sources[0])).or_default().push(overlap);
        }
        components.into_values().flat_map(joined).collect()
    }

    /// The ranges of time in which two sources may share keys.
    fn shared(&self, a: usize, b: usize, time: TimeRange) -> Vec<TimeRange> {
        let (a, b) = (&self.sources[a], &self.sources[b]);
        let mut shared = Vec::new();
        for span in a.spans() {
            let both = b.spans().iter().map(|other| span.intersect(other).intersect(&time));
            shared.extend(both.filter(|range| !range.is_empty()));
        }
        if !shared.is_empty() && !a.shares_keys(b) {
            shared.clear();
        }
        // Merging the rows of one series costs less than looking at those of all series.
        if !self.is_one_series() {
            shared.retain(|range| self.may_share(a, b, *range));
        }
        shared
    }

    /// Whether the predicates leave one series.
    fn is_one_series(&self) -> bool {
        self.ask.schema.tags().all(|tag| self.ask.fixes(tag.id))
    }

    /// Whether two sources may share keys in a range of time in which both have rows, looked at by
    /// series: writers that follow each other in time seldom write a key twice.
    fn may_share(&self, a: &Source, b: &Source, range: TimeRange) -> bool {
        match (&a.rows, &b.rows) {
            (Rows::Segment { segment: a, .. }, Rows::Segment { segment: b, .. }) => {
                hot_series_overlap(a, b, range)
            }
            (Rows::Chunk(a), Rows::Chunk(b)) if a.series.same_registry(&b.series) => {
                a.chunk.shares_key(&b.chunk, range, KEYS_MAX).unwrap_or(true)
            }
            _ => true,
        }
    }
}

/// Whether a series has rows of both segments in overlapping times inside `range`. True if that is not
/// known, also when a segment cannot be opened: its stream will say why.
fn hot_series_overlap(a: &Segment, b: &Segment, range: TimeRange) -> bool {
    let is_hot = |segment: &Segment| segment.meta.format == SegmentFormat::Hot;
    if !is_hot(a) || !is_hot(b) {
        return true;
    }
    let (Ok(a), Ok(b)) = (a.file.hot(), b.file.hot()) else { return true };
    if !Arc::ptr_eq(a.series(), b.series()) {
        return true;
    }
    let (Ok(a), Ok(b)) = (a.series_times(), b.series_times()) else { return true };
    let bounds = a.first.iter().zip(&a.last).zip(b.first.iter().zip(&b.last));
    bounds.into_iter().any(|((a_first, a_last), (b_first, b_last))| {
        let first = (*a_first).max(*b_first).max(range.start_ns);
        first <= (*a_last).min(*b_last).min(range.end_ns)
    })
}

fn root(component: &[usize], source: usize) -> usize {
    let mut source = source;
    while component[source] != source {
        source = component[source];
    }
    source
}

/// The overlaps of one component, those that touch taken together, and then the closest ones until
/// there are few.
fn joined(mut overlaps: Vec<Overlap>) -> Vec<Overlap> {
    overlaps.sort_by_key(|overlap| overlap.time.start_ns);
    let mut joined: Vec<Overlap> = Vec::new();
    for overlap in overlaps {
        match joined.last_mut() {
            Some(last) if overlap.time.start_ns <= last.time.end_ns.saturating_add(1) => {
                join(last, overlap);
            }
            _ => joined.push(overlap),
        }
    }
    while joined.len() > MERGES_MAX {
        let gap = |i: &usize| joined[*i].time.start_ns.abs_diff(joined[*i - 1].time.end_ns);
        let Some(closest) = (1..joined.len()).min_by_key(gap) else { break };
        let overlap = joined.remove(closest);
        join(&mut joined[closest - 1], overlap);
    }
    joined
}

fn join(into: &mut Overlap, overlap: Overlap) {
    into.time.end_ns = into.time.end_ns.max(overlap.time.end_ns);
    into.sources.extend(overlap.sources);
    into.sources.sort_unstable();
    into.sources.dedup();
}
