//! What the planner sees of the databases: one catalog whose schemas are the databases of one
//! snapshot. Made anew for every statement; it looks things up, it lists nothing until asked.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::Result as PlanResult;
use pulsora_model::Result;
use pulsora_storage::{Fold, FoldPlan, Snapshot};

use crate::counters::QueryCounters;
use crate::scan::Table;

/// Name of the one catalog.
pub(crate) const CATALOG: &str = "pulsora";

/// What every part of one statement shares: the moment it reads, and its figures.
pub(crate) struct Moment {
    pub(crate) snapshot: Snapshot,
    pub(crate) counters: Arc<QueryCounters>,
}

impl Moment {
    /// A fold over the snapshot; it counts among the statement's scans.
    ///
    /// # Errors
    /// What the engine's fold reports.
    pub(crate) fn fold(&self, fold: &Fold) -> Result<FoldPlan> {
        let plan = self.snapshot.fold(fold)?;
        self.counters.add_scan(Arc::clone(&plan.counters));
        Ok(plan)
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Moment({})", self.snapshot.sequence())
    }
}

/// The list that holds the one catalog.
#[derive(Debug)]
pub(crate) struct Catalogs(pub(crate) Arc<Moment>);

impl CatalogProviderList for Catalogs {
    fn register_catalog(
        &self,
        _: String,
        _: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::new(Databases(Arc::clone(&self.0))) as _)
    }
}

#[derive(Debug)]
struct Databases(Arc<Moment>);

impl CatalogProvider for Databases {
    fn schema_names(&self) -> Vec<String> {
        self.0.snapshot.catalog().databases().map(|database| database.name.to_string()).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let database = self.0.snapshot.catalog().database(name).ok()?.name.to_string();
        Some(Arc::new(Tables { moment: Arc::clone(&self.0), database }))
    }
}

#[derive(Debug)]
struct Tables {
    moment: Arc<Moment>,
    database: String,
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        let database = self.moment.snapshot.catalog().database(&self.database);
        database.map_or_else(
            |_| Vec::new(),
            |database| database.tables.keys().map(|name| name.to_string()).collect(),
        )
    }

    async fn table(&self, name: &str) -> PlanResult<Option<Arc<dyn TableProvider>>> {
        let schema = self.moment.snapshot.catalog().find_table(&self.database, name);
        Ok(schema.map(|schema| {
            Arc::new(Table::new(Arc::clone(&self.moment), &self.database, schema)) as _
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.moment.snapshot.catalog().find_table(&self.database, name).is_some()
    }
}

/// The views of `information_schema` that are answered, with their columns. The planner has more
/// (its own settings); those are nobody's business here.
const INFORMATION_SCHEMA_VIEWS: &[(&str, &[&str])] = &[
    ("tables", &["table_catalog", "table_schema", "table_name", "table_type"]),
    (
        "columns",
        &[
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "ordinal_position",
            "column_default",
            "is_nullable",
            "data_type",
            "character_maximum_length",
            "character_octet_length",
            "numeric_precision",
            "numeric_precision_radix",
            "numeric_scale",
            "datetime_precision",
            "interval_type",
        ],
    ),
    (
        "schemata",
        &[
            "catalog_name",
            "schema_name",
            "schema_owner",
            "default_character_set_catalog",
            "default_character_set_schema",
            "default_character_set_name",
            "sql_path",
        ],
    ),
    ("views", &["table_catalog", "table_schema", "table_name", "definition"]),
    (
        "routines",
        &[
            "specific_catalog",
            "specific_schema",
            "specific_name",
            "routine_catalog",
            "routine_schema",
            "routine_name",
            "routine_type",
            "is_deterministic",
            "data_type",
            "function_type",
            "description",
            "syntax_example",
        ],
    ),
];

/// The columns of a view of `information_schema`, by its lower-case name.
pub(crate) fn information_schema_columns(view: &str) -> Option<&'static [&'static str]> {
    INFORMATION_SCHEMA_VIEWS.iter().find(|(name, _)| *name == view).map(|(_, columns)| *columns)
}

/// The names of the views of `information_schema`.
pub(crate) fn information_schema_views() -> Vec<&'static str> {
    INFORMATION_SCHEMA_VIEWS.iter().map(|(name, _)| *name).collect()
}
