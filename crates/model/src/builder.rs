//! Builds one batch row by row from any wire format.
//!
//! Use: [`BatchBuilder::series`] for the row's tags, [`BatchBuilder::field`] once per column name,
//! the `push_…` calls, then [`BatchBuilder::end_row`]; or [`BatchBuilder::abort_row`], after which
//! the row has left no trace. Columns that a row does not mention are null in it. Columnar formats
//! give many rows at once by [`BatchBuilder::append_rows`], and parsers of many like rows write into
//! [`BatchBuilder::write_rows`].
//!
//! Series codes: with a registry the code of a row whose tags are all columns of the table is its number
//! there; others count from [`LOCAL`], in the order of arrival. A code stays good whatever comes later,
//! except that of an aborted row. When all tags are known, the batch is in numbers of the registry;
//! otherwise in sets.
//!
//! Taking back values is not free: a bad row that widened a column costs a pass over it. Parsers of
//! independent rows therefore [`BatchBuilder::check`] all values of a row before they push one.
//!
//! Invariants: between rows every column has at most `rows` values; a field never has the name of the
//! time column, of the row id column or of a tag.

mod rows;

use std::sync::Arc;

use arrow::array::{StringBuilder, UInt64Array};
use hashbrown::HashMap;

use crate::batch::{Batch, FieldColumn, SeriesColumn, SeriesKeys, TagColumn};
use crate::column::{Clash, ColumnBuilder, Scalar, TEXT_TOO_LONG};
use crate::error::{Code, Error, Result};
use crate::ids::ColumnId;
use crate::limits::{Limits, SERIES_NUMBERS_MAX, TAGS_MAX, TEXT_BYTES_MAX};
use crate::name::Name;
use crate::schema::{Mode, TableSchema};
use crate::series::{SeriesKeyBuf, SeriesRegistry, SeriesTags};
use crate::types::{ColumnKind, ColumnType};

pub use rows::{Lanes, Room};

type FastHash = foldhash::fast::RandomState;

/// Position of a field in the batch under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldIndex(pub usize);

/// Position of a tag in the batch under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagIndex(pub usize);

/// Where the value of a tag named by the request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagTarget {
    /// Into the series key.
    Tag(TagIndex),
    /// Into an existing text field of that name (append tables).
    Field(FieldIndex),
}

/// With a registry, codes from here on are sets of the batch itself.
pub const LOCAL: u32 = SERIES_NUMBERS_MAX as u32;

struct TagSlot {
    name: Name,
    /// The column of the table, if it has it and there is a registry.
    known: Option<ColumnId>,
}

struct FieldSlot {
    name: Name,
    values: ColumnBuilder,
}

/// A batch under construction.
pub struct BatchBuilder {
    schema: Option<Arc<TableSchema>>,
    registry: Option<Arc<SeriesRegistry>>,
    time_name: Option<Name>,
    id_name: Option<Name>,
    times: Vec<i64>,
    codes: Vec<u32>,
    ids: Vec<Option<u64>>,
    fields: Vec<FieldSlot>,
    field_index: HashMap<Name, usize, FastHash>,
    tags: Vec<TagSlot>,
    tag_index: HashMap<Name, usize, FastHash>,
    /// Sets of the batch itself: key (tag number, length, bytes)* sorted by tag number → position.
    series: HashMap<Box<[u8]>, u32, FastHash>,
    keys: Vec<Box<[u8]>>,
    scratch: Vec<u8>,
    key: SeriesKeyBuf,
    /// Fields whose type changed within the open row, with the type before.
    retyped: Vec<(usize, ColumnType)>,
    limits: Limits,
    /// Fields and tags that the table does not have yet.
    new_columns: usize,
    new_columns_before_row: usize,
    fields_before_row: usize,
    tags_before_row: usize,
    series_before_row: usize,
}

