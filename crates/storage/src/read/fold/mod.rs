//! Aggregates by tags and buckets of time, folded over a scan without making rows.
//!
//! `ask.rs` says what is asked · `shape.rs` resolves it against a schema · `plan.rs` cuts the work
//! into tasks · `task.rs` walks the pieces of one · `batches.rs` feeds the batches of a scan,
//! `chunk.rs` a memtable chunk, `hot.rs` a hot segment (`hours.rs` by its stored sums), `last.rs` the
//! last rows of sources · `part.rs` is what one task has
//! folded: `cells.rs` numbers groups and buckets, `states.rs` holds the aggregates of a column by
//! cell (`summary.rs` folds one slice of values), `picks.rs` first and last rows · `finish.rs` brings
//! parts together and makes the result.

mod ask;
mod batches;
mod cells;
mod chunk;
mod finish;
mod hot;
mod hours;
mod last;
mod part;
mod picks;
mod plan;
mod shape;
mod states;
mod summary;
mod task;

pub use ask::{Aggregate, Bucket, Fold, Function};
pub use part::FoldPart;
pub use plan::FoldPlan;
pub use task::FoldTask;
