//! The rows of one series as points or as Arrow batches.
//!
//! Invariants: points come in the order of their times; a row without a value in the field is no
//! point; nothing is read before the first point or batch is asked for; nothing follows an error.

use std::pin::Pin;

use arrow::array::{Array, AsArray, Float64Array, RecordBatch, TimestampNanosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, SchemaRef, TimestampNanosecondType};
use futures::{Stream, StreamExt};
use pulsora_model::{Code, ColumnKind, Error, Result, Timestamp};
use pulsora_query::BatchStream;
use pulsora_storage::{ScanPlan, ScanStream};

/// One value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub time: Timestamp,
    /// What; integers and booleans (0, 1) as floats.
    pub value: f64,
}

/// Whole rows of one series as Arrow batches of some thousand rows, in the order of their times.
/// Blocks on the disk.
pub struct Batches {
    schema: SchemaRef,
    streams: std::iter::Flatten<std::vec::IntoIter<ScanStream>>,
}

impl Batches {
    pub(crate) fn new(plan: ScanPlan) -> Batches {
        Batches { schema: plan.schema, streams: plan.streams.into_iter().flatten() }
    }

    /// Schema of every batch: the columns of the table, time as `Timestamp(ns, UTC)`.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        self.streams.next()
    }
}

/// The points of a series, in the order of their times. Blocks on the disk.
pub struct Points {
    streams: std::vec::IntoIter<ScanStream>,
    stream: Option<ScanStream>,
    open: Columns,
    next: usize,
}

impl Points {
    pub(crate) fn new(streams: Vec<ScanStream>) -> Points {
        Points { streams: streams.into_iter(), stream: None, open: Columns::default(), next: 0 }
    }

    /// The next batch; `None` at the end.
    fn next_batch(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            if let Some(batch) = self.stream.as_mut().and_then(Iterator::next) {
                return Some(batch);
            }
            self.stream = Some(self.streams.next()?);
        }
    }

    fn end(&mut self, error: Error) -> Option<Result<Point>> {
        self.stream = None;
        self.streams = Vec::new().into_iter();
        self.open = Columns::default();
        Some(Err(error))
    }
}

impl Iterator for Points {
    type Item = Result<Point>;

    fn next(&mut self) -> Option<Result<Point>> {
        loop {
            while self.next < self.open.len() {
                self.next += 1;
                if let Some(point) = self.open.point(self.next - 1) {
                    return Some(Ok(point));
                }
            }
            let columns = match self.next_batch()? {
                Ok(batch) => Columns::of(&batch),
                Err(error) => Err(error),
            };
            match columns {
                Ok(columns) => (self.open, self.next) = (columns, 0),
                Err(error) => return self.end(error),
            }
        }
    }
}

/// Points as a stream for async code, made on the threads of the query pool.
pub type PointStream = Pin<Box<dyn Stream<Item = Result<Point>> + Send>>;

/// The points of batches.
pub(crate) fn point_stream(batches: BatchStream) -> PointStream {
    let points = |batch: Result<RecordBatch>| {
        let points = match batch.and_then(|batch| Columns::of(&batch)) {
            Ok(columns) => {
                (0..columns.len()).filter_map(|row| columns.point(row)).map(Ok).collect()
            }
            Err(error) => vec![Err(error)],
        };
        futures::stream::iter(points)
    };
    Box::pin(batches.flat_map(points))
}

/// Times and values of a batch.
#[derive(Default)]
struct Columns(Option<(TimestampNanosecondArray, Float64Array)>);

impl Columns {
    /// Of a batch with a time column and one field.
    fn of(batch: &RecordBatch) -> Result<Columns> {
        let [time, values] = batch.columns() else {
            return Err(Error::internal("a scan for points gave other columns"));
        };
        let times = time
            .as_primitive_opt::<TimestampNanosecondType>()
            .ok_or_else(|| Error::internal("a scan for points gave no times"))?
            .clone();
        let values = match values.data_type() {
            DataType::Float64 => values.as_primitive::<Float64Type>().clone(),
            _ => cast(values, &DataType::Float64)?.as_primitive::<Float64Type>().clone(),
        };
        Ok(Columns(Some((times, values))))
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |(times, _)| times.len())
    }

    fn point(&self, row: usize) -> Option<Point> {
        let (times, values) = self.0.as_ref()?;
        let time = Timestamp::from_ns(times.value(row));
        values.is_valid(row).then(|| Point { time, value: values.value(row) })
    }
}

/// # Errors
/// `type_conflict` when a column cannot be read as points: it is text, a time, a tag or no field.
pub(crate) fn check_points(column: &pulsora_model::Column) -> Result<()> {
    use pulsora_model::ColumnType::{Bool, F64, I64, U64, Untyped};
    if column.kind == ColumnKind::Field && matches!(column.ty, Bool | F64 | I64 | U64 | Untyped) {
        return Ok(());
    }
    let message = format!("column {:?} holds no numbers, so it has no points", &*column.name);
    Err(Error::new(Code::TypeConflict, message).hint("take the batches, or use SQL"))
}
