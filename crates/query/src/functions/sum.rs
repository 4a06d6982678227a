//! `sum` with integer results that are right or an error: inside they have 128 bits, which no number of
//! rows can fill; what leaves them must fit its type. Everything but 64-bit integers is the planner's
//! own `sum`.

use std::collections::HashMap;
use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array, UInt64Array,
};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, UInt64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
    Signature, StatisticsArgs,
};
use datafusion::physical_expr::expressions::Column;
use pulsora_model::{Code, Error};

use crate::error::into_datafusion;

/// The type of a state: the digits of any sum of 2^63 integers of 64 bits.
const STATE: DataType = DataType::Decimal128(38, 0);

#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct CheckedSum(Sum);

fn is_integer(ty: &DataType) -> bool {
    matches!(ty, DataType::Int64 | DataType::UInt64)
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match (is_integer(args.return_type()), args.is_distinct) {
            (false, _) => self.0.accumulator(args),
            (true, true) => Ok(Box::new(DistinctSum::new(&args))),
            (true, false) => Ok(Box::new(IntegerSum::new(&args))),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match is_integer(args.return_type()) {
            true => self.accumulator(args),
            false => self.0.create_sliding_accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !is_integer(args.return_type()) {
            return self.0.state_fields(args);
        }
        let state = match args.is_distinct {
            true => Field::new_list(
                format_state_name(args.name, "sum distinct"),
                Field::new_list_field(STATE, true),
                false,
            ),
            false => Field::new(format_state_name(args.name, "sum"), STATE, true),
        };
        Ok(vec![Arc::new(state)])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.0.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match is_integer(args.return_type()) {
            true => Ok(Box::new(IntegerSums { target: Target::new(&args), ..Default::default() })),
            false => self.0.create_groups_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.0.reverse_expr()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.0.order_sensitivity()
    }

    fn set_monotonicity(&self, ty: &DataType) -> SetMonotonicity {
        self.0.set_monotonicity(ty)
    }

    fn value_from_stats(&self, args: &StatisticsArgs) -> Option<ScalarValue> {
        // Statistics may have been added up without a check.
        if is_integer(args.return_type) { None } else { self.0.value_from_stats(args) }
    }
}

/// What a sum is called and which type it must fit.
#[derive(Clone, Debug, Default)]
struct Target {
    signed: bool,
    what: String,
}

impl Target {
    fn new(args: &AccumulatorArgs) -> Target {
        let column = args.exprs.first().and_then(|expr| expr.downcast_ref::<Column>());
        let what = match column {
            Some(column) => format!("the sum of column {:?}", column.name()),
            None => args.name.to_owned(),
        };
        Target { signed: args.return_type() == &DataType::Int64, what }
    }

    fn outside(&self, sum: i128) -> datafusion::error::DataFusionError {
        let message = format!("{} is {sum}, outside the range of 64-bit integers", self.what);
        into_datafusion(
            Error::new(Code::SqlInvalid, message).hint("cast the column to a float first"),
        )
    }

    fn scalar(&self, sum: Option<i128>) -> Result<ScalarValue> {
        Ok(match self.signed {
            true => ScalarValue::Int64(self.fit(sum)?),
            false => ScalarValue::UInt64(self.fit(sum)?),
        })
    }

    fn fit<T: TryFrom<i128>>(&self, sum: Option<i128>) -> Result<Option<T>> {
        let fitted = |sum| T::try_from(sum).map_err(|_| self.outside(sum));
        sum.map(fitted).transpose()
    }
}

/// The values that are not null, with their rows.
fn for_each(values: &ArrayRef, mut each: impl FnMut(usize, i128)) -> Result<()> {
    let mut valid = |row: usize, value: i128| {
        if values.is_valid(row) {
            each(row, value);
        }
    };
    match values.data_type() {
        DataType::Int64 => {
            let values = values.as_primitive::<Int64Type>().values().iter().enumerate();
            values.for_each(|(row, value)| valid(row, i128::from(*value)));
        }
        DataType::UInt64 => {
            let values = values.as_primitive::<UInt64Type>().values().iter().enumerate();
            values.for_each(|(row, value)| valid(row, i128::from(*value)));
        }
        DataType::Decimal128(_, 0) => {
            let values = values.as_primitive::<Decimal128Type>().values().iter().enumerate();
            values.for_each(|(row, value)| valid(row, *value));
        }
        other => return exec_err!("{other} is not an integer"),
    }
    Ok(())
}

fn decimals(values: impl IntoIterator<Item = Option<i128>>) -> ArrayRef {
    let array: Decimal128Array = values.into_iter().collect();
    Arc::new(array.with_data_type(STATE))
}

/// The sum of one group; values may leave again.
#[derive(Debug)]
struct IntegerSum {
    target: Target,
    sum: i128,
    /// Values in the sum. After a merge only whether there are any counts.
    values: u64,
}

impl IntegerSum {
    fn new(args: &AccumulatorArgs) -> IntegerSum {
        IntegerSum { target: Target::new(args), sum: 0, values: 0 }
    }

    fn result(&self) -> Option<i128> {
        (self.values > 0).then_some(self.sum)
    }
}

impl Accumulator for IntegerSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |_, value| {
            self.sum += value;
            self.values += 1;
        })
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |_, value| {
            self.sum -= value;
            self.values -= 1;
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.target.scalar(self.result())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Decimal128(self.result(), 38, 0)])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.target.what.capacity()
    }
}

