//! Brings the parts of a fold together and makes the rows of the result.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, NullArray, RecordBatch,
    RecordBatchOptions, StringArray, TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::UInt32Type;
use foldhash::fast::FixedState;
use pulsora_model::types::UTC;
use pulsora_model::{Code, ColumnType, Error, Result};

use super::cells::Group;
use super::part::FoldPart;
use super::shape::{Folded, Output, Shape};
use super::states::{States, Typed};
use super::summary::Scalar;

/// Rows of a batch of the result.
const RESULT_ROWS: usize = 8_192;

/// A row of the result.
struct ResultRow {
    bucket: i64,
    group: u32,
    cell: usize,
}

/// A tag of the result.
struct ResultTag {
    values: ArrayRef,
    /// By group.
    codes: Vec<Option<u32>>,
}

impl FoldPart {
    /// Adds all that another part has folded.
    ///
    /// # Errors
    /// `memory_limit`.
    pub(super) fn merge(&mut self, other: FoldPart) -> Result<()> {
        let groups = other.groups.list().iter().map(|group| {
            let key: Vec<Option<&str>> = group.iter().map(Option::as_deref).collect();
            self.groups.number(&key)
        });
        let groups: Vec<u32> = groups.collect();
        let mut pairs = Vec::new();
        for (cell, (group, bucket)) in other.cells.all().enumerate() {
            if other.rows[cell] > 0 {
                let here = self.cell(groups[group as usize], bucket);
                self.rows[here] += other.rows[cell];
                pairs.push((cell, here));
            }
        }
        for (mine, theirs) in self.states.iter_mut().zip(&other.states) {
            mine.merge(theirs, &pairs);
        }
        for (mine, theirs) in self.first.iter_mut().zip(&other.first) {
            mine.merge(theirs, &pairs);
        }
        for (mine, theirs) in self.last.iter_mut().zip(&other.last) {
            mine.merge(theirs, &pairs);
        }
        drop(other);
        self.settle()
    }

    /// The rows of the result, sorted by bucket and group; at most the newest `buckets` buckets.
    ///
    /// # Errors
    /// `sql_invalid` for an integer sum outside its type or a bucket outside of time.
    pub(super) fn result(&mut self, buckets: Option<usize>) -> Result<Vec<RecordBatch>> {
        if self.shape.by.is_empty() && self.shape.bucket.is_none() {
            return Ok(vec![self.one_row()?]);
        }
        let mut rows = self.sorted_rows();
        if let Some(buckets) = buckets {
            rows.drain(..rows.len().saturating_sub(buckets));
        }
        let tags = self.tags();
        rows.chunks(RESULT_ROWS).map(|rows| self.batch(rows, &tags)).collect()
    }