impl BatchBuilder {
    /// A batch for the table with `schema`, or for a table that does not exist yet. `time_name` and
    /// `id_name` are the names a new table's columns will have; with a schema its own names count. The
    /// registry is that of the table.
    pub fn new(
        schema: Option<Arc<TableSchema>>,
        registry: Option<Arc<SeriesRegistry>>,
        time_name: Name,
        id_name: Option<Name>,
    ) -> Self {
        let (time_name, id_name) = match &schema {
            Some(schema) => {
                (schema.time().name.clone(), schema.row_id().map(|column| column.name.clone()))
            }
            None => (time_name, id_name),
        };
        BatchBuilder {
            registry: registry.filter(|_| schema.is_some()),
            schema,
            time_name: Some(time_name),
            id_name,
            times: Vec::new(),
            codes: Vec::new(),
            ids: Vec::new(),
            fields: Vec::new(),
            field_index: HashMap::default(),
            tags: Vec::new(),
            tag_index: HashMap::default(),
            series: HashMap::default(),
            keys: Vec::new(),
            scratch: Vec::new(),
            key: SeriesKeyBuf::default(),
            retyped: Vec::new(),
            limits: Limits::default(),
            new_columns: 0,
            new_columns_before_row: 0,
            fields_before_row: 0,
            tags_before_row: 0,
            series_before_row: 0,
        }
    }

    /// The same with other bounds than the shipped ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The bounds of what rows may make.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts a column that the table does not have yet.
    fn add_column(&mut self, name: &str) -> Result<()> {
        let columns = match &self.schema {
            Some(schema) if schema.column(name).is_some() => return Ok(()),
            Some(schema) => schema.columns.len(),
            None => 1 + usize::from(self.id_name.is_some()),
        };
        self.limits.check_name(name)?;
        self.limits.check_columns(columns + self.new_columns + 1)?;
        self.new_columns += 1;
        Ok(())
    }

    /// The schema this batch is parsed against.
    pub fn schema(&self) -> Option<&Arc<TableSchema>> {
        self.schema.as_ref()
    }

    /// What numbers the series of the table: its numbers are series codes of this batch.
    pub fn registry(&self) -> Option<&Arc<SeriesRegistry>> {
        self.registry.as_ref()
    }

    /// The column of the table that a tag is, if there is a registry.
    pub fn known_tag(&self, tag: TagIndex) -> Option<ColumnId> {
        self.tags[tag.0].known
    }

    /// Finished rows so far.
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// Values of the finished batch if `more` rows with the present columns follow, nulls included:
    /// rows × (fields + time) + series × tags. A sparse body makes many from few bytes.
    pub fn cells_with(&self, more: usize) -> usize {
        let rows = self.times.len().saturating_add(more);
        rows.saturating_mul(self.fields.len() + 1) + self.keys.len() * self.tags.len()
    }

    /// Bytes held, about.
    pub fn size_bytes(&self) -> usize {
        self.fields.iter().map(|slot| slot.values.size_bytes()).sum::<usize>()
            + self.times.len() * 12
            + self.keys.iter().map(|key| key.len() * 2 + 32).sum::<usize>()
    }

    /// The slot of a field; made on first use, with the type of the table's column.
    ///
    /// # Errors
    /// `duplicate_column` when the name is the time or id column's, `schema_conflict` when it is a
    /// tag, `limit_exceeded` past the column limit, `invalid_name`.
    pub fn field(&mut self, name: &str) -> Result<FieldIndex> {
        if let Some(index) = self.field_index.get(name) {
            return Ok(FieldIndex(*index));
        }
        self.add_field(name, ColumnType::Untyped)
    }

    /// Like [`BatchBuilder::field`] for a column whose type is already known (by inference); an
    /// existing column of the table keeps its own type.
    ///
    /// # Errors
    /// As [`BatchBuilder::field`].
    pub fn typed_field(&mut self, name: &str, ty: ColumnType) -> Result<FieldIndex> {
        if let Some(index) = self.field_index.get(name) {
            return Ok(FieldIndex(*index));
        }
        self.add_field(name, ty)
    }

    fn add_field(&mut self, name: &str, ty: ColumnType) -> Result<FieldIndex> {
        self.check_free(name)?;
        let mut ty = ty;
        if let Some(column) = self.schema.as_ref().and_then(|schema| schema.column(name)) {
            if column.kind == ColumnKind::Tag {
                return Err(tag_and_field(name));
            }
            if column.ty != ColumnType::Untyped {
                ty = column.ty;
            }
        }
        if self.tag_index.contains_key(name) {
            return Err(tag_and_field(name));
        }
        let name = Name::new(name)?;
        self.add_column(&name)?;
        let index = self.fields.len();
        self.field_index.insert(name.clone(), index);
        self.fields.push(FieldSlot { name, values: ColumnBuilder::new(ty) });
        Ok(FieldIndex(index))
    }

