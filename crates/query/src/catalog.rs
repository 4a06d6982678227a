//! What the planner sees of the databases: one catalog whose schemas are the databases of one
//! snapshot. Made anew for every statement; it looks things up, it lists nothing until asked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::Result as PlanResult;
use parking_lot::Mutex;
use pulsora_model::{Result, TableId};
use pulsora_storage::{Fold, FoldPlan, ScanCounters, Snapshot, TableStamp};

use crate::queries::{CancelFlag, Query};
use crate::scan::Table;

/// Name of the one catalog.
pub(crate) const CATALOG: &str = "pulsora";

/// What every part of one statement shares: the moment it reads, and the query that it is.
pub(crate) struct Moment {
    pub(crate) snapshot: Snapshot,
    query: Arc<Query>,
    /// Guards the tables that were looked up.
    tables: Mutex<Vec<TableId>>,
    /// Whether the answer depends on which databases or tables there are.
    lists: AtomicBool,
}

impl Moment {
    /// A moment of which nothing has been read.
    pub(crate) fn new(snapshot: Snapshot, query: &Arc<Query>) -> Moment {
        let query = Arc::clone(query);
        Moment { snapshot, query, tables: Mutex::default(), lists: AtomicBool::new(false) }
    }

    /// Ends the work of the query.
    pub(crate) fn flag(&self) -> &CancelFlag {
        &self.query.flag
    }

    /// A scan of the statement has begun.
    pub(crate) fn add_scan(&self, counters: &Arc<ScanCounters>) {
        self.query.counters.add_scan(Arc::clone(counters));
        if self.flag().is_cancelled() {
            counters.stop();
        }
    }

    /// A scan was given up and is started again.
    pub(crate) fn forget_scan(&self, counters: &Arc<ScanCounters>) {
        self.query.counters.forget_scan(counters);
    }

    /// The statement reads a table.
    pub(crate) fn reads(&self, table: TableId) {
        let mut tables = self.tables.lock();
        if !tables.contains(&table) {
            tables.push(table);
        }
    }

    /// The stamps of all tables that the statement reads; `None` when its answer depends on more.
    pub(crate) fn stamps(&self) -> Option<Vec<TableStamp>> {
        if self.lists.load(Ordering::Relaxed) {
            return None;
        }
        self.tables.lock().iter().map(|table| self.snapshot.stamp(*table)).collect()
    }

    /// A fold over the snapshot; it counts among the statement's scans.
    ///
    /// # Errors
    /// What the engine's fold reports.
    pub(crate) fn fold(&self, fold: &Fold) -> Result<FoldPlan> {
        let plan = self.snapshot.fold(fold)?;
        self.add_scan(&plan.counters);
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
        self.0.lists.store(true, Ordering::Relaxed);
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
        self.moment.lists.store(true, Ordering::Relaxed);
        let database = self.moment.snapshot.catalog().database(&self.database);
        database.map_or_else(
            |_| Vec::new(),
            |database| database.tables.keys().map(|name| name.to_string()).collect(),
        )
    }

    async fn table(&self, name: &str) -> PlanResult<Option<Arc<dyn TableProvider>>> {
        let schema = self.moment.snapshot.catalog().find_table(&self.database, name);
        Ok(schema.map(|schema| {
            self.moment.reads(schema.id);
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
