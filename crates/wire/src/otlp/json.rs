//! The JSON encoding: the same walk as `messages.rs`, by the JSON mapping of Protocol Buffers 3.
//!
//! Names are read in lower camel case, as the protocol has them, and in the snake case of the messages;
//! integers as numbers or as texts; enums by number or name; null is absent. Messages within a message
//! stay raw text until their turn comes.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use pulsora_model::{Code, Error, Result};

use super::attributes::Attributes;
use super::number::{Double, Int, Temporal, Unsigned};
use super::point::{Data, Kind, Metric, Number, Point};
use super::sink::Sink;
use super::values::{DEPTH_MAX, put, put_json_float, put_json_text};
use crate::exponential::{Buckets, Count};

type Raw<'a> = &'a RawValue;
type RawList<'a> = Option<Vec<Raw<'a>>>;

macro_rules! message {
    ($name:ident { $($field:ident: $type:ty, $snake:literal;)* }) => {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct $name<'a> {
            $(#[serde(borrow, default, alias = $snake)] $field: Option<$type>,)*
        }
    };
}

message!(Request { resource_metrics: Vec<Raw<'a>>, "resource_metrics"; });
message!(ResourceMetrics {
    resource: Raw<'a>, "resource";
    scope_metrics: Vec<Raw<'a>>, "scope_metrics";
});
message!(Resource { attributes: Vec<Raw<'a>>, "attributes"; });
message!(ScopeMetrics {
    scope: Raw<'a>, "scope";
    metrics: Vec<Raw<'a>>, "metrics";
});
message!(Scope {
    name: Cow<'a, str>, "name";
    version: Cow<'a, str>, "version";
    attributes: Vec<Raw<'a>>, "attributes";
});
message!(MetricMessage {
    name: Cow<'a, str>, "name";
    gauge: Raw<'a>, "gauge";
    sum: Raw<'a>, "sum";
    histogram: Raw<'a>, "histogram";
    exponential_histogram: Raw<'a>, "exponential_histogram";
    summary: Raw<'a>, "summary";
});
message!(KeyValue {
    key: Cow<'a, str>, "key";
    value: Raw<'a>, "value";
});
message!(List { values: Vec<Raw<'a>>, "values"; });

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Points<'a> {
    #[serde(borrow, default, alias = "data_points")]
    data_points: RawList<'a>,
    #[serde(default, alias = "aggregation_temporality")]
    aggregation_temporality: Option<Temporal>,
    #[serde(default, alias = "is_monotonic")]
    is_monotonic: Option<bool>,
}

/// A point of any kind: what a kind does not have is absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct AnyPoint<'a> {
    #[serde(borrow)]
    attributes: RawList<'a>,
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Option<Unsigned>,
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Option<Unsigned>,
    flags: Option<Unsigned>,
    #[serde(alias = "as_double")]
    as_double: Option<Double>,
    #[serde(alias = "as_int")]
    as_int: Option<Int>,
    count: Option<Unsigned>,
    sum: Option<Double>,
    min: Option<Double>,
    max: Option<Double>,
    #[serde(alias = "bucket_counts")]
    bucket_counts: Option<Vec<Unsigned>>,
    #[serde(alias = "explicit_bounds")]
    explicit_bounds: Option<Vec<Double>>,
    scale: Option<Int>,
    #[serde(alias = "zero_count")]
    zero_count: Option<Unsigned>,
    #[serde(alias = "zero_threshold")]
    zero_threshold: Option<Double>,
    positive: Option<Side>,
    negative: Option<Side>,
    #[serde(alias = "quantile_values")]
    quantile_values: Option<Vec<Quantile>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    #[serde(default)]
    offset: Option<Int>,
    #[serde(default, alias = "bucket_counts")]
    bucket_counts: Option<Vec<Unsigned>>,
}

#[derive(Deserialize)]
struct Quantile {
    #[serde(default)]
    quantile: Option<Double>,
    #[serde(default)]
    value: Option<Double>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyValue<'a> {
    #[serde(borrow, default, alias = "string_value")]
    string_value: Option<Cow<'a, str>>,
    #[serde(default, alias = "bool_value")]
    bool_value: Option<bool>,
    #[serde(default, alias = "int_value")]
    int_value: Option<Int>,
    #[serde(default, alias = "double_value")]
    double_value: Option<Double>,
    #[serde(borrow, default, alias = "array_value")]
    array_value: Option<List<'a>>,
    #[serde(borrow, default, alias = "kvlist_value")]
    kvlist_value: Option<List<'a>>,
    #[serde(borrow, default, alias = "bytes_value")]
    bytes_value: Option<Cow<'a, str>>,
}

/// Walks a request.
///
/// # Errors
/// `malformed_body`.
pub(super) fn request<'a>(body: &'a [u8], sink: &mut Sink<'a, '_>) -> Result<()> {
    let body = std::str::from_utf8(body)
        .map_err(|_| Error::new(Code::MalformedBody, "the JSON is not UTF-8"))?;
    let request: Request<'a> = read(body)?;
    for message in request.resource_metrics.unwrap_or_default() {
        let metrics: ResourceMetrics<'a> = read(message.get())?;
        let resource: Option<Resource<'a>> =
            metrics.resource.map(|raw| read(raw.get())).transpose()?;
        sink.resource(attributes(resource.and_then(|resource| resource.attributes))?);
        for scope in metrics.scope_metrics.unwrap_or_default() {
            scope_metrics(scope, sink)?;
        }
    }
    Ok(())
}

fn scope_metrics<'a>(message: Raw<'a>, sink: &mut Sink<'a, '_>) -> Result<()> {
    let metrics: ScopeMetrics<'a> = read(message.get())?;
    if let Some(raw) = metrics.scope {
        let scope: Scope<'a> = read(raw.get())?;
        let attributes = attributes(scope.attributes)?;
        sink.scope(scope.name.unwrap_or_default(), scope.version.unwrap_or_default(), &attributes);
    } else {
        sink.scope(Cow::default(), Cow::default(), &Attributes::default());
    }
    metrics.metrics.unwrap_or_default().into_iter().try_for_each(|raw| metric(raw, sink))
}

fn metric<'a>(message: Raw<'a>, sink: &mut Sink<'a, '_>) -> Result<()> {
    let message: MetricMessage<'a> = read(message.get())?;
    let kinds = [
        (Kind::Gauge, message.gauge),
        (Kind::Sum, message.sum),
        (Kind::Histogram, message.histogram),
        (Kind::Exponential, message.exponential_histogram),
        (Kind::Summary, message.summary),
    ];
    let Some((kind, data)) = kinds.into_iter().find_map(|(kind, raw)| Some((kind, raw?))) else {
        return Ok(());
    };
    let data: Points<'a> = read(data.get())?;
    let counts = !matches!(kind, Kind::Gauge | Kind::Summary);
    let metric = Metric {
        name: message.name.unwrap_or_default(),
        temporality: data.aggregation_temporality.and_then(|Temporal(of)| of).filter(|_| counts),
        monotonic: (kind == Kind::Sum).then_some(data.is_monotonic.unwrap_or(false)),
    };
    for raw in data.data_points.unwrap_or_default() {
        sink.point(&metric, point(kind, raw)?)?;
    }
    Ok(())
}

fn point<'a>(kind: Kind, raw: Raw<'a>) -> Result<Point<'a>> {
    let mut any: AnyPoint<'a> = read(raw.get())?;
    let number = |value: Option<Unsigned>| value.map_or(0, |Unsigned(value)| value);
    let mut point = Point {
        attributes: attributes(any.attributes.take())?,
        start_ns: number(any.start_time_unix_nano),
        time_ns: number(any.time_unix_nano),
        flags: number(any.flags),
        data: Data::of(kind),
    };
    let float = |value: Option<Double>| value.map(|Double(value)| value);
    match &mut point.data {
        Data::Gauge(value) | Data::Sum(value) => {
            let double = float(any.as_double).map(Number::Double);
            *value = double.or(any.as_int.map(|Int(value)| Number::Int(value)));
        }
        Data::Histogram(histogram) => {
            histogram.count = number(any.count);
            (histogram.sum, histogram.min, histogram.max) =
                (float(any.sum), float(any.min), float(any.max));
            let counts = any.bucket_counts.unwrap_or_default();
            histogram.counts = counts.into_iter().map(|Unsigned(count)| count).collect();
            let bounds = any.explicit_bounds.unwrap_or_default();
            histogram.bounds = bounds.into_iter().map(|Double(bound)| bound).collect();
        }
        Data::Exponential(histogram) => {
            histogram.count = Some(Count::Whole(number(any.count)));
            (histogram.sum, histogram.min, histogram.max) =
                (float(any.sum), float(any.min), float(any.max));
            histogram.schema = any.scale.map_or(Ok(0), |Int(scale)| narrow(scale))?;
            histogram.zero_count = Some(Count::Whole(number(any.zero_count)));
            histogram.zero_threshold = float(any.zero_threshold).unwrap_or(0.0);
            buckets(any.positive, &mut histogram.positive)?;
            buckets(any.negative, &mut histogram.negative)?;
        }
        Data::Summary(summary) => {
            summary.count = number(any.count);
            summary.sum = float(any.sum).unwrap_or(0.0);
            let quantiles = any.quantile_values.unwrap_or_default().into_iter();
            let pair = |one: Quantile| (float(one.quantile), float(one.value));
            let or_zero =
                |(at, value): (Option<f64>, Option<f64>)| (at.unwrap_or(0.0), value.unwrap_or(0.0));
            summary.quantiles = quantiles.map(pair).map(or_zero).collect();
        }
    }
    Ok(point)
}

