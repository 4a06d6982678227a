//! Which type a column gets from the values of one body.
//!
//! [`Seen`] remembers which kinds of values a column has; [`Seen::column_type`] is the rule: all
//! booleans → bool; all integers → i64 (u64 when some exceed i64 and none is negative); integers and
//! floats → f64 while every integer is exact; all date-time texts → timestamp; anything else → utf8;
//! nothing → untyped.
//!
//! [`scan`] says what a bare text (a CSV cell) reads as. It keeps data intact: only canonical
//! integers are integers (`007`, `+5` and digits beyond u64 are text), and a float that would
//! overflow is text.

use pulsora_model::convert::{exact_i64, exact_u64};
use pulsora_model::limits::EXACT_FLOAT_INT;
use pulsora_model::time::is_time_text;
use pulsora_model::{Code, ColumnType, Error, Name, Result};

use super::outcome::Place;

const BOOL: u8 = 1;
const INT: u8 = 1 << 1;
const FLOAT: u8 = 1 << 2;
const TIME: u8 = 1 << 3;
const TEXT: u8 = 1 << 4;
const EMPTY_TEXT: u8 = 1 << 5;

/// A value whose type is still open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scanned {
    Bool(bool),
    Int(i64),
    /// Beyond i64.
    Uint(u64),
    Float,
    Time,
    EmptyText,
    Text,
}

/// The kinds of values seen in one column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    kinds: u8,
    /// Values that are not null.
    present: u64,
    /// First integer beyond ±2^53.
    inexact: Option<(Place, i128)>,
    /// First integer below zero.
    negative: Option<(Place, i64)>,
    /// First integer beyond i64.
    beyond: Option<(Place, u64)>,
    /// Whether every value so far could be a row id, and the ids.
    ids: Option<Vec<u64>>,
    /// Whether every value is a text that reads as a time, in a column that is text all the same.
    time_text: bool,
}

impl Seen {
    /// For the column that may turn out to be the row id: its integers are kept.
    pub(crate) fn with_ids() -> Seen {
        Seen { ids: Some(Vec::new()), ..Seen::default() }
    }

    /// For a column of a typed format, which keeps its type: `present` values of type `ty`.
    pub(crate) fn typed(ty: ColumnType, present: u64) -> Seen {
        let beyond = (ty == ColumnType::U64).then_some((Place::Row(0), u64::MAX));
        let kinds = match ty {
            ColumnType::Untyped => 0,
            ColumnType::Bool => BOOL,
            ColumnType::I64 | ColumnType::U64 => INT,
            ColumnType::F64 => FLOAT,
            ColumnType::Timestamp => TIME,
            ColumnType::Utf8 => TEXT,
        };
        Seen { kinds, present, beyond, ..Seen::default() }
    }

    /// Says that every text of a typed column reads as a time.
    pub(crate) fn set_time_text(&mut self) {
        self.time_text = true;
    }

    /// Gives the row ids that the values of a typed column would be.
    pub(crate) fn set_ids(&mut self, ids: Vec<u64>) {
        self.ids = Some(ids);
    }

    /// Whether further values cannot change the type: it is text.
    pub(crate) fn is_settled(&self) -> bool {
        self.kinds & TEXT != 0 && self.ids.is_none()
    }

    /// Notes one value that is not null.
    pub(crate) fn note(&mut self, value: Scanned, place: Place) {
        self.present += 1;
        let mut id = None;
        self.kinds |= match value {
            Scanned::Bool(_) => BOOL,
            Scanned::Int(v) => {
                if v < 0 && self.negative.is_none() {
                    self.negative = Some((place, v));
                }
                if !exact_i64(v) && self.inexact.is_none() {
                    self.inexact = Some((place, i128::from(v)));
                }
                id = u64::try_from(v).ok().filter(|v| *v > 0);
                INT
            }
            Scanned::Uint(v) => {
                self.beyond.get_or_insert((place, v));
                if !exact_u64(v) {
                    self.inexact.get_or_insert((place, i128::from(v)));
                }
                id = Some(v);
                INT
            }
            Scanned::Float => FLOAT,
            Scanned::Time => TIME,
            Scanned::EmptyText => EMPTY_TEXT,
            Scanned::Text => TEXT,
        };
        if let Some(ids) = &mut self.ids {
            match id {
                Some(id) => ids.push(id),
                None => self.ids = None,
            }
        }
    }

    /// Whether every one of `rows` values is present and a date-time text.
    pub(crate) fn is_time_text(&self, rows: u64) -> bool {
        (self.kinds == TIME || self.time_text) && self.present == rows && rows > 0
    }

    /// Whether the values are distinct positive integers; only for [`Seen::with_ids`].
    pub(crate) fn are_row_ids(&self) -> bool {
        self.ids.as_ref().is_some_and(|ids| {
            if ids.windows(2).all(|pair| pair[0] < pair[1]) {
                return true;
            }
            let mut sorted = ids.clone();
            sorted.sort_unstable();
            sorted.windows(2).all(|pair| pair[0] != pair[1])
        })
    }

