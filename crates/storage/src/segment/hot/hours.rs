//! What each series sums up to in each aligned hour: gathered while a segment is written, and read
//! back array by array, so that hourly and coarser buckets decode no rows.
//!
//! Invariants: entries stand in (series, hour) order; an entry covers all rows of its series in its
//! hour, and these are at least [`HOUR_ROWS_MIN`].

use std::ops::Range;

use pulsora_codec::Codecs;
use pulsora_model::partition::HOUR_NS;
use pulsora_model::{ColumnId, ColumnType};

use super::array;
use super::columns::BlockColumn;
use super::format::{Cursor, Parsed, Part, align};
use super::summary::{Sum, Summary};

/// Fewer rows are as quickly decoded as their sums are found.
pub(crate) const HOUR_ROWS_MIN: u32 = 32;

/// An array of the hour directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub(crate) enum HourPart {
    Series = 0,
    Hour = 1,
    FirstRow = 2,
    Rows = 3,
    Count = 4,
    Min = 5,
    Max = 6,
    First = 7,
    Last = 8,
    Sum = 9,
    SumHigh = 10,
}

impl HourPart {
    const ALL: [HourPart; 11] = [
        HourPart::Series,
        HourPart::Hour,
        HourPart::FirstRow,
        HourPart::Rows,
        HourPart::Count,
        HourPart::Min,
        HourPart::Max,
        HourPart::First,
        HourPart::Last,
        HourPart::Sum,
        HourPart::SumHigh,
    ];
}

/// The key arrays belong to no column.
const KEYS: ColumnId = ColumnId(0);

/// Where an array is.
#[derive(Clone, Copy, Debug)]
struct ArrayEntry {
    column: ColumnId,
    part: u32,
    place: Part,
}

/// Gathers the sums of hours from the blocks of a segment.
pub(super) struct HourBuilder {
    keys: Vec<HourKey>,
    /// Of each field column, in the order of the columns.
    columns: Vec<(ColumnId, ColumnType, ColumnSums)>,
    /// The hour that the last row belongs to.
    open: Option<OpenHour>,
}

#[derive(Clone, Copy)]
struct HourKey {
    series: u32,
    hour: i64,
    first_row: u32,
    rows: u32,
}

struct OpenHour {
    key: HourKey,
    sums: Vec<(u32, Option<Summary>)>,
}

#[derive(Default)]
struct ColumnSums {
    counts: Vec<i64>,
    min: Vec<i64>,
    max: Vec<i64>,
    first: Vec<i64>,
    last: Vec<i64>,
    sum: Vec<Sum>,
}

/// Rows of one series and one hour inside one block.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub series: u32,
    pub hour: i64,
    /// Positions in the block.
    pub rows: Range<usize>,
}

impl HourBuilder {
    /// For these field columns.
    pub fn new(columns: impl Iterator<Item = (ColumnId, ColumnType)>) -> HourBuilder {
        let columns = columns.map(|(id, ty)| (id, ty, ColumnSums::default())).collect();
        HourBuilder { keys: Vec::new(), columns, open: None }
    }

    /// Bytes in memory, about.
    pub fn size_bytes(&self) -> usize {
        self.keys.len() * (size_of::<HourKey>() + self.columns.len() * 72)
    }

