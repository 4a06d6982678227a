//! Rows on their way in: batches, points, and the formats that people send.
//!
//! Invariant: a request is parsed against the schemas of one moment, and again when they have moved
//! before it was stored.

use std::sync::Arc;

use arrow::array::{Float64Array, StringArray};
use bytes::Bytes;
use pulsora_env::block_on;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::time::Precision;
use pulsora_model::{
    Batch as Columns, Code, ColumnType, Detail, FieldColumn, Name, Result, Sequence, SeriesColumn,
    SeriesKeys, TableOptions, TableWrite, TagColumn, Timestamp,
};
use pulsora_storage::{Catalog, WriteRequest};
use pulsora_wire::Parsed;
use pulsora_wire::line::{self, LineOptions};
use pulsora_wire::msgpack::{self, MsgpackOptions};
use pulsora_wire::rows::{RowFormat, RowOptions, RowsParsed};

use crate::database::Database;
use crate::series_key::SeriesKey;

/// How often rows are parsed at most: the schema moves under them only when another writer adds or
/// widens a column meanwhile.
const ATTEMPTS: usize = 3;

/// Rows of one table in columns, with the table's name: what [`Database::write`] takes.
pub type Batch = TableWrite;

/// What became of rows that were written.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// WAL sequence of the write; what was visible when nothing was stored.
    pub sequence: Sequence,
    /// Rows stored.
    pub rows: u64,
    /// Lines, items or rows that could not be stored.
    pub rejected: u64,
    /// The first hundred of them.
    pub details: Vec<Detail>,
}

impl Written {
    fn all(sequence: Sequence, rows: u64) -> Written {
        Written { sequence, rows, ..Written::default() }
    }
}

impl Database {
    /// Writes one batch into its table, which is made if it is not there: all rows or none.
    ///
    /// # Errors
    /// `schema_conflict`, `type_conflict`, `schema_moved` when the table has changed since the batch
    /// was made, and those of the engine.
    pub fn write(&self, batch: &Batch) -> Result<Written> {
        self.write_tables(self.database_name(), vec![batch.clone()])
    }

