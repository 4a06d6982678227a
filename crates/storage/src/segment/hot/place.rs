//! Where the bytes of hot segments go: alone into an object, or several small ones into one.

use pulsora_env::Store;
use pulsora_model::{Error, Result};

use super::format::ALIGNMENT;
use crate::segment::meta::SegmentMeta;

/// A finished hot segment without a place. Its object has no name and starts with it.
pub(crate) struct HotDraft {
    pub bytes: Vec<u8>,
    pub meta: SegmentMeta,
}

/// The bytes of the object `object` that holds `drafts`, and what the manifest says of each, in their
/// order.
pub(crate) fn place(drafts: Vec<HotDraft>, object: &str) -> (Vec<u8>, Vec<SegmentMeta>) {
    let (mut bytes, mut metas) = (Vec::new(), Vec::new());
    for draft in drafts {
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        let offset = bytes.len() as u64;
        let mut meta = draft.meta;
        meta.object = object.to_owned();
        meta.offset = offset;
        if let Some(ids) = &mut meta.ids {
            ids.object = object.to_owned();
            ids.offset += offset;
        }
        metas.push(meta);
        if bytes.is_empty() {
            bytes = draft.bytes;
        } else {
            bytes.extend_from_slice(&draft.bytes);
        }
    }
    (bytes, metas)
}

impl HotDraft {
    /// Writes the segment alone into an object, durable when this returns.
    ///
    /// # Errors
    /// `disk_full` or `io_error` from the store.
    pub fn put(self, store: &dyn Store, object: &str) -> Result<SegmentMeta> {
        let (bytes, mut metas) = place(vec![self], object);
        store
            .put_if_absent(object, &bytes)
            .map_err(|error| Error::io(format!("write segment object {object:?}"), error))?;
        metas.pop().ok_or_else(|| Error::internal("a draft has one segment"))
    }
}
