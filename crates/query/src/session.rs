//! How the planner is set up: once for the engine, and cheaply for each statement.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::CatalogProviderList;
use datafusion::common::config::Dialect;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use datafusion::prelude::SessionConfig;
use pulsora_model::{Error, Result};

use crate::catalog::{CATALOG, Catalogs, Moment};
use crate::fold::{FoldPlanner, FoldRule};
use crate::functions;
use crate::options::{BATCH_ROWS, QueryOptions};
use crate::queries::Query;
use crate::request::Folds;
use crate::run::{QueryMemory, QueryShare};

/// Part of the memory that one partition keeps back for merging what it spilled: with as many
/// partitions as threads all of them together take at most a quarter.
const SPILL_RESERVATION_SHARE: u64 = 4;

/// DataFusion's own default of that reservation, bytes.
const SPILL_RESERVATION_BYTES: u64 = 10 << 20;

/// What a merge holds of one spilled run: two batches of 8,192 rows of some 60 bytes.
const MERGE_RUN_BYTES: u64 = 1 << 20;

/// Past this many runs a merge loses more by comparing than it gains by reading once.
const MERGE_FAN_IN_MAX: u64 = 64;

/// What DataFusion names its directories of spilled rows.
const SPILL_PREFIX: &str = "datafusion-";

/// The sessions that statements start from.
pub(crate) struct Sessions {
    /// With the rule that finds folds.
    base: SessionState,
    /// Without it.
    general: SessionState,
    /// Memory and spill space of all statements.
    shared: Arc<RuntimeEnv>,
}

impl Sessions {
    /// # Errors
    /// `io_error` when the spill directory cannot be made or emptied.
    pub(crate) fn new(options: &QueryOptions) -> Result<Sessions> {
        let mut general = SessionStateBuilder::new()
            .with_config(config(options))
            .with_runtime_env(runtime(options)?)
            .with_default_features()
            .build();
        register(&mut general).map_err(|error| crate::error::from_datafusion(&error))?;
        let base = SessionStateBuilder::new_from_existing(general.clone())
            .with_query_planner(Arc::new(FoldPlanner))
            .with_optimizer_rule(Arc::new(FoldRule))
            .build();
        let shared = Arc::clone(base.runtime_env());
        Ok(Sessions { base, general, shared })
    }

    /// What the operators of a query need while they run: settings, and memory on the query's account. They look up no
    /// functions.
    pub(crate) fn running(&self, query: &Query) -> Arc<TaskContext> {
        let memory: Arc<dyn MemoryPool> =
            Arc::new(QueryShare::new(&self.shared.memory_pool, query));
        let shared = RuntimeEnv { memory_pool: memory, ..self.shared.as_ref().clone() };
        Arc::new(TaskContext::new(
            None,
            String::new(),
            self.base.config().clone(),
            HashMap::default(),
            HashMap::default(),
            HashMap::default(),
            HashMap::default(),
            Arc::new(shared),
        ))
    }

    /// A session over one moment, with `database` as its default.
    pub(crate) fn open(&self, moment: Arc<Moment>, database: &str, folds: Folds) -> SessionState {
        let catalogs: Arc<dyn CatalogProviderList> = Arc::new(Catalogs(moment));
        let base = match folds {
            Folds::Found => &self.base,
            Folds::Off => &self.general,
        };
        let mut config = base.config().clone();
        config.options_mut().catalog.default_schema = database.to_owned();
        let mut state = SessionStateBuilder::new_from_existing(base.clone())
            .with_config(config)
            .with_catalog_list(catalogs)
            .build();
        state.mark_start_execution();
        state
    }
}

fn register(state: &mut SessionState) -> datafusion::common::Result<()> {
    use datafusion::execution::FunctionRegistry;
    for function in functions::scalars() {
        state.register_udf(function)?;
    }
    for function in functions::aggregates() {
        state.register_udaf(function)?;
    }
    Ok(())
}

fn config(options: &QueryOptions) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, "default")
        .with_information_schema(true)
        .with_target_partitions(options.threads.max(1))
        .with_batch_size(BATCH_ROWS)
        .with_prefer_existing_sort(true);
    let settings = config.options_mut();
    settings.sql_parser.enable_ident_normalization = false;
    settings.sql_parser.dialect = Dialect::DuckDB;
    settings.execution.time_zone = Some(pulsora_model::types::UTC.into());
    let share = options.memory_bytes / (SPILL_RESERVATION_SHARE * options.threads.max(1) as u64);
    settings.execution.sort_spill_reservation_bytes =
        usize::try_from(share.min(SPILL_RESERVATION_BYTES)).unwrap_or(usize::MAX);
    config
}

/// Memory and spill space that all statements share.
fn runtime(options: &QueryOptions) -> Result<Arc<RuntimeEnv>> {
    empty_spill_dir(options)?;
    let memory = usize::try_from(options.memory_bytes).unwrap_or(usize::MAX);
    let spill = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![options.spill_dir.clone()]))
        .with_max_spill_merge_fan_in(merge_fan_in(options));
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(QueryMemory::new(memory)))
        .with_disk_manager_builder(spill)
        .build_arc()
        .map_err(|error| crate::error::from_datafusion(&error))
}

/// Spilled runs that one merge reads at once. Unbounded, the merges of the partitions would take all
/// that is kept for merging and leave nothing for the last one, which joins them.
fn merge_fan_in(options: &QueryOptions) -> usize {
    let share = options.memory_bytes * 3 / 16 / options.threads.max(1) as u64;
    (share / MERGE_RUN_BYTES).clamp(2, MERGE_FAN_IN_MAX) as usize
}

/// Makes the directory and removes what an earlier process spilled, and nothing else.
fn empty_spill_dir(options: &QueryOptions) -> Result<()> {
    let dir = &options.spill_dir;
    let failed = |error| Error::io(format!("spill directory {}", dir.display()), error);
    std::fs::create_dir_all(dir).map_err(failed)?;
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(SPILL_PREFIX) {
            std::fs::remove_dir_all(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}