    fn check_free(&self, name: &str) -> Result<()> {
        let is = |reserved: &Option<Name>| reserved.as_ref().is_some_and(|r| &**r == name);
        if is(&self.time_name) {
            return Err(Error::new(
                Code::DuplicateColumn,
                format!("column {name:?} is the time column of this table"),
            )
            .hint("rename the field or the tag"));
        }
        if is(&self.id_name) {
            return Err(Error::new(
                Code::DuplicateColumn,
                format!("column {name:?} is the row id of this table"),
            )
            .hint("rename the field or the tag"));
        }
        Ok(())
    }

    /// Where a tag's values go: the series key, or an existing text field of an append table.
    ///
    /// # Errors
    /// `schema_conflict` when the name is a field that cannot take it, and as
    /// [`BatchBuilder::field`].
    pub fn tag(&mut self, name: &str) -> Result<TagTarget> {
        if let Some(index) = self.tag_index.get(name) {
            return Ok(TagTarget::Tag(TagIndex(*index)));
        }
        self.check_free(name)?;
        let column = self.schema.as_ref().and_then(|schema| schema.column(name));
        let known = column.filter(|_| self.registry.is_some()).map(|column| column.id);
        if let Some(schema) = &self.schema
            && let Some(column) = column
            && column.kind == ColumnKind::Field
        {
            if schema.mode == Mode::Append && column.ty == ColumnType::Utf8 {
                return Ok(TagTarget::Field(self.field(name)?));
            }
            return Err(Error::new(
                Code::SchemaConflict,
                format!("tag {name:?} is already a {} field of this table", column.ty.noun()),
            )
            .hint("send it as a field, or use another name"));
        }
        if self.field_index.contains_key(name) {
            return Err(tag_and_field(name));
        }
        if self.tags.len() >= TAGS_MAX {
            return Err(Error::new(
                Code::LimitExceeded,
                format!("more than {TAGS_MAX} tags in one table"),
            ));
        }
        let name = Name::new(name)?;
        self.add_column(&name)?;
        let index = self.tags.len();
        self.tag_index.insert(name.clone(), index);
        self.tags.push(TagSlot { name, known });
        Ok(TagTarget::Tag(TagIndex(index)))
    }

    /// The code of the series with these tags. Order does not matter, empty values are absent, and of
    /// a tag that comes twice the last value counts. Cheap for a series seen before.
    ///
    /// # Errors
    /// `limit_exceeded` past the table's limit of series.
    pub fn series(&mut self, tags: &mut [(TagIndex, &str)]) -> Result<u32> {
        let known = |(index, _): &(TagIndex, &str)| self.tags[index.0].known;
        match &self.registry {
            Some(registry) if tags.iter().all(|tag| tag.1.is_empty() || known(tag).is_some()) => {
                tags.sort_by_key(known);
                self.key.clear();
                for (i, (index, value)) in tags.iter().enumerate() {
                    let again = tags.get(i + 1).is_some_and(|(next, _)| next == index);
                    if let Some(column) = self.tags[index.0].known.filter(|_| !again) {
                        self.key.push(column, value);
                    }
                }
                let key = self.key.as_bytes();
                let found = registry.read().by_key(key);
                found.map_or_else(|| registry.number_of_key(key), Ok)
            }
            _ => self.local_series(tags),
        }
    }

    fn local_series(&mut self, tags: &mut [(TagIndex, &str)]) -> Result<u32> {
        tags.sort_by_key(|(index, _)| *index);
        self.scratch.clear();
        for (i, (index, value)) in tags.iter().enumerate() {
            let again = tags.get(i + 1).is_some_and(|(next, _)| next == index);
            if !again {
                put_tag(&mut self.scratch, *index, value);
            }
        }
        let base = if self.registry.is_some() { LOCAL } else { 0 };
        if let Some(position) = self.series.get(self.scratch.as_slice()) {
            return Ok(base + *position);
        }
        // Its tags are new to the table, so the registry does not have it.
        let present = self.registry.as_ref().map_or(0, |registry| registry.len());
        self.limits.check_series(present + self.keys.len() + 1)?;
        let position = self.keys.len() as u32;
        let key: Box<[u8]> = self.scratch.as_slice().into();
        self.keys.push(key.clone());
        self.series.insert(key, position);
        Ok(base + position)
    }