/// Bucket i of OTLP ends where bucket i + 1 of Prometheus does.
fn buckets(side: Option<Side>, buckets: &mut Buckets) -> Result<()> {
    let Some(side) = side else { return Ok(()) };
    let offset = side.offset.map_or(Ok(0), |Int(offset)| narrow(offset))?;
    let counts = side.bucket_counts.unwrap_or_default();
    for (index, Unsigned(count)) in (i64::from(offset) + 1..).zip(counts) {
        buckets.push(index, Count::Whole(count));
    }
    Ok(())
}

fn narrow(value: i64) -> Result<i32> {
    i32::try_from(value).map_err(|_| malformed(&"an integer has more than 32 bits"))
}

fn attributes<'a>(list: RawList<'a>) -> Result<Attributes<'a>> {
    let mut attributes = Attributes::default();
    for raw in list.unwrap_or_default() {
        let KeyValue { key, value } = read::<KeyValue<'a>>(raw.get())?;
        if let Some(value) = value {
            attributes.push(key.unwrap_or_default(), text(value)?);
        }
    }
    Ok(attributes)
}

fn text<'a>(raw: Raw<'a>) -> Result<Cow<'a, str>> {
    let any: AnyValue<'a> = read(raw.get())?;
    Ok(match any {
        AnyValue { string_value: Some(text), .. } | AnyValue { bytes_value: Some(text), .. } => {
            text
        }
        AnyValue { double_value: Some(Double(value)), .. } => Cow::Owned(value.to_string()),
        any => {
            let mut out = String::new();
            put_json(&mut out, any, 0)?;
            // Null is absent.
            if out == "null" { Cow::Borrowed("") } else { Cow::Owned(out) }
        }
    })
}

