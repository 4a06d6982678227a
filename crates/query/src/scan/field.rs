//! Comparisons of a field with a literal, as ranges of values of the field's own type.
//!
//! The planner compares two types by casting one of them (an integer column becomes a float where it
//! is compared with `90.5`). Such a comparison is a range of integers all the same, because the casts
//! taken here never order two values the other way round; its ends are searched, not computed, so that
//! they are right where a float cannot hold the integer.

use std::cmp::Ordering;
use std::ops::Bound;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator};
use pulsora_model::{Column, ColumnKind, ColumnType, TableSchema};
use pulsora_storage::{FieldPredicate, FieldTest, FieldValue};

use super::filter::Condition;

/// A field, and the type that it is cast to where it is compared.
struct Operand<'s> {
    column: &'s Column,
    cast: Option<DataType>,
}

/// The condition of a filter on one field, if the scan can evaluate it.
pub(super) fn field_condition(filter: &Expr, schema: &TableSchema) -> Option<Condition> {
    match filter {
        Expr::IsNull(expr) => null_test(expr, schema, FieldTest::IsNull),
        Expr::IsNotNull(expr) => null_test(expr, schema, FieldTest::IsNotNull),
        Expr::Not(expr) | Expr::IsFalse(expr) => flag(expr, schema, false),
        Expr::IsTrue(expr) => flag(expr, schema, true),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            match (operand(left, schema), operand(right, schema)) {
                (Some(operand), None) => comparison(&operand, *op, right),
                (None, Some(operand)) => comparison(&operand, op.swap()?, left),
                _ => None,
            }
        }
        other => flag(other, schema, true),
    }
}

/// The condition of `expr op literal` for one end of a BETWEEN.
pub(super) fn field_bound(
    expr: &Expr,
    op: Operator,
    literal: &Expr,
    schema: &TableSchema,
) -> Option<Condition> {
    comparison(&operand(expr, schema)?, op, literal)
}

fn operand<'s>(expr: &Expr, schema: &'s TableSchema) -> Option<Operand<'s>> {
    match expr {
        Expr::Alias(alias) => operand(&alias.expr, schema),
        Expr::Cast(Cast { expr, field }) => {
            let inner = operand(expr, schema)?;
            let cast = Some(field.data_type().clone());
            inner.cast.is_none().then_some(Operand { cast, ..inner })
        }
        Expr::Column(name) => {
            let column = schema.column(name.name())?;
            (column.kind == ColumnKind::Field).then_some(Operand { column, cast: None })
        }
        _ => None,
    }
}

fn null_test(expr: &Expr, schema: &TableSchema, test: FieldTest) -> Option<Condition> {
    let Operand { column, cast: None } = operand(expr, schema)? else { return None };
    Some(Condition::Field(FieldPredicate { column: column.id, test }))
}

/// A boolean field that must have `value`.
fn flag(expr: &Expr, schema: &TableSchema, value: bool) -> Option<Condition> {
    let Operand { column, cast: None } = operand(expr, schema)? else { return None };
    (column.ty == ColumnType::Bool).then(|| range(column, Operator::Eq, FieldValue::Bool(value)))
}

fn comparison(operand: &Operand, op: Operator, literal: &Expr) -> Option<Condition> {
    let supported =
        matches!(op, Operator::Eq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq);
    let Expr::Literal(literal, _) = literal else { return None };
    if !supported {
        return None;
    }
    let column = operand.column;
    match (column.ty, &operand.cast) {
        (ColumnType::I64 | ColumnType::U64, cast) => integers(column, cast.as_ref(), op, literal),
        (ColumnType::F64, None) => match literal {
            ScalarValue::Float64(Some(value)) => Some(floats(column, op, *value)),
            _ => None,
        },
        (ColumnType::Bool, None) => match literal {
            ScalarValue::Boolean(Some(value)) => Some(range(column, op, FieldValue::Bool(*value))),
            _ => None,
        },
        (ColumnType::Utf8, None | Some(DataType::Utf8View | DataType::LargeUtf8)) => {
            let text = literal.try_as_str()??;
            Some(range(column, op, FieldValue::Utf8(text.to_owned())))
        }
        (ColumnType::Timestamp, None | Some(DataType::Timestamp(TimeUnit::Nanosecond, _))) => {
            let ScalarValue::TimestampNanosecond(Some(time), _) = literal else { return None };
            Some(range(column, op, FieldValue::Time(*time)))
        }
        _ => None,
    }
}

