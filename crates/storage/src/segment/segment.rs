//! A segment of a version: what the manifest says of it, its open file and its delete bitmap.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use pulsora_env::read_exact_at;
use pulsora_model::{Error, Result};
use roaring::RoaringBitmap;

use super::access::SegmentAccess;
use super::cold::Pieces;
use super::hot::{BlockCache, HotSegment, SegmentBytes};
use super::ids::IdIndex;
use super::meta::{IdIndexMeta, SegmentMeta};
use super::object::Object;

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
    pub(super) object: Arc<Object>,
    /// The object of the row id index, where it is one of its own.
    ids_object: Option<Arc<Object>>,
    /// Parquet: footer and page indexes, read and checked on first touch.
    pub(super) footer: OnceLock<ArrowReaderMetadata>,
    /// Parquet: the checksums of its pieces.
    pub(super) pieces: Option<Arc<Pieces>>,
    /// Hot: the opened segment, while somebody reads it or it is kept open. Guards only which one it is.
    hot: Mutex<Weak<HotSegment>>,
    access: Arc<SegmentAccess>,
    /// The row id index, read and checked on first use.
    ids: OnceLock<IdIndex>,
    doomed: AtomicBool,
}

impl SegmentFile {
    /// A segment whose objects exist in the store of `access`.
    pub fn new(meta: Arc<SegmentMeta>, access: &Arc<SegmentAccess>) -> SegmentFile {
        let ids = meta.ids.as_ref().filter(|ids| ids.object != meta.object);
        SegmentFile {
            object: access.object(&meta.object),
            pieces: Pieces::of(&meta).map(Arc::new),
            ids_object: ids.map(|ids| access.object(&ids.object)),
            meta,
            footer: OnceLock::new(),
            hot: Mutex::default(),
            access: Arc::clone(access),
            ids: OnceLock::new(),
            doomed: AtomicBool::new(false),
        }
    }

    /// Removes the objects once nobody holds them any more.
    pub fn doom(&self) {
        if !self.doomed.swap(true, Ordering::AcqRel) {
            self.object.release();
            self.ids_object.iter().for_each(|object| object.release());
        }
    }

    /// What was decoded of the segments of the engine.
    pub fn cache(&self) -> &BlockCache {
        &self.access.cache
    }

    /// A hot segment, opened unless it is open. Whoever reads on holds it.
    ///
    /// # Errors
    /// `corrupt` when it is damaged or missing, `unsupported_format` when a codec is not registered,
    /// `io_error`.
    pub fn hot(&self) -> Result<Arc<HotSegment>> {
        if let Some(hot) = self.hot.lock().upgrade() {
            hot.note_use();
            return Ok(hot);
        }
        let (offset, length) = (self.meta.offset, self.meta.length);
        let map = if self.access.mapped { self.object.map()? } else { None };
        let bytes = match map {
            Some(map) => {
                let end = offset.checked_add(length).filter(|end| *end <= map.len() as u64);
                let end = end.ok_or_else(|| self.corrupt("it ends too early"))?;
                SegmentBytes::Mapped(map.slice(offset as usize..end as usize))
            }
            None => SegmentBytes::Ranged { file: self.object.open()?, offset, length },
        };
        let hot = HotSegment::open(&self.object.name, bytes, &self.access, Some(&self.meta))?;
        let hot = Arc::new(hot);
        let mut open = self.hot.lock();
        // Another reader may have been faster.
        if let Some(hot) = open.upgrade() {
            return Ok(hot);
        }
        *open = Arc::downgrade(&hot);
        drop(open);
        self.access.open.keep(&hot);
        Ok(hot)
    }

    /// The row id index; `None` for a segment of a table without row ids.
    ///
    /// # Errors
    /// `corrupt` when it is damaged or missing, `io_error`.
    pub fn id_index(&self) -> Result<Option<&IdIndex>> {
        let Some(meta) = &self.meta.ids else { return Ok(None) };
        if let Some(index) = self.ids.get() {
            return Ok(Some(index));
        }
        let index = self
            .read_ids(meta)
            .map_err(|error| error.context(format_args!("row id index {:?}", meta.object)))?;
        Ok(Some(self.ids.get_or_init(|| index)))
    }

    fn read_ids(&self, meta: &IdIndexMeta) -> Result<IdIndex> {
        let object = self.ids_object.as_ref().unwrap_or(&self.object);
        let file = object.open()?;
        let end = meta.offset.checked_add(meta.length);
        let inside = end.is_some_and(|end| file.len().is_ok_and(|length| end <= length));
        let length = usize::try_from(meta.length).ok().filter(|_| inside);
        let Some(length) = length else { return Err(Error::corrupt("it ends too early")) };
        let mut bytes = vec![0; length];
        read_exact_at(&*file, &mut bytes, meta.offset).map_err(|error| object.read_error(error))?;
        if crc32c::crc32c(&bytes) != meta.crc {
            return Err(Error::corrupt("its checksum does not match"));
        }
        IdIndex::parse(bytes.into())
    }

    /// `corrupt`, naming the object.
    pub(super) fn corrupt(&self, what: &str) -> Error {
        self.object.corrupt(what)
    }
}

impl Drop for SegmentFile {
    /// What is kept open of it would keep its bytes on disk.
    fn drop(&mut self) {
        if let Some(hot) = self.hot.get_mut().upgrade() {
            self.access.open.forget(&hot);
        }
    }
}
