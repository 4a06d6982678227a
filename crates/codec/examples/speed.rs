//! Bits, encoding and decoding speed of every integer codec on made series, on one core.
//!
//! `cargo run --release -p pulsora-codec --example speed [codec]`. Blocks of 65,536 values, decoded vector by
//! vector into one buffer, the best block within
//! 150 ms counting. The benchmark of the product (`bench`) covers all kinds and real
//! series; this one is for work on a kernel.

use std::hint::black_box;
use std::time::{Duration, Instant};

use pulsora_codec::{
    BLOCK_VALUES_MAX, Choice, Codec, Codecs, Kind, Level, Sink, VECTOR_VALUES, Values, encode_block,
};

/// How long each figure is measured, block by block. The best block counts: on a busy machine one of
/// many is left alone.
const MEASURE: Duration = Duration::from_millis(150);
const SECOND: i64 = 1_000_000_000;

fn main() {
    let only = std::env::args().nth(1);
    println!(
        "{:16} {:16} {:>9} {:>12} {:>12}",
        "series", "codec", "bits", "encode M/s", "decode M/s"
    );
    for (name, values) in series() {
        for codec in Codecs::builtin().iter() {
            if codec.kind() == Kind::Integers && only.as_ref().is_none_or(|o| o == codec.name()) {
                line(name, codec.as_ref(), &values);
            }
        }
        choice(name, &values);
    }
}

fn series() -> Vec<(&'static str, Vec<i64>)> {
    let mut random = fastrand::Rng::with_seed(1);
    let count = BLOCK_VALUES_MAX as i64;
    let times = |i: i64| 1_700_000_000 * SECOND + i % 360 * 10 * SECOND;
    let mut value = 50.0f64;
    let mut walk = |i: i64| {
        if i % 360 == 0 {
            value = random.f64() * 100.0;
        }
        value = (value + (0..12).map(|_| random.f64()).sum::<f64>() - 6.0).clamp(0.0, 100.0);
        value as i64
    };
    let walk = (0..count).map(&mut walk).collect();
    let jitter = (0..count).map(|i| times(i) + random.i64(0..1000) * 1_000_000).collect();
    let mut total = 0;
    let counter = (0..count).map(|_| {
        total += random.i64(0..2000);
        total
    });
    vec![
        ("times", (0..count).map(times).collect()),
        ("times 1 series", (0..count).map(|i| i * SECOND).collect()),
        ("times jitter ms", jitter),
        ("walk", walk),
        ("counter", counter.collect()),
        ("uniform 12 bits", (0..count).map(|_| random.i64(0..4096)).collect()),
        ("rare changes", (0..count).map(|i| i / 50 * 7919 % 1000).collect()),
        ("any", (0..count).map(|_| random.i64(..)).collect()),
    ]
}

fn line(name: &str, codec: &dyn Codec, values: &[i64]) {
    let mut bytes = Vec::new();
    if !codec.encode(Values::Integers(values), &mut bytes) {
        return;
    }
    let encode = best(|| {
        bytes.clear();
        black_box(codec.encode(Values::Integers(black_box(values)), &mut bytes));
    });
    let mut out = Vec::with_capacity(VECTOR_VALUES);
    let decode = best(|| {
        for vector in 0..values.len().div_ceil(VECTOR_VALUES) {
            out.clear();
            let sink = Sink::Integers(&mut out);
            codec.decode_vector(black_box(&bytes), values.len(), vector, sink).expect("own bytes");
            black_box(&out);
        }
    });
    print(name, codec.name(), bytes.len(), encode, decode);
}

fn choice(name: &str, values: &[i64]) {
    let mut bytes = Vec::new();
    let choice = Choice { level: Level::Hot, forced: None };
    let mut id = None;
    let encode = best(|| {
        bytes.clear();
        id = Some(encode_block(Codecs::builtin(), Values::Integers(values), choice, &mut bytes));
    });
    let codec = id.and_then(|id| Codecs::builtin().by_id(id)).expect("a built-in codec");
    print(name, &format!("hot: {}", codec.name()), bytes.len(), encode, f64::NAN);
}

fn print(name: &str, codec: &str, bytes: usize, encode: f64, decode: f64) {
    let bits = bytes as f64 * 8.0 / BLOCK_VALUES_MAX as f64;
    println!("{name:16} {codec:16} {bits:9.3} {encode:12.0} {decode:12.0}");
}

/// Millions of values in a second, of the best block within [`MEASURE`].
fn best(mut run: impl FnMut()) -> f64 {
    let begin = Instant::now();
    let mut seconds = f64::INFINITY;
    while begin.elapsed() < MEASURE {
        let start = Instant::now();
        run();
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    BLOCK_VALUES_MAX as f64 / seconds / 1e6
}
