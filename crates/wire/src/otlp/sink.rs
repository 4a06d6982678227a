//! Data points into rows.

use std::borrow::Cow;

use pulsora_model::builder::FieldIndex;
use pulsora_model::limits::EXCERPT_BYTES;
use pulsora_model::name::prefix;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::time::Precision;
use pulsora_model::{Code, Detail, Error, Mode, Result, Scalar};

use super::attributes::Attributes;
use super::point::{Data, Histogram, Metric, NO_RECORDED_VALUE, Number, Point, Summary};
use crate::exponential::{self, put, whole};
use crate::items::{Fault, Items, TableIndex, TagBudget, Time, tag_name};
use crate::parsed::Parsed;

const VALUE: &str = "value";
const START: &str = "start_time";
const BOUND: &str = "le";
const QUANTILE: &str = "quantile";

/// Names that the rows of each kind need for themselves.
const NUMBER_NAMES: &[&str] = &[VALUE, START];
const HISTOGRAM_NAMES: &[&str] = &["count", "sum", "min", "max", START];
const BUCKET_NAMES: &[&str] = &[VALUE, BOUND];
const SUMMARY_NAMES: &[&str] = &["count", "sum", VALUE, QUANTILE, START];

/// The rows of a request so far, and where its next points belong.
pub(super) struct Sink<'a, 's> {
    items: Items<'a, 's>,
    now_ns: i64,
    budget: TagBudget,
    resource: Attributes<'a>,
    scope: Attributes<'a>,
    /// Points before the next one.
    index: u64,
    /// The second table of the point at hand, once it has one.
    parts: Option<TableIndex>,
}

/// Rows of a point beside its first: one per bucket or quantile.
struct Parts {
    table: TableIndex,
    value: FieldIndex,
    /// Series and value of each.
    rows: Vec<(u32, Scalar<'static>)>,
}

impl<'a, 's> Sink<'a, 's> {
    pub(super) fn new(schemas: &'s dyn SchemaLookup, body_bytes: usize, now_ns: i64) -> Self {
        Sink {
            items: Items::new(schemas, body_bytes, Precision::Nanosecond, now_ns),
            now_ns,
            budget: TagBudget::new(body_bytes),
            resource: Attributes::default(),
            scope: Attributes::default(),
            index: 0,
            parts: None,
        }
    }

    /// What became of the request.
    pub(super) fn finish(self) -> Parsed {
        self.items.finish()
    }

    /// The points that follow belong to this resource.
    pub(super) fn resource(&mut self, attributes: Attributes<'a>) {
        self.resource = attributes;
        self.scope = Attributes::default();
    }

    /// The points that follow belong to this scope.
    pub(super) fn scope(
        &mut self,
        name: Cow<'a, str>,
        version: Cow<'a, str>,
        attributes: &Attributes<'a>,
    ) {
        self.scope = Attributes::default();
        self.scope.push(Cow::Borrowed("otel.scope.name"), name);
        self.scope.push(Cow::Borrowed("otel.scope.version"), version);
        for (name, text) in attributes.iter() {
            self.scope.push(Cow::Owned(format!("otel.scope.{name}")), text.clone());
        }
    }

    /// Stores or rejects a data point.
    ///
    /// # Errors
    /// Only what concerns the whole request.
    pub(super) fn point(&mut self, metric: &Metric<'a>, point: Point<'a>) -> Result<()> {
        let index = self.index;
        self.index += 1;
        if point.flags & NO_RECORDED_VALUE != 0 {
            return Ok(());
        }
        self.items.begin();
        self.parts = None;
        let Err(fault) = self.store(metric, &point) else {
            return Ok(());
        };
        if let Some(parts) = self.parts {
            self.items.batch(parts).abort_row();
        }
        let text = prefix(&metric.name, EXCERPT_BYTES);
        self.items.reject(fault, |detail| Detail {
            index: Some(index),
            text: Some(text.to_owned()),
            ..detail
        })?;
        Ok(())
    }

