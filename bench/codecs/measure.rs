//! What one contender does with one series.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::contenders::{Contender, Decoded};
use crate::series::{Column, Series};

/// Tries, at least, of which the best counts.
const TRIES: usize = 5;

/// How long a try goes on, at least: long enough for the clock, and so short that on a busy machine some
/// tries run through without a break.
const TRY: Duration = Duration::from_micros(200);

/// Figures of a contender.
pub struct Measured {
    /// The contender.
    pub name: String,
    /// Size of all blocks.
    pub bytes: usize,
    /// Values in them.
    pub values: usize,
    /// Values a second; bytes a second for text.
    pub encode: f64,
    /// Values a second; bytes a second for text.
    pub decode: f64,
    /// What the contender says.
    pub note: String,
}

impl Measured {
    /// Bits that a value takes.
    pub fn bits_per_value(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.values as f64
    }

    /// As a line of JSON.
    pub fn json(&self, series: &Series) -> Value {
        json!({
            "series": series.name,
            "real": series.real,
            "values": self.values,
            "codec": self.name,
            "bits_per_value": self.bits_per_value(),
            "encode_per_second": self.encode,
            "decode_per_second": self.decode,
            "note": self.note,
        })
    }
}

/// Encodes and decodes the blocks of a series; `None` when the contender cannot store them.
///
/// # Errors
/// When what comes back is not what went in.
pub fn measure(
    contender: &mut dyn Contender,
    series: &Series,
    time: Duration,
) -> Result<Option<Measured>, String> {
    let blocks = series.column.blocks();
    let mut decoded = Decoded::default();
    let mut encoded = Vec::new();
    for block in &blocks {
        let mut out = Vec::new();
        if !contender.encode(block.values(), &mut out) {
            return Ok(None);
        }
        let whole = contender.decode_whole(&out, block.values().len(), &mut decoded);
        whole.map_err(|error| format!("{}, {}: {error}", series.name, contender.name()))?;
        if !decoded.holds(block.values()) {
            return Err(format!("{}: {} gives other values back", series.name, contender.name()));
        }
        encoded.push(out);
    }
    let bytes = encoded.iter().map(|block| contender.size(block)).sum();
    let amount = match &series.column {
        Column::Text { bytes, .. } => bytes.len(),
        column => column.len(),
    } as f64;
    let mut out = Vec::new();
    let encoding = best(time, || {
        for block in &blocks {
            out.clear();
            contender.encode(block.values(), &mut out);
            black_box(&mut out);
        }
        Ok(())
    })?;
    let decoding = best(time, || {
        for (block, encoded) in blocks.iter().zip(&encoded) {
            contender.decode(encoded, block.values().len(), &mut decoded)?;
            black_box(&mut decoded);
        }
        Ok(())
    })?;
    Ok(Some(Measured {
        name: contender.name(),
        bytes,
        values: series.column.len(),
        encode: amount / encoding.as_secs_f64(),
        decode: amount / decoding.as_secs_f64(),
        note: contender.note(),
    }))
}

/// The time of a pass in the best of the tries, of which there are as many as fill `time`.
///
/// # Errors
/// Of the pass.
pub fn best(
    time: Duration,
    mut pass: impl FnMut() -> Result<(), String>,
) -> Result<Duration, String> {
    let (begin, mut tries, mut best) = (Instant::now(), 0, Duration::MAX);
    while tries < TRIES || begin.elapsed() < time {
        let (since, mut passes) = (Instant::now(), 0);
        while passes == 0 || since.elapsed() < TRY {
            pass()?;
            passes += 1;
        }
        best = best.min(since.elapsed() / passes);
        tries += 1;
    }
    Ok(best)
}
