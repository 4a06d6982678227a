//! What the segments of one engine share: their store and their objects.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pulsora_env::Store;

use super::object::Object;

/// Where the objects of segments are and how they are read.
pub(crate) struct SegmentAccess {
    pub store: Arc<dyn Store>,
    /// The objects in use, by name, so that the segments of one object share it.
    objects: Mutex<HashMap<String, Weak<Object>>>,
}

impl SegmentAccess {
    /// Segments whose objects are in `store`.
    pub fn new(store: Arc<dyn Store>) -> Arc<SegmentAccess> {
        Arc::new(SegmentAccess { store, objects: Mutex::default() })
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
