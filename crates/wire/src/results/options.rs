//! How values look in text results.

use pulsora_model::time::Precision;
use pulsora_model::{Code, Error, Result};

/// How times are written in text results and MessagePack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeStyle {
    /// RFC 3339 UTC with the digits it needs (MessagePack: its timestamp extension).
    #[default]
    Rfc3339,
    /// Whole numbers of this unit since 1970, rounded down.
    Unit(Precision),
}

impl TimeStyle {
    /// Reads the parameter `times`.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn parse(text: &str) -> Result<TimeStyle> {
        if text.eq_ignore_ascii_case("rfc3339") {
            return Ok(TimeStyle::Rfc3339);
        }
        Precision::parse(text)
            .filter(|unit| unit.unit_ns().is_some())
            .map(TimeStyle::Unit)
            .ok_or_else(|| {
                Error::new(Code::InvalidRequest, format!("{text:?} is not a way to write times"))
                    .hint("use times=rfc3339, ns, us, ms or s")
            })
    }
}

/// How NaN and infinities are written in JSON, which has no numbers for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nonfinite {
    /// As null.
    #[default]
    Null,
    /// As `"NaN"`, `"Infinity"` and `"-Infinity"`.
    String,
}

impl Nonfinite {
    /// Reads the parameter `nonfinite`.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn parse(text: &str) -> Result<Nonfinite> {
        match text {
            "null" => Ok(Nonfinite::Null),
            "string" => Ok(Nonfinite::String),
            _ => Err(Error::new(
                Code::InvalidRequest,
                format!("{text:?} is not a way to write NaN and infinities"),
            )
            .hint("use nonfinite=null or nonfinite=string")),
        }
    }
}

/// How values look in text results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResultOptions {
    /// How times are written.
    pub times: TimeStyle,
    /// How NaN and infinities are written in JSON.
    pub nonfinite: Nonfinite,
}
