//! What the comparison comes to.

use std::collections::BTreeMap;
use std::time::Duration;

use pulsora_codec::codec::{BLOCK_VALUES_MAX, Kind, Values};
use pulsora_codec::codecs::Codecs;
use pulsora_load::random::Random;
use serde_json::json;

use crate::contenders::Decoded;
use crate::measure::{Measured, best};
use crate::ours::{ARCHIVE, HOT, decode};
use crate::series::{Column, Series, integer_walk, regular_times, two_decimals};

/// Values a second that a hot codec is to decode.
const HOT_DECODE: f64 = 1e9;
const ZSTD: &str = "[zstd-3]";
const GORILLA: &str = "gorilla";

/// What the Gorilla codecs do with times and values together.
pub struct Pair {
    values: &'static str,
    bits_per_point: f64,
    encode: f64,
    decode: f64,
}

/// Times every ten seconds with two kinds of values, one block of each.
///
/// # Errors
/// When a codec fails.
pub fn pairs(time: Duration) -> Result<Vec<Pair>, String> {
    let mut random = Random::new(2);
    let walk = integer_walk(&mut random, BLOCK_VALUES_MAX);
    let prices = two_decimals(&mut random, BLOCK_VALUES_MAX);
    let walk: Vec<f64> = walk.into_iter().map(|value| value as f64).collect();
    let series = [("an integer walk", walk), ("prices of two decimals", prices)];
    series.into_iter().filter_map(|(name, values)| pair(name, &values, time).transpose()).collect()
}

/// `None` when there are no such codecs.
fn pair(name: &'static str, values: &[f64], time: Duration) -> Result<Option<Pair>, String> {
    let codecs = Codecs::builtin();
    let both = codecs.by_name(Kind::Integers, GORILLA).zip(codecs.by_name(Kind::Floats, GORILLA));
    let Some((of_times, of_values)) = both else { return Ok(None) };
    let (n, times) = (values.len(), regular_times(values.len()));
    let (mut encoded_times, mut encoded_values) = (Vec::new(), Vec::new());
    let encoding = best(time, || {
        encoded_times.clear();
        encoded_values.clear();
        let stored = of_times.encode(Values::Integers(&times), &mut encoded_times)
            && of_values.encode(Values::Floats(values), &mut encoded_values);
        stored.then_some(()).ok_or_else(|| "gorilla does not store a point".to_owned())
    })?;
    let mut decoded = Decoded::default();
    let decoding = best(time, || {
        decode(of_times.as_ref(), &encoded_times, n, &mut decoded)?;
        decode(of_values.as_ref(), &encoded_values, n, &mut decoded)
    })?;
    Ok(Some(Pair {
        values: name,
        bits_per_point: (encoded_times.len() + encoded_values.len()) as f64 * 8.0 / n as f64,
        encode: n as f64 / encoding.as_secs_f64(),
        decode: n as f64 / decoding.as_secs_f64(),
    }))
}

/// Prints it all.
pub fn print(results: &[(&Series, Vec<Measured>)], pairs: &[Pair], as_json: bool) {
    if as_json {
        for pair in pairs {
            println!(
                "{}",
                json!({"pair": pair.values, "bits_per_point": pair.bits_per_point, "encode_points_per_second": pair.encode, "decode_points_per_second": pair.decode})
            );
        }
        return;
    }
    println!("\n### Gorilla, a time and a value together\n");
    println!(
        "| times every ten seconds and | bits per point | encode M points/s | decode M points/s |\n|---|---|---|---|"
    );
    for pair in pairs {
        let (encode, decode) = (pair.encode / 1e6, pair.decode / 1e6);
        println!("| {} | {:.2} | {encode:.0} | {decode:.0} |", pair.values, pair.bits_per_point);
    }
    choices(results);
    verdicts(results);
}

fn named<'a>(measured: &'a [Measured], name: &str) -> Option<&'a Measured> {
    measured.iter().find(|one| one.name == name)
}

