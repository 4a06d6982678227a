//! Where the bytes of hot segments go: alone into an object, or several small ones into one.

use super::format::{ALIGNMENT, Header};
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

/// The headers of the hot segments that begin in `bytes`, a part of such an object which begins where a segment may.
pub(crate) fn hot_segments_in(bytes: &[u8]) -> impl Iterator<Item = Header> {
    (0..bytes.len()).step_by(ALIGNMENT).filter_map(|at| Header::decode(&bytes[at..]).ok())
}
