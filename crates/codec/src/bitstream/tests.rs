use proptest::collection::vec;
use proptest::prelude::*;

use super::{BitReader, BitWriter};
use crate::DecodeError;

fn low(bits: u64, count: u32) -> u64 {
    if count == 0 { 0 } else { bits & u64::MAX >> (64 - count) }
}

#[test]
fn a_stream_reads_as_on_paper() {
    let mut out = vec![0xee];
    let mut writer = BitWriter::new(&mut out);
    for (bits, count) in [(0, 1), (0b10, 2), (0b1_0110, 5), (0xabc, 12), (0, 0), (1, 1)] {
        writer.put(bits, count);
    }
    writer.finish();
    assert_eq!(out, [0xee, 0b0101_0110, 0xab, 0b1100_1000]);
}

#[test]
fn bits_past_the_end_are_zeros_and_an_error() {
    let mut reader = BitReader::new(&[0xff, 0xff]);
    assert_eq!((reader.take(12), reader.take_wide(64)), (0xfff, 0xf << 60));
    assert_eq!(reader.take(57), 0);
    assert!(matches!(reader.finish(), Err(DecodeError::Truncated { need: 17, have: 2, .. })));
    assert!(BitReader::new(&[]).finish().is_ok());
}

#[test]
fn a_long_stream_passes_the_scratch_of_the_writer() {
    let mut out = Vec::new();
    let mut writer = BitWriter::new(&mut out);
    for value in 0..10_000u64 {
        writer.put(value, 17);
        writer.put_wide(value << 50 | value, 64);
    }
    writer.finish();
    assert_eq!(out.len(), 10_000 * 81 / 8);
    let mut reader = BitReader::new(&out);
    for value in 0..10_000u64 {
        assert_eq!((reader.take(17), reader.take_wide(64)), (value, value << 50 | value));
    }
    reader.finish().unwrap();
}

proptest! {
    #[test]
    fn what_is_put_is_taken(
        before in vec(any::<u8>(), 0..20),
        runs in vec((any::<u64>(), 0u32..=64), 0..300),
    ) {
        let mut out = before.clone();
        let mut writer = BitWriter::new(&mut out);
        for &(bits, count) in &runs {
            writer.put_wide(low(bits, count), count);
        }
        writer.finish();
        let (head, stream) = out.split_at(before.len());
        prop_assert_eq!(head, &before[..]);
        let total: usize = runs.iter().map(|run| run.1 as usize).sum();
        prop_assert_eq!(stream.len(), total.div_ceil(8));
        let mut reader = BitReader::new(stream);
        for &(bits, count) in &runs {
            prop_assert_eq!(reader.take_wide(count), low(bits, count));
        }
        prop_assert!(reader.finish().is_ok());
    }
}
