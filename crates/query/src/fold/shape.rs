//! Which fold an aggregate of a plan is, if it is one: by tags and at most one bucket of time, of
//! plain columns, by functions that the engine has.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, DFSchemaRef, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, NullTreatment};
use datafusion::logical_expr::{Aggregate as PlanAggregate, Cast, Expr, SortExpr};
use pulsora_model::{Column, ColumnKind, ColumnType, TableSchema};
use pulsora_storage::{Aggregate, Fold, Function, ScanStatistics};

use super::bucket::bucket;
use super::expressions::{Source, column, is_time, value};
use crate::scan::{Selection, Table};

/// A fold in a plan. It holds no snapshot.
#[derive(Clone, Debug)]
pub(crate) struct FoldShape {
    /// `database.table`.
    pub(crate) label: String,
    pub(crate) table: Arc<TableSchema>,
    pub(crate) fold: Fold,
    /// For each column of `schema`, its place in the result of the fold.
    pub(crate) outputs: Vec<usize>,
    /// The columns under the names and types of the plan.
    pub(crate) schema: DFSchemaRef,
}

/// A key that rows are grouped by.
enum Key {
    Tag,
    Bucket,
}

impl FoldShape {
    /// The fold that gives what `aggregate` gives, and the table that it reads.
    pub(super) fn of(aggregate: &PlanAggregate) -> Option<(FoldShape, Table)> {
        let source = Source::of(&aggregate.input)?;
        let input = aggregate.input.schema();
        let table = source.table.schema();
        let keys = aggregate.group_expr.iter().map(|expr| source.resolve(expr, input));
        let keys = keys.collect::<Option<Vec<Expr>>>()?;
        let mut fold = Fold::all(table.id);
        let kinds = keys.iter().map(|key| add_key(&mut fold, key, table));
        let kinds = kinds.collect::<Option<Vec<Key>>>()?;
        for expr in &aggregate.aggr_expr {
            fold.aggregates.push(function(expr, &source, input, &keys)?);
        }
        let Selection { time, tags, fields } = source.selection;
        (fold.time, fold.tags, fold.fields) = (time, tags, fields);
        let outputs = outputs(&fold, &kinds);
        let schema = Arc::clone(&aggregate.schema);
        let (label, table) = (source.table.label().to_owned(), Arc::clone(table));
        let shape = FoldShape { label, table, fold, outputs, schema };
        (!shape.is_known(&source.table)).then_some((shape, source.table))
    }

    /// The same fold of other rows.
    pub(crate) fn over(&self, selection: Selection) -> FoldShape {
        let Selection { time, tags, fields } = selection;
        let mut shape = self.clone();
        (shape.fold.time, shape.fold.tags, shape.fold.fields) = (time, tags, fields);
        shape
    }

    /// The rows that are folded.
    pub(crate) fn selection(&self) -> Selection {
        let Fold { time, tags, fields, .. } = self.fold.clone();
        Selection { time, tags, fields }
    }

    /// Whether the answer is known without reading: the planner takes it from statistics.
    fn is_known(&self, table: &Table) -> bool {
        let fold = &self.fold;
        let time = self.table.time().id;
        let counts = |aggregate: &Aggregate| aggregate.function == Function::CountRows;
        let ends = |aggregate: &Aggregate| {
            aggregate.column == time && matches!(aggregate.function, Function::Min | Function::Max)
        };
        if !fold.by.is_empty()
            || fold.bucket.is_some()
            || fold.aggregates.is_empty()
            || !fold.aggregates.iter().all(|aggregate| counts(aggregate) || ends(aggregate))
        {
            return false;
        }
        let ScanStatistics { rows, min_time_ns, max_time_ns } = table.statistics(&self.selection());
        let ends_known = min_time_ns.is_some() && max_time_ns.is_some();
        rows.is_some() && (ends_known || fold.aggregates.iter().all(counts))
    }
}

/// Where the columns of a plan are in the result of its fold: tags, bucket, aggregates.
fn outputs(fold: &Fold, keys: &[Key]) -> Vec<usize> {
    let (tags, mut tag) = (fold.by.len(), 0);
    let mut outputs = Vec::new();
    for key in keys {
        outputs.push(match key {
            Key::Bucket => tags,
            Key::Tag => {
                tag += 1;
                tag - 1
            }
        });
    }
    outputs.extend((0..fold.aggregates.len()).map(|aggregate| keys.len() + aggregate));
    outputs
}

