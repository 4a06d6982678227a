//! Rows in and rows out as plain data: what every test of this crate speaks.
//!
//! A row that was read is one line, `column=value` in order of the names, nulls left out, so that two
//! tables are compared as lists of text.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use pulsora_model::builder::{BatchBuilder, TagTarget};
use pulsora_model::column::Scalar;
use pulsora_model::schema::TableOptions;
use pulsora_model::{KnownTable, Name, Result, TableWrite};
use pulsora_storage::{Durability, Engine, Order, Scan, Snapshot, WriteRequest};

/// A value on its way in.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

impl Value {
    fn scalar(&self) -> Scalar<'_> {
        match self {
            Value::Int(value) => Scalar::I64(*value),
            Value::Float(value) => Scalar::F64(*value),
            Value::Bool(value) => Scalar::Bool(*value),
            Value::Text(value) => Scalar::Text(value),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Float(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.to_owned())
    }
}

/// A row on its way in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub time: i64,
    pub id: Option<u64>,
    pub tags: Vec<(String, String)>,
    pub fields: Vec<(String, Option<Value>)>,
}

impl Row {
    pub fn at(time: i64) -> Row {
        Row { time, ..Row::default() }
    }

    pub fn id(mut self, id: u64) -> Row {
        self.id = Some(id);
        self
    }

    pub fn tag(mut self, name: &str, value: &str) -> Row {
        self.tags.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Row {
        self.fields.push((name.to_owned(), Some(value.into())));
        self
    }

    pub fn null(mut self, name: &str) -> Row {
        self.fields.push((name.to_owned(), None));
        self
    }
}

/// A name that is known to be good.
pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Options of an append table with row ids.
pub fn with_ids() -> TableOptions {
    TableOptions { row_ids: true, ..TableOptions::default() }
}

/// Rows as a parser would hand them over to which `known` was known of the table.
pub fn table_write(
    table: &str,
    options: &TableOptions,
    known: Option<KnownTable>,
    rows: &[Row],
) -> TableWrite {
    let (schema, registry) = match known {
        Some(known) => (Some(known.schema), known.registry),
        None => (None, None),
    };
    let schema_version = schema.as_ref().map(|schema| schema.version);
    let id_name = options.row_ids.then(|| options.id_column.clone());
    let mut builder = BatchBuilder::new(schema, registry, options.time_column.clone(), id_name);
    for row in rows {
        let tags: Vec<_> = row
            .tags
            .iter()
            .map(|(name, value)| match builder.tag(name).unwrap() {
                TagTarget::Tag(tag) => (tag, value.as_str()),
                TagTarget::Field(_) => panic!("{name} is a field"),
            })
            .collect();
        for (name, value) in &row.fields {
            let field = builder.field(name).unwrap();
            if let Some(value) = value {
                builder.push_scalar(field, value.scalar()).unwrap();
            }
        }
        let series = builder.series(&mut tags.clone()).unwrap();
        if options.row_ids {
            builder.end_row_with_id(series, row.time, row.id);
        } else {
            builder.end_row(series, row.time);
        }
    }
    TableWrite {
        table: name(table),
        options: options.clone(),
        schema_version,
        batch: builder.finish(),
    }
}

/// A request for one table of the database `default`.
pub fn request(table: &str, options: &TableOptions, rows: &[Row]) -> WriteRequest {
    requests(vec![table_write(table, options, None, rows)])
}

/// A request for several tables of the database `default`.
pub fn requests(tables: Vec<TableWrite>) -> WriteRequest {
    WriteRequest { database: name("default"), tables, durability: Durability::Fsync, key: None }
}

/// Every row of a table of `default`, in time order.
pub fn read(engine: &Engine, table: &str) -> Vec<String> {
    let snapshot = engine.snapshot();
    let schema = snapshot.table("default", table).unwrap();
    let scan = Scan { order: Order::TimeAscending, ..Scan::all(schema.id) };
    lines(&snapshot, &scan).unwrap()
}

/// The rows of a scan as lines, in the order they came.
pub fn lines(snapshot: &Snapshot, scan: &Scan) -> Result<Vec<String>> {
    let plan = snapshot.scan(scan)?;
    let mut lines = Vec::new();
    for stream in plan.streams {
        for batch in stream {
            let batch = batch?;
            assert_eq!(batch.schema(), plan.schema, "every batch has the schema of the plan");
            lines.extend((0..batch.num_rows()).map(|row| line(&cells(&batch, row))));
        }
    }
    Ok(lines)
}

/// `column=value` in order of the names.
pub fn line(cells: &BTreeMap<String, String>) -> String {
    let cells: Vec<String> = cells.iter().map(|(name, value)| format!("{name}={value}")).collect();
    cells.join(" ")
}

fn cells(batch: &RecordBatch, row: usize) -> BTreeMap<String, String> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns
        .filter(|(_, values)| !values.is_null(row) && *values.data_type() != DataType::Null)
        .map(|(field, values)| (field.name().clone(), cell(values.as_ref(), row)))
        .collect()
}

/// One value as text; floats always have a point or an exponent.
fn cell(values: &dyn Array, row: usize) -> String {
    match values.data_type() {
        DataType::Int64 => values.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt64 => format!("{}u", values.as_primitive::<UInt64Type>().value(row)),
        DataType::Float64 => float(values.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => values.as_boolean().value(row).to_string(),
        DataType::Utf8 => text(values.as_string::<i32>().value(row)),
        DataType::Timestamp(..) => {
            values.as_primitive::<TimestampNanosecondType>().value(row).to_string()
        }
        DataType::Dictionary(..) => {
            let tags = values.as_dictionary::<UInt32Type>();
            let key = tags.key(row).unwrap();
            tags.values().as_string::<i32>().value(key).to_owned()
        }
        other => panic!("{other} is not a type of a scan"),
    }
}

/// A float as [`lines`] shows it.
pub fn float(value: f64) -> String {
    format!("{value:?}")
}

/// Text as [`lines`] shows it.
pub fn text(value: &str) -> String {
    format!("{value:?}")
}
