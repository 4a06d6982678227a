//! A physical plan with a hole in the place of its one leaf, to be filled with the same leaf over
//! other rows and another snapshot.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result as PlanResult, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::has_same_children_properties;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    PlanProperties, ReplaceChildrenOptions,
};
use pulsora_storage::Catalog;

use super::key::Key;
use super::terms::Terms;
use crate::catalog::Moment;
use crate::fold::{FoldExec, FoldShape};
use crate::leaf::no_inputs;
use crate::scan::{ScanExec, ScanShape, Selection};

/// What one operator of a plan takes in memory, bytes, about: itself, its properties and schema.
const OPERATOR_BYTES: usize = 4 << 10;

/// A plan to be used again.
#[derive(Debug)]
pub(crate) struct Template {
    /// With a [`Hole`] as its one leaf.
    plan: Arc<dyn ExecutionPlan>,
    leaf: Leaf,
    terms: Terms,
    /// The catalog that the plan was made for.
    catalog: Arc<Catalog>,
    pub(super) size_bytes: usize,
}

/// What the hole was, without the rows and the snapshot.
#[derive(Debug)]
enum Leaf {
    Fold(Arc<FoldShape>),
    Scan(ScanShape),
}

/// Whether all of a plan's rows come from one fold.
pub(crate) fn is_fold(plan: &Arc<dyn ExecutionPlan>) -> bool {
    only_leaf(plan).is_some_and(|leaf| leaf.is::<FoldExec>())
}

fn only_leaf(plan: &Arc<dyn ExecutionPlan>) -> Option<&Arc<dyn ExecutionPlan>> {
    match plan.children().as_slice() {
        [] => Some(plan),
        [child] => only_leaf(child),
        _ => None,
    }
}

fn operators(plan: &Arc<dyn ExecutionPlan>) -> usize {
    1 + plan.children().into_iter().map(operators).sum::<usize>()
}

impl Template {
    /// The template of a plan, if nothing but its leaf depends on the literals of `key`.
    pub(crate) fn of(
        plan: &Arc<dyn ExecutionPlan>,
        key: &Key,
        terms: Terms,
        catalog: &Arc<Catalog>,
    ) -> Option<Template> {
        let leaf = only_leaf(plan)?;
        let (shape, selected) = if let Some(fold) = leaf.downcast_ref::<FoldExec>() {
            (Leaf::Fold(Arc::clone(fold.shape())), fold.shape().selection())
        } else {
            let scan = leaf.downcast_ref::<ScanExec>()?;
            (Leaf::Scan(scan.shape()), scan.selection())
        };
        if !terms.selection(&key.slots)?.is_same(&selected) {
            return None;
        }
        let hole: Arc<dyn ExecutionPlan> = Arc::new(Hole(Arc::clone(leaf.properties())));
        let size_bytes = operators(plan) * OPERATOR_BYTES + key.text.len();
        let plan = refill(plan, leaf, &hole).ok()?;
        Some(Template { plan, leaf: shape, terms, catalog: Arc::clone(catalog), size_bytes })
    }

    /// The plan over the rows that the literals of `key` select at this moment; `None` when it would
    /// not be the same plan.
    pub(crate) fn fill(&self, key: &Key, moment: Arc<Moment>) -> Option<Arc<dyn ExecutionPlan>> {
        if !Arc::ptr_eq(&self.catalog, moment.snapshot.catalog()) {
            return None;
        }
        let selection = self.terms.selection(&key.slots)?;
        let hole = only_leaf(&self.plan)?;
        let leaf = self.leaf(selection, moment, hole.properties())?;
        refill(&self.plan, hole, &leaf).ok()
    }

    fn leaf(
        &self,
        selection: Selection,
        moment: Arc<Moment>,
        properties: &Arc<PlanProperties>,
    ) -> Option<Arc<dyn ExecutionPlan>> {
        match &self.leaf {
            Leaf::Fold(shape) => {
                moment.reads(shape.table.id);
                let (shape, properties) = (Arc::new(shape.over(selection)), Arc::clone(properties));
                Some(Arc::new(FoldExec::with_properties(shape, moment, properties)))
            }
            Leaf::Scan(shape) => {
                moment.reads(shape.table());
                let scan = shape.over(selection, moment).ok()?;
                as_planned(Arc::new(scan), properties)
            }
        }
    }
}

/// A scan with the order that the plan above it was made for, and with one partition if it was made
/// for one: operators take any number of partitions, but one that was planned for a single one does
/// not bring several together.
fn as_planned(
    scan: Arc<dyn ExecutionPlan>,
    planned: &Arc<PlanProperties>,
) -> Option<Arc<dyn ExecutionPlan>> {
    let (order, old) = (scan.output_ordering().cloned(), planned.output_ordering());
    if order.as_ref() != old {
        return None;
    }
    let partitions = scan.output_partitioning().partition_count();
    if partitions == 1 || planned.partitioning.partition_count() > 1 {
        return Some(scan);
    }
    Some(match order {
        Some(order) => Arc::new(SortPreservingMergeExec::new(order, scan)),
        None => Arc::new(CoalescePartitionsExec::new(scan)),
    })
}

/// A plan like `plan`, fresh, with `new` in the place of its leaf `old`.
fn refill(
    plan: &Arc<dyn ExecutionPlan>,
    old: &Arc<dyn ExecutionPlan>,
    new: &Arc<dyn ExecutionPlan>,
) -> PlanResult<Arc<dyn ExecutionPlan>> {
    if Arc::ptr_eq(plan, old) {
        return Ok(Arc::clone(new));
    }
    let children = plan.children().into_iter().map(|child| refill(child, old, new));
    let children = children.collect::<PlanResult<Vec<_>>>()?;
    let properties = match has_same_children_properties(plan.as_ref(), &children)? {
        true => ChildrenPropertiesMode::Keep,
        false => ChildrenPropertiesMode::Recompute,
    };
    let options = ReplaceChildrenOptions::new(properties);
    Arc::clone(plan).replace_children(children, options)?.reset_state()
}

/// The leaf of a template; it is never executed.
#[derive(Debug)]
struct Hole(Arc<PlanProperties>);

impl DisplayAs for Hole {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hole")
    }
}

impl ExecutionPlan for Hole {
    fn name(&self) -> &str {
        "Hole"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.0
    }

    no_inputs!();

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        internal_err!("a plan with a hole was executed")
    }
}
