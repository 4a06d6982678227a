//! The expressions of an aggregate in terms of the columns of one table: what lies between the two in
//! the plan is put into them.

use arrow::datatypes::DataType;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column as PlanColumn, DFSchema};
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, TableScan};
use pulsora_model::{Column, ColumnKind, TableSchema};

use crate::scan::{Selection, Table};

/// The rows that an aggregate reads: a selection of one table, under other names.
pub(super) struct Source {
    pub(super) table: Table,
    pub(super) selection: Selection,
    /// What each column of the aggregate's input is, in columns of the table.
    columns: Vec<Expr>,
}

impl Source {
    /// The source of a plan that only renames and computes columns of a table whose filters are all
    /// evaluated by the scan.
    pub(super) fn of(plan: &LogicalPlan) -> Option<Source> {
        match plan {
            LogicalPlan::TableScan(scan) => Source::of_scan(scan),
            LogicalPlan::SubqueryAlias(alias) => Source::of(&alias.input),
            LogicalPlan::Projection(projection) => {
                let below = Source::of(&projection.input)?;
                let schema = projection.input.schema();
                let columns = projection.expr.iter().map(|expr| below.resolve(expr, schema));
                let columns = columns.collect::<Option<Vec<Expr>>>()?;
                Some(Source { columns, ..below })
            }
            _ => None,
        }
    }

    fn of_scan(scan: &TableScan) -> Option<Source> {
        let provider = source_as_provider(&scan.source).ok()?;
        let table = provider.downcast_ref::<Table>()?.clone();
        if scan.fetch.is_some() {
            return None;
        }
        let selection = Selection::of(&scan.filters, table.schema())?;
        let fields = scan.projected_schema.fields().iter();
        let columns = fields.map(|field| Expr::Column(PlanColumn::new_unqualified(field.name())));
        Some(Source { table, selection, columns: columns.collect() })
    }

    /// An expression over `schema` (that of the input) in columns of the table, without its alias.
    pub(super) fn resolve(&self, expr: &Expr, schema: &DFSchema) -> Option<Expr> {
        let mut known = true;
        let resolved = expr.clone().transform_down(|expr| {
            let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
            let index = schema.maybe_index_of_column(column);
            match index.and_then(|index| self.columns.get(index)) {
                // What was put in is in columns of the table already.
                Some(source) => Ok(Transformed::new(
                    source.clone(),
                    true,
                    datafusion::common::tree_node::TreeNodeRecursion::Jump,
                )),
                None => {
                    known = false;
                    Ok(Transformed::no(expr))
                }
            }
        });
        let resolved = resolved.ok()?.data;
        known.then(|| resolved.unalias_nested().data)
    }
}

/// The column that an expression is.
pub(super) fn column<'t>(expr: &Expr, table: &'t TableSchema) -> Option<&'t Column> {
    match expr {
        Expr::Column(name) => table.column(name.name()),
        _ => None,
    }
}

/// The column whose values an expression has; a tag may be cast to text.
pub(super) fn value<'t>(expr: &Expr, table: &'t TableSchema) -> Option<&'t Column> {
    match expr {
        Expr::Cast(Cast { expr, field }) if field.data_type() == &DataType::Utf8 => {
            column(expr, table).filter(|column| column.kind == ColumnKind::Tag)
        }
        other => column(other, table),
    }
}

/// Whether an expression is the time column.
pub(super) fn is_time(expr: &Expr, table: &TableSchema) -> bool {
    column(expr, table).is_some_and(|column| column.kind == ColumnKind::Time)
}