    fn store(&mut self, metric: &Metric<'a>, point: &Point<'a>) -> Result<(), Fault> {
        let time_ns = match point.time_ns {
            0 => self.now_ns,
            time_ns => time(time_ns)?,
        };
        let parts = match &point.data {
            Data::Histogram(histogram) => self.buckets(metric, point, histogram)?,
            Data::Summary(summary) => self.quantiles(metric, point, summary)?,
            Data::Gauge(_) | Data::Sum(_) | Data::Exponential(_) => None,
        };
        let table = self.items.open(&metric.name, Mode::Upsert)?;
        let names = match point.data {
            Data::Gauge(_) | Data::Sum(_) => NUMBER_NAMES,
            Data::Histogram(_) => HISTOGRAM_NAMES,
            Data::Exponential(_) => exponential::FIELDS,
            Data::Summary(_) => SUMMARY_NAMES,
        };
        let series = self.series(table, metric, point, names, None)?;
        self.fields(table, &point.data)?;
        if point.start_ns != 0 && !matches!(point.data, Data::Gauge(_)) {
            let start = time(point.start_ns).map_err(|error| Fault::of_column(error, START))?;
            put(&mut self.items, table, START, Scalar::Timestamp(start))?;
        }
        self.items.store(table, series, Time::Exact(time_ns))?;
        // What could be wrong with the other rows has been looked at before the first was stored.
        parts.map_or(Ok(()), |parts| self.store_parts(&parts, time_ns))
    }

    fn fields(&mut self, table: TableIndex, data: &Data) -> Result<(), Fault> {
        let mut set = |name, value| put(&mut self.items, table, name, value);
        match data {
            Data::Gauge(None) | Data::Sum(None) => {
                Err(malformed("the data point has no value").into())
            }
            Data::Gauge(Some(number)) | Data::Sum(Some(number)) => match *number {
                Number::Int(value) => set(VALUE, Scalar::I64(value)),
                Number::Double(value) => set(VALUE, Scalar::F64(value)),
            },
            Data::Histogram(Histogram { count, sum, min, max, .. }) => {
                set("count", whole(*count))?;
                let all = [("sum", sum), ("min", min), ("max", max)];
                let mut sent = all.into_iter().filter_map(|(name, value)| Some((name, (*value)?)));
                sent.try_for_each(|(name, value)| set(name, Scalar::F64(value)))
            }
            Data::Exponential(histogram) => histogram.put(&mut self.items, table),
            Data::Summary(Summary { count, sum, .. }) => {
                set("count", whole(*count))?;
                set("sum", Scalar::F64(*sum))
            }
        }
    }

    /// The buckets of a histogram, cumulative, in a table of their own.
    fn buckets(
        &mut self,
        metric: &Metric<'a>,
        point: &Point<'a>,
        histogram: &Histogram,
    ) -> Result<Option<Parts>, Fault> {
        let Histogram { counts, bounds, .. } = histogram;
        if counts.is_empty() && bounds.is_empty() {
            return Ok(None);
        }
        if counts.len() != bounds.len() + 1 || !bounds.is_sorted_by(|a, b| a < b) {
            let message = "the histogram needs rising bounds and one bucket more than these";
            return Err(malformed(message).into());
        }
        let mut total = 0_u64;
        let ends = bounds.iter().map(f64::to_string).chain([String::from("+Inf")]);
        let mut rows = Vec::with_capacity(counts.len());
        for (count, end) in counts.iter().zip(ends) {
            total =
                total.checked_add(*count).ok_or_else(|| malformed("the counts are too large"))?;
            rows.push((end, whole(total)));
        }
        self.parts(&format!("{}_bucket", metric.name), BOUND, rows, metric, point).map(Some)
    }