    /// Takes the pieces of the block that starts at row `start`; `columns` are those of
    /// [`HourBuilder::new`].
    pub fn add(&mut self, start: u32, pieces: &[Piece], columns: &[&BlockColumn]) {
        for (number, piece) in pieces.iter().enumerate() {
            let continues = self
                .open
                .as_ref()
                .is_some_and(|open| (open.key.series, open.key.hour) == (piece.series, piece.hour));
            if !continues {
                self.close();
            }
            let ends = number + 1 < pieces.len();
            let rows = piece.rows.len() as u32;
            if ends && !continues && rows < HOUR_ROWS_MIN {
                continue;
            }
            let sums = columns.iter().map(|column| {
                let (count, summary) = column.summary(piece.rows.clone());
                (count as u32, summary)
            });
            match &mut self.open {
                Some(open) => {
                    open.key.rows += rows;
                    for ((known, next), (_, ty, _)) in
                        open.sums.iter_mut().zip(sums).zip(&self.columns)
                    {
                        known.0 += next.0;
                        known.1 = match (known.1, next.1) {
                            (Some(known), Some(next)) => Some(known.and(next, *ty)),
                            (known, next) => known.or(next),
                        };
                    }
                }
                None => {
                    let first_row = start + piece.rows.start as u32;
                    let key = HourKey { series: piece.series, hour: piece.hour, first_row, rows };
                    self.open = Some(OpenHour { key, sums: sums.collect() });
                }
            }
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        // An hour that starts before the first nanosecond has no start.
        if open.key.rows < HOUR_ROWS_MIN || open.key.hour.checked_mul(HOUR_NS).is_none() {
            return;
        }
        self.keys.push(open.key);
        for ((count, summary), (_, ty, sums)) in open.sums.into_iter().zip(&mut self.columns) {
            sums.counts.push(i64::from(count));
            let nothing = match ty {
                ColumnType::F64 => Sum::Float(0.0),
                _ => Sum::Integer(0),
            };
            let summary =
                summary.unwrap_or(Summary { min: 0, max: 0, first: 0, last: 0, sum: nothing });
            sums.min.push(summary.min);
            sums.max.push(summary.max);
            sums.first.push(summary.first);
            sums.last.push(summary.last);
            sums.sum.push(summary.sum);
        }
    }

    /// Appends the arrays and their directory, and says where it is.
    pub fn finish(mut self, codecs: &Codecs, out: &mut Vec<u8>) -> Part {
        self.close();
        if self.keys.is_empty() {
            return Part::default();
        }
        let mut entries = Vec::new();
        let key = |of: fn(&HourKey) -> i64| self.keys.iter().map(of).collect::<Vec<i64>>();
        let keys = [
            (HourPart::Series, key(|key| i64::from(key.series))),
            (HourPart::Hour, key(|key| key.hour)),
            (HourPart::FirstRow, key(|key| i64::from(key.first_row))),
            (HourPart::Rows, key(|key| i64::from(key.rows))),
        ];
        let mut put = |column: ColumnId, part: HourPart, values: Words<'_>| {
            let start = out.len();
            match values {
                Words::Integers(values) => array::encode_integers(codecs, values, out),
                Words::Floats(values) => array::encode_floats(codecs, values, out),
            }
            let place = Part::of(start, &out[start..]);
            entries.push(ArrayEntry { column, part: part as u32, place });
        };
        for (part, values) in &keys {
            put(KEYS, *part, Words::Integers(values));
        }
        for (column, ty, sums) in &self.columns {
            sums.encode(*ty, |part, values| put(*column, part, values));
        }
        let start = out.len();
        out.extend_from_slice(&(self.keys.len() as u32).to_le_bytes());
        out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        for entry in &entries {
            entry.encode(out);
        }
        let directory = Part::of(start, &out[start..]);
        align(out);
        directory
    }
}

