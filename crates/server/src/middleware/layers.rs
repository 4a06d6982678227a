//! The layers around the routes, from outside in: observe → panics → CORS →
//! compression → bodies that linger.

use std::any::Any;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use pulsora_model::{Code, Error, Result};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::cors::{AllowOrigin, Any as AnyValue, CorsLayer};

use super::linger::linger;
use super::observe::observe;
use crate::answer;
use crate::app::App;
use crate::error::HttpError;

/// Puts the layers around `routes`.
///
/// # Errors
/// `invalid_config` when `server.cors` holds something that is no origin.
pub fn wrap(routes: Router, app: &App) -> Result<Router> {
    let mut routes = routes.layer(from_fn(linger));
    if app.config.server.compression {
        routes = routes.layer(compression());
    }
    if let Some(cors) = cors(&app.config.server.cors)? {
        routes = routes.layer(cors);
    }
    Ok(routes
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(app.clone(), observe)))
}

/// Arrow and Parquet are packed already, and their readers want the bytes as they are.
fn compression() -> CompressionLayer<impl Predicate> {
    let packed = NotForContentType::const_new("application/vnd.apache");
    CompressionLayer::new().compress_when(DefaultPredicate::new().and(packed))
}

fn cors(origins: &str) -> Result<Option<CorsLayer>> {
    let origins = origins.trim();
    if origins.is_empty() {
        return Ok(None);
    }
    let allowed = if origins == "*" {
        AllowOrigin::from(AnyValue)
    } else {
        let parse = |origin: &str| {
            HeaderValue::from_str(origin.trim()).map_err(|_| {
                Error::new(Code::InvalidConfig, format!("server.cors: {origin:?} is no origin"))
                    .hint("write origins like https://example.org, separated by commas")
            })
        };
        AllowOrigin::list(origins.split(',').map(parse).collect::<Result<Vec<_>>>()?)
    };
    let request_id = HeaderName::from_static("x-request-id");
    let [query_id, _] = answer::QUERY_ID;
    Ok(Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers(AnyValue)
            .expose_headers([
                request_id,
                answer::SEQUENCE,
                answer::DUPLICATE,
                answer::VISIBLE,
                answer::MORE,
                answer::TIMING,
                query_id,
                answer::CACHE,
                answer::NEXT,
                header::RETRY_AFTER,
            ]),
    ))
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    HttpError(Error::internal(format!("a handler panicked: {text}"))).into_response()
}
