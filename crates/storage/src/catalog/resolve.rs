//! Fits an arriving batch to the catalog: which changes it needs first, and its columns by id.
//!
//! Pure: reads a catalog, gives changes and rows. The commit owner calls it in log order, so a batch
//! that was parsed against an older schema is checked again here, and what no longer fits is refused
//! before anything is logged.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, UInt64Array};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{Int64Type, UInt64Type};
use pulsora_model::batch::SeriesKeys;
use pulsora_model::convert::{Conversion, conversion, exact_i64, exact_u64};
use pulsora_model::limits::Limits;
use pulsora_model::schema::TableOptions;
use pulsora_model::time::parse_time;
use pulsora_model::{
    Batch, Code, Column, ColumnId, ColumnKind, ColumnType, Error, FieldColumn, Mode, Name, Result,
    SeriesRegistry, TableId, TableSchema, TableWrite,
};

use super::catalog::Catalog;
use super::change::CatalogChange;
use super::numbering::series_numbers;

/// Rows with their columns by id, as they go into the log and the memtable.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedRows {
    pub table: TableId,
    pub schema_version: u32,
    pub rows: usize,
    /// What numbers the series of the table.
    pub registry: Arc<SeriesRegistry>,
    /// The number of each row's series there.
    pub codes: ScalarBuffer<u32>,
    pub time: ScalarBuffer<i64>,
    /// Ascending by column id; never untyped.
    pub fields: Vec<(ColumnId, ColumnType, ArrayRef)>,
    /// In tables with row ids.
    pub ids: Option<ResolvedIds>,
}

/// The row ids of a record: given ones, and the first of those that the engine assigns.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedIds {
    /// Given by the user; null = assigned. `None` = all assigned.
    pub given: Option<UInt64Array>,
    /// Rows without a given id get this and the numbers after it, in row order.
    pub first_assigned: u64,
}

impl ResolvedIds {
    /// The highest id of `rows` rows; `None` without rows.
    pub fn highest(&self, rows: usize) -> Option<u64> {
        let given = self.given.as_ref();
        let missing = given.map_or(rows, Array::null_count) as u64;
        let assigned = missing.checked_sub(1).map(|last| self.first_assigned + last);
        given.and_then(|given| given.iter().flatten().max()).max(assigned)
    }

    /// The id of every row.
    pub fn all(&self, rows: usize) -> ScalarBuffer<u64> {
        let mut next = self.first_assigned;
        let mut assign = || {
            next += 1;
            next - 1
        };
        match &self.given {
            None => (0..rows).map(|_| assign()).collect(),
            Some(given) => given.iter().map(|id| id.unwrap_or_else(&mut assign)).collect(),
        }
    }
}

/// What the resolver asks about stored values and counters.
pub(crate) trait Stored {
    /// Whether every integer stored in the column is exact as a float (|value| ≤ 2^53).
    fn exact_as_float(&self, table: TableId, column: ColumnId) -> bool;
    /// The highest row id of a table so far, 0 = none.
    fn row_id_max(&self, table: TableId) -> u64;
}

/// A batch after resolution.
pub(crate) struct Resolution {
    /// The catalog with the changes applied.
    pub catalog: Arc<Catalog>,
    /// To be logged before the rows.
    pub changes: Vec<CatalogChange>,
    pub rows: ResolvedRows,
}

/// Fits `write` to `catalog`.
///
/// # Errors
/// `schema_moved` when the batch was parsed against another version and no longer fits; otherwise
/// `type_conflict`, `schema_conflict`, `invalid_row_id` or `limit_exceeded`, naming the column.
pub(crate) fn resolve(
    catalog: Arc<Catalog>,
    database: &Name,
    write: &TableWrite,
    stored: &dyn Stored,
    now_ns: i64,
) -> Result<Resolution> {
    check_texts(&catalog, write)?;
    let mut work = Work { catalog, changes: Vec::new() };
    let present = work.catalog.find_table(database, &write.table);
    if let SeriesKeys::Known(registry) = &write.batch.series.keys
        && present.as_ref().is_none_or(|schema| schema.id != registry.table())
    {
        let message = format!("table {:?} was dropped after the rows were read", &*write.table);
        return Err(Error::new(Code::SchemaMoved, message).hint("send the rows again"));
    }
    let schema = match present {
        Some(schema) => schema,
        None => work.create(database, write, now_ns)?,
    };
    let rows = work.rows(&schema, &write.batch, stored).map_err(|error| {
        let conflict = matches!(error.code(), Code::TypeConflict | Code::SchemaConflict);
        let moved =
            conflict && write.schema_version != Some(schema.version) && work.changes.is_empty();
        let error = error.context(format!("table {:?}", &*schema.name));
        if moved { Error::new(Code::SchemaMoved, error.message().to_owned()) } else { error }
    })?;
    Ok(Resolution { catalog: work.catalog, changes: work.changes, rows })
}

