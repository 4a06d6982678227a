//! Items in columnar form: arrays go straight into columns.

use pulsora_model::builder::{FieldIndex, TagIndex, TagTarget};
use pulsora_model::limits::TAGS_MAX;
use pulsora_model::{BatchBuilder, Code, ColumnBuilder, ColumnType, Error, Scalar};

use super::item::Columns;
use super::parser::{Parser, malformed, name, time, value};
use super::reader::{MsgpackReader, Token};
use super::series::{Series, tag_values};
use crate::items::{Clock, Fault, TableIndex, Time};

/// The name of the time column on the wire.
const TIME: &str = "time";

/// Numbers that are decoded at once: two such runs are 4 KiB of stack.
const RUN: usize = 256;

/// One array with what it is for; the reader stands at its first element.
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) target: Target,
    pub(super) values: MsgpackReader<'a>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Target {
    Time,
    Tag(TagIndex),
    /// A tag that an append table keeps in a text field.
    TagField(FieldIndex),
    Field(FieldIndex),
}

impl<'a> Parser<'a, '_> {
    /// Stores the rows of one item.
    pub(super) fn columnar(
        &mut self,
        table: TableIndex,
        columns: Columns<'a>,
        tags: Option<MsgpackReader<'a>>,
    ) -> Result<(), Fault> {
        let tags = tags.map_or(Ok(Vec::new()), tag_names)?;
        let (sources, rows) = self.sources(table, columns, &tags)?;
        self.items.tables.check_cells(table, rows)?;
        let batch = self.items.tables.batch(table);
        let mut fields = Vec::with_capacity(sources.len());
        for source in &sources {
            match source.target {
                Target::Field(field) => fields.push((field, field_column(source, rows, batch)?)),
                Target::TagField(field) => fields.push((field, tag_field_column(source, rows)?)),
                Target::Time | Target::Tag(_) => {}
            }
        }
        if fields.is_empty() {
            return Err(malformed("the item has no columns besides time and tags").into());
        }
        let series = Series::find(&sources, rows, batch)?;
        check(batch, &fields)?;
        let mut clock = self.items.clock.clone();
        let times = times(&sources, rows, &mut clock)?;
        let codes = series.codes()?;
        if let Err((field, row, clash)) = batch.append_rows(&times, &codes, fields) {
            let name = batch.field_name(field).clone();
            return Err(in_row(Fault::clash(&name, None, &clash), row));
        }
        self.items.clock = clock;
        if !tags.is_empty() {
            self.items.tables.upsert(table);
        }
        Ok(())
    }

    /// The arrays of the item and their common length.
    fn sources(
        &mut self,
        table: TableIndex,
        columns: Columns<'a>,
        tags: &[&'a str],
    ) -> Result<(Vec<Source<'a>>, usize), Fault> {
        let arrays = arrays(columns)?;
        let has_time = arrays.iter().any(|(name, ..)| *name == TIME);
        let batch = self.items.batch(table);
        let own_time = batch.schema().map(|schema| schema.time().name.clone());
        let mut sources: Vec<Source<'a>> = Vec::with_capacity(arrays.len());
        let mut rows = None;
        for (name, len, values) in arrays {
            let is_time = name == TIME || (!has_time && own_time.as_deref() == Some(name));
            let target = if is_time {
                Target::Time
            } else if tags.contains(&name) {
                match batch.tag(name).map_err(|error| Fault::of_column(error, name))? {
                    TagTarget::Tag(tag) => Target::Tag(tag),
                    TagTarget::Field(field) => Target::TagField(field),
                }
            } else {
                let field = batch.field(name);
                Target::Field(field.map_err(|error| Fault::of_column(error, name))?)
            };
            if sources.iter().any(|other| other.name == name) {
                let error =
                    Error::new(Code::DuplicateColumn, format!("column {name:?} comes twice"));
                return Err(Fault::of_column(error, name));
            }
            let (first, rows) = *rows.get_or_insert((name, len));
            if rows != len {
                let message =
                    format!("column {name:?} has {len} values, column {first:?} has {rows}");
                return Err(Fault::of_column(malformed(message), name));
            }
            sources.push(Source { name, target, values });
        }
        if let Some(tag) = tags.iter().find(|tag| sources.iter().all(|s| s.name != **tag)) {
            return Err(Fault::of_column(malformed(format!("tag {tag:?} is no column")), tag));
        }
        Ok((sources, rows.map_or(0, |(_, rows)| rows)))
    }
}

