//! Foreign formats to batches and back, sans-I/O: bytes in, columns out.
//!
//! Responsible for reading and writing the formats that users send and ask for. Knows no files, no
//! network, no async and no engine: a parser gets a body and the present schemas, and gives batches.

pub mod arrow_ipc;
pub mod body;
pub mod csv;
mod exponential;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod items;
pub mod json;
pub mod json_reader;
pub mod line;
pub mod metric;
pub mod msgpack;
mod numbers;
pub mod otlp;
pub mod parquet_file;
pub mod parsed;
mod protobuf;
pub mod remote_write;
pub mod results;
pub mod rows;

pub use parsed::Parsed;

#[cfg(test)]
mod mutate;
#[cfg(test)]
mod render;
