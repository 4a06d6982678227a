//! No bytes make a decoder panic, give more values than asked for, or touch what was there before.
//!
//! [`decode_anything`] is the body of a fuzz target; the loop feeds it changed, cut and random bytes
//! from fixed seeds, on stable Rust.

use crate::{DecodeError, bitpack, bools, floats, integers, nulls, strings, varint};

/// Encodings to start from: `(n, bytes)`.
type Seed = (usize, Vec<u8>);

/// Runs every decoder on `bytes`.
fn decode_anything(bytes: &[u8], n: usize) {
    appends(n, |out| integers::decode_i64(&mut &bytes[..], n, out));
    appends(n, |out| integers::decode_u64(&mut &bytes[..], n, out));
    appends(n, |out| integers::decode_u32(&mut &bytes[..], n, out));
    appends(n, |out| floats::decode_f64(&mut &bytes[..], n, out));
    let width = u32::from(bytes.first().copied().unwrap_or(0)) % 70;
    appends(n, |out| bitpack::unpack_u64(&mut &bytes[..], n, width, out));
    appends(n, |out| bitpack::unpack_u32(&mut &bytes[..], n, width, out));
    if let Ok(bits) = bools::decode(&mut &bytes[..], n) {
        assert_eq!(bits.len(), n.div_ceil(8));
    }
    if let Ok(nulls::Validity::Mixed(bits)) = nulls::decode(&mut &bytes[..], n) {
        assert_eq!(bits.len(), n.div_ceil(8));
    }
    decode_strings(bytes, n);
    let _ = varint::take_i64(&mut &bytes[..]);
    if let Ok(count) = varint::take_count(&mut &bytes[..], n) {
        assert!(count <= n);
    }
    if let Ok(taken) = varint::take_bytes(&mut &bytes[..]) {
        assert!(taken.len() < bytes.len());
    }
}

/// A decoder appends `n` values or none, and never reserves much more.
fn appends<T: Default + PartialEq + std::fmt::Debug>(
    n: usize,
    decode: impl Fn(&mut Vec<T>) -> Result<(), DecodeError>,
) {
    let mut out = vec![T::default()];
    let done = decode(&mut out).is_ok();
    assert_eq!(out.len(), 1 + if done { n } else { 0 });
    assert_eq!(out[0], T::default());
    assert!(out.capacity() <= 2 * n + 16, "{} slots for {n} values", out.capacity());
}

fn decode_strings(bytes: &[u8], n: usize) {
    let bytes_max = 10_000;
    let Ok(decoded) = strings::decode(&mut &bytes[..], n, bytes_max) else { return };
    assert_eq!(decoded.offsets.len(), n + 1);
    assert!(decoded.data.len() <= bytes_max);
    let text = std::str::from_utf8(&decoded.data).unwrap();
    for pair in decoded.offsets.windows(2) {
        assert!(text.get(pair[0] as usize..pair[1] as usize).is_some());
    }
}

/// One encoding of every form of every family.
fn seeds() -> Vec<Seed> {
    let mut random = fastrand::Rng::with_seed(11);
    let mut seeds = Vec::new();
    let mut add = |n: usize, encode: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        encode(&mut bytes);
        seeds.push((n, bytes));
    };
    let n = 1100usize;
    let noise: Vec<u64> = (0..n).map(|_| random.u64(..)).collect();
    for shift in [0, 6, 20, 50, 63] {
        let values: Vec<i64> = noise.iter().map(|value| (value >> shift) as i64).collect();
        add(n, &|out| integers::encode_i64(&values, out));
        let seconds: Vec<i64> = values.iter().map(|v| (v % 1000) * 1_000_000_000).collect();
        add(n, &|out| integers::encode_i64(&seconds, out));
    }
    for power in 0..4 {
        let values: Vec<u32> = (0..n as u32).map(|i| i.pow(power)).collect();
        add(n, &|out| integers::encode_u32(&values, out));
    }
    for column in float_columns(&noise) {
        add(n, &|out| floats::encode_f64(&column, out));
    }
    let bits: Vec<u8> = noise.iter().map(|value| *value as u8).collect();
    for n in [1, 100, 1100] {
        add(n, &|out| bools::encode(&bits, n, out));
    }
    for distinct in [1, 7, 100] {
        let rows: Vec<String> = (0..100).map(|i| format!("zażółć-{}", i * i % distinct)).collect();
        let mut offsets = vec![0];
        offsets.extend(rows.iter().scan(0, |end, row| {
            *end += row.len() as i32;
            Some(*end)
        }));
        add(100, &|out| strings::encode(&offsets, rows.concat().as_bytes(), out));
    }
    seeds
}

/// Constant, decimal, xor and raw.
fn float_columns(noise: &[u64]) -> [Vec<f64>; 4] {
    [
        vec![2.5; noise.len()],
        noise.iter().map(|value| (value % 10_000) as f64 / 100.0).collect(),
        noise.iter().map(|value| f64::from(*value as f32) * 1e-30).collect(),
        noise.iter().map(|value| f64::from_bits(*value)).collect(),
    ]
}

/// Flips, overwrites, inserts, removes or cuts, a few times.
fn mutate(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..4) {
        // Most of what can go wrong is decided in the first bytes.
        let reach = if random.bool() { 12 } else { usize::MAX };
        let at = random.usize(0..=bytes.len().min(reach));
        match random.u8(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            1 if at < bytes.len() => bytes[at] = random.u8(..),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes.insert(at, random.choice([0, 1, 0x7f, 0x80, 0xff]).unwrap_or(0)),
            4 => bytes.truncate(at),
            _ => bytes.extend((0..random.usize(0..20)).map(|_| random.u8(..))),
        }
    }
}

#[test]
fn changed_encodings_never_panic() {
    let mut random = fastrand::Rng::with_seed(12);
    let seeds = seeds();
    for round in 0..6_000 {
        let (n, mut bytes) = seeds[round % seeds.len()].clone();
        mutate(&mut bytes, &mut random);
        let n = if random.u8(0..4) == 0 { random.usize(0..3000) } else { n };
        decode_anything(&bytes, n);
    }
}

#[test]
fn every_cut_of_every_encoding_is_safe() {
    for (n, bytes) in seeds() {
        let step = 1 + bytes.len() / 200;
        for end in (0..bytes.len()).step_by(step) {
            decode_anything(&bytes[..end], n);
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = fastrand::Rng::with_seed(13);
    for _ in 0..20_000 {
        let length = random.usize(0..120);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        if let Some(tag) = bytes.first_mut().filter(|_| random.bool()) {
            *tag %= 4;
        }
        decode_anything(&bytes, random.usize(0..200));
    }
}

#[test]
fn a_cut_column_is_an_error_and_adds_nothing() {
    let mut bytes = Vec::new();
    integers::encode_i64(&(0..5000).map(|i| i * i * i).collect::<Vec<i64>>(), &mut bytes);
    for end in (0..bytes.len()).step_by(37) {
        let mut out = Vec::new();
        assert!(integers::decode_i64(&mut &bytes[..end], 5000, &mut out).is_err());
        assert_eq!(out, []);
    }
}
