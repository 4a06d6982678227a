//! The cache stays within its bound and keeps what is used.

use std::sync::Arc;

use pulsora_model::{ColumnId, SegmentId};

use crate::segment::hot::{BlockCache, CacheKey, CachePart};

fn key(vector: u32) -> CacheKey {
    let segment = SegmentId { epoch: 1, counter: 1 };
    CacheKey { segment, part: CachePart::Vector { column: ColumnId(3), vector } }
}

#[test]
fn it_evicts_what_was_not_used_and_stays_within_its_bound() {
    let cache = BlockCache::new(1 << 20);
    for vector in 0..1000 {
        cache.insert(key(vector), Arc::new(vec![i64::from(vector); 512]), 4096);
        // The first ones are used all the time.
        for hot in 0..20.min(vector) {
            let found = cache.find::<Vec<i64>>(&key(hot));
            assert_eq!(found.unwrap()[0], i64::from(hot));
        }
    }
    let figures = cache.figures();
    assert!(figures.bytes <= 1 << 20 && figures.bytes > 700 << 10, "{figures:?}");
    assert!(figures.evictions > 700, "{figures:?}");
    assert!(figures.hits > 10_000 && figures.misses == 0, "{figures:?}");
    assert!(cache.find::<Vec<i64>>(&key(500)).is_none());
}

#[test]
fn an_entry_is_replaced_and_has_its_type() {
    let cache = BlockCache::new(1 << 20);
    cache.insert(key(1), Arc::new(vec![1i64]), 8);
    let before = cache.figures().bytes;
    cache.insert(key(1), Arc::new(vec![2i64]), 8);
    assert_eq!(cache.figures().bytes, before);
    assert_eq!(*cache.find::<Vec<i64>>(&key(1)).unwrap(), [2]);
    assert!(cache.find::<Vec<f64>>(&key(1)).is_none());
    let none = BlockCache::new(0);
    none.insert(key(1), Arc::new(vec![1i64]), 8);
    assert!(none.find::<Vec<i64>>(&key(1)).is_none() && none.figures().bytes == 0);
}

#[test]
fn an_entry_larger_than_its_share_is_not_kept() {
    let cache = BlockCache::new(1 << 20);
    cache.insert(key(1), Arc::new(vec![0u8; 1 << 20]), 1 << 20);
    assert_eq!(cache.figures().bytes, 0);
}
