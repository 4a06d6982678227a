//! What must hold for every codec there is; a codec in the table is tested by being there.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::Codecs;
use crate::codec::{
    BLOCK_VALUES_MAX, Codec, CodecError, CodecId, Kind, Sink, Speed, Text, VECTOR_VALUES, Values,
};
use crate::{Choice, DecodeError, Level, encode_block};

/// Values of any kind that own themselves.
#[derive(Clone, PartialEq, Debug)]
enum Column {
    Integers(Vec<i64>),
    /// Bits, so that NaNs compare.
    Floats(Vec<u64>),
    Booleans(Vec<bool>),
    Text(Vec<String>),
}

const KINDS: [Kind; 4] = [Kind::Integers, Kind::Floats, Kind::Booleans, Kind::Text];

/// Calls `run` with the values.
fn with_values<R>(column: &Column, run: impl FnOnce(Values<'_>) -> R) -> R {
    match column {
        Column::Integers(values) => run(Values::Integers(values)),
        Column::Floats(bits) => {
            let values: Vec<f64> = bits.iter().map(|bits| f64::from_bits(*bits)).collect();
            run(Values::Floats(&values))
        }
        Column::Booleans(values) => run(Values::Booleans(values)),
        Column::Text(values) => {
            let mut offsets = vec![0];
            let mut bytes = Vec::new();
            for value in values {
                bytes.extend_from_slice(value.as_bytes());
                offsets.push(bytes.len() as u32);
            }
            run(Values::Text(Text { offsets: &offsets, bytes: &bytes }))
        }
    }
}

/// Runs a decoder over a sink that already holds something, and gives what it appended.
fn decoded(
    kind: Kind,
    decode: impl FnOnce(Sink<'_>) -> Result<(), DecodeError>,
) -> Result<Column, DecodeError> {
    match kind {
        Kind::Integers => {
            let mut out = vec![3];
            decode(Sink::Integers(&mut out))?;
            assert_eq!(out.remove(0), 3);
            Ok(Column::Integers(out))
        }
        Kind::Floats => {
            let mut out = vec![3.5];
            decode(Sink::Floats(&mut out))?;
            assert_eq!(out.remove(0), 3.5);
            Ok(Column::Floats(out.into_iter().map(f64::to_bits).collect()))
        }
        Kind::Booleans => {
            let mut out = vec![true];
            decode(Sink::Booleans(&mut out))?;
            assert!(out.remove(0));
            Ok(Column::Booleans(out))
        }
        Kind::Text => {
            let (mut offsets, mut bytes) = (vec![0, 2], b"ab".to_vec());
            decode(Sink::Text { offsets: &mut offsets, bytes: &mut bytes })?;
            assert_eq!((&offsets[..2], &bytes[..2]), (&[0, 2][..], &b"ab"[..]));
            let text = |range: &[u32]| {
                let bytes = bytes[range[0] as usize..range[1] as usize].to_vec();
                String::from_utf8(bytes).unwrap()
            };
            Ok(Column::Text(offsets[1..].windows(2).map(text).collect()))
        }
    }
}

fn slice(column: &Column, from: usize, to: usize) -> Column {
    match column {
        Column::Integers(values) => Column::Integers(values[from..to].to_vec()),
        Column::Floats(values) => Column::Floats(values[from..to].to_vec()),
        Column::Booleans(values) => Column::Booleans(values[from..to].to_vec()),
        Column::Text(values) => Column::Text(values[from..to].to_vec()),
    }
}

/// Encodes with every codec of the kind; what is stored must come back, whole and by vectors.
fn round_trip(column: &Column) {
    with_values(column, |values| {
        for codec in Codecs::builtin().iter().filter(|codec| codec.kind() == values.kind()) {
            let mut bytes = vec![1, 2, 3];
            if !codec.encode(values, &mut bytes) {
                assert_eq!(bytes, [1, 2, 3], "{} appended nothing", codec.name());
                continue;
            }
            check(codec.as_ref(), &bytes[3..], column, values.len());
        }
        for level in [Level::Hot, Level::Archive] {
            let mut bytes = Vec::new();
            let choice = Choice { level, forced: None };
            let id = encode_block(Codecs::builtin(), values, choice, &mut bytes);
            check(Codecs::builtin().by_id(id).unwrap().as_ref(), &bytes, column, values.len());
        }
    });
}

fn check(codec: &dyn Codec, bytes: &[u8], column: &Column, n: usize) {
    let name = (codec.name(), n);
    let kind = codec.kind();
    let whole = decoded(kind, |sink| codec.decode(bytes, n, sink));
    assert!(whole.as_ref() == Ok(column), "{name:?} did not come back");
    let vectors = n.div_ceil(VECTOR_VALUES);
    // Backwards, and alone.
    for vector in (0..vectors).rev().step_by(1 + vectors / 5) {
        let part = decoded(kind, |sink| codec.decode_vector(bytes, n, vector, sink));
        let start = vector * VECTOR_VALUES;
        let expected = slice(column, start, n.min(start + VECTOR_VALUES));
        assert!(part == Ok(expected), "{name:?}: vector {vector} did not come back");
    }
    assert!(decoded(kind, |sink| codec.decode_vector(bytes, n, vectors, sink)).is_err());
    for other in KINDS.into_iter().filter(|other| *other != kind && n > 0) {
        assert!(decoded(other, |sink| codec.decode_vector(bytes, n, 0, sink)).is_err());
    }
}

/// Columns of `n` values that have broken codecs: extremes, wraps, runs, outliers, patterns.
fn hard_columns(n: usize) -> Vec<Column> {
    let mut random = fastrand::Rng::with_seed(n as u64);
    let (min, max) = (i64::MIN, i64::MAX);
    let mut walk = 0i64;
    let integers: Vec<Vec<i64>> = vec![
        vec![0; n],
        vec![min; n],
        (0..n).map(|i| if i % 2 == 0 { min } else { max }).collect(),
        (0..n).map(|i| [0, min, -1, max, 1][i % 5]).collect(),
        (0..n).map(|i| max.wrapping_add(i as i64)).collect(),
        (0..n).map(|i| min.wrapping_sub(i as i64 * 1_000_000_007)).collect(),
        (0..n).map(|_| random.i64(..)).collect(),
        (0..n).map(|i| i as i64 % 360 * 10_000_000_000 + 1_700_000_000_000_000_000).collect(),
        (0..n).map(|i| (i as i64 * i as i64).wrapping_mul(1 << 40)).collect(),
        (0..n).map(|i| if i % 97 == 0 { random.i64(..) } else { i as i64 }).collect(),
        (0..n).map(|i| (i / 37) as i64).collect(),
        (0..n)
            .map(|_| {
                walk += random.i64(-3..4);
                walk
            })
            .collect(),
    ];
    let mut price = 100.0;
    let prices = (0..n).map(|_| {
        price += random.i64(-50..51) as f64 / 100.0;
        ((price * 100.0_f64).round() / 100.0).to_bits()
    });
    let mut floats: Vec<Vec<u64>> = vec![
        prices.collect(),
        (0..n).map(|i| [0.0, -0.0, f64::NAN, f64::INFINITY, -1e300][i % 5].to_bits()).collect(),
        (0..n).map(|i| [0x7ff0_0000_0000_0001, u64::MAX, 1, 1 << 63][i % 4]).collect(),
        (0..n).map(|_| random.f64().to_bits()).collect(),
        (0..n).map(|i| if i % 97 == 0 { random.u64(..) } else { (i as f64).to_bits() }).collect(),
    ];
    floats.extend(integers.iter().map(|values| values.iter().map(|v| *v as u64).collect()));
    let booleans: Vec<Vec<bool>> = vec![
        vec![false; n],
        vec![true; n],
        (0..n).map(|i| i % 2 == 0).collect(),
        (0..n).map(|i| i / 300 % 2 == 0).collect(),
        (0..n).map(|_| random.bool()).collect(),
    ];
    let text: Vec<Vec<String>> = vec![
        vec![String::new(); n],
        (0..n).map(|i| format!("host-{}", i % 10)).collect(),
        (0..n).map(|i| format!("GET /api/v1/items/{} 200 – {}", i * 7919 % 1000, i)).collect(),
        (0..n).map(|i| ["", "ä", "\u{10ffff}", "\0"][i % 4].repeat(i % 9)).collect(),
        (0..n).map(|_| (0..random.usize(0..9)).map(|_| random.char(..)).collect()).collect(),
    ];
    let mut columns: Vec<Column> = integers.into_iter().map(Column::Integers).collect();
    columns.extend(floats.into_iter().map(Column::Floats));
    columns.extend(booleans.into_iter().map(Column::Booleans));
    columns.extend(text.into_iter().map(Column::Text));
    columns
}

#[test]
fn hard_columns_come_back_at_every_length() {
    for n in [0, 1, 2, 3, 8, 1023, 1024, 1025, 2048, 9 * 1024 + 5] {
        hard_columns(n).iter().for_each(round_trip);
    }
}

#[test]
fn whole_blocks_come_back() {
    hard_columns(BLOCK_VALUES_MAX).iter().for_each(round_trip);
}

/// Decodes bytes that may be anything; a good end must have the right number of values.
fn decode_any(codec: &dyn Codec, bytes: &[u8], n: usize, vector: usize) {
    let found = decoded(codec.kind(), |sink| codec.decode_vector(bytes, n, vector, sink));
    if let Ok(found) = found {
        let expected = n.saturating_sub(vector * VECTOR_VALUES).min(VECTOR_VALUES);
        assert_eq!(with_values(&found, |values| values.len()), expected, "{}", codec.name());
    }
}

#[test]
fn changed_and_cut_bytes_are_no_panic() {
    let mut random = fastrand::Rng::with_seed(7);
    for n in [1, 70, 1024, 2500] {
        for column in hard_columns(n) {
            with_values(&column, |values| {
                for codec in Codecs::builtin().iter().filter(|c| c.kind() == values.kind()) {
                    let mut bytes = Vec::new();
                    if !codec.encode(values, &mut bytes) {
                        continue;
                    }
                    let vectors = n.div_ceil(VECTOR_VALUES);
                    for _ in 0..30 {
                        let changed = mutate(&bytes, &mut random);
                        decode_any(codec.as_ref(), &changed, n, random.usize(0..=vectors));
                        let other = random.usize(0..=BLOCK_VALUES_MAX + 1);
                        decode_any(codec.as_ref(), &bytes, other, random.usize(0..=64));
                    }
                }
            });
        }
    }
}

/// Some bytes changed, mostly near the start where the heads are, and sometimes cut.
fn mutate(bytes: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if random.u8(0..3) == 0 {
        bytes.truncate(random.usize(0..=bytes.len()));
    }
    for _ in 0..random.usize(0..4) {
        let near = bytes.len().min(if random.bool() { 24 } else { usize::MAX });
        if near > 0 {
            let at = random.usize(0..near);
            bytes[at] =
                if random.bool() { random.u8(..) } else { bytes[at] ^ 1 << random.u8(0..8) };
        }
    }
    bytes
}

proptest! {
    #[test]
    fn any_bytes_are_no_panic(
        bytes in vec(any::<u8>(), 0..300),
        n in prop_oneof![0usize..50, 1000usize..3000, Just(BLOCK_VALUES_MAX), Just(usize::MAX)],
        vector in 0usize..4,
    ) {
        for codec in Codecs::builtin().iter() {
            decode_any(codec.as_ref(), &bytes, n, vector);
        }
    }

    #[test]
    fn any_integers_come_back(values in vec(any::<i64>(), 0..100), shift in 0u32..64) {
        round_trip(&Column::Integers(values.iter().map(|value| value >> shift).collect()));
    }

    #[test]
    fn any_floats_come_back(values in vec(any::<f64>(), 0..100), digits in 0i32..4) {
        round_trip(&Column::Floats(values.iter().map(|value| value.to_bits()).collect()));
        let step = 10f64.powi(digits);
        let short = values.iter().map(|value| ((value % 1e6 * step).round() / step).to_bits());
        round_trip(&Column::Floats(short.collect()));
    }

    #[test]
    fn any_booleans_and_text_come_back(
        booleans in vec(any::<bool>(), 0..100),
        text in vec(".{0,12}", 0..60),
    ) {
        round_trip(&Column::Booleans(booleans));
        round_trip(&Column::Text(text));
    }
}

#[test]
fn the_table_is_in_order() {
    let mut seen = Vec::new();
    for codec in Codecs::builtin().iter() {
        assert!(codec.id() < crate::codec::USER_CODEC_MIN);
        assert!(!seen.contains(&(codec.kind(), codec.name().to_owned())));
        assert!(Codecs::builtin().by_id(codec.id()).is_some_and(|found| found.id() == codec.id()));
        seen.push((codec.kind(), codec.name().to_owned()));
    }
    for kind in KINDS {
        assert!(Codecs::builtin().by_name(kind, "raw").is_some(), "{kind:?} needs a last resort");
    }
}

#[test]
fn every_decoder_has_a_fuzz_target() {
    let targets = include_str!("../../fuzz/Cargo.toml");
    for codec in Codecs::builtin().iter() {
        let target = format!("name = \"{:?}-{}\"", codec.kind(), codec.name()).to_lowercase();
        assert!(targets.contains(&target), "crates/codec/fuzz/Cargo.toml needs a [[bin]] {target}");
    }
}

/// A user's codec: only the value 42.
struct FortyTwo {
    id: u16,
    name: &'static str,
}

impl Codec for FortyTwo {
    fn id(&self) -> CodecId {
        CodecId(self.id)
    }

    fn name(&self) -> &str {
        self.name
    }

    fn kind(&self) -> Kind {
        Kind::Integers
    }

    fn speed(&self) -> Speed {
        Speed::Hot
    }

    fn encode(&self, values: Values<'_>, _: &mut Vec<u8>) -> bool {
        matches!(values, Values::Integers(values) if values.iter().all(|&value| value == 42))
    }

    fn decode_vector(
        &self,
        _: &[u8],
        n: usize,
        _: usize,
        sink: Sink<'_>,
    ) -> Result<(), DecodeError> {
        if let Sink::Integers(out) = sink {
            out.resize(out.len() + n.min(VECTOR_VALUES), 42);
        }
        Ok(())
    }
}

#[test]
fn a_users_codec_takes_part() {
    let codecs = Codecs::builtin().with(Arc::new(FortyTwo { id: 0x8001, name: "42" })).unwrap();
    let mut out = Vec::new();
    let choice = Choice { level: Level::Hot, forced: None };
    let id = encode_block(&codecs, Values::Integers(&[42; 9000]), choice, &mut out);
    assert_eq!((id, out.len()), (CodecId(0x8001), 0));
    assert_eq!(codecs.by_id(id).map(|codec| codec.name()), Some("42"));
    assert!(Codecs::builtin().by_id(id).is_none());
    // Forced, it stores what it can; the rest is stored as if it were not.
    for level in [Level::Hot, Level::Archive] {
        let choice = Choice { level, forced: Some("42") };
        let id = encode_block(&codecs, Values::Integers(&[42, 42]), choice, &mut Vec::new());
        assert_eq!(id, CodecId(0x8001));
        let id = encode_block(&codecs, Values::Integers(&[42, 43]), choice, &mut Vec::new());
        assert!(codecs.by_id(id).is_some_and(|codec| codec.name() != "42"));
        let id = encode_block(&codecs, Values::Booleans(&[true]), choice, &mut Vec::new());
        assert!(codecs.by_id(id).is_some_and(|codec| codec.kind() == Kind::Booleans));
    }
}

#[test]
fn ids_and_names_are_taken_once() {
    let with = |codecs: &Codecs, id, name| codecs.with(Arc::new(FortyTwo { id, name }));
    let error = |result: Result<Codecs, CodecError>| result.unwrap_err().to_string();
    let codecs = with(Codecs::builtin(), 0xffff, "mine").unwrap();
    let found = [
        error(with(&codecs, 0x7fff, "other")),
        error(with(&codecs, 0xffff, "other")),
        error(with(&codecs, 0x8000, "mine")),
        error(with(&codecs, 0x8000, "delta")),
    ];
    assert_eq!(
        found,
        [
            "codec other: id 0x7fff is below 0x8000, where users' codecs start",
            "codec other: id 0xffff belongs to mine",
            "codec mine: the name is taken by the codec with id 0xffff",
            "codec delta: the name is taken by the codec with id 0x0105",
        ]
    );
}
