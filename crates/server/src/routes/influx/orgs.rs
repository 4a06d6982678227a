//! Organisations and sessions of InfluxDB v2. There is one organisation, and it has every name that it
//! is asked by; there are no users, so every session is let in.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulsora_model::{Code, Error};
use serde_json::{Value, json};

use crate::app::App;
use crate::context::Context;
use crate::error::{HttpError, HttpResult};

/// Id of the one organisation.
pub(super) const ORG_ID: &str = "0000000000000001";

/// `GET /api/v2/orgs?org&orgID`.
pub async fn list_orgs(context: Context) -> HttpResult {
    let name = context.params.text("org").unwrap_or("default");
    let links = json!({"self": "/api/v2/orgs"});
    Ok(Json(json!({"links": links, "orgs": [describe(name)]})).into_response())
}

/// `GET /api/v2/orgs/{id}`.
pub async fn org(State(_): State<App>, Path(id): Path<String>) -> HttpResult {
    if id == ORG_ID {
        return Ok(Json(describe("default")).into_response());
    }
    Err(Error::new(Code::InvalidRequest, format!("there is no organisation with the id {id:?}"))
        .hint("GET /api/v2/orgs says the id of the only one")
        .into())
}

fn describe(name: &str) -> Value {
    json!({
        "id": ORG_ID,
        "name": name,
        "status": "active",
        "links": {"self": format!("/api/v2/orgs/{ORG_ID}"), "buckets": "/api/v2/buckets"},
    })
}

/// `POST /api/v2/signin`: clients that were given a user name want a cookie for their session.
pub async fn sign_in() -> Response {
    let cookie = "influxdb-oss-session=none; Path=/api/; HttpOnly; SameSite=Strict";
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

/// `POST /api/v2/signout`.
pub async fn sign_out() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// `POST /api/v2/query`: Flux.
pub async fn flux() -> HttpError {
    HttpError(
        Error::new(Code::InvalidRequest, "Flux is not understood by this server")
            .hint(r#"ask in SQL: POST /api/v1/query with {"sql":"…"}"#),
    )
}
