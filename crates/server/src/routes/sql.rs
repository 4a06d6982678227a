//! §6: SQL.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use pulsora_model::{Code, Error, Result};
use pulsora_query::{About, SqlParam, SqlRequest, StatementKind, Ticket};
use pulsora_wire::results::{Nonfinite, ResultFormat, ResultOptions, TimeStyle, sql_writer};
use serde::Deserialize;

use crate::answer::{CACHE, SEQUENCE, VISIBLE, of_query, with_sequence};
use crate::body::Intake;
use crate::context::Context;
use crate::error::HttpResult;
use crate::metrics::QueryKind;
use crate::stream::{Answer, hold, respond};

/// A statement with what goes with it; keys that other systems send are let pass.
#[derive(Debug, Default, Deserialize)]
struct Statement {
    sql: Option<String>,
    format: Option<String>,
    #[serde(default)]
    params: Vec<serde_json::Value>,
    limit: Option<usize>,
    timeout_ms: Option<u64>,
    times: Option<String>,
    nonfinite: Option<String>,
    priority: Option<String>,
    cache: Option<bool>,
}

/// `GET /api/v1/query?sql=`.
pub async fn get(context: Context) -> HttpResult {
    let statement = of_params(&context)?;
    run(context, statement, None).await
}

/// `GET /api/v1/query/arrow?sql=`.
pub async fn get_arrow(context: Context) -> HttpResult {
    let statement = of_params(&context)?;
    run(context, statement, Some(ResultFormat::Arrow)).await
}

/// `POST /api/v1/query`.
pub async fn post(context: Context, body: Body) -> HttpResult {
    read_and_run(context, body, None).await
}

/// `POST /api/v1/query/arrow`.
pub async fn post_arrow(context: Context, body: Body) -> HttpResult {
    read_and_run(context, body, Some(ResultFormat::Arrow)).await
}

async fn read_and_run(context: Context, request: Body, format: Option<ResultFormat>) -> HttpResult {
    let known = ["format", "times", "nonfinite", "durability", "priority", "cache"];
    context.params.only(&known)?;
    let limit = context.app.config.limits.query_body_bytes;
    let intake = Intake::open(&context, request, limit)?;
    let (bytes, _room) = intake.whole(limit, "raise limits.query_body_bytes").await?;
    if bytes.trim_ascii().is_empty() {
        return Err(Error::new(Code::EmptyBody, "the body is empty").hint(BODY_HINT).into());
    }
    let json = serde_json::from_slice(&bytes).map_err(|error| malformed(&error))?;
    body(context, json, format).await
}

/// A statement whose JSON body has been read.
pub async fn body(
    context: Context,
    body: serde_json::Value,
    format: Option<ResultFormat>,
) -> HttpResult {
    let statement: Statement = serde_json::from_value(body).map_err(|error| malformed(&error))?;
    run(context, statement, format).await
}

const BODY_HINT: &str = r#"send {"sql":"SELECT 1"}"#;

fn malformed(error: &serde_json::Error) -> Error {
    Error::new(Code::MalformedBody, format!("the body is not a query: {error}")).hint(BODY_HINT)
}

fn of_params(context: &Context) -> Result<Statement> {
    let params = &context.params;
    let known = ["sql", "format", "limit", "timeout_ms", "times", "nonfinite", "priority", "cache"];
    params.only(&known)?;
    Ok(Statement {
        sql: params.text("sql").map(str::to_owned),
        limit: params.count("limit")?,
        timeout_ms: params.count("timeout_ms")?.map(|ms| ms as u64),
        ..Statement::default()
    })
}

async fn run(context: Context, statement: Statement, format: Option<ResultFormat>) -> HttpResult {
    let format = format.map_or_else(|| format_of(&context, &statement), Ok)?;
    let options = options(&context, &statement)?;
    let priority = statement.priority.clone();
    let request = request(&context, statement)?;
    let about = About {
        timeout: request.timeout,
        ..context.about("sql", &request.sql, priority.as_deref())?
    };
    let ticket = context.running.queries.open(about);
    let query = Arc::clone(ticket.query());
    let outcome = answer(&context, ticket, request, format, options).await;
    Ok(of_query(outcome, &query))
}

async fn answer(
    context: &Context,
    ticket: Ticket,
    request: SqlRequest,
    format: ResultFormat,
    options: ResultOptions,
) -> HttpResult {
    let result = context.running.queries.sql_as(ticket, request).await?;
    let (visible, kind, cache) = (result.visible, result.kind, result.query.cache());
    let answer = Answer {
        app: context.app.clone(),
        figures: Arc::clone(&context.figures),
        kind: QueryKind::Sql,
        arrived_ns: context.arrived_ns,
        format,
        writer: sql_writer(format, options),
        schema: result.schema,
        batches: result.batches,
        query: result.query,
    };
    let mut response = with_sequence(respond(hold(answer).await?), VISIBLE, visible);
    response.headers_mut().insert(CACHE, HeaderValue::from_static(cache.name()));
    Ok(match kind {
        StatementKind::Change | StatementKind::Insert => with_sequence(response, SEQUENCE, visible),
        StatementKind::Query | StatementKind::Show => response,
    })
}

fn request(context: &Context, statement: Statement) -> Result<SqlRequest> {
    let Some(sql) = statement.sql.filter(|sql| !sql.trim().is_empty()) else {
        return Err(Error::new(Code::InvalidRequest, "sql is missing").hint(BODY_HINT));
    };
    let most = context.app.config.query.timeout;
    Ok(SqlRequest {
        params: statement.params.into_iter().map(param).collect::<Result<_>>()?,
        limit: statement.limit,
        timeout: statement.timeout_ms.map(|ms| Duration::from_millis(ms).min(most)),
        durability: context.durability()?,
        caching: context.caching(statement.cache)?,
        ..SqlRequest::new(context.database()?.to_string(), sql)
    })
}

fn param(value: serde_json::Value) -> Result<SqlParam> {
    use serde_json::Value;
    Ok(match value {
        Value::Null => SqlParam::Null,
        Value::Bool(value) => SqlParam::Bool(value),
        Value::String(text) => SqlParam::Text(text),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => SqlParam::I64(value),
            (_, Some(value), _) => SqlParam::U64(value),
            (_, _, Some(value)) => SqlParam::F64(value),
            _ => return Err(bad_param()),
        },
        Value::Array(_) | Value::Object(_) => return Err(bad_param()),
    })
}

fn bad_param() -> Error {
    Error::new(Code::InvalidRequest, "params has something that is no value")
        .hint("params may hold null, true, false, numbers and texts")
}

/// `format` of the body > parameter `format` > `Accept` > JSON.
fn format_of(context: &Context, statement: &Statement) -> Result<ResultFormat> {
    match statement.format.as_deref().or(context.params.text("format")) {
        Some(name) => ResultFormat::parse(name),
        None => {
            let accept = context.header(&header::ACCEPT)?.unwrap_or("");
            Ok(ResultFormat::from_accept(accept).unwrap_or_default())
        }
    }
}

fn options(context: &Context, statement: &Statement) -> Result<ResultOptions> {
    let times = statement.times.as_deref().or(context.params.text("times"));
    let nonfinite = statement.nonfinite.as_deref().or(context.params.text("nonfinite"));
    Ok(ResultOptions {
        times: times.map(TimeStyle::parse).transpose()?.unwrap_or_default(),
        nonfinite: nonfinite.map(Nonfinite::parse).transpose()?.unwrap_or_default(),
    })
}
