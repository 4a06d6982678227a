//! Makes operators look up that compute for long.
//!
//! The planner's operators give way to others when they have taken some batches from below, but a join makes any
//! number of rows out of one batch, and a condition that holds for few of them lets it go on without giving any. So a
//! watched plan asks whether the query is to end, and gives way to others, at every batch that a join or a source of
//! the planner gives, and whenever the condition of a join is evaluated: some 8,192 pairs of rows.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;

use crate::error::into_datafusion;
use crate::fold::FoldExec;
use crate::queries::CancelFlag;
use crate::scan::ScanExec;

/// The plan, watched where it may compute for long.
///
/// # Errors
/// What the planner reports of a plan that it does not take; not known to happen.
pub(crate) fn watched(
    plan: Arc<dyn ExecutionPlan>,
    flag: &CancelFlag,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let watch = |plan: Arc<dyn ExecutionPlan>| {
        let ours = plan.is::<ScanExec>() || plan.is::<FoldExec>();
        if ours || plan.children().len() == 1 {
            return Ok(Transformed::no(plan));
        }
        let plan = with_watched_condition(plan, flag)?;
        Ok(Transformed::yes(Arc::new(WatchExec::new(plan, flag)) as Arc<dyn ExecutionPlan>))
    };
    plan.transform_up(watch).map(|watched| watched.data)
}

fn with_watched_condition(
    plan: Arc<dyn ExecutionPlan>,
    flag: &CancelFlag,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let watch = |filter: &JoinFilter| {
        let inner = Arc::clone(filter.expression());
        let condition = Arc::new(WatchExpr { inner, flag: flag.clone() });
        let columns = filter.column_indices().to_vec();
        Some(JoinFilter::new(condition, columns, Arc::clone(filter.schema())))
    };
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>()
        && let Some(filter) = join.filter()
    {
        let join = NestedLoopJoinExecBuilder::from(join).with_filter(watch(filter)).build()?;
        return Ok(Arc::new(join));
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>()
        && let Some(filter) = join.filter()
    {
        return join.builder().with_filter(watch(filter)).build_exec();
    }
    Ok(plan)
}

/// Passes batches on while the query may go on.
#[derive(Debug)]
struct WatchExec {
    input: Arc<dyn ExecutionPlan>,
    flag: CancelFlag,
    properties: Arc<PlanProperties>,
}

impl WatchExec {
    fn new(input: Arc<dyn ExecutionPlan>, flag: &CancelFlag) -> WatchExec {
        let properties = PlanProperties::clone(input.properties())
            .with_scheduling_type(SchedulingType::Cooperative);
        WatchExec { input, flag: flag.clone(), properties: Arc::new(properties) }
    }
}

impl DisplayAs for WatchExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchExec")
    }
}

impl ExecutionPlan for WatchExec {
    fn name(&self) -> &str {
        "WatchExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        match children.into_iter().next() {
            Some(input) => Ok(Arc::new(WatchExec::new(input, &self.flag))),
            None => Ok(self),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> PlanResult<SendableRecordBatchStream> {
        let batches = self.input.execute(partition, context)?;
        let (schema, flag) = (batches.schema(), self.flag.clone());
        let batches = batches.map(move |batch| {
            flag.check().map_err(into_datafusion)?;
            batch
        });
        Ok(make_cooperative(Box::pin(RecordBatchStreamAdapter::new(schema, batches))))
    }
}

/// A condition that is evaluated while the query may go on.
#[derive(Debug)]
struct WatchExpr {
    inner: Arc<dyn PhysicalExpr>,
    flag: CancelFlag,
}

impl fmt::Display for WatchExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PartialEq for WatchExpr {
    fn eq(&self, other: &WatchExpr) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for WatchExpr {}

impl Hash for WatchExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl PhysicalExpr for WatchExpr {
    fn data_type(&self, schema: &Schema) -> PlanResult<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> PlanResult<bool> {
        self.inner.nullable(schema)
    }

    fn return_field(&self, schema: &Schema) -> PlanResult<FieldRef> {
        self.inner.return_field(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> PlanResult<ColumnarValue> {
        self.flag.check().map_err(into_datafusion)?;
        self.inner.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> PlanResult<Arc<dyn PhysicalExpr>> {
        match children.into_iter().next() {
            Some(inner) => Ok(Arc::new(WatchExpr { inner, flag: self.flag.clone() })),
            None => Ok(self),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
