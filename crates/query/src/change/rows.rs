//! The condition of a statement → which rows the engine is to look at, and the test for the rest.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use datafusion::common::{Column, DFSchema, Result as PlanResult};
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan};
use pulsora_model::{Code, ColumnId, Error, Result, TableSchema};
use pulsora_storage::{RowTest, Selection};

use crate::error::from_datafusion;
use crate::scan::{Condition, conditions};

/// The rows of `plan` (a table, filtered or not); `None` when it can have none.
///
/// # Errors
/// `sql_invalid` when it reads anything else; what the planner reports.
pub(super) fn selection(
    state: &SessionState,
    plan: &LogicalPlan,
    schema: &TableSchema,
) -> Result<Option<Selection>> {
    let mut rest = Vec::new();
    let mut node = plan;
    let scan = loop {
        match node {
            LogicalPlan::Filter(filter) => {
                rest.push(filter.predicate.clone());
                node = &filter.input;
            }
            LogicalPlan::TableScan(scan) => break scan,
            LogicalPlan::EmptyRelation(_) => return Ok(None),
            _ => {
                return Err(Error::new(Code::SqlInvalid, "a value looks at more than one row")
                    .hint("ask for it first, and write it into the statement"));
            }
        }
    };
    let mut selection = Selection::all();
    for filter in &scan.filters {
        let found = conditions(filter, schema).unwrap_or_default();
        let by_key = |condition: &Condition| !matches!(condition, Condition::Field(_));
        if found.is_empty() || !found.iter().all(by_key) {
            rest.push(filter.clone());
            continue;
        }
        for condition in found {
            match condition {
                Condition::Time(range) => selection.time = selection.time.intersect(&range),
                Condition::Tag(predicate) => selection.tags.push(predicate),
                Condition::Never => return Ok(None),
                Condition::Field(_) => {}
            }
        }
    }
    if selection.time.is_empty() {
        return Ok(None);
    }
    if let Some(rest) = conjunction(rest) {
        let test = test(state, rest, &scan.projected_schema, schema);
        selection.test = Some(test.map_err(|error| from_datafusion(&error))?);
    }
    Ok(Some(selection))
}

/// A test that evaluates an expression over the columns that it names.
fn test(
    state: &SessionState,
    condition: Expr,
    columns: &DFSchema,
    schema: &TableSchema,
) -> PlanResult<RowTest> {
    let mut named: Vec<Column> = condition.column_refs().into_iter().cloned().collect();
    named.sort();
    let mut ids: Vec<ColumnId> = Vec::with_capacity(named.len());
    let mut fields = Vec::with_capacity(named.len());
    for column in &named {
        let (qualifier, field) = columns.qualified_field_from_column(column)?;
        ids.extend(schema.column(field.name()).map(|column| column.id));
        fields.push((qualifier.cloned(), Arc::clone(field)));
    }
    let looked_at = DFSchema::new_with_metadata(fields, HashMap::new())?;
    let condition = state.create_physical_expr(condition, &looked_at)?;
    Ok(RowTest::new(ids, move |batch: &RecordBatch| {
        let hit = condition.evaluate(batch).and_then(|hit| hit.into_array(batch.num_rows()));
        let hit = hit.map_err(|error| from_datafusion(&error))?;
        let hit = hit.as_boolean_opt().cloned();
        hit.ok_or_else(|| Error::internal("a condition is neither true nor false"))
    }))
}