fn add_key(fold: &mut Fold, key: &Expr, table: &TableSchema) -> Option<Key> {
    if let Some(column) = column(key, table) {
        if column.kind != ColumnKind::Tag || fold.by.contains(&column.id) {
            return None;
        }
        fold.by.push(column.id);
        return Some(Key::Tag);
    }
    if fold.bucket.is_some() {
        return None;
    }
    fold.bucket = Some(bucket(key, table)?);
    Some(Key::Bucket)
}

fn function(expr: &Expr, source: &Source, input: &DFSchema, keys: &[Expr]) -> Option<Aggregate> {
    let expr = match expr {
        Expr::Alias(alias) => alias.expr.as_ref(),
        other => other,
    };
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else { return None };
    let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment } = params;
    if *distinct || filter.is_some() {
        return None;
    }
    let table = source.table.schema();
    let args = args.iter().map(|arg| source.resolve(arg, input)).collect::<Option<Vec<_>>>()?;
    let skips_nulls = *null_treatment == Some(NullTreatment::IgnoreNulls);
    if matches!(func.name(), "first_value" | "last_value") {
        let of_first = func.name() == "first_value";
        let ascending = by_time(order_by, source, input, keys)?;
        let [arg] = args.as_slice() else { return None };
        let function = match (of_first == ascending, skips_nulls) {
            (true, true) => Function::First,
            (false, true) => Function::Last,
            (true, false) => Function::FirstRow,
            (false, false) => Function::LastRow,
        };
        return aggregate(function, typed(column(arg, table)?)?);
    }
    if !order_by.is_empty() || null_treatment.is_some() {
        return None;
    }
    match (func.name(), args.as_slice()) {
        ("count", [Expr::Literal(value, _)]) if !value.is_null() => {
            aggregate(Function::CountRows, table.time())
        }
        ("count", [arg]) if is_time(arg, table) => aggregate(Function::CountRows, table.time()),
        ("count", [arg]) => aggregate(Function::Count, typed(value(arg, table)?)?),
        ("sum", [arg]) => aggregate(Function::Sum, number(column(arg, table)?)?),
        ("avg", [arg]) => aggregate(Function::Mean, mean(arg, table)?),
        ("min", [arg]) => aggregate(Function::Min, typed(value(arg, table)?)?),
        ("max", [arg]) => aggregate(Function::Max, typed(value(arg, table)?)?),
        ("first", [arg, time]) if is_time(time, table) => {
            aggregate(Function::First, typed(value(arg, table)?)?)
        }
        ("last", [arg, time]) if is_time(time, table) => {
            aggregate(Function::Last, typed(value(arg, table)?)?)
        }
        _ => None,
    }
}

fn aggregate(function: Function, column: &Column) -> Option<Aggregate> {
    Some(Aggregate { function, column: column.id })
}

fn typed(column: &Column) -> Option<&Column> {
    (column.kind != ColumnKind::Field || column.ty != ColumnType::Untyped).then_some(column)
}

fn number(column: &Column) -> Option<&Column> {
    let number = match column.kind {
        ColumnKind::Id => true,
        ColumnKind::Field => {
            matches!(column.ty, ColumnType::I64 | ColumnType::U64 | ColumnType::F64)
        }
        ColumnKind::Time | ColumnKind::Tag => false,
    };
    number.then_some(column)
}

/// The column that a mean is of: integers are cast to floats.
fn mean<'t>(arg: &Expr, table: &'t TableSchema) -> Option<&'t Column> {
    match arg {
        Expr::Cast(Cast { expr, field }) if field.data_type() == &DataType::Float64 => {
            number(column(expr, table)?)
        }
        other => column(other, table)
            .filter(|column| column.kind == ColumnKind::Field && column.ty == ColumnType::F64),
    }
}

/// Whether an order within groups is by time, rising (`true`) or falling. Keys of the group do not
/// count in it.
fn by_time(order: &[SortExpr], source: &Source, input: &DFSchema, keys: &[Expr]) -> Option<bool> {
    let mut rising = None;
    for sort in order {
        let expr = source.resolve(&sort.expr, input)?;
        if keys.contains(&expr)
            || matches!(expr, Expr::Literal(ref value, _) if *value != ScalarValue::Null)
        {
            continue;
        }
        // What follows the time only decides between rows of one time.
        if !is_time(&expr, source.table.schema()) {
            return None;
        }
        rising = Some(sort.asc);
        break;
    }
    rising
}
