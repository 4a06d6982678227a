//! An Arrow IPC stream of one batch; tags are dictionaries with 32-bit keys, as pyarrow makes them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{Field as ArrowField, Int32Type, Schema};
use arrow::ipc::writer::StreamWriter;

use super::bytes::Places;
use crate::rows::{Field, Kind, Row, SeriesList};

/// Why encoding does not fail: columns of one length, made here, into a `Vec`.
const FITS: &str = "columns of one length into a Vec";

pub(super) fn write(series: &SeriesList, rows: &[Row]) -> (Vec<u8>, Places) {
    let layout = series.layout;
    let times = TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.time));
    let mut columns: Vec<(&str, ArrayRef)> = vec![("time", Arc::new(times))];
    for (at, name) in layout.tags.iter().enumerate() {
        columns.push((name, tag(series, at, rows)));
    }
    for (at, field) in layout.fields.iter().enumerate() {
        columns.push((field.name, values(*field, at, rows)));
    }
    let fields: Vec<ArrowField> = columns
        .iter()
        .map(|(name, column)| ArrowField::new(*name, column.data_type().clone(), false))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).expect(FITS);
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).expect(FITS);
    writer.write(&batch).expect(FITS);
    let body = writer.into_inner().expect(FITS);
    let first = first_time(&body, rows);
    (body, Places::LittleEndian(first))
}

/// A tag as codes of the values that these rows have.
fn tag(series: &SeriesList, at: usize, rows: &[Row]) -> ArrayRef {
    let (mut codes, mut texts) = (HashMap::new(), Vec::new());
    let keys = rows.iter().map(|row| {
        let text = series.tags[row.series as usize][at].as_str();
        *codes.entry(text).or_insert_with(|| {
            texts.push(text);
            texts.len() as i32 - 1
        })
    });
    let keys: Int32Array = keys.collect::<Vec<i32>>().into();
    let texts = Arc::new(StringArray::from(texts));
    Arc::new(DictionaryArray::<Int32Type>::try_new(keys, texts).expect("codes count the texts"))
}

fn values(field: Field, at: usize, rows: &[Row]) -> ArrayRef {
    let values = rows.iter().map(|row| row.values[at]);
    match field.kind {
        Kind::Integer => Arc::new(Int64Array::from_iter_values(values.map(i64::from))),
        Kind::Hundredths => {
            Arc::new(Float64Array::from_iter_values(values.map(|value| f64::from(value) / 100.0)))
        }
    }
}

/// Where the buffer of the times stands: arrays are written as they lie in memory.
fn first_time(body: &[u8], rows: &[Row]) -> usize {
    let times: Vec<u8> = rows.iter().flat_map(|row| row.time.to_le_bytes()).collect();
    memchr::memmem::find(body, &times).expect("buffers are written uncompressed")
}
