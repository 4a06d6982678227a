//! §2: rows into a table, in any row format.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use bytes::Bytes;
use pulsora_model::name::prefix;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::{Code, Detail, Error, Mode, Name, PartitionWidth, Result};
use pulsora_storage::Catalog;
use pulsora_wire::msgpack::MsgpackOptions;
use pulsora_wire::rows::{OnError, RowFormat, RowOptions, TimeFormat};
use pulsora_wire::{Parsed, msgpack};
use serde::Serialize;

use crate::answer;
use crate::body::Intake;
use crate::context::{Context, PathName};
use crate::error::HttpResult;
use crate::metrics::Protocol;
use crate::parquet_body::store_parquet;
use crate::store_body::{store_pieces, store_whole};
use crate::write::{Stored, Target, of_rows, with_stored};

const PARAMETERS: &[&str] = &[
    "time_column",
    "row_id",
    "time_format",
    "tags",
    "delimiter",
    "null",
    "on_error",
    "partition",
    "mode",
    "durability",
];

/// MessagePack says its unit as in §5; in the other formats `time_format` does.
const MSGPACK_PARAMETERS: &[&str] = &["on_error", "durability", "precision"];

#[derive(Serialize)]
struct Ingested<'a> {
    rows_inserted: u64,
    processing_time_ms: f64,
    rows_rejected: u64,
    #[serde(skip_serializing_if = "<[Detail]>::is_empty")]
    details: &'a [Detail],
}

/// `POST /tables/{t}/ingest`.
pub async fn ingest(context: Context, PathName(table): PathName, body: Body) -> HttpResult {
    let protocol = protocol(context.header(&header::CONTENT_TYPE)?)?;
    let msgpack = protocol == Protocol::Msgpack;
    context.params.only(if msgpack { MSGPACK_PARAMETERS } else { PARAMETERS })?;
    let options = Arc::new(options(&context)?);
    let target = Target::of(&context, protocol)?;
    let intake = Intake::open(&context, body, context.app.config.ingest.max_body_bytes)?;
    let stored = store(&context, intake, &target, table, options).await?;
    let data = Ingested {
        rows_inserted: stored.rows,
        processing_time_ms: context.elapsed_ms(),
        rows_rejected: stored.rejected,
        details: &stored.details,
    };
    Ok(with_stored(answer::data(data), &stored))
}

async fn store(
    context: &Context,
    intake: Intake<'_>,
    target: &Target,
    table: Name,
    options: Arc<RowOptions>,
) -> Result<Stored> {
    let Some(format) = row_format(target.protocol) else {
        return store_msgpack(context, intake, target, table).await;
    };
    if format == RowFormat::Parquet {
        return store_parquet(context, intake, target, table, options).await;
    }
    let boundary = format.boundary(&options);
    let database = target.database.clone();
    let parse = move |body: &Bytes, catalog: &Arc<Catalog>| {
        let known = catalog.lookup(&database).known(&table);
        format.parse(&table, body, &options, known).map(of_rows)
    };
    match boundary {
        Some(boundary) => store_pieces(context, intake, target, boundary, parse).await,
        None => store_whole(context, intake, target, parse).await,
    }
}

/// The row format of a protocol; the other one that comes here is MessagePack.
fn row_format(protocol: Protocol) -> Option<RowFormat> {
    match protocol {
        Protocol::Csv => Some(RowFormat::Csv),
        Protocol::Ndjson => Some(RowFormat::Ndjson),
        Protocol::Json => Some(RowFormat::Json),
        Protocol::Arrow => Some(RowFormat::Arrow),
        Protocol::Parquet => Some(RowFormat::Parquet),
        Protocol::Msgpack
        | Protocol::Line
        | Protocol::Metric
        | Protocol::Tcp
        | Protocol::RemoteWrite
        | Protocol::Otlp => None,
    }
}