    /// Type of a field so far.
    pub fn field_type(&self, field: FieldIndex) -> ColumnType {
        self.fields[field.0].values.ty()
    }

    /// Name of a field.
    pub fn field_name(&self, field: FieldIndex) -> &Name {
        &self.fields[field.0].name
    }

    /// Whether the open row already has a value (or null) in this field.
    pub fn is_set(&self, field: FieldIndex) -> bool {
        self.fields[field.0].values.len() > self.times.len()
    }

    /// Takes back the open row's value of this field, so that a later one can replace it.
    pub fn unset(&mut self, field: FieldIndex) {
        let rows = self.times.len();
        self.fields[field.0].values.truncate(rows);
    }

    /// Whether this field would take the value, without taking it.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table, or for text over 16 MiB.
    pub fn check(&mut self, field: FieldIndex, value: Scalar<'_>) -> Result<(), Clash> {
        self.fields[field.0].values.check(value)
    }

    /// Sets the open row's value.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table, or for text over 16 MiB.
    pub fn push_scalar(&mut self, field: FieldIndex, value: Scalar<'_>) -> Result<(), Clash> {
        match value {
            Scalar::Text(text) => self.push_str(field, text),
            value => self.push(field, |column| column.push(value)),
        }
    }

    /// Whether [`BatchBuilder::append_rows`] would take these columns.
    ///
    /// # Errors
    /// The field, the row among these and the [`Clash`] of its value.
    pub fn check_rows(
        &mut self,
        columns: &[(FieldIndex, ColumnBuilder)],
    ) -> Result<(), (FieldIndex, usize, Clash)> {
        columns.iter().try_for_each(|(field, column)| {
            let values = &mut self.fields[field.0].values;
            values.check_column(column).map_err(|(row, clash)| (*field, row, clash))
        })
    }

    /// Appends whole rows: times and series codes of each, and the columns they have, each with as
    /// many values as there are times; columns not given are null. All or nothing: after an error
    /// call [`BatchBuilder::abort_row`] to take back fields, tags and series made for these rows.
    ///
    /// # Errors
    /// The field, the row among these and the [`Clash`] of its value.
    pub fn append_rows(
        &mut self,
        times_ns: &[i64],
        codes: &[u32],
        columns: Vec<(FieldIndex, ColumnBuilder)>,
    ) -> Result<(), (FieldIndex, usize, Clash)> {
        debug_assert_eq!(times_ns.len(), codes.len(), "one series code per row");
        let rows = self.times.len();
        debug_assert!(columns.iter().all(|(_, column)| column.len() == times_ns.len()));
        self.check_rows(&columns)?;
        for (field, column) in columns {
            let values = &mut self.fields[field.0].values;
            values.fill_nulls(rows);
            values.append(column).map_err(|clash| (field, 0, clash))?;
        }
        self.times.extend_from_slice(times_ns);
        self.codes.extend_from_slice(codes);
        if !self.ids.is_empty() {
            self.ids.resize(self.times.len(), None);
        }
        self.settle();
        Ok(())
    }

    fn push(
        &mut self,
        field: FieldIndex,
        push: impl FnOnce(&mut ColumnBuilder) -> Result<(), Clash>,
    ) -> Result<(), Clash> {
        let rows = self.times.len();
        let values = &mut self.fields[field.0].values;
        debug_assert!(values.len() <= rows, "one value per row and field");
        values.fill_nulls(rows);
        let before = values.ty();
        push(values)?;
        if before != values.ty() {
            self.retyped.push((field.0, before));
        }
        Ok(())
    }

    /// Sets the open row's value to an integer.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table.
    pub fn push_i64(&mut self, field: FieldIndex, value: i64) -> Result<(), Clash> {
        self.push(field, |column| column.push_i64(value))
    }

    /// Sets the open row's value to an unsigned integer.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table.
    pub fn push_u64(&mut self, field: FieldIndex, value: u64) -> Result<(), Clash> {
        self.push(field, |column| column.push_u64(value))
    }

