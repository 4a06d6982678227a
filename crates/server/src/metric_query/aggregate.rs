//! Aggregates of fields in buckets of time and groups of tags.
//!
//! Invariants: buckets are aligned to 1970-01-01 UTC; nulls are not counted; sums of integers are
//! exact; there are never more groups than the answer may have points.

use std::sync::Arc;

use arrow::array::RecordBatch;
use pulsora_model::{Code, ColumnKind, ColumnType, Error, Result, TableSchema};
use pulsora_storage::{Aggregate, Bucket, Fold, Function, ScanCounters, Snapshot};
use serde_json::{Map, Value};

use super::columns::{Cell, Values};
use super::points::{point, push};
use super::request::{MetricQuery, ms, tag};
use crate::config::parse_duration;

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

impl Aggregation {
    /// Reads `aggregate`, `step` and `group_by`; `None` when no aggregate is asked for.
    ///
    /// # Errors
    /// `invalid_request`, `column_not_found`.
    pub fn read(body: &Value, schema: &TableSchema, start_ns: i64) -> Result<Option<Aggregation>> {
        let function = match &body["aggregate"] {
            Value::Null if body["step"].is_null() && body["group_by"].is_null() => return Ok(None),
            Value::String(name) => function(name)?,
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

    /// The fold that answers it: one aggregate per field that has one, in the table's order.
    fn fold(&self, query: &MetricQuery) -> Result<(Fold, Vec<String>)> {
        let by = self.group_by.iter().map(|name| tag(name, &query.schema));
        let fields = query.schema.columns.iter().filter(|column| {
            column.kind == ColumnKind::Field && applies_to(self.function, column.ty)
        });
        let (names, aggregates) = fields
            .map(|field| {
                let aggregate = Aggregate { function: self.function, column: field.id };
                (field.name.to_string(), aggregate)
            })
            .unzip();
        let fold = Fold {
            time: query.scan.time,
            tags: query.scan.tags.clone(),
            by: by.collect::<Result<_>>()?,
            bucket: self.step_ns.map(|width_ns| Bucket { width_ns, origin_ns: 0 }),
            aggregates,
            ..Fold::all(query.schema.id)
        };
        Ok((fold, names))
    }

    /// The aggregates as points in JSON, by bucket and group, their number, and the figures of the
    /// read. `begun` is told of the read, `check` fails when nobody waits for them any more.
    ///
    /// # Errors
    /// `limit_exceeded` for too many groups; those of the fold and of `check`.
    pub fn run(
        &self,
        query: &MetricQuery,
        snapshot: &Snapshot,
        begun: &dyn Fn(Arc<ScanCounters>),
        check: &dyn Fn() -> Result<()>,
    ) -> Result<(Vec<u8>, u64, Arc<ScanCounters>)> {
        let (fold, names) = self.fold(query)?;
        let mut plan = snapshot.fold(&fold)?;
        begun(Arc::clone(&plan.counters));
        let mut parts = Vec::new();
        for task in std::mem::take(&mut plan.tasks) {
            parts.push(task.run(&|| check().is_err())?);
            check()?;
        }
        let batches = plan.finish(parts)?;
        let groups: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if groups > query.limit {
            return Err(too_many(query.limit));
        }
        let (mut out, mut count) = (Vec::new(), 0);
        for batch in &batches {
            count = self.write(query, &names, batch, count, &mut out)?;
        }
        Ok((out, count, plan.counters))
    }

    /// Appends the groups of a batch that hold any value; gives the number of points so far.
    fn write(
        &self,
        query: &MetricQuery,
        names: &[String],
        batch: &RecordBatch,
        mut count: u64,
        out: &mut Vec<u8>,
    ) -> Result<u64> {
        let values = Values::all(batch)?;
        let (tags, rest) = values.split_at(self.group_by.len());
        let (bucket, aggregates) = rest.split_at(usize::from(self.step_ns.is_some()));
        for row in 0..batch.num_rows() {
            let fields = names.iter().zip(aggregates);
            let fields = fields.filter_map(|(name, values)| {
                let value = self.value(&values.cell(row))?;
                Some((name.clone(), value))
            });
            let fields: Map<String, Value> = fields.collect();
            if fields.is_empty() {
                continue;
            }
            let tags = self.group_by.iter().zip(tags);
            let tags = tags.filter_map(|(name, values)| match values.cell(row) {
                Cell::Text(text) => Some((name.clone(), Value::from(text))),
                _ => None,
            });
            let time_ns = bucket.first().map_or(Ok(self.start_ns), |bucket| bucket.time(row))?;
            let point = point(&query.schema.name, ms(time_ns), fields, tags.collect());
            push(out, count, &point)?;
            count += 1;
        }
        Ok(count)
    }

    /// What a group says of a field; nothing for one without values.
    fn value(&self, cell: &Cell<'_>) -> Option<Value> {
        match cell {
            Cell::Null => None,
            Cell::I64(0) if self.function == Function::Count => None,
            cell => Some(cell.json()),
        }
    }
}

/// Whether values of this type can be aggregated so.
fn applies_to(function: Function, ty: ColumnType) -> bool {
    match function {
        Function::Sum | Function::Mean | Function::Min | Function::Max => {
            matches!(ty, ColumnType::I64 | ColumnType::U64 | ColumnType::F64)
        }
        _ => ty != ColumnType::Untyped,
    }
}

fn function(name: &str) -> Result<Function> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "avg" | "mean" => Function::Mean,
        "sum" => Function::Sum,
        "min" => Function::Min,
        "max" => Function::Max,
        "count" => Function::Count,
        "first" => Function::First,
        "last" => Function::Last,
        _ => return Err(invalid(format!("{name:?} is not an aggregate"), FUNCTIONS)),
    })
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