/// The forms of §5, all for the table of the path; all or nothing.
async fn store_msgpack(
    context: &Context,
    intake: Intake<'_>,
    target: &Target,
    table: Name,
) -> Result<Stored> {
    let precision = super::line::precision(context, "auto")?;
    let options = MsgpackOptions { precision, now_ns: context.now_ns() };
    let database = target.database.clone();
    let on_error = on_error(context)?;
    let parse = move |body: &Bytes, catalog: &Arc<Catalog>| {
        let parsed = msgpack::parse(body, &options, &catalog.lookup(&database))?;
        for_one_table(parsed, &table, on_error)
    };
    store_whole(context, intake, target, parse).await
}

fn for_one_table(parsed: Parsed, table: &Name, on_error: OnError) -> Result<Parsed> {
    if let Some(other) = parsed.tables.iter().find(|write| write.table != *table) {
        return Err(Error::new(
            Code::SchemaConflict,
            format!("the body has rows for {:?}, the path is for {:?}", &*other.table, &**table),
        )
        .hint("POST /api/v1/write/msgpack takes rows for any table"));
    }
    match parsed.details.first() {
        Some(first) if on_error == OnError::Abort => {
            let message = format!("item {}: {}", first.index.unwrap_or(0), first.message);
            Err(Error::new(Code::MalformedBody, message).details(parsed.details.clone()))
        }
        _ => Ok(parsed),
    }
}

/// The format by `Content-Type`. What clients send who say nothing about it is CSV.
fn protocol(content_type: Option<&str>) -> Result<Protocol> {
    let content_type = content_type.unwrap_or("");
    let media_type = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    Ok(match media_type.as_str() {
        ""
        | "text/csv"
        | "application/csv"
        | "text/plain"
        | "application/octet-stream"
        | "application/x-www-form-urlencoded" => Protocol::Csv,
        "application/json" | "text/json" => Protocol::Json,
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines" => Protocol::Ndjson,
        "application/vnd.apache.arrow.stream" | "application/arrow" => Protocol::Arrow,
        "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => {
            Protocol::Msgpack
        }
        "application/vnd.apache.parquet" | "application/parquet" | "application/x-parquet" => {
            Protocol::Parquet
        }
        other => {
            return Err(Error::new(
                Code::UnsupportedFormat,
                format!("the content type {:?} is not read here", prefix(other, 80)),
            )
            .hint(
                "use text/csv, application/json, application/x-ndjson, application/msgpack, \
                 application/vnd.apache.arrow.stream or application/vnd.apache.parquet",
            ));
        }
    })
}

fn on_error(context: &Context) -> Result<OnError> {
    context.params.text("on_error").map_or(Ok(OnError::default()), OnError::parse)
}

fn options(context: &Context) -> Result<RowOptions> {
    let params = &context.params;
    let owned = |name: &str| params.text(name).map(str::to_owned);
    let defaults = RowOptions::default();
    Ok(RowOptions {
        time_column: owned("time_column"),
        row_id: owned("row_id"),
        time_format: params.text("time_format").map(TimeFormat::parse).transpose()?,
        tags: params.list("tags").into_iter().map(str::to_owned).collect(),
        delimiter: params.value("delimiter").map_or(Ok(defaults.delimiter), delimiter)?,
        null_texts: match params.value("null") {
            Some(texts) => texts.split(',').map(str::to_owned).collect(),
            None => defaults.null_texts.clone(),
        },
        on_error: on_error(context)?,
        partition: params
            .text("partition")
            .map_or(Ok(defaults.partition), PartitionWidth::parse)?,
        mode: params.text("mode").map(Mode::parse).transpose()?,
        now_ns: context.now_ns(),
        limits: context.app.config.limits.rows,
    })
}

fn delimiter(text: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        b"\\t" | b"tab" => Ok(b'\t'),
        _ => Err(Error::new(
            Code::InvalidRequest,
            format!("delimiter {:?} is not one ASCII character", prefix(text, 20)),
        )
        .hint("use delimiter=; or delimiter=tab, percent-encoded where needed")),
    }
}
