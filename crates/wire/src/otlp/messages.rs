//! The protobuf encoding: the walk from the request down to each data point.
//!
//! ```text
//! Request         1 ResourceMetrics*
//! ResourceMetrics 1 Resource (1 KeyValue*), 2 ScopeMetrics*
//! ScopeMetrics    1 Scope (1 name, 2 version, 3 KeyValue*), 2 Metric*
//! Metric          1 name, and one of 5 Gauge, 7 Sum, 9 Histogram, 10 ExponentialHistogram, 11 Summary
//! Gauge …         1 points*, 2 temporality enum, 3 monotonic bool
//! point           2 start fixed64, 3 time fixed64, and of a
//!   number        4 double, 6 sfixed64, 7 KeyValue*, 8 flags
//!   histogram     4 count fixed64, 5 sum double, 6 counts fixed64*, 7 bounds double*, 9 KeyValue*, 10 flags,
//!                 11 min double, 12 max double
//!   exponential   1 KeyValue*, 4 count fixed64, 5 sum double, 6 scale sint32, 7 zero count fixed64,
//!                 8 positive, 9 negative (1 offset sint32, 2 counts uint64*), 10 flags, 12 min, 13 max,
//!                 14 zero threshold double
//!   summary       4 count fixed64, 5 sum double, 6 quantiles* (1 quantile double, 2 value double),
//!                 7 KeyValue*, 8 flags
//! KeyValue        1 key, 2 AnyValue
//! AnyValue        1 text, 2 bool, 3 int64, 4 double, 5 list (1 AnyValue*), 6 map (1 KeyValue*), 7 bytes
//! ```

use std::borrow::Cow;

use pulsora_model::Result;

use super::attributes::Attributes;
use super::point::{Data, Kind, Metric, Number, Point, Temporality};
use super::sink::Sink;
use super::values::{DEPTH_MAX, put, put_base64, put_json_float, put_json_text};
use crate::exponential::{Buckets, Count};
use crate::protobuf::{Field, ProtobufError, ProtobufReader, Value};

/// Walks a request.
///
/// # Errors
/// `malformed_body`.
pub(super) fn request<'a>(body: &'a [u8], sink: &mut Sink<'a, '_>) -> Result<()> {
    each(body, 1, |resource| {
        let mut attributes = Attributes::default();
        each(resource, 1, |message| Ok(each_attribute(message, 1, &mut attributes)?))?;
        sink.resource(attributes);
        each(resource, 2, |scope| scope_metrics(scope, sink))
    })
}

fn scope_metrics<'a>(message: &'a [u8], sink: &mut Sink<'a, '_>) -> Result<()> {
    let (mut name, mut version) = ("", "");
    let mut attributes = Attributes::default();
    each(message, 1, |scope| {
        let mut reader = ProtobufReader::new(scope);
        while let Some(field) = reader.field()? {
            match field.number {
                1 => name = field.value.text()?,
                2 => version = field.value.text()?,
                _ => {}
            }
        }
        Ok(each_attribute(scope, 3, &mut attributes)?)
    })?;
    sink.scope(Cow::Borrowed(name), Cow::Borrowed(version), &attributes);
    each(message, 2, |metric| metric_points(metric, sink))
}

fn metric_points<'a>(message: &'a [u8], sink: &mut Sink<'a, '_>) -> Result<()> {
    let mut name = "";
    let mut data = None;
    let mut reader = ProtobufReader::new(message);
    while let Some(Field { number, value }) = reader.field()? {
        let kind = match number {
            1 => {
                name = value.text()?;
                continue;
            }
            5 => Kind::Gauge,
            7 => Kind::Sum,
            9 => Kind::Histogram,
            10 => Kind::Exponential,
            11 => Kind::Summary,
            _ => continue,
        };
        data = Some((kind, value.bytes()?));
    }
    let Some((kind, data)) = data else {
        return Ok(());
    };
    let metric = head(name, kind, data)?;
    each(data, 1, |message| {
        let point = point(kind, message)?;
        sink.point(&metric, point)
    })
}

