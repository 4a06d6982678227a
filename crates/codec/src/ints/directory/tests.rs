use proptest::array::uniform8;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{COLUMNS_MAX, Directory, Entry, encode};

fn check(entries: &[Entry], columns: usize) {
    let mut bytes = Vec::new();
    encode(entries, columns, &mut bytes);
    let mut source = &bytes[..];
    let directory = Directory::take(&mut source, columns, entries.len()).unwrap();
    assert!(source.is_empty());
    for (vector, entry) in entries.iter().enumerate() {
        assert_eq!(directory.entry(vector)[..columns], entry[..columns]);
        for (column, &number) in entry[..columns].iter().enumerate() {
            assert_eq!(directory.number(vector, column), number);
        }
    }
    for length in 0..bytes.len() {
        assert!(Directory::take(&mut &bytes[..length], columns, entries.len()).is_err());
    }
}

#[test]
fn one_vector_needs_no_entries() {
    let mut bytes = Vec::new();
    encode(&[[1, -1, 0, 300, 0, 0, 0, 0]], 4, &mut bytes);
    assert_eq!(bytes, [0, 1, 0, 1, 0, 0, 0, 2, 2, 1, 0x58, 0x02]);
}

proptest! {
    #[test]
    fn numbers_come_back(
        entries in vec(uniform8(any::<i64>()), 1..64),
        columns in 0..=COLUMNS_MAX,
        shift in 0u32..64,
    ) {
        let entries: Vec<Entry> =
            entries.iter().map(|entry| entry.map(|number| number >> shift)).collect();
        check(&entries, columns);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in vec(any::<u8>(), 0..80), vectors in 1usize..64) {
        if let Ok(directory) = Directory::take(&mut &bytes[..], COLUMNS_MAX, vectors) {
            directory.entry(vectors - 1);
        }
    }
}