fn range(column: &Column, op: Operator, value: FieldValue) -> Condition {
    between(column, op, value.clone(), value)
}

/// SQL knows one zero; the order of floats knows two, the negative one first.
fn floats(column: &Column, op: Operator, value: f64) -> Condition {
    let (low, high) = if value == 0.0 { (-0.0, 0.0) } else { (value, value) };
    between(column, op, FieldValue::F64(low), FieldValue::F64(high))
}

/// The comparison with a value that is written in two ways, `low` and `high`.
fn between(column: &Column, op: Operator, low: FieldValue, high: FieldValue) -> Condition {
    use Bound::{Excluded, Included, Unbounded};
    let (min, max) = match op {
        Operator::Eq => (Included(low), Included(high)),
        Operator::Lt => (Unbounded, Excluded(low)),
        Operator::LtEq => (Unbounded, Included(high)),
        Operator::Gt => (Excluded(high), Unbounded),
        _ => (Included(low), Unbounded),
    };
    let test = FieldTest::Range { min, max };
    Condition::Field(FieldPredicate { column: column.id, test })
}

/// A comparison of an integer column, cast or not, with a literal of the type of the comparison.
fn integers(
    column: &Column,
    cast: Option<&DataType>,
    op: Operator,
    literal: &ScalarValue,
) -> Option<Condition> {
    let signed = column.ty == ColumnType::I64;
    let domain = match signed {
        true => (i128::from(i64::MIN), i128::from(i64::MAX)),
        false => (0, i128::from(u64::MAX)),
    };
    let (low, high) = match (cast, literal) {
        (None, ScalarValue::Int64(Some(value))) if signed => {
            searched(op, domain, |n| n.cmp(&i128::from(*value)))
        }
        (None, ScalarValue::UInt64(Some(value))) if !signed => {
            searched(op, domain, |n| n.cmp(&i128::from(*value)))
        }
        (Some(DataType::Float64), ScalarValue::Float64(Some(value))) => {
            let value = if *value == 0.0 { 0.0 } else { *value };
            // As the cast kernels round: from the integer type itself.
            let float = |n: i128| if signed { n as i64 as f64 } else { n as u64 as f64 };
            searched(op, domain, |n| float(n).total_cmp(&value))
        }
        (Some(DataType::Decimal128(20.., 0)), ScalarValue::Decimal128(Some(value), 20.., 0)) => {
            searched(op, domain, |n| n.cmp(value))
        }
        _ => return None,
    };
    if low > high {
        return Some(Condition::Never);
    }
    let bound = |end: i128, open: i128| match end == open {
        true => Bound::Unbounded,
        false if signed => Bound::Included(FieldValue::I64(end as i64)),
        false => Bound::Included(FieldValue::U64(end as u64)),
    };
    let test = FieldTest::Range { min: bound(low, domain.0), max: bound(high, domain.1) };
    Some(Condition::Field(FieldPredicate { column: column.id, test }))
}

/// First and last integer of the domain for which the comparison holds; `order` says how an integer
/// compares with the literal, and never falls.
fn searched(op: Operator, domain: (i128, i128), order: impl Fn(i128) -> Ordering) -> (i128, i128) {
    let first = |holds: &dyn Fn(Ordering) -> bool| {
        let (mut low, mut high) = (domain.0, domain.1 + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(order(middle)) { high = middle } else { low = middle + 1 }
        }
        low
    };
    let not_below = || first(&Ordering::is_ge);
    let above = || first(&Ordering::is_gt);
    match op {
        Operator::Eq => (not_below(), above() - 1),
        Operator::Lt => (domain.0, not_below() - 1),
        Operator::LtEq => (domain.0, above() - 1),
        Operator::Gt => (above(), domain.1),
        _ => (not_below(), domain.1),
    }
}
