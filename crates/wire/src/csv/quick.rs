//! Cells that read as what their column holds, without a second look.
//!
//! Each function gives what the exact way gives for the same text, or `None`: then the exact way
//! decides.

use pulsora_model::ColumnType;
use pulsora_model::column::ColumnBuilder;

use super::cells::parse_float;
use crate::rows::times::MinuteText;

/// Digits that make an exact f64: 10^15 < 2^53.
const EXACT_DIGITS: usize = 15;

/// Digits that make an i64 in any case: 10^18 < 2^63.
const INT_DIGITS: usize = 18;

/// Powers of ten that are exact.
const POWERS: [f64; EXACT_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Appends the cell to a column of fields; an empty one is null.
#[inline]
pub(super) fn store(
    column: &mut ColumnBuilder,
    ty: ColumnType,
    cell: &str,
    minute: &mut MinuteText,
) -> Option<()> {
    if cell.is_empty() {
        column.push_null();
        return Some(());
    }
    match ty {
        ColumnType::F64 => column.push_f64(float(cell.as_bytes())?),
        ColumnType::I64 => column.push_i64(int(cell.as_bytes())?),
        ColumnType::U64 => column.push_u64(u64::try_from(int(cell.as_bytes())?).ok()?),
        ColumnType::Bool => column.push_bool(match cell {
            "true" => true,
            "false" => false,
            _ => return None,
        }),
        ColumnType::Utf8 => column.push_str(cell),
        ColumnType::Timestamp => column.push_timestamp(minute.read(cell)?),
        ColumnType::Untyped => return None,
    }
    .ok()
}

/// An integer in decimal digits.
#[inline]
pub(super) fn int(cell: &[u8]) -> Option<i64> {
    let (negative, digits) = match cell {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > INT_DIGITS {
        return None;
    }
    let mut value = 0i64;
    for byte in digits {
        value = value * 10 + i64::from(digit(*byte)?);
    }
    Some(if negative { -value } else { value })
}

/// A float: exact by one division where digits and scale are exact (Clinger 1990).
#[inline]
pub(super) fn float(cell: &[u8]) -> Option<f64> {
    short_float(cell).or_else(|| long_float(cell))
}

#[inline]
fn short_float(cell: &[u8]) -> Option<f64> {
    let (negative, digits) = match cell {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // One more byte than digits, for the point.
    if digits.len() > EXACT_DIGITS + 1 {
        return None;
    }
    let mut value = 0u64;
    let mut at = 0;
    while let Some(digit) = digits.get(at).and_then(|byte| digit(*byte)) {
        value = value * 10 + u64::from(digit);
        at += 1;
    }
    let whole = at;
    let mut scale = 0;
    if digits.get(at) == Some(&b'.') {
        at += 1;
        while let Some(digit) = digits.get(at).and_then(|byte| digit(*byte)) {
            value = value * 10 + u64::from(digit);
            at += 1;
        }
        scale = at - whole - 1;
        if scale == 0 {
            return None;
        }
    }
    if whole == 0 || at < digits.len() || whole + scale > EXACT_DIGITS {
        return None;
    }
    let value = value as f64 / POWERS[scale];
    Some(if negative { -value } else { value })
}

/// Other floats that cannot be taken for integers.
fn long_float(cell: &[u8]) -> Option<f64> {
    let plain = matches!(cell, [b'0'..=b'9' | b'-', .., b'0'..=b'9']);
    let is_float = plain && cell.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    if is_float { parse_float(cell) } else { None }
}

#[inline]
fn digit(byte: u8) -> Option<u8> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(digit)
}
