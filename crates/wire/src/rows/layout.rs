//! What each column of a body is for: time, row id, tag or field; and how a new table would look.
//!
//! An existing table decides by its schema. For a new one: the time column is the named one, else
//! the first of `time`, `timestamp`, `ts`, `datetime`, `date` (any case), else the first column
//! whose every value is date-time text. A column `id` is the row id if its values are distinct
//! positive integers or the request says so; a body without a column `id` lets the engine assign
//! ids; a table whose `id` is anything else has no row ids, nor has an upsert table.

use pulsora_model::limits::{COLUMNS_MAX, Limits, too_many_columns};
use pulsora_model::name::nearest;
use pulsora_model::{
    BatchBuilder, Code, ColumnKind, ColumnType, Error, KnownTable, Mode, Name, Result,
    TableOptions, TableSchema,
};

use super::infer::Seen;
use super::options::RowOptions;

const TIME_NAMES: [&str; 5] = ["time", "timestamp", "ts", "datetime", "date"];
const ID: &str = "id";

/// What one column of a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Time,
    Id,
    Tag,
    /// A field, with its type in the table or by inference.
    Field(ColumnType),
}

/// The roles of a body's columns, and the table they would make.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) names: Vec<Name>,
    pub(crate) roles: Vec<Role>,
    pub(crate) options: TableOptions,
    /// The table, if it exists.
    pub(crate) known: Option<KnownTable>,
    pub(crate) limits: Limits,
}

/// Checks the column names of a body.
///
/// # Errors
/// `invalid_name`, `duplicate_column` or `limit_exceeded`.
pub(crate) fn column_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Name>> {
    let mut checked: Vec<Name> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for (index, text) in names.into_iter().enumerate() {
        if index >= COLUMNS_MAX {
            return Err(too_many_columns("the body"));
        }
        let name =
            Name::new(text).map_err(|error| error.context(format!("column {}", index + 1)))?;
        if !known.insert(name.clone()) {
            return Err(Error::new(
                Code::DuplicateColumn,
                format!("column {name:?} stands in the body twice"),
            )
            .hint("give each column a name of its own"));
        }
        checked.push(name);
    }
    Ok(checked)
}

/// Which columns need their values looked at before rows can be stored: those whose type the table
/// does not know.
pub(crate) fn needs_inference(name: &Name, schema: Option<&TableSchema>) -> bool {
    match schema {
        None => true,
        Some(schema) => schema.column(name).is_none_or(|column| {
            column.kind == ColumnKind::Field && column.ty == ColumnType::Untyped
        }),
    }
}

/// What to remember of the values of each column; `None` where the table knows the type.
pub(crate) fn observers(names: &[Name], schema: Option<&TableSchema>) -> Vec<Option<Seen>> {
    names
        .iter()
        .map(|name| {
            needs_inference(name, schema).then(|| match &**name {
                ID if schema.is_none() => Seen::with_ids(),
                _ => Seen::default(),
            })
        })
        .collect()
}

impl Layout {
    /// The roles of the columns `names`, of whose values `seen` tells, in a body of `rows` rows.
    ///
    /// # Errors
    /// `missing_time`, `schema_conflict`, `invalid_request` (a parameter names no column) and
    /// `type_conflict` (integers that no type holds).
    pub(crate) fn decide(
        names: &[Name],
        seen: &[Option<Seen>],
        rows: u64,
        options: &RowOptions,
        known: Option<KnownTable>,
    ) -> Result<Layout> {
        let body = Body { names, seen, rows, options };
        match known {
            Some(known) => body.existing(known),
            None => body.new_table(),
        }
    }

    /// A batch for the table.
    pub(crate) fn builder(&self) -> BatchBuilder {
        let options = &self.options;
        let (schema, registry) = match &self.known {
            Some(known) => (Some(known.schema.clone()), known.registry.clone()),
            None => (None, None),
        };
        let id = options.row_ids.then(|| options.id_column.clone());
        let batch = BatchBuilder::new(schema, registry, options.time_column.clone(), id);
        batch.with_limits(self.limits)
    }
}

struct Body<'a> {
    names: &'a [Name],
    seen: &'a [Option<Seen>],
    rows: u64,
    options: &'a RowOptions,
}

