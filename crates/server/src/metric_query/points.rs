//! Rows as points, in time order.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::{Code, ColumnKind, Error, Result, TableSchema};
use serde_json::{Map, Value};

use super::columns::{Cell, Values};
use super::request::{ANSWER_BYTES_MAX, ms};

/// The field of a point that has just one value.
pub(super) const VALUE: &str = "value";

/// Writes rows as points.
pub(super) struct Points<'a> {
    schema: &'a TableSchema,
}

impl<'a> Points<'a> {
    pub fn new(schema: &'a TableSchema) -> Points<'a> {
        Points { schema }
    }

    /// All rows as JSON, separated by commas, and their number.
    ///
    /// # Errors
    /// `limit_exceeded` when it grows too large; those of the batches.
    pub fn write(
        &self,
        columns: &SchemaRef,
        batches: impl Iterator<Item = Result<RecordBatch>>,
    ) -> Result<(Vec<u8>, u64)> {
        let kinds: Vec<(&str, ColumnKind)> = columns
            .fields()
            .iter()
            .filter_map(|field| self.schema.column(field.name()))
            .map(|column| (column.name.as_str(), column.kind))
            .collect();
        let (mut out, mut count) = (Vec::new(), 0);
        for batch in batches {
            let batch = batch?;
            let values = Values::all(&batch)?;
            for row in 0..batch.num_rows() {
                let (mut tags, mut fields, mut time) = (Map::new(), Map::new(), 0);
                for ((name, kind), values) in kinds.iter().zip(&values) {
                    match (kind, values.cell(row)) {
                        (ColumnKind::Time, _) => time = values.time(row)?,
                        (_, Cell::Null) => {}
                        (ColumnKind::Tag, cell) => drop(tags.insert((*name).into(), cell.json())),
                        (_, cell) => drop(fields.insert((*name).into(), cell.json())),
                    }
                }
                push(&mut out, count, &point(&self.schema.name, ms(time), fields, tags))?;
                count += 1;
            }
        }
        Ok((out, count))
    }
}

/// `{"metric","timestamp","value"|"fields","tags"}`: `value` when that is the only field, no `tags`
/// when there are none.
pub(super) fn point(
    metric: &str,
    timestamp_ms: i64,
    mut fields: Map<String, Value>,
    tags: Map<String, Value>,
) -> Value {
    let mut point = Map::new();
    point.insert("metric".into(), metric.into());
    point.insert("timestamp".into(), timestamp_ms.into());
    match fields.remove(VALUE) {
        Some(value) if fields.is_empty() => point.insert(VALUE.into(), value),
        value => {
            fields.extend(value.map(|value| (VALUE.to_owned(), value)));
            point.insert("fields".into(), Value::Object(fields))
        }
    };
    if !tags.is_empty() {
        point.insert("tags".into(), Value::Object(tags));
    }
    Value::Object(point)
}

/// Adds a point to the list.
///
/// # Errors
/// `limit_exceeded` when the list grows too large.
pub(super) fn push(out: &mut Vec<u8>, count: u64, point: &Value) -> Result<()> {
    if count > 0 {
        out.push(b',');
    }
    serde_json::to_writer(&mut *out, point)
        .map_err(|error| Error::internal(format!("a point is not JSON: {error}")))?;
    if out.len() > ANSWER_BYTES_MAX {
        return Err(Error::new(
            Code::LimitExceeded,
            format!("the answer has more than {ANSWER_BYTES_MAX} bytes"),
        )
        .hint("narrow the time range, give a limit, or aggregate"));
    }
    Ok(())
}