fn head<'a>(name: &'a str, kind: Kind, data: &'a [u8]) -> Result<Metric<'a>, ProtobufError> {
    let monotonic = (kind == Kind::Sum).then_some(false);
    let mut metric = Metric { name: Cow::Borrowed(name), temporality: None, monotonic };
    let mut reader = ProtobufReader::new(data);
    while let Some(Field { number, value }) = reader.field()? {
        match (kind, number) {
            (Kind::Gauge | Kind::Summary, _) => {}
            (_, 2) => metric.temporality = Temporality::of(value.varint()?),
            (Kind::Sum, 3) => metric.monotonic = Some(value.varint()? != 0),
            _ => {}
        }
    }
    Ok(metric)
}

/// The fields of a point that have the same meaning and other numbers in each kind.
struct Shared {
    attributes: u32,
    flags: u32,
}

fn point(kind: Kind, message: &[u8]) -> Result<Point<'_>, ProtobufError> {
    let shared = match kind {
        Kind::Gauge | Kind::Sum | Kind::Summary => Shared { attributes: 7, flags: 8 },
        Kind::Histogram => Shared { attributes: 9, flags: 10 },
        Kind::Exponential => Shared { attributes: 1, flags: 10 },
    };
    let attributes = Attributes::default();
    let mut point = Point { attributes, start_ns: 0, time_ns: 0, flags: 0, data: Data::of(kind) };
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        let Field { number, value } = field;
        match number {
            2 => point.start_ns = value.fixed64()?,
            3 => point.time_ns = value.fixed64()?,
            number if number == shared.attributes => {
                attribute(value.bytes()?, &mut point.attributes)?;
            }
            number if number == shared.flags => point.flags = value.varint()?,
            _ => part(&mut point.data, field)?,
        }
    }
    Ok(point)
}

/// A field that only points of this kind have.
fn part(data: &mut Data, Field { number, value }: Field<'_>) -> Result<(), ProtobufError> {
    match (data, number) {
        (Data::Gauge(number) | Data::Sum(number), 4) => {
            *number = Some(Number::Double(value.double()?));
        }
        (Data::Gauge(number) | Data::Sum(number), 6) => {
            *number = Some(Number::Int(value.fixed64()? as i64));
        }
        (Data::Histogram(histogram), 4) => histogram.count = value.fixed64()?,
        (Data::Histogram(histogram), 5) => histogram.sum = Some(value.double()?),
        (Data::Histogram(histogram), 6) => value.each_fixed64(|n| histogram.counts.push(n))?,
        (Data::Histogram(histogram), 7) => {
            value.each_fixed64(|bits| histogram.bounds.push(f64::from_bits(bits)))?;
        }
        (Data::Histogram(histogram), 11) => histogram.min = Some(value.double()?),
        (Data::Histogram(histogram), 12) => histogram.max = Some(value.double()?),
        (Data::Exponential(histogram), number) => match number {
            4 => histogram.count = Some(Count::Whole(value.fixed64()?)),
            5 => histogram.sum = Some(value.double()?),
            6 => histogram.schema = value.sint32()?,
            7 => histogram.zero_count = Some(Count::Whole(value.fixed64()?)),
            8 => buckets(value.bytes()?, &mut histogram.positive)?,
            9 => buckets(value.bytes()?, &mut histogram.negative)?,
            12 => histogram.min = Some(value.double()?),
            13 => histogram.max = Some(value.double()?),
            14 => histogram.zero_threshold = value.double()?,
            _ => {}
        },
        (Data::Summary(summary), 4) => summary.count = value.fixed64()?,
        (Data::Summary(summary), 5) => summary.sum = value.double()?,
        (Data::Summary(summary), 6) => summary.quantiles.push(quantile(value.bytes()?)?),
        _ => {}
    }
    Ok(())
}

/// Bucket i of OTLP ends where bucket i + 1 of Prometheus does.
fn buckets(message: &[u8], buckets: &mut Buckets) -> Result<(), ProtobufError> {
    let mut index = 1;
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        if field.number == 1 {
            index = i64::from(field.value.sint32()?) + 1;
        }
    }
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        if field.number == 2 {
            field.value.each_varint(|count| {
                buckets.push(index, Count::Whole(count));
                index += 1;
            })?;
        }
    }
    Ok(())
}

fn quantile(message: &[u8]) -> Result<(f64, f64), ProtobufError> {
    let mut quantile = (0.0, 0.0);
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => quantile.0 = field.value.double()?,
            2 => quantile.1 = field.value.double()?,
            _ => {}
        }
    }
    Ok(quantile)
}