/// Name, length and first element of every array in `columns`.
fn arrays(columns: Columns<'_>) -> Result<Vec<(&str, usize, MsgpackReader<'_>)>, Fault> {
    if let Some(entries) = columns.entries {
        return entries.into_iter().map(|(mut key, values)| array(&mut key, values)).collect();
    }
    let mut reader = columns.value;
    let len = match reader.token()? {
        Token::Map(len) => len,
        other => {
            return Err(malformed(format!("columns are a map, not {}", other.noun())).into());
        }
    };
    let mut arrays = Vec::new();
    for _ in 0..len {
        let mut key = reader.clone();
        reader.skip()?;
        arrays.push(array(&mut key, reader.clone())?);
        reader.skip()?;
    }
    Ok(arrays)
}

fn array<'a>(
    key: &mut MsgpackReader<'a>,
    mut values: MsgpackReader<'a>,
) -> Result<(&'a str, usize, MsgpackReader<'a>), Fault> {
    let name = name(key.token()?)?;
    match values.token()? {
        Token::Array(len) => Ok((name, len as usize, values)),
        other => {
            let message = format!("column {name:?} is {}, not an array", other.noun());
            Err(Fault::of_column(malformed(message), name))
        }
    }
}

fn tag_names(mut tags: MsgpackReader<'_>) -> Result<Vec<&str>, Fault> {
    match tags.token()? {
        Token::Array(len) => {
            let mut names = Vec::new();
            if len as usize > TAGS_MAX {
                let message = format!("{len} tags are more than {TAGS_MAX}");
                return Err(Error::new(Code::LimitExceeded, message).into());
            }
            for _ in 0..len {
                names.push(name(tags.token()?)?);
            }
            Ok(names)
        }
        other => {
            let message =
                format!("tags of columns are an array of their names, not {}", other.noun());
            Err(malformed(message).into())
        }
    }
}

/// Reads the values of a field into a column that starts with the type it has in the batch.
fn field_column(
    source: &Source<'_>,
    rows: usize,
    batch: &BatchBuilder,
) -> Result<ColumnBuilder, Fault> {
    let Target::Field(field) = source.target else {
        return Ok(ColumnBuilder::new(ColumnType::Untyped));
    };
    let ty = batch.field_type(field);
    match read_column(source, rows, ty) {
        // A new column of large unsigned integers, the first of which were small.
        Err((_, ColumnType::I64)) if ty == ColumnType::Untyped => {
            read_column(source, rows, ColumnType::U64).map_err(|(fault, _)| fault)
        }
        other => other.map_err(|(fault, _)| fault),
    }
}

