//! Bytes of a body eight and sixteen at a time: numbers and known text at a place that is guessed.
//!
//! Responsible for the common spellings only: `None` means that this is none of them, not that it is
//! wrong. Nothing here reads behind the end of the body: its last bytes are "none of them" too.
//!
//! Sources: the test for digits and the sum of eight of them within a word are the well-known ones of
//! Daniel Lemire's articles on parsing integers (2018 and 2022); the exact short decimals are W. D.
//! Clinger's fast path, "How to read floating point numbers accurately" (1990).

/// Every byte of a word.
const EACH: u64 = 0x0101_0101_0101_0101;

/// Powers of ten, as far as a fraction of up to 15 digits needs them; exact as floats.
const TENS: [u64; 16] = {
    let mut tens = [1; 16];
    let mut i = 1;
    while i < 16 {
        tens[i] = tens[i - 1] * 10;
        i += 1;
    }
    tens
};

/// Digits whose number is below 2^53, whatever they are.
const DIGITS_EXACT: usize = 15;

/// Digits whose number fits an i64, whatever they are.
const DIGITS_I64: usize = 18;

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*word))
}

fn double_word(bytes: &[u8], at: usize) -> Option<u128> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u128::from_le_bytes(*word))
}

/// How many digits a word starts with, 0 to 8.
#[inline]
fn digits_in(word: u64) -> usize {
    let digits = word ^ (EACH * 0x30);
    // A byte above 9 has its high bit set, or gets it by the sum. A carry out of such a byte falsifies
    // only bytes behind it.
    let others = (digits.wrapping_add(EACH * 0x76) | digits) & (EACH * 0x80);
    others.trailing_zeros() as usize / 8
}

/// The number of the first `count` bytes of a word, which are digits; 1 to 8 of them.
#[inline]
fn number_in(word: u64, count: usize) -> u64 {
    // The digits move to the end of the word, behind zeros.
    let digits = (word ^ (EACH * 0x30)) << (64 - 8 * count);
    let pairs = (digits.wrapping_mul(1 + (10 << 8)) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(1 + (100 << 16)) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(1 + (10_000 << 32)) >> 32
}

/// The digits at `at`: their number, and where they end. `None` when there are none, when their
/// number may not fit an i64, or when fewer than eight bytes follow them.
#[inline]
pub(super) fn digits(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = word(bytes, at)?;
    match digits_in(first) {
        0 => None,
        8 => long_digits(bytes, at, number_in(first, 8)),
        count => Some((number_in(first, count), at + count)),
    }
}

/// [`digits`] when the first eight of them are `number`.
fn long_digits(bytes: &[u8], start: usize, mut number: u64) -> Option<(u64, usize)> {
    let mut at = start + 8;
    loop {
        let word = word(bytes, at)?;
        let count = digits_in(word);
        let len = at + count - start;
        if len > DIGITS_I64 && (len > DIGITS_I64 + 1 || bytes[start] == b'9') {
            return None;
        }
        if count > 0 {
            number = number * TENS[count] + number_in(word, count);
            at += count;
        }
        if count < 8 {
            return Some((number, at));
        }
    }
}

/// The integer at `at` and its suffix `i`: its value, and where it ends.
#[inline]
pub(super) fn integer(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let negative = *bytes.get(at)? == b'-';
    let (number, end) = digits(bytes, at + usize::from(negative))?;
    let value = if negative { -(number as i64) } else { number as i64 };
    (*bytes.get(end)? == b'i').then_some((value, end + 1))
}

/// The decimal number at `at`, with or without a fraction: the float nearest to it, and where it
/// ends. `None` too when something follows that cannot follow a value (an exponent, a suffix), or
/// when it has too many digits for one exact division.
#[inline]
pub(super) fn decimal(bytes: &[u8], at: usize) -> Option<(f64, usize)> {
    let negative = *bytes.get(at)? == b'-';
    let start = at + usize::from(negative);
    let (mut number, mut end) = digits(bytes, start)?;
    let mut len = end - start;
    let mut places = 0;
    if *bytes.get(end)? == b'.' {
        let (fraction, fraction_end) = digits(bytes, end + 1)?;
        places = fraction_end - (end + 1);
        len += places;
        if len > DIGITS_EXACT {
            return None;
        }
        number = number * TENS[places] + fraction;
        end = fraction_end;
    }
    if len > DIGITS_EXACT || !matches!(bytes.get(end)?, b',' | b' ' | b'\n') {
        return None;
    }
    // Both are exact, so the one division rounds once.
    let magnitude = number as f64 / TENS[places] as f64;
    Some((if negative { -magnitude } else { magnitude }, end))
}

/// A text that is expected again, compared sixteen bytes at a time.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    len: usize,
    /// The first 16 bytes, or fewer behind `mask`.
    head: u128,
    mask: u128,
    /// The last 16 bytes of a text that is longer.
    tail: u128,
    /// What lies between the two, of a text of more than 32 bytes.
    middle: Box<[u8]>,
}

impl Expected {
    /// Expects `text`, which is not empty.
    pub(super) fn new(text: &[u8]) -> Expected {
        let mut head = [0; 16];
        let short = text.len().min(16);
        head[..short].copy_from_slice(&text[..short]);
        let tail = text.last_chunk().map_or(0, |tail| u128::from_le_bytes(*tail));
        let middle = if text.len() > 32 { &text[16..text.len() - 16] } else { &[] };
        Expected {
            len: text.len(),
            head: u128::from_le_bytes(head),
            mask: u128::MAX >> (128 - 8 * short),
            tail,
            middle: middle.into(),
        }
    }

    /// Where the text ends that stands at `at`, if it is the expected one and 16 bytes follow `at`.
    #[inline]
    pub(super) fn after(&self, bytes: &[u8], at: usize) -> Option<usize> {
        if (double_word(bytes, at)? ^ self.head) & self.mask != 0 {
            return None;
        }
        let end = at + self.len;
        if self.len > 16 {
            if double_word(bytes, end - 16)? != self.tail {
                return None;
            }
            if !self.middle.is_empty() && bytes[at + 16..end - 16] != *self.middle {
                return None;
            }
        }
        Some(end)
    }
}

#[cfg(test)]
mod tests;
