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
use pulsora_model::TableSchema;
use pulsora_storage::{Scan, TimeRange};

use super::exec::{ScanExec, Target};
use super::filter::{Condition, conditions};
use crate::catalog::Moment;
use crate::error::into_datafusion;

/// A table at one moment.
#[derive(Debug)]
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
        let mut scan = Scan { limit, ..Scan::all(self.schema.id) };
        if let Some(projection) = projection {
            scan.columns =
                Some(projection.iter().map(|index| self.schema.columns[*index].id).collect());
        }
        let schema = project_schema(&self.arrow, projection)?;
        for condition in filters.iter().filter_map(|f| conditions(f, &self.schema)).flatten() {
            match condition {
                Condition::Time(range) => scan.time = scan.time.intersect(&range),
                Condition::Tag(predicate) => scan.tags.push(predicate),
                Condition::Never => scan.time = TimeRange { start_ns: 1, end_ns: 0 },
            }
        }
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
