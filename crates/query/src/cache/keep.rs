//! Keeps the batches of an answer on their way out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{
    Array, ArrayRef, AsArray, MutableArrayData, RecordBatch, RecordBatchOptions, make_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use futures::Stream;
use pulsora_model::Result;
use pulsora_storage::TableStamp;

use super::answers::{Answer, Answers};
use crate::run::BatchStream;

/// Where an answer is to be kept.
pub(crate) struct Fill {
    pub(crate) answers: Arc<Answers>,
    pub(crate) key: String,
    /// Of what it is read from. Not the moment itself: an answer that is read slowly keeps no more than it has yet to read.
    pub(crate) stamps: Vec<TableStamp>,
}

/// The batches; when the last one has been given, they are kept.
pub(crate) fn keep(fill: Fill, schema: &SchemaRef, batches: BatchStream) -> BatchStream {
    let schema = Arc::clone(schema);
    let answer = Answer { schema, batches: Vec::new(), rows_bytes: 0, stamps: Vec::new() };
    Box::pin(Keeping { batches, filling: Some(Filling { fill, answer }) })
}

struct Filling {
    fill: Fill,
    answer: Answer,
}

impl Filling {
    /// Adds a batch; `None` when the answer is too large to be kept.
    fn add(mut self, batch: &RecordBatch) -> Option<Filling> {
        if batch.num_rows() > 0 {
            let batch = owned(batch).ok()?;
            self.answer.rows_bytes += batch.get_array_memory_size();
            self.answer.batches.push(batch);
        }
        (self.answer.rows_bytes <= self.fill.answers.answer_bytes_max()).then_some(self)
    }

    /// Keeps the answer, now that all of it was read.
    fn end(self) {
        let Filling { fill: Fill { answers, key, stamps }, answer } = self;
        answers.keep(key, Answer { stamps, ..answer });
    }
}

struct Keeping {
    batches: BatchStream,
    /// Gone after an error, when the answer is too large, and when it is kept.
    filling: Option<Filling>,
}

impl Stream for Keeping {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.batches.as_mut().poll_next(context);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(batch))) => {
                self.filling = self.filling.take().and_then(|filling| filling.add(batch));
            }
            Poll::Ready(Some(Err(_))) => self.filling = None,
            Poll::Ready(None) => {
                if let Some(filling) = self.filling.take() {
                    filling.end();
                }
            }
        }
        polled
    }
}

/// A copy of the batch that shares nothing: an array may be a slice of a larger one or lie in a mapped segment, whose file
/// would stay as long as the answer.
fn owned(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(owned_array).collect::<Result<Vec<_>>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &rows)?)
}

fn owned_array(values: &ArrayRef) -> Result<ArrayRef> {
    let DataType::Dictionary(_, value_type) = values.data_type() else {
        return copied(values);
    };
    let texts = values.as_any_dictionary().values();
    if texts.len() > values.len() {
        // Most of them are of no row.
        return Ok(cast(&cast(values, value_type)?, values.data_type())?);
    }
    Ok(copied(values)?.as_any_dictionary().with_values(copied(texts)?))
}

fn copied(values: &ArrayRef) -> Result<ArrayRef> {
    let data = values.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    Ok(make_array(copy.freeze()))
}
