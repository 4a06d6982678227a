//! The stored sums of hours of one hot segment, as the aggregates of a fold want them.
//!
//! First and last values are stored without their times; these are those of the first and last row of
//! the hour, if every row of it has a value. Else the hour is not used.

use std::ops::Range;
use std::sync::Arc;

use pulsora_codec::VECTOR_VALUES;
use pulsora_model::{ColumnKind, ColumnType, Result};

use super::shape::{Folded, Shape, Wants};
use super::states::States;
use super::summary::{Scalar, Summary};
use crate::segment::{HotColumn, HotSegment, HourEntry, HourPart, HourTotals};

/// An hour that is used: its number, the cell, its rows.
pub(super) type UsedHour = (usize, usize, Range<u32>);

/// What is read of the hours of a segment.
pub(super) struct HourSums {
    columns: Vec<ColumnSums>,
    /// Whether the times of first and last values are needed.
    ends: bool,
}

/// Of one folded column.
struct ColumnSums {
    wants: Wants,
    counts: Counts,
    values: Values,
}

enum Counts {
    /// The segment lacks the column.
    None,
    /// Every row has a value.
    Rows,
    Stored(Arc<Vec<i64>>),
}

/// Arrays by hour; those that are not wanted are absent.
struct Parts<T, S> {
    min: Option<Arc<Vec<T>>>,
    max: Option<Arc<Vec<T>>>,
    first: Option<Arc<Vec<T>>>,
    last: Option<Arc<Vec<T>>>,
    sum: Option<S>,
}

enum Values {
    None,
    Integers(Parts<i64, HourTotals>),
    Floats(Parts<f64, Arc<Vec<f64>>>),
}

impl HourSums {
    /// Reads what `shape` wants; `None` if the segment does not have it.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn new(hot: &HotSegment, shape: &Shape) -> Result<Option<HourSums>> {
        if !shape.folded.iter().all(|folded| is_stored(hot, folded)) {
            return Ok(None);
        }
        let columns = shape.folded.iter().map(|folded| ColumnSums::new(hot, folded));
        Ok(Some(HourSums {
            columns: columns.collect::<Result<_>>()?,
            ends: shape.folded.iter().any(|folded| folded.wants.times()),
        }))
    }

    /// Whether all that is wanted of an hour is known.
    pub fn is_exact(&self, index: usize, entry: &HourEntry) -> bool {
        !self.ends
            || self.columns.iter().all(|column| match &column.counts {
                Counts::Stored(counts) if column.wants.times() => {
                    counts[index] == entry.rows.len() as i64 || counts[index] == 0
                }
                _ => true,
            })
    }

    /// Adds hours to the cells of each column.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn put(&self, hot: &HotSegment, states: &mut [States], used: &[UsedHour]) -> Result<()> {
        let ends = if self.ends { times_of_ends(hot, used)? } else { Vec::new() };
        for (column, states) in self.columns.iter().zip(states) {
            let count = |index: usize, rows: &Range<u32>| match &column.counts {
                Counts::None => 0,
                Counts::Rows => rows.len() as u64,
                Counts::Stored(counts) => counts[index] as u64,
            };
            match (&column.values, states) {
                (Values::Integers(parts), States::I64(typed)) => {
                    for (at, (index, cell, rows)) in used.iter().enumerate() {
                        let sum = parts.sum.as_ref().map_or(0, |sums| sums.get(*index));
                        let summary = parts.summary(*index, sum, ends.get(at), |value| value);
                        typed.put(*cell, &Summary { count: count(*index, rows), ..summary });
                    }
                }
                (Values::Integers(parts), States::U64(typed)) => {
                    for (at, (index, cell, rows)) in used.iter().enumerate() {
                        let sum = parts.sum.as_ref().map_or(0, |sums| sums.get(*index));
                        let summary =
                            parts.summary(*index, sum, ends.get(at), |value| value as u64);
                        typed.put(*cell, &Summary { count: count(*index, rows), ..summary });
                    }
                }
                (Values::Floats(parts), States::F64(typed)) => {
                    for (at, (index, cell, rows)) in used.iter().enumerate() {
                        let sum = parts.sum.as_ref().map_or(0.0, |sums| sums[*index]);
                        let summary = parts.summary(*index, sum, ends.get(at), |value| value);
                        typed.put(*cell, &Summary { count: count(*index, rows), ..summary });
                    }
                }
                (_, states) => {
                    for (index, cell, rows) in used {
                        states.add_count(*cell, count(*index, rows));
                    }
                }
            }
        }
        Ok(())
    }
}

