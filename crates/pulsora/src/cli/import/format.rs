//! Which format a file has: as asked, by its extension, by its first bytes.

use std::path::Path;

use pulsora::RowFormat;
use pulsora_model::{Code, Error, Result};
use pulsora_wire::rows::Boundary;

use super::args::Asked;
use super::pieces::Cut;

/// The formats of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Format {
    Csv,
    /// CSV with tabs.
    Tsv,
    Ndjson,
    Json,
    Arrow,
    Parquet,
    Msgpack,
    Line,
}

impl Format {
    /// The format of the file `path`, whose (decompressed) first bytes are `head`.
    ///
    /// # Errors
    /// `unsupported_format` when neither says it.
    pub fn decide(asked: Asked, path: &Path, head: &[u8]) -> Result<Format> {
        match asked {
            Asked::Auto => {}
            Asked::Csv if extension(path).as_deref() == Some("tsv") => return Ok(Format::Tsv),
            Asked::Csv => return Ok(Format::Csv),
            Asked::Ndjson => return Ok(Format::Ndjson),
            Asked::Json => return Ok(Format::Json),
            Asked::Arrow => return Ok(Format::Arrow),
            Asked::Parquet => return Ok(Format::Parquet),
            Asked::Msgpack => return Ok(Format::Msgpack),
            Asked::Line => return Ok(Format::Line),
        }
        let by_name = extension(path).and_then(|extension| by_extension(&extension));
        by_name.or_else(|| by_content(head)).ok_or_else(|| {
            Error::new(
                Code::UnsupportedFormat,
                format!(
                    "neither the name nor the first bytes of {} tell its format",
                    path.display()
                ),
            )
            .hint("name it: --format csv, ndjson, json, arrow, parquet, msgpack or line")
        })
    }

    /// How a file that begins with `head` is cut.
    pub fn cut(self, delimiter: u8, head: &[u8]) -> Cut {
        match self {
            Format::Csv | Format::Tsv => Cut::Records(Boundary::Csv { delimiter }),
            Format::Ndjson => Cut::Records(Boundary::Lines),
            Format::Line => Cut::Records(Boundary::LineProtocol),
            Format::Json if head.trim_ascii_start().starts_with(b"[") => Cut::Items,
            Format::Json | Format::Arrow | Format::Parquet | Format::Msgpack => Cut::Whole,
        }
    }

    /// The format of rows of one table; `None` where the rows name their tables.
    pub fn rows(self) -> Option<RowFormat> {
        match self {
            Format::Csv | Format::Tsv => Some(RowFormat::Csv),
            Format::Ndjson => Some(RowFormat::Ndjson),
            Format::Json => Some(RowFormat::Json),
            Format::Arrow => Some(RowFormat::Arrow),
            Format::Parquet => Some(RowFormat::Parquet),
            Format::Msgpack | Format::Line => None,
        }
    }

    /// The content type of a body.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Csv | Format::Tsv => "text/csv",
            Format::Ndjson => "application/x-ndjson",
            Format::Json => "application/json",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Parquet => "application/vnd.apache.parquet",
            Format::Msgpack => "application/msgpack",
            Format::Line => "text/plain",
        }
    }
}

/// The extension in lower case, below that of a compression.
fn extension(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let packed = [".gz", ".zst", ".zstd"].iter().find_map(|suffix| name.strip_suffix(suffix));
    let name = packed.unwrap_or(&name);
    name.rsplit_once('.').map(|(_, extension)| extension.to_owned())
}

fn by_extension(extension: &str) -> Option<Format> {
    Some(match extension {
        "csv" => Format::Csv,
        "tsv" | "tab" => Format::Tsv,
        "ndjson" | "jsonl" => Format::Ndjson,
        "json" => Format::Json,
        "arrow" | "arrows" | "ipc" => Format::Arrow,
        "parquet" | "pq" => Format::Parquet,
        "msgpack" | "mp" => Format::Msgpack,
        "line" | "lp" | "influx" => Format::Line,
        _ => return None,
    })
}

fn by_content(head: &[u8]) -> Option<Format> {
    if head.starts_with(b"PAR1") {
        return Some(Format::Parquet);
    }
    if head.starts_with(&[0xff, 0xff, 0xff, 0xff]) {
        return Some(Format::Arrow);
    }
    match head.trim_ascii_start().first()? {
        b'[' => Some(Format::Json),
        b'{' => Some(Format::Ndjson),
        _ => None,
    }
}
