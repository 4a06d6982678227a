//! Predicates on single columns by value: exact tests over Arrow arrays.
//!
//! Every type but text is compared through an *order key*, an i64 that rises with the value: floats
//! by the total order of IEEE 754 (-NaN < -inf < -0 < +0 < inf < NaN), as Arrow's kernels compare.
//! So a range is two inclusive keys, and statistics in keys decide whole blocks.
//!
//! Invariant: null is in no range.

use std::ops::Bound;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type,
};
use pulsora_model::{Code, Column, ColumnId, ColumnKind, ColumnType, Error, Result, TableSchema};

/// A column must pass a test.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldPredicate {
    /// The column: a field, the time column, the row id or a tag.
    pub column: ColumnId,
    /// What its value must be.
    pub test: FieldTest,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldTest {
    /// Between the bounds; null never is. Floats by total order.
    Range {
        /// Lower bound.
        min: Bound<FieldValue>,
        /// Upper bound.
        max: Bound<FieldValue>,
    },
    /// Null.
    IsNull,
    /// Not null.
    IsNotNull,
}

/// A value of the type of the column that it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// Of an i64 column.
    I64(i64),
    /// Of a u64 column or the row id.
    U64(u64),
    /// Of an f64 column.
    F64(f64),
    /// Of a bool column; false before true.
    Bool(bool),
    /// Of a utf8 column or a tag, by bytes.
    Utf8(String),
    /// Of the time column or a timestamp field, nanoseconds UTC.
    Time(i64),
}

/// The order key of an unsigned integer.
pub(crate) fn u64_key(value: u64) -> i64 {
    (value ^ (1 << 63)) as i64
}

