//! CREATE TABLE: its columns and options as the engine takes them.
//!
//! `CREATE TABLE t (time TIMESTAMP, host TAG, region TEXT TAG, load DOUBLE) WITH (mode = 'upsert',
//! partition = 'day', time_column = 'time', tags = 'host,region', row_ids = true, codec = 'gorilla',
//! retention = '30d')`

use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, CreateTableOptions, DataType, Expr, Ident, SqlOption,
    UnaryOperator, Value,
};
use pulsora_model::span::{SPAN_HINT, parse_span};
use pulsora_model::{Code, ColumnKind, ColumnType, Error, Mode, Name, PartitionWidth, Result};
use pulsora_storage::NewColumn;
use pulsora_storage::NewTable;

use super::refuse::refused;

/// The comment that stands for the word TAG behind a column's type.
pub(super) const TAG_MARK: &str = "pulsora:tag";

/// Names that a time column has when none is named, in order of preference.
const TIME_NAMES: &[&str] = &["time", "timestamp", "ts", "datetime", "date"];

/// What `WITH (…)` says.
#[derive(Default)]
struct TableWith {
    mode: Mode,
    partition: PartitionWidth,
    time_column: Option<String>,
    tags: Vec<String>,
    row_ids: bool,
    codec: Option<Name>,
    retention_ns: Option<i64>,
}

/// The table that a CREATE TABLE asks for, under `name`.
///
/// # Errors
/// `sql_invalid`, `missing_time`, `duplicate_column`, `invalid_name` or `statement_refused`.
pub(crate) fn new_table(create: &CreateTable, name: Name) -> Result<NewTable> {
    refuse_extras(create)?;
    let with = table_with(&create.table_options)?;
    let mut columns = create.columns.iter().map(new_column).collect::<Result<Vec<_>>>()?;
    for tag in &with.tags {
        let column = columns.iter_mut().find(|column| &*column.name == tag.as_str());
        match column {
            Some(column) if column.ty == ColumnType::Utf8 => column.kind = ColumnKind::Tag,
            Some(column) => return Err(tag_type_error(&column.name, column.ty)),
            None => columns.push(NewColumn {
                name: Name::new(tag)?,
                kind: ColumnKind::Tag,
                ty: ColumnType::Utf8,
            }),
        }
    }
    let time = time_column(&columns, with.time_column.as_deref())?;
    columns[time].kind = ColumnKind::Time;
    if with.row_ids {
        add_row_id(&mut columns)?;
    }
    for (index, column) in columns.iter().enumerate() {
        if columns[..index].iter().any(|other| other.name == column.name) {
            let message = format!("column {:?} is named twice", column.name);
            return Err(Error::new(Code::DuplicateColumn, message));
        }
    }
    Ok(NewTable {
        name,
        columns,
        mode: with.mode,
        partition: with.partition,
        codec: with.codec,
        retention_ns: with.retention_ns,
    })
}

fn refuse_extras(create: &CreateTable) -> Result<()> {
    if create.query.is_some() {
        return Err(refused(
            "CREATE TABLE … AS",
            "create the table with its columns, then use INSERT INTO … SELECT",
        ));
    }
    if create.external || create.location.is_some() || create.file_format.is_some() {
        return Err(refused("CREATE EXTERNAL TABLE", "send the data to the ingest routes"));
    }
    if create.or_replace || create.temporary || create.like.is_some() || create.clone.is_some() {
        return Err(refused(
            "this kind of CREATE TABLE",
            "use CREATE TABLE [IF NOT EXISTS] name (column TYPE [TAG], …) [WITH (…)]",
        ));
    }
    if !create.constraints.is_empty() {
        return Err(Error::new(Code::SqlInvalid, "tables have no constraints")
            .hint("mode = 'upsert' keeps one row per tags and time"));
    }
    Ok(())
}

