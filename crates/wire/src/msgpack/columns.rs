//! Items in columnar form: arrays go straight into columns.

use std::borrow::Cow;

use pulsora_model::builder::{FieldIndex, TagIndex, TagTarget};
use pulsora_model::limits::TAGS_MAX;
use pulsora_model::{BatchBuilder, Code, ColumnBuilder, ColumnType, Error, Scalar};

use super::parser::{Parser, malformed, name, time, value};
use super::reader::{MsgpackReader, Token};
use super::rows::tag_value;
use crate::items::{Clock, Fault, TableIndex, Time};

/// The name of the time column on the wire.
const TIME: &str = "time";

/// One array with what it is for; the reader stands at its first element.
struct Source<'a> {
    name: &'a str,
    target: Target,
    values: MsgpackReader<'a>,
}

#[derive(Clone, Copy, PartialEq)]
enum Target {
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
        columns: MsgpackReader<'a>,
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
        let codes = series_codes(&sources, rows, batch)?;
        check(batch, &fields)?;
        let mut clock = self.items.clock.clone();
        let times = times(&sources, rows, &mut clock)?;
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
        mut columns: MsgpackReader<'a>,
        tags: &[&'a str],
    ) -> Result<(Vec<Source<'a>>, usize), Fault> {
        let arrays = arrays(&mut columns)?;
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
fn arrays<'a>(
    columns: &mut MsgpackReader<'a>,
) -> Result<Vec<(&'a str, usize, MsgpackReader<'a>)>, Fault> {
    let len = match columns.token()? {
        Token::Map(len) => len,
        other => {
            return Err(malformed(format!("columns are a map, not {}", other.noun())).into());
        }
    };
    let mut arrays = Vec::new();
    for _ in 0..len {
        let name = name(columns.token()?)?;
        let mut values = columns.clone();
        columns.skip()?;
        match values.token()? {
            Token::Array(len) => arrays.push((name, len as usize, values)),
            other => {
                let message = format!("column {name:?} is {}, not an array", other.noun());
                return Err(Fault::of_column(malformed(message), name));
            }
        }
    }
    Ok(arrays)
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
    for row in 0..rows {
        let token = values.token().map_err(|error| (error.into(), ColumnType::Untyped))?;
        let value =
            value(token, source.name).map_err(|fault| (in_row(fault, row), ColumnType::Untyped))?;
        let Some(value) = value else {
            column.push_null();
            continue;
        };
        let pushed = column.check(value).and_then(|()| column.push(value));
        if let Err(clash) = pushed {
            let fault = in_row(Fault::clash(source.name, Some(value), &clash), row);
            let large = matches!(value, Scalar::U64(_));
            return Err((fault, if large { clash.column } else { ColumnType::Untyped }));
        }
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

fn tag_values<'a>(source: &Source<'a>, rows: usize) -> Result<Vec<Option<Cow<'a, str>>>, Fault> {
    let mut values = source.values.clone();
    let read = |row| tag_value(values.token()?, source.name).map_err(|fault| in_row(fault, row));
    (0..rows).map(read).collect()
}

/// The series of every row.
fn series_codes(
    sources: &[Source<'_>],
    rows: usize,
    batch: &mut BatchBuilder,
) -> Result<Vec<u32>, Fault> {
    let mut columns = Vec::new();
    for source in sources {
        if let Target::Tag(tag) = source.target {
            columns.push((tag, tag_values(source, rows)?));
        }
    }
    if columns.is_empty() && rows > 0 {
        return Ok(vec![batch.series(&mut [])?; rows]);
    }
    let mut codes: Vec<u32> = Vec::with_capacity(rows);
    let mut tags = Vec::with_capacity(columns.len());
    for row in 0..rows {
        let repeated = row > 0 && columns.iter().all(|(_, values)| values[row] == values[row - 1]);
        if !repeated {
            tags.clear();
            tags.extend(
                columns.iter().map(|(tag, values)| (*tag, values[row].as_deref().unwrap_or(""))),
            );
        }
        codes.push(if repeated { codes[row - 1] } else { batch.series(&mut tags)? });
    }
    Ok(codes)
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
    for row in 0..rows {
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
fn in_row(fault: Fault, row: usize) -> Fault {
    let error = fault.error.context(format_args!("row {row}"));
    Fault { error, column: fault.column }
}
