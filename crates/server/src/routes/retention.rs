//! `/api/v1/retention`: how long databases and tables keep rows, as policies with numbers, and what has
//! left.
//!
//! A policy is the retention of one database or one table; its number comes from their id, so it stays
//! while they do.

use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pulsora_model::span::{SPAN_HINT, parse_span, span_text};
use pulsora_model::time::time_text;
use pulsora_model::{Code, Error, Name, Result};
use pulsora_storage::{Catalog, Command, Expired, FlushFilter, TableChange, TableSetting};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer;
use crate::body::{self, Intake};
use crate::context::{Context, Operator};
use crate::error::HttpResult;
use crate::write::execute;

const DAY_NS: i64 = 86_400_000_000_000;

/// Runs that an answer lists unless `limit` says otherwise.
const RUNS_DEFAULT: usize = 50;

const BODY_HINT: &str = r#"send {"database":"default","measurement":"cpu","retention":"30d"}"#;

/// The retention of a database or one of its tables.
struct Policy {
    id: u64,
    database: Name,
    table: Option<Name>,
    retention_ns: i64,
}

impl Policy {
    fn json(&self) -> Value {
        let name = match &self.table {
            Some(table) => format!("{}.{table}", self.database),
            None => self.database.to_string(),
        };
        json!({
            "id": self.id,
            "name": name,
            "database": &*self.database,
            "measurement": self.table.as_deref(),
            "retention": span_text(std::time::Duration::from_nanos(self.retention_ns.unsigned_abs())),
            "retention_days": self.retention_ns as f64 / DAY_NS as f64,
            "is_active": true,
        })
    }

    fn filter(&self) -> FlushFilter {
        FlushFilter {
            database: Some(self.database.clone()),
            table: self.table.clone(),
            ..FlushFilter::default()
        }
    }

    fn command(&self, retention_ns: Option<i64>) -> Command {
        command(self.database.clone(), self.table.clone(), retention_ns)
    }
}

fn command(database: Name, table: Option<Name>, retention_ns: Option<i64>) -> Command {
    match table {
        Some(table) => Command::AlterTable {
            database,
            table,
            change: TableChange::Set(vec![TableSetting::Retention(retention_ns)]),
        },
        None => Command::AlterDatabase { name: database, retention_ns },
    }
}

/// All policies: databases have odd numbers, tables even ones.
fn policies(catalog: &Catalog) -> Vec<Policy> {
    let databases = catalog.databases().filter_map(|database| {
        let (id, retention_ns) = (u64::from(database.id.0) * 2 + 1, database.retention_ns?);
        Some(Policy { id, database: database.name.clone(), table: None, retention_ns })
    });
    let tables = catalog.tables().filter_map(|table| {
        let (id, retention_ns) = (u64::from(table.id.0) * 2, table.retention_ns?);
        let database = catalog.database_name(table.database)?.clone();
        Some(Policy { id, database, table: Some(table.name.clone()), retention_ns })
    });
    let mut policies: Vec<Policy> = databases.chain(tables).collect();
    policies.sort_by_key(|policy| policy.id);
    policies
}

fn policy(context: &Context, id: &str) -> Result<Policy> {
    let found = policies(&context.running.engine.catalog());
    let found = found.into_iter().find(|policy| policy.id.to_string() == id);
    found.ok_or_else(|| {
        Error::new(Code::RowNotFound, format!("there is no retention policy {id:?}"))
            .hint("GET /api/v1/retention lists them")
    })
}

#[derive(Deserialize)]
struct Asked {
    database: Option<String>,
    #[serde(alias = "table")]
    measurement: Option<String>,
    retention: Option<String>,
    retention_days: Option<f64>,
    #[serde(default)]
    buffer_days: f64,
    is_active: Option<bool>,
}

impl Asked {
    async fn read(context: &Context, body: Body) -> Result<Asked> {
        body::json(context, body, "is not a retention policy", BODY_HINT).await
    }

    /// How long rows are kept: `retention`, or days with the days that a policy waits beyond them.
    fn retention_ns(&self) -> Result<i64> {
        if self.is_active == Some(false) {
            let error = Error::new(Code::InvalidRequest, "a policy that is not active is none");
            return Err(error.hint("delete it instead"));
        }
        let invalid = |what: String| Error::new(Code::InvalidRequest, what).hint(SPAN_HINT);
        let ns = match (&self.retention, self.retention_days) {
            (Some(text), _) => {
                let span = parse_span(text).and_then(|span| i64::try_from(span.as_nanos()).ok());
                span.ok_or_else(|| invalid(format!("{text:?} is not a retention")))?
            }
            (None, Some(days)) => {
                let ns = (days + self.buffer_days) * DAY_NS as f64;
                // Past 292 years nothing that can be stored expires.
                if ns.is_finite() { ns.min(i64::MAX as f64) as i64 } else { 0 }
            }
            (None, None) => {
                let error = Error::new(Code::InvalidRequest, "retention is missing");
                return Err(error.hint(BODY_HINT));
            }
        };
        if ns > 0 { Ok(ns) } else { Err(invalid("a retention is longer than nothing".into())) }
    }
}

