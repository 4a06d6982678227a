//! A scan as an operator of a plan: one partition per stream, with the order and the statistics that
//! the engine vouches for.
//!
//! Invariant: the streams of one planned scan are taken once each; a partition that is executed again
//! is scanned again, from the same snapshot.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ColumnStatistics, Result as PlanResult, ScalarValue, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column as ColumnExpr;
use datafusion::physical_expr::{
    AcrossPartitions, ConstExpr, EquivalenceProperties, Partitioning, PhysicalExpr,
    PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{
    Boundedness, CardinalityEffect, EmissionType, SchedulingType,
};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, Metric, MetricValue, MetricsSet,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
    SortOrderPushdownResult,
};
use futures::StreamExt;
use parking_lot::Mutex;
use pulsora_model::types::UTC;
use pulsora_model::{Column, ColumnId, Result, TableId, TableSchema};
use pulsora_storage::{Order, Scan, ScanCounters, ScanPlan, ScanStatistics, ScanStream};

use super::selection::Selection;
use super::stream::ScanBatches;
use crate::catalog::Moment;
use crate::error::into_datafusion;
use crate::leaf::no_inputs;

/// What is scanned; the same for every variant of one scan.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) moment: Arc<Moment>,
    /// `database.table`.
    pub(super) label: String,
    pub(super) table: Arc<TableSchema>,
    /// The columns that are asked for.
    pub(super) schema: SchemaRef,
}

/// A scan without its rows and its moment.
#[derive(Debug)]
pub(crate) struct ScanShape {
    label: String,
    table: Arc<TableSchema>,
    schema: SchemaRef,
    columns: Option<Vec<ColumnId>>,
    order: Order,
    limit: Option<usize>,
}

impl ScanShape {
    /// The table.
    pub(crate) fn table(&self) -> TableId {
        self.table.id
    }

    /// The scan of selected rows at a moment.
    ///
    /// # Errors
    /// What the engine's scan reports.
    pub(crate) fn over(&self, selection: Selection, moment: Arc<Moment>) -> Result<ScanExec> {
        let Selection { time, tags, fields } = selection;
        let (columns, order, limit) = (self.columns.clone(), self.order, self.limit);
        let scan = Scan { table: self.table.id, columns, time, tags, fields, order, limit };
        let target = Target {
            moment,
            label: self.label.clone(),
            table: Arc::clone(&self.table),
            schema: Arc::clone(&self.schema),
        };
        ScanExec::new(Arc::new(target), scan)
    }
}

/// The operator.
pub(crate) struct ScanExec {
    target: Arc<Target>,
    scan: Scan,
    statistics: ScanStatistics,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    counters: Arc<ScanCounters>,
    /// Guards the streams that are not taken yet.
    streams: Mutex<Vec<Option<ScanStream>>>,
}

impl ScanExec {
    /// Plans the scan.
    ///
    /// # Errors
    /// What the engine's scan reports.
    pub(super) fn new(target: Arc<Target>, scan: Scan) -> Result<ScanExec> {
        let snapshot = &target.moment.snapshot;
        let ScanPlan { streams, sorted_by, counters, .. } = snapshot.scan(&scan)?;
        let statistics = snapshot.statistics(&scan)?;
        let equivalence = equivalence(&target, &scan, &sorted_by);
        let properties = PlanProperties::new(
            equivalence,
            Partitioning::UnknownPartitioning(streams.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(ScanExec {
            target,
            scan,
            statistics,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            counters,
            streams: Mutex::new(streams.into_iter().map(Some).collect()),
        })
    }

    /// The same scan, asked differently.
    fn again(&self, scan: Scan) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(ScanExec::new(Arc::clone(&self.target), scan)?))
    }

    fn take(&self, partition: usize) -> Result<ScanStream> {
        let mut streams = self.streams.lock();
        if let Some(stream) = streams.get_mut(partition).and_then(Option::take) {
            if streams.iter().filter(|stream| stream.is_none()).count() == 1 {
                self.target.moment.add_scan(&self.counters);
            }
            return Ok(stream);
        }
        let plan = self.target.moment.snapshot.scan(&self.scan)?;
        self.target.moment.add_scan(&plan.counters);
        Ok(plan.streams.into_iter().nth(partition).unwrap_or_else(|| Box::new(std::iter::empty())))
    }

    /// The scan without its rows and its moment.
    pub(crate) fn shape(&self) -> ScanShape {
        let Target { label, table, schema, .. } = self.target.as_ref();
        ScanShape {
            label: label.clone(),
            table: Arc::clone(table),
            schema: Arc::clone(schema),
            columns: self.scan.columns.clone(),
            order: self.scan.order,
            limit: self.scan.limit,
        }
    }

    /// The rows that are scanned.
    pub(crate) fn selection(&self) -> Selection {
        let Scan { time, tags, fields, .. } = self.scan.clone();
        Selection { time, tags, fields }
    }

    fn scan_statistics(&self) -> Statistics {
        let exact = |rows: u64| usize::try_from(rows).map_or(Precision::Absent, Precision::Exact);
        let time = self.target.table.time();
        let columns = self.target.schema.fields().iter().map(|field| {
            let mut column = ColumnStatistics::new_unknown();
            if field.name().as_str() == &*time.name {
                column.null_count = Precision::Exact(0);
                column.min_value = time_value(self.statistics.min_time_ns);
                column.max_value = time_value(self.statistics.max_time_ns);
            }
            column
        });
        Statistics {
            num_rows: self.statistics.rows.map_or(Precision::Absent, exact),
            total_byte_size: Precision::Absent,
            column_statistics: columns.collect(),
        }
    }
}

