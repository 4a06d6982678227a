//! The segments of a partition in the order of their rows: pure.
//!
//! A *unit* is a set of segments whose sequences overlap, which are the outputs of one rewrite. Units are
//! ordered in time, and the newer one wins where keys are equal.

use std::collections::BTreeMap;

use pulsora_model::partition::Window;
use pulsora_model::{SegmentId, Sequence};

use super::plan::Asked;
use crate::segment::{Segment, SegmentFormat, SegmentMeta};

/// What a plan looks at of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub meta: &'a SegmentMeta,
    /// Rows of it that are gone.
    pub deleted: u64,
}

impl<'a> Part<'a> {
    pub fn of(segment: &'a Segment) -> Part<'a> {
        Part { meta: &segment.meta, deleted: segment.meta.rows - segment.live_rows() }
    }

    /// Whether no row of it is left.
    pub fn is_dead(&self) -> bool {
        self.deleted >= self.meta.rows
    }
}

/// Segments of a partition that were written together.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub parts: Vec<Part<'a>>,
    pub bytes: u64,
    pub rows: u64,
    pub deleted: u64,
    pub first: Sequence,
    pub last: Sequence,
    /// All of it is Parquet.
    pub parquet: bool,
    /// A rewrite that runs has it as an input.
    pub busy: bool,
}

impl<'a> Unit<'a> {
    fn of(part: Part<'a>, busy: bool) -> Unit<'a> {
        let Part { meta, deleted } = part;
        Unit {
            parts: vec![part],
            bytes: meta.length,
            rows: meta.rows,
            deleted,
            first: meta.first,
            last: meta.last,
            parquet: meta.format == SegmentFormat::Parquet,
            busy,
        }
    }

    fn add(&mut self, other: Unit<'a>) {
        self.parts.extend(other.parts);
        self.bytes += other.bytes;
        self.rows += other.rows;
        self.deleted += other.deleted;
        self.last = self.last.max(other.last);
        self.parquet &= other.parquet;
        self.busy |= other.busy;
    }

    pub fn segments(&self) -> Vec<SegmentId> {
        self.parts.iter().map(|part| part.meta.id).collect()
    }

    /// Whether each segment of it may be rewritten alone: no two have rows of one series.
    pub fn is_separable(&self) -> bool {
        let mut metas: Vec<&SegmentMeta> = self.parts.iter().map(|part| part.meta).collect();
        metas.sort_by(|a, b| a.key_order(b));
        metas.windows(2).all(|pair| pair[0].ends_before(pair[1]))
    }
}

/// The segments of a table by partition.
pub(super) fn partitions<'a>(
    parts: impl Iterator<Item = Part<'a>>,
) -> BTreeMap<Window, Vec<Part<'a>>> {
    let mut partitions: BTreeMap<Window, Vec<Part<'a>>> = BTreeMap::new();
    for part in parts {
        partitions.entry(part.meta.window).or_default().push(part);
    }
    partitions
}

/// The units of a partition, the oldest first.
pub(super) fn units<'a>(mut parts: Vec<Part<'a>>, asked: &Asked<'_>) -> Vec<Unit<'a>> {
    parts.sort_by_key(|part| (part.meta.first, part.meta.id));
    let mut units: Vec<Unit<'a>> = Vec::new();
    for part in parts {
        let unit = Unit::of(part, asked.busy.contains(&part.meta.id));
        match units.last_mut().filter(|last| unit.first <= last.last) {
            Some(last) => last.add(unit),
            None => units.push(unit),
        }
    }
    units
}
