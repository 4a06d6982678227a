//! NDJSON: one row object per line; an error after the start is a line of its own.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pulsora_model::{Error, Result};
use serde::Serialize;

use super::cells::Cells;
use super::json_text::{keys, write_plain};
use super::options::ResultOptions;
use super::rows_json::write_object;
use super::writer::{ResultWriter, Summary};

pub(super) struct Ndjson {
    options: ResultOptions,
    keys: Vec<Vec<u8>>,
}

impl Ndjson {
    pub(super) fn new(options: ResultOptions) -> Ndjson {
        Ndjson { options, keys: Vec::new() }
    }
}

impl ResultWriter for Ndjson {
    fn begin(&mut self, schema: &SchemaRef, _: &mut Vec<u8>) -> Result<()> {
        self.keys = keys(schema);
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let columns = batch.columns().iter().map(Cells::new).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            write_object(&self.keys, &columns, row, &self.options, out);
            out.push(b'\n');
        }
        Ok(())
    }

    fn end(&mut self, _: &Summary, _: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

/// The line that ends an NDJSON result which has failed after its start.
pub fn error_line(error: &Error) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a> {
        error: &'a str,
        code: &'a str,
        hint: Option<&'a str>,
    }
    let mut out = Vec::new();
    let (code, hint) = (error.code().name(), error.hint_text());
    write_plain(&Line { error: error.message(), code, hint }, &mut out);
    out.push(b'\n');
    out
}
