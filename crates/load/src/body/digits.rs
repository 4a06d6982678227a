//! Numbers as text, without the machinery of formatting: bodies have hundreds of millions of them.

use crate::rows::Kind;

/// Digits of a time in nanoseconds, from 2001 to 2286.
pub(super) const TIME_DIGITS: usize = 19;

/// A time as text.
pub(super) fn time_text(time: i64) -> [u8; TIME_DIGITS] {
    let (mut text, mut rest) = ([b'0'; TIME_DIGITS], time.unsigned_abs());
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text
}

/// A value of a field as text.
pub(super) fn value(out: &mut Vec<u8>, kind: Kind, value: i32) {
    match kind {
        Kind::Integer => integer(out, value),
        Kind::Hundredths => {
            if value < 0 {
                out.push(b'-');
            }
            let (whole, part) = (value.unsigned_abs() / 100, value.unsigned_abs() % 100);
            integer(out, whole as i32);
            out.extend([b'.', b'0' + (part / 10) as u8, b'0' + (part % 10) as u8]);
        }
    }
}

fn integer(out: &mut Vec<u8>, value: i32) {
    let (mut text, mut at, mut rest) = ([0; 11], 11, value.unsigned_abs());
    loop {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        text[at] = b'-';
    }
    out.extend_from_slice(&text[at..]);
}