/// Calls `with` for every message of a repeated field.
fn each<'a>(
    message: &'a [u8],
    number: u32,
    mut with: impl FnMut(&'a [u8]) -> Result<()>,
) -> Result<()> {
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        if field.number == number {
            with(field.value.bytes()?)?;
        }
    }
    Ok(())
}

fn each_attribute<'a>(
    message: &'a [u8],
    number: u32,
    attributes: &mut Attributes<'a>,
) -> Result<(), ProtobufError> {
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        if field.number == number {
            attribute(field.value.bytes()?, attributes)?;
        }
    }
    Ok(())
}

fn attribute<'a>(message: &'a [u8], attributes: &mut Attributes<'a>) -> Result<(), ProtobufError> {
    let (key, value) = key_value(message)?;
    attributes.push(Cow::Borrowed(key), text(value)?);
    Ok(())
}

fn key_value(message: &[u8]) -> Result<(&str, &[u8]), ProtobufError> {
    let (mut key, mut any): (_, &[u8]) = ("", b"");
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => key = field.value.text()?,
            2 => any = field.value.bytes()?,
            _ => {}
        }
    }
    Ok((key, any))
}

/// The field of a value that counts: the last.
fn chosen(any: &[u8]) -> Result<Option<Field<'_>>, ProtobufError> {
    let mut chosen = None;
    let mut reader = ProtobufReader::new(any);
    while let Some(field) = reader.field()? {
        chosen = Some(field);
    }
    Ok(chosen)
}

fn text(any: &[u8]) -> Result<Cow<'_, str>, ProtobufError> {
    let Some(Field { number, value }) = chosen(any)? else {
        return Ok(Cow::Borrowed(""));
    };
    Ok(match number {
        1 => Cow::Borrowed(value.text()?),
        4 => Cow::Owned(value.double()?.to_string()),
        7 => {
            let mut out = String::new();
            put_base64(&mut out, value.bytes()?);
            Cow::Owned(out)
        }
        _ => {
            let mut out = String::new();
            put_json(&mut out, any, 0)?;
            // Null is absent.
            if out == "null" { Cow::Borrowed("") } else { Cow::Owned(out) }
        }
    })
}

fn put_json(out: &mut String, any: &[u8], depth: usize) -> Result<(), ProtobufError> {
    if depth > DEPTH_MAX {
        return Err(ProtobufError("an attribute is nested too deeply"));
    }
    let Some(Field { number, value }) = chosen(any)? else {
        out.push_str("null");
        return Ok(());
    };
    match number {
        1 => put_json_text(out, value.text()?),
        2 => put(out, format_args!("{}", value.varint()? != 0)),
        3 => put(out, format_args!("{}", value.varint()? as i64)),
        4 => put_json_float(out, value.double()?),
        5 => put_list(out, value, depth)?,
        6 => put_map(out, value, depth)?,
        7 => {
            out.push('"');
            put_base64(out, value.bytes()?);
            out.push('"');
        }
        _ => out.push_str("null"),
    }
    Ok(())
}

fn put_list(out: &mut String, list: Value<'_>, depth: usize) -> Result<(), ProtobufError> {
    let mut open = '[';
    let mut reader = ProtobufReader::new(list.bytes()?);
    while let Some(field) = reader.field()? {
        if field.number == 1 {
            out.push(std::mem::replace(&mut open, ','));
            put_json(out, field.value.bytes()?, depth + 1)?;
        }
    }
    out.push_str(if open == '[' { "[]" } else { "]" });
    Ok(())
}

fn put_map(out: &mut String, map: Value<'_>, depth: usize) -> Result<(), ProtobufError> {
    let mut open = '{';
    let mut reader = ProtobufReader::new(map.bytes()?);
    while let Some(field) = reader.field()? {
        if field.number == 1 {
            let (key, any) = key_value(field.value.bytes()?)?;
            out.push(std::mem::replace(&mut open, ','));
            put_json_text(out, key);
            out.push(':');
            put_json(out, any, depth + 1)?;
        }
    }
    out.push_str(if open == '{' { "{}" } else { "}" });
    Ok(())
}
