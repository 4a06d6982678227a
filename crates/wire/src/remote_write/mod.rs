//! Prometheus remote write 1.0 and 2.0 into batches.
//!
//! Responsible for the protobuf of both versions. Not responsible for snappy ([`crate::body`]), for
//! headers, or for what a bad series does to the answer.
//!
//! | in | becomes |
//! |---|---|
//! | label `__name__` | the table, an upsert table if it is new |
//! | other labels | tags; a label that bears the name of the time column or of a field is `label_<name>` |
//! | sample | a row with the field `value`, every bit of it: stale markers stay what they are |
//! | native histogram | a row with the fields of [`crate::exponential`]; a stale marker is its `sum` |
//! | time | milliseconds to nanoseconds |
//! | exemplars, metadata, reset hints, start times | not kept |
//!
//! Invariants: a body that is not whole protobuf stores nothing; a bad series or sample is listed with
//! the index of its series (from 0) and never loses a good one; labels whose bytes were seen before are
//! not read again, with the same result.
//!
//! ```text
//! 1.0: WriteRequest 1 TimeSeries*          2.0: Request 4 symbol* (text), 5 TimeSeries*
//!      TimeSeries   1 Label*, 2 Sample*,        TimeSeries 1 uint32* (symbols of name, value, …),
//!                   3 Exemplar*, 4 Histogram*              2 Sample*, 3 Histogram*, 4 Exemplar*
//!      Label        1 name, 2 value
//! both: Sample 1 value double, 2 time int64 ms
//!       Histogram 1 count uint64 or 2 double, 3 sum double, 4 schema sint32, 5 zero threshold double,
//!                 6 zero count uint64 or 7 double, 8 negative Span*, 9 negative sint64* (differences),
//!                 10 negative double*, 11 to 13 the same for positive, 15 time int64 ms,
//!                 16 custom bounds double*
//!       Span      1 offset sint32 (from the end of the one before), 2 length uint32
//! ```
//!
//! Sources: the remote write specifications 1.0 and 2.0, and their `types.proto`.

mod histogram;
mod labels;
mod parser;
mod symbols;

pub use parser::{RemoteWrite, Version, parse};

#[cfg(test)]
mod tests;