/// One line for each series.
fn choices(results: &[(&Series, Vec<Measured>)]) {
    println!("\n### What is chosen\n");
    println!("Bits per value; decoding in G values/s (text: GB/s).\n");
    println!(
        "| series | values | hot | | decodes | archive | | gorilla | pco | zstd-3 | lz4 | best of Parquet | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (series, measured) in results {
        let bits = |name: &str| {
            named(measured, name)
                .map_or("–".to_owned(), |one| format!("{:.2}", one.bits_per_value()))
        };
        let note = |name: &str| named(measured, name).map_or("", |one| &one.note);
        let speed = named(measured, HOT).map_or(0.0, |one| one.decode / 1e9);
        let parquet = measured.iter().find(|one| one.name.starts_with("[Parquet"));
        let (parquet_bits, parquet) = parquet.map_or(("–".to_owned(), ""), |one| {
            let name = one.name.trim_start_matches("[Parquet ").trim_end_matches(']');
            (format!("{:.2}", one.bits_per_value()), name)
        });
        println!(
            "| {}{} | {} | {} | {} | {speed:.1} | {} | {} | {} | {} | {} | {} | {parquet_bits} | {parquet} |",
            series.name,
            if series.real { "" } else { " *" },
            series.column.len(),
            note(HOT),
            bits(HOT),
            note(ARCHIVE),
            bits(ARCHIVE),
            bits(GORILLA),
            bits("[pco]"),
            bits(ZSTD),
            bits("[lz4]"),
        );
    }
    println!("\n\\* made for this comparison");
}

/// Whether the rules hold.
fn verdicts(results: &[(&Series, Vec<Measured>)]) {
    println!("\n### Against the rules\n");
    let mut ratios = Vec::new();
    let mut wins: BTreeMap<(bool, String), Vec<&str>> = BTreeMap::new();
    for (series, measured) in results {
        let (hot, archive) = (named(measured, HOT), named(measured, ARCHIVE));
        let (zstd, gorilla) = (named(measured, ZSTD), named(measured, GORILLA));
        if let (Some(hot), Some(zstd)) = (hot, zstd) {
            ratios.push((series.real, hot.bytes as f64 / zstd.bytes as f64, series.name.as_str()));
        }
        let other = [zstd, gorilla].into_iter().flatten().min_by_key(|one| one.bytes);
        if let (Some(archive), Some(other)) = (archive, other)
            && archive.bytes > other.bytes
        {
            println!(
                "- archive is larger than {} on {}: {} and {} bytes",
                other.name, series.name, archive.bytes, other.bytes
            );
        }
        if let Some(hot) = hot
            && hot.decode < HOT_DECODE
        {
            println!(
                "- hot decodes {:.2} G/s on {} ({}, {} values)",
                hot.decode / 1e9,
                series.name,
                hot.note,
                series.column.len()
            );
        }
        for (is_hot, choice) in [(true, hot), (false, archive)] {
            let note = choice.map_or("", |one| &one.note);
            wins.entry((is_hot, note.to_owned())).or_default().push(&series.name);
        }
        floor(series, measured);
    }
    for real in [true, false] {
        let of_these = |ratio: &&(bool, f64, &str)| !real || ratio.0;
        let mut these: Vec<_> = ratios.iter().filter(of_these).collect();
        these.sort_by(|a, b| a.1.total_cmp(&b.1));
        if let Some(worst) = these.last() {
            let (which, median) = (if real { "real" } else { "all" }, these[these.len() / 2].1);
            println!(
                "- size at level hot to zstd-3, {which} series: median {median:.2}, worst {:.2} ({})",
                worst.1, worst.2
            );
        }
    }
    for ((is_hot, codec), series) in wins {
        let level = if is_hot { "hot" } else { "archive" };
        println!("- {level} takes {codec} on {}: {}", series.len(), series.join("; "));
    }
}

/// A codec that says that it is hot, and is not, on a series long enough to tell.
fn floor(series: &Series, measured: &[Measured]) {
    let is_text = matches!(series.column, Column::Text { .. });
    for one in measured.iter().filter(|one| one.note == "hot" && one.decode < HOT_DECODE) {
        if series.column.len() >= BLOCK_VALUES_MAX {
            let unit = if is_text { "GB/s" } else { "G values/s" };
            println!(
                "- {} is declared hot and decodes {:.2} {unit} on {}",
                one.name,
                one.decode / 1e9,
                series.name
            );
        }
    }
}
