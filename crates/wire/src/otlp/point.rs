//! What both encodings come to: metrics and data points.

use std::borrow::Cow;

use super::attributes::Attributes;
use crate::exponential::Exponential;

/// The head of a metric.
#[derive(Clone, Debug)]
pub(super) struct Metric<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) temporality: Option<Temporality>,
    /// Whether a sum only rises; `None` for other kinds.
    pub(super) monotonic: Option<bool>,
}

/// What a sum or a histogram counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temporality {
    Delta,
    Cumulative,
}

impl Temporality {
    /// By its number in the protocol; `None` is unspecified.
    pub(super) fn of(number: u64) -> Option<Temporality> {
        match number {
            1 => Some(Temporality::Delta),
            2 => Some(Temporality::Cumulative),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Temporality::Delta => "delta",
            Temporality::Cumulative => "cumulative",
        }
    }
}

/// The kinds of metrics, by the field that holds their points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
}

/// One data point.
#[derive(Debug)]
pub(super) struct Point<'a> {
    pub(super) attributes: Attributes<'a>,
    /// Nanoseconds UTC; 0 is unknown.
    pub(super) start_ns: u64,
    /// Nanoseconds UTC; 0 is unknown.
    pub(super) time_ns: u64,
    pub(super) flags: u64,
    pub(super) data: Data,
}

/// The flag of a point that only says that there is no value.
pub(super) const NO_RECORDED_VALUE: u64 = 1;

#[derive(Debug)]
pub(super) enum Data {
    Gauge(Option<Number>),
    Sum(Option<Number>),
    Histogram(Histogram),
    Exponential(Box<Exponential>),
    Summary(Summary),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

#[derive(Debug, Default)]
pub(super) struct Histogram {
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    /// One more than bounds, or none.
    pub(super) counts: Vec<u64>,
    /// Upper bounds of all buckets but the last.
    pub(super) bounds: Vec<f64>,
}

#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) count: u64,
    pub(super) sum: f64,
    /// Quantile and value.
    pub(super) quantiles: Vec<(f64, f64)>,
}

impl Data {
    /// A point of this kind without values.
    pub(super) fn of(kind: Kind) -> Data {
        match kind {
            Kind::Gauge => Data::Gauge(None),
            Kind::Sum => Data::Sum(None),
            Kind::Histogram => Data::Histogram(Histogram::default()),
            Kind::Exponential => Data::Exponential(Box::default()),
            Kind::Summary => Data::Summary(Summary::default()),
        }
    }
}