    /// [`Database::write`] as a future.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_async(&self, batch: &Batch) -> Result<Written> {
        self.write_tables_async(self.database_name(), vec![batch.clone()]).await
    }

    /// Writes points of one series, its field `value`; the table is made as an upsert table if it is
    /// not there, so that points sent twice count once. All points or none.
    ///
    /// # Errors
    /// `invalid_name`, `schema_conflict`, `type_conflict`, and those of the engine.
    pub fn write_points(
        &self,
        table: &str,
        tags: &[(&str, &str)],
        points: &[(Timestamp, f64)],
    ) -> Result<Written> {
        self.write_series(&SeriesKey::with_tags(table, tags)?, points)
    }

    /// [`Database::write_points`] as a future.
    ///
    /// # Errors
    /// As [`Database::write_points`].
    pub async fn write_points_async(
        &self,
        table: &str,
        tags: &[(&str, &str)],
        points: &[(Timestamp, f64)],
    ) -> Result<Written> {
        self.write_series_async(&SeriesKey::with_tags(table, tags)?, points).await
    }

    /// [`Database::write_points`] for a series by its key, which also names the field.
    ///
    /// # Errors
    /// As [`Database::write_points`].
    pub fn write_series(&self, series: &SeriesKey, points: &[(Timestamp, f64)]) -> Result<Written> {
        self.write_tables(self.database_name(), self.points_batch(series, points))
    }

    /// [`Database::write_series`] as a future.
    ///
    /// # Errors
    /// As [`Database::write_points`].
    pub async fn write_series_async(
        &self,
        series: &SeriesKey,
        points: &[(Timestamp, f64)],
    ) -> Result<Written> {
        let batch = self.points_batch(series, points);
        self.write_tables_async(self.database_name(), batch).await
    }

    /// Writes batches into a database, at most one per table: all of them or none.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub fn write_tables(&self, database: &str, tables: Vec<Batch>) -> Result<Written> {
        let rows = tables.iter().map(|table| table.batch.rows as u64).sum();
        let receipt = block_on(self.engine().write(self.request(database, tables)?))?;
        Ok(Written::all(receipt.sequence, rows))
    }

    /// [`Database::write_tables`] as a future.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_tables_async(&self, database: &str, tables: Vec<Batch>) -> Result<Written> {
        let rows = tables.iter().map(|table| table.batch.rows as u64).sum();
        let receipt = self.engine().write(self.request(database, tables)?).await?;
        Ok(Written::all(receipt.sequence, rows))
    }

    /// Writes line protocol; bad lines are counted and lose no good ones. Tables are made as needed.
    ///
    /// # Errors
    /// `empty_body`, `mixed_time_units`, and those of the engine; then nothing is stored.
    pub fn write_lines(
        &self,
        database: &str,
        lines: impl AsRef<[u8]>,
        precision: Precision,
    ) -> Result<Written> {
        let options = LineOptions { precision, now_ns: self.now_ns() };
        self.write_parsed(database, |catalog| {
            line::parse(lines.as_ref(), &options, &catalog.lookup(database))
        })
    }

    /// Writes MessagePack items (columnar or rows, each names its table); bad items are counted.
    ///
    /// # Errors
    /// `empty_body`, `malformed_body`, `mixed_time_units`, and those of the engine; then nothing is
    /// stored.
    pub fn write_msgpack(
        &self,
        database: &str,
        body: &[u8],
        precision: Precision,
    ) -> Result<Written> {
        let options = MsgpackOptions { precision, now_ns: self.now_ns() };
        self.write_parsed(database, |catalog| {
            msgpack::parse(body, &options, &catalog.lookup(database))
        })
    }

    /// Writes rows of one table: all of them or none, unless `options.on_error` says to skip bad ones.
    /// The table is made from what the rows are, if it is not there.
    ///
    /// # Errors
    /// Those of the format, with the line and the column, and those of the engine.
    pub fn write_rows(
        &self,
        database: &str,
        table: &str,
        format: RowFormat,
        body: &Bytes,
        options: &RowOptions,
    ) -> Result<Written> {
        let name = Name::new(table)?;
        self.write_parsed(database, |catalog| {
            let known = catalog.lookup(database).known(table);
            format.parse(&name, body, options, known).map(of_rows)
        })
    }

    fn request(&self, database: &str, tables: Vec<TableWrite>) -> Result<WriteRequest> {
        let database = Name::new(database)?;
        Ok(WriteRequest { database, tables, durability: self.durability(), key: None })
    }

    /// Points as the columns of a batch; none without points.
    fn points_batch(&self, series: &SeriesKey, points: &[(Timestamp, f64)]) -> Vec<Batch> {
        if points.is_empty() {
            return Vec::new();
        }
        let schema = self.catalog().find_table(self.database_name(), &series.table);
        let tag = |(name, value): &(Name, String)| TagColumn {
            name: name.clone(),
            values: StringArray::from_iter_values([value]),
        };
        let times: Vec<i64> = points.iter().map(|(time, _)| time.ns()).collect();
        let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        let field = FieldColumn {
            name: series.field.clone(),
            ty: ColumnType::F64,
            values: Arc::new(Float64Array::from(values)),
        };
        vec![TableWrite {
            table: series.table.clone(),
            options: TableOptions::upsert(),
            schema_version: schema.map(|schema| schema.version),
            batch: Columns {
                rows: points.len(),
                series: SeriesColumn {
                    codes: vec![0; points.len()].into(),
                    keys: SeriesKeys::Sets { sets: 1, tags: series.tags.iter().map(tag).collect() },
                },
                time: times.into(),
                fields: vec![field],
                ids: None,
            },
        }]
    }

    /// Parses against the present schemas and writes; again when they moved meanwhile.
    fn write_parsed(
        &self,
        database: &str,
        parse: impl Fn(&Arc<Catalog>) -> Result<Parsed>,
    ) -> Result<Written> {
        let mut attempt = 1;
        loop {
            let Parsed { tables, rows, rejected, details } = parse(&self.catalog())?;
            if tables.is_empty() {
                let sequence = self.snapshot().sequence();
                return Ok(Written { sequence, rows, rejected, details });
            }
            match block_on(self.engine().write(self.request(database, tables)?)) {
                Ok(receipt) => {
                    let sequence = receipt.sequence;
                    return Ok(Written { sequence, rows, rejected, details });
                }
                Err(error) if error.code() == Code::SchemaMoved && attempt < ATTEMPTS => {
                    attempt += 1
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Rows of one table as what all formats become.
fn of_rows(rows: RowsParsed) -> Parsed {
    Parsed {
        tables: rows.write.into_iter().collect(),
        rows: rows.rows,
        rejected: rows.rejected,
        details: rows.details,
    }
}
