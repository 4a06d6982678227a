//! What needs everything before it in segments: flushes, corrections, the end.

use std::sync::Arc;

use pulsora_env::Step;
use pulsora_model::{Code, Error, Name, Result, Sequence, TableId, TableSchema};

use super::Committer;
use crate::catalog::DEFAULT_DATABASE;
use crate::correction::{Change, Correction, Job};
use crate::engine::options::ColdFormat;
use crate::engine::queue::Reply;
use crate::engine::request::{FlushFilter, Receipt};
use crate::engine::shared::FlushWaiter;
use crate::memtable::MemtableView;

impl Committer {
    pub(super) fn flush(&mut self, filter: &FlushFilter, reply: Reply) {
        if let Err(error) = self.shared.check_writable() {
            let _left = reply.send(Err(error));
            return;
        }
        if filter.cold && self.shared.options.cold_format == ColdFormat::Native {
            let message = "nothing becomes Parquet here: storage.cold_format is native";
            let _left = reply.send(Err(Error::new(Code::InvalidRequest, message)));
            return;
        }
        let tables: Vec<TableId> = match self.filtered(filter) {
            Ok(tables) => tables,
            Err(error) => {
                let _left = reply.send(Err(error));
                return;
            }
        };
        self.seal(&tables);
        if let Err(error) = self.shared.check_writable() {
            let _left = reply.send(Err(error));
            return;
        }
        let published = self.shared.published.load();
        let waiting: Vec<&Arc<MemtableView>> = tables
            .iter()
            .filter_map(|table| published.memtables.get(table))
            .flatten()
            .filter(|view| view.sealed)
            .collect();
        let receipt = Receipt {
            sequence: published.visible,
            rows: waiting.iter().map(|view| view.rows as u64).sum(),
            changed: !waiting.is_empty(),
            duplicate: false,
        };
        let memtables = waiting.iter().map(|view| view.number).collect();
        let cold = if filter.cold { tables } else { Vec::new() };
        self.shared.flush_waiters.lock().push(FlushWaiter { memtables, cold, receipt, reply });
        self.shared.wake_flush();
        self.shared.wake_compaction();
    }

    /// Seals the table of a correction, gives it a sequence above everything it hits, and sends it on.
    pub(super) fn correct(&mut self, correction: Correction, reply: Reply) {
        let accepted = self.accept(&correction);
        let schema = match accepted {
            Ok(schema) => schema,
            Err(error) => {
                let _left = reply.send(Err(error));
                return;
            }
        };
        let erases = matches!(correction.change, Change::Erase);
        match erases {
            // Everything leaves the log files up to here.
            true => self.seal_all(),
            false => self.seal(&[schema.id]),
        }
        if erases && self.wal.unsynced() {
            self.sync_now();
        }
        if erases && self.shared.poisoned().is_none() {
            self.wal.rotate();
            self.note_log_files();
        }
        if let Err(error) = self.shared.check_writable() {
            let _left = reply.send(Err(error));
            return;
        }
        let sequence = self.next_sequence;
        self.next_sequence = Sequence(sequence.0 + 1);
        self.publish(&[], &[]);
        let published = self.shared.published.load();
        let views = published.memtables.get(&schema.id).into_iter().flatten();
        let last_file = || self.shared.wal_files.lock().last().map_or(0, |file| file.number);
        self.shared.corrections.push(Job {
            table: schema.id,
            sequence,
            memtables: views.filter(|view| view.sealed).map(|view| view.number).collect(),
            log_through: erases.then(last_file),
            schema,
            rows: correction.rows,
            change: correction.change,
            reply,
        });
        self.shared.wake_flush();
        self.shared.wake_correction();
    }

    /// The stored schema of the table that a correction is for, if it can be taken.
    fn accept(&self, correction: &Correction) -> Result<Arc<TableSchema>> {
        self.shared.check_writable()?;
        if matches!(correction.change, Change::Replace(_)) {
            self.shared.reserve.check()?;
        }
        let schema = self.catalog.table(&correction.database, &correction.table)?;
        let planned_for = correction.planned_for;
        if planned_for.is_some_and(|planned| planned != (schema.id, schema.version)) {
            let message = format!("table {:?} has changed meanwhile", &*schema.name);
            return Err(Error::new(Code::SchemaMoved, message).hint("send the request again"));
        }
        let stored = self.catalog.table_by_id(schema.id);
        stored.ok_or_else(|| Error::internal("a table without a schema"))
    }

    fn filtered(&self, filter: &FlushFilter) -> Result<Vec<TableId>> {
        let of = |database: &Name| -> Result<Vec<TableId>> {
            match &filter.table {
                Some(table) => Ok(vec![self.catalog.table(database, table)?.id]),
                None => Ok(self.catalog.database(database)?.tables.values().copied().collect()),
            }
        };
        match (&filter.database, &filter.table) {
            (Some(database), _) => of(database),
            (None, Some(_)) => of(&Name::literal(DEFAULT_DATABASE)),
            (None, None) => {
                let mut all: Vec<TableId> = self.catalog.tables().map(|table| table.id).collect();
                all.sort_unstable();
                Ok(all)
            }
        }
    }

    /// Seals everything and hands the rest to the flush task; the log stays as a second net until
    /// the segments are committed.
    pub(super) fn close(&mut self, reply: Reply) -> Step {
        if self.wal.unsynced() {
            self.sync_now();
        }
        if self.shared.poisoned().is_none() {
            self.seal_all();
            self.wal.rotate();
            self.note_log_files();
        }
        let published = self.shared.published.load();
        let memtables: Vec<u64> =
            published.memtables.values().flatten().map(|view| view.number).collect();
        let receipt =
            Receipt { sequence: published.visible, rows: 0, changed: true, duplicate: false };
        match self.shared.check_writable() {
            Ok(()) => {
                let waiter = FlushWaiter { memtables, cold: Vec::new(), receipt, reply };
                self.shared.flush_waiters.lock().push(waiter);
            }
            Err(error) => {
                let _left = reply.send(Err(error));
            }
        }
        self.shared.begin_close();
        Step::Done
    }
}
