//! §7: databases.

use axum::Json;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use pulsora_model::{Code, Error, Name};
use pulsora_storage::Command;
use serde::Deserialize;
use serde_json::json;

use crate::answer::{self, SEQUENCE, VISIBLE, with_sequence};
use crate::body;
use crate::context::{Context, Operator, PathName};
use crate::error::HttpResult;
use crate::write::execute;

/// `GET /api/v1/databases`.
pub async fn list(context: Context) -> HttpResult {
    context.params.only(&[])?;
    let snapshot = context.running.engine.snapshot();
    let databases: Vec<_> = snapshot
        .catalog()
        .databases()
        .map(|database| json!({"name": &*database.name, "table_count": database.tables.len()}))
        .collect();
    let count = databases.len();
    let answer = Json(json!({"databases": databases, "count": count})).into_response();
    Ok(with_sequence(answer, VISIBLE, snapshot.sequence()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
}

/// `POST /api/v1/databases`.
pub async fn create(context: Context, body: Body) -> HttpResult {
    context.params.only(&[])?;
    let create: Create =
        body::json(&context, body, "does not name a database", r#"send {"name":"metrics"}"#)
            .await?;
    let name = Name::new(&create.name)?;
    let command = Command::CreateDatabase { name: name.clone(), if_not_exists: false };
    let receipt = execute(&context, command).await?;
    let answer = answer::data_with(StatusCode::CREATED, json!({"name": &*name}));
    Ok(with_sequence(answer, SEQUENCE, receipt.sequence))
}

/// `DELETE /api/v1/databases/{db}?confirm=true`.
pub async fn drop(Operator(context): Operator, PathName(name): PathName) -> HttpResult {
    context.params.only(&["confirm"])?;
    if !context.params.flag("confirm", false)? {
        return Err(Error::new(
            Code::ConfirmationNeeded,
            format!("dropping database {:?} loses all of its rows", &*name),
        )
        .hint("add confirm=true if that is meant")
        .into());
    }
    let receipt = execute(&context, Command::DropDatabase { name }).await?;
    let answer = answer::data(json!({"dropped": receipt.changed}));
    Ok(with_sequence(answer, SEQUENCE, receipt.sequence))
}