/// Gives with a fault the type of the column at that point, if a larger integer type may help.
fn read_column(
    source: &Source<'_>,
    rows: usize,
    ty: ColumnType,
) -> Result<ColumnBuilder, (Fault, ColumnType)> {
    let mut column = ColumnBuilder::new(ty);
    let mut values = source.values.clone();
    let (mut ints, mut floats) = ([0i64; RUN], [0f64; RUN]);
    let mut row = 0;
    while row < rows {
        let room = RUN.min(rows - row);
        let (taken, pushed) = match values.ints(&mut ints[..room]) {
            0 => {
                let taken = values.floats(&mut floats[..room]);
                let pushed = column.push_f64s(&floats[..taken]);
                (taken, pushed.map_err(|(at, clash)| (at, Scalar::F64(floats[at]), clash)))
            }
            taken => {
                let pushed = column.push_i64s(&ints[..taken]);
                (taken, pushed.map_err(|(at, clash)| (at, Scalar::I64(ints[at]), clash)))
            }
        };
        if let Err((at, value, clash)) = pushed {
            let fault = in_row(Fault::clash(source.name, Some(value), &clash), row + at);
            return Err((fault, ColumnType::Untyped));
        }
        row += taken;
        if taken > 0 {
            continue;
        }
        let token = values.token().map_err(|error| (error.into(), ColumnType::Untyped))?;
        let value =
            value(token, source.name).map_err(|fault| (in_row(fault, row), ColumnType::Untyped))?;
        let Some(value) = value else {
            column.push_null();
            row += 1;
            continue;
        };
        let pushed = column.check(value).and_then(|()| column.push(value));
        if let Err(clash) = pushed {
            let fault = in_row(Fault::clash(source.name, Some(value), &clash), row);
            let large = matches!(value, Scalar::U64(_));
            return Err((fault, if large { clash.column } else { ColumnType::Untyped }));
        }
        row += 1;
    }
    Ok(column)
}

fn tag_field_column(source: &Source<'_>, rows: usize) -> Result<ColumnBuilder, Fault> {
    let mut column = ColumnBuilder::new(ColumnType::Utf8);
    for (row, value) in tag_values(source, rows)?.into_iter().enumerate() {
        match value.filter(|value| !value.is_empty()) {
            Some(value) => column
                .push(Scalar::Text(&value))
                .map_err(|clash| in_row(Fault::clash(source.name, None, &clash), row))?,
            None => column.push_null(),
        }
    }
    Ok(column)
}

/// Checks whole columns against those of the batch.
fn check(batch: &mut BatchBuilder, fields: &[(FieldIndex, ColumnBuilder)]) -> Result<(), Fault> {
    batch.check_rows(fields).map_err(|(field, row, clash)| {
        let column = fields.iter().find(|(other, _)| *other == field);
        let value = column.and_then(|(_, column)| column.get(row));
        in_row(Fault::clash(batch.field_name(field), value, &clash), row)
    })
}

/// The times of the rows in nanoseconds.
fn times(sources: &[Source<'_>], rows: usize, clock: &mut Clock) -> Result<Vec<i64>, Fault> {
    let Some(source) = sources.iter().find(|source| source.target == Target::Time) else {
        return Ok(vec![clock.to_ns(Time::Now)?; rows]);
    };
    let mut values = source.values.clone();
    let mut times = Vec::with_capacity(rows);
    let mut run = [0; RUN];
    // Rows that are looked at one by one, because a run of them was not of one kind.
    let mut exact = 0;
    while times.len() < rows {
        let row = times.len();
        if row >= exact {
            let mark = values.clone();
            let taken = values.ints(&mut run[..RUN.min(rows - row)]);
            if taken > 0 && clock.store_all(&run[..taken], &mut times) {
                continue;
            }
            values = mark;
            exact = row + taken.max(1);
        }
        let time = match time(values.token()?) {
            Ok(Some(time)) => clock.to_ns(time).map(|time_ns| (time, time_ns)),
            Ok(None) => Err(Error::new(Code::InvalidTime, "the time is nil")
                .hint("leave out the column time to store rows with the present time")),
            Err(error) => Err(error),
        };
        let (time, time_ns) =
            time.map_err(|error| in_row(Fault::of_column(error, source.name), row))?;
        clock.settle(time);
        times.push(time_ns);
    }
    Ok(times)
}

/// Says in which row (from 0) of the item the fault lies.
pub(super) fn in_row(fault: Fault, row: usize) -> Fault {
    let error = fault.error.context(format_args!("row {row}"));
    Fault { error, column: fault.column }
}
