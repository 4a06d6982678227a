//! The batches of one request under construction, one per table.
//!
//! Invariants: a table comes once; the number of tables and of cells (values and nulls) is bounded,
//! whatever the body says.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use pulsora_model::schema::SchemaLookup;
use pulsora_model::{BatchBuilder, Code, Error, Mode, Name, Result, TableOptions, TableWrite};

use crate::parsed::Parsed;

/// Most tables in one request: each costs a batch of its own, some kilobytes.
pub(crate) const TABLES_MAX: usize = 10_000;

/// Cells that every request may have: 32 Mi, 256 MiB as 8-byte values. Beyond, a request may have one
/// cell per byte of its body, which dense rows never exceed: only many columns that are null in
/// nearly all of many rows do.
pub(crate) const CELLS_ALWAYS: usize = 32 << 20;

/// Position of a table in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TableIndex(pub(crate) usize);

struct Table {
    name: Name,
    options: TableOptions,
    batch: BatchBuilder,
    /// Cells at the last count.
    cells: usize,
}

/// The batches of one request under construction.
pub(crate) struct Tables<'s> {
    schemas: &'s dyn SchemaLookup,
    tables: Vec<Table>,
    index: HashMap<Name, TableIndex, RandomState>,
    cells: usize,
    cells_max: usize,
}

impl<'s> Tables<'s> {
    /// No tables yet, for a body of `body_bytes`.
    pub(crate) fn new(schemas: &'s dyn SchemaLookup, body_bytes: usize) -> Tables<'s> {
        Tables {
            schemas,
            tables: Vec::new(),
            index: HashMap::default(),
            cells: 0,
            cells_max: body_bytes.max(CELLS_ALWAYS),
        }
    }

    /// The table with this name. If it exists neither in the database nor in the request, it will
    /// be made with `mode`.
    ///
    /// # Errors
    /// `invalid_name`, or `limit_exceeded` for too many tables.
    pub(crate) fn open(&mut self, name: &str, mode: Mode) -> Result<TableIndex> {
        if let Some(index) = self.index.get(name) {
            return Ok(*index);
        }
        let name = Name::new(name)?;
        if self.tables.len() >= TABLES_MAX {
            return Err(Error::new(
                Code::LimitExceeded,
                format!("more than {TABLES_MAX} tables in one request"),
            )
            .hint("send them in several requests"));
        }
        let index = TableIndex(self.tables.len());
        let options = TableOptions { mode, ..TableOptions::default() };
        let (schema, registry) = match self.schemas.known(&name) {
            Some(known) => (Some(known.schema), known.registry),
            None => (None, None),
        };
        let batch = BatchBuilder::new(schema, registry, options.time_column.clone(), None);
        self.tables.push(Table { name: name.clone(), options, batch, cells: 0 });
        self.index.insert(name, index);
        Ok(index)
    }

    /// The batch of a table.
    pub(crate) fn batch(&mut self, table: TableIndex) -> &mut BatchBuilder {
        &mut self.tables[table.0].batch
    }

    /// Makes the table an upsert table if the request creates it.
    pub(crate) fn upsert(&mut self, table: TableIndex) {
        self.tables[table.0].options.mode = Mode::Upsert;
    }

    /// Checks that `rows` more rows with the present columns keep the request within its cells.
    ///
    /// # Errors
    /// `limit_exceeded`.
    pub(crate) fn check_cells(&mut self, table: TableIndex, rows: usize) -> Result<()> {
        let table = &mut self.tables[table.0];
        let cells = table.batch.cells_with(rows);
        let total = self.cells - table.cells + cells;
        if total > self.cells_max {
            return Err(Error::new(
                Code::LimitExceeded,
                format!(
                    "the rows and columns of this request would make {total} cells, most of them null; {} are possible",
                    self.cells_max
                ),
            )
            .hint("send fewer rows or fewer different columns in one request"));
        }
        self.cells = total;
        table.cells = cells;
        Ok(())
    }

    /// How many more rows with the present columns [`Tables::check_cells`] would let through.
    pub(crate) fn room(&self, table: TableIndex) -> usize {
        let table = &self.tables[table.0];
        let cells = table.batch.cells_with(0);
        let free = (self.cells_max + table.cells).saturating_sub(self.cells + cells);
        free / (table.batch.cells_with(1) - cells)
    }

    /// Counts the cells of a table whose batch was given rows within its [`Tables::room`].
    pub(crate) fn count_cells(&mut self, table: TableIndex) {
        let table = &mut self.tables[table.0];
        let cells = table.batch.cells_with(0);
        self.cells = self.cells - table.cells + cells;
        table.cells = cells;
    }

    /// Moves the batches that have rows into the result.
    pub(crate) fn finish(self, parsed: &mut Parsed) {
        let filled = self.tables.into_iter().filter(|table| table.batch.rows() > 0);
        parsed.tables.extend(filled.map(|table| TableWrite {
            table: table.name,
            options: table.options,
            schema_version: table.batch.schema().map(|schema| schema.version),
            batch: table.batch.finish(),
        }));
        parsed.rows = parsed.tables.iter().map(|write| write.batch.rows as u64).sum();
    }
}
