//! `first(value, time)` and `last(value, time)`: the value at the earliest and at the latest time.
//! Rows whose value or time is null are skipped; of rows with one time any may count.

use std::mem::size_of_val;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, TimestampNanosecondType};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use pulsora_model::types::timestamp_type;

/// Which end of time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    First,
    Last,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct FirstLast {
    end: End,
    signature: Signature,
}

impl FirstLast {
    pub(super) fn new(end: End) -> FirstLast {
        FirstLast { end, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for FirstLast {
    fn name(&self) -> &str {
        match self.end {
            End::First => "first",
            End::Last => "last",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [value, time] = types else {
            return plan_err!("{0} takes a value and a time, like {0}(price, time)", self.name());
        };
        let value = match value {
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            other => other.clone(),
        };
        let time = match time {
            ty if ty.is_integer() => DataType::Int64,
            DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 | DataType::Null => {
                timestamp_type()
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => timestamp_type(),
            _ => return plan_err!("the second argument of {} is a time", self.name()),
        };
        Ok(vec![value, time])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let value = ScalarValue::try_from(args.return_field.data_type())?;
        Ok(Box::new(Best { end: self.end, value, time: None }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let value = Field::new(
            format_state_name(args.name, "value"),
            args.return_field.data_type().clone(),
            true,
        );
        let time = Field::new(format_state_name(args.name, "time"), DataType::Int64, true);
        Ok(vec![Arc::new(value), Arc::new(time)])
    }
}

/// The best row so far.
#[derive(Debug)]
struct Best {
    end: End,
    value: ScalarValue,
    time: Option<i64>,
}

impl Best {
    fn take_best(&mut self, values: &ArrayRef, times: &ArrayRef) -> Result<()> {
        let ticks = match times.data_type() {
            DataType::Int64 => times.as_primitive::<Int64Type>().values(),
            DataType::Timestamp(_, _) => times.as_primitive::<TimestampNanosecondType>().values(),
            other => return exec_err!("{other} is not a time"),
        };
        let nulls = values.logical_nulls();
        let mut found = None;
        for (row, tick) in ticks.iter().enumerate() {
            let better = match (self.time, self.end) {
                (None, _) => true,
                (Some(best), End::First) => *tick < best,
                (Some(best), End::Last) => *tick >= best,
            };
            let null = times.is_null(row) || nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            if better && !null {
                self.time = Some(*tick);
                found = Some(row);
            }
        }
        if let Some(row) = found {
            self.value = ScalarValue::try_from_array(values, row)?;
        }
        Ok(())
    }
}

impl Accumulator for Best {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take_best(&values[0], &values[1])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.take_best(&states[0], &states[1])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::Int64(self.time)])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }
}
