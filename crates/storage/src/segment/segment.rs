//! A segment of a version: what the manifest says of it, its open file and its delete bitmap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
use super::open::{Part, Slot};

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
    /// Parquet: footer and page indexes, checked.
    pub(super) footer: Slot<Part<ArrowReaderMetadata>>,
    /// Parquet: what has been verified of it.
    pub(super) pieces: Arc<Pieces>,
    /// Hot: the opened segment.
    hot: Slot<HotSegment>,
    pub(super) access: Arc<SegmentAccess>,
    /// The row id index, checked.
    ids: Slot<Part<IdIndex>>,
    doomed: AtomicBool,
}

impl SegmentFile {
    /// A segment whose objects exist in the store of `access`.
    pub fn new(meta: Arc<SegmentMeta>, access: &Arc<SegmentAccess>) -> SegmentFile {
        let ids = meta.ids.as_ref().filter(|ids| ids.object != meta.object);
        SegmentFile {
            object: access.object(&meta.object),
            pieces: Arc::new(Pieces::of(&meta)),
            ids_object: ids.map(|ids| access.object(&ids.object)),
            meta,
            footer: Slot::default(),
            hot: Slot::default(),
            access: Arc::clone(access),
            ids: Slot::default(),
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
        self.hot.get(&self.access.open, || self.open_hot())
    }

    fn open_hot(&self) -> Result<HotSegment> {
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
        HotSegment::open(&self.object.name, bytes, &self.access, Some(&self.meta))
    }

    /// The row id index; `None` for a segment of a table without row ids.
    ///
    /// # Errors
    /// `corrupt` when it is damaged or missing, `io_error`.
    pub fn id_index(&self) -> Result<Option<Arc<Part<IdIndex>>>> {
        let Some(meta) = &self.meta.ids else { return Ok(None) };
        let index = self.ids.get(&self.access.open, || {
            let index = self.read_ids(meta);
            let index = index
                .map_err(|error| error.context(format_args!("row id index {:?}", meta.object)))?;
            let bytes = index.size_bytes();
            Ok(Part::new(index, bytes))
        });
        index.map(Some)
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
    fn drop(&mut self) {
        let kept = &self.access.open;
        self.hot.forget(kept);
        self.footer.forget(kept);
        self.ids.forget(kept);
    }
}
