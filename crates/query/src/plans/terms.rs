//! The conditions of a statement as terms: a column, a comparison, and the places of its literals.
//! Given literals, they say which rows are selected, as the planner would.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::DataType;
use chrono::Utc;
use datafusion::common::{Column as PlanColumn, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Expr, Operator, binary_expr, cast, lit};
use datafusion::sql::sqlparser::ast::{
    self, BinaryOperator, SetExpr, TableFactor, TimezoneInfo, UnaryOperator, Value,
};
use pulsora_model::types::UTC;
use pulsora_model::{Column, ColumnKind, ColumnType, TableSchema};

use super::key::{Literal, Slot};
use crate::scan::{Condition, Selection, conditions};
use crate::sql::{Names, find_column};

/// The conditions of one table, all of which must hold.
#[derive(Debug)]
pub(crate) struct Terms {
    table: Arc<TableSchema>,
    terms: Vec<Term>,
}

#[derive(Debug)]
struct Term {
    column: Column,
    test: Test,
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
enum Test {
    Compare(Operator),
    Between,
    In,
}

/// Which slot holds a literal, and how it is written around it.
#[derive(Clone, Copy, Debug)]
struct Place {
    slot: usize,
    negative: bool,
    /// `TIMESTAMP '…'`.
    timestamp: bool,
}

impl Terms {
    /// The terms of a statement of one table, if its conditions are nothing else and use every slot of
    /// its key once. Placeholders must not be replaced yet.
    pub(crate) fn of(statement: &ast::Statement, key: &super::Key, names: &Names) -> Option<Terms> {
        let ast::Statement::Query(query) = statement else { return None };
        let SetExpr::Select(select) = query.body.as_ref() else { return None };
        let [from] = select.from.as_slice() else { return None };
        let TableFactor::Table { name, args: None, .. } = &from.relation else { return None };
        if query.with.is_some() || !from.joins.is_empty() {
            return None;
        }
        let (_, table) = names.table(name).ok()?;
        let mut terms = Terms { table, terms: Vec::new() };
        if let Some(condition) = &select.selection {
            terms.add(condition, &key.slots)?;
        }
        let used = terms.terms.iter().flat_map(|term| &term.places).map(|place| place.slot);
        let used: Vec<usize> = used.collect();
        let distinct: HashSet<usize> = used.iter().copied().collect();
        (used.len() == key.slots.len() && distinct.len() == used.len()).then_some(terms)
    }

    fn add(&mut self, condition: &ast::Expr, slots: &[Slot]) -> Option<()> {
        match condition {
            ast::Expr::Nested(inner) => self.add(inner, slots),
            ast::Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.add(left, slots)?;
                self.add(right, slots)
            }
            ast::Expr::BinaryOp { left, op, right } => {
                let test = Test::Compare(comparison(op)?);
                self.push(left, test, &[right], slots)
            }
            ast::Expr::Between { expr, negated: false, low, high } => {
                self.push(expr, Test::Between, &[low, high], slots)
            }
            ast::Expr::InList { expr, list, negated: false } => {
                self.push(expr, Test::In, &list.iter().collect::<Vec<_>>(), slots)
            }
            _ => None,
        }
    }

    fn push(
        &mut self,
        column: &ast::Expr,
        test: Test,
        literals: &[&ast::Expr],
        slots: &[Slot],
    ) -> Option<()> {
        let ident = match column {
            ast::Expr::Identifier(ident) => ident,
            ast::Expr::CompoundIdentifier(parts) => parts.last()?,
            _ => return None,
        };
        let column = find_column(&self.table, ident).ok()?.clone();
        let places = literals.iter().map(|literal| place(literal, slots));
        let places = places.collect::<Option<Vec<_>>>()?;
        self.terms.push(Term { column, test, places });
        Some(())
    }

    /// The rows that are selected with the literals of `key`; `None` when they are not of the kind
    /// that a template may be used for.
    pub(super) fn selection(&self, slots: &[Slot]) -> Option<Selection> {
        let mut selection = Selection::all();
        for term in &self.terms {
            for condition in term.conditions(slots, &self.table)? {
                if condition == Condition::Never {
                    return None;
                }
                selection.add(condition);
            }
        }
        (!selection.is_empty()).then_some(selection)
    }
}

fn comparison(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    })
}

