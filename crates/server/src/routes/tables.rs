//! §2 without rows of queries: list, schema, count, one row, create, drop.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use pulsora_model::span::span_text;
use pulsora_model::time::time_text;
use pulsora_model::{
    Code, ColumnKind, ColumnType, Error, Mode, Name, PartitionWidth, Result, TableSchema,
};
use pulsora_query::{CancelFlag, Ticket};
use pulsora_storage::{
    Change, Command, Correction, NewColumn, NewTable, Receipt, Selection, TimeRange,
};
use pulsora_wire::results::{ResultFormat, Summary, rows_writer};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::row_query::{format_of, result_options, tag_predicates};
use crate::answer::{self, SEQUENCE, VISIBLE, of_query, with_query, with_sequence};
use crate::body;
use crate::context::{Context, Operator, PathName};
use crate::error::{HttpError, HttpResult};
use crate::metrics::QueryKind;
use crate::stream::{queried, took};
use crate::time_param::time_range;
use crate::write::execute;

/// `GET /tables`.
pub async fn list(context: Context) -> HttpResult {
    context.params.only(&[])?;
    let database = context.database()?;
    let snapshot = context.running.engine.snapshot();
    snapshot.catalog().database(&database)?;
    let tables = snapshot.catalog().tables_of(&database);
    let mut names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    names.sort_unstable();
    Ok(with_sequence(answer::data(names), VISIBLE, snapshot.sequence()))
}

#[derive(Serialize)]
struct SchemaAnswer<'a> {
    table_name: &'a str,
    columns: Vec<ColumnAnswer<'a>>,
    timestamp_column: &'a str,
    created_at: String,
    mode: &'static str,
    partition: &'static str,
    row_ids: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<String>,
}

#[derive(Serialize)]
struct ColumnAnswer<'a> {
    name: &'a str,
    data_type: &'static str,
    kind: &'static str,
    nullable: bool,
}

impl<'a> SchemaAnswer<'a> {
    fn of(schema: &'a TableSchema) -> SchemaAnswer<'a> {
        let column = |column: &'a pulsora_model::Column| ColumnAnswer {
            name: &column.name,
            data_type: column.ty.api_name(),
            kind: column.kind.api_name(),
            nullable: column.nullable(),
        };
        SchemaAnswer {
            table_name: &schema.name,
            columns: schema.columns.iter().map(column).collect(),
            timestamp_column: &schema.time().name,
            created_at: time_text(schema.created_at_ns),
            mode: schema.mode.name(),
            partition: schema.partition.name(),
            row_ids: schema.row_id().is_some(),
            retention: schema
                .retention_ns
                .map(|ns| span_text(Duration::from_nanos(ns.unsigned_abs()))),
        }
    }
}

/// `GET /tables/{t}/schema`.
pub async fn schema(context: Context, PathName(table): PathName) -> HttpResult {
    context.params.only(&[])?;
    let snapshot = context.running.engine.snapshot();
    let schema = snapshot.table(&context.database()?, &table)?;
    Ok(with_sequence(answer::data(SchemaAnswer::of(&schema)), VISIBLE, snapshot.sequence()))
}

/// `GET /tables/{t}/count`.
pub async fn count(context: Context, PathName(table): PathName) -> HttpResult {
    context.params.only(&["start", "end", "priority"])?;
    let snapshot = context.running.engine.snapshot();
    let schema = snapshot.table(&context.database()?, &table)?;
    let time: TimeRange = time_range(&context.params)?;
    let visible = snapshot.sequence();
    let ticket = lookup(&context)?;
    let work = move |_: &CancelFlag| snapshot.count(schema.id, time);
    let outcome = context.running.queries.run_blocking(&ticket, work).await;
    let outcome = outcome.map_err(HttpError::from).map(|count| {
        ticket.done(1);
        let took = took(&context.app, context.arrived_ns);
        queried(&context.app, QueryKind::Lookup, 1, count, took);
        let answer = with_query(answer::data(json!({ "count": count })), ticket.query(), took);
        with_sequence(answer, VISIBLE, visible)
    });
    Ok(of_query(outcome, ticket.query()))
}

/// A look-up of this request on the list of queries.
fn lookup(context: &Context) -> Result<Ticket> {
    let about = context.about("lookup", &context.uri.to_string(), None)?;
    Ok(context.running.queries.open(about))
}

