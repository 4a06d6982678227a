//! Aggregates of fields in buckets of time and groups of tags.
//!
//! Invariants: buckets are aligned to 1970-01-01 UTC; nulls are not counted; sums of integers are
//! exact; there are never more groups than the answer may have points.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::{Code, ColumnKind, Error, Result, TableSchema};
use serde_json::{Map, Number, Value};

use super::columns::{Cell, Values};
use super::points::{point, push};
use super::request::{MetricQuery, ms, tag};
use crate::config::parse_duration;

/// What is made of the values of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Avg,
    Sum,
    Min,
    Max,
    Count,
    First,
    Last,
}

/// An aggregation as it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Aggregation {
    function: Function,
    /// Width of buckets; `None` = one bucket at `start_ns`.
    step_ns: Option<i64>,
    start_ns: i64,
    /// Names of the tags to group by.
    group_by: Vec<String>,
}

/// Bucket start and the values of the tags.
type Key = (i64, Vec<Option<String>>);

impl Aggregation {
    /// Reads `aggregate`, `step` and `group_by`; `None` when no aggregate is asked for.
    ///
    /// # Errors
    /// `invalid_request`, `column_not_found`.
    pub fn read(body: &Value, schema: &TableSchema, start_ns: i64) -> Result<Option<Aggregation>> {
        let function = match &body["aggregate"] {
            Value::Null if body["step"].is_null() && body["group_by"].is_null() => return Ok(None),
            Value::String(name) => Function::parse(name)?,
            _ => return Err(invalid("step and group_by need an aggregate", FUNCTIONS)),
        };
        let step_ns = match &body["step"] {
            Value::Null => None,
            Value::String(text) => Some(step(text)?),
            _ => return Err(invalid("step is not a text such as \"1m\"", STEP)),
        };
        let group_by = match &body["group_by"] {
            Value::Null => Vec::new(),
            Value::Array(names) => {
                names.iter().map(|name| group(name, schema)).collect::<Result<_>>()?
            }
            one => vec![group(one, schema)?],
        };
        Ok(Some(Aggregation { function, step_ns, start_ns, group_by }))
    }

    /// The aggregates as points in JSON, by bucket and group, and their number.
    ///
    /// # Errors
    /// `limit_exceeded` for too many groups; those of the batches.
    pub fn run(
        &self,
        query: &MetricQuery,
        columns: &SchemaRef,
        batches: impl Iterator<Item = Result<RecordBatch>>,
    ) -> Result<(Vec<u8>, u64)> {
        let roles = Roles::new(self, &query.schema, columns)?;
        let mut groups: BTreeMap<Key, Vec<Accumulator>> = BTreeMap::new();
        for batch in batches {
            let batch = batch?;
            let values = Values::all(&batch)?;
            for row in 0..batch.num_rows() {
                let time = values[roles.time].time(row)?;
                let key = (self.bucket(time), roles.group(&values, row));
                let group = groups
                    .entry(key)
                    .or_insert_with(|| vec![Accumulator::default(); roles.fields.len()]);
                for (accumulator, (_, at)) in group.iter_mut().zip(&roles.fields) {
                    accumulator.add(self.function, time, &values[*at].cell(row));
                }
            }
            if groups.len() > query.limit {
                return Err(too_many(query.limit));
            }
        }
        self.write(query, &roles, groups)
    }

    fn write(
        &self,
        query: &MetricQuery,
        roles: &Roles,
        groups: BTreeMap<Key, Vec<Accumulator>>,
    ) -> Result<(Vec<u8>, u64)> {
        let (mut out, mut count) = (Vec::new(), 0);
        for ((bucket, group), accumulators) in groups {
            let fields: Map<String, Value> = roles
                .fields
                .iter()
                .zip(accumulators)
                .filter_map(|((name, _), accumulator)| {
                    Some((name.clone(), accumulator.finish(self.function)?))
                })
                .collect();
            if fields.is_empty() {
                continue;
            }
            let tags = self.group_by.iter().cloned().zip(group);
            let tags =
                tags.filter_map(|(name, value)| Some((name, Value::String(value?)))).collect();
            push(&mut out, count, &point(&query.schema.name, ms(bucket), fields, tags))?;
            count += 1;
        }
        Ok((out, count))
    }

    fn bucket(&self, time_ns: i64) -> i64 {
        match self.step_ns {
            Some(step) => time_ns.div_euclid(step).saturating_mul(step),
            None => self.start_ns,
        }
    }
}

/// Which column of the scan is what.
struct Roles {
    time: usize,
    /// One position per name of `group_by`.
    groups: Vec<usize>,
    /// Names and positions.
    fields: Vec<(String, usize)>,
}

impl Roles {
    fn new(aggregation: &Aggregation, schema: &TableSchema, columns: &SchemaRef) -> Result<Roles> {
        let position = |name: &str| columns.index_of(name).map_err(Error::from);
        let groups =
            aggregation.group_by.iter().map(|name| position(name)).collect::<Result<_>>()?;
        let fields = schema
            .columns
            .iter()
            .filter(|column| column.kind == ColumnKind::Field)
            .map(|column| Ok((column.name.to_string(), position(&column.name)?)))
            .collect::<Result<_>>()?;
        Ok(Roles { time: position(&schema.time().name)?, groups, fields })
    }

