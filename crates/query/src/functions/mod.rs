//! Functions beyond the planner's own.
//!
//! `time_bucket.rs` start of the bucket a time lies in · `width.rs` how wide buckets are ·
//! `first_last.rs` the value at the earliest and at the latest time · `sum.rs` integer sums that are
//! checked.

mod first_last;
mod sum;
mod time_bucket;
mod width;

pub(crate) use time_bucket::ORIGIN_NS;
pub(crate) use width::Width;

use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::logical_expr::{AggregateUDF, ColumnarValue, ScalarUDF, Volatility, create_udf};
use pulsora_model::types::timestamp_type;

/// The scalar functions.
pub(crate) fn scalars() -> Vec<Arc<ScalarUDF>> {
    vec![Arc::new(ScalarUDF::from(time_bucket::TimeBucket::new())), Arc::new(epoch_ns())]
}

/// The aggregates.
pub(crate) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let [first, last] = [first_last::End::First, first_last::End::Last]
        .map(|end| AggregateUDF::from(first_last::FirstLast::new(end)));
    [first, last, AggregateUDF::from(sum::CheckedSum::default())].map(Arc::new).to_vec()
}

/// `epoch_ns(time)`: nanoseconds since 1970-01-01 UTC, as dashboards ask for them.
fn epoch_ns() -> ScalarUDF {
    create_udf(
        "epoch_ns",
        vec![timestamp_type()],
        DataType::Int64,
        Volatility::Immutable,
        Arc::new(|args: &[ColumnarValue]| {
            let arrays = ColumnarValue::values_to_arrays(args)?;
            Ok(ColumnarValue::Array(cast(&arrays[0], &DataType::Int64)?))
        }),
    )
}
