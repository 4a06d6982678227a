//! Exponential histograms (OTLP) and native histograms (Prometheus), which are the same thing, as the
//! fields of one row.
//!
//! | field | type | |
//! |---|---|---|
//! | `count`, `zero_count` | integer; float for float histograms | |
//! | `sum`, `min`, `max`, `zero_threshold` | float | `min` and `max` only where they are sent |
//! | `schema` | integer | bucket i holds values in (2^((i-1)·2^-schema), 2^(i·2^-schema)] |
//! | `positive_buckets`, `negative_buckets` | text | `{"i":count,…}`, i rising, without empty ones |
//! | `custom_values` | text | `[bound,…]`, for schema -53, whose bucket i ends at bound i |

use std::fmt::Write;

use pulsora_model::Scalar;

use crate::items::{Fault, Items, TableIndex};

/// The names above: labels that bear one of them get another name in such a row.
pub(crate) const FIELDS: &[&str] = &[
    "count",
    "sum",
    "min",
    "max",
    "schema",
    "zero_threshold",
    "zero_count",
    "positive_buckets",
    "negative_buckets",
    "custom_values",
    "start_time",
];

/// A number of observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Count {
    Whole(u64),
    /// Of a float histogram, as calculations make them.
    Float(f64),
}

impl Count {
    pub(crate) fn scalar(self) -> Scalar<'static> {
        match self {
            Count::Float(value) => Scalar::F64(value),
            Count::Whole(value) => whole(value),
        }
    }
}

/// An unsigned count as what nearly all are: an i64.
pub(crate) fn whole(value: u64) -> Scalar<'static> {
    i64::try_from(value).map_or(Scalar::U64(value), Scalar::I64)
}

/// One histogram; reused from one to the next.
#[derive(Debug, Default)]
pub(crate) struct Exponential {
    pub(crate) count: Option<Count>,
    pub(crate) sum: Option<f64>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    pub(crate) zero_count: Option<Count>,
    pub(crate) positive: Buckets,
    pub(crate) negative: Buckets,
    pub(crate) custom_values: Vec<f64>,
}

impl Exponential {
    /// Puts the fields into the row at hand of `table`.
    ///
    /// # Errors
    /// When the table has a column of such a name that is no field.
    pub(crate) fn put(&self, items: &mut Items<'_, '_>, table: TableIndex) -> Result<(), Fault> {
        let zero = Count::Whole(0);
        put(items, table, "count", self.count.unwrap_or(zero).scalar())?;
        for (name, value) in [("sum", self.sum), ("min", self.min), ("max", self.max)] {
            if let Some(value) = value {
                put(items, table, name, Scalar::F64(value))?;
            }
        }
        put(items, table, "schema", Scalar::I64(i64::from(self.schema)))?;
        put(items, table, "zero_threshold", Scalar::F64(self.zero_threshold))?;
        put(items, table, "zero_count", self.zero_count.unwrap_or(zero).scalar())?;
        put_text(items, table, "positive_buckets", self.positive.text())?;
        put_text(items, table, "negative_buckets", self.negative.text())?;
        if self.custom_values.is_empty() {
            return Ok(());
        }
        let values: Vec<String> = self.custom_values.iter().map(f64::to_string).collect();
        put_text(items, table, "custom_values", &format!("[{}]", values.join(",")))
    }
}

/// Sets a field of the row at hand.
pub(crate) fn put(
    items: &mut Items<'_, '_>,
    table: TableIndex,
    name: &str,
    value: Scalar<'static>,
) -> Result<(), Fault> {
    let field = items.batch(table).field(name).map_err(|error| Fault::of_column(error, name))?;
    items.row.put(field, value);
    Ok(())
}

fn put_text(
    items: &mut Items<'_, '_>,
    table: TableIndex,
    name: &str,
    text: &str,
) -> Result<(), Fault> {
    let field = items.batch(table).field(name).map_err(|error| Fault::of_column(error, name))?;
    items.row.put_text(field, text);
    Ok(())
}

/// The buckets of one side as text.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    /// `{"i":count` … without the closing brace; empty when there are none.
    text: String,
}

impl Buckets {
    /// Adds the next bucket, unless it is empty.
    pub(crate) fn push(&mut self, index: i64, count: Count) {
        if matches!(count, Count::Whole(0) | Count::Float(0.0)) {
            return;
        }
        if let Some(open) = self.text.pop() {
            debug_assert_eq!(open, '}');
            self.text.push(',');
        } else {
            self.text.push('{');
        }
        let pushed = match count {
            Count::Whole(count) => write!(self.text, "\"{index}\":{count}}}"),
            Count::Float(count) => write!(self.text, "\"{index}\":{count}}}"),
        };
        debug_assert!(pushed.is_ok(), "a String takes everything");
    }

    fn text(&self) -> &str {
        if self.text.is_empty() { "{}" } else { &self.text }
    }
}
