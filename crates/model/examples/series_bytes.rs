//! What series cost: bytes and time for each, with the ten tags of TSBS.
//!
//! `cargo run --release -p pulsora-model --example series_bytes [series]`

use std::sync::Arc;
use std::time::Instant;

use pulsora_model::series::{SeriesKeyBuf, key_order};
use pulsora_model::{ColumnId, SeriesLimits, SeriesRegistry};

const REST: [&str; 9] =
    ["eu-central-1", "eu-central-1a", "6", "Ubuntu15.10", "x86", "SF", "19", "1", "test"];

fn main() {
    let argument = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let series: u32 = argument.unwrap_or(1_000_000);
    let hosts: Vec<String> = (0..series).map(|host| format!("host_{host}")).collect();
    let raws: Vec<String> =
        hosts.iter().map(|host| format!(",hostname={host},{}", REST.join(",t="))).collect();
    let registry = Arc::new(SeriesRegistry::new(SeriesLimits::default()));
    let mut key = SeriesKeyBuf::default();
    let fill = |key: &mut SeriesKeyBuf, host: &str| {
        key.clear();
        key.push(ColumnId(2), host);
        for (id, value) in (3..).zip(REST) {
            key.push(ColumnId(id), value);
        }
    };
    let started = Instant::now();
    for host in &hosts {
        fill(&mut key, host);
        registry.number_of_key(key.as_bytes()).expect("below the limit");
    }
    report("a new series", series, started);
    println!("{:.1} bytes for each", registry.size_bytes() as f64 / f64::from(series));
    let started = Instant::now();
    let reader = registry.read();
    let found = hosts.iter().filter(|host| {
        fill(&mut key, host);
        reader.by_key(key.as_bytes()).is_some()
    });
    assert_eq!(found.count(), hosts.len());
    report("found by its tags", series, started);
    drop(reader);
    let started = Instant::now();
    for (number, raw) in (0..).zip(&raws) {
        registry.remember(raw.as_bytes(), number);
    }
    report("remembered", series, started);
    println!(
        "{:.1} bytes for each, what is remembered included",
        registry.size_bytes() as f64 / f64::from(series)
    );
    let started = Instant::now();
    let reader = registry.read();
    let found = raws.iter().rev().filter(|raw| reader.by_raw(raw.as_bytes()).is_some()).count();
    report("looked up by what was seen", series, started);
    println!("{found} were still remembered");
    drop(reader);
    let started = Instant::now();
    let view = registry.view();
    report("in a view", series, started);
    let started = Instant::now();
    let ranks = view.ranks();
    report("sorted", series, started);
    assert!(ranks[0] == 0 || key_order(view.key(0), view.key(1)).is_lt());
}

fn report(what: &str, series: u32, started: Instant) {
    let ns = started.elapsed().as_nanos() as f64 / f64::from(series);
    println!("{ns:8.1} ns for each: {what}");
}