/// `GET /tables/{t}/rows/{id}`.
pub async fn row(context: Context, Path((table, id)): Path<(String, String)>) -> HttpResult {
    context.params.only(&["times", "nonfinite", "format", "priority"])?;
    let options = result_options(&context)?;
    let format = format_of(&context)?;
    let id = row_id(&id)?;
    let snapshot = context.running.engine.snapshot();
    let schema = snapshot.table(&context.database()?, &Name::new(&table)?)?;
    let visible = snapshot.sequence();
    let table_id = schema.id;
    let ticket = lookup(&context)?;
    let work = move |_: &CancelFlag| snapshot.row(table_id, id);
    let found = context.running.queries.run_blocking(&ticket, work).await?;
    ticket.done(u64::from(found.is_some()));
    let Some(batch) = found else {
        return Err(no_row(&schema, id).into());
    };
    let took = took(&context.app, context.arrived_ns);
    queried(&context.app, QueryKind::Lookup, 1, 1, took);
    let mut writer = rows_writer(
        if format == ResultFormat::Json { ResultFormat::Ndjson } else { format },
        options,
    );
    let mut out = Vec::new();
    writer.begin(&batch.schema(), &mut out)?;
    writer.batch(&batch, &mut out)?;
    let summary = Summary {
        row_count: 1,
        execution_time_ms: took.as_micros() as f64 / 1_000.0,
        timestamp_ns: context.now_ns(),
    };
    writer.end(&summary, &mut out)?;
    let answer = with_query(one_row(format, out)?, ticket.query(), took);
    Ok(with_sequence(answer, VISIBLE, visible))
}

fn row_id(text: &str) -> Result<u64> {
    text.parse().map_err(|_| {
        Error::new(Code::InvalidRequest, format!("{text:?} is not a row id"))
            .hint("row ids are whole numbers from 1")
    })
}

/// JSON puts the row object into the envelope; other formats are as in queries.
fn one_row(format: ResultFormat, out: Vec<u8>) -> Result<Response> {
    use axum::http::header::CONTENT_TYPE;
    use axum::response::IntoResponse;
    if format != ResultFormat::Json {
        return Ok(([(CONTENT_TYPE, format.content_type())], out).into_response());
    }
    let text = String::from_utf8(out).map_err(|_| Error::internal("a row is not UTF-8"))?;
    let row = serde_json::value::RawValue::from_string(text.trim_end().to_owned())
        .map_err(|error| Error::internal(format!("a row is not JSON: {error}")))?;
    Ok(answer::data(row))
}

fn no_row(schema: &TableSchema, id: u64) -> Error {
    let error =
        Error::new(Code::RowNotFound, format!("table {:?} has no row with id {id}", &*schema.name));
    match schema.row_id() {
        Some(_) => error.hint("it may have been replaced or was never there"),
        None => error.hint("this table has no row ids; create one with row_id=<column> or row_ids"),
    }
}

/// The body of `PUT /tables/{t}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    columns: Vec<CreateColumn>,
    mode: Option<String>,
    partition: Option<String>,
    #[serde(default)]
    row_ids: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateColumn {
    name: String,
    data_type: Option<String>,
    kind: Option<String>,
}

const CREATE_HINT: &str =
    r#"send {"columns":[{"name":"time","kind":"time"},{"name":"v","data_type":"Float"}]}"#;

/// `PUT /tables/{t}`.
pub async fn create(context: Context, PathName(name): PathName, body: Body) -> HttpResult {
    context.params.only(&[])?;
    let database = context.database()?;
    let create: Create =
        body::json(&context, body, "does not describe a table", CREATE_HINT).await?;
    let table = new_table(name.clone(), create)?;
    let command = Command::CreateTable { database: database.clone(), table, if_not_exists: false };
    let receipt = execute(&context, command).await?;
    let schema = context.running.engine.catalog().table(&database, &name)?;
    let status = if receipt.changed { StatusCode::CREATED } else { StatusCode::OK };
    let answer = answer::data_with(status, SchemaAnswer::of(&schema));
    Ok(with_sequence(answer, SEQUENCE, receipt.sequence))
}

