//! DELETE, ERASE and UPDATE → a correction of the engine.
//!
//! `query.rs` the query that selects the rows and computes their new values · `rows.rs` its plan → which
//! rows · `values.rs` its plan → their new values · `run.rs` the statement, answered.
//!
//! The planner resolves names, types and functions as for any query; the parts of its plan become what
//! the engine's correction asks of each batch of rows. Not responsible for finding rows or storing
//! them.

mod query;
mod rows;
mod run;
mod values;

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};
use datafusion::sql::parser::Statement as PlannerStatement;
use datafusion::sql::sqlparser::ast;
use pulsora_model::{Code, Column, Error, Result, TableSchema};
use pulsora_storage::{Change, Selection};

use crate::error::from_datafusion;
pub(crate) use query::{RowChanges, RowStatement};

/// Which rows, and what becomes of them; `None` when no row can be meant.
pub(crate) type Planned = Option<(Selection, Change)>;

/// Plans the query of a statement (its names resolved, its params bound): `sets` are the columns that
/// its last results are for, whose texts have at most `text_bytes_max` bytes.
///
/// # Errors
/// What the planner reports; `statement_refused` for subqueries and functions that give another value
/// each time; `type_conflict` for a value that its column cannot take.
pub(crate) async fn plan(
    state: &SessionState,
    query: ast::Statement,
    schema: &Arc<TableSchema>,
    changes: &RowChanges,
    sets: &[Column],
    text_bytes_max: usize,
) -> Result<Planned> {
    let plan = planned(state, query).await.map_err(|error| from_datafusion(&error))?;
    query::check(&plan)?;
    let plan = simplified(state, plan).map_err(|error| from_datafusion(&error))?;
    let LogicalPlan::Projection(projection) = &plan else {
        return Err(Error::new(Code::SqlInvalid, "a value looks at more than one row")
            .hint("ask for it first, and write it into the UPDATE"));
    };
    let Some(selection) = rows::selection(state, &projection.input, schema)? else {
        return Ok(None);
    };
    let change = match changes {
        RowChanges::Delete => Change::Delete,
        RowChanges::Erase => Change::Erase,
        RowChanges::Update(_) => {
            let exprs = &projection.expr[schema.columns.len()..];
            values::change(state, exprs, projection.input.schema(), schema, sets, text_bytes_max)?
        }
    };
    Ok(Some((selection, change)))
}

/// The plan with its types settled, its expressions simplified and its condition at the table; nothing
/// else is moved, so that every part can be found.
fn simplified(state: &SessionState, plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    let plan = state.analyzer().execute_and_check(plan, &state.options(), |_, _| {})?;
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(SimplifyExpressions::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(PushDownFilter::new()),
    ];
    Optimizer::with_rules(rules).optimize(plan, state, |_, _| {})
}

async fn planned(state: &SessionState, query: ast::Statement) -> PlanResult<LogicalPlan> {
    state.statement_to_plan(PlannerStatement::Statement(Box::new(query))).await
}