/// The order key of a float: total order.
pub(crate) fn f64_key(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

impl FieldValue {
    /// The order key; `None` for text.
    fn key(&self) -> Option<i64> {
        match self {
            FieldValue::I64(value) | FieldValue::Time(value) => Some(*value),
            FieldValue::U64(value) => Some(u64_key(*value)),
            FieldValue::F64(value) => Some(f64_key(*value)),
            FieldValue::Bool(value) => Some(i64::from(*value)),
            FieldValue::Utf8(_) => None,
        }
    }

    fn fits(&self, column: &Column) -> bool {
        let ty = match column.kind {
            ColumnKind::Time => ColumnType::Timestamp,
            ColumnKind::Id => ColumnType::U64,
            ColumnKind::Tag => ColumnType::Utf8,
            ColumnKind::Field => column.ty,
        };
        matches!(
            (self, ty),
            (FieldValue::I64(_), ColumnType::I64)
                | (FieldValue::U64(_), ColumnType::U64)
                | (FieldValue::F64(_), ColumnType::F64)
                | (FieldValue::Bool(_), ColumnType::Bool)
                | (FieldValue::Utf8(_), ColumnType::Utf8)
                | (FieldValue::Time(_), ColumnType::Timestamp)
                | (_, ColumnType::Untyped)
        )
    }
}

fn value_of(bound: &Bound<FieldValue>) -> Option<&FieldValue> {
    match bound {
        Bound::Included(value) | Bound::Excluded(value) => Some(value),
        Bound::Unbounded => None,
    }
}

impl FieldPredicate {
    /// Checks that the column exists and that the bounds are of its type.
    ///
    /// # Errors
    /// `column_not_found`; `invalid_request` when a bound is of another type.
    pub(crate) fn check(&self, schema: &TableSchema) -> Result<()> {
        let column = schema.column_by_id(self.column).ok_or_else(|| {
            let message = format!("table {:?} has no column with id {}", schema.name, self.column);
            Error::new(Code::ColumnNotFound, message)
        })?;
        let FieldTest::Range { min, max } = &self.test else { return Ok(()) };
        for value in [min, max].into_iter().filter_map(value_of) {
            if !value.fits(column) {
                let ty = column.ty.noun();
                let message = format!("column {:?} ({ty}) is compared with {value:?}", column.name);
                return Err(Error::new(Code::InvalidRequest, message));
            }
        }
        Ok(())
    }

    /// The inclusive range of order keys; `None` for text and null tests. Nothing fits when the first
    /// is above the second.
    pub(crate) fn keys(&self) -> Option<(i64, i64)> {
        const NOTHING: (i64, i64) = (i64::MAX, i64::MIN);
        let FieldTest::Range { min, max } = &self.test else { return None };
        let low = match min {
            Bound::Unbounded => i64::MIN,
            Bound::Included(value) => value.key()?,
            Bound::Excluded(value) => match value.key()?.checked_add(1) {
                Some(key) => key,
                None => return Some(NOTHING),
            },
        };
        let high = match max {
            Bound::Unbounded => i64::MAX,
            Bound::Included(value) => value.key()?,
            Bound::Excluded(value) => match value.key()?.checked_sub(1) {
                Some(key) => key,
                None => return Some(NOTHING),
            },
        };
        Some((low, high))
    }

    /// Whether a text fits.
    pub(crate) fn accepts_text(&self, text: &str) -> bool {
        let FieldTest::Range { min, max } = &self.test else {
            return self.test == FieldTest::IsNotNull;
        };
        let above = match min {
            Bound::Included(FieldValue::Utf8(min)) => min.as_str() <= text,
            Bound::Excluded(FieldValue::Utf8(min)) => min.as_str() < text,
            _ => true,
        };
        let below = match max {
            Bound::Included(FieldValue::Utf8(max)) => text <= max.as_str(),
            Bound::Excluded(FieldValue::Utf8(max)) => text < max.as_str(),
            _ => true,
        };
        above && below
    }

    /// Which values of an array of the column fit.
    ///
    /// # Errors
    /// `internal` when the array is of no column type.
    pub(crate) fn matches(&self, values: &ArrayRef) -> Result<BooleanBuffer> {
        let rows = values.len();
        let valid = || match values.logical_nulls() {
            Some(nulls) => nulls.into_inner(),
            None => BooleanBuffer::new_set(rows),
        };
        match self.test {
            FieldTest::IsNull => return Ok(!&valid()),
            FieldTest::IsNotNull => return Ok(valid()),
            FieldTest::Range { .. } => {}
        }
        let fits = match self.keys() {
            Some((low, high)) => keys_inside(values, low, high),
            None => self.texts_inside(values),
        };
        let fits = fits.ok_or_else(|| {
            let ty = values.data_type();
            Error::internal(format!("column {} holds {ty}, its predicate does not", self.column))
        })?;
        Ok(if values.logical_null_count() == 0 { fits } else { &fits & &valid() })
    }

    fn texts_inside(&self, values: &ArrayRef) -> Option<BooleanBuffer> {
        match values.data_type() {
            DataType::Null => Some(BooleanBuffer::new_unset(values.len())),
            DataType::Utf8 => {
                let texts = values.as_string::<i32>();
                Some(BooleanBuffer::collect_bool(texts.len(), |row| {
                    self.accepts_text(texts.value(row))
                }))
            }
            DataType::Dictionary(..) => {
                let tags = values.as_dictionary_opt::<UInt32Type>()?;
                let accepted = self.texts_inside(tags.values())?;
                let keys = tags.keys();
                Some(BooleanBuffer::collect_bool(keys.len(), |row| {
                    keys.is_valid(row) && accepted.value(keys.value(row) as usize)
                }))
            }
            _ => None,
        }
    }
}

/// Which order keys lie between two, both inclusive; `None` for a type without keys.
fn keys_inside(values: &ArrayRef, low: i64, high: i64) -> Option<BooleanBuffer> {
    let rows = values.len();
    let inside = |key: i64| low <= key && key <= high;
    Some(match values.data_type() {
        DataType::Null => BooleanBuffer::new_unset(rows),
        DataType::Int64 => {
            let values = values.as_primitive_opt::<Int64Type>()?.values();
            BooleanBuffer::collect_bool(rows, |row| inside(values[row]))
        }
        DataType::Timestamp(..) => {
            let values = values.as_primitive_opt::<TimestampNanosecondType>()?.values();
            BooleanBuffer::collect_bool(rows, |row| inside(values[row]))
        }
        DataType::UInt64 => {
            let values = values.as_primitive_opt::<UInt64Type>()?.values();
            BooleanBuffer::collect_bool(rows, |row| inside(u64_key(values[row])))
        }
        DataType::Float64 => {
            let values = values.as_primitive_opt::<Float64Type>()?.values();
            BooleanBuffer::collect_bool(rows, |row| inside(f64_key(values[row])))
        }
        DataType::Boolean => {
            let values = values.as_boolean();
            BooleanBuffer::collect_bool(rows, |row| inside(i64::from(values.value(row))))
        }
        // Unbounded on both sides: every text fits.
        DataType::Utf8 | DataType::Dictionary(..) if (low, high) == (i64::MIN, i64::MAX) => {
            BooleanBuffer::new_set(rows)
        }
        _ => return None,
    })
}

/// The rows of a batch that pass all `predicates`; `columns` are those of the batch.
///
/// # Errors
/// `internal` when a column of a predicate is not in the batch.
pub(crate) fn filter(
    batch: &RecordBatch,
    columns: &[Column],
    predicates: &[FieldPredicate],
) -> Result<RecordBatch> {
    let mut fits = BooleanBuffer::new_set(batch.num_rows());
    for predicate in predicates {
        let position = columns.iter().position(|column| column.id == predicate.column);
        let position = position.ok_or_else(|| {
            Error::internal(format!("column {} of a predicate is not read", predicate.column))
        })?;
        fits = &fits & &predicate.matches(batch.column(position))?;
    }
    if fits.count_set_bits() == batch.num_rows() {
        return Ok(batch.clone());
    }
    Ok(filter_record_batch(batch, &BooleanArray::new(fits, None))?)
}