    fn group(&self, values: &[Values<'_>], row: usize) -> Vec<Option<String>> {
        let text = |at: &usize| match values[*at].cell(row) {
            Cell::Text(text) => Some(text.to_owned()),
            _ => None,
        };
        self.groups.iter().map(text).collect()
    }
}

/// The values of one field in one group so far.
#[derive(Clone, Debug, Default)]
struct Accumulator {
    count: u64,
    integers: i128,
    floats: f64,
    any_float: bool,
    /// Smallest, largest, first or last value, with its time.
    best: Option<(i64, Best)>,
}

#[derive(Clone, Debug)]
struct Best {
    number: f64,
    json: Value,
}

impl Accumulator {
    fn add(&mut self, function: Function, time_ns: i64, cell: &Cell<'_>) {
        if *cell == Cell::Null {
            return;
        }
        let number = match cell {
            Cell::I64(value) => Some(*value as f64),
            Cell::U64(value) => Some(*value as f64),
            Cell::F64(value) => Some(*value),
            _ => None,
        };
        match function {
            Function::Count => self.count += 1,
            Function::Avg | Function::Sum => self.sum(cell),
            Function::Min => self.keep(time_ns, cell, number, |old, new, _| new < old),
            Function::Max => self.keep(time_ns, cell, number, |old, new, _| new > old),
            Function::First => self.keep(time_ns, cell, number.or(Some(0.0)), |_, _, later| {
                later == std::cmp::Ordering::Less
            }),
            Function::Last => self.keep(time_ns, cell, number.or(Some(0.0)), |_, _, later| {
                later != std::cmp::Ordering::Less
            }),
        }
    }

    fn sum(&mut self, cell: &Cell<'_>) {
        match cell {
            Cell::I64(value) => self.integers += i128::from(*value),
            Cell::U64(value) => self.integers += i128::from(*value),
            Cell::F64(value) => {
                self.floats += value;
                self.any_float = true;
            }
            _ => return,
        }
        self.count += 1;
    }

    /// Keeps the cell when `better(old number, new number, its time against the old one's)`.
    fn keep(
        &mut self,
        time_ns: i64,
        cell: &Cell<'_>,
        number: Option<f64>,
        better: impl Fn(f64, f64, std::cmp::Ordering) -> bool,
    ) {
        let Some(number) = number else { return };
        let wins = match &self.best {
            None => true,
            Some((time, best)) => better(best.number, number, time_ns.cmp(time)),
        };
        if wins {
            self.best = Some((time_ns, Best { number, json: cell.json() }));
        }
    }

    fn finish(self, function: Function) -> Option<Value> {
        let float = |value: f64| Number::from_f64(value).map_or(Value::Null, Value::Number);
        match function {
            Function::Count => Some(self.count).filter(|count| *count > 0).map(Value::from),
            Function::Sum | Function::Avg if self.count == 0 => None,
            Function::Sum if self.any_float => Some(float(self.floats + self.integers as f64)),
            Function::Sum => Some(match i64::try_from(self.integers) {
                Ok(sum) => Value::from(sum),
                Err(_) => float(self.integers as f64),
            }),
            Function::Avg => Some(float((self.floats + self.integers as f64) / self.count as f64)),
            Function::Min | Function::Max | Function::First | Function::Last => {
                self.best.map(|(_, best)| best.json)
            }
        }
    }
}

impl Function {
    fn parse(name: &str) -> Result<Function> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "avg" | "mean" => Function::Avg,
            "sum" => Function::Sum,
            "min" => Function::Min,
            "max" => Function::Max,
            "count" => Function::Count,
            "first" => Function::First,
            "last" => Function::Last,
            _ => return Err(invalid(format!("{name:?} is not an aggregate"), FUNCTIONS)),
        })
    }
}

const FUNCTIONS: &str = "use aggregate avg, sum, min, max, count, first or last";
const STEP: &str = "use a time span such as 250ms, 1m or 1h";

fn step(text: &str) -> Result<i64> {
    let span = parse_duration(text).ok().filter(|span| !span.is_zero());
    span.and_then(|span| i64::try_from(span.as_nanos()).ok())
        .ok_or_else(|| invalid(format!("step {text:?} is not a time span"), STEP))
}

fn group(name: &Value, schema: &TableSchema) -> Result<String> {
    let name = name.as_str().ok_or_else(|| {
        invalid("group_by is not a list of tag names", r#"write "group_by":["host"]"#)
    })?;
    tag(name, schema).map(|_| name.to_owned())
}

fn invalid(message: impl Into<String>, hint: &str) -> Error {
    Error::new(Code::InvalidRequest, message).hint(hint)
}

fn too_many(limit: usize) -> Error {
    Error::new(Code::LimitExceeded, format!("the aggregation has more than {limit} groups"))
        .hint("use a larger step, fewer tags in group_by, or a larger limit")
}
