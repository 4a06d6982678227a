//! Exact reading of one JSON number.

/// A number in the narrowest exact form: integers stay integers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer in the range of i64.
    I64(i64),
    /// An integer above i64::MAX, up to u64::MAX.
    U64(u64),
    /// Anything with a fraction or an exponent, or an integer beyond 64 bits (nearest double).
    F64(f64),
}

/// What [`scan`] found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not the grammar of a JSON number.
    Grammar,
    /// Beyond the largest double.
    Range,
}

/// Reads the number at the start of `bytes`; gives it and its length.
pub(super) fn scan(bytes: &[u8]) -> Result<(Number, usize), Fault> {
    let negative = bytes.first() == Some(&b'-');
    let start = usize::from(negative);
    let digits = count_digits(&bytes[start..]);
    if digits == 0 || (digits > 1 && bytes[start] == b'0') {
        return Err(Fault::Grammar);
    }
    let mut end = start + digits;
    let integer = !matches!(bytes.get(end), Some(b'.' | b'e' | b'E'));
    if integer && let Some(value) = magnitude(&bytes[start..end]) {
        let exact = match (negative, value) {
            (false, 0..=0x7fff_ffff_ffff_ffff) => Some(Number::I64(value as i64)),
            (false, _) => Some(Number::U64(value)),
            (true, _) => 0i64.checked_sub_unsigned(value).map(Number::I64),
        };
        if let Some(number) = exact {
            return Ok((number, end));
        }
    }
    if bytes.get(end) == Some(&b'.') {
        let fraction = count_digits(&bytes[end + 1..]);
        if fraction == 0 {
            return Err(Fault::Grammar);
        }
        end += 1 + fraction;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = count_digits(&bytes[end + 1 + sign..]);
        if exponent == 0 {
            return Err(Fault::Grammar);
        }
        end += 1 + sign + exponent;
    }
    let value: f64 = fast_float2::parse(&bytes[..end]).map_err(|_| Fault::Grammar)?;
    if value.is_infinite() {
        return Err(Fault::Range);
    }
    Ok((Number::F64(value), end))
}

fn count_digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The value of decimal digits, if it fits.
fn magnitude(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}