    /// The cells that have rows, by bucket and group.
    fn sorted_rows(&self) -> Vec<ResultRow> {
        let ranks = ranks(self.groups.list());
        let cells = self.cells.all().enumerate().filter(|(cell, _)| self.rows[*cell] > 0);
        let mut rows: Vec<(u32, ResultRow)> = cells
            .map(|(cell, (group, bucket))| {
                (ranks[group as usize], ResultRow { bucket, group, cell })
            })
            .collect();
        // Pages come in the order of their first rows: mostly sorted by group already.
        rows.sort_by_key(|(rank, row)| (row.bucket, *rank));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// The tags of all groups: values, and by group the number of one.
    fn tags(&self) -> Vec<ResultTag> {
        let groups = self.groups.list();
        let of = |tag: usize| {
            let mut numbers: HashMap<&str, u32, FixedState> = HashMap::default();
            let mut values: Vec<&str> = Vec::new();
            let codes = groups.iter().map(|group| {
                let value = group[tag].as_deref()?;
                Some(*numbers.entry(value).or_insert_with(|| {
                    values.push(value);
                    values.len() as u32 - 1
                }))
            });
            let codes = codes.collect();
            ResultTag { values: Arc::new(StringArray::from(values)), codes }
        };
        (0..self.shape.by.len()).map(of).collect()
    }

    fn one_row(&mut self) -> Result<RecordBatch> {
        let group = self.groups.number(&[]);
        let cell = self.cell(group, 0);
        self.batch(&[ResultRow { bucket: 0, group, cell }], &[])
    }

    fn batch(&self, rows: &[ResultRow], tags: &[ResultTag]) -> Result<RecordBatch> {
        let shape = &*self.shape;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(shape.schema.fields().len());
        for tag in tags {
            let keys: UInt32Array = rows.iter().map(|row| tag.codes[row.group as usize]).collect();
            let values = Arc::clone(&tag.values);
            columns.push(Arc::new(DictionaryArray::<UInt32Type>::new(keys, values)));
        }
        if let Some(bucket) = shape.bucket {
            let starts = rows.iter().map(|row| bucket.start_ns(row.bucket));
            let starts = starts.collect::<Result<Vec<_>>>()?;
            columns.push(Arc::new(TimestampNanosecondArray::from(starts).with_timezone(UTC)));
        }
        let cells: Vec<usize> = rows.iter().map(|row| row.cell).collect();
        let picked = |picks: &Option<super::picks::Picks>| match picks {
            Some(picks) if cells.iter().all(|cell| self.rows[*cell] > 0) => {
                picks.columns(&cells).map(Some)
            }
            _ => Ok(None),
        };
        let (first, last) = (picked(&self.first)?, picked(&self.last)?);
        for output in &shape.outputs {
            let pick = |from: &Option<Vec<ArrayRef>>, at: usize| match from {
                Some(columns) => Arc::clone(&columns[at]),
                None => arrow::array::new_null_array(&shape.picked[at].arrow_type(), cells.len()),
            };
            columns.push(match output {
                Output::FirstRow(at) => pick(&first, *at),
                Output::LastRow(at) => pick(&last, *at),
                output => self.column(shape, *output, &cells)?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let schema = Arc::clone(&shape.schema);
        RecordBatch::try_new_with_options(schema, columns, &options).map_err(Error::from)
    }

    fn column(&self, shape: &Shape, output: Output, cells: &[usize]) -> Result<ArrayRef> {
        let ints = |count: &dyn Fn(usize) -> u64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(cells.iter().map(|cell| count(*cell) as i64)))
        };
        let (at, output) = match output {
            Output::Rows => return Ok(ints(&|cell| self.rows[cell])),
            Output::Count(at)
            | Output::Sum(at)
            | Output::Mean(at)
            | Output::Min(at)
            | Output::Max(at)
            | Output::First(at)
            | Output::Last(at)
            | Output::FirstRow(at)
            | Output::LastRow(at) => (at, output),
        };
        let folded = &shape.folded[at];
        Ok(match &self.states[at] {
            States::Untyped => match output {
                Output::Count(_) => ints(&|_| 0),
                Output::Mean(_) => Arc::new(Float64Array::new_null(cells.len())),
                _ => Arc::new(NullArray::new(cells.len())),
            },
            States::I64(typed) => match output {
                Output::Count(_) => ints(&|cell| typed.count[cell]),
                Output::Mean(_) => mean(typed, cells, float),
                Output::Sum(_) => {
                    sums(typed, cells, folded, |values| Arc::new(Int64Array::from(values)))?
                }
                output => i64s(values(typed, output, cells), folded.ty),
            },
            States::U64(typed) => match output {
                Output::Count(_) => ints(&|cell| typed.count[cell]),
                Output::Mean(_) => mean(typed, cells, float),
                Output::Sum(_) => {
                    sums(typed, cells, folded, |values| Arc::new(UInt64Array::from(values)))?
                }
                output => Arc::new(UInt64Array::from(values(typed, output, cells))),
            },
            States::F64(typed) => match output {
                Output::Count(_) => ints(&|cell| typed.count[cell]),
                Output::Mean(_) => mean(typed, cells, |sum| sum),
                Output::Sum(_) => {
                    let sum = |cell: &usize| (typed.count[*cell] > 0).then(|| typed.sum[*cell]);
                    Arc::new(cells.iter().map(sum).collect::<Float64Array>())
                }
                output => Arc::new(Float64Array::from(values(typed, output, cells))),
            },
            States::Bool(typed) => match output {
                Output::Count(_) => ints(&|cell| typed.count[cell]),
                output => Arc::new(BooleanArray::from(values(typed, output, cells))),
            },
            States::Text(typed) => match output {
                Output::Count(_) => ints(&|cell| typed.count[cell]),
                output => texts(values(typed, output, cells), folded),
            },
        })
    }
}

/// The place of each group in the order of the result: values by bytes, absent last.
fn ranks(groups: &[Group]) -> Vec<u32> {
    let mut sorted: Vec<u32> = (0..groups.len() as u32).collect();
    let compare = |a: &Group, b: &Group| {
        let tags = a.iter().zip(b.iter()).map(|(a, b)| match (a, b) {
            (Some(a), Some(b)) => a.as_bytes().cmp(b.as_bytes()),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        tags.fold(Ordering::Equal, Ordering::then)
    };
    sorted.sort_unstable_by(|a, b| compare(&groups[*a as usize], &groups[*b as usize]));
    let mut ranks = vec![0; groups.len()];
    for (rank, group) in (0..).zip(sorted) {
        ranks[group as usize] = rank;
    }
    ranks
}

fn values<'a, T: Scalar>(
    typed: &'a Typed<T>,
    output: Output,
    cells: &'a [usize],
) -> Vec<Option<T>> {
    let value = |cell: usize| {
        Some(match output {
            Output::Min(_) => typed.min.get(cell)?.clone(),
            Output::Max(_) => typed.max.get(cell)?.clone(),
            Output::First(_) => typed.first.get(cell)?.1.clone(),
            _ => typed.last.get(cell)?.1.clone(),
        })
    };
    cells.iter().map(|cell| value(*cell).filter(|_| typed.count[*cell] > 0)).collect()
}

fn i64s(values: Vec<Option<i64>>, ty: ColumnType) -> ArrayRef {
    match ty {
        ColumnType::Timestamp => {
            Arc::new(TimestampNanosecondArray::from(values).with_timezone(UTC))
        }
        _ => Arc::new(Int64Array::from(values)),
    }
}

fn texts(values: Vec<Option<Box<str>>>, folded: &Folded) -> ArrayRef {
    let values = values.iter().map(Option::as_deref);
    match folded.column.kind {
        pulsora_model::ColumnKind::Tag => Arc::new(values.collect::<DictionaryArray<UInt32Type>>()),
        _ => Arc::new(values.collect::<StringArray>()),
    }
}

fn mean<T: Scalar>(typed: &Typed<T>, cells: &[usize], float: impl Fn(T::Sum) -> f64) -> ArrayRef {
    let mean = |cell: &usize| {
        let count = typed.count[*cell];
        (count > 0).then(|| float(typed.sum[*cell]) / count as f64)
    };
    Arc::new(cells.iter().map(mean).collect::<Float64Array>())
}

/// Most sums fit 64 bits, of which the conversion is one instruction.
fn float(sum: i128) -> f64 {
    i64::try_from(sum).map_or(sum as f64, |sum| sum as f64)
}

fn sums<T: Scalar<Sum = i128> + TryFrom<i128>>(
    typed: &Typed<T>,
    cells: &[usize],
    folded: &Folded,
    array: impl FnOnce(Vec<Option<T>>) -> ArrayRef,
) -> Result<ArrayRef> {
    let sum = |cell: &usize| {
        if typed.count[*cell] == 0 {
            return Ok(None);
        }
        T::try_from(typed.sum[*cell]).map(Some).map_err(|_| {
            let message = format!(
                "the sum of column {:?} is {}, outside the range of 64-bit integers",
                folded.column.name, typed.sum[*cell]
            );
            Error::new(Code::SqlInvalid, message).hint("cast the column to a float first")
        })
    };
    Ok(array(cells.iter().map(sum).collect::<Result<Vec<_>>>()?))
}
