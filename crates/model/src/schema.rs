//! A table's schema: its columns by id, its mode and its options. Immutable once published; a change
//! makes the next version.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::ids::{ColumnId, DatabaseId, TableId};
use crate::limits::Limits;
use crate::name::Name;
use crate::partition::PartitionWidth;
use crate::series::SeriesRegistry;
use crate::types::{ColumnKind, ColumnType, tag_type, timestamp_type};

/// Keeps every row, or per (tags, time) and field the last value sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every row is kept.
    #[default]
    Append,
    /// Per (tags, time) and field the last value sent; null means "not sent".
    Upsert,
}

impl Mode {
    /// The name in SQL, HTTP and the catalog.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Append => "append",
            Mode::Upsert => "upsert",
        }
    }

    /// # Errors
    /// `invalid_request` when `text` is neither `append` nor `upsert`.
    pub fn parse(text: &str) -> Result<Mode> {
        [Mode::Append, Mode::Upsert]
            .into_iter()
            .find(|mode| mode.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                Error::new(Code::InvalidRequest, format!("{text:?} is not a table mode"))
                    .hint("use append or upsert")
            })
    }
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Never reused; the Parquet field id.
    pub id: ColumnId,
    /// As the user wrote it.
    pub name: Name,
    /// What it is for.
    pub kind: ColumnKind,
    /// Type of its values: `Timestamp` for time, `Utf8` for tags, `U64` for the row id.
    pub ty: ColumnType,
}

impl Column {
    /// The Arrow type of the column in scans and segments.
    pub fn arrow_type(&self) -> DataType {
        match self.kind {
            ColumnKind::Time => timestamp_type(),
            ColumnKind::Tag => tag_type(),
            ColumnKind::Id => DataType::UInt64,
            ColumnKind::Field => self.ty.arrow(),
        }
    }

    /// Whether a row may lack a value: true for tags and fields.
    pub fn nullable(&self) -> bool {
        matches!(self.kind, ColumnKind::Tag | ColumnKind::Field)
    }

    /// The Arrow field of the column.
    pub fn arrow_field(&self) -> Field {
        Field::new(self.name.as_str(), self.arrow_type(), self.nullable())
    }
}

/// What a request asks for when its rows create the table; ignored when the table exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableOptions {
    /// Append or upsert.
    pub mode: Mode,
    /// Width of partitions.
    pub partition: PartitionWidth,
    /// Whether the table has row ids (column `id`, assigned by the engine where a row has none).
    pub row_ids: bool,
    /// Name of the row id column; `id` unless the request says otherwise.
    pub id_column: Name,
    /// Name of the time column.
    pub time_column: Name,
    /// Order in which columns shall stand (names of time, tags, fields and id); columns that are not
    /// named follow in the order id, time, tags, fields.
    pub column_order: Vec<Name>,
    /// Codec that columns of its kind are stored with in hot segments; `None` = the smallest that is
    /// fast enough, per column and block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<Name>,
}

impl Default for TableOptions {
    fn default() -> TableOptions {
        TableOptions {
            mode: Mode::Append,
            partition: PartitionWidth::Auto,
            row_ids: false,
            id_column: Name::literal("id"),
            time_column: Name::literal("time"),
            column_order: Vec::new(),
            codec: None,
        }
    }
}

impl TableOptions {
    /// Options of a table that line protocol and the metric API create: upsert, time column `time`.
    pub fn upsert() -> TableOptions {
        TableOptions { mode: Mode::Upsert, ..TableOptions::default() }
    }
}

/// One version of a table's schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// The table.
    pub id: TableId,
    /// Its database.
    pub database: DatabaseId,
    /// Its name.
    pub name: Name,
    /// Rises with every change, from 1.
    pub version: u32,
    /// Columns in the order users see them.
    pub columns: Vec<Column>,
    /// Tags among the columns that were dropped: users do not see them, and rows that came before keep
    /// them in their key. Empty in a schema that was found by its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<ColumnId>,
    /// The id that the next new column gets.
    pub next_column: ColumnId,
    /// Append or upsert.
    pub mode: Mode,
    /// Width of partitions.
    pub partition: PartitionWidth,
    /// Wall clock at creation, nanoseconds.
    pub created_at_ns: i64,
    /// Codec that columns of its kind are stored with in hot segments; `None` = chosen by size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<Name>,
    /// How long rows are kept after their time, nanoseconds; `None` = as its database says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_ns: Option<i64>,
}