/// The sum of the different values of one group; values may leave again.
#[derive(Debug)]
struct DistinctSum {
    target: Target,
    sum: i128,
    /// How often each value is there.
    values: HashMap<i128, u64>,
}

impl DistinctSum {
    fn new(args: &AccumulatorArgs) -> DistinctSum {
        DistinctSum { target: Target::new(args), sum: 0, values: HashMap::new() }
    }
}

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |_, value| {
            let times = self.values.entry(value).or_insert(0);
            if *times == 0 {
                self.sum += value;
            }
            *times += 1;
        })
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |_, value| {
            if let Some(times) = self.values.get_mut(&value) {
                *times -= 1;
                if *times == 0 {
                    self.values.remove(&value);
                    self.sum -= value;
                }
            }
        })
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[values])?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.target.scalar((!self.values.is_empty()).then_some(self.sum))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.values.keys().map(|value| ScalarValue::Decimal128(Some(*value), 38, 0));
        let values: Vec<ScalarValue> = values.collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &STATE))])
    }

    fn size(&self) -> usize {
        let entry = size_of::<i128>() + size_of::<u64>();
        size_of_val(self) + self.target.what.capacity() + self.values.capacity() * entry
    }
}

/// The sums of many groups.
#[derive(Default)]
struct IntegerSums {
    target: Target,
    sums: Vec<i128>,
    /// Which groups have a value.
    seen: Vec<bool>,
}

impl IntegerSums {
    fn take(&mut self, emit: EmitTo) -> impl Iterator<Item = Option<i128>> {
        let (sums, seen) = (emit.take_needed(&mut self.sums), emit.take_needed(&mut self.seen));
        sums.into_iter().zip(seen).map(|(sum, seen)| seen.then_some(sum))
    }
}

fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl GroupsAccumulator for IntegerSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.resize(total, 0);
        self.seen.resize(total, false);
        for_each(&values[0], |row, value| {
            if passes(filter, row) {
                self.sums[groups[row]] += value;
                self.seen[groups[row]] = true;
            }
        })
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.update_batch(states, groups, None, total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let target = self.target.clone();
        let sums = self.take(emit);
        Ok(match target.signed {
            true => {
                let sums = sums.map(|sum| target.fit(sum)).collect::<Result<Vec<Option<i64>>>>()?;
                Arc::new(Int64Array::from(sums))
            }
            false => {
                let sums = sums.map(|sum| target.fit(sum)).collect::<Result<Vec<Option<u64>>>>()?;
                Arc::new(UInt64Array::from(sums))
            }
        })
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![decimals(self.take(emit))])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut state = vec![None; values[0].len()];
        for_each(&values[0], |row, value| {
            if passes(filter, row) {
                state[row] = Some(value);
            }
        })?;
        Ok(vec![decimals(state)])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.capacity() * size_of::<i128>() + self.seen.capacity()
    }
}
