//! Which memtables take no more rows, and when.

use std::sync::Arc;

use pulsora_model::TableId;

use super::Committer;
use crate::catalog::Catalog;
use crate::flush::log_files::release_through;
use crate::flush::plan::{OpenFigures, Pressure, plan};
use crate::memtable::MemtableView;
use crate::read::Published;

impl Committer {
    /// Seals what the policy says, and lets the flush task know.
    pub(super) fn seal_due(&mut self) {
        let now_ns = self.shared.env.clock.monotonic_ns();
        let mut open: Vec<OpenFigures> = self
            .memtables
            .iter()
            .map(|(table, memtable)| OpenFigures {
                table: *table,
                bytes: memtable.size_bytes() as u64,
                age_ns: now_ns.saturating_sub(memtable.opened_ns()),
                first: memtable.first(),
            })
            .collect();
        open.sort_by_key(|memtable| memtable.table);
        let published = self.shared.published.load();
        let sealed_bytes = published
            .memtables
            .values()
            .flatten()
            .filter(|view| view.sealed)
            .map(|view| view.bytes as u64)
            .sum();
        let pressure = Pressure { sealed_bytes, release_through: release_through(&self.shared) };
        self.seal(&plan(&open, pressure, &self.shared.options));
    }

    /// Seals memtables: they take no more rows and wait for their flush. What is sealed is on disk in
    /// the log: else a power cut could leave a request's rows in the segments of one table and take
    /// those of another.
    pub(super) fn seal(&mut self, tables: &[TableId]) {
        if !tables.is_empty() && self.wal.unsynced() {
            self.sync_now();
        }
        if self.shared.poisoned().is_some() {
            // The open memtables may hold rows that were refused.
            return;
        }
        let sealed: Vec<Arc<MemtableView>> = tables
            .iter()
            .filter_map(|table| self.memtables.remove(table))
            .filter(|memtable| memtable.rows() > 0)
            .map(|memtable| Arc::new(memtable.view(true)))
            .collect();
        let turned = self.turn_registries(tables);
        if sealed.is_empty() && !turned {
            return;
        }
        self.shared.publish(|before| {
            let mut memtables = (*before.memtables).clone();
            for view in &sealed {
                let views = memtables.entry(view.table).or_default();
                views.retain(|other| other.number != view.number);
                views.push(Arc::clone(view));
            }
            let catalog = Arc::clone(&self.catalog);
            (Published { catalog, memtables: Arc::new(memtables), ..before.clone() }, ())
        });
        self.shared.wake_flush();
    }

    /// Gives up the registries of tables that have just been sealed while all registries take more than
    /// their share: what of their series still comes is counted anew. Says whether there were any.
    fn turn_registries(&mut self, sealed: &[TableId]) -> bool {
        let mut bytes = self.registry_bytes();
        let size = |catalog: &Catalog, table: &TableId| {
            catalog.registry(*table).map_or(0, |registry| registry.size_bytes() as u64)
        };
        let mut largest_first = sealed.to_vec();
        largest_first.sort_by_key(|table| std::cmp::Reverse(size(&self.catalog, table)));
        let mut turned = false;
        for table in largest_first {
            if bytes <= self.shared.options.series_bytes {
                break;
            }
            bytes -= size(&self.catalog, &table);
            self.catalog = Arc::new(self.catalog.with_new_registry(table));
            turned = true;
        }
        turned
    }

    /// Bytes of all registries.
    fn registry_bytes(&self) -> u64 {
        self.catalog.registries().map(|registry| registry.size_bytes() as u64).sum()
    }

    /// The table with the largest registry, if they take far more than their share: refused requests may
    /// have brought series without rows, which no seal counts.
    pub(super) fn bloated_registry(&self) -> Option<TableId> {
        if self.registry_bytes() <= self.shared.options.series_bytes / 2 * 3 {
            return None;
        }
        let largest = self.catalog.registries().max_by_key(|registry| registry.size_bytes());
        largest.filter(|registry| !registry.is_empty()).map(|registry| registry.table())
    }

    pub(super) fn seal_all(&mut self) {
        let all: Vec<TableId> = self.memtables.keys().copied().collect();
        self.seal(&all);
    }
}