impl TableSchema {
    /// The column with exactly this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| &*column.name == name)
    }

    /// The column with this id.
    pub fn column_by_id(&self, id: ColumnId) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id)
    }

    /// The columns that users see, in their order.
    pub fn shown(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !self.dropped.contains(&column.id))
    }

    /// The same table as users see it.
    pub fn visible(self: &Arc<Self>) -> Arc<TableSchema> {
        if self.dropped.is_empty() {
            return Arc::clone(self);
        }
        let columns = self.shown().cloned().collect();
        Arc::new(TableSchema { columns, dropped: Vec::new(), ..(**self).clone() })
    }

    /// The time column; every table has exactly one.
    ///
    /// # Panics
    /// Never for a schema that was made by the catalog.
    pub fn time(&self) -> &Column {
        self.columns
            .iter()
            .find(|column| column.kind == ColumnKind::Time)
            .expect("every table has a time column")
    }

    /// The tags in key order (order of first appearance).
    pub fn tags(&self) -> impl Iterator<Item = &Column> {
        let mut tags: Vec<&Column> =
            self.columns.iter().filter(|column| column.kind == ColumnKind::Tag).collect();
        tags.sort_by_key(|column| column.id);
        tags.into_iter()
    }

    /// The columns of the key: tags in key order, then time.
    pub fn key(&self) -> impl Iterator<Item = &Column> {
        self.tags().chain([self.time()])
    }

    /// The fields in display order.
    pub fn fields(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.kind == ColumnKind::Field)
    }

    /// The row id column, if the table has row ids.
    pub fn row_id(&self) -> Option<&Column> {
        self.columns.iter().find(|column| column.kind == ColumnKind::Id)
    }

    /// Whether the columns that both have are of the same types.
    pub fn has_types_of(&self, other: &TableSchema) -> bool {
        let same = |column: &Column| {
            other.column_by_id(column.id).is_none_or(|other| other.ty == column.ty)
        };
        self.columns.iter().all(same)
    }

    /// The Arrow schema of a scan of every column, in display order.
    pub fn arrow(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(Column::arrow_field).collect::<Vec<_>>()))
    }
}

/// A table that exists, as parsers know it.
#[derive(Clone, Debug)]
pub struct KnownTable {
    /// Its present schema.
    pub schema: Arc<TableSchema>,
    /// Numbers its series; without one, batches bring their tag sets.
    pub registry: Option<Arc<SeriesRegistry>>,
}

impl From<Arc<TableSchema>> for KnownTable {
    fn from(schema: Arc<TableSchema>) -> KnownTable {
        KnownTable { schema, registry: None }
    }
}

/// Finds the current schema of a table of one database by its exact name: what parsers ask while they
/// read a body. The engine's catalog and plain closures implement it.
pub trait SchemaLookup {
    /// The schema, or `None` when the table does not exist yet.
    fn schema(&self, table: &str) -> Option<Arc<TableSchema>>;

    /// What numbers the series of a table.
    fn registry(&self, table: &TableSchema) -> Option<Arc<SeriesRegistry>> {
        let _no_table_has_one = table;
        None
    }

    /// The bounds of what rows may make.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Whether there is room for this many new tables.
    ///
    /// # Errors
    /// `limit_exceeded`.
    fn check_new_tables(&self, new: usize) -> Result<()> {
        self.limits().check_tables(new, new)
    }

    /// Both.
    fn known(&self, table: &str) -> Option<KnownTable> {
        let schema = self.schema(table)?;
        Some(KnownTable { registry: self.registry(&schema), schema })
    }
}

impl<F: Fn(&str) -> Option<Arc<TableSchema>>> SchemaLookup for F {
    fn schema(&self, table: &str) -> Option<Arc<TableSchema>> {
        self(table)
    }
}
