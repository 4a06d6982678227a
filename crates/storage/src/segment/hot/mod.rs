//! Hot segments: the native format, what a memtable becomes at a flush and what queries of recent
//! data read.
//!
//! Rows stand in (tags, time) order, series after series, so tags are stored once per series. A
//! *block* is 65,536 rows (the last one fewer), a *chunk* one column of a block: whether each row has
//! a value, and the values, both by block codecs of `pulsora-codec`, of which every *vector* of 1,024
//! values decodes alone.
//!
//! ```text
//! header | chunks, block by block | series set | series directory | hour arrays | hour directory
//!        | row id index | footer | tail
//! ```
//! Little-endian; every part starts at a multiple of 8 bytes from the start of the segment, zeros
//! between. Header, 64 bytes:
//!
//! | offset | size | meaning |
//! |---|---|---|
//! | 0 | 8 | `PULSHOT1` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | table id |
//! | 16 | 4 | epoch of the segment |
//! | 20 | 4 | counter of the segment |
//! | 24 | 8 | earliest time, ns |
//! | 32 | 8 | latest time, ns |
//! | 40 | 8 | rows |
//! | 48 | 12 | zeros |
//! | 60 | 4 | CRC32C of bytes 0 to 59 |
//!
//! Tail, the last 32 bytes, from which the footer can be read alone:
//!
//! | offset | size | meaning |
//! |---|---|---|
//! | 0 | 8 | where the footer starts |
//! | 8 | 4 | length of the footer |
//! | 12 | 4 | CRC32C of the footer |
//! | 16 | 4 | version, 1 |
//! | 20 | 4 | CRC32C of bytes 0 to 19 |
//! | 24 | 8 | `PULSHOTE` |
//!
//! Footer:
//!
//! | size | meaning |
//! |---|---|
//! | 8 | rows |
//! | 4 | rows of a block, a multiple of 1,024 up to 65,536 |
//! | 4 | series |
//! | 4 | columns `c`, 4 blocks `b`, 4 codecs `k`, 4 zeros |
//! | 5 × 24 | parts: series set, series directory, hour directory, row id index, reserved; each offset (8), length (8), CRC32C (4), zeros (4); length 0 = there is none |
//! | `c` × | column: id (4), kind (1: time 0, tag 1, field 2, id 3), type (1: i64 1, u64 2, f64 3, bool 4, utf8 5, timestamp 6), length of the name (2), name |
//! | `k` × | codec in use: id (2), length of the name (2), name |
//! | to 8 | zeros |
//! | 80 per chunk | chunks block by block, in a block by column; tags have none |
//!
//! Chunk entry:
//!
//! | offset | size | meaning |
//! |---|---|---|
//! | 0 | 8 | where the chunk starts: the validity, then the values |
//! | 8 | 4 | length of the validity; 0 = every row has a value, or none has |
//! | 12 | 4 | length of the values; 0 = no row has one |
//! | 16 | 4 | CRC32C of both |
//! | 20 | 2 | codec of the validity (booleans, true = has a value) |
//! | 22 | 2 | codec of the values |
//! | 24 | 4 | rows without a value |
//! | 28 | 4 | 1 = the next five are present (numbers and times with at least one value) |
//! | 32 | 4 × 8 | min, max, first, last: the value's 64 bits |
//! | 64 | 16 | sum: i128, or for floats their 64 bits and zeros |
//!
//! A row without a value repeats the value before it (text: it is empty). Floats are ordered by the
//! total order of IEEE 754, as Arrow's aggregates do: a NaN with its sign bit clear is above
//! everything. `first` and `last` are the first and last value in row order.
//!
//! An *array* is a list of values whose number is known from elsewhere: blocks of up to 65,536, each
//! length (4), codec (2), zeros (2), bytes, zeros to a multiple of 8.
//!
//! Series set: number of tags (4), zeros (4), then per tag: column id (4), distinct values `d` (4), array of `d`
//! strings in byte order, array of one integer per series: 0 = absent, else 1 + index of the value.
//! Series stand in key order: by tag in the order of column ids, absent first.
//!
//! Series directory: arrays of one integer per series: first row, earliest time, latest time.
//!
//! Hour directory: number of entries `e` (4), number of arrays (4), then per array: column id (4; 0 =
//! keys), part (4: 0 series, 1 hour number, 2 first row, 3 rows, 4 count, 5 min, 6 max, 7 first,
//! 8 last, 9 sum, 10 upper half of the sum), offset (8), length (4), CRC32C (4). There is an entry for each
//! series and aligned hour (3.6e12 ns) with at least 32 rows. Every field column has a count; integers and
//! floats have the rest; timestamps have all but sums. A column without any value in an hour has count 0 and
//! zeros. The upper half is absent when every sum fits an i64.
//!
//! `format.rs` header, footer, tail · `array.rs` arrays · `summary.rs` what a chunk or an hour sums
//! up to · `series_set.rs` the tags · `columns.rs` the values of one block, `series_builder.rs` the
//! series while they are written · `keyed.rs` rows that lie in arrival order ·
//! `hours.rs` sums of hours, both ways · `writer.rs` sorted rows → bytes · `place.rs` several segments in one object · `source.rs` the bytes of an opened one ·
//! `cache.rs` what was decoded · `opening.rs` checked parts, `reader.rs` vectors, `hour_sums.rs` sums of hours, `gather.rs`
//! chosen rows of an opened segment · `select.rs` and `predicate.rs` which rows are asked for ·
//! `rows.rs` → batches · `verify.rs` everything at once.
//!
//! Invariants: nothing is decoded before its checksum has been verified; no length is trusted; damaged
//! bytes are a `corrupt` error that names the object.

mod array;
mod cache;
mod columns;
mod format;
mod gather;
mod hour_sums;
mod hours;
mod keyed;
mod opening;
mod place;
mod predicate;
mod reader;
mod rows;
mod select;
mod series_builder;
mod series_set;
mod source;
mod summary;
mod verify;
mod writer;

pub use cache::CacheFigures;
pub(crate) use cache::{BlockCache, CacheKey, CachePart};
pub(crate) use format::ALIGNMENT;
pub(crate) use hour_sums::HourTotals;
pub(crate) use hours::{HourEntry, HourPart};
pub(crate) use keyed::{
    KeyedRows, PAGE_ROWS, PAGES_MAX, PagedColumn, page_and_row, place as row_place,
};
pub(crate) use place::{HotDraft, hot_segments_in, place};
pub(crate) use predicate::BoundPredicate;
pub(crate) use reader::{HotColumn, HotSegment};
pub(crate) use rows::HotRows;
pub(crate) use select::RowSelect;
pub(crate) use series_set::{ABSENT, SeriesPool, SeriesSet};
pub(crate) use source::SegmentBytes;
pub(crate) use writer::{HotOptions, HotWriter};

#[cfg(test)]
mod tests;