fn new_table(name: Name, create: Create) -> Result<NewTable> {
    let mut columns =
        create.columns.into_iter().map(new_column).collect::<Result<Vec<NewColumn>>>()?;
    let count = |columns: &[NewColumn], kind| columns.iter().filter(|c| c.kind == kind).count();
    if create.row_ids && count(&columns, ColumnKind::Id) == 0 {
        let id = NewColumn { name: Name::literal("id"), kind: ColumnKind::Id, ty: ColumnType::U64 };
        columns.insert(0, id);
    }
    if count(&columns, ColumnKind::Time) != 1 {
        return Err(Error::new(Code::MissingTime, "a table has exactly one column of kind time")
            .hint(r#"add {"name":"time","kind":"time"}"#));
    }
    let mode = create.mode.as_deref().map_or(Ok(Mode::Append), Mode::parse)?;
    let partition =
        create.partition.as_deref().map_or(Ok(PartitionWidth::Auto), PartitionWidth::parse)?;
    Ok(NewTable { name, columns, mode, partition, codec: None, retention_ns: None })
}

fn new_column(column: CreateColumn) -> Result<NewColumn> {
    let name = Name::new(&column.name)?;
    let unknown = |what: &str, text: &str, hint: &str| {
        let message = format!("column {:?}: {text:?} is not a {what}", &*name);
        Error::new(Code::InvalidRequest, message).hint(hint.to_owned())
    };
    let kind = match column.kind.as_deref() {
        None => ColumnKind::Field,
        Some(text) => ColumnKind::from_api_name(text)
            .ok_or_else(|| unknown("kind", text, "use time, tag, field or id"))?,
    };
    let implied = match kind {
        ColumnKind::Time => Some(ColumnType::Timestamp),
        ColumnKind::Tag => Some(ColumnType::Utf8),
        ColumnKind::Id => Some(ColumnType::U64),
        ColumnKind::Field => None,
    };
    const TYPES: &str = "use Integer, UnsignedInteger, Float, String, Boolean or Timestamp";
    let given = match column.data_type.as_deref() {
        None => None,
        Some(text) => {
            Some(ColumnType::from_api_name(text).ok_or_else(|| unknown("data type", text, TYPES))?)
        }
    };
    let ty = match (implied, given) {
        (Some(implied), None) => implied,
        (Some(implied), Some(given)) if implied == given => implied,
        (Some(ColumnType::U64), Some(ColumnType::I64)) => ColumnType::U64,
        (Some(implied), Some(given)) => {
            return Err(Error::new(
                Code::SchemaConflict,
                format!(
                    "column {:?} is a {} and cannot be {}",
                    &*name,
                    kind.api_name(),
                    given.noun()
                ),
            )
            .hint(format!("its data_type is {}", implied.api_name())));
        }
        (None, Some(given)) => given,
        (None, None) => return Err(unknown("data type", "", TYPES)),
    };
    Ok(NewColumn { name, kind, ty })
}

/// `DELETE /tables/{t}/rows/{id}`.
pub async fn delete_row(
    Operator(context): Operator,
    Path((table, id)): Path<(String, String)>,
) -> HttpResult {
    context.params.only(&[])?;
    let (table, id) = (Name::new(&table)?, row_id(&id)?);
    let schema = context.running.engine.catalog().table(&context.database()?, &table)?;
    if schema.row_id().is_none() {
        return Err(no_row(&schema, id).into());
    }
    let rows = Selection { ids: Some(vec![id]), ..Selection::all() };
    let receipt = delete(&context, &schema, rows).await?;
    if receipt.rows == 0 {
        return Err(no_row(&schema, id).into());
    }
    Ok(deleted(receipt))
}

/// `DELETE /tables/{t}/rows?start&end&tags`.
pub async fn delete_rows(Operator(context): Operator, PathName(table): PathName) -> HttpResult {
    context.params.only(&["start", "end", "tags", "confirm"])?;
    let schema = context.running.engine.catalog().table(&context.database()?, &table)?;
    let time = time_range(&context.params)?;
    let tags = tag_predicates(&context.params.list("tags"), &schema)?;
    if time == TimeRange::ALL && tags.is_empty() && !context.params.flag("confirm", false)? {
        let message = format!("this deletes every row of table {:?}", &*schema.name);
        let error = Error::new(Code::ConfirmationNeeded, message);
        return Err(error.hint("name start, end or tags, or add confirm=true").into());
    }
    let rows = Selection { time, tags, ..Selection::all() };
    let receipt = delete(&context, &schema, rows).await?;
    Ok(deleted(receipt))
}

/// Deletes rows of a table as it was looked at.
pub(super) async fn delete(
    context: &Context,
    schema: &TableSchema,
    rows: Selection,
) -> Result<Receipt> {
    let correction = Correction {
        database: context.database()?,
        table: schema.name.clone(),
        planned_for: Some((schema.id, schema.version)),
        rows,
        change: Change::Delete,
    };
    context.running.engine.correct(correction).await
}

fn deleted(receipt: Receipt) -> Response {
    let answer = answer::data(json!({ "deleted": receipt.rows }));
    with_sequence(answer, SEQUENCE, receipt.sequence)
}

/// `DELETE /tables/{t}`.
pub async fn drop(Operator(context): Operator, PathName(table): PathName) -> HttpResult {
    context.params.only(&[])?;
    let database = context.database()?;
    let receipt =
        execute(&context, Command::DropTable { database, table, if_exists: false }).await?;
    let answer = answer::data(json!({ "dropped": receipt.changed }));
    Ok(with_sequence(answer, SEQUENCE, receipt.sequence))
}