struct Work {
    catalog: Arc<Catalog>,
    changes: Vec<CatalogChange>,
}

impl Work {
    fn change(&mut self, change: CatalogChange) -> Result<()> {
        // Many new tables in one request must not copy the catalog each time.
        Arc::make_mut(&mut self.catalog).make(&change)?;
        self.changes.push(change);
        Ok(())
    }

    fn create(
        &mut self,
        database: &Name,
        write: &TableWrite,
        now_ns: i64,
    ) -> Result<Arc<TableSchema>> {
        self.catalog.check_new_tables(database, 1)?;
        self.catalog.limits().check_name(&write.table)?;
        if self.catalog.database(database).is_err() {
            self.catalog.limits().check_name(database)?;
            let id = self.catalog.next_database;
            self.change(CatalogChange::CreateDatabase { id, name: database.clone() })?;
        }
        let schema = TableSchema {
            id: self.catalog.next_table,
            database: self.catalog.database(database)?.id,
            name: write.table.clone(),
            version: 1,
            columns: new_columns(&write.options, &write.batch)?,
            next_column: ColumnId(0),
            mode: write.options.mode,
            partition: write.options.partition,
            dropped: Vec::new(),
            created_at_ns: now_ns,
            codec: write.options.codec.clone(),
            retention_ns: None,
        };
        check_columns(self.catalog.limits(), schema.columns.iter().map(|c| &c.name), 0)?;
        let schema =
            TableSchema { next_column: ColumnId(schema.columns.len() as u32 + 1), ..schema };
        self.change(CatalogChange::CreateTable { schema: schema.clone() })?;
        Ok(Arc::new(schema))
    }

    fn rows(
        &mut self,
        schema: &TableSchema,
        batch: &Batch,
        stored: &dyn Stored,
    ) -> Result<ResolvedRows> {
        let mut next_column = schema.next_column;
        let mut add = |work: &mut Work, name: &Name, kind, ty| -> Result<ColumnId> {
            work.catalog.check_new_column(schema.id, name)?;
            let id = next_column;
            next_column = ColumnId(id.0 + 1);
            let column = Column { id, name: name.clone(), kind, ty };
            work.change(CatalogChange::AddColumn { table: schema.id, column })?;
            Ok(id)
        };
        let mut tags = Vec::with_capacity(batch.series.tags().len());
        for tag in batch.series.tags() {
            let id = match schema.column(&tag.name) {
                Some(column) if column.kind == ColumnKind::Tag => column.id,
                Some(column) => return Err(kind_conflict(column, "a tag")),
                None => add(self, &tag.name, ColumnKind::Tag, ColumnType::Utf8)?,
            };
            tags.push((id, &tag.values));
        }
        let mut fields = Vec::with_capacity(batch.fields.len());
        for field in &batch.fields {
            let (id, ty, values) = match schema.column(&field.name) {
                Some(column) if column.kind == ColumnKind::Field => {
                    let (ty, values) = self.fit(schema.id, column, field, stored)?;
                    (column.id, ty, values)
                }
                Some(column) => return Err(kind_conflict(column, "a field")),
                None => {
                    let id = add(self, &field.name, ColumnKind::Field, field.ty)?;
                    (id, field.ty, Arc::clone(&field.values))
                }
            };
            if field.ty != ColumnType::Untyped {
                fields.push((id, ty, values));
            }
        }
        fields.sort_by_key(|(id, _, _)| *id);
        if let SeriesKeys::Sets { sets, .. } = &batch.series.keys {
            // The registry of a table that exists bounds what parsers find; a new one has none yet.
            self.catalog.limits().check_series(*sets)?;
        }
        let registry = self.catalog.registry(schema.id).cloned();
        let registry = registry.ok_or_else(|| Error::internal("a table without a registry"))?;
        let codes = series_numbers(&batch.series, tags, &registry)?;
        let version = self.catalog.table_by_id(schema.id).map_or(schema.version, |s| s.version);
        Ok(ResolvedRows {
            table: schema.id,
            schema_version: version,
            rows: batch.rows,
            registry,
            codes,
            time: batch.time.clone(),
            fields,
            ids: resolve_ids(schema, batch, stored)?,
        })
    }

