//! What a body of independent lines, points or items became.
//!
//! Not responsible for bodies that are all or nothing (rows of one table): those are a batch or an
//! error.
//!
//! Invariants: a rejected row has left no trace in `tables`; every table comes once and has at least
//! one row; `details` has at most [`DETAILS_MAX`] entries, in the order of the body.

use pulsora_model::limits::DETAILS_MAX;
use pulsora_model::{Detail, TableWrite};

/// What a body of independent lines, points or items became.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The good rows, one entry per table in order of first appearance.
    pub tables: Vec<TableWrite>,
    /// Number of good rows.
    pub rows: u64,
    /// Number of bad lines, points or items.
    pub rejected: u64,
    /// The bad ones; at most [`DETAILS_MAX`], while `rejected` counts them all.
    pub details: Vec<Detail>,
}

impl Parsed {
    /// Counts a bad line, point or item; `detail` is asked for only while there is room for it.
    pub fn reject(&mut self, detail: impl FnOnce() -> Detail) {
        self.rejected += 1;
        if self.details.len() < DETAILS_MAX {
            self.details.push(detail());
        }
    }
}
