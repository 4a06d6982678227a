//! Aggregates by tags and buckets of time, answered by the engine's fold.
//!
//! `rule.rs` finds them in a plan · `shape.rs` says which fold an aggregate is, `expressions.rs` what
//! its expressions mean, `bucket.rs` which buckets · `node.rs` stands in the logical plan · `exec.rs`
//! is the operator · `run.rs` runs a fold's tasks.

mod bucket;
mod exec;
mod expressions;
mod node;
mod rule;
mod run;
mod shape;

pub(crate) use exec::FoldExec;
pub(crate) use node::FoldPlanner;
pub(crate) use rule::FoldRule;
pub(crate) use shape::FoldShape;