    /// The quantiles of a summary, in the table of the metric.
    fn quantiles(
        &mut self,
        metric: &Metric<'a>,
        point: &Point<'a>,
        summary: &Summary,
    ) -> Result<Option<Parts>, Fault> {
        let rows = summary.quantiles.iter();
        let rows = rows.map(|(at, value)| (at.to_string(), Scalar::F64(*value))).collect();
        self.parts(&metric.name, QUANTILE, rows, metric, point).map(Some)
    }

    /// Prepares rows that have one tag more than the point, so that storing them cannot fail.
    fn parts(
        &mut self,
        table: &str,
        tag: &str,
        rows: Vec<(String, Scalar<'static>)>,
        metric: &Metric<'a>,
        point: &Point<'a>,
    ) -> Result<Parts, Fault> {
        let table = self.items.open(table, Mode::Upsert)?;
        self.parts = Some(table);
        let names = if tag == BOUND { BUCKET_NAMES } else { SUMMARY_NAMES };
        let value = self.items.batch(table).field(VALUE);
        let value = value.map_err(|error| Fault::of_column(error, VALUE))?;
        self.items.tables.check_cells(table, rows.len() + 1)?;
        let mut parts = Parts { table, value, rows: Vec::with_capacity(rows.len()) };
        for (text, scalar) in rows {
            let series = self.series(table, metric, point, names, Some((tag, text)))?;
            if !self.items.tags.is_series() {
                let message = "an attribute is a text field of this table, not a tag";
                return Err(Error::new(Code::SchemaConflict, message).into());
            }
            let checked = self.items.batch(table).check(value, scalar);
            checked.map_err(|clash| Fault::clash(VALUE, Some(scalar), &clash))?;
            parts.rows.push((series, scalar));
        }
        Ok(parts)
    }

    fn store_parts(&mut self, parts: &Parts, time_ns: i64) -> Result<(), Fault> {
        let batch = self.items.batch(parts.table);
        for (series, scalar) in &parts.rows {
            batch
                .push_scalar(parts.value, *scalar)
                .map_err(|clash| Fault::clash(VALUE, Some(*scalar), &clash))?;
            batch.end_row(*series, time_ns);
        }
        Ok(())
    }

    /// The series of a row: what the point, the metric, the scope and the resource say, and `part`.
    fn series(
        &mut self,
        table: TableIndex,
        metric: &Metric<'a>,
        point: &Point<'a>,
        names: &[&str],
        part: Option<(&str, String)>,
    ) -> Result<u32, Fault> {
        let own = &point.attributes;
        self.budget.take(own.bytes() + self.scope.bytes() + self.resource.bytes())?;
        let batch = self.items.tables.batch(table);
        let tags = &mut self.items.tags;
        tags.begin();
        if let Some((name, text)) = part {
            tags.add(batch, name, Cow::Owned(text))?;
        }
        let scope = &self.scope;
        let resource = self.resource.iter().filter(|(name, _)| !scope.has(name));
        let inherited = scope.iter().chain(resource).filter(|(name, _)| !own.has(name));
        for (name, text) in own.iter().chain(inherited) {
            tags.add(batch, &tag_name(batch, name, names), text.clone())?;
        }
        let monotonic = metric.monotonic.map(|yes| if yes { "true" } else { "false" });
        let temporality = metric.temporality.map(|temporality| temporality.name());
        for (name, text) in [("otel.monotonic", monotonic), ("otel.temporality", temporality)] {
            if let Some(text) = text.filter(|_| !own.has(name)) {
                tags.add(batch, name, Cow::Borrowed(text))?;
            }
        }
        tags.series(batch)
    }
}

/// A time of the protocol.
fn time(time_ns: u64) -> Result<i64> {
    i64::try_from(time_ns).map_err(|_| {
        let message =
            format!("time {time_ns} is out of range: it lies outside 1677-09-21 to 2262-04-11");
        Error::new(Code::InvalidTime, message).hint("times are nanoseconds since 1970-01-01 UTC")
    })
}

fn malformed(message: &str) -> Error {
    Error::new(Code::MalformedBody, message)
}
