//! The registries of series beside the tables of a catalog.
//!
//! Not persisted: numbers of series hold for one opening of the data directory. The catalog of an open
//! engine has one for each of its tables; the one in a manifest has none.

use std::collections::BTreeMap;
use std::sync::Arc;

use pulsora_model::{SeriesLimits, SeriesRegistry, TableId};

/// Registries by table; a new state with every change, like the catalog.
#[derive(Clone, Debug, Default)]
pub(super) struct Registries {
    by_table: BTreeMap<TableId, Arc<SeriesRegistry>>,
    /// Limits of new ones; `None` = tables get none.
    limits: Option<SeriesLimits>,
}

impl Registries {
    /// An empty registry for each of these tables.
    pub fn of(tables: impl Iterator<Item = TableId>, limits: SeriesLimits) -> Registries {
        let mut registries = Registries { by_table: BTreeMap::new(), limits: Some(limits) };
        tables.for_each(|table| registries.add(table));
        registries
    }

    pub fn get(&self, table: TableId) -> Option<&Arc<SeriesRegistry>> {
        self.by_table.get(&table)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<SeriesRegistry>> {
        self.by_table.values()
    }

    /// Begins with a table: a new one, or one whose registry is given up.
    pub fn add(&mut self, table: TableId) {
        if let Some(limits) = self.limits {
            let registry = SeriesRegistry::new(limits).of_table(table);
            self.by_table.insert(table, Arc::new(registry));
        }
    }

    /// Forgets a dropped table.
    pub fn remove(&mut self, table: TableId) {
        self.by_table.remove(&table);
    }
}
