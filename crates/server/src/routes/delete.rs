//! `/api/v1/delete`: rows of a table that fulfil a condition, as clients of Arc delete them.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use axum::Json;
use axum::body::Body;
use axum::response::IntoResponse;
use futures::TryStreamExt;
use pulsora_model::{Code, Error, Result};
use pulsora_query::{About, SqlRequest};
use serde::Deserialize;
use serde_json::json;

use super::arc::count;
use crate::answer::{SEQUENCE, with_sequence};
use crate::body;
use crate::context::{Context, Operator};
use crate::error::HttpResult;

const BODY_HINT: &str =
    r#"send {"measurement":"cpu","where":"host = 'a'"}; where "1=1" is every row"#;

#[derive(Deserialize)]
struct Delete {
    database: Option<String>,
    #[serde(alias = "table")]
    measurement: String,
    #[serde(rename = "where")]
    condition: String,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    confirm: bool,
}

/// `POST /api/v1/delete`.
pub async fn delete(Operator(context): Operator, body: Body) -> HttpResult {
    context.params.only(&["priority"])?;
    let delete: Delete =
        body::json(&context, body, "does not say what to delete", BODY_HINT).await?;
    if delete.condition.trim().is_empty() {
        let error = Error::new(Code::InvalidRequest, "where is empty");
        return Err(error.hint(BODY_HINT).into());
    }
    let database = match &delete.database {
        Some(database) => database.clone(),
        None => context.database()?.to_string(),
    };
    let table = format!("{}.{}", quoted(&database), quoted(&delete.measurement));
    // The line break ends a comment at the end of the condition.
    let rest = format!("FROM {table} WHERE ({}\n)", delete.condition);
    let threshold = context.app.config.delete.confirm_rows;
    let found = count(&context, &format!("SELECT 1 {rest}")).await?;
    if !delete.dry_run && !delete.confirm && threshold > 0 && found > threshold {
        return Err(confirmation(found, threshold).into());
    }
    let (deleted, sequence) = match delete.dry_run || found == 0 {
        true => (found, None),
        false => {
            let sql = format!("DELETE {rest}");
            let about = About {
                database: database.as_str().into(),
                ..context.about("delete", &sql, None)?
            };
            let queries = &context.running.queries;
            let request = SqlRequest::new(database, sql);
            let answer = queries.sql_as(queries.open(about), request).await?;
            // To the end, else the query would count as abandoned.
            let batches: Vec<RecordBatch> = answer.batches.try_collect().await?;
            (batches.first().map_or(Ok(0), first_count)?, Some(answer.visible))
        }
    };
    let answer = Json(json!({
        "success": true,
        "deleted_count": deleted,
        "dry_run": delete.dry_run,
        "execution_time_ms": context.elapsed_ms(),
    }))
    .into_response();
    Ok(match sequence {
        Some(sequence) => with_sequence(answer, SEQUENCE, sequence),
        None => answer,
    })
}

fn first_count(batch: &RecordBatch) -> Result<u64> {
    let counts = batch.column(0).as_primitive_opt::<UInt64Type>();
    let count = counts.filter(|counts| !counts.is_empty()).map(|counts| counts.value(0));
    count.ok_or_else(|| Error::internal("a DELETE gave no number"))
}

fn confirmation(rows: u64, threshold: u64) -> Error {
    let message = format!("{rows} rows would be deleted, more than {threshold}");
    Error::new(Code::ConfirmationNeeded, message)
        .hint("add \"confirm\":true if that is meant; delete.confirm_rows sets the threshold")
}

/// A name as SQL writes it, whatever it holds.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `GET /api/v1/delete/config`.
pub async fn config(context: Context) -> HttpResult {
    context.params.only(&[])?;
    Ok(Json(json!({
        "enabled": true,
        "confirmation_threshold": context.app.config.delete.confirm_rows,
        "implementation": "bitmaps",
    }))
    .into_response())
}