    /// Values of `field` in the type of `column`, which may change its type first.
    fn fit(
        &mut self,
        table: TableId,
        column: &Column,
        field: &FieldColumn,
        stored: &dyn Stored,
    ) -> Result<(ColumnType, ArrayRef)> {
        let as_it_is = || Ok((field.ty, Arc::clone(&field.values)));
        let set = |ty| CatalogChange::SetType { table, column: column.id, ty };
        match conversion(field.ty, column.ty) {
            Conversion::Become => {
                if field.ty != ColumnType::Untyped {
                    self.change(set(field.ty))?;
                }
                as_it_is()
            }
            Conversion::Store => as_it_is(),
            Conversion::Widen if stored.exact_as_float(table, column.id) => {
                self.change(set(ColumnType::F64))?;
                as_it_is()
            }
            Conversion::Widen => Err(Error::new(
                Code::TypeConflict,
                format!(
                    "column {:?} holds integers beyond 2^53 and cannot become float",
                    &*column.name
                ),
            )
            .hint("send integers, or use another column name")),
            Conversion::IfFits => cast_exact(&field.values, column.ty)
                .map(|values| (column.ty, values))
                .ok_or_else(|| type_conflict(column, field)),
            Conversion::IfTime => times_of(field.values.as_string::<i32>())
                .map(|values| (column.ty, values))
                .ok_or_else(|| type_conflict(column, field)),
            Conversion::Clash => Err(type_conflict(column, field)),
        }
    }
}

/// Checks the columns of a table that is to be made.
fn check_columns<'a>(
    limits: &Limits,
    names: impl ExactSizeIterator<Item = &'a Name>,
    present: usize,
) -> Result<()> {
    limits.check_columns(present + names.len())?;
    names.into_iter().try_for_each(|name| limits.check_name(name))
}

/// Parsers refuse rows with long texts one by one; this is for batches that no parser made.
fn check_texts(catalog: &Catalog, write: &TableWrite) -> Result<()> {
    let limits = catalog.limits();
    let check = |values: &StringArray| {
        // Together they are shorter than one may be, nearly always.
        if values.value_data().len() <= limits.text_bytes {
            return Ok(());
        }
        let longest = values.offsets().lengths().max().unwrap_or(0);
        if longest <= limits.text_bytes { Ok(()) } else { Err(limits.long_text(longest)) }
    };
    write.batch.series.tags().iter().try_for_each(|tag| check(&tag.values))?;
    let texts = write.batch.fields.iter().filter_map(|field| field.values.as_string_opt::<i32>());
    texts.into_iter().try_for_each(check)
}

fn kind_conflict(column: &Column, sent_as: &str) -> Error {
    Error::new(
        Code::SchemaConflict,
        format!(
            "column {:?} is the {} column here, the request sends it as {sent_as}",
            &*column.name,
            column.kind.api_name()
        ),
    )
    .hint("use another name")
}

fn type_conflict(column: &Column, field: &FieldColumn) -> Error {
    Error::new(
        Code::TypeConflict,
        format!(
            "column {:?} holds {}, the request sends {} that does not fit",
            &*column.name,
            column.ty.noun(),
            field.ty.noun()
        ),
    )
    .hint(format!("send {}, or use another column name", column.ty.noun()))
}

