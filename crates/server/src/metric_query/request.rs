//! What a metric query asks for, read against the table's schema, and its run.

use std::sync::Arc;

use pulsora_model::name::nearest;
use pulsora_model::time::{Precision, parse_time};
use pulsora_model::{Code, ColumnId, ColumnKind, Error, Result, TableSchema};
use pulsora_storage::{Order, Scan, ScanCounters, Snapshot, TagPredicate, TimeRange};
use serde_json::Value;

use super::aggregate::Aggregation;
use super::points::Points;

/// A metric query that fits its table.
pub struct MetricQuery {
    pub(super) schema: Arc<TableSchema>,
    pub(super) scan: Scan,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) limit: usize,
    aggregation: Option<Aggregation>,
}

/// The answer.
pub struct MetricAnswer {
    /// The whole JSON document.
    pub json: Vec<u8>,
    /// Points in it.
    pub count: u64,
    /// Figures of the scan.
    pub counters: Arc<ScanCounters>,
}

/// Longest answer, bytes: it is made as a whole.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;

const KEYS: &[&str] =
    &["metric", "start", "end", "tags", "limit", "aggregate", "step", "group_by", "priority"];

impl MetricQuery {
    /// Reads the body of a query; `table` finds the schema of a metric.
    ///
    /// # Errors
    /// `invalid_request`, `invalid_time`, `column_not_found`, and those of `table`.
    pub fn read(
        body: &Value,
        table: impl FnOnce(&str) -> Result<Arc<TableSchema>>,
        rows_max: usize,
    ) -> Result<MetricQuery> {
        let Value::Object(map) = body else {
            return Err(invalid("the body is not a JSON object"));
        };
        if let Some(wrong) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let error = Error::new(Code::UnknownParameter, format!("unknown key {wrong:?}"));
            let near = nearest(wrong, KEYS.iter().copied());
            return Err(error.hint(match near.first() {
                Some(near) => format!("did you mean {near}?"),
                None => format!("a metric query knows {}", KEYS.join(", ")),
            }));
        }
        let metric = body["metric"].as_str().filter(|metric| !metric.is_empty());
        let metric = metric.ok_or_else(|| invalid("missing or invalid metric"))?;
        let (start_ns, end_ns) = (time(body, "start")?, time(body, "end")?);
        if start_ns > end_ns {
            return Err(invalid("start must not be after end"));
        }
        let schema = table(metric)?;
        let aggregation = Aggregation::read(body, &schema, start_ns)?;
        let limit = limit(body)?.unwrap_or(rows_max).min(rows_max);
        let scan = Scan {
            time: TimeRange { start_ns, end_ns },
            tags: tags(&body["tags"], &schema)?,
            order: Order::TimeAscending,
            limit: Some(limit),
            ..Scan::all(schema.id)
        };
        let (start_ms, end_ms) = (ms(start_ns), ms(end_ns));
        Ok(MetricQuery { schema, scan, start_ms, end_ms, limit, aggregation })
    }

    /// Runs the query. `begun` is told of its scan, `check` fails when nobody waits for it any more.
    ///
    /// # Errors
    /// `limit_exceeded` when the answer grows too large; those of the scan and of `check`.
    pub fn run(
        self,
        snapshot: &Snapshot,
        begun: &dyn Fn(Arc<ScanCounters>),
        check: &dyn Fn() -> Result<()>,
    ) -> Result<MetricAnswer> {
        let (points, count, counters) = match &self.aggregation {
            Some(aggregation) => aggregation.run(&self, snapshot, begun, check)?,
            None => self.points(snapshot, begun, check)?,
        };
        let metric = serde_json::to_string(&*self.schema.name)
            .map_err(|error| Error::internal(format!("a name is not JSON: {error}")))?;
        let head = format!(
            "{{\"metric\":{metric},\"start\":{},\"end\":{},\"points\":[",
            self.start_ms, self.end_ms
        );
        let json = [head.as_bytes(), &points, format!("],\"count\":{count}}}").as_bytes()].concat();
        Ok(MetricAnswer { json, count, counters })
    }

    fn points(
        &self,
        snapshot: &Snapshot,
        begun: &dyn Fn(Arc<ScanCounters>),
        check: &dyn Fn() -> Result<()>,
    ) -> Result<(Vec<u8>, u64, Arc<ScanCounters>)> {
        let plan = snapshot.scan(&self.scan)?;
        let counters = Arc::clone(&plan.counters);
        begun(Arc::clone(&counters));
        let batches = plan.streams.into_iter().flatten().map(|batch| {
            check()?;
            batch
        });
        let (points, count) = Points::new(&self.schema).write(&plan.schema, batches)?;
        Ok((points, count, counters))
    }
}

/// Whole milliseconds of a time, rounded down.
pub(super) fn ms(time_ns: i64) -> i64 {
    time_ns.div_euclid(1_000_000)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidRequest, message)
        .hint(r#"send {"metric":"cpu","start":1700000000000,"end":1700000060000}"#)
}

/// Milliseconds or text.
fn time(body: &Value, key: &str) -> Result<i64> {
    match &body[key] {
        Value::Number(number) => {
            let whole = number.as_i64().or_else(|| number.as_f64().map(|value| value as i64));
            let ms = whole.ok_or_else(|| invalid(format!("missing or invalid {key} timestamp")))?;
            // The ends of a range may lie outside what can be stored.
            let outside = if ms < 0 { i64::MIN } else { i64::MAX };
            Ok(Precision::Millisecond.to_ns(ms).unwrap_or(outside))
        }
        Value::String(text) => parse_time(text).map_err(|error| error.context(key)),
        _ => Err(invalid(format!("missing or invalid {key} timestamp"))),
    }
}

fn limit(body: &Value) -> Result<Option<usize>> {
    match &body["limit"] {
        Value::Null => Ok(None),
        value => match value.as_u64() {
            Some(limit) => Ok(Some(usize::try_from(limit).unwrap_or(usize::MAX))),
            None => Err(invalid("limit is not a whole number")),
        },
    }
}

/// `{"host":"a"}`, or a list of values; a tag that the table lacks matches only rows without it.
fn tags(value: &Value, schema: &TableSchema) -> Result<Vec<TagPredicate>> {
    let map = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Object(map) => map,
        _ => return Err(invalid("tags is not an object of texts")),
    };
    map.iter()
        .map(|(name, value)| {
            let values = match value {
                Value::Array(values) => values.iter().map(|v| tag_value(name, v)).collect(),
                one => tag_value(name, one).map(|value| vec![value]),
            };
            Ok(TagPredicate { column: tag(name, schema)?, values: values? })
        })
        .collect()
}

fn tag_value(name: &str, value: &Value) -> Result<Option<String>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        _ => Err(invalid(format!("tag {name:?} is not text"))),
    }
}

/// The id of the tag with this name.
///
/// # Errors
/// `column_not_found`, with the nearest names.
pub(super) fn tag(name: &str, schema: &TableSchema) -> Result<ColumnId> {
    let found = schema.column(name).filter(|column| column.kind == ColumnKind::Tag);
    found.map(|column| column.id).ok_or_else(|| {
        let message = format!("metric {:?} has no tag {name:?}", &*schema.name);
        let near = nearest(name, schema.tags().map(|tag| tag.name.as_str()));
        let error = Error::new(Code::ColumnNotFound, message);
        match near.is_empty() {
            true => error,
            false => error.hint(format!("did you mean {}?", near.join(", "))),
        }
    })
}
