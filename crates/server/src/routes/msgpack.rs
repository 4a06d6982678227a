//! §5: MessagePack rows for any table.

use std::sync::Arc;

use axum::body::Body;
use pulsora_storage::Catalog;
use pulsora_wire::msgpack::{self, MsgpackOptions};

use super::line::{no_content, precision};
use crate::body::Intake;
use crate::context::Context;
use crate::error::HttpResult;
use crate::metrics::Protocol;
use crate::store_body::store_whole;
use crate::write::Target;

/// `POST /api/v1/write/msgpack` and its aliases.
pub async fn write(context: Context, body: Body) -> HttpResult {
    let target = Target::of(&context, Protocol::Msgpack)?;
    let database = target.database.clone();
    let options =
        MsgpackOptions { precision: precision(&context, "auto")?, now_ns: context.now_ns() };
    let intake = Intake::open(&context, body, context.app.config.ingest.max_body_bytes)?;
    let parse = move |body: &bytes::Bytes, catalog: &Arc<Catalog>| {
        msgpack::parse(body, &options, &catalog.lookup(&database))
    };
    let stored = store_whole(&context, intake, &target, parse).await?;
    no_content(&stored, r#"send {"m":"cpu","columns":{"time":[…],"usage":[…]}}"#)
}
