//! A fold as an operator of a plan: a leaf with one partition, whose rows come sorted by bucket and
//! tags once all of it is read.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::{SortOptions, cast};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_expr::{
    EquivalenceProperties, Partitioning, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures::{Stream, StreamExt, TryStreamExt};
use parking_lot::Mutex;
use pulsora_model::{ColumnId, Result};
use pulsora_storage::{Aggregate, Fold, FoldPlan, Function, ScanCounters};

use super::run::{at_once, looks_small, run};
use super::shape::FoldShape;
use crate::catalog::Moment;
use crate::error::into_datafusion;
use crate::leaf::no_inputs;
use crate::options::BATCH_ROWS;
use crate::scan::add_scan_metrics;

/// The operator.
#[derive(Debug)]
pub(crate) struct FoldExec {
    shape: Arc<FoldShape>,
    moment: Arc<Moment>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// Guards the figures of the last run.
    counters: Arc<Mutex<Option<Arc<ScanCounters>>>>,
}

impl FoldExec {
    /// The fold at a moment.
    pub(super) fn new(shape: Arc<FoldShape>, moment: Arc<Moment>) -> FoldExec {
        let schema = Arc::clone(shape.schema.inner());
        let properties = PlanProperties::new(
            equivalence(&shape, &schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        FoldExec::with_properties(shape, moment, Arc::new(properties))
    }

    /// The fold at a moment, with the properties that the same fold of other rows has.
    pub(crate) fn with_properties(
        shape: Arc<FoldShape>,
        moment: Arc<Moment>,
        properties: Arc<PlanProperties>,
    ) -> FoldExec {
        let (metrics, counters) = (ExecutionPlanMetricsSet::new(), Arc::default());
        FoldExec { shape, moment, properties, metrics, counters }
    }

    /// What is folded.
    pub(crate) fn shape(&self) -> &Arc<FoldShape> {
        &self.shape
    }
}

/// Sorted by bucket, then by the tags in the order of the fold; absent tags last.
fn equivalence(shape: &FoldShape, schema: &SchemaRef) -> EquivalenceProperties {
    let tags = shape.fold.by.len();
    let bucket = shape.fold.bucket.map(|_| tags);
    let sorted = bucket.into_iter().chain(0..tags).filter_map(|place| {
        let index = shape.outputs.iter().position(|output| *output == place)?;
        let column = ColumnExpr::new(schema.field(index).name(), index);
        let options = SortOptions { descending: false, nulls_first: false };
        Some(PhysicalSortExpr::new(Arc::new(column), options))
    });
    let sorted: Vec<PhysicalSortExpr> = sorted.collect();
    match sorted.is_empty() {
        true => EquivalenceProperties::new(Arc::clone(schema)),
        false => EquivalenceProperties::new_with_orderings(Arc::clone(schema), [sorted]),
    }
}

/// The rows of a fold, at once if it is small.
async fn rows(
    moment: &Moment,
    fold: &Fold,
    plan: FoldPlan,
    threads: usize,
    figures: &Mutex<Option<Arc<ScanCounters>>>,
) -> Result<Vec<RecordBatch>> {
    let counters = Arc::clone(&plan.counters);
    *figures.lock() = Some(Arc::clone(&counters));
    if !looks_small(fold, &plan) {
        return run(plan, threads, moment.flag()).await;
    }
    if let Some(batches) = at_once(plan)? {
        return Ok(batches);
    }
    moment.forget_scan(&counters);
    let plan = moment.fold(fold)?;
    *figures.lock() = Some(Arc::clone(&plan.counters));
    run(plan, threads, moment.flag()).await
}

/// A batch of the fold under the plan's columns and types.
fn planned(batch: &RecordBatch, outputs: &[usize], schema: &SchemaRef) -> PlanResult<RecordBatch> {
    let mut columns = Vec::with_capacity(outputs.len());
    for (output, field) in outputs.iter().zip(schema.fields()) {
        let column = batch.column(*output);
        columns.push(match column.data_type() == field.data_type() {
            true => Arc::clone(column),
            false => cast(column, field.data_type())?,
        });
    }
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)?)
}

/// Batches of the size that operators expect.
fn in_pieces(batches: Vec<RecordBatch>) -> impl Stream<Item = PlanResult<RecordBatch>> {
    let pieces = batches.into_iter().flat_map(|batch| {
        let rows = batch.num_rows();
        let starts = (0..rows).step_by(BATCH_ROWS);
        starts.map(move |start| Ok(batch.slice(start, BATCH_ROWS.min(rows - start))))
    });
    futures::stream::iter(pieces)
}

impl fmt::Display for FoldShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.table;
        let name = |id: ColumnId| table.column_by_id(id).map_or("?", |column| &column.name);
        let fold = &self.fold;
        let by: Vec<&str> = fold.by.iter().map(|id| name(*id)).collect();
        write!(f, "table={}, by=[{}]", self.label, by.join(", "))?;
        if let Some(bucket) = fold.bucket {
            write!(f, ", bucket={}ns from {}", bucket.width_ns, bucket.origin_ns)?;
        }
        let aggregates = fold.aggregates.iter().map(|Aggregate { function, column }| {
            let call = function_name(*function);
            match function {
                Function::CountRows => call.to_owned(),
                _ => format!("{call}({})", name(*column)),
            }
        });
        write!(f, ", aggregates=[{}]", aggregates.collect::<Vec<_>>().join(", "))?;
        self.selection().write(f, table)?;
        fold.newest_buckets.map_or(Ok(()), |buckets| write!(f, ", newest={buckets}"))
    }
}

fn function_name(function: Function) -> &'static str {
    match function {
        Function::CountRows => "count(*)",
        Function::Count => "count",
        Function::Sum => "sum",
        Function::Mean => "avg",
        Function::Min => "min",
        Function::Max => "max",
        Function::First => "first",
        Function::Last => "last",
        Function::FirstRow => "first_row",
        Function::LastRow => "last_row",
    }
}

impl DisplayAs for FoldExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FoldExec: {}", self.shape)
    }
}

impl ExecutionPlan for FoldExec {
    fn name(&self) -> &str {
        "FoldExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    no_inputs!();

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> PlanResult<SendableRecordBatchStream> {
        let plan = self.moment.fold(&self.shape.fold).map_err(into_datafusion)?;
        let (moment, counters) = (Arc::clone(&self.moment), Arc::clone(&self.counters));
        let figures = BaselineMetrics::new(&self.metrics, partition);
        let threads = context.session_config().target_partitions();
        let (shape, schema) = (Arc::clone(&self.shape), self.schema());
        let asked = Arc::clone(&self.shape);
        let batches = futures::stream::once(async move {
            let batches = rows(&moment, &asked.fold, plan, threads, &counters).await;
            batches.map(in_pieces).map_err(into_datafusion)
        });
        let batches = batches.try_flatten().map(move |batch: PlanResult<RecordBatch>| {
            let batch = planned(&batch?, &shape.outputs, &schema)?;
            figures.record_output(batch.num_rows());
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut figures = self.metrics.clone_inner();
        if let Some(counters) = self.counters.lock().as_ref() {
            add_scan_metrics(&mut figures, counters);
        }
        Some(figures)
    }
}