fn place(literal: &ast::Expr, slots: &[Slot]) -> Option<Place> {
    match literal {
        ast::Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            let inner = place(expr, slots)?;
            let is_number =
                matches!(slots[inner.slot].literal, Literal::Int(_) | Literal::Float(_));
            let plain = matches!(expr.as_ref(), ast::Expr::Value(value)
                if matches!(value.value, Value::Number(..)));
            (is_number && plain).then_some(Place { negative: true, ..inner })
        }
        ast::Expr::TypedString(typed) => {
            let plain = ast::DataType::Timestamp(None, TimezoneInfo::None);
            let inner = slot(&typed.value, slots)?;
            (typed.data_type == plain).then_some(Place { timestamp: true, ..inner })
        }
        ast::Expr::Value(value) => slot(value, slots),
        _ => None,
    }
}

fn slot(value: &ast::ValueWithSpan, slots: &[Slot]) -> Option<Place> {
    let at = (value.span.start.line, value.span.start.column);
    let slot = slots.iter().position(|slot| slot.at == at)?;
    Some(Place { slot, negative: false, timestamp: false })
}

impl Term {
    fn conditions(&self, slots: &[Slot], table: &TableSchema) -> Option<Vec<Condition>> {
        let compare = |op: Operator, place: &Place| {
            let (column, literal) = self.operands(place, slots)?;
            conditions(&binary_expr(column, op, lit(literal)), table)
        };
        match (self.test, self.places.as_slice()) {
            (Test::Compare(op), [place]) => compare(op, place),
            (Test::Between, [low, high]) => {
                // Of two types the planner would compare both in a third.
                let kind = |place: &Place| std::mem::discriminant(&slots[place.slot].literal);
                if kind(low) != kind(high) {
                    return None;
                }
                let mut both = compare(Operator::GtEq, low)?;
                both.extend(compare(Operator::LtEq, high)?);
                Some(both)
            }
            (Test::In, places) => {
                let texts = places.iter().map(|place| match &slots[place.slot].literal {
                    Literal::Text(text) if !text.is_empty() => Some(text.as_str()),
                    _ => None,
                });
                let texts = texts.collect::<Option<HashSet<&str>>>()?;
                if self.column.kind != ColumnKind::Tag || texts.len() < places.len() {
                    return None;
                }
                let list = places.iter().map(|place| Some(lit(self.operands(place, slots)?.1)));
                let list = list.collect::<Option<Vec<Expr>>>()?;
                let expr = Box::new(self.column_expr());
                conditions(&Expr::InList(InList { expr, list, negated: false }), table)
            }
            _ => None,
        }
    }

    fn column_expr(&self) -> Expr {
        Expr::Column(PlanColumn::new_unqualified(self.column.name.as_str()))
    }

    /// The two sides of a comparison in the type in which the planner compares them.
    fn operands(&self, place: &Place, slots: &[Slot]) -> Option<(Expr, ScalarValue)> {
        let column = self.column_expr();
        let ty = match self.column.kind {
            ColumnKind::Time => ColumnType::Timestamp,
            ColumnKind::Tag => ColumnType::Utf8,
            ColumnKind::Field => self.column.ty,
            ColumnKind::Id => return None,
        };
        let literal = &slots[place.slot].literal;
        if place.timestamp && ty != ColumnType::Timestamp {
            return None;
        }
        let sign = if place.negative { -1.0 } else { 1.0 };
        let integer = |value: i64| if place.negative { -value } else { value };
        Some(match (ty, literal) {
            (ColumnType::Timestamp, Literal::Text(text)) => (column, time(text)?),
            (ColumnType::Utf8, Literal::Text(text)) => {
                (column, ScalarValue::Utf8(Some(text.clone())))
            }
            (ColumnType::I64, Literal::Int(value)) => {
                (column, ScalarValue::Int64(Some(integer(*value))))
            }
            (ColumnType::U64, Literal::Int(value)) => {
                (column, ScalarValue::UInt64(Some(u64::try_from(integer(*value)).ok()?)))
            }
            (ColumnType::F64, Literal::Int(value)) => {
                (column, ScalarValue::Float64(Some(integer(*value) as f64)))
            }
            (ColumnType::F64, Literal::Float(value)) => {
                (column, ScalarValue::Float64(Some(sign * value)))
            }
            (ColumnType::I64 | ColumnType::U64, Literal::Float(value)) => {
                (cast(column, DataType::Float64), ScalarValue::Float64(Some(sign * value)))
            }
            _ => return None,
        })
    }
}

/// A text as the time that the planner reads in it (it casts as this does); `None` when it reads none.
fn time(text: &str) -> Option<ScalarValue> {
    let time_ns = string_to_datetime(&Utc, text).ok()?.timestamp_nanos_opt()?;
    Some(ScalarValue::TimestampNanosecond(Some(time_ns), Some(UTC.into())))
}