enum Words<'a> {
    Integers(&'a [i64]),
    Floats(&'a [f64]),
}

impl ColumnSums {
    fn encode(&self, ty: ColumnType, mut put: impl FnMut(HourPart, Words<'_>)) {
        put(HourPart::Count, Words::Integers(&self.counts));
        if matches!(ty, ColumnType::Bool | ColumnType::Utf8) {
            return;
        }
        let parts = [
            (HourPart::Min, &self.min),
            (HourPart::Max, &self.max),
            (HourPart::First, &self.first),
            (HourPart::Last, &self.last),
        ];
        for (part, words) in parts {
            if ty == ColumnType::F64 {
                let floats: Vec<f64> =
                    words.iter().map(|word| f64::from_bits(*word as u64)).collect();
                put(part, Words::Floats(&floats));
            } else {
                put(part, Words::Integers(words));
            }
        }
        if ty != ColumnType::Timestamp {
            self.encode_sums(put);
        }
    }

    fn encode_sums(&self, mut put: impl FnMut(HourPart, Words<'_>)) {
        let (mut lows, mut highs, mut floats) = (Vec::new(), Vec::new(), Vec::new());
        for sum in &self.sum {
            match sum {
                Sum::Integer(sum) => {
                    lows.push(*sum as i64);
                    highs.push((*sum >> 64) as i64);
                }
                Sum::Float(sum) => floats.push(*sum),
            }
        }
        if !floats.is_empty() {
            return put(HourPart::Sum, Words::Floats(&floats));
        }
        put(HourPart::Sum, Words::Integers(&lows));
        // An upper half that only repeats the sign is not stored.
        if lows.iter().zip(&highs).any(|(low, high)| *high != low >> 63) {
            put(HourPart::SumHigh, Words::Integers(&highs));
        }
    }
}

impl ArrayEntry {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.column.0.to_le_bytes());
        out.extend_from_slice(&self.part.to_le_bytes());
        out.extend_from_slice(&self.place.offset.to_le_bytes());
        out.extend_from_slice(&(self.place.length as u32).to_le_bytes());
        out.extend_from_slice(&self.place.crc.to_le_bytes());
    }
}

/// Where the arrays of the hours are.
pub(super) struct HourDirectory {
    pub entries: u32,
    arrays: Vec<ArrayEntry>,
}

impl HourDirectory {
    pub fn decode(bytes: &[u8], rows: u32, segment_length: u64) -> Parsed<HourDirectory> {
        let mut cursor = Cursor(bytes);
        let (entries, count) = (cursor.u32()?, cursor.u32()?);
        if u64::from(entries) * u64::from(HOUR_ROWS_MIN) > u64::from(rows) {
            return Err(format!("{entries} hours of {rows} rows").into());
        }
        let mut arrays = Vec::new();
        for _ in 0..count {
            let (column, part) = (ColumnId(cursor.u32()?), cursor.u32()?);
            let (offset, length, crc) = (cursor.u64()?, cursor.u32()?, cursor.u32()?);
            if offset.checked_add(u64::from(length)).is_none_or(|end| end > segment_length) {
                return Err("an array of hours beyond its end".into());
            }
            let place = Part { offset, length: u64::from(length), crc };
            arrays.push(ArrayEntry { column, part, place });
        }
        Ok(HourDirectory { entries, arrays })
    }

    /// Where one array of a column is.
    pub fn find(&self, column: ColumnId, part: HourPart) -> Option<Part> {
        let mut arrays = self.arrays.iter();
        let found = arrays.find(|array| array.column == column && array.part == part as u32)?;
        Some(found.place)
    }

    /// Where one of the key arrays is.
    pub fn find_key(&self, part: HourPart) -> Option<Part> {
        self.find(KEYS, part)
    }

    /// Every array: of which column (`None`: the keys) and which part.
    pub fn all(&self) -> impl Iterator<Item = (Option<ColumnId>, HourPart)> {
        self.arrays.iter().filter_map(|array| {
            let part = HourPart::ALL.into_iter().find(|part| *part as u32 == array.part)?;
            Some(((array.column != KEYS).then_some(array.column), part))
        })
    }
}

/// Which hours have sums: (series, hour, rows), in this order.
pub(crate) struct Hours {
    series: Vec<u32>,
    hours: Vec<i64>,
    first_rows: Vec<u32>,
    rows: Vec<u32>,
}

/// One entry of [`Hours`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HourEntry {
    pub series: u32,
    /// Start of the hour, nanoseconds.
    pub start_ns: i64,
    /// All rows of the series in this hour.
    pub rows: Range<u32>,
}

impl Hours {
    /// Checks the key arrays against the rows of the series.
    pub(super) fn new(keys: [Vec<i64>; 4], row_starts: &[u32]) -> Parsed<Hours> {
        let [series, hours, first_rows, rows] = keys;
        let narrow = |values: Vec<i64>| {
            let narrow = values.into_iter().map(u32::try_from).collect::<Result<Vec<u32>, _>>();
            narrow.map_err(|_| "a key of an hour is out of range")
        };
        let hours = Hours {
            series: narrow(series)?,
            hours,
            first_rows: narrow(first_rows)?,
            rows: narrow(rows)?,
        };
        let len = hours.series.len();
        let inside = |i: usize| {
            let series = hours.series[i] as usize;
            let range = hours.first_rows[i]..hours.first_rows[i].checked_add(hours.rows[i])?;
            let own = *row_starts.get(series)?..*row_starts.get(series + 1)?;
            let timely = hours.hours[i].checked_mul(HOUR_NS).is_some();
            (own.start <= range.start && range.end <= own.end && timely).then_some(())
        };
        let key = |i: usize| (hours.series[i], hours.hours[i]);
        let ordered = (1..len).all(|i| key(i - 1) < key(i));
        if ordered && (0..len).all(|i| inside(i).is_some()) {
            Ok(hours)
        } else {
            Err("hours out of order".into())
        }
    }

    /// Entry `index`; there are as many as values in an array of hours.
    pub fn entry(&self, index: usize) -> HourEntry {
        let start = self.first_rows[index];
        HourEntry {
            series: self.series[index],
            start_ns: self.hours[index] * HOUR_NS,
            rows: start..start + self.rows[index],
        }
    }

    /// The entries of one series.
    pub fn of_series(&self, series: u32) -> Range<usize> {
        let start = self.series.partition_point(|other| *other < series);
        start..start + self.series[start..].partition_point(|other| *other == series)
    }
}
