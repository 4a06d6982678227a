//! A fold in a logical plan: a leaf in the place of an aggregate, and what turns it into its operator.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchemaRef, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{
    Expr, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::exec::FoldExec;
use super::shape::FoldShape;
use crate::catalog::Moment;

/// The leaf. Two are equal if they are one.
#[derive(Clone, Debug)]
pub(super) struct FoldNode {
    pub(super) shape: Arc<FoldShape>,
    pub(super) moment: Arc<Moment>,
}

impl FoldNode {
    fn address(&self) -> usize {
        Arc::as_ptr(&self.shape) as usize
    }
}

impl PartialEq for FoldNode {
    fn eq(&self, other: &FoldNode) -> bool {
        Arc::ptr_eq(&self.shape, &other.shape)
    }
}

impl Eq for FoldNode {}

impl Hash for FoldNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl PartialOrd for FoldNode {
    fn partial_cmp(&self, other: &FoldNode) -> Option<Ordering> {
        self.address().partial_cmp(&other.address())
    }
}

impl UserDefinedLogicalNodeCore for FoldNode {
    fn name(&self) -> &str {
        "Fold"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.shape.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fold: {}", self.shape)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, _: Vec<LogicalPlan>) -> Result<FoldNode> {
        Ok(self.clone())
    }
}

/// The planner's own physical planning, which knows folds besides.
#[derive(Debug)]
pub(crate) struct FoldPlanner;

#[async_trait]
impl QueryPlanner for FoldPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(FoldPlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}

#[async_trait]
impl ExtensionPlanner for FoldPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        _: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let node = node.as_any().downcast_ref::<FoldNode>();
        let exec = |node: &FoldNode| {
            Arc::new(FoldExec::new(Arc::clone(&node.shape), Arc::clone(&node.moment))) as _
        };
        Ok(node.map(exec))
    }
}
