//! A table of one snapshot as the planner's table provider.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as PlanResult;
use datafusion::common::project_schema;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use pulsora_model::{ColumnId, TableSchema};
use pulsora_storage::{Scan, ScanStatistics};

use super::exec::{ScanExec, Target};
use super::filter::conditions;
use super::selection::Selection;
use crate::catalog::Moment;
use crate::error::into_datafusion;

/// A table at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    moment: Arc<Moment>,
    /// `database.table`, for plans.
    label: String,
    schema: Arc<TableSchema>,
    arrow: SchemaRef,
}

impl Table {
    pub(crate) fn new(moment: Arc<Moment>, database: &str, schema: Arc<TableSchema>) -> Table {
        let arrow = schema.arrow();
        let label = format!("{database}.{}", schema.name);
        Table { moment, label, schema, arrow }
    }

    /// What the statement reads.
    pub(crate) fn moment(&self) -> &Arc<Moment> {
        &self.moment
    }

    /// `database.table`.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// The table's columns at this moment.
    pub(crate) fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// What is known of the selected rows without reading them; nothing where that cannot be said.
    pub(crate) fn statistics(&self, selection: &Selection) -> ScanStatistics {
        let Selection { time, tags, fields } = selection.clone();
        let scan = Scan { time, tags, fields, ..Scan::all(self.schema.id) };
        self.moment.snapshot.statistics(&scan).unwrap_or_default()
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.arrow)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match conditions(filter, &self.schema) {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let schema = project_schema(&self.arrow, projection)?;
        let mut selection = Selection::all();
        let known = filters.iter().filter_map(|filter| conditions(filter, &self.schema));
        known.flatten().for_each(|condition| selection.add(condition));
        let scan = Scan {
            columns: scan_columns(&self.schema, projection),
            time: selection.time,
            tags: selection.tags,
            fields: selection.fields,
            limit,
            ..Scan::all(self.schema.id)
        };
        if scan.time.is_empty() {
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let target = Target {
            moment: Arc::clone(&self.moment),
            label: self.label.clone(),
            table: Arc::clone(&self.schema),
            schema,
        };
        Ok(Arc::new(ScanExec::new(Arc::new(target), scan).map_err(into_datafusion)?))
    }
}

fn scan_columns(schema: &TableSchema, projection: Option<&Vec<usize>>) -> Option<Vec<ColumnId>> {
    Some(projection?.iter().map(|index| schema.columns[*index].id).collect())
}
