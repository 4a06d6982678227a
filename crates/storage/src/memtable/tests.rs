//! Which chunks become one, and what they keep in memory.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, StringArray};
use proptest::collection::vec;
use proptest::prelude::*;

use super::table::owned;
use super::tiers::{FAN_IN, ROWS_MAX, merged_from};

/// The chunks of requests of these sizes: rows, and how often each of them was copied at most.
fn chunks(requests: &[usize]) -> Vec<(usize, u32)> {
    let mut chunks: Vec<(usize, u32)> = Vec::new();
    for rows in requests {
        chunks.push((*rows, 0));
        while let Some(first) = merged_from(chunks.iter().map(|chunk| chunk.0)) {
            let tail = chunks.split_off(first);
            let copies = tail.iter().map(|chunk| chunk.1).max().unwrap_or(0) + 1;
            chunks.push((tail.iter().map(|chunk| chunk.0).sum(), copies));
        }
    }
    chunks
}

/// Tiers below [`ROWS_MAX`]: 1 to 7 rows, 8 to 63 and so on.
const TIERS: usize = 6;

fn request() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 1..4usize,
        2 => 1..100usize,
        2 => 500..5_000usize,
        1 => 5_000..200_000usize,
    ]
}

proptest! {
    #[test]
    fn chunks_are_few_and_rows_are_rarely_copied(
        lots in vec((request(), 1..60usize), 1..60),
        mixed in vec(request(), 0..300),
    ) {
        let repeated = lots.iter().flat_map(|(rows, times)| vec![*rows; *times]);
        let requests: Vec<usize> = repeated.chain(mixed).collect();
        let rows: usize = requests.iter().sum();
        let chunks = chunks(&requests);
        prop_assert_eq!(chunks.iter().map(|chunk| chunk.0).sum::<usize>(), rows);
        prop_assert!(chunks.len() <= FAN_IN * (TIERS + 1 + rows / ROWS_MAX), "{:?}", chunks);
        let copies = chunks.iter().map(|chunk| chunk.1).max().unwrap_or(0);
        prop_assert!(copies as usize <= FAN_IN * TIERS, "{:?}", chunks);
    }
}

#[test]
fn one_row_requests_make_chunks_of_full_size() {
    let chunks = chunks(&[1; 3 * 32_768 + 9]);
    let rows: Vec<usize> = chunks.iter().map(|chunk| chunk.0).collect();
    assert_eq!(rows, [32_768, 32_768, 32_768, 8, 1]);
    assert!(chunks.iter().all(|chunk| chunk.1 <= 5), "{chunks:?}");
}

#[test]
fn large_requests_are_not_copied() {
    assert!(chunks(&[10_000; 50]).iter().all(|chunk| *chunk == (10_000, 0)));
}

#[test]
fn a_piece_of_something_large_does_not_keep_it_in_memory() {
    let whole: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter((0..100_000).map(|i| (i % 3 > 0).then_some(i)))),
        Arc::new(StringArray::from_iter_values((0..100_000).map(|i| i.to_string()))),
    ];
    for whole in whole {
        let piece = whole.slice(50_000, 1_000);
        let own = owned(&piece).unwrap();
        assert_eq!(*own, *piece);
        assert!(own.get_array_memory_size() < 20_000, "{}", own.get_array_memory_size());
        assert_eq!(
            owned(&whole).unwrap().to_data().buffers()[0].as_ptr(),
            whole.to_data().buffers()[0].as_ptr()
        );
    }
}
