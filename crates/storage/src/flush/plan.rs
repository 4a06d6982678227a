//! Which memtables to seal: a pure decision over figures.

use pulsora_model::{Sequence, TableId};

use crate::engine::Options;

/// A memtable below this waits six times as long for its age, so that trickles do not make a file
/// every few minutes.
const SMALL_BYTES: u64 = 1 << 20;
const SMALL_PATIENCE: u32 = 6;

/// Figures of one open memtable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenFigures {
    pub table: TableId,
    pub bytes: u64,
    pub age_ns: u64,
    pub first: Sequence,
}

/// Figures of the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pressure {
    /// Bytes of sealed memtables that wait for their flush.
    pub sealed_bytes: u64,
    /// Highest sequence of the oldest log file, if the log is larger than it may be.
    pub release_through: Option<Sequence>,
}

/// The tables whose memtables are to be sealed, in the order of `open`.
pub(crate) fn plan(open: &[OpenFigures], pressure: Pressure, options: &Options) -> Vec<TableId> {
    let mut chosen: Vec<TableId> = open
        .iter()
        .filter(|memtable| due(memtable, pressure, options))
        .map(|memtable| memtable.table)
        .collect();
    let mut rest: Vec<&OpenFigures> =
        open.iter().filter(|memtable| !chosen.contains(&memtable.table)).collect();
    rest.sort_by_key(|memtable| (memtable.bytes, memtable.table));
    let mut open_bytes: u64 = rest.iter().map(|memtable| memtable.bytes).sum();
    // Sealed ones are on their way out; what counts is what would be left to grow.
    while open_bytes + pressure.sealed_bytes / 2 > options.memtable_bytes
        && let Some(largest) = rest.pop()
    {
        open_bytes -= largest.bytes;
        chosen.push(largest.table);
    }
    chosen
}

fn due(memtable: &OpenFigures, pressure: Pressure, options: &Options) -> bool {
    let patience = if memtable.bytes < SMALL_BYTES { SMALL_PATIENCE } else { 1 };
    memtable.bytes >= options.flush_bytes
        || u128::from(memtable.age_ns) >= (options.flush_age * patience).as_nanos()
        || pressure.release_through.is_some_and(|through| memtable.first <= through)
}
