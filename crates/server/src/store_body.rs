//! Bodies into the engine: whole ones, and large text ones piece by piece.

use std::sync::Arc;

use bytes::Bytes;
use pulsora_model::{Code, Error, Result};
use pulsora_storage::Catalog;
use pulsora_wire::Parsed;
use pulsora_wire::rows::Boundary;

use crate::body::Intake;
use crate::context::Context;
use crate::logging::{PERFORMANCE, PERFORMANCE_ROWS_MIN};
use crate::pieces::Pieces;
use crate::stream::took;
use crate::write::{Partial, Stored, Target, store};

const ATOMIC_HINT: &str = "send CSV, NDJSON or line protocol, which are stored in pieces, or smaller \
     bodies, or raise ingest.atomic_body_bytes";

/// Stores a body of one of the formats that can be cut at `boundary`.
///
/// # Errors
/// Those of reading, parsing and writing; after the first piece they say how many rows are stored.
pub async fn store_pieces<P>(
    context: &Context,
    mut intake: Intake<'_>,
    target: &Target,
    boundary: Boundary,
    parse: P,
) -> Result<Stored>
where
    P: Fn(&Bytes, &Arc<Catalog>) -> Result<Parsed> + Clone + Send + 'static,
{
    let mut pieces = Pieces::new(boundary, context.app.config.ingest.atomic_body_bytes);
    while let Some(piece) = pieces.next(&mut intake).await? {
        if target.partial == Partial::Refuse && !piece.is_whole_body {
            return Err(too_large(context));
        }
        if piece.is_blank_tail {
            continue;
        }
        let (bytes, parse) = (Bytes::from(piece.bytes), parse.clone());
        let len = bytes.len();
        let target = target.piece(piece.number);
        let outcome = store(context, &target, len, move |catalog| parse(&bytes, catalog)).await;
        pieces.add(outcome)?;
    }
    let stored = pieces.finish();
    acknowledged(context, target, &stored);
    Ok(stored)
}

/// Stores a body of a format that cannot be cut: whole or not at all.
///
/// # Errors
/// Those of reading, parsing and writing; `body_too_large` beyond `ingest.atomic_body_bytes`.
pub async fn store_whole<P>(
    context: &Context,
    intake: Intake<'_>,
    target: &Target,
    parse: P,
) -> Result<Stored>
where
    P: Fn(&Bytes, &Arc<Catalog>) -> Result<Parsed> + Clone + Send + 'static,
{
    let atomic = context.app.config.ingest.atomic_body_bytes;
    let (bytes, _room) = intake.whole(atomic, ATOMIC_HINT).await?;
    store_bytes(context, bytes, target, parse).await
}

/// Like [`store_whole`] for a body that is one block of snappy.
///
/// # Errors
/// As [`store_whole`].
pub async fn store_snappy<P>(
    context: &Context,
    intake: Intake<'_>,
    target: &Target,
    parse: P,
) -> Result<Stored>
where
    P: Fn(&Bytes, &Arc<Catalog>) -> Result<Parsed> + Clone + Send + 'static,
{
    let atomic = context.app.config.ingest.atomic_body_bytes;
    let (bytes, _room) = intake.whole_snappy(atomic, ATOMIC_HINT).await?;
    store_bytes(context, bytes, target, parse).await
}

async fn store_bytes<P>(
    context: &Context,
    bytes: Bytes,
    target: &Target,
    parse: P,
) -> Result<Stored>
where
    P: Fn(&Bytes, &Arc<Catalog>) -> Result<Parsed> + Clone + Send + 'static,
{
    let len = bytes.len();
    let stored = store(context, target, len, move |catalog| parse(&bytes, catalog)).await?;
    acknowledged(context, target, &stored);
    Ok(stored)
}

fn too_large(context: &Context) -> Error {
    let atomic = context.app.config.ingest.atomic_body_bytes;
    Error::new(
        Code::BodyTooLarge,
        format!("a body of more than {atomic} bytes cannot be stored all or nothing"),
    )
    .hint("allow partial writes, send smaller bodies, or raise ingest.atomic_body_bytes")
}

/// Notes a body that has been stored.
pub fn acknowledged(context: &Context, target: &Target, stored: &Stored) {
    let took = took(&context.app, context.arrived_ns);
    context.app.metrics.acknowledged(target.protocol, took);
    if context.app.config.logging.performance && stored.rows >= PERFORMANCE_ROWS_MIN {
        let seconds = took.as_secs_f64().max(1e-9);
        tracing::info!(
            target: PERFORMANCE,
            protocol = target.protocol.name(),
            rows = stored.rows,
            rejected = stored.rejected,
            bytes = context.figures.bytes_in.load(std::sync::atomic::Ordering::Relaxed),
            duration_ms = took.as_micros() as f64 / 1_000.0,
            rows_per_second = (stored.rows as f64 / seconds) as u64,
            "ingest"
        );
    }
}
