//! The arguments of `pulsora import`, as parameters of the server's routes and as options of the
//! embedded parsers.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use pulsora::{OnError, RowOptions, TimeFormat};
use pulsora_model::time::Precision;
use pulsora_model::{Code, Error, Mode, PartitionWidth, Result};

use super::format::Format;
use crate::cli::place::PlaceArgs;

/// Arguments of `pulsora import`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pulsora import prices.csv.gz --table prices --tags symbol
  pulsora import day1.parquet day2.parquet --table trades --url http://db:8080
  pulsora import events.ndjson --table events --data-dir ./data
  cat metrics.line | pulsora import - --format line

Files may be gzip or zstd, but Parquet, which is read from its end and cannot come through a pipe either.
Text and Parquet are stored in pieces of 8 MiB, each whole or not at all; MessagePack and Arrow as one
piece. Pieces of CSV and Parquet are sent several at once into append tables, if the file has no row ids;
otherwise one after the other, in the order of the file. Memory is bounded whatever the size of a file.")]
pub(in crate::cli) struct ImportArgs {
    /// Files; `-` is standard input
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// The table; line protocol and MessagePack items name theirs
    #[arg(long, short, value_name = "NAME")]
    pub table: Option<String>,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// What the files hold
    #[arg(long, short, value_enum, default_value_t = Asked::Auto)]
    pub format: Asked,
    /// Column of the times [default: by the table, else by name and content]
    #[arg(long, value_name = "COLUMN", help_heading = ROWS)]
    time_column: Option<String>,
    /// How times are written: s, ms, us, ns, rfc3339, or a pattern such as %d.%m.%Y
    #[arg(long, value_name = "FORMAT", help_heading = ROWS)]
    time_format: Option<String>,
    /// Column that holds row ids
    #[arg(long, value_name = "COLUMN", help_heading = ROWS)]
    row_id: Option<String>,
    /// Columns that are tags when the table is made, separated by commas
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', help_heading = ROWS)]
    tags: Vec<String>,
    /// Between the cells of CSV: one character, or tab [default: a comma; .tsv: tab]
    #[arg(long, value_name = "CHARACTER", help_heading = ROWS)]
    delimiter: Option<String>,
    /// Texts that mean null in CSV, separated by commas
    #[arg(long, value_name = "TEXTS", help_heading = ROWS)]
    null: Option<String>,
    /// What a bad row does: abort = its piece is not stored and the import ends; skip = it is counted
    #[arg(long, value_name = "abort|skip", help_heading = ROWS, value_parser = ["abort", "skip"], hide_possible_values = true)]
    on_error: Option<String>,
    /// Width of partitions when the table is made
    #[arg(long, value_name = "auto|hour|day|month|year", help_heading = ROWS, value_parser = ["auto", "hour", "day", "month", "year"], hide_possible_values = true)]
    partition: Option<String>,
    /// Mode of the table when it is made
    #[arg(long, value_name = "append|upsert", help_heading = ROWS, value_parser = ["append", "upsert"], hide_possible_values = true)]
    mode: Option<String>,
    /// Unit of the times of line protocol and MessagePack [default: ns; MessagePack: by size]
    #[arg(long, value_name = "ns|us|ms|s|m|h|auto", help_heading = ROWS)]
    precision: Option<String>,
}

const ROWS: &str = "Rows";

/// The format that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Asked {
    /// By the extension, else by the first bytes
    Auto,
    Csv,
    Ndjson,
    /// An array of objects
    Json,
    /// Arrow IPC stream
    Arrow,
    Parquet,
    /// MessagePack
    Msgpack,
    /// Line protocol
    Line,
}

impl ImportArgs {
    /// Columns that are tags when the table is made.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Whether a column was named that holds row ids.
    pub fn names_row_id(&self) -> bool {
        self.row_id.is_some()
    }

    /// Whether bad rows were expected.
    pub fn skips(&self) -> bool {
        self.on_error.as_deref() == Some("skip")
    }

    /// The byte between the cells of a file in this format.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn delimiter(&self, format: Format) -> Result<u8> {
        match self.delimiter.as_deref() {
            None if format == Format::Tsv => Ok(b'\t'),
            None => Ok(b','),
            Some("tab" | "\\t") => Ok(b'\t'),
            Some(text) => match text.as_bytes() {
                [byte] if byte.is_ascii() => Ok(*byte),
                _ => Err(Error::new(
                    Code::InvalidRequest,
                    format!("--delimiter {text:?} is not one ASCII character"),
                )
                .hint("use --delimiter ';' or --delimiter tab")),
            },
        }
    }

    /// The unit of times in this format.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn precision(&self, format: Format) -> Result<Precision> {
        let otherwise = if format == Format::Line { "ns" } else { "auto" };
        let text = self.precision.as_deref().unwrap_or(otherwise);
        Precision::parse(text).ok_or_else(|| {
            Error::new(Code::InvalidRequest, format!("--precision {text:?} is not a unit"))
                .hint("use ns, us, ms, s, m, h or auto")
        })
    }

    /// The options of the embedded parsers.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn options(&self, format: Format, now_ns: i64) -> Result<RowOptions> {
        let defaults = RowOptions::default();
        let nulls = |texts: &String| texts.split(',').map(str::to_owned).collect();
        Ok(RowOptions {
            time_column: self.time_column.clone(),
            row_id: self.row_id.clone(),
            time_format: self.time_format.as_deref().map(TimeFormat::parse).transpose()?,
            tags: self.tags.clone(),
            delimiter: self.delimiter(format)?,
            null_texts: self.null.as_ref().map_or(defaults.null_texts, nulls),
            on_error: self.on_error.as_deref().map_or(Ok(OnError::Abort), OnError::parse)?,
            partition: match self.partition.as_deref() {
                Some(text) => PartitionWidth::parse(text)?,
                None => defaults.partition,
            },
            mode: self.mode.as_deref().map(Mode::parse).transpose()?,
            now_ns,
            // The server that takes the rows has limits of its own.
            limits: defaults.limits,
        })
    }

    /// The parameters of the server's route for this format.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn params(&self, format: Format) -> Result<Vec<(&'static str, String)>> {
        let mut params = vec![("db", self.place.database()?.to_string())];
        let mut add = |name, value: Option<String>| {
            params.extend(value.map(|value| (name, value)));
        };
        if matches!(format, Format::Line | Format::Msgpack) {
            add("precision", self.precision.clone());
            return Ok(params);
        }
        let delimiter = self.delimiter(format)?;
        add("time_column", self.time_column.clone());
        add("time_format", self.time_format.clone());
        add("row_id", self.row_id.clone());
        add("tags", Some(self.tags.join(",")).filter(|tags| !tags.is_empty()));
        add("delimiter", (delimiter != b',').then(|| char::from(delimiter).to_string()));
        add("null", self.null.clone());
        add("on_error", self.on_error.clone());
        add("partition", self.partition.clone());
        add("mode", self.mode.clone());
        Ok(params)
    }
}
