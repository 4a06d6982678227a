//! Buckets of InfluxDB v2: a bucket is a database, its id the database's number.

use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pulsora_model::{Code, Error, Name, Result};
use pulsora_storage::{Command, Database};
use serde::Deserialize;
use serde_json::{Value, json};

use super::orgs::ORG_ID;
use crate::body;
use crate::context::Context;
use crate::error::HttpResult;
use crate::write::execute;

/// Buckets on a page, unless the request says otherwise; the same as there.
const PAGE: usize = 20;

const NS_PER_SECOND: i64 = 1_000_000_000;

/// `GET /api/v2/buckets?name&id&limit&offset&after`.
pub async fn list_buckets(context: Context) -> HttpResult {
    let params = &context.params;
    let snapshot = context.running.engine.snapshot();
    let mut all: Vec<&Database> = snapshot.catalog().databases().map(|one| &**one).collect();
    all.sort_by_key(|database| database.id);
    let (limit, offset) =
        (params.count("limit")?.unwrap_or(PAGE).max(1), params.count("offset")?.unwrap_or(0));
    let after = params.text("after").map(number).transpose()?;
    let id = params.text("id").map(number).transpose()?;
    let name = params.text("name");
    let found: Vec<&Database> = all
        .into_iter()
        .filter(|database| name.is_none_or(|name| *database.name == *name))
        .filter(|database| id.is_none_or(|id| u64::from(database.id.0) == id))
        .filter(|database| after.is_none_or(|after| u64::from(database.id.0) > after))
        .collect();
    let page: Vec<Value> =
        found.iter().skip(offset).take(limit).map(|database| describe(database)).collect();
    let mut links = json!({"self": "/api/v2/buckets"});
    if found.len() > offset.saturating_add(limit) {
        let next = offset + limit;
        links["next"] = json!(format!("/api/v2/buckets?limit={limit}&offset={next}"));
    }
    Ok(Json(json!({"links": links, "buckets": page})).into_response())
}

/// `GET /api/v2/buckets/{id}`.
pub async fn bucket(context: Context, Path(id): Path<String>) -> HttpResult {
    let snapshot = context.running.engine.snapshot();
    let name = name_of(&context, &id)?;
    Ok(Json(describe(snapshot.catalog().database(&name)?)).into_response())
}

/// What is read of a new bucket.
#[derive(Deserialize)]
struct Create {
    name: String,
    #[serde(default, rename = "retentionRules")]
    rules: Vec<Rule>,
}

/// Rows expire after so many seconds; 0 = never.
#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "everySeconds")]
    every_seconds: i64,
}

/// `POST /api/v2/buckets`.
pub async fn create_bucket(context: Context, body: Body) -> HttpResult {
    let hint = r#"send {"name":"metrics","orgID":"…"}"#;
    let create: Create = body::json(&context, body, "does not name a bucket", hint).await?;
    let name = Name::new(&create.name)?;
    let keeps = create.rules.first().map(|rule| rule.every_seconds).filter(|seconds| *seconds > 0);
    execute(&context, Command::CreateDatabase { name: name.clone(), if_not_exists: false }).await?;
    if let Some(seconds) = keeps {
        let retention_ns = Some(seconds.saturating_mul(NS_PER_SECOND));
        execute(&context, Command::AlterDatabase { name: name.clone(), retention_ns }).await?;
    }
    let snapshot = context.running.engine.snapshot();
    let bucket = Json(describe(snapshot.catalog().database(&name)?));
    Ok((StatusCode::CREATED, bucket).into_response())
}

/// `DELETE /api/v2/buckets/{id}`.
pub async fn drop_bucket(context: Context, Path(id): Path<String>) -> HttpResult<Response> {
    let name = name_of(&context, &id)?;
    execute(&context, Command::DropDatabase { name }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn describe(database: &Database) -> Value {
    let id = format!("{:016x}", database.id.0);
    let rule = |ns: i64| json!({"type": "expire", "everySeconds": ns / NS_PER_SECOND});
    let rules: Vec<Value> = database.retention_ns.map(rule).into_iter().collect();
    json!({
        "id": id,
        "orgID": ORG_ID,
        "type": "user",
        "name": &*database.name,
        "retentionRules": rules,
        "labels": [],
        "links": {"self": format!("/api/v2/buckets/{id}"), "org": format!("/api/v2/orgs/{ORG_ID}")},
    })
}

/// The database with an id.
fn name_of(context: &Context, id: &str) -> Result<Name> {
    let wanted = number(id)?;
    let snapshot = context.running.engine.snapshot();
    let found = snapshot.catalog().databases().find(|database| u64::from(database.id.0) == wanted);
    found.map(|database| database.name.clone()).ok_or_else(|| {
        Error::new(Code::DatabaseNotFound, format!("there is no bucket with the id {id:?}"))
            .hint("GET /api/v2/buckets lists them")
    })
}

fn number(id: &str) -> Result<u64> {
    let digits = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(id, 16).ok().filter(|_| digits).ok_or_else(|| {
        Error::new(Code::InvalidRequest, format!("{id:?} is not an id"))
            .hint("an id has 16 hexadecimal digits")
    })
}
