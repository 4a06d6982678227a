//! Which tag sets the open log file has defined, as its writer knows it.
//!
//! Tag sets of a table are numbered from 0 in the order in which the records of the file define them. A
//! record defines those that are new in the file and names the others.
//!
//! Invariants: what a group defines counts when the group is written, and is taken back when it is not;
//! a new file begins without definitions.

use std::sync::Arc;

use hashbrown::HashMap;
use pulsora_model::{SeriesRegistry, TableId};

use crate::catalog::ResolvedRows;

/// No definition yet.
const UNDEFINED: u32 = u32::MAX;

/// The definitions of the open file, and those of the group under way.
#[derive(Default)]
pub(crate) struct Dictionary {
    /// The file they are in.
    file: Option<u64>,
    tables: HashMap<TableId, Defined, foldhash::fast::RandomState>,
    /// What the group under way has defined, in order.
    group: Vec<Definitions>,
    /// Whether nothing had been defined before that group.
    fresh: bool,
}

/// The definitions of one table.
struct Defined {
    /// Whose numbers index `in_file`.
    registry: Arc<SeriesRegistry>,
    /// By number in the registry, the number in the file.
    in_file: Vec<u32>,
    count: u32,
}

struct Definitions {
    table: TableId,
    /// Sets that the table had before.
    first: u32,
    /// By their numbers in the registry.
    sets: Vec<u32>,
}

/// The series of some rows as a record says them.
pub(super) struct RowSets<'d> {
    /// Number in the file of the first set that the record defines.
    pub first: u32,
    /// The sets that it defines, by their numbers in the registry.
    pub new: &'d [u32],
    /// By row, the number in the file.
    pub codes: Vec<u32>,
}

impl Dictionary {
    /// Begins a group that goes to `file`; `None` = to one that is not there yet.
    pub fn begin_group(&mut self, file: Option<u64>) {
        self.keep();
        if file.is_none() || self.file != file {
            self.tables.clear();
            self.file = file;
        }
        self.fresh = self.tables.is_empty();
    }

    /// Says that the group under way goes to another file than was thought. False, and all of it taken
    /// back, if it names sets that are not defined there.
    pub fn move_group(&mut self, file: Option<u64>) -> bool {
        if self.fresh {
            self.file = file;
        } else {
            self.take_back();
        }
        self.fresh
    }

    /// The series of some rows in the file; new ones count as defined from here on.
    pub(super) fn sets_of(&mut self, rows: &ResolvedRows) -> RowSets<'_> {
        let defined = self.tables.entry(rows.table).or_insert_with(|| Defined {
            registry: Arc::clone(&rows.registry),
            in_file: Vec::new(),
            count: 0,
        });
        if !Arc::ptr_eq(&defined.registry, &rows.registry) {
            // Its series count anew; in the file they get further numbers.
            defined.registry = Arc::clone(&rows.registry);
            defined.in_file.clear();
        }
        if defined.in_file.len() < rows.registry.len() {
            defined.in_file.resize(rows.registry.len(), UNDEFINED);
        }
        let first = defined.count;
        let mut sets = Vec::new();
        let number = |code: &u32| {
            let number = &mut defined.in_file[*code as usize];
            if *number == UNDEFINED {
                *number = defined.count;
                defined.count += 1;
                sets.push(*code);
            }
            *number
        };
        let codes = rows.codes.iter().map(number).collect();
        self.group.push(Definitions { table: rows.table, first, sets });
        let new = self.group.last().map_or(&[][..], |definitions| &definitions.sets);
        RowSets { first, new, codes }
    }

    /// The group is written.
    pub fn keep(&mut self) {
        self.group.clear();
    }

    /// The group is not written: its place in the file is written again.
    pub fn take_back(&mut self) {
        for definitions in self.group.drain(..).rev() {
            let Some(defined) = self.tables.get_mut(&definitions.table) else { continue };
            defined.count = definitions.first;
            for set in definitions.sets {
                defined.in_file[set as usize] = UNDEFINED;
            }
        }
    }
}