impl<T: Copy, S> Parts<T, S> {
    /// What an hour comes to, but for its count. `ends` are the times of its first and last row.
    fn summary<V>(
        &self,
        index: usize,
        sum: V::Sum,
        ends: Option<&(i64, i64)>,
        value: impl Fn(T) -> V,
    ) -> Summary<'static, V>
    where
        V: for<'a> Scalar<Ref<'a> = V> + Copy,
    {
        let of = |array: &Option<Arc<Vec<T>>>| array.as_ref().map(|array| value(array[index]));
        let mut summary = Summary::counted(0);
        summary.sum = sum;
        summary.min = of(&self.min);
        summary.max = of(&self.max);
        summary.first = of(&self.first).zip(ends).map(|(value, ends)| (ends.0, value));
        summary.last = of(&self.last).zip(ends).map(|(value, ends)| (ends.1, value));
        summary
    }
}

/// Whether the hours of a segment have all that is wanted of a column.
fn is_stored(hot: &HotSegment, folded: &Folded) -> bool {
    let Some(column) = hot.column(folded.column.id) else { return true };
    let Wants { sum, min, max, first, last } = folded.wants;
    if column.kind != ColumnKind::Field {
        return !folded.wants.values();
    }
    let parts = [
        (sum, HourPart::Sum),
        (min, HourPart::Min),
        (max, HourPart::Max),
        (first, HourPart::First),
        (last, HourPart::Last),
    ];
    !folded.wants.values()
        || (column.ty == folded.ty
            && parts
                .into_iter()
                .all(|(wanted, part)| !wanted || HotSegment::hours_have(column.ty, part)))
}

impl ColumnSums {
    fn new(hot: &HotSegment, folded: &Folded) -> Result<ColumnSums> {
        let wants = folded.wants;
        let Some(column) = hot.column(folded.column.id) else {
            return Ok(ColumnSums { wants, counts: Counts::None, values: Values::None });
        };
        if column.kind != ColumnKind::Field {
            return Ok(ColumnSums { wants, counts: Counts::Rows, values: Values::None });
        }
        let values = match column.ty {
            _ if !wants.values() => Values::None,
            ColumnType::F64 => {
                let read = |part| hot.hour_floats(column, part);
                let sum = wants.sum.then(|| read(HourPart::Sum)).transpose()?;
                Values::Floats(parts(wants, sum, read)?)
            }
            _ => {
                let sum = wants.sum.then(|| hot.hour_sums(column)).transpose()?;
                Values::Integers(parts(wants, sum, |part| hot.hour_integers(column, part))?)
            }
        };
        let counts = match has_nulls(hot, column) {
            true => Counts::Stored(hot.hour_counts(column)?),
            false => Counts::Rows,
        };
        Ok(ColumnSums { wants, counts, values })
    }
}

/// Whether any row lacks a value.
pub(super) fn has_nulls(hot: &HotSegment, column: &HotColumn) -> bool {
    (0..hot.blocks()).any(|block| hot.statistics(column, block).nulls > 0)
}

fn parts<T, S>(
    wants: Wants,
    sum: Option<S>,
    read: impl Fn(HourPart) -> Result<Arc<Vec<T>>>,
) -> Result<Parts<T, S>> {
    let part = |wanted: bool, part| wanted.then(|| read(part)).transpose();
    Ok(Parts {
        min: part(wants.min, HourPart::Min)?,
        max: part(wants.max, HourPart::Max)?,
        first: part(wants.first, HourPart::First)?,
        last: part(wants.last, HourPart::Last)?,
        sum,
    })
}

/// Times of the first and last row of each hour.
fn times_of_ends(hot: &HotSegment, used: &[UsedHour]) -> Result<Vec<(i64, i64)>> {
    let mut decoded: (usize, Vec<i64>) = (usize::MAX, Vec::new());
    let mut time = |row: u32| -> Result<i64> {
        let vector = row as usize / VECTOR_VALUES;
        if decoded.0 != vector {
            decoded.1.clear();
            hot.times(vector, &mut decoded.1)?;
            decoded.0 = vector;
        }
        Ok(decoded.1[row as usize % VECTOR_VALUES])
    };
    used.iter().map(|(_, _, rows)| Ok((time(rows.start)?, time(rows.end - 1)?))).collect()
}
