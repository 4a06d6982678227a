//! Which format a result is asked for in.

use pulsora_model::{Code, Error, Result};

/// A format of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResultFormat {
    /// One JSON document.
    #[default]
    Json,
    /// One JSON object per line.
    Ndjson,
    /// RFC 4180 with a header.
    Csv,
    /// An Arrow IPC stream.
    Arrow,
    /// One MessagePack map of columns.
    Msgpack,
    /// A Parquet file.
    Parquet,
}

impl ResultFormat {
    /// Every format.
    pub const ALL: [ResultFormat; 6] = [
        ResultFormat::Json,
        ResultFormat::Ndjson,
        ResultFormat::Csv,
        ResultFormat::Arrow,
        ResultFormat::Msgpack,
        ResultFormat::Parquet,
    ];

    /// The name in the parameter `format`.
    pub fn name(self) -> &'static str {
        match self {
            ResultFormat::Json => "json",
            ResultFormat::Ndjson => "ndjson",
            ResultFormat::Csv => "csv",
            ResultFormat::Arrow => "arrow",
            ResultFormat::Msgpack => "msgpack",
            ResultFormat::Parquet => "parquet",
        }
    }

    /// The `Content-Type` of answers.
    pub fn content_type(self) -> &'static str {
        match self {
            ResultFormat::Json => "application/json",
            ResultFormat::Ndjson => "application/x-ndjson",
            ResultFormat::Csv => "text/csv; charset=utf-8",
            ResultFormat::Arrow => "application/vnd.apache.arrow.stream",
            ResultFormat::Msgpack => "application/msgpack",
            ResultFormat::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Reads the parameter `format`.
    ///
    /// # Errors
    /// `unsupported_format`.
    pub fn parse(name: &str) -> Result<ResultFormat> {
        ResultFormat::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                Error::new(Code::UnsupportedFormat, format!("{name:?} is not a result format"))
                    .hint("use json, ndjson, csv, arrow, msgpack or parquet")
            })
    }

    /// The format that an `Accept` header prefers; `None` when it accepts none of ours.
    pub fn from_accept(header: &str) -> Option<ResultFormat> {
        let mut best: Option<(u32, ResultFormat)> = None;
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let format = parts.next().and_then(ResultFormat::from_media_type);
            let quality = parts.find_map(quality).unwrap_or(1_000);
            if let Some(format) = format
                && quality > 0
                && best.is_none_or(|(before, _)| quality > before)
            {
                best = Some((quality, format));
            }
        }
        best.map(|(_, format)| format)
    }

    fn from_media_type(name: &str) -> Option<ResultFormat> {
        Some(match name.to_ascii_lowercase().as_str() {
            "application/json" | "application/*" | "*/*" | "text/json" => ResultFormat::Json,
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines" => ResultFormat::Ndjson,
            "text/csv" | "application/csv" | "text/*" => ResultFormat::Csv,
            "application/vnd.apache.arrow.stream" => ResultFormat::Arrow,
            "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => {
                ResultFormat::Msgpack
            }
            "application/vnd.apache.parquet" | "application/parquet" | "application/x-parquet" => {
                ResultFormat::Parquet
            }
            _ => return None,
        })
    }
}

/// `q=0.5` in thousandths.
fn quality(parameter: &str) -> Option<u32> {
    let value: f32 = parameter.strip_prefix("q=")?.trim().parse().ok()?;
    Some((value.clamp(0.0, 1.0) * 1_000.0) as u32)
}
