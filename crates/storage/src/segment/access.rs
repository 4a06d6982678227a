//! What the segments of one engine share: their store and their objects.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pulsora_codec::Codecs;
use pulsora_env::Store;

use super::hot::{BlockCache, SeriesPool};
use super::object::Object;
use super::open::OpenParts;

/// The shipped size of the cache.
#[cfg(test)]
const CACHE_BYTES: u64 = 64 << 20;

/// Where the objects of segments are and how they are read.
pub(crate) struct SegmentAccess {
    pub store: Arc<dyn Store>,
    /// Whether hot segments are mapped into memory; else they are read by ranges.
    pub mapped: bool,
    /// What was decoded.
    pub cache: BlockCache,
    /// The codecs of hot segments.
    pub codecs: Arc<Codecs>,
    /// What stays open of segments.
    pub open: OpenParts,
    /// The series of hot segments in use.
    pub series: SeriesPool,
    /// The objects in use, by name, so that the segments of one object share it.
    objects: Mutex<HashMap<String, Weak<Object>>>,
}

impl SegmentAccess {
    /// Segments whose objects are in `store`, with the shipped settings.
    #[cfg(test)]
    pub fn new(store: Arc<dyn Store>) -> Arc<SegmentAccess> {
        let codecs = Arc::new(Codecs::builtin().clone());
        SegmentAccess::with(store, codecs, CACHE_BYTES, true)
    }

    /// The same with other codecs, as many bytes of what was decoded and of what stays open (half for each),
    /// and without memory maps unless `mapped`.
    pub fn with(
        store: Arc<dyn Store>,
        codecs: Arc<Codecs>,
        cache_bytes: u64,
        mapped: bool,
    ) -> Arc<SegmentAccess> {
        Arc::new(SegmentAccess {
            store,
            mapped,
            cache: BlockCache::new(cache_bytes - cache_bytes / 2),
            open: OpenParts::new(cache_bytes / 2),
            codecs,
            series: SeriesPool::default(),
            objects: Mutex::default(),
        })
    }

    /// The object `name`, which one more segment holds from now on.
    pub(super) fn object(&self, name: &str) -> Arc<Object> {
        let mut objects = self.objects.lock();
        if let Some(object) = objects.get(name).and_then(Weak::upgrade) {
            object.hold();
            return object;
        }
        if objects.len() == objects.capacity() {
            // Names of objects that are gone leave before the map would grow.
            objects.retain(|_, object| object.strong_count() > 0);
        }
        let object = Arc::new(Object::new(name, &self.store));
        object.hold();
        objects.insert(name.to_owned(), Arc::downgrade(&object));
        object
    }
}
