//! Results on their way out: record batches to JSON, NDJSON, CSV, Arrow IPC, MessagePack, Parquet.
//!
//! A writer gets the schema, then batches, then a summary, and puts bytes onto the end of a buffer;
//! who sends them, and when, is not its business. All formats but MessagePack and Parquet give out
//! every batch at once; MessagePack is columnar and keeps its columns to the end; Parquet keeps one
//! row group.
//!
//! Reading order: [`ResultFormat`] and [`ResultOptions`] (what was asked for) → `cells` (any Arrow
//! array as a small set of values) → `json_text`, `rows_json`, `sql_json`, `ndjson`, `csv_text`,
//! `arrow_stream`, `msgpack`, `parquet_bytes` (the writers).

mod arrow_stream;
mod cells;
mod csv_text;
mod format;
mod json_text;
mod msgpack;
mod ndjson;
mod options;
mod parquet_bytes;
mod rows_json;
mod sql_json;
mod types;
mod writer;

pub use format::ResultFormat;
pub use ndjson::error_line;
pub use options::{Nonfinite, ResultOptions, TimeStyle};
pub use types::type_name;
pub use writer::{ResultWriter, Summary, rows_writer, sql_writer};

#[cfg(test)]
mod tests;