/// Integers as another number type, if every one fits exactly.
fn cast_exact(values: &ArrayRef, to: ColumnType) -> Option<ArrayRef> {
    fn all<T: Copy>(iter: impl Iterator<Item = Option<T>>, fits: impl Fn(T) -> bool) -> bool {
        iter.flatten().all(fits)
    }
    if let Some(ints) = values.as_primitive_opt::<Int64Type>() {
        return match to {
            ColumnType::F64 if all(ints.iter(), exact_i64) => {
                Some(Arc::new(Float64Array::from_iter(ints.iter().map(|v| v.map(|v| v as f64)))))
            }
            ColumnType::U64 if all(ints.iter(), |v| v >= 0) => {
                Some(Arc::new(UInt64Array::from_iter(ints.iter().map(|v| v.map(|v| v as u64)))))
            }
            _ => None,
        };
    }
    let ints = values.as_primitive_opt::<UInt64Type>()?;
    match to {
        ColumnType::F64 if all(ints.iter(), exact_u64) => {
            Some(Arc::new(Float64Array::from_iter(ints.iter().map(|v| v.map(|v| v as f64)))))
        }
        ColumnType::I64 if all(ints.iter(), |v| v <= i64::MAX as u64) => {
            Some(Arc::new(Int64Array::from_iter(ints.iter().map(|v| v.map(|v| v as i64)))))
        }
        _ => None,
    }
}

fn times_of(texts: &StringArray) -> Option<ArrayRef> {
    let times: Option<Vec<Option<i64>>> = texts
        .iter()
        .map(|text| text.map_or(Some(None), |text| parse_time(text).ok().map(Some)))
        .collect();
    let times = arrow::array::TimestampNanosecondArray::from(times?);
    Some(Arc::new(times.with_timezone(pulsora_model::types::UTC)))
}

/// Columns of a new table: the asked order first, then id, time, tags and fields as they come.
fn new_columns(options: &TableOptions, batch: &Batch) -> Result<Vec<Column>> {
    if options.row_ids && options.mode == Mode::Upsert {
        return Err(Error::new(Code::SchemaConflict, "an upsert table has no row ids")
            .hint("leave row_ids out, or make an append table"));
    }
    let mut columns: Vec<(Name, ColumnKind, ColumnType)> = Vec::new();
    if options.row_ids {
        columns.push((options.id_column.clone(), ColumnKind::Id, ColumnType::U64));
    }
    columns.push((options.time_column.clone(), ColumnKind::Time, ColumnType::Timestamp));
    for tag in batch.series.tags() {
        columns.push((tag.name.clone(), ColumnKind::Tag, ColumnType::Utf8));
    }
    for field in &batch.fields {
        columns.push((field.name.clone(), ColumnKind::Field, field.ty));
    }
    let position =
        |name: &Name| options.column_order.iter().position(|n| n == name).unwrap_or(usize::MAX);
    columns.sort_by_key(|(name, kind, _)| {
        // The row id stands first whatever the order says.
        (*kind != ColumnKind::Id, position(name))
    });
    let mut seen = std::collections::HashSet::new();
    if let Some((name, ..)) = columns.iter().find(|(name, ..)| !seen.insert(name.clone())) {
        return Err(Error::new(Code::DuplicateColumn, format!("column {:?} comes twice", &**name)));
    }
    let column = |(i, (name, kind, ty))| Column { id: ColumnId(i as u32 + 1), name, kind, ty };
    Ok(columns.into_iter().enumerate().map(column).collect())
}

fn resolve_ids(
    schema: &TableSchema,
    batch: &Batch,
    stored: &dyn Stored,
) -> Result<Option<ResolvedIds>> {
    let Some(_) = schema.row_id() else {
        return match &batch.ids {
            None => Ok(None),
            Some(_) => Err(Error::new(Code::SchemaConflict, "this table has no row ids")),
        };
    };
    let invalid = |message: &str| Err(Error::new(Code::InvalidRowId, message.to_owned()));
    let mut highest = stored.row_id_max(schema.id);
    let mut missing = batch.rows as u64;
    if let Some(given) = &batch.ids {
        if given.iter().flatten().any(|id| id == 0) {
            return invalid("row id 0 is not allowed; ids are positive integers");
        }
        highest = highest.max(given.iter().flatten().max().unwrap_or(0));
        missing = given.null_count() as u64;
    }
    let first_assigned = highest.saturating_add(1);
    if missing > 0 && highest.checked_add(missing).is_none() {
        return invalid("the table holds the largest possible row id; give every row an id");
    }
    Ok(Some(ResolvedIds { given: batch.ids.clone(), first_assigned }))
}
