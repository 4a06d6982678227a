//! Answers that are given again: what dashboards ask every few seconds changes only when its tables do.
//!
//! `key.rs` tells statements apart · `answers.rs` keeps answers with the stamps of the tables that they were read from ·
//! `keep.rs` keeps the batches of an answer on their way out.
//!
//! Invariants
//! - An answer is given again only while every table that it was read from is as it was (`TableStamp`). There is no time
//!   to live: a hit is what the statement would answer now.
//! - What depends on more than its text and its tables is not kept: functions of the moment or of chance, the
//!   catalogue's views, EXPLAIN.
//! - Only whole answers are kept, within a bound for each and for all together.

mod answers;
mod keep;
mod key;

pub use answers::CacheStats;
pub(crate) use answers::{Answer, Answers};
pub(crate) use keep::{Fill, keep};
pub(crate) use key::key;