pub(super) fn new_column(column: &ColumnDef) -> Result<NewColumn> {
    let name = Name::new(&column.name.value)?;
    let mut kind = ColumnKind::Field;
    for option in &column.options {
        match &option.option {
            ColumnOption::Comment(text) if text == TAG_MARK => kind = ColumnKind::Tag,
            ColumnOption::Comment(_) | ColumnOption::Null | ColumnOption::NotNull => {}
            other => {
                return Err(Error::new(
                    Code::SqlInvalid,
                    format!("column {name:?}: {other} is not supported"),
                )
                .hint("a column has a name, a type, and TAG if it is part of the series key"));
            }
        }
    }
    let ty = match column_type(&column.data_type) {
        Some(Typed::Tag) => {
            kind = ColumnKind::Tag;
            ColumnType::Utf8
        }
        Some(Typed::Column(ty)) => ty,
        None => {
            return Err(Error::new(
                Code::SqlInvalid,
                format!("column {name:?}: the type {} is not known", column.data_type),
            )
            .hint("use BIGINT, BIGINT UNSIGNED, DOUBLE, TEXT, BOOLEAN, TIMESTAMP or TAG"));
        }
    };
    if kind == ColumnKind::Tag && ty != ColumnType::Utf8 {
        return Err(tag_type_error(&name, ty));
    }
    Ok(NewColumn { name, kind, ty })
}

fn tag_type_error(name: &Name, ty: ColumnType) -> Error {
    Error::new(
        Code::SqlInvalid,
        format!("column {name:?} cannot be a tag: tags are text, this one is {}", ty.noun()),
    )
}

enum Typed {
    Column(ColumnType),
    Tag,
}

/// The column type of an SQL type: every integer is 64 bits, every number with a point a float.
fn column_type(ty: &DataType) -> Option<Typed> {
    use DataType as D;
    let custom = |name: String| match name.to_ascii_uppercase().as_str() {
        "TAG" => Some(Typed::Tag),
        "LONG" | "INTEGER" => Some(Typed::Column(ColumnType::I64)),
        "UNSIGNEDINTEGER" => Some(Typed::Column(ColumnType::U64)),
        "TIMESTAMPTZ" | "TIMESTAMP_NS" | "TIMESTAMP_MS" | "TIMESTAMP_S" => {
            Some(Typed::Column(ColumnType::Timestamp))
        }
        _ => None,
    };
    let ty = match ty {
        D::TinyInt(_) | D::SmallInt(_) | D::Int2(_) | D::MediumInt(_) | D::Int(_) | D::Int4(_) => {
            ColumnType::I64
        }
        D::Int8(_) | D::Int16 | D::Int32 | D::Int64 | D::Integer(_) | D::BigInt(_) => {
            ColumnType::I64
        }
        D::Signed | D::SignedInteger => ColumnType::I64,
        D::TinyIntUnsigned(_) | D::SmallIntUnsigned(_) | D::Int2Unsigned(_) => ColumnType::U64,
        D::MediumIntUnsigned(_) | D::IntUnsigned(_) | D::Int4Unsigned(_) => ColumnType::U64,
        D::IntegerUnsigned(_) | D::BigIntUnsigned(_) | D::Int8Unsigned(_) => ColumnType::U64,
        D::UTinyInt | D::USmallInt | D::UBigInt | D::Unsigned | D::UnsignedInteger => {
            ColumnType::U64
        }
        D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => ColumnType::U64,
        D::Float(_) | D::Float4 | D::Float8 | D::Float32 | D::Float64 => ColumnType::F64,
        D::Real | D::Double(_) | D::DoublePrecision => ColumnType::F64,
        D::Decimal(_) | D::Numeric(_) | D::Dec(_) => ColumnType::F64,
        D::Bool | D::Boolean => ColumnType::Bool,
        D::Text | D::Varchar(_) | D::Char(_) | D::Character(_) | D::String(_) => ColumnType::Utf8,
        D::CharacterVarying(_) | D::CharVarying(_) | D::Nvarchar(_) => ColumnType::Utf8,
        D::Timestamp(_, _) | D::TimestampNtz(_) | D::Datetime(_) | D::Datetime64(_, _) => {
            ColumnType::Timestamp
        }
        D::Date | D::Date32 => ColumnType::Timestamp,
        D::Custom(name, _) => return custom(name.to_string()),
        _ => return None,
    };
    Some(Typed::Column(ty))
}

