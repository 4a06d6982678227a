//! The bytes of integer blocks as they lie in files: a change here is a change of the format, which must
//! keep its id only if old blocks still decode.

use crate::codec::{Kind, Values};
use crate::codecs::Codecs;

/// A regular axis of two series: a factor of 10 and a jump.
const SHORT: [i64; 8] = [100, 110, 120, 130, -900, -890, -880, -870];

fn encoded(name: &str, values: &[i64]) -> Option<Vec<u8>> {
    let codec = Codecs::builtin().by_name(Kind::Integers, name)?;
    let mut bytes = Vec::new();
    codec.encode(Values::Integers(values), &mut bytes).then_some(bytes)
}

#[track_caller]
fn check(name: &str, values: &[i64], expected: &str) {
    let bytes = encoded(name, values).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected, "{name}");
}

#[test]
fn short_blocks_keep_their_bytes() {
    check("constant", &[-2; 5], "feffffffffffffff");
    check("run-length", &[7, 7, 7, 7, 7, 7, 7, 9], "0e02000104061c0008");
    check("varint", &SHORT, "c8011414148b10141414");
    check("for", &SHORT, "0ac8010001000100010000000000000ec70ee4b2f90c080806");
    check("delta", &SHORT, "0ac8010001000100000001000100000000040202cd0400");
    check("delta-of-delta", &SHORT, "0ac801000100000000000100010001000000010a04cf100204140000d0");
    check("gorilla", &SHORT, "0ac80100011a0000000000000000809b318d00");
}

/// Length and sum of the bytes of three vectors in lanes, the last one short, with exceptions.
#[test]
fn long_blocks_keep_their_bytes() {
    let value = |i: i64| i * i % 1000 + if i % 300 == 7 { 1 << 40 } else { 0 };
    let values: Vec<i64> = (0..2500).map(value).collect();
    let found = ["for", "delta", "delta-of-delta", "gorilla", "varint"].map(|name| {
        let bytes = encoded(name, &values).unwrap();
        // FNV-1a.
        let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (name, bytes.len(), sum)
    });
    let expected = [
        ("for", 3181, 0x7476b9950c897a4a),
        ("delta", 3599, 0x8f77684bac3924d1),
        ("delta-of-delta", 3663, 0x607958c8633aab97),
        ("gorilla", 4233, 0xb54b48b0fb8fbbc2),
        ("varint", 4776, 0x96b92a61dd48636e),
    ];
    assert_eq!(found, expected);
}
