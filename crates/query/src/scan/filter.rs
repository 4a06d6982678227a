//! Which conditions of a query the scan evaluates, wholly: bounds on the time column, sets of values
//! of one tag, and (in `field.rs`) ranges of values of one field. Everything else stays with the
//! planner's filter.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Cast, Expr, Operator, TryCast};
use pulsora_model::time::parse_time;
use pulsora_model::{Column, ColumnId, ColumnKind, TableSchema};
use pulsora_storage::{FieldPredicate, TagPredicate, TimeRange};

use super::field::{field_bound, field_condition};

/// A condition that the scan evaluates exactly as SQL does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Condition {
    Time(TimeRange),
    Tag(TagPredicate),
    Field(FieldPredicate),
    /// No row fulfils it.
    Never,
}

/// The conditions that all must hold for `filter` to hold, or `None` when the scan cannot evaluate
/// it.
pub(crate) fn conditions(filter: &Expr, schema: &TableSchema) -> Option<Vec<Condition>> {
    match filter {
        Expr::Alias(alias) => conditions(&alias.expr, schema),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let mut all = conditions(left, schema)?;
            all.extend(conditions(right, schema)?);
            Some(all)
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            if time_column(expr, schema).is_none() {
                let low = field_bound(expr, Operator::GtEq, low, schema)?;
                return Some(vec![low, field_bound(expr, Operator::LtEq, high, schema)?]);
            }
            let low = time_range(Operator::GtEq, time_literal(low)?);
            let high = time_range(Operator::LtEq, time_literal(high)?);
            Some(vec![Condition::Time(low), Condition::Time(high)])
        }
        other => one(other, schema).map(|condition| vec![condition]),
    }
}

fn one(filter: &Expr, schema: &TableSchema) -> Option<Condition> {
    if let Some(range) = time_condition(filter, schema) {
        return Some(range_or_never(range));
    }
    let Some((column, values)) = tag_values(filter, schema) else {
        return field_condition(filter, schema);
    };
    if values.is_empty() {
        return Some(Condition::Never);
    }
    Some(Condition::Tag(TagPredicate { column, values }))
}

fn range_or_never(range: TimeRange) -> Condition {
    if range.is_empty() { Condition::Never } else { Condition::Time(range) }
}

fn time_condition(filter: &Expr, schema: &TableSchema) -> Option<TimeRange> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return None };
    let (op, literal) = match (time_column(left, schema), time_column(right, schema)) {
        (Some(_), None) => (*op, right),
        (None, Some(_)) => (op.swap()?, left),
        _ => return None,
    };
    let supported =
        matches!(op, Operator::Eq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq);
    if !supported {
        return None;
    }
    Some(time_range(op, time_literal(literal)?))
}

fn time_range(op: Operator, time_ns: i64) -> TimeRange {
    const NEVER: TimeRange = TimeRange { start_ns: 1, end_ns: 0 };
    let from = |start_ns| TimeRange { start_ns, ..TimeRange::ALL };
    let to = |end_ns| TimeRange { end_ns, ..TimeRange::ALL };
    match op {
        Operator::Eq => TimeRange { start_ns: time_ns, end_ns: time_ns },
        Operator::GtEq => from(time_ns),
        Operator::LtEq => to(time_ns),
        Operator::Gt => time_ns.checked_add(1).map_or(NEVER, from),
        _ => time_ns.checked_sub(1).map_or(NEVER, to),
    }
}

/// The time column, also where it is cast to another name of the same nanoseconds.
fn time_column<'s>(expr: &Expr, schema: &'s TableSchema) -> Option<&'s Column> {
    let same = |ty: &DataType| matches!(ty, DataType::Timestamp(TimeUnit::Nanosecond, _));
    match expr {
        Expr::Alias(alias) => time_column(&alias.expr, schema),
        Expr::Cast(Cast { expr, field }) if same(field.data_type()) => time_column(expr, schema),
        Expr::TryCast(TryCast { expr, field }) if same(field.data_type()) => {
            time_column(expr, schema)
        }
        Expr::Column(name) => {
            schema.column(name.name()).filter(|column| column.kind == ColumnKind::Time)
        }
        _ => None,
    }
}

/// A literal as nanoseconds; `None` when it is null, not a time, or out of range.
fn time_literal(expr: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = expr else { return None };
    match value {
        ScalarValue::TimestampNanosecond(value, _) => *value,
        ScalarValue::TimestampMicrosecond(value, _) => value.and_then(|v| v.checked_mul(1_000)),
        ScalarValue::TimestampMillisecond(value, _) => value.and_then(|v| v.checked_mul(1_000_000)),
        ScalarValue::TimestampSecond(value, _) => value.and_then(|v| v.checked_mul(1_000_000_000)),
        ScalarValue::Date32(value) => {
            value.and_then(|v| i64::from(v).checked_mul(86_400_000_000_000))
        }
        ScalarValue::Date64(value) => value.and_then(|v| v.checked_mul(1_000_000)),
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => parse_time(text).ok(),
        _ => None,
    }
}

/// The tag and the values (`None` = absent) that a condition accepts.
fn tag_values(filter: &Expr, schema: &TableSchema) -> Option<(ColumnId, Vec<Option<String>>)> {
    match filter {
        Expr::IsNull(expr) => Some((tag_column(expr, schema)?, vec![None])),
        Expr::InList(InList { expr, list, negated: false }) => {
            let column = tag_column(expr, schema)?;
            let mut values = Vec::new();
            for item in list {
                values.extend(text_literal(item)?.map(Some));
            }
            Some((column, values))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let (column, literal) = match tag_column(left, schema) {
                Some(column) => (column, right),
                None => (tag_column(right, schema)?, left),
            };
            Some((column, text_literal(literal)?.map(Some).into_iter().collect()))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let (column, mut values) = tag_values(left, schema)?;
            let (other, more) = tag_values(right, schema)?;
            (column == other).then(|| {
                values.extend(more);
                (column, values)
            })
        }
        _ => None,
    }
}

fn tag_column(expr: &Expr, schema: &TableSchema) -> Option<ColumnId> {
    match expr {
        Expr::Alias(alias) => tag_column(&alias.expr, schema),
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field })
            if is_text(field.data_type()) =>
        {
            tag_column(expr, schema)
        }
        Expr::Column(name) => {
            let column = schema.column(name.name())?;
            (column.kind == ColumnKind::Tag).then_some(column.id)
        }
        _ => None,
    }
}

fn is_text(ty: &DataType) -> bool {
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// A text literal; the inner `None` means that no tag equals it: it is null, or empty, which as a tag
/// is absent.
fn text_literal(expr: &Expr) -> Option<Option<String>> {
    let Expr::Literal(value, _) = expr else { return None };
    let mut value = value;
    while let ScalarValue::Dictionary(_, inner) = value {
        value = inner;
    }
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            Some(text.clone().filter(|text| !text.is_empty()))
        }
        ScalarValue::Null => Some(None),
        _ => None,
    }
}
