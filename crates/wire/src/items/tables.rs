//! The batches of one request under construction, one per table.
//!
//! Invariants: a table comes once; the number of tables and of cells (values and nulls) is bounded,
//! whatever the body says.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use pulsora_model::limits::Limits;
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
    limits: Limits,
    /// Tables that the database does not have yet.
    new_tables: usize,
}

impl<'s> Tables<'s> {
    /// No tables yet, for a body of `body_bytes`.
    pub(crate) fn new(schemas: &'s dyn SchemaLookup, body_bytes: usize) -> Tables<'s> {
        Tables {
            limits: schemas.limits(),
            new_tables: 0,
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
            None => {
                self.limits.check_name(&name)?;
                self.schemas.check_new_tables(self.new_tables + 1)?;
                self.new_tables += 1;
                (None, None)
            }
        };
        let batch = BatchBuilder::new(schema, registry, options.time_column.clone(), None)
            .with_limits(self.limits);
        self.tables.push(Table { name: name.clone(), options, batch, cells: 0 });
        self.index.insert(name, index);
        Ok(index)
    }

    /// The bounds of what rows may make.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pulsora_model::TableSchema;
    use pulsora_model::time::Precision;

    use crate::line::{LineOptions, parse};

    use super::*;

    /// A database without tables and with room for two.
    struct Small;

    impl SchemaLookup for Small {
        fn schema(&self, _: &str) -> Option<Arc<TableSchema>> {
            None
        }

        fn limits(&self) -> Limits {
            Limits { tables: 2, columns: 4, name_bytes: 8, text_bytes: 10, ..Limits::default() }
        }
    }

    fn rejected(body: &str) -> (u64, Vec<String>) {
        let options = LineOptions { precision: Precision::Nanosecond, now_ns: 0 };
        let parsed = parse(body.as_bytes(), &options, &Small).unwrap();
        (parsed.rows, parsed.details.into_iter().map(|detail| detail.message).collect())
    }

    #[test]
    fn rows_past_a_limit_are_refused_by_its_name_and_the_others_are_kept() {
        let cases = [
            ("a v=1 1\nb v=1 1\nc v=1 1\na v=2 2", 3, "limits.tables is 2"),
            (
                "a,t=x v=1,w=2 1\na,t=x v=1,w=2,x=3 2\na,u=x v=1 3\na,t=x v=1 4",
                2,
                "limits.columns_per_table is 4",
            ),
            ("a v=1 1\na long_name=1 2\na v=1 3", 2, "limits.name_bytes is 8"),
            ("a v=1 1\nlong_name v=1 2", 1, "limits.name_bytes is 8"),
            ("a v=\"0123456789\" 1\na v=\"0123456789x\" 2", 1, "limits.text_bytes is 10"),
            ("a,t=0123456789 v=1 1\na,t=0123456789x v=1 2", 1, "limits.text_bytes is 10"),
        ];
        for (body, good, message) in cases {
            let (rows, messages) = rejected(body);
            assert_eq!(rows, good, "{body}: {messages:?}");
            assert!(!messages.is_empty(), "{body}");
            let key = message.split(' ').next().unwrap();
            for text in messages {
                assert!(text.contains(message) && text.contains(&format!("raise {key}")), "{text}");
            }
        }
    }

    #[test]
    fn a_million_of_each_are_refused_one_by_one() {
        let lines =
            |line: &dyn Fn(usize) -> String| -> String { (0..1_000_000).map(line).collect() };
        assert_eq!(rejected(&lines(&|n| format!("t{n} v=1 1\n"))).0, 2);
        assert_eq!(rejected(&lines(&|n| format!("t v{n}=1 1\n"))).0, 3);
    }
}