    /// The type for all values seen.
    ///
    /// # Errors
    /// `type_conflict` for integers that no common type holds exactly, with the first such value.
    pub(crate) fn column_type(&self, name: &Name) -> Result<ColumnType> {
        // An empty text leaves a number column alone (it is null there) and is text on its own.
        let kinds = match self.kinds & !EMPTY_TEXT {
            0 => self.kinds,
            others => others,
        };
        match kinds {
            0 => Ok(ColumnType::Untyped),
            BOOL => Ok(ColumnType::Bool),
            INT => self.integer_type(name),
            FLOAT => Ok(ColumnType::F64),
            _ if kinds == INT | FLOAT => match self.inexact {
                None => Ok(ColumnType::F64),
                Some((place, value)) => Err(not_exact(name, place, value)),
            },
            TIME => Ok(ColumnType::Timestamp),
            _ => Ok(ColumnType::Utf8),
        }
    }

    fn integer_type(&self, name: &Name) -> Result<ColumnType> {
        match (self.beyond, self.negative) {
            (None, _) => Ok(ColumnType::I64),
            (Some(_), None) => Ok(ColumnType::U64),
            (Some((above, large)), Some((below, small))) => Err(Error::new(
                Code::TypeConflict,
                format!("column {name:?} holds {small} ({below}) and {large} ({above}), which no integer type holds together"),
            )
            .hint("send one of the two in a column of its own, or the column as text")),
        }
    }
}

fn not_exact(name: &Name, place: Place, value: i128) -> Error {
    Error::new(
        Code::TypeConflict,
        format!(
            "{place}, column {name:?}: the column holds floats, and the integer {value} is not exact as a float (beyond ±{EXACT_FLOAT_INT})"
        ),
    )
    .hint("send the column as text, or without such large integers")
}

/// What a bare text reads as. The text is not empty and not a null text.
pub(crate) fn scan(text: &str) -> Scanned {
    let bytes = text.trim_ascii().as_bytes();
    let Some(first) = bytes.first() else {
        return Scanned::Text;
    };
    match first {
        b'0'..=b'9' | b'-' | b'.' => scan_number(bytes)
            .unwrap_or_else(|| if is_time_text(text) { Scanned::Time } else { Scanned::Text }),
        b't' | b'T' | b'f' | b'F' => parse_bool(text).map_or(Scanned::Text, Scanned::Bool),
        b'n' | b'N' | b'i' | b'I' if is_special_float(bytes) => Scanned::Float,
        _ => Scanned::Text,
    }
}

fn scan_number(bytes: &[u8]) -> Option<Scanned> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if whole > 1 && digits[0] == b'0' {
        return None;
    }
    if whole == digits.len() && whole > 0 {
        return match parse_int(bytes) {
            Some(value) => Some(Scanned::Int(value)),
            None => parse_uint(bytes).map(Scanned::Uint),
        };
    }
    is_float_syntax(&digits[whole..], whole).then_some(())?;
    // Overflow to infinity would lose the text.
    let finite = !bytes.iter().any(|b| matches!(b, b'e' | b'E'))
        || fast_float2::parse::<f64, _>(bytes).is_ok_and(f64::is_finite);
    finite.then_some(Scanned::Float)
}

/// Whether `rest` continues a number after `whole` digits: `[.digits][e[±]digits]`, or the special
/// values after a sign.
fn is_float_syntax(rest: &[u8], whole: usize) -> bool {
    let mut rest = rest;
    let mut digits = whole;
    if let Some(tail) = rest.strip_prefix(b".") {
        let fraction = tail.iter().take_while(|b| b.is_ascii_digit()).count();
        digits += fraction;
        rest = &tail[fraction..];
    }
    if digits == 0 {
        return is_special_float(rest);
    }
    if let [b'e' | b'E', tail @ ..] = rest {
        let tail = match tail {
            [b'+' | b'-', tail @ ..] => tail,
            tail => tail,
        };
        return !tail.is_empty() && tail.iter().all(u8::is_ascii_digit);
    }
    rest.is_empty()
}

/// `NaN`, `inf` or `infinity`, any case, without sign.
fn is_special_float(bytes: &[u8]) -> bool {
    ["nan", "inf", "infinity"].iter().any(|name| bytes.eq_ignore_ascii_case(name.as_bytes()))
}

/// A boolean text: `true` or `false`, any case.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    let text = text.trim_ascii();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// An i64 in decimal digits with an optional sign.
pub(crate) fn parse_int(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let magnitude = parse_uint(digits)?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// A u64 in decimal digits.
pub(crate) fn parse_uint(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    // 19 digits always fit a u64 (10^19 < 2^64): only longer texts need the checks.
    if digits.len() <= 19 {
        return digits.iter().try_fold(0u64, |value, b| {
            b.is_ascii_digit().then(|| value * 10 + u64::from(b - b'0'))
        });
    }
    digits.iter().try_fold(0u64, |value, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}
