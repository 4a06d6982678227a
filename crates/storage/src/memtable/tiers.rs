//! Which chunks of a memtable become one: a pure decision over their sizes.
//!
//! A chunk costs each read a little, a merge copies its rows. So the chunks of small requests are merged
//! in tiers, [`FAN_IN`] of similar size at a time, until they have [`ROWS_MAX`] rows, and larger ones never.
//!
//! Invariants, whatever the sizes of the requests: a memtable of `n` rows has at most
//! `FAN_IN × (6 + 1 + n / ROWS_MAX)` chunks, six being the tiers below [`ROWS_MAX`]; a row is copied at most
//! [`FAN_IN`] times per tier, and once where requests are of similar size.

/// Chunks of one tier that are merged: a row of a one-row request is copied five times until its chunk has
/// 32,768 rows, with two at a time it would be fifteen.
pub(super) const FAN_IN: usize = 8;

/// Most rows of a merged chunk: with ten fields 6 MiB, which are copied within a few milliseconds.
pub(super) const ROWS_MAX: usize = 65_536;

/// The tier of a chunk: sizes of one tier differ by less than the factor [`FAN_IN`].
fn tier(rows: usize) -> u32 {
    rows.max(1).ilog2() / FAN_IN.ilog2()
}

/// The first of the last chunks that are to be merged now, given the rows of all, the oldest first.
pub(super) fn merged_from(rows: impl DoubleEndedIterator<Item = usize> + Clone) -> Option<usize> {
    let newest = rows.clone().next_back().map(tier)?;
    let mut sum = 0;
    let similar = rows.clone().rev().take_while(|rows| {
        sum += rows;
        tier(*rows) <= newest && sum <= ROWS_MAX
    });
    let count = similar.count();
    (count >= FAN_IN).then(|| rows.count() - count)
}