    /// Sets the open row's value to a float.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table.
    pub fn push_f64(&mut self, field: FieldIndex, value: f64) -> Result<(), Clash> {
        self.push(field, |column| column.push_f64(value))
    }

    /// Sets the open row's value to a boolean.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table.
    pub fn push_bool(&mut self, field: FieldIndex, value: bool) -> Result<(), Clash> {
        self.push(field, |column| column.push_bool(value))
    }

    /// Sets the open row's value to text.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table, or for text over 16 MiB.
    pub fn push_str(&mut self, field: FieldIndex, value: &str) -> Result<(), Clash> {
        if value.len() > TEXT_BYTES_MAX {
            return Err(Clash {
                value: ColumnType::Utf8,
                column: self.field_type(field),
                reason: Some(TEXT_TOO_LONG),
            });
        }
        self.push(field, |column| column.push_str(value))
    }

    /// Sets the open row's value to a timestamp in nanoseconds.
    ///
    /// # Errors
    /// [`Clash`] by the conversion table.
    pub fn push_timestamp(&mut self, field: FieldIndex, value_ns: i64) -> Result<(), Clash> {
        self.push(field, |column| column.push_timestamp(value_ns))
    }

    /// Ends the open row.
    pub fn end_row(&mut self, series: u32, time_ns: i64) {
        self.close_row(series, time_ns);
        if !self.ids.is_empty() {
            self.ids.push(None);
        }
    }

    /// Ends the open row with a row id given by the user (`None` = assign one).
    pub fn end_row_with_id(&mut self, series: u32, time_ns: i64, id: Option<u64>) {
        if self.ids.is_empty() {
            self.ids.resize(self.times.len(), None);
        }
        self.close_row(series, time_ns);
        self.ids.push(id);
    }

    fn close_row(&mut self, series: u32, time_ns: i64) {
        debug_assert!(self.is_code(series), "the series code came from series()");
        self.times.push(time_ns);
        self.codes.push(series);
        self.settle();
    }

    fn is_code(&self, series: u32) -> bool {
        match &self.registry {
            Some(registry) if series < LOCAL => (series as usize) < registry.len(),
            Some(_) => ((series - LOCAL) as usize) < self.keys.len(),
            None => (series as usize) < self.keys.len(),
        }
    }

    /// From here on, taking back goes no further than to the rows finished now.
    fn settle(&mut self) {
        self.retyped.clear();
        self.new_columns_before_row = self.new_columns;
        self.fields_before_row = self.fields.len();
        self.tags_before_row = self.tags.len();
        self.series_before_row = self.keys.len();
    }

    /// Takes the open row back: values, type changes, and new fields, tags and series, whose indexes
    /// and codes are then free for others.
    pub fn abort_row(&mut self) {
        let rows = self.times.len();
        self.new_columns = self.new_columns_before_row;
        for slot in self.fields.drain(self.fields_before_row..) {
            self.field_index.remove(&slot.name);
        }
        for tag in self.tags.drain(self.tags_before_row..) {
            self.tag_index.remove(&tag.name);
        }
        for key in self.keys.drain(self.series_before_row..) {
            self.series.remove(&key);
        }
        for slot in &mut self.fields {
            slot.values.truncate(rows);
        }
        for (index, ty) in self.retyped.drain(..).rev() {
            if let Some(slot) = self.fields.get_mut(index) {
                slot.values.restore_type(ty);
            }
        }
    }

    /// Multiplies or replaces the times of all rows: for formats whose unit is known only at the end.
    pub fn times_mut(&mut self) -> &mut [i64] {
        &mut self.times
    }

    /// The finished batch. Series that no finished row uses and fields that hold no value and are not
    /// in the table are still part of it: an all-null column is a column.
    pub fn finish(mut self) -> Batch {
        let rows = self.times.len();
        let series = self.take_series();
        let fields = self
            .fields
            .into_iter()
            .map(|mut slot| {
                slot.values.fill_nulls(rows);
                let (ty, values) = slot.values.finish();
                FieldColumn { name: slot.name, ty, values }
            })
            .collect();
        let ids = (!self.ids.is_empty()).then(|| UInt64Array::from(self.ids));
        Batch { rows, series, time: self.times.into(), fields, ids }
    }

