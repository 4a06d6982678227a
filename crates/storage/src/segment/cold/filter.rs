//! The exact predicates of a read over decoded batches: time range and tag values.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{TimestampNanosecondType, UInt32Type};
use arrow::error::ArrowError;
use pulsora_model::types::{tag_type, timestamp_type};

use crate::read::{TagPredicate, TimeRange};

/// Predicates with the leaves of the file that they look at.
#[derive(Clone)]
pub(crate) struct ExactFilter {
    /// Absent when statistics have proved it already.
    pub time: Option<(usize, TimeRange)>,
    pub tags: Vec<(usize, TagPredicate)>,
}

impl ExactFilter {
    /// The leaves that are looked at.
    pub fn leaves(&self) -> impl Iterator<Item = usize> {
        self.time.iter().map(|(leaf, _)| *leaf).chain(self.tags.iter().map(|(leaf, _)| *leaf))
    }

    /// Which rows match. Column `i` of the batch is leaf `leaves[i]`.
    pub fn matches(
        &self,
        batch: &RecordBatch,
        leaves: &[usize],
    ) -> Result<BooleanArray, ArrowError> {
        let column = |leaf: usize| match leaves.binary_search(&leaf) {
            Ok(position) => Ok(batch.column(position)),
            Err(_) => Err(ArrowError::ComputeError(format!("leaf {leaf} was not read"))),
        };
        let mut found = BooleanBuffer::new_set(batch.num_rows());
        if let Some((leaf, range)) = &self.time {
            found = &found & &times_inside(column(*leaf)?, range)?;
        }
        for (leaf, predicate) in &self.tags {
            found = &found & &tags_accepted(column(*leaf)?, predicate)?;
        }
        Ok(BooleanArray::new(found, None))
    }
}

fn times_inside(times: &ArrayRef, range: &TimeRange) -> Result<BooleanBuffer, ArrowError> {
    let times = cast(times, &timestamp_type())?;
    let times = times.as_primitive::<TimestampNanosecondType>().values();
    Ok(BooleanBuffer::collect_bool(times.len(), |row| range.contains(times[row])))
}

fn tags_accepted(tags: &ArrayRef, predicate: &TagPredicate) -> Result<BooleanBuffer, ArrowError> {
    let tags = cast(tags, &tag_type())?;
    let tags = tags.as_dictionary::<UInt32Type>();
    let null = predicate.values.contains(&None);
    let wanted: HashSet<&str> = predicate.values.iter().flatten().map(String::as_str).collect();
    let values = tags.values().as_string::<i32>();
    let accepted: Vec<bool> =
        values.iter().map(|value| value.map_or(null, |value| wanted.contains(value))).collect();
    let keys = tags.keys();
    Ok(BooleanBuffer::collect_bool(keys.len(), |row| {
        if keys.is_null(row) { null } else { accepted[keys.value(row) as usize] }
    }))
}