fn put_json(out: &mut String, any: AnyValue<'_>, depth: usize) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(malformed(&"an attribute is nested too deeply"));
    }
    if let Some(text) = any.string_value.or(any.bytes_value) {
        put_json_text(out, &text);
    } else if let Some(value) = any.bool_value {
        put(out, format_args!("{value}"));
    } else if let Some(Int(value)) = any.int_value {
        put(out, format_args!("{value}"));
    } else if let Some(Double(value)) = any.double_value {
        put_json_float(out, value);
    } else if let Some(list) = any.array_value {
        let mut open = '[';
        for raw in list.values.unwrap_or_default() {
            out.push(std::mem::replace(&mut open, ','));
            put_json(out, read(raw.get())?, depth + 1)?;
        }
        out.push_str(if open == '[' { "[]" } else { "]" });
    } else if let Some(map) = any.kvlist_value {
        let mut open = '{';
        for raw in map.values.unwrap_or_default() {
            let KeyValue { key, value } = read(raw.get())?;
            out.push(std::mem::replace(&mut open, ','));
            put_json_text(out, &key.unwrap_or_default());
            out.push(':');
            match value {
                Some(value) => put_json(out, read(value.get())?, depth + 1)?,
                None => out.push_str("null"),
            }
        }
        out.push_str(if open == '{' { "{}" } else { "}" });
    } else {
        out.push_str("null");
    }
    Ok(())
}

/// Reads a message. Lists, which serde would take for one, are none.
fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err(malformed(&"a message is no object"));
    }
    serde_json::from_str(text).map_err(|error| malformed(&error))
}

fn malformed(reason: &dyn std::fmt::Display) -> Error {
    Error::new(Code::MalformedBody, format!("the JSON is no export of metrics: {reason}"))
}
