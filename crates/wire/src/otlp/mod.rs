//! OpenTelemetry metrics (OTLP 1.x, `ExportMetricsServiceRequest`), protobuf and JSON, into batches.
//!
//! Responsible for both encodings of the request and for the bodies of answers. Not responsible for
//! routes, compression or statuses. Both encodings are read lazily, one data point at a time, and come
//! to the same [`point::Point`]s: messages unpacked as a whole would take a hundred times the bytes of a
//! hostile body.
//!
//! | in | becomes |
//! |---|---|
//! | metric name | the table, an upsert table if it is new |
//! | attributes of the data point and of the resource | tags under their names; the point's count before the resource's |
//! | scope | tags `otel.scope.name`, `otel.scope.version`, and `otel.scope.<key>` for its attributes |
//! | temporality of sums and histograms | tag `otel.temporality`: `delta` or `cumulative` |
//! | monotonicity of sums | tag `otel.monotonic`: `true` or `false` |
//! | start time, except of gauges | field `start_time` |
//! | gauge, sum | field `value`, integer or float |
//! | histogram | fields `count`, `sum`, `min`, `max`; and in the table `<name>_bucket` a row per bucket with the tag `le`, its upper bound, and `value`, the count up to there |
//! | exponential histogram | the fields of [`crate::exponential`]; `schema` is the scale |
//! | summary | fields `count`, `sum`; and a row per quantile with the tag `quantile` and `value` |
//! | a point with the flag "no recorded value" | nothing |
//! | units, descriptions, metadata, exemplars | not kept |
//!
//! Attributes that are no text become text: `true`, `-3`, `0.5`, bytes as base64, lists and maps as
//! JSON. Empty ones are absent. One that bears the name of the time column or of a field of its row is
//! `label_<name>`. A point without time gets that of the request.
//!
//! Invariants: a body that is not whole stores nothing; a data point is stored with all its rows or not
//! at all; a bad one is listed with its index (from 0) and never loses a good one; the texts of tags that
//! many points share take memory within a budget.
//!
//! Sources: the OTLP specification 1.x, `opentelemetry/proto/metrics/v1/metrics.proto` (field numbers in
//! `messages.rs`), and the JSON mapping of Protocol Buffers 3.

mod answer;
mod attributes;
mod json;
mod messages;
mod number;
mod parser;
mod point;
mod sink;
mod values;

pub use answer::{accepted, refused};
pub use parser::{Encoding, OtlpOptions, parse};

#[cfg(test)]
mod tests;
