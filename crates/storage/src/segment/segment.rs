//! A segment of a version: what the manifest says of it, its open file and its delete bitmap.
//!
//! Invariant: the objects of a doomed file are removed when the last version or snapshot that holds
//! it is gone, never earlier.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use pulsora_env::Store;
use roaring::RoaringBitmap;

use super::ids::IdIndex;
use super::meta::SegmentMeta;

/// A segment in a version. Cloning shares the file.
#[derive(Clone)]
pub(crate) struct Segment {
    /// What the manifest says.
    pub meta: Arc<SegmentMeta>,
    /// Row numbers that are gone.
    pub deleted: Option<Arc<RoaringBitmap>>,
    /// The file, shared by all versions that hold the segment.
    pub file: Arc<SegmentFile>,
}

impl Segment {
    /// Rows that are not deleted.
    pub fn live_rows(&self) -> u64 {
        self.meta.rows - self.deleted.as_ref().map_or(0, |deleted| deleted.len())
    }
}

/// The objects of a segment and what has been read of them so far.
pub(crate) struct SegmentFile {
    pub meta: Arc<SegmentMeta>,
    pub store: Arc<dyn Store>,
    /// Footer and page indexes, read and checked on first touch.
    pub footer: OnceLock<ArrowReaderMetadata>,
    /// The row id index, read and checked on first use.
    pub(super) ids: OnceLock<IdIndex>,
    doomed: AtomicBool,
}

impl SegmentFile {
    /// A segment whose objects exist in `store`.
    pub fn new(meta: Arc<SegmentMeta>, store: Arc<dyn Store>) -> SegmentFile {
        SegmentFile {
            meta,
            store,
            footer: OnceLock::new(),
            ids: OnceLock::new(),
            doomed: AtomicBool::new(false),
        }
    }

    /// Removes the objects once nobody holds the segment any more.
    pub fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }
}

impl Drop for SegmentFile {
    fn drop(&mut self) {
        if !self.doomed.load(Ordering::Acquire) {
            return;
        }
        let ids = self.meta.ids.iter().map(|ids| ids.object.as_str());
        for object in std::iter::once(self.meta.object.as_str()).chain(ids) {
            if let Err(error) = self.store.delete(object) {
                tracing::warn!(object, %error, "a dropped segment could not be removed; the next start removes it");
            }
        }
    }
}