/// The index of the time column: the named one, else a TIMESTAMP with a usual name, else the first
/// TIMESTAMP.
fn time_column(columns: &[NewColumn], named: Option<&str>) -> Result<usize> {
    let is_time = |column: &NewColumn| column.ty == ColumnType::Timestamp;
    if let Some(named) = named {
        let found = columns.iter().position(|column| &*column.name == named && is_time(column));
        return found.ok_or_else(|| {
            let message = format!("the time column {named:?} is not a TIMESTAMP of this table");
            Error::new(Code::MissingTime, message).hint(format!("declare it: {named} TIMESTAMP"))
        });
    }
    let usual = TIME_NAMES.iter().find_map(|usual| {
        columns.iter().position(|column| column.name.eq_ignore_ascii_case(usual) && is_time(column))
    });
    usual.or_else(|| columns.iter().position(is_time)).ok_or_else(|| {
        Error::new(Code::MissingTime, "the table has no time column")
            .hint("add one, for example: time TIMESTAMP")
    })
}

/// A column `id` of integers becomes the row id; without one the table gets it, in front.
fn add_row_id(columns: &mut Vec<NewColumn>) -> Result<()> {
    let Some(index) = columns.iter().position(|column| &*column.name == "id") else {
        let name = Name::literal("id");
        columns.insert(0, NewColumn { name, kind: ColumnKind::Id, ty: ColumnType::U64 });
        return Ok(());
    };
    let column = &mut columns[index];
    if column.kind != ColumnKind::Field || !matches!(column.ty, ColumnType::I64 | ColumnType::U64) {
        return Err(Error::new(
            Code::SqlInvalid,
            format!("column \"id\" cannot be the row id: it is {}", column.ty.noun()),
        )
        .hint("declare id BIGINT, or leave it out"));
    }
    (column.kind, column.ty) = (ColumnKind::Id, ColumnType::U64);
    Ok(())
}

fn table_with(options: &CreateTableOptions) -> Result<TableWith> {
    let options = match options {
        CreateTableOptions::None => &[],
        CreateTableOptions::With(options)
        | CreateTableOptions::Options(options)
        | CreateTableOptions::Plain(options)
        | CreateTableOptions::TableProperties(options) => options.as_slice(),
    };
    let mut with = TableWith::default();
    for option in options {
        let SqlOption::KeyValue { key, value } = option else {
            return Err(unknown_option(&option.to_string()));
        };
        let text = option_text(key, value)?;
        match key.value.to_ascii_lowercase().as_str() {
            "mode" => with.mode = Mode::parse(&text)?,
            "partition" => with.partition = PartitionWidth::parse(&text)?,
            "time_column" => with.time_column = Some(text),
            "tags" => {
                let tags = text.split(',').map(|tag| tag.trim().to_owned());
                with.tags = tags.filter(|tag| !tag.is_empty()).collect();
            }
            "codec" => with.codec = Some(Name::new(&text)?),
            "retention" => with.retention_ns = retention_ns(&text)?,
            "row_ids" => with.row_ids = option_bool(key, &text)?,
            _ => return Err(unknown_option(&key.value)),
        }
    }
    Ok(with)
}

fn unknown_option(name: &str) -> Error {
    Error::new(Code::SqlInvalid, format!("the table option {name} is not known"))
        .hint("use mode, partition, time_column, tags, row_ids, codec or retention")
}

/// A retention as nanoseconds: a span of time, or `none`.
///
/// # Errors
/// `sql_invalid` when it is neither.
pub(super) fn retention_ns(text: &str) -> Result<Option<i64>> {
    if ["none", "infinite", "forever"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(None);
    }
    let span = parse_span(text).and_then(|span| i64::try_from(span.as_nanos()).ok());
    span.filter(|ns| *ns > 0).map(Some).ok_or_else(|| {
        Error::new(Code::SqlInvalid, format!("{text:?} is not a retention")).hint(SPAN_HINT)
    })
}

pub(super) fn option_text(key: &Ident, value: &Expr) -> Result<String> {
    let wrong = || {
        Error::new(Code::SqlInvalid, format!("the table option {key} has no value of its own"))
            .hint(format!("write {key} = 'value'"))
    };
    match value {
        Expr::Identifier(ident) => Ok(ident.value.clone()),
        Expr::UnaryOp { op: UnaryOperator::Minus, .. } => Err(wrong()),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Ok(text.clone()),
            Value::Boolean(flag) => Ok(flag.to_string()),
            Value::Number(text, _) => Ok(text.clone()),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn option_bool(key: &Ident, text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" => Ok(true),
        "false" | "0" | "off" => Ok(false),
        _ => Err(Error::new(Code::SqlInvalid, format!("{key} is true or false, not {text:?}"))),
    }
}
