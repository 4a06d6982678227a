//! Tag sets in the log as replay finds them: those that a record brings, and those that its file has
//! defined so far.
//!
//! Invariants: a record names no set that the file has not defined before it or in it; definitions are
//! numbered without gaps, unless damaged records are left out.

use arrow::array::{Array, ArrayBuilder, StringArray, StringBuilder};
use hashbrown::HashMap;
use pulsora_model::series::{SeriesKeyBuf, SeriesTags};
use pulsora_model::{ColumnId, Error, Result, SeriesRegistry, TableId};

use super::record::{LoggedRows, LoggedSeries, Record, Section};
use crate::engine::Recover;

/// The registry has not been asked for the set.
const UNKNOWN: u32 = u32::MAX;

/// Tag sets by their canonical keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TagSets {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl TagSets {
    /// `sets` sets from one column per tag (ascending by id).
    ///
    /// # Errors
    /// `corrupt` for a column id that no table can have.
    pub fn of_columns(sets: usize, columns: &[(ColumnId, StringArray)]) -> Result<TagSets> {
        if columns.iter().any(|(id, _)| id.0 > u32::from(u16::MAX)) {
            return Err(Error::corrupt("log record: the id of a tag is too large"));
        }
        let (mut out, mut key) = (TagSets::default(), SeriesKeyBuf::default());
        for set in 0..sets {
            key.clear();
            for (id, values) in columns.iter().filter(|(_, values)| values.is_valid(set)) {
                key.push(*id, values.value(set));
            }
            out.push(key.as_bytes());
        }
        Ok(out)
    }

    /// Number of sets.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    /// The key of a set.
    pub fn key(&self, set: usize) -> &[u8] {
        let start = if set == 0 { 0 } else { self.ends[set - 1] };
        &self.bytes[start..self.ends[set]]
    }
}

/// One column per tag that any of these series has, ascending, null where a series lacks it.
pub(super) fn tag_columns(
    registry: &SeriesRegistry,
    numbers: &[u32],
) -> Vec<(ColumnId, StringArray)> {
    let reader = registry.read();
    let mut columns: Vec<(ColumnId, StringBuilder)> = Vec::new();
    for (set, number) in numbers.iter().enumerate() {
        let mut at = 0;
        for (id, value) in SeriesTags::of(reader.key(*number)) {
            at += columns[at..].partition_point(|(column, _)| *column < id);
            if columns.get(at).is_none_or(|(column, _)| *column != id) {
                columns.insert(at, (id, StringBuilder::new()));
            }
            let values = &mut columns[at].1;
            fill(values, set);
            values.append_value(value);
        }
    }
    let end = |(id, mut values): (ColumnId, StringBuilder)| {
        fill(&mut values, numbers.len());
        (id, values.finish())
    };
    columns.into_iter().map(end).collect()
}

fn fill(values: &mut StringBuilder, len: usize) {
    let present = ArrayBuilder::len(values);
    (present..len).for_each(|_| values.append_null());
}

/// What the records of one log file have defined so far.
pub(crate) struct FileSets {
    tables: HashMap<TableId, Defined, foldhash::fast::RandomState>,
    recover: Recover,
}

#[derive(Default)]
struct Defined {
    /// Runs of numbers without a gap: the first number, and the place of its set. One, unless records
    /// were left out.
    runs: Vec<(u32, usize)>,
    sets: TagSets,
    /// By place, the number in the registry.
    numbers: Vec<u32>,
}

impl Defined {
    /// The next number.
    fn next(&self) -> u64 {
        let last = self.runs.last();
        last.map_or(0, |(first, place)| u64::from(*first) + (self.sets.len() - place) as u64)
    }

    /// The place of a set by its number in the file.
    fn place(&self, number: u32) -> Option<usize> {
        let run = self.runs.partition_point(|(first, _)| *first <= number).checked_sub(1)?;
        let (first, start) = self.runs[run];
        let end = self.runs.get(run + 1).map_or(self.sets.len(), |next| next.1);
        Some(start + (number - first) as usize).filter(|place| *place < end)
    }

    /// Whether all of these are defined.
    fn has_all(&self, numbers: &[u32]) -> bool {
        match (&self.runs[..], numbers.iter().max()) {
            (_, None) => true,
            ([(0, 0)], Some(highest)) => (*highest as usize) < self.sets.len(),
            _ => numbers.iter().all(|number| self.place(*number).is_some()),
        }
    }
}

impl FileSets {
    /// None yet.
    pub fn new(recover: Recover) -> FileSets {
        FileSets { tables: HashMap::default(), recover }
    }

    /// Adds what a record defines, and checks what it names.
    ///
    /// # Errors
    /// `corrupt` when it names a set that the file does not define, or defines one again.
    pub fn take(&mut self, record: &mut Record) -> Result<()> {
        for section in &mut record.sections {
            if let Section::Rows(LoggedRows { table, codes, series, .. }) = section
                && let LoggedSeries::OfFile { first, new } = series
            {
                let defined = self.tables.entry(*table).or_default();
                define(defined, *first, std::mem::take(new), self.recover)?;
                if !defined.has_all(codes) {
                    return Err(Error::corrupt(
                        "log record: a row names a tag set that is not there",
                    ));
                }
            }
        }
        Ok(())
    }

    /// The numbers in `registry` of sets by their numbers in the file.
    ///
    /// # Errors
    /// `corrupt` for a number that is not defined; [`FileSets::take`] has looked for those.
    pub fn numbers(
        &mut self,
        table: TableId,
        codes: &[u32],
        registry: &SeriesRegistry,
    ) -> Result<Vec<u32>> {
        let defined = self.tables.entry(table).or_default();
        let number = |code: &u32| {
            let place = defined.place(*code);
            let place = place.ok_or_else(|| Error::corrupt("log record: an undefined tag set"))?;
            let number = &mut defined.numbers[place];
            if *number == UNKNOWN {
                *number = registry.number_of_accepted(defined.sets.key(place))?;
            }
            Ok(*number)
        };
        codes.iter().map(number).collect()
    }
}

fn define(defined: &mut Defined, first: u32, new: TagSets, recover: Recover) -> Result<()> {
    if new.len() == 0 {
        return Ok(());
    }
    let next = defined.next();
    let lacks = u64::from(first) > next && recover == Recover::Strict;
    if u64::from(first) < next || lacks || u64::from(first) + new.len() as u64 > u64::from(u32::MAX)
    {
        return Err(Error::corrupt(format!(
            "log record: it defines tag set {first}, the next one of its file is {next}"
        )));
    }
    if defined.runs.is_empty() || u64::from(first) > next {
        defined.runs.push((first, defined.sets.len()));
    }
    for set in 0..new.len() {
        defined.sets.push(new.key(set));
    }
    defined.numbers.resize(defined.sets.len(), UNKNOWN);
    Ok(())
}
