//! The parameters of a row request, already separated from the URL.

use pulsora_model::limits::Limits;
use pulsora_model::time::Precision;
use pulsora_model::{Code, Error, Mode, PartitionWidth, Result};

/// How the time column is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// Numbers in this unit; `Auto` decides over the whole body.
    Unit(Precision),
    /// Text: RFC 3339 and its relatives.
    Rfc3339,
    /// Text by a strftime pattern.
    Pattern(String),
}

impl TimeFormat {
    /// Reads the parameter `time_format`.
    ///
    /// # Errors
    /// `invalid_request` when it is neither a unit, `rfc3339` nor a pattern with a `%`.
    pub fn parse(text: &str) -> Result<TimeFormat> {
        if text.eq_ignore_ascii_case("rfc3339") {
            return Ok(TimeFormat::Rfc3339);
        }
        if let Some(unit) = Precision::parse(text) {
            return Ok(TimeFormat::Unit(unit));
        }
        if text.contains('%') {
            return Ok(TimeFormat::Pattern(text.to_owned()));
        }
        Err(Error::new(Code::InvalidRequest, format!("{text:?} is not a time format"))
            .hint("use s, ms, us, ns, rfc3339 or a strftime pattern such as %d.%m.%Y"))
    }
}

/// What a bad row does to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Nothing of the body is stored.
    #[default]
    Abort,
    /// The good rows are stored, the bad ones counted and listed.
    Skip,
}

impl OnError {
    /// Reads the parameter `on_error`.
    ///
    /// # Errors
    /// `invalid_request` when it is neither `abort` nor `skip`.
    pub fn parse(text: &str) -> Result<OnError> {
        match text {
            "abort" => Ok(OnError::Abort),
            "skip" => Ok(OnError::Skip),
            _ => Err(Error::new(
                Code::InvalidRequest,
                format!("{text:?} is not a way to treat bad rows"),
            )
            .hint("use on_error=abort or on_error=skip")),
        }
    }
}

/// The parameters of a row request.
#[derive(Clone, Debug)]
pub struct RowOptions {
    /// Column of the body that holds the times; `None` = by the table, else by name and content.
    pub time_column: Option<String>,
    /// Column of the body that holds row ids given by the user.
    pub row_id: Option<String>,
    /// How times are written; `None` = numbers of one unit or text, by content.
    pub time_format: Option<TimeFormat>,
    /// Columns that are tags when the body creates the table.
    pub tags: Vec<String>,
    /// CSV: the byte between cells, ASCII.
    pub delimiter: u8,
    /// CSV: unquoted cells with one of these texts are null. An empty unquoted cell always is.
    pub null_texts: Vec<String>,
    /// What a bad row does to the others.
    pub on_error: OnError,
    /// Partition width of a new table.
    pub partition: PartitionWidth,
    /// Mode of a new table; `None` = append. An existing table must have this mode.
    pub mode: Option<Mode>,
    /// The wall clock, nanoseconds UTC.
    pub now_ns: i64,
    /// The bounds of what rows may make.
    pub limits: Limits,
}

impl Default for RowOptions {
    fn default() -> RowOptions {
        RowOptions {
            time_column: None,
            row_id: None,
            time_format: None,
            tags: Vec::new(),
            delimiter: b',',
            null_texts: vec![String::new()],
            on_error: OnError::Abort,
            partition: PartitionWidth::Auto,
            mode: None,
            now_ns: 0,
            limits: Limits::default(),
        }
    }
}
