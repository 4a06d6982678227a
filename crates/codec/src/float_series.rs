//! Floats for the tests of their codecs, what every codec must do with them, and their golden bytes.

use crate::codec::{Codec, Kind, Sink, VECTOR_VALUES, Values};
use crate::codecs::Codecs;

/// Lengths around the borders of a vector, and a whole block.
const LENGTHS: [usize; 8] = [0, 1, 2, 1023, 1024, 1025, 3000, 65_536];

/// Each series at each length.
pub(crate) fn each_series(mut check: impl FnMut(&str, &[f64])) {
    for (name, make) in series() {
        for length in LENGTHS {
            let mut rng = fastrand::Rng::with_seed(11);
            let values: Vec<f64> = (0..length).map(|index| make(index, &mut rng)).collect();
            check(name, &values);
        }
    }
}

type Make = fn(usize, &mut fastrand::Rng) -> f64;

fn series() -> Vec<(&'static str, Make)> {
    vec![
        ("constant", |_, _| 3.25),
        ("zeros of both signs", |index, _| if index % 3 == 0 { -0.0 } else { 0.0 }),
        ("prices", |index, rng| (10_000 + index as i64 + rng.i64(-20..20)) as f64 / 100.0),
        ("integers", |index, rng| (index as i64 * 3 + rng.i64(-5..5)) as f64),
        ("few values", |_, rng| [0.132, 0.134, 0.066, 1.0 / 3.0][rng.usize(0..4)]),
        ("runs", |index, _| (index / 37) as f64 * 0.1),
        ("one ulp beside", |_, rng| 100.0 * (rng.u32(0..90_000) as f64 / 100_000.0)),
        ("level shift", |index, rng| {
            (rng.i64(0..9) + if index % 700 < 350 { 0 } else { 99_999 }) as f64
        }),
        ("spikes", |index, rng| if index % 91 == 7 { 1e12 } else { rng.u8(..) as f64 }),
        ("mantissas", |_, rng| rng.f64() - 0.5),
        ("any bits", |_, rng| f64::from_bits(rng.u64(..))),
        ("edges", |_, rng| EDGES[rng.usize(0..EDGES.len())]),
        ("edges among prices", |index, rng| match index % 50 {
            13 => EDGES[rng.usize(0..EDGES.len())],
            _ => rng.i64(0..500) as f64 / 4.0,
        }),
    ]
}

const EDGES: [f64; 20] = [
    0.0,
    -0.0,
    f64::NAN,
    -f64::NAN,
    f64::from_bits(0x7ff0_0000_0000_0001),
    f64::from_bits(0xfff8_dead_beef_cafe),
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MIN,
    f64::MAX,
    f64::MIN_POSITIVE,
    5e-324,
    -5e-324,
    2_251_799_813_685_247.0,
    2_251_799_813_685_248.0,
    -2_251_799_813_685_248.0,
    9_007_199_254_740_993.0,
    1e300,
    0.1,
    -123_456.789,
];

/// Every vector decodes alone to the very bits, the codec says the same twice, and what it refuses
/// leaves nothing. Answers whether it took the values.
pub(crate) fn check_round_trip(codec: &dyn Codec, name: &str, values: &[f64]) -> bool {
    let what = format!("{} of {} {name}", codec.name(), values.len());
    let mut bytes = vec![0xab; 3];
    if !codec.encode(Values::Floats(values), &mut bytes) {
        assert_eq!(bytes, [0xab; 3], "{what}");
        return false;
    }
    let block = &bytes[3..];
    let mut again = Vec::new();
    assert!(codec.encode(Values::Floats(values), &mut again), "{what}");
    assert!(block == again, "{what}: other bytes the second time");
    let mut out = vec![-1.5];
    for (vector, expected) in values.chunks(VECTOR_VALUES).enumerate() {
        out.truncate(1);
        let sink = Sink::Floats(&mut out);
        codec
            .decode_vector(block, values.len(), vector, sink)
            .unwrap_or_else(|e| panic!("{what}: {e}"));
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(out[0], -1.5, "{what}");
        assert!(bits(&out[1..]) == bits(expected), "{what}: vector {vector}");
    }
    true
}

/// No cut and no flipped bits make it panic or give more than a vector.
pub(crate) fn check_damage(codec: &dyn Codec, values: &[f64]) {
    let mut bytes = Vec::new();
    if values.is_empty() || !codec.encode(Values::Floats(values), &mut bytes) {
        return;
    }
    let mut rng = fastrand::Rng::with_seed(5);
    let decode = |bytes: &[u8]| {
        for vector in 0..values.len().div_ceil(VECTOR_VALUES) + 1 {
            let mut out = Vec::new();
            let _ = codec.decode_vector(bytes, values.len(), vector, Sink::Floats(&mut out));
            assert!(out.len() <= VECTOR_VALUES);
        }
    };
    for _ in 0..40 {
        decode(&bytes[..rng.usize(0..bytes.len())]);
        let mut damaged = bytes.clone();
        // Headers lie in the first bytes, so that half of the flips go there.
        for reach in [bytes.len(), bytes.len().min(64)] {
            let at = rng.usize(0..reach);
            damaged[at] ^= 1 << rng.u8(0..8);
            decode(&damaged);
            damaged[at] = rng.u8(..);
            decode(&damaged);
        }
    }
}

/// The bytes of float blocks as they lie in files: a change here is a change of the format, which must
/// keep its id only if old blocks still decode. Those of `pco` and `zstd` are of their libraries.
#[test]
fn blocks_keep_their_bytes() {
    let prices: Vec<f64> = (0..2500).map(|i| f64::from(i * i % 1000 + 5000) / 100.0).collect();
    let mut mixed = prices.clone();
    (mixed[3], mixed[1500], mixed[2499]) = (f64::NAN, 1e9, -0.0);
    let steps: Vec<f64> = (0..2500).map(|i| f64::from(i * 3 + i % 5) * 0.1).collect();
    let few: Vec<f64> = (0..2500).map(|i| [0.25, 1e-9, -7.0][i * i % 11 % 3]).collect();
    let runs: Vec<f64> = (0..2500).map(|i| f64::from(i / 100)).collect();
    let noise: Vec<f64> = (1..2500).map(|i| 1.0 / f64::from(i)).collect();
    let found = [
        sum_of("constant", &[1.5; 2500]),
        sum_of("run-length", &runs),
        sum_of("dictionary", &few),
        sum_of("alp", &mixed),
        sum_of("alp", &steps),
        sum_of("alp-delta", &steps),
        sum_of("alp-rd", &noise),
        sum_of("gorilla", &mixed),
    ];
    let expected = [
        (8, 0xaa95e93229a27c80),
        (254, 0x829cfde19c0f3325),
        (671, 0x18b70ccc4ad942d8),
        (3215, 0x675de2cb5f2d5bb6),
        (4010, 0xd52fa93fa14a16d8),
        (1284, 0x3b98f9be94fe18d3),
        (17282, 0x021b802f336e09e3),
        (16401, 0xe6ef46b060c26ee5),
    ];
    assert_eq!(found, expected);
}

/// Length and sum (FNV-1a) of the bytes of a block.
fn sum_of(codec: &str, values: &[f64]) -> (usize, u64) {
    let codec = Codecs::builtin().by_name(Kind::Floats, codec).unwrap();
    let mut bytes = Vec::new();
    assert!(codec.encode(Values::Floats(values), &mut bytes));
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (bytes.len(), sum)
}
