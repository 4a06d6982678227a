//! The life of segments after their flush: hot ones of a partition are merged while it is written
//! and once it rests, and turned into Parquet when it is cold; what is deleted goes for good.
//!
//! `units.rs` the segments of a partition in order, `plan.rs` decides what is rewritten (both pure) · `demands.rs` what
//! has to be whatever the plan says ·
//! `settings.rs` what can be set · `jobs.rs` what runs, has run and is asked for · `run.rs` the tasks: one
//! job each at a time, from the plan to the answer · `rewrite.rs` one rewrite: reads the inputs, writes the
//! outputs · `pace.rs` at a bounded share of the processor and of the disk · `handover.rs` how the finished
//! work reaches the flush task, which owns the manifest · `carry.rs` what is deleted meanwhile · `report.rs` what
//! can be seen of all that.
//!
//! Not responsible for which rows exist: a rewrite shows the same rows before and after.

pub(crate) mod carry;
pub(crate) mod demands;
pub(crate) mod handover;
pub(crate) mod jobs;
mod pace;
pub(crate) mod plan;
pub(crate) mod report;
mod rewrite;
pub(crate) mod run;
mod settings;
mod units;

pub use plan::Reason;
pub use report::{Candidate, CompactionReport, CompactionWork, JobReport, JobStatus};
pub use settings::{CompactionOptions, DayWindow};

#[cfg(test)]
mod tests;