    /// The series of rows whose other columns are built elsewhere, from their codes.
    pub fn finish_series(mut self, codes: Vec<u32>) -> SeriesColumn {
        self.codes = codes;
        self.take_series()
    }

    fn take_series(&mut self) -> SeriesColumn {
        let mut codes = std::mem::take(&mut self.codes);
        if let Some(registry) = self.registry.take() {
            if self.tags.iter().all(|tag| tag.known.is_some()) {
                return SeriesColumn { codes: codes.into(), keys: SeriesKeys::Known(registry) };
            }
            self.take_known(&registry, &mut codes);
        }
        let keys = SeriesKeys::Sets { sets: self.keys.len(), tags: self.tag_columns() };
        SeriesColumn { codes: codes.into(), keys }
    }

    /// The tags of the table in the order of its columns, then new ones as they first appeared: the
    /// same whether parsers knew the series of a row as a whole or read its tags.
    fn tag_columns(&self) -> Vec<TagColumn> {
        let columns = tag_columns(&self.tags, &self.keys);
        let mut tags: Vec<(&TagSlot, TagColumn)> = self.tags.iter().zip(columns).collect();
        tags.sort_by_key(|(slot, _)| (slot.known.is_none(), slot.known));
        tags.into_iter().map(|(_, column)| column).collect()
    }

    /// Makes sets of the series of the registry that rows use, and codes of sets out of all codes.
    fn take_known(&mut self, registry: &SeriesRegistry, codes: &mut [u32]) {
        let mut sets: HashMap<u32, u32, FastHash> = HashMap::default();
        let reader = registry.read();
        for code in codes {
            if *code >= LOCAL {
                *code -= LOCAL;
                continue;
            }
            *code = *sets.entry(*code).or_insert_with_key(|number| {
                let mut key = Vec::new();
                let mut tags: Vec<(TagIndex, &str)> = SeriesTags::of(reader.key(*number))
                    .filter_map(|(column, value)| Some((self.slot_of(column)?, value)))
                    .collect();
                tags.sort_by_key(|(index, _)| *index);
                tags.iter().for_each(|(index, value)| put_tag(&mut key, *index, value));
                self.keys.push(key.into());
                self.keys.len() as u32 - 1
            });
        }
    }

    /// The slot of a tag column, made if no tag of this batch named it: its series was known as a
    /// whole.
    fn slot_of(&mut self, column: ColumnId) -> Option<TagIndex> {
        if let Some(index) = self.tags.iter().position(|slot| slot.known == Some(column)) {
            return Some(TagIndex(index));
        }
        let name = self.schema.as_ref()?.column_by_id(column)?.name.clone();
        self.tags.push(TagSlot { name, known: Some(column) });
        Some(TagIndex(self.tags.len() - 1))
    }
}

fn put_tag(key: &mut Vec<u8>, index: TagIndex, value: &str) {
    if !value.is_empty() {
        key.extend_from_slice(&(index.0 as u16).to_le_bytes());
        key.extend_from_slice(&(value.len() as u32).to_le_bytes());
        key.extend_from_slice(value.as_bytes());
    }
}

fn tag_and_field(name: &str) -> Error {
    Error::new(Code::SchemaConflict, format!("column {name:?} cannot be both a tag and a field"))
        .hint("rename one of the two")
}

/// Turns canonical keys back into one column per tag.
fn tag_columns(tags: &[TagSlot], keys: &[Box<[u8]>]) -> Vec<TagColumn> {
    let mut columns: Vec<StringBuilder> = tags.iter().map(|_| StringBuilder::new()).collect();
    for key in keys {
        let mut rest: &[u8] = key;
        let mut next = 0;
        while let Some((head, tail)) = rest.split_first_chunk::<6>() {
            let index = usize::from(u16::from_le_bytes([head[0], head[1]]));
            let len = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
            columns[next..index].iter_mut().for_each(StringBuilder::append_null);
            // The key was made from &str values, so this is the text itself.
            columns[index].append_value(String::from_utf8_lossy(&tail[..len]));
            next = index + 1;
            rest = &tail[len..];
        }
        columns[next..].iter_mut().for_each(StringBuilder::append_null);
    }
    tags.iter()
        .zip(columns)
        .map(|(tag, mut values)| TagColumn { name: tag.name.clone(), values: values.finish() })
        .collect()
}
