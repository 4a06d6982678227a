//! A Parquet body: whole in memory when it is small, else through a file, batch by batch.
//!
//! Parquet is read from its end, so a large body is written to a file first; the file has no name any
//! more before the first byte is in it, so nothing of it is left after a crash.
//!
//! Invariants: batches are stored in the order of the file, each whole or not at all, while the next one is
//! decoded; row numbers in errors are those of the file; after an error the answer says how many rows are
//! stored.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use bytes::Bytes;
use pulsora_model::limits::DETAILS_MAX;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::{Detail, Error, Name, Result};
use pulsora_storage::Catalog;
use pulsora_wire::parquet_file::{self, Batches, ParquetFile};
use pulsora_wire::rows::RowOptions;

use crate::body::Intake;
use crate::context::Context;
use crate::store_body::{acknowledged, store_whole};
use crate::tasks;
use crate::write::{Stored, Target, of_rows, store};

/// Bytes of a body between two writes to its file.
const CHUNK_BYTES: usize = 4 << 20;

/// Stores a Parquet body into `table`.
///
/// # Errors
/// Those of reading, parsing and writing; after the first batch they say how many rows are stored.
pub async fn store_parquet(
    context: &Context,
    mut intake: Intake<'_>,
    target: &Target,
    table: Name,
    options: Arc<RowOptions>,
) -> Result<Stored> {
    let atomic = context.app.config.ingest.atomic_body_bytes;
    intake.fill(usize::try_from(atomic).unwrap_or(usize::MAX)).await?;
    if intake.ended() && intake.buffered().len() as u64 <= atomic {
        let database = target.database.clone();
        let parse = move |body: &Bytes, catalog: &Arc<Catalog>| {
            let known = catalog.lookup(&database).known(&table);
            parquet_file::parse(&table, body.clone(), &options, known).map(of_rows)
        };
        return store_whole(context, intake, target, parse).await;
    }
    let file = spool(context, &mut intake).await?;
    let batches = tasks::compute(&context.app, move || {
        let parquet = ParquetFile::open(&file, &[])?;
        parquet.batches(file, None)
    });
    let (mut batches, mut batch) = decode(context, batches.await?).await?;
    let mut total = Total::default();
    while let Some(present) = batch {
        let (database, table, options) = (target.database.clone(), table.clone(), options.clone());
        let (rows, len) = (present.num_rows() as u64, present.get_array_memory_size());
        let parse = move |catalog: &Arc<Catalog>| {
            let known = catalog.lookup(&database).known(&table);
            parquet_file::parse_batch(&table, &present, &options, known).map(of_rows)
        };
        let (stored, next) =
            tokio::join!(store(context, target, len, parse), decode(context, batches));
        total.add(stored, rows)?;
        (batches, batch) = next.map_err(|error| total.so_far(error))?;
    }
    acknowledged(context, target, &total.stored);
    Ok(total.stored)
}

/// The next batch, and what the others come from.
async fn decode(context: &Context, mut batches: Batches) -> Result<(Batches, Option<RecordBatch>)> {
    tasks::compute(&context.app, move || {
        let batch = batches.next().transpose()?;
        Ok((batches, batch))
    })
    .await
}

/// The body in a file without a name.
async fn spool(context: &Context, intake: &mut Intake<'_>) -> Result<File> {
    let dir = context.app.config.storage.data_dir.join("spill");
    let mut file = tasks::blocking(move || nameless(&dir)).await?;
    loop {
        intake.fill(CHUNK_BYTES).await?;
        let len = intake.buffered().len();
        let (chunk, ended) = (intake.take(len), intake.ended());
        file = tasks::blocking(move || {
            file.write_all(&chunk).map_err(|error| Error::io("keep a body", error))?;
            Ok(file)
        })
        .await?;
        if ended {
            return Ok(file);
        }
    }
}

/// A new file that goes with its last handle.
fn nameless(dir: &Path) -> Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let failed = |error| Error::io("make a file for a body", error);
    fs::create_dir_all(dir).map_err(failed)?;
    let path = dir.join(format!("body-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
    let mut options = File::options();
    // One that a crash left between these two calls is used again.
    let file = options.read(true).write(true).create(true).truncate(true).open(&path);
    let file = file.map_err(failed)?;
    fs::remove_file(&path).map_err(failed)?;
    Ok(file)
}

/// What became of the batches so far.
#[derive(Default)]
struct Total {
    stored: Stored,
    /// Rows of the file before the present batch.
    rows_before: u64,
}

impl Total {
    /// Adds what became of a batch of `rows` rows.
    fn add(&mut self, outcome: Result<Stored>, rows: u64) -> Result<()> {
        let stored = outcome.map_err(|error| self.so_far(self.in_file(error)))?;
        let room = DETAILS_MAX.saturating_sub(self.stored.details.len());
        let details = stored.details.into_iter().map(|detail| self.detail_in_file(detail));
        let details: Vec<Detail> = details.take(room).collect();
        self.stored.details.extend(details);
        self.stored.rows += stored.rows;
        self.stored.rejected += stored.rejected;
        self.stored.sequence = stored.sequence;
        self.rows_before += rows;
        Ok(())
    }

    /// An error of the present batch with the row numbers of the file.
    fn in_file(&self, error: Error) -> Error {
        let mut message = error.message().to_owned();
        if let Some(row) = error.detail_list().first().and_then(|detail| detail.index)
            && let Some(rest) = message.strip_prefix(&format!("row {row}"))
        {
            message = format!("row {}{rest}", row + self.rows_before);
        }
        let details = error.detail_list().iter().cloned();
        let details: Vec<Detail> = details.map(|detail| self.detail_in_file(detail)).collect();
        let moved = Error::new(error.code(), message).details(details);
        match error.hint_text() {
            Some(hint) => moved.hint(hint),
            None => moved,
        }
    }

    fn detail_in_file(&self, mut detail: Detail) -> Detail {
        detail.index = detail.index.map(|row| row + self.rows_before);
        detail
    }

    /// Says how many rows of earlier batches are stored, if there are any.
    fn so_far(&self, error: Error) -> Error {
        match self.stored.rows {
            0 => error,
            rows => {
                error.context(format!("after {rows} rows of this body were stored")).written(rows)
            }
        }
    }
}
