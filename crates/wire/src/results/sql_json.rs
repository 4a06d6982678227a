//! SQL's JSON: columns and types first, then an array per row, then the summary.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::Result;
use pulsora_model::time::time_text;

use super::cells::Cells;
use super::json_text::{separate, write_plain, write_value};
use super::options::ResultOptions;
use super::types::type_name;
use super::writer::{ResultWriter, Summary};

pub(super) struct SqlJson {
    options: ResultOptions,
    rows: usize,
}

impl SqlJson {
    pub(super) fn new(options: ResultOptions) -> SqlJson {
        SqlJson { options, rows: 0 }
    }
}

impl ResultWriter for SqlJson {
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()> {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let types: Vec<String> =
            schema.fields().iter().map(|field| type_name(field.data_type())).collect();
        out.extend_from_slice(br#"{"success":true,"columns":"#);
        write_plain(&names, out);
        out.extend_from_slice(br#","types":"#);
        write_plain(&types, out);
        out.extend_from_slice(br#","data":["#);
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            separate(self.rows, out);
            self.rows += 1;
            out.push(b'[');
            for (index, cells) in columns.iter().enumerate() {
                separate(index, out);
                write_value(cells.value(row), &self.options, out);
            }
            out.push(b']');
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary, out: &mut Vec<u8>) -> Result<()> {
        out.extend_from_slice(br#"],"row_count":"#);
        write_plain(&summary.row_count, out);
        out.extend_from_slice(br#","execution_time_ms":"#);
        write_plain(&summary.execution_time_ms, out);
        out.extend_from_slice(br#","timestamp":"#);
        write_plain(&time_text(summary.timestamp_ns), out);
        out.push(b'}');
        Ok(())
    }
}
