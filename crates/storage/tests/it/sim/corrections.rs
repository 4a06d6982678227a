//! Random deletes and changes of rows, for the engine and for the model.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use fastrand::Rng;
use pulsora_model::{ColumnType, TableSchema};
use pulsora_storage::{
    Catalog, Change, Correction, RowChange, RowTest, Selection, TagPredicate, TimeRange,
};

use super::model::{DROPPED, TABLES};
use super::workload::moment;
use crate::rows::name;

/// Which rows of a table are hit; all must hold.
#[derive(Clone, Debug)]
pub struct Hit {
    pub table: &'static str,
    pub time: TimeRange,
    pub host: Option<&'static str>,
    pub ids: Option<Vec<u64>>,
    /// `v0` is more than this.
    pub above: Option<i64>,
    /// What `v1` becomes; without it the rows go.
    pub set: Option<i64>,
}

/// A correction of one of the tables that are there.
pub fn random(rng: &mut Rng, catalog: &Catalog) -> Option<Hit> {
    let (table, _) = TABLES[rng.usize(1..TABLES.len())];
    let schema = catalog.find_table("default", table).filter(|_| table != DROPPED)?;
    let numbers = |column: &str| {
        let column = schema.column(column);
        column.is_some_and(|column| matches!(column.ty, ColumnType::I64 | ColumnType::F64))
    };
    let mut hit =
        Hit { table, time: TimeRange::ALL, host: None, ids: None, above: None, set: None };
    if rng.u8(0..4) > 0 {
        let (a, b) = (moment(rng), moment(rng));
        hit.time = TimeRange { start_ns: a.min(b), end_ns: a.max(b) };
    }
    if rng.bool() && schema.column("host").is_some() {
        hit.host = Some(["a", "b", "c", "d"][rng.usize(0..4)]);
    }
    if rng.u8(0..3) == 0 && schema.row_id().is_some() {
        hit.ids = Some((0..rng.usize(1..4)).map(|_| rng.u64(1..24)).collect());
    }
    if rng.bool() && numbers("v0") {
        hit.above = Some(rng.i64(-100..100));
    }
    if rng.u8(0..3) == 0 && numbers("v1") {
        hit.set = Some(rng.i64(-100..100));
    }
    Some(hit)
}

impl Hit {
    /// The same for the engine.
    pub fn correction(&self, schema: &TableSchema) -> Correction {
        let column = |name: &str| schema.column(name).expect("it was there").id;
        let host = self.host.map(|host| TagPredicate {
            column: column("host"),
            values: vec![Some(host.to_owned())],
        });
        let test = self.above.map(|above| {
            RowTest::new(vec![column("v0")], move |batch| {
                let values = cast(batch.column(0), &DataType::Float64)?;
                let values = values.as_primitive::<Float64Type>();
                let hit = values.iter().map(|value| value.map(|value| value > above as f64));
                Ok(hit.collect::<BooleanArray>())
            })
        });
        let change = self.set.map_or(Change::Delete, set);
        Correction {
            database: name("default"),
            table: name(self.table),
            planned_for: None,
            rows: Selection {
                time: self.time,
                tags: host.into_iter().collect(),
                ids: self.ids.clone(),
                test,
            },
            change,
        }
    }
}

/// Sets `v1`.
fn set(value: i64) -> Change {
    Change::Replace(RowChange::new(move |batch: &RecordBatch| {
        let at = batch.schema_ref().index_of("v1")?;
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns[at] = match columns[at].data_type() {
            DataType::Float64 => Arc::new(Float64Array::from(vec![value as f64; batch.num_rows()])),
            _ => Arc::new(Int64Array::from(vec![value; batch.num_rows()])),
        };
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    }))
}
