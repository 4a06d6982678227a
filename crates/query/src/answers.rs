//! Answers that need no plan: SHOW, DESCRIBE, and what a change has done.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use pulsora_model::{Result, TableSchema};
use pulsora_storage::{Database, Engine};

/// SHOW DATABASES: `database`.
///
/// # Errors
/// Never in practice: columns of one length.
pub(crate) fn databases<'a>(
    databases: impl Iterator<Item = &'a Arc<Database>>,
) -> Result<RecordBatch> {
    let names = StringArray::from_iter_values(databases.map(|database| database.name.as_str()));
    Ok(RecordBatch::try_from_iter([("database", Arc::new(names) as ArrayRef)])?)
}

/// SHOW TABLES: `database`, `table_name`, `storage_path`, `file_count`, `total_size_mb`; the last two
/// count what is in segments.
///
/// # Errors
/// Never in practice: columns of one length.
pub(crate) fn tables(engine: &Engine, database: &Database) -> Result<RecordBatch> {
    let names: Vec<&str> = database.tables.keys().map(|name| name.as_str()).collect();
    let stats = engine.stats();
    let in_segments = |table: &str| {
        let found =
            stats.tables.iter().find(|t| t.database_id == database.id && &*t.table == table);
        found.map_or((0, 0), |table| (table.segments, table.segment_bytes))
    };
    let owner = names.iter().map(|_| database.name.as_str());
    let paths = names.iter().map(|name| format!("{}/{name}", database.name));
    let files = names.iter().map(|name| in_segments(name).0);
    let sizes = names.iter().map(|name| in_segments(name).1 as f64 / f64::from(1 << 20));
    let columns: [(&str, ArrayRef); 5] = [
        ("database", Arc::new(StringArray::from_iter_values(owner))),
        ("table_name", Arc::new(StringArray::from_iter_values(&names))),
        ("storage_path", Arc::new(StringArray::from_iter_values(paths))),
        ("file_count", Arc::new(UInt64Array::from_iter_values(files))),
        ("total_size_mb", Arc::new(Float64Array::from_iter_values(sizes))),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// DESCRIBE: `column_name`, `data_type`, `kind`, `nullable`.
///
/// # Errors
/// Never in practice: columns of one length.
pub(crate) fn describe(schema: &TableSchema) -> Result<RecordBatch> {
    let columns = &schema.columns;
    let texts = |text: fn(&pulsora_model::Column) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(columns.iter().map(text)))
    };
    let nullable: Vec<bool> = columns.iter().map(|column| column.nullable()).collect();
    Ok(RecordBatch::try_from_iter([
        ("column_name", texts(|column| column.name.as_str())),
        ("data_type", texts(|column| column.ty.api_name())),
        ("kind", texts(|column| column.kind.api_name())),
        ("nullable", Arc::new(BooleanArray::from(nullable)) as ArrayRef),
    ])?)
}

/// A change of the catalog: one row `status`.
///
/// # Errors
/// Never in practice: one column.
pub(crate) fn status(status: &str) -> Result<RecordBatch> {
    let status = StringArray::from_iter_values([status]);
    Ok(RecordBatch::try_from_iter([("status", Arc::new(status) as ArrayRef)])?)
}

/// INSERT: one row `count`.
///
/// # Errors
/// Never in practice: one column.
pub(crate) fn count(rows: u64) -> Result<RecordBatch> {
    let count = UInt64Array::from_iter_values([rows]);
    Ok(RecordBatch::try_from_iter([("count", Arc::new(count) as ArrayRef)])?)
}
