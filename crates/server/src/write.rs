//! From a body in memory to rows in the engine: parse off the I/O threads, write, and parse again
//! when the schema moved meanwhile.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::response::Response;
use pulsora_model::{Code, Detail, Error, Name, Result, Sequence, TableWrite};
use pulsora_storage::{Catalog, Command, Durability, IdempotencyKey, Receipt, WriteRequest};
use pulsora_wire::Parsed;
use pulsora_wire::rows::RowsParsed;

use crate::answer::{DUPLICATE, SEQUENCE, with_sequence};
use crate::context::{Context, Figures};
use crate::metrics::Protocol;
use crate::tasks;

/// How often a body is parsed at most. The schema moves while a request is on its way only when
/// another one adds a column or widens one; three in a row is a client that adds columns all the time.
const ATTEMPTS: usize = 3;

/// How rows go into the engine.
#[derive(Clone)]
pub struct Target {
    /// For metrics and logs.
    pub protocol: Protocol,
    /// The database.
    pub database: Name,
    /// When it is acknowledged.
    pub durability: Durability,
    /// What a bad line does to the others.
    pub partial: Partial,
    /// The client's name for the body, or the piece of one: what was stored before is not stored again.
    pub key: Option<IdempotencyKey>,
}

impl Target {
    /// What the parameters and headers of a request ask for; bad lines lose no good ones.
    ///
    /// # Errors
    /// `invalid_name`, `invalid_request`.
    pub fn of(context: &Context, protocol: Protocol) -> Result<Target> {
        Ok(Target {
            protocol,
            database: context.database()?,
            durability: context.durability()?,
            partial: Partial::Accept,
            key: context.idempotency_key()?,
        })
    }

    /// The same for one piece of the body.
    #[must_use]
    pub fn piece(&self, number: u32) -> Target {
        Target { key: self.key.as_ref().map(|key| key.piece(number)), ..self.clone() }
    }
}

/// What a bad line does to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// The good ones are stored.
    Accept,
    /// Nothing is stored.
    Refuse,
}

/// What became of a body, or of all pieces of one so far.
#[derive(Debug, Default)]
pub struct Stored {
    /// WAL sequence of the last write; what is visible when there was none.
    pub sequence: Sequence,
    /// Rows stored, by this request or by the one that it repeats.
    pub rows: u64,
    /// Requests to the engine, and how many of them were repeats.
    pub writes: u32,
    /// See `writes`.
    pub repeats: u32,
    /// Lines, points or rows that could not be.
    pub rejected: u64,
    /// The first hundred of them.
    pub details: Vec<Detail>,
}

impl Stored {
    /// Whether all of it was stored before.
    pub fn is_duplicate(&self) -> bool {
        self.writes > 0 && self.repeats == self.writes
    }
}

/// The answer with what became of the write in its headers.
pub fn with_stored(mut response: Response, stored: &Stored) -> Response {
    if stored.is_duplicate() {
        response.headers_mut().insert(DUPLICATE, HeaderValue::from_static("true"));
    }
    with_sequence(response, SEQUENCE, stored.sequence)
}

/// Parses `body` against the present schemas and stores what is good.
///
/// # Errors
/// Those of the parser and of the engine; `partial_write` when something is bad and the target
/// refuses partial writes. Then nothing is stored.
pub async fn store<P>(context: &Context, target: &Target, bytes: usize, parse: P) -> Result<Stored>
where
    P: Fn(&Arc<Catalog>) -> Result<Parsed> + Clone + Send + 'static,
{
    let mut attempt = 1;
    loop {
        let mut parsed = run_parser(context, bytes, parse.clone()).await?;
        if parsed.rejected > 0 && target.partial == Partial::Refuse {
            let stored =
                Stored { rejected: parsed.rejected, details: parsed.details, ..Stored::default() };
            return Err(partial_write(&stored, parsed.rows));
        }
        match send(context, target, std::mem::take(&mut parsed.tables)).await {
            Ok(receipt) => return Ok(finish(context, target, bytes, receipt, parsed)),
            // At a limit the parser, which knows what is there by now, refuses row by row.
            Err(error)
                if matches!(error.code(), Code::SchemaMoved | Code::LimitExceeded)
                    && attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn run_parser<P>(context: &Context, bytes: usize, parse: P) -> Result<Parsed>
where
    P: Fn(&Arc<Catalog>) -> Result<Parsed> + Send + 'static,
{
    let catalog = context.running.engine.catalog();
    if bytes <= tasks::INLINE_BYTES {
        return parse(&catalog);
    }
    tasks::compute(&context.app, move || parse(&catalog)).await
}

/// Sends rows to the engine; `None` when there are none.
async fn send(
    context: &Context,
    target: &Target,
    tables: Vec<TableWrite>,
) -> Result<Option<Receipt>> {
    if tables.is_empty() {
        return Ok(None);
    }
    let (database, durability) = (target.database.clone(), target.durability);
    let key = target.key.clone();
    let request = WriteRequest { database, tables, durability, key };
    context.running.engine.write(request).await.map(Some)
}

fn finish(
    context: &Context,
    target: &Target,
    bytes: usize,
    receipt: Option<Receipt>,
    parsed: Parsed,
) -> Stored {
    let repeats = u32::from(receipt.is_some_and(|receipt| receipt.duplicate));
    let new_rows = if repeats > 0 { 0 } else { parsed.rows };
    context.app.metrics.ingested(target.protocol, new_rows, bytes as u64, parsed.rejected);
    Figures::add(&context.figures.rows, new_rows);
    Stored {
        sequence: receipt.map_or_else(
            || context.running.engine.snapshot().sequence(),
            |receipt| receipt.sequence,
        ),
        rows: parsed.rows,
        writes: u32::from(receipt.is_some()),
        repeats,
        rejected: parsed.rejected,
        details: parsed.details,
    }
}

/// `partial_write`: `stored.rejected` of all lines, points or items are bad.
pub fn partial_write(stored: &Stored, good: u64) -> Error {
    let all = stored.rejected + good;
    let what = match stored.rows {
        0 => "nothing is stored",
        _ => "the others are stored",
    };
    Error::new(
        Code::PartialWrite,
        format!("{} of {all} lines, points or items cannot be stored; {what}", stored.rejected),
    )
    .hint("details lists the first hundred; correct them and send those again")
    .written(stored.rows)
    .details(stored.details.iter().cloned())
}

/// A body of rows of one table as what all bodies become.
pub fn of_rows(rows: RowsParsed) -> Parsed {
    Parsed {
        tables: rows.write.into_iter().collect(),
        rows: rows.rows,
        rejected: rows.rejected,
        details: rows.details,
    }
}

/// Changes the catalog.
///
/// # Errors
/// Those of the command.
pub async fn execute(context: &Context, command: Command) -> Result<Receipt> {
    context.running.engine.execute(command).await
}
