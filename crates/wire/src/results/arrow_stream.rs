//! An Arrow IPC stream: the schema, then each batch as it comes.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use pulsora_model::{Error, Result};

use super::writer::{ResultWriter, Summary};

#[derive(Default)]
pub(super) struct ArrowStream {
    writer: Option<StreamWriter<Vec<u8>>>,
}

impl ArrowStream {
    fn writer(&mut self) -> Result<&mut StreamWriter<Vec<u8>>> {
        self.writer.as_mut().ok_or_else(|| Error::internal("a result has batches before its start"))
    }
}

impl ResultWriter for ArrowStream {
    fn begin(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<()> {
        let writer = self.writer.insert(StreamWriter::try_new(Vec::new(), schema)?);
        out.append(writer.get_mut());
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let writer = self.writer()?;
        writer.write(batch)?;
        out.append(writer.get_mut());
        Ok(())
    }

    fn end(&mut self, _: &Summary, out: &mut Vec<u8>) -> Result<()> {
        let writer = self.writer()?;
        writer.finish()?;
        out.append(writer.get_mut());
        Ok(())
    }
}
