//! Segments of version 1 open for ever. `PULSORA_BLESS=1` writes the file anew, while the version is
//! not released: codecs may be chosen differently later, what they wrote stays readable.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::world::{World, plain, read};
use crate::segment::SegmentAccess;

#[test]
fn segments_of_version_1_open() {
    let world = World::fixed();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden-hot/1.hot");
    let (bytes, meta) = world.hot_bytes(1);
    if std::env::var_os("PULSORA_BLESS").is_some() {
        fs::write(&path, &bytes).unwrap();
    }
    let golden = fs::read(&path).unwrap();
    world.store.put_if_absent(&meta.object, &golden).unwrap();
    let length = golden.len() as u64;
    let segment = super::world::open(
        crate::segment::SegmentMeta { length, ids: None, ..meta },
        &SegmentAccess::new(Arc::clone(&world.store)),
    );
    assert_eq!(read(&segment, world.all()).unwrap(), plain(&world.rows));
    segment.file.hot().unwrap().verify(None).unwrap();
    assert!(segment.file.hot().unwrap().hours().unwrap().is_some());
}
