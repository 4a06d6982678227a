//! A body: its bytes, its sums, and its times, which can be moved on in place.
//!
//! Invariant: [`Body::shift`] changes the times of the rows by as much as it is told and nothing else,
//! not even the length; a row costs a copy of 8 or 19 bytes.

use super::digits::{TIME_DIGITS, time_text};
use super::{arrow, csv, line, msgpack};
use crate::protocol::Protocol;
use crate::rows::{FIELDS_MAX, Row, SeriesList};
use crate::sums::Sums;

/// The body of a request.
pub struct Body {
    /// What is sent.
    pub bytes: Vec<u8>,
    /// What its rows add up to.
    pub sums: Sums,
    times: Vec<Run>,
    places: Places,
    /// By how much the times are not those of the rows it was made of, nanoseconds.
    shifted_ns: i64,
}

/// Rows that follow each other and share a time.
struct Run {
    time: i64,
    rows: usize,
}

/// Where the times stand.
pub(super) enum Places {
    /// Decimal text of 19 digits at these offsets.
    Text(Vec<u32>),
    /// Big-endian, the first here, each 9 bytes after the one before.
    BigEndian(usize),
    /// Little-endian, the first here, without gaps.
    LittleEndian(usize),
}

impl Body {
    /// Makes the times those of the rows it was made of, moved by `by_ns`. All must stay between the
    /// years 2001 and 2286, whose nanoseconds have 19 digits.
    pub fn shift(&mut self, by_ns: i64) {
        if by_ns == self.shifted_ns {
            return;
        }
        self.shifted_ns = by_ns;
        let mut row = 0;
        for run in &self.times {
            let (time, rows) = (run.time + by_ns, row..row + run.rows);
            match &self.places {
                Places::Text(offsets) => {
                    let text = time_text(time);
                    for at in &offsets[rows.clone()] {
                        self.bytes[*at as usize..][..TIME_DIGITS].copy_from_slice(&text);
                    }
                }
                Places::BigEndian(first) => {
                    for row in rows.clone() {
                        self.bytes[first + row * 9..][..8].copy_from_slice(&time.to_be_bytes());
                    }
                }
                Places::LittleEndian(first) => {
                    for row in rows.clone() {
                        self.bytes[first + row * 8..][..8].copy_from_slice(&time.to_le_bytes());
                    }
                }
            }
            row = rows.end;
        }
    }
}

/// Makes bodies for one table and list of series.
pub struct Bodies<'a> {
    protocol: Protocol,
    table: &'a str,
    series: &'a SeriesList,
    /// For each series what its rows have in common as text.
    heads: Vec<Vec<u8>>,
}

impl<'a> Bodies<'a> {
    /// What all rows of a series share is made here, once.
    pub fn new(protocol: Protocol, table: &'a str, series: &'a SeriesList) -> Bodies<'a> {
        let heads = match protocol {
            Protocol::Line => line::heads(table, series),
            Protocol::Csv => csv::heads(series),
            Protocol::Msgpack | Protocol::Arrow => Vec::new(),
        };
        Bodies { protocol, table, series, heads }
    }

    /// The body of one request.
    pub fn body(&self, rows: &[Row]) -> Body {
        let series = self.series;
        let (bytes, places) = match self.protocol {
            Protocol::Line => line::write(series.layout, &self.heads, rows),
            Protocol::Csv => csv::write(series.layout, &self.heads, rows),
            Protocol::Msgpack => msgpack::write(self.table, series, rows),
            Protocol::Arrow => arrow::write(series, rows),
        };
        let same_time = rows.chunk_by(|a, b| a.time == b.time);
        let times = same_time.map(|rows| Run { time: rows[0].time, rows: rows.len() }).collect();
        Body { bytes, sums: sums(rows), times, places, shifted_ns: 0 }
    }
}

fn sums(rows: &[Row]) -> Sums {
    let mut sums = Sums { rows: rows.len() as u64, fields: [0; FIELDS_MAX] };
    for row in rows {
        sums.fields.iter_mut().zip(row.values).for_each(|(sum, value)| *sum += i64::from(value));
    }
    sums
}
