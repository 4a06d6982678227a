//! Pulsora inside a Rust program: [`Database`] is the engine of the server as a library, without
//! HTTP. With `default-features = false` the crate is this library and nothing of the server or the
//! command line.
//!
//! `builder.rs` what a database is opened with · `database.rs` opening, SQL, flush, close · `write.rs`
//! batches, points and formats in · `query.rs` and `points.rs` one series out, named by a
//! `series_key.rs` · `append/` single points through handles of numeric series.
//! `examples/embedded.rs` is the shortest program; `docs/embedded.md` the tour.
//!
//! Everything that passes through it keeps its promises: a write that has returned is on disk and
//! visible to the next query, also after a crash. One process may have a data directory open; that of
//! a server can be opened when the server has stopped, and the other way round.
//!
//! The binary `pulsora` (`main.rs`, `cli/`) uses it for everything that works on a data directory.

mod append;
mod builder;
mod database;
mod points;
mod query;
mod series_key;
mod write;

pub use append::Series;
pub use arrow;
pub use builder::{Builder, DatabaseOptions};
pub use database::{Database, Rows};
pub use points::{Batches, Point, PointStream, Points};
pub use pulsora_codec::{
    Codec, CodecId, Codecs, DecodeError, Kind, Level, Sink, Speed, Text, VECTOR_VALUES, Values,
    codec::vector_range,
};
pub use pulsora_env::{Env, File, LocalStore, ObjectWriter, Store};
pub use pulsora_model::builder::TagTarget;
pub use pulsora_model::time::Precision;
pub use pulsora_model::{
    Batch as Columns, BatchBuilder, Code, Detail, Error, ErrorKind, Name, Result, TableOptions,
    Timestamp,
};
pub use pulsora_query::{
    BatchStream, CacheUse, Caching, QueryOptions, SqlParam, SqlRequest, SqlResult,
};
pub use pulsora_storage::segment_files::{
    ColumnStatistics, FileStatistics, SegmentLimits, SegmentReader, SegmentWriter,
};
pub use pulsora_storage::{
    Durability, Options, Order, Scan, ScanPlan, Snapshot, TagPredicate, TimeRange,
};
pub use pulsora_storage::{KeyRanges, SegmentAsk, SegmentIndex, SegmentView};
pub use pulsora_wire::rows::RowFormat;
pub use pulsora_wire::rows::{OnError, RowOptions, TimeFormat};
pub use series_key::SeriesKey;
pub use write::{Batch, Written};
