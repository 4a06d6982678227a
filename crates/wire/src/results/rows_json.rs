//! The row API's JSON: `{"success":true,"data":[{…},…],"error":null}`.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::Result;

use super::cells::Cells;
use super::json_text::{keys, separate, write_value};
use super::options::ResultOptions;
use super::writer::{ResultWriter, Summary};

pub(super) struct RowsJson {
    options: ResultOptions,
    keys: Vec<Vec<u8>>,
    rows: usize,
}

impl RowsJson {
    pub(super) fn new(options: ResultOptions) -> RowsJson {
        RowsJson { options, keys: Vec::new(), rows: 0 }
    }
}

impl ResultWriter for RowsJson {
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()> {
        self.keys = keys(schema);
        out.extend_from_slice(br#"{"success":true,"data":["#);
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            separate(self.rows, out);
            self.rows += 1;
            write_object(&self.keys, &columns, row, &self.options, out);
        }
        Ok(())
    }

    fn end(&mut self, _: &Summary, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(br#"],"error":null}"#);
        Ok(())
    }
}

/// Appends one row as an object.
pub(super) fn write_object(
    keys: &[Vec<u8>],
    columns: &[Cells<'_>],
    row: usize,
    options: &ResultOptions,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    for (key, cells) in keys.iter().zip(columns) {
        out.extend_from_slice(key);
        write_value(cells.value(row), options, out);
    }
    out.push(b'}');
}
