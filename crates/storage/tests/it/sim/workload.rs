//! Random requests: small key spaces, so that rows meet each other.

use fastrand::Rng;

use super::model::{AUDIT, DROPPED, Kind, Part, TABLES};
use crate::rows::Row;

/// Where the simulated wall clock starts.
const NOW: i64 = 1_700_000_000_000_000_000;
const HOUR: i64 = 3_600_000_000_000;

/// Starts of the times of rows: several partitions, an old one and a future one among them.
const MOMENTS: [i64; 4] = [NOW, NOW + HOUR, NOW + 48 * HOUR, NOW - 40 * 24 * HOUR];

/// The rows of request `number`: some in the audit table and some in other tables.
pub fn parts(rng: &mut Rng, number: u64) -> Vec<Part> {
    let mut parts = vec![audit(rng, number)];
    for (table, kind) in &TABLES[1..] {
        if rng.u8(0..5) < 3 {
            let rows = (0..rng.usize(1..6)).map(|_| row(rng, table, *kind)).collect();
            parts.push(Part { table, kind: *kind, rows });
        }
    }
    rng.shuffle(&mut parts);
    parts
}

/// Every table with its usual columns, so that what follows grows nothing.
pub fn all_columns(rng: &mut Rng, number: u64) -> Vec<Part> {
    let part = |(table, kind): &(&'static str, Kind)| {
        let mut row = Row::at(NOW);
        if *kind == Kind::Upsert || *table == DROPPED {
            row = row.tag("host", "a").tag("rack", "r1");
        }
        for column in 0..4 {
            row = row.field(&format!("v{column}"), 1);
        }
        let rows = vec![row.field("note", "").field("ok", true).null("never")];
        Part { table, kind: *kind, rows }
    };
    std::iter::once(audit(rng, number)).chain(TABLES[1..].iter().map(part)).collect()
}

/// Up to three rows; their text makes groups of several pages.
pub fn audit(rng: &mut Rng, number: u64) -> Part {
    let rows = (0..rng.usize(1..4)).map(|_| {
        let most = if rng.u8(0..5) == 0 { 8_000 } else { 800 };
        let pad: String = (0..rng.usize(0..most)).map(|_| rng.alphanumeric()).collect();
        Row::at(NOW + number as i64).field("n", number as i64).field("pad", pad.as_str())
    });
    Part { table: AUDIT, kind: Kind::Append, rows: rows.collect() }
}

/// A request that no table takes: text in a column of numbers.
pub fn unfit(rng: &mut Rng, number: u64) -> Vec<Part> {
    let mut parts = parts(rng, number);
    parts.retain(|part| part.table != "readings");
    let rows = vec![Row::at(NOW).field("v0", "no number")];
    parts.insert(rng.usize(0..=parts.len()), Part { table: "readings", kind: Kind::Append, rows });
    parts
}

/// A time that a row may have.
pub fn moment(rng: &mut Rng) -> i64 {
    MOMENTS[rng.usize(0..MOMENTS.len())] + i64::from(rng.u8(0..4)) * 1_000_000_000
}

fn row(rng: &mut Rng, table: &str, kind: Kind) -> Row {
    let mut row = Row::at(moment(rng));
    if kind == Kind::Upsert || table == DROPPED {
        row = row.tag("host", ["a", "b", "c", "d"][rng.usize(0..4)]);
        if rng.u8(0..3) == 0 {
            row = row.tag("rack", ["r1", "r2"][rng.usize(0..2)]);
        }
    }
    if kind == Kind::Ids && rng.u8(0..3) > 0 {
        row = row.id(rng.u64(1..24));
    }
    for column in 0..4 {
        row = number(rng, row, column);
    }
    if rng.u8(0..3) == 0 {
        row = row.field("note", ["", "x", "long text"][rng.usize(0..3)]);
    }
    if rng.u8(0..6) == 0 {
        row = row.field("ok", rng.bool());
    }
    if rng.u8(0..12) == 0 {
        row = row.null("never");
    }
    if rng.u8(0..200) == 0 {
        let column = format!("extra{}", rng.u8(0..6));
        row = row.field(&column, rng.i64(-9..10));
    }
    row
}

/// An integer mostly; sometimes nothing, rarely a float that widens the column.
fn number(rng: &mut Rng, row: Row, column: u8) -> Row {
    let name = format!("v{column}");
    match rng.u8(0..180) {
        0 => row.field(&name, f64::from(rng.i16(..)) / 8.0),
        1..=60 => row,
        61..=72 => row.null(&name),
        73..=81 => row.field(&name, rng.i64(-(1 << 53)..=1 << 53)),
        _ => row.field(&name, i64::from(rng.i8(..))),
    }
}