/// `GET /api/v1/retention`.
pub async fn list(context: Context) -> HttpResult {
    context.params.only(&[])?;
    let policies = policies(&context.running.engine.catalog());
    let policies: Vec<Value> = policies.iter().map(Policy::json).collect();
    Ok(Json(json!({"count": policies.len(), "policies": policies})).into_response())
}

/// `GET /api/v1/retention/{id}`.
pub async fn get(context: Context, Path(id): Path<String>) -> HttpResult {
    context.params.only(&[])?;
    Ok(Json(policy(&context, &id)?.json()).into_response())
}

/// `POST /api/v1/retention`.
pub async fn create(Operator(context): Operator, body: Body) -> HttpResult {
    context.params.only(&[])?;
    let asked = Asked::read(&context, body).await?;
    let database = match &asked.database {
        Some(database) => Name::new(database)?,
        None => context.database()?,
    };
    let table = asked.measurement.as_deref().map(Name::new).transpose()?;
    let retention_ns = asked.retention_ns()?;
    execute(&context, command(database.clone(), table.clone(), Some(retention_ns))).await?;
    let policies = policies(&context.running.engine.catalog());
    let made = policies.iter().find(|p| p.database == database && p.table == table);
    let made = made.ok_or_else(|| Error::internal("a policy is not there"))?;
    Ok((StatusCode::CREATED, Json(made.json())).into_response())
}

/// `PUT /api/v1/retention/{id}`.
pub async fn change(Operator(context): Operator, Path(id): Path<String>, body: Body) -> HttpResult {
    context.params.only(&[])?;
    let before = policy(&context, &id)?;
    let retention_ns = Asked::read(&context, body).await?.retention_ns()?;
    execute(&context, before.command(Some(retention_ns))).await?;
    Ok(Json(Policy { retention_ns, ..before }.json()).into_response())
}

/// `DELETE /api/v1/retention/{id}`: rows are kept for ever again, or as the database says.
pub async fn delete(Operator(context): Operator, Path(id): Path<String>) -> HttpResult {
    context.params.only(&[])?;
    let policy = policy(&context, &id)?;
    execute(&context, policy.command(None)).await?;
    Ok(answer::data(json!({"deleted": policy.id})))
}

#[derive(Default, Deserialize)]
struct Execute {
    #[serde(default)]
    dry_run: bool,
}

/// `POST /api/v1/retention/{id}/execute`: drops now what has expired, or says what it would drop.
pub async fn run(Operator(context): Operator, Path(id): Path<String>, body: Body) -> HttpResult {
    context.params.only(&["dry_run"])?;
    let policy = policy(&context, &id)?;
    let limit = context.app.config.limits.query_body_bytes;
    let intake = Intake::open(&context, body, limit)?;
    let (body, _room) = intake.whole(limit, "send {\"dry_run\":true} or nothing").await?;
    let asked: Execute = match body.trim_ascii().is_empty() {
        true => Execute::default(),
        false => serde_json::from_slice(&body).map_err(|error| {
            let message = format!("the body is not an execution: {error}");
            Error::new(Code::MalformedBody, message).hint("send {\"dry_run\":true} or nothing")
        })?,
    };
    let dry_run = asked.dry_run || context.params.flag("dry_run", false)?;
    let expired = context.running.engine.expired(&policy.filter());
    let rows = match dry_run {
        true => expired.iter().map(|expired| expired.rows).sum(),
        false => context.running.engine.expire(policy.filter()).await?.rows,
    };
    Ok(executed(&context, &policy, &expired, rows, dry_run))
}

fn executed(
    context: &Context,
    policy: &Policy,
    expired: &[Expired],
    rows: u64,
    dry_run: bool,
) -> Response {
    let segments: usize = expired.iter().map(|expired| expired.segments.len()).sum();
    let bytes: u64 = expired.iter().map(|expired| expired.bytes).sum();
    let tables: Vec<&str> = expired.iter().map(|expired| expired.table.name.as_str()).collect();
    Json(json!({
        "policy_id": policy.id,
        "policy_name": policy.json()["name"],
        "deleted_count": rows,
        "files_deleted": segments,
        "bytes_deleted": bytes,
        "execution_time_ms": context.elapsed_ms(),
        "dry_run": dry_run,
        "cutoff_date": time_text(context.now_ns().saturating_sub(policy.retention_ns)),
        "affected_measurements": tables,
    }))
    .into_response()
}

/// `GET /api/v1/retention/{id}/executions`.
pub async fn executions(context: Context, Path(id): Path<String>) -> HttpResult {
    context.params.only(&["limit"])?;
    let policy = policy(&context, &id)?;
    let limit = context.params.count("limit")?.unwrap_or(RUNS_DEFAULT);
    let runs = context.running.engine.retention_runs();
    let of_policy = runs.iter().filter(|run| {
        run.database == policy.database
            && policy.table.as_ref().is_none_or(|table| *table == run.table)
    });
    let runs: Vec<Value> = of_policy
        .take(limit)
        .map(|run| {
            json!({
                "policy_id": policy.id,
                "measurement": &*run.table,
                "execution_time": time_text(run.at_ns),
                "status": "completed",
                "deleted_count": run.rows,
                "files_deleted": run.segments,
                "bytes_deleted": run.bytes,
                "cutoff_date": time_text(run.floor_ns),
            })
        })
        .collect();
    Ok(Json(json!({"policy_id": policy.id, "executions": runs})).into_response())
}
