//! The rule that puts folds in the place of aggregates. It comes after all others, when conditions
//! have reached the scans.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, Sort};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::node::FoldNode;
use super::shape::FoldShape;
use crate::catalog::Moment;

/// The rule.
#[derive(Debug)]
pub(crate) struct FoldRule;

impl OptimizerRule for FoldRule {
    fn name(&self) -> &str {
        "fold"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        Ok(match &plan {
            LogicalPlan::Aggregate(aggregate) => match FoldShape::of(aggregate) {
                Some((shape, table)) => Transformed::yes(leaf(shape, table.moment())),
                None => Transformed::no(plan),
            },
            LogicalPlan::Sort(sort) => match newest_buckets(sort) {
                Some(input) => {
                    let input = Arc::new(input);
                    Transformed::yes(LogicalPlan::Sort(Sort { input, ..sort.clone() }))
                }
                None => Transformed::no(plan),
            },
            _ => Transformed::no(plan),
        })
    }
}

fn leaf(shape: FoldShape, moment: &Arc<Moment>) -> LogicalPlan {
    let node = FoldNode { shape: Arc::new(shape), moment: Arc::clone(moment) };
    LogicalPlan::Extension(Extension { node: Arc::new(node) })
}

/// The input of `ORDER BY bucket DESC LIMIT n` with a fold that gives no more than those buckets.
fn newest_buckets(sort: &Sort) -> Option<LogicalPlan> {
    let (first, buckets) = (sort.expr.first()?, sort.fetch?);
    let Expr::Column(column) = &first.expr else { return None };
    if first.asc {
        return None;
    }
    with_newest(&sort.input, column, buckets)
}

/// `plan` with at most so many buckets, if `column` is the bucket of a fold in it.
fn with_newest(plan: &LogicalPlan, column: &Column, buckets: usize) -> Option<LogicalPlan> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let index = projection.schema.maybe_index_of_column(column)?;
            let Expr::Column(below) = projection.expr[index].clone().unalias_nested().data else {
                return None;
            };
            let input = Arc::new(with_newest(&projection.input, &below, buckets)?);
            let mut projection = projection.clone();
            projection.input = input;
            Some(LogicalPlan::Projection(projection))
        }
        LogicalPlan::SubqueryAlias(_) => None,
        LogicalPlan::Extension(extension) => {
            let node = extension.node.as_any().downcast_ref::<FoldNode>()?;
            let shape = node.shape.as_ref();
            let fold = &shape.fold;
            let index = shape.schema.maybe_index_of_column(column)?;
            let is_bucket = fold.bucket.is_some() && shape.outputs[index] == fold.by.len();
            if !is_bucket || !fold.by.is_empty() || fold.newest_buckets.is_some() {
                return None;
            }
            let mut shape = shape.clone();
            shape.fold.newest_buckets = Some(buckets);
            Some(leaf(shape, &node.moment))
        }
        _ => None,
    }
}