/// Adds the figures of a scan to those of an operator.
pub(crate) fn add_scan_metrics(figures: &mut MetricsSet, counters: &ScanCounters) {
    for (name, counter) in [
        ("rows_read", &counters.rows_read),
        ("blocks_read", &counters.blocks_read),
        ("segments_read", &counters.segments_read),
        ("segments_pruned", &counters.segments_pruned),
    ] {
        let count = Count::new();
        count.add(ScanCounters::value(counter) as usize);
        let value = MetricValue::Count { name: name.into(), count };
        figures.push(Arc::new(Metric::new(value, None)));
    }
}

fn time_value(time_ns: Option<i64>) -> Precision<ScalarValue> {
    match time_ns {
        Some(_) => Precision::Exact(ScalarValue::TimestampNanosecond(time_ns, Some(UTC.into()))),
        None => Precision::Absent,
    }
}

/// The order of every stream, and the tags that one value is asked of.
fn equivalence(target: &Target, scan: &Scan, sorted_by: &[ColumnId]) -> EquivalenceProperties {
    let expression = |column: &Column| -> Option<Arc<dyn PhysicalExpr>> {
        let index = target.schema.index_of(&column.name).ok()?;
        Some(Arc::new(ColumnExpr::new(&column.name, index)))
    };
    let time = target.table.time();
    let sorted = |column: &Column, descending: bool| -> Option<PhysicalSortExpr> {
        let options = SortOptions { descending, nulls_first: true };
        Some(PhysicalSortExpr::new(expression(column)?, options))
    };
    // Tags with one value do not count in the order; the first column that is not read ends it.
    let fixed =
        |id: &ColumnId| scan.tags.iter().any(|tag| tag.column == *id && tag.values.len() == 1);
    let ordering: Vec<PhysicalSortExpr> = match scan.order {
        Order::TimeAscending => sorted(time, false).into_iter().collect(),
        Order::TimeDescending => sorted(time, true).into_iter().collect(),
        Order::Any => sorted_by
            .iter()
            .filter(|id| !fixed(id))
            .map_while(|id| sorted(target.table.column_by_id(*id)?, false))
            .collect(),
    };
    let mut properties = if ordering.is_empty() {
        EquivalenceProperties::new(Arc::clone(&target.schema))
    } else {
        EquivalenceProperties::new_with_orderings(Arc::clone(&target.schema), [ordering])
    };
    let constants = scan
        .tags
        .iter()
        .filter(|tag| tag.values.len() == 1)
        .filter_map(|tag| expression(target.table.column_by_id(tag.column)?))
        .map(|tag| ConstExpr::new(tag, AcrossPartitions::Uniform(None)));
    // Constants only add knowledge; a plan without them is as right.
    if let Err(error) = properties.add_constants(constants.collect::<Vec<_>>()) {
        tracing::debug!(%error, "constants of a scan were not taken");
    }
    properties
}

impl fmt::Debug for ScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanExec").field("scan", &self.scan).finish_non_exhaustive()
    }
}

impl DisplayAs for ScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> =
            self.target.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, "ScanExec: table={}, columns=[{}]", self.target.label, columns.join(", "))?;
        self.selection().write(f, &self.target.table)?;
        match self.scan.order {
            Order::Any => {}
            Order::TimeAscending => write!(f, ", order=time")?,
            Order::TimeDescending => write!(f, ", order=time desc")?,
        }
        self.scan.limit.map_or(Ok(()), |limit| write!(f, ", limit={limit}"))
    }
}

impl ExecutionPlan for ScanExec {
    fn name(&self) -> &str {
        "ScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    no_inputs!();

    fn execute(
        &self,
        partition: usize,
        _: Arc<TaskContext>,
    ) -> PlanResult<SendableRecordBatchStream> {
        let stream = self.take(partition).map_err(into_datafusion)?;
        let batches = ScanBatches::new(stream, self.target.moment.flag());
        let schema = Arc::clone(&self.target.schema);
        let figures = BaselineMetrics::new(&self.metrics, partition);
        let batches = batches.map(move |batch| {
            let batch = batch.map_err(into_datafusion)?;
            figures.record_output(batch.num_rows());
            // Columns of the scan, under the schema that was planned with.
            let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let columns = batch.columns().to_vec();
            Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &rows)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.target.schema), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        let mut figures = self.metrics.clone_inner();
        add_scan_metrics(&mut figures, &self.counters);
        Some(figures)
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> PlanResult<Arc<Statistics>> {
        let partitions = self.properties.partitioning.partition_count();
        if args.partition().is_some() && partitions > 1 {
            return Ok(Arc::new(Statistics::new_unknown(&self.target.schema)));
        }
        Ok(Arc::new(self.scan_statistics()))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        self.again(Scan { limit, ..self.scan.clone() }).ok()
    }

    fn fetch(&self) -> Option<usize> {
        self.scan.limit
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    /// Order by time alone is the scan's own work, if no limit has been put below the order.
    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> PlanResult<SortOrderPushdownResult<Arc<dyn ExecutionPlan>>> {
        let time = &self.target.table.time().name;
        let by_time = match order {
            [one] => one.expr.downcast_ref::<ColumnExpr>().is_some_and(|c| c.name() == &**time),
            _ => false,
        };
        if !by_time || self.scan.limit.is_some() || self.scan.order != Order::Any {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        let descending = order.iter().any(|sort| sort.options.descending);
        let order = if descending { Order::TimeDescending } else { Order::TimeAscending };
        let inner = self.again(Scan { order, ..self.scan.clone() }).map_err(into_datafusion)?;
        Ok(SortOrderPushdownResult::Exact { inner })
    }
}
