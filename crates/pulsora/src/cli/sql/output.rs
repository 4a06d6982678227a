//! Where an answer goes, and in which format.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use pulsora_model::{Error, Result};
use pulsora_wire::results::{ResultFormat, ResultOptions, ResultWriter, Summary, sql_writer};

use super::session::Answer;
use super::table::Table;
use crate::cli::progress::{rows, span};
use crate::cli::report;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// With a header line
    Csv,
    /// One document
    Json,
    /// One object per line
    Ndjson,
    /// Arrow IPC stream
    Arrow,
    /// Parquet file
    Parquet,
    /// MessagePack, columnar
    Msgpack,
}

impl Format {
    /// What the extension of a file says; `None` = nothing.
    pub fn of_file(path: &Path) -> Option<Format> {
        Some(match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Format::Csv,
            "json" => Format::Json,
            "ndjson" | "jsonl" => Format::Ndjson,
            "arrow" | "arrows" | "ipc" => Format::Arrow,
            "parquet" => Format::Parquet,
            "msgpack" | "mp" => Format::Msgpack,
            "txt" => Format::Table,
            _ => return None,
        })
    }

    /// Whether it would only confuse a terminal.
    pub fn is_binary(self) -> bool {
        matches!(self, Format::Arrow | Format::Parquet | Format::Msgpack)
    }

    fn writer(self) -> Option<Box<dyn ResultWriter>> {
        let format = match self {
            Format::Table => return None,
            Format::Csv => ResultFormat::Csv,
            Format::Json => ResultFormat::Json,
            Format::Ndjson => ResultFormat::Ndjson,
            Format::Arrow => ResultFormat::Arrow,
            Format::Parquet => ResultFormat::Parquet,
            Format::Msgpack => ResultFormat::Msgpack,
        };
        Some(sql_writer(format, ResultOptions::default()))
    }
}

/// Standard output, or a file.
pub(super) enum Output {
    Standard,
    File(PathBuf, BufWriter<File>),
}

/// Figures of one answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub rows: u64,
    pub time: Duration,
}

impl Output {
    /// Standard output without a path; a file is made, or emptied.
    ///
    /// # Errors
    /// `io_error`.
    pub fn open(path: Option<&Path>) -> Result<Output> {
        let Some(path) = path else { return Ok(Output::Standard) };
        let file = File::create(path)
            .map_err(|error| Error::io(format!("create {}", path.display()), error))?;
        Ok(Output::File(path.to_owned(), BufWriter::new(file)))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Output::Standard => report::print(bytes),
            Output::File(path, file) => file
                .write_all(bytes)
                .map_err(|error| Error::io(format!("write {}", path.display()), error)),
        }
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// `io_error`.
    pub fn finish(&mut self) -> Result<()> {
        match self {
            Output::Standard => Ok(()),
            Output::File(path, file) => {
                file.flush().map_err(|error| Error::io(format!("write {}", path.display()), error))
            }
        }
    }

    /// Writes an answer as its batches come. `begun` is when its statement was sent.
    ///
    /// # Errors
    /// Those of the batches, of the format, `io_error`.
    pub fn answer(&mut self, answer: Answer, format: Format, begun: Instant) -> Result<Answered> {
        let rows = match format.writer() {
            Some(writer) => self.formatted(answer, writer, begun)?,
            None => self.table(answer)?,
        };
        Ok(Answered { rows, time: begun.elapsed() })
    }

    fn table(&mut self, answer: Answer) -> Result<u64> {
        let mut table = Table::new(&answer.schema);
        let (mut text, mut rows) = (String::new(), 0);
        for batch in answer.batches {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            table.push(&batch, &mut text)?;
            self.write(text.as_bytes())?;
            text.clear();
        }
        table.finish(&mut text);
        self.write(text.as_bytes())?;
        Ok(rows)
    }

    fn formatted(
        &mut self,
        answer: Answer,
        mut writer: Box<dyn ResultWriter>,
        begun: Instant,
    ) -> Result<u64> {
        let (mut bytes, mut rows) = (Vec::new(), 0);
        writer.begin(&answer.schema, &mut bytes)?;
        for batch in answer.batches {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            writer.batch(&batch, &mut bytes)?;
            self.write(&bytes)?;
            bytes.clear();
        }
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let summary = Summary {
            row_count: rows,
            execution_time_ms: begun.elapsed().as_secs_f64() * 1e3,
            timestamp_ns: i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX),
        };
        writer.end(&summary, &mut bytes)?;
        if matches!(self, Output::Standard) && bytes.last().is_some_and(|last| *last == b'}') {
            bytes.push(b'\n');
        }
        self.write(&bytes)?;
        Ok(rows)
    }
}

impl Answered {
    /// `12,154 rows in 31 ms`.
    pub fn text(&self) -> String {
        format!("{} in {}", rows(self.rows), span(self.time))
    }
}
