//! One atomic change of what is on disk, and the state that all edits add up to.
//!
//! Pure: no files, no store. `version.rs` turns the state into segments that can be read.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use pulsora_model::{Error, Result, SegmentId, Sequence, TableId};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use super::keys::{KeyWindows, KeysEdit};
use crate::catalog::{Catalog, CatalogChange};
use crate::segment::SegmentMeta;

/// The delete bitmap of a segment, replacing the one before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bitmap {
    pub segment: SegmentId,
    pub rows: Arc<RoaringBitmap>,
}

/// One atomic change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Edit {
    /// Catalog changes since the edit before, with their sequences.
    pub changes: Vec<(Sequence, CatalogChange)>,
    /// Every catalog change up to here is in the manifest.
    pub catalog_through: Sequence,
    /// Rows of these tables up to these sequences are in segments.
    pub flushed: Vec<(TableId, Sequence)>,
    pub added: Vec<Arc<SegmentMeta>>,
    pub removed: Vec<SegmentId>,
    /// Written behind the JSON; see `format.rs`.
    #[serde(skip)]
    pub bitmaps: Vec<Bitmap>,
    /// A new opening of the data directory.
    pub epoch: Option<u32>,
    /// The highest sequence given out when this was written.
    pub last: Sequence,
    /// Highest row id ever stored, of tables whose highest one rose.
    pub row_ids: Vec<(TableId, u64)>,
    /// Idempotency keys of log files that may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<KeysEdit>,
}

impl Edit {
    /// Whether the edit drops this table itself (tables of a dropped database are forgotten when the
    /// manifest is next read).
    pub fn drops(&self, table: TableId) -> bool {
        self.changes
            .iter()
            .any(|(_, change)| matches!(change, CatalogChange::DropTable { id } if *id == table))
    }
}

/// What all edits add up to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ManifestState {
    pub catalog: Catalog,
    pub catalog_through: Sequence,
    pub flushed: BTreeMap<TableId, Sequence>,
    pub row_ids: BTreeMap<TableId, u64>,
    /// In the order they were added.
    pub segments: Vec<Arc<SegmentMeta>>,
    #[serde(skip)]
    pub bitmaps: BTreeMap<SegmentId, Arc<RoaringBitmap>>,
    pub epoch: u32,
    pub last: Sequence,
    #[serde(default)]
    pub keys: KeyWindows,
}

impl ManifestState {
    /// Applies an edit.
    ///
    /// # Errors
    /// `corrupt` when it names what is not there.
    pub fn apply(&mut self, edit: &Edit) -> Result<()> {
        for (_, change) in &edit.changes {
            self.catalog.make(change)?;
        }
        self.catalog_through = self.catalog_through.max(edit.catalog_through);
        let mut gone: HashSet<SegmentId> = edit.removed.iter().copied().collect();
        if !gone.is_empty() {
            self.segments.retain(|segment| !gone.remove(&segment.id));
            if let Some(id) = edit.removed.iter().find(|id| gone.contains(id)) {
                return Err(Error::corrupt(format!(
                    "an edit removes segment {id}, which is not there"
                )));
            }
            edit.removed.iter().for_each(|id| drop(self.bitmaps.remove(id)));
        }
        self.segments.extend(edit.added.iter().cloned());
        for bitmap in &edit.bitmaps {
            if !self.segments.iter().any(|segment| segment.id == bitmap.segment) {
                return Err(Error::corrupt(format!(
                    "an edit has a delete bitmap for segment {}, which is not there",
                    bitmap.segment
                )));
            }
            self.bitmaps.insert(bitmap.segment, Arc::clone(&bitmap.rows));
        }
        for (table, sequence) in &edit.flushed {
            let flushed = self.flushed.entry(*table).or_default();
            *flushed = (*flushed).max(*sequence);
        }
        for (table, id) in &edit.row_ids {
            let highest = self.row_ids.entry(*table).or_default();
            *highest = (*highest).max(*id);
        }
        self.epoch = edit.epoch.unwrap_or(self.epoch);
        self.last = self.last.max(edit.last);
        if let Some(keys) = &edit.keys {
            self.keys.apply(keys);
        }
        self.forget_dropped();
        Ok(())
    }

    fn forget_dropped(&mut self) {
        let catalog = &self.catalog;
        self.flushed.retain(|table, _| catalog.table_by_id(*table).is_some());
        self.row_ids.retain(|table, _| catalog.table_by_id(*table).is_some());
    }
}
