//! Names and schemas: the catalog, the changes that make the next one, and how arriving rows are
//! fitted to it.
//!
//! `catalog.rs` the immutable state · `registries.rs` what numbers the series of its tables · `change.rs` what a WAL record can change · `resolve.rs` rows
//! against a schema: which changes they need, and their columns by id · `numbering.rs` their series.

#[allow(clippy::module_inception)] // the folder is the topic, the file its noun
mod catalog;
mod change;
mod numbering;
mod registries;
mod resolve;

pub use catalog::{Catalog, DEFAULT_DATABASE, Database};
pub(crate) use change::may_go;
pub use change::{CatalogChange, TableSettings};
pub(crate) use resolve::{ResolvedIds, ResolvedRows, Stored, resolve};
