//! Which segments and delete bitmaps exist: immutable, replaced as a whole by every edit.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use pulsora_model::{SegmentId, Sequence, TableId};

use super::edit::{Edit, ManifestState};
use crate::segment::{Segment, SegmentAccess, SegmentFile};

/// The segments of every table at one moment.
#[derive(Clone, Default)]
pub(crate) struct Version {
    /// Number of the last edit in it.
    pub number: u64,
    /// Tables that have segments or flushed sequences.
    pub tables: BTreeMap<TableId, Arc<TableSegments>>,
}

/// The segments of one table.
#[derive(Clone, Default)]
pub(crate) struct TableSegments {
    /// Ascending by first sequence.
    pub segments: Vec<Segment>,
    /// Rows of records up to here are in segments.
    pub flushed_through: Sequence,
    /// The highest row id that was ever stored in a segment, 0 = none.
    pub row_id_max: u64,
}

impl Version {
    /// All segments.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.tables.values().flat_map(|table| &table.segments)
    }

    /// The segments of a table, if it has any.
    pub fn table(&self, table: TableId) -> &[Segment] {
        self.tables.get(&table).map_or(&[], |segments| &segments.segments)
    }
}

impl Version {
    /// The version of a manifest state that has just been read.
    pub fn of_state(state: &ManifestState, number: u64, access: &Arc<SegmentAccess>) -> Version {
        let mut tables: BTreeMap<TableId, TableSegments> = BTreeMap::new();
        for meta in &state.segments {
            let segment = Segment {
                meta: Arc::clone(meta),
                deleted: state.bitmaps.get(&meta.id).cloned(),
                file: Arc::new(SegmentFile::new(Arc::clone(meta), access)),
            };
            tables.entry(meta.table).or_default().segments.push(segment);
        }
        for (table, flushed) in &state.flushed {
            tables.entry(*table).or_default().flushed_through = *flushed;
        }
        for (table, id) in &state.row_ids {
            tables.entry(*table).or_default().row_id_max = *id;
        }
        for segments in tables.values_mut() {
            segments.segments.sort_by_key(|segment| (segment.meta.first, segment.meta.id));
        }
        let tables = tables.into_iter().map(|(id, segments)| (id, Arc::new(segments))).collect();
        Version { number, tables }
    }

    /// The version after `edit`, and the segments that it removed.
    pub fn after(
        &self,
        edit: &Edit,
        number: u64,
        access: &Arc<SegmentAccess>,
    ) -> (Version, Vec<Segment>) {
        let mut next = Version { number, tables: self.tables.clone() };
        let mut removed = Vec::new();
        let gone: HashSet<SegmentId> = edit.removed.iter().copied().collect();
        for table in next.tables.values_mut().filter(|_| !gone.is_empty()) {
            if table.segments.iter().any(|segment| gone.contains(&segment.meta.id)) {
                let table = Arc::make_mut(table);
                let left = |segment: &mut Segment| gone.contains(&segment.meta.id);
                removed.extend(table.segments.extract_if(.., left));
            }
        }
        for meta in &edit.added {
            let file = Arc::new(SegmentFile::new(Arc::clone(meta), access));
            let segment = Segment { meta: Arc::clone(meta), deleted: None, file };
            let table = next.table_mut(meta.table);
            table.segments.push(segment);
            table.segments.sort_by_key(|segment| (segment.meta.first, segment.meta.id));
        }
        for bitmap in &edit.bitmaps {
            for table in next.tables.values_mut() {
                if let Some(i) = table.segments.iter().position(|s| s.meta.id == bitmap.segment) {
                    Arc::make_mut(table).segments[i].deleted = Some(Arc::clone(&bitmap.rows));
                }
            }
        }
        for (table, flushed) in &edit.flushed {
            next.table_mut(*table).flushed_through = *flushed;
        }
        for (table, id) in &edit.row_ids {
            next.table_mut(*table).row_id_max = *id;
        }
        next.tables.retain(|id, table| !table.segments.is_empty() || !edit.drops(*id));
        (next, removed)
    }

    fn table_mut(&mut self, id: TableId) -> &mut TableSegments {
        Arc::make_mut(self.tables.entry(id).or_default())
    }
}
