//! Stores or rejects one item after the other.
//!
//! Use: [`Items::begin`], [`Items::open`], fill `tags` and `row`, then [`Items::store`]; whenever one
//! of these fails, [`Items::reject`].

use pulsora_model::schema::SchemaLookup;
use pulsora_model::time::Precision;
use pulsora_model::{BatchBuilder, Detail, Mode, Result};

use super::{Clock, Fault, Row, TableIndex, Tables, TagSet, Time};
use crate::parsed::Parsed;

/// A request's items so far, and the one at hand.
pub(crate) struct Items<'a, 's> {
    /// The batches under construction.
    pub(crate) tables: Tables<'s>,
    /// Tags of the item at hand.
    pub(crate) tags: TagSet<'a>,
    /// Values of the item at hand.
    pub(crate) row: Row<'a>,
    /// The unit of times.
    pub(crate) clock: Clock,
    /// Table of the item at hand, once it is known.
    table: Option<TableIndex>,
    parsed: Parsed,
}

impl<'s> Items<'_, 's> {
    /// No items yet, for a body of `body_bytes`.
    pub(crate) fn new(
        schemas: &'s dyn SchemaLookup,
        body_bytes: usize,
        precision: Precision,
        now_ns: i64,
    ) -> Self {
        Items {
            tables: Tables::new(schemas, body_bytes),
            tags: TagSet::default(),
            row: Row::default(),
            clock: Clock::new(precision, now_ns),
            table: None,
            parsed: Parsed::default(),
        }
    }

    /// Begins an item.
    pub(crate) fn begin(&mut self) {
        self.tags.begin();
        self.row.begin();
        self.table = None;
    }

    /// The table of the item; `mode` as in [`Tables::open`].
    ///
    /// # Errors
    /// As [`Tables::open`].
    pub(crate) fn open(&mut self, name: &str, mode: Mode) -> Result<TableIndex> {
        let table = self.tables.open(name, mode)?;
        self.table = Some(table);
        Ok(table)
    }

    /// Says that the item is for a table that is known already.
    pub(crate) fn reopen(&mut self, table: TableIndex) {
        self.table = Some(table);
    }

    /// The batch of a table.
    pub(crate) fn batch(&mut self, table: TableIndex) -> &mut BatchBuilder {
        self.tables.batch(table)
    }

    /// Stores the row at hand.
    ///
    /// # Errors
    /// What keeps it from being stored.
    pub(crate) fn store(
        &mut self,
        table: TableIndex,
        series: u32,
        time: Time,
    ) -> Result<(), Fault> {
        let batch = self.tables.batch(table);
        self.tags.put_fields(&mut self.row, batch)?;
        self.row.check(batch)?;
        self.tables.check_cells(table, 1)?;
        let time_ns = self.clock.to_ns(time)?;
        self.row.store(self.tables.batch(table), series, time_ns)?;
        self.clock.settle(time);
        Ok(())
    }

    /// Takes the item at hand back and lists it; `place` adds to the entry where the item stands.
    /// Gives the table of the item, if it was known.
    ///
    /// # Errors
    /// A fault that concerns the whole request.
    pub(crate) fn reject(
        &mut self,
        fault: Fault,
        place: impl FnOnce(Detail) -> Detail,
    ) -> Result<Option<TableIndex>> {
        if let Some(table) = self.table {
            self.tables.batch(table).abort_row();
        }
        if fault.is_fatal() {
            let detail = place(fault.detail());
            return Err(fault.error.details([detail]));
        }
        self.parsed.reject(|| place(fault.detail()));
        Ok(self.table)
    }

    /// What became of the request.
    pub(crate) fn finish(mut self) -> Parsed {
        self.tables.finish(&mut self.parsed);
        self.parsed
    }
}