impl Body<'_> {
    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|candidate| &**candidate == name)
    }

    /// The column that a parameter names.
    fn named(&self, parameter: &str, name: &str, code: Code) -> Result<usize> {
        self.position(name).ok_or_else(|| {
            let error =
                Error::new(code, format!("{parameter}={name}: the body has no column {name:?}"));
            let near = nearest(name, self.names.iter().map(Name::as_str));
            error.hint(match near.first() {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("the body has the columns {}", list(self.names)),
            })
        })
    }

    fn field_type(&self, index: usize) -> Result<ColumnType> {
        match &self.seen[index] {
            Some(seen) => seen.column_type(&self.names[index]),
            None => Ok(ColumnType::Untyped),
        }
    }

    fn new_table(&self) -> Result<Layout> {
        let mode = self.options.mode.unwrap_or_default();
        let tags = self.new_tags()?;
        let time = self.new_time(&tags)?;
        let id = self.new_row_id(mode, time, &tags)?;
        let mut roles = Vec::with_capacity(self.names.len());
        for index in 0..self.names.len() {
            roles.push(match index {
                _ if index == time => Role::Time,
                _ if Some(index) == id => Role::Id,
                _ if tags.contains(&index) => Role::Tag,
                _ => Role::Field(self.field_type(index)?),
            });
        }
        let options = self.table_options(mode, time, id);
        let limits = self.options.limits;
        Ok(Layout { names: self.names.to_vec(), roles, options, known: None, limits })
    }

    fn new_tags(&self) -> Result<Vec<usize>> {
        self.options
            .tags
            .iter()
            .map(|name| self.named("tags", name, Code::InvalidRequest))
            .collect()
    }

    fn new_time(&self, tags: &[usize]) -> Result<usize> {
        let free = |index: &usize| {
            !tags.contains(index) && self.options.row_id.as_deref() != Some(&*self.names[*index])
        };
        if let Some(name) = &self.options.time_column {
            let index = self.named("time_column", name, Code::MissingTime)?;
            return Some(index).filter(free).ok_or_else(|| two_roles(name));
        }
        let by_name = TIME_NAMES.iter().find_map(|wanted| {
            (0..self.names.len())
                .filter(free)
                .find(|index| self.names[*index].eq_ignore_ascii_case(wanted))
        });
        let by_content = || {
            (0..self.names.len()).filter(free).find(|index| {
                self.seen[*index].as_ref().is_some_and(|seen| seen.is_time_text(self.rows))
            })
        };
        by_name.or_else(by_content).ok_or_else(|| {
            Error::new(
                Code::MissingTime,
                format!("no column can be the time column; the body has {}", list(self.names)),
            )
            .hint("name it with time_column=<column>; bare numbers are times only in a column that is named so")
        })
    }

    fn new_row_id(&self, mode: Mode, time: usize, tags: &[usize]) -> Result<Option<usize>> {
        if let Some(name) = &self.options.row_id {
            if mode == Mode::Upsert {
                return Err(Error::new(
                    Code::InvalidRequest,
                    format!("row_id={name}: upsert tables have no row ids"),
                )
                .hint("leave out row_id, or mode=upsert"));
            }
            let index = self.named("row_id", name, Code::InvalidRequest)?;
            return Some(index)
                .filter(|index| *index != time && !tags.contains(index))
                .map(Some)
                .ok_or_else(|| two_roles(name));
        }
        let found = self.position(ID).filter(|index| {
            mode == Mode::Append
                && *index != time
                && !tags.contains(index)
                && self.seen[*index].as_ref().is_some_and(Seen::are_row_ids)
        });
        Ok(found)
    }

    fn table_options(&self, mode: Mode, time: usize, id: Option<usize>) -> TableOptions {
        let id_name = id.map_or_else(|| Name::literal(ID), |index| self.names[index].clone());
        let assigned = id.is_none() && self.position(ID).is_none();
        let row_ids = mode == Mode::Append && (id.is_some() || assigned);
        let mut column_order = Vec::with_capacity(self.names.len() + 1);
        if row_ids {
            column_order.push(id_name.clone());
        }
        let others = (0..self.names.len()).filter(|index| Some(*index) != id);
        column_order.extend(others.map(|index| self.names[index].clone()));
        TableOptions {
            mode,
            partition: self.options.partition,
            row_ids,
            id_column: id_name,
            time_column: self.names[time].clone(),
            column_order,
            codec: None,
        }
    }

    fn existing(&self, known: KnownTable) -> Result<Layout> {
        let schema = &*known.schema;
        self.check_against(schema)?;
        let time = self.existing_time(schema)?;
        let mut roles = Vec::with_capacity(self.names.len());
        for (index, name) in self.names.iter().enumerate() {
            if index == time {
                roles.push(Role::Time);
                continue;
            }
            roles.push(match schema.column(name) {
                None => Role::Field(self.field_type(index)?),
                Some(column) => match column.kind {
                    ColumnKind::Tag => Role::Tag,
                    ColumnKind::Id => Role::Id,
                    ColumnKind::Field if column.ty == ColumnType::Untyped => {
                        Role::Field(self.field_type(index)?)
                    }
                    ColumnKind::Field => Role::Field(column.ty),
                    ColumnKind::Time => return Err(two_times(&self.names[time], name)),
                },
            });
        }
        let options = existing_options(schema);
        let (known, limits) = (Some(known), self.options.limits);
        Ok(Layout { names: self.names.to_vec(), roles, options, known, limits })
    }

    fn existing_time(&self, schema: &TableSchema) -> Result<usize> {
        let wanted = &schema.time().name;
        if let Some(name) = &self.options.time_column {
            let index = self.named("time_column", name, Code::MissingTime)?;
            return match schema.column(name) {
                Some(column) if column.kind != ColumnKind::Time => Err(Error::new(
                    Code::SchemaConflict,
                    format!(
                        "time_column={name}: column {name:?} of table {:?} is a {}",
                        schema.name,
                        column.kind.api_name()
                    ),
                )
                .hint(format!("the table's time column is {wanted:?}"))),
                _ => Ok(index),
            };
        }
        let any_case = || {
            (0..self.names.len()).find(|index| {
                self.names[*index].eq_ignore_ascii_case(wanted)
                    && schema.column(&self.names[*index]).is_none()
            })
        };
        self.position(wanted).or_else(any_case).ok_or_else(|| {
            Error::new(
                Code::MissingTime,
                format!(
                    "the body has no column {wanted:?}, the time column of table {:?}",
                    schema.name
                ),
            )
            .hint("send the times under that name, or name their column with time_column=<column>")
        })
    }

    fn check_against(&self, schema: &TableSchema) -> Result<()> {
        if let Some(mode) = self.options.mode
            && mode != schema.mode
        {
            return Err(Error::new(
                Code::SchemaConflict,
                format!("table {:?} exists as an {} table", schema.name, schema.mode.name()),
            )
            .hint("leave out mode, or write to another table"));
        }
        if let Some(name) = &self.options.row_id {
            let id = schema.row_id().map(|column| &*column.name);
            if id != Some(name.as_str()) {
                let message = match id {
                    Some(id) => format!("the row id of table {:?} is {id:?}", schema.name),
                    None => format!("table {:?} has no row ids", schema.name),
                };
                return Err(Error::new(Code::SchemaConflict, format!("row_id={name}: {message}"))
                    .hint("leave out row_id, or write to another table"));
            }
        }
        for name in &self.options.tags {
            let kind = schema.column(name).map(|column| column.kind);
            if kind != Some(ColumnKind::Tag) {
                let what = kind.map_or("not in", |_| "no tag of");
                return Err(Error::new(
                    Code::SchemaConflict,
                    format!("tags={name}: the column is {what} table {:?}, and tags are declared when a table is created", schema.name),
                )
                .hint("leave it out of tags; a new column becomes a field"));
            }
        }
        Ok(())
    }
}

fn existing_options(schema: &TableSchema) -> TableOptions {
    TableOptions {
        mode: schema.mode,
        partition: schema.partition,
        row_ids: schema.row_id().is_some(),
        id_column: schema.row_id().map_or_else(|| Name::literal(ID), |id| id.name.clone()),
        time_column: schema.time().name.clone(),
        column_order: Vec::new(),
        codec: schema.codec.clone(),
    }
}

fn two_roles(name: &str) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!("column {name:?} can be only one of time column, row id and tag"),
    )
}

fn two_times(named: &Name, own: &Name) -> Error {
    Error::new(
        Code::SchemaConflict,
        format!("time_column={named}: the body also has {own:?}, the time column of the table"),
    )
    .hint("leave out time_column, or the other column")
}

fn list(names: &[Name]) -> String {
    let shown: Vec<String> = names.iter().take(20).map(|name| format!("{name:?}")).collect();
    let more = if names.len() > 20 { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}
