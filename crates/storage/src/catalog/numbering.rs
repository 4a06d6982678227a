//! The series of an arriving batch as numbers of the table's registry.
//!
//! A batch that was parsed with this registry is in its numbers already. Other batches list their tag
//! sets, or are in numbers of a registry that has been given up since.

use std::sync::Arc;

use arrow::array::{Array, StringArray};
use arrow::buffer::ScalarBuffer;
use hashbrown::HashMap;
use pulsora_model::batch::{SeriesColumn, SeriesKeys};
use pulsora_model::series::SeriesKeyBuf;
use pulsora_model::{ColumnId, Error, Result, SeriesRegistry};

type FastHash = foldhash::fast::RandomState;

/// The numbers of the rows' series in `registry`; `tags` are the columns of the batch's own sets.
///
/// # Errors
/// `limit_exceeded` past the limit of series; `internal` for a code that means nothing.
pub(super) fn series_numbers(
    series: &SeriesColumn,
    tags: Vec<(ColumnId, &StringArray)>,
    registry: &Arc<SeriesRegistry>,
) -> Result<ScalarBuffer<u32>> {
    let codes = &series.codes;
    match &series.keys {
        SeriesKeys::Known(known) => {
            let highest = codes.iter().copied().max();
            if highest.is_some_and(|highest| highest as usize >= known.len()) {
                return Err(stray_code());
            }
            if Arc::ptr_eq(known, registry) {
                Ok(codes.clone())
            } else {
                moved(codes, known, registry)
            }
        }
        SeriesKeys::Sets { sets, .. } => {
            let numbers = numbers_of_sets(*sets, tags, registry)?;
            let number = |code: &u32| numbers.get(*code as usize).copied();
            let numbers: Option<Vec<u32>> = codes.iter().map(number).collect();
            numbers.map(ScalarBuffer::from).ok_or_else(stray_code)
        }
    }
}

fn stray_code() -> Error {
    Error::internal("a row of a batch has a series that the batch does not have")
}

/// Numbers of one registry as those of another one of the same table.
fn moved(
    codes: &[u32],
    from: &Arc<SeriesRegistry>,
    to: &SeriesRegistry,
) -> Result<ScalarBuffer<u32>> {
    let view = from.view();
    let mut numbers: HashMap<u32, u32, FastHash> = HashMap::default();
    let mut translated = Vec::with_capacity(codes.len());
    for code in codes {
        let number = match numbers.get(code) {
            Some(number) => *number,
            None => {
                let number = to.number_of_key(view.key(*code))?;
                numbers.insert(*code, number);
                number
            }
        };
        translated.push(number);
    }
    Ok(translated.into())
}

fn numbers_of_sets(
    sets: usize,
    mut tags: Vec<(ColumnId, &StringArray)>,
    registry: &SeriesRegistry,
) -> Result<Vec<u32>> {
    tags.sort_by_key(|(id, _)| *id);
    let mut key = SeriesKeyBuf::default();
    let fill = |key: &mut SeriesKeyBuf, set: usize| {
        key.clear();
        for (id, values) in tags.iter().filter(|(_, values)| values.is_valid(set)) {
            key.push(*id, values.value(set));
        }
    };
    let reader = registry.read();
    let mut find = |set| {
        fill(&mut key, set);
        reader.by_key(key.as_bytes())
    };
    let found: Vec<Option<u32>> = (0..sets).map(&mut find).collect();
    drop(reader);
    let add = |(set, number): (usize, Option<u32>)| match number {
        Some(number) => Ok(number),
        None => {
            fill(&mut key, set);
            registry.number_of_key(key.as_bytes())
        }
    };
    found.into_iter().enumerate().map(add).collect()
}
