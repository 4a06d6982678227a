//! Parsed bodies as text, for tests: one line per row, then what was rejected.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};

use pulsora_model::batch::SeriesKeys;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::series::{SeriesLimits, SeriesRegistry, SeriesTags};
use pulsora_model::{
    Column, ColumnId, ColumnKind, ColumnType, DatabaseId, Mode, Name, PartitionWidth, TableId,
    TableSchema, TableWrite,
};

use crate::parsed::Parsed;

/// `table/mode[tags] field=value,… time` for every row; nulls are left out. Then the details.
pub(crate) fn render(parsed: &Parsed) -> String {
    let mut out = String::new();
    for write in &parsed.tables {
        assert!(write.batch.rows > 0, "tables without rows are left out");
        (0..write.batch.rows).for_each(|row| render_row(write, row, &mut out));
    }
    let rows: usize = parsed.tables.iter().map(|write| write.batch.rows).sum();
    assert_eq!(parsed.rows, rows as u64);
    assert_eq!(parsed.details.len() as u64, parsed.rejected.min(100));
    for detail in &parsed.details {
        let place = match (detail.line, detail.index) {
            (Some(line), _) => format!("line {line}"),
            (_, Some(index)) => format!("index {index}"),
            _ => panic!("a detail has a place"),
        };
        let column = detail.column.as_ref().map_or(String::new(), |c| format!(" [{c}]"));
        writeln!(out, "! {place}{column}: {}", detail.message).unwrap();
    }
    out
}

fn render_row(write: &TableWrite, row: usize, out: &mut String) {
    let batch = &write.batch;
    write!(out, "{}/{}", write.table, write.options.mode.name()).unwrap();
    let set = batch.series.codes[row] as usize;
    let tags: Vec<String> = match &batch.series.keys {
        SeriesKeys::Sets { tags, .. } => {
            let tags = tags.iter().filter(|tag| tag.values.is_valid(set));
            tags.map(|tag| format!("{}={}", tag.name, tag.values.value(set))).collect()
        }
        SeriesKeys::Known(registry) => SeriesTags::of(registry.read().key(set as u32))
            .map(|(column, value)| format!("#{column}={value}"))
            .collect(),
    };
    let fields = batch.fields.iter().filter_map(|field| {
        let value = value_text(field.ty, &field.values, row)?;
        Some(format!("{}={value}", field.name))
    });
    let fields: Vec<String> = fields.collect();
    writeln!(out, "[{}] {} {}", tags.join(","), fields.join(","), batch.time[row]).unwrap();
}

fn value_text(ty: ColumnType, values: &ArrayRef, row: usize) -> Option<String> {
    assert_eq!(values.data_type(), &ty.arrow());
    if ty == ColumnType::Untyped || values.is_null(row) {
        return None;
    }
    Some(match ty {
        ColumnType::Untyped => return None,
        ColumnType::I64 => format!("{}i", values.as_primitive::<Int64Type>().value(row)),
        ColumnType::U64 => format!("{}u", values.as_primitive::<UInt64Type>().value(row)),
        ColumnType::F64 => format!("{:?}", values.as_primitive::<Float64Type>().value(row)),
        ColumnType::Bool => values.as_boolean().value(row).to_string(),
        ColumnType::Utf8 => format!("{:?}", values.as_string::<i32>().value(row)),
        ColumnType::Timestamp => {
            format!("@{}", values.as_primitive::<TimestampNanosecondType>().value(row))
        }
    })
}

/// A database without tables.
pub(crate) fn no_tables(_: &str) -> Option<Arc<TableSchema>> {
    None
}

/// A table with these columns besides its time column `at`.
pub(crate) fn table(
    name: &'static str,
    mode: Mode,
    columns: &[(&'static str, ColumnKind, ColumnType)],
) -> impl Fn(&str) -> Option<Arc<TableSchema>> + use<> {
    let time = ("at", ColumnKind::Time, ColumnType::Timestamp);
    let columns: Vec<Column> = std::iter::once(&time)
        .chain(columns)
        .zip(1..)
        .map(|((name, kind, ty), id)| Column {
            id: ColumnId(id),
            name: Name::literal(name),
            kind: *kind,
            ty: *ty,
        })
        .collect();
    let schema = Arc::new(TableSchema {
        id: TableId(1),
        database: DatabaseId(1),
        name: Name::literal(name),
        version: 7,
        next_column: ColumnId(columns.len() as u32 + 1),
        columns,
        mode,
        partition: PartitionWidth::Auto,
        dropped: Vec::new(),
        created_at_ns: 0,
        codec: None,
        retention_ns: None,
    });
    move |table| (table == name).then(|| Arc::clone(&schema))
}

/// The tables of another lookup, with one registry that numbers their series.
pub(crate) struct Numbered<L>(pub(crate) L, pub(crate) Arc<SeriesRegistry>);

impl<L: SchemaLookup> SchemaLookup for Numbered<L> {
    fn schema(&self, table: &str) -> Option<Arc<TableSchema>> {
        self.0.schema(table)
    }

    fn registry(&self, _: &TableSchema) -> Option<Arc<SeriesRegistry>> {
        Some(Arc::clone(&self.1))
    }
}

/// A registry without series.
pub(crate) fn registry() -> Arc<SeriesRegistry> {
    Arc::new(SeriesRegistry::new(SeriesLimits::default()))
}
