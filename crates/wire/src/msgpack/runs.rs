//! Runs of values that are encoded alike, many at a time.
//!
//! Arrays of columns hold thousands of small integers, or of numbers of one size: there, looking at
//! each value as a [`Token`] would cost more than everything that follows.
//! Nothing here gives errors: where a run ends, the exact reader goes on and says what is wrong.
//!
//! Invariants: what is taken is what the exact reader would have given; the reader moves by whole
//! values.

use super::reader::{MsgpackReader, Token};

/// Bytes looked at together for small integers: four SSE registers.
const BLOCK: usize = 64;

impl<'a> MsgpackReader<'a> {
    /// Takes integers that fit an i64 until `out` is full or something else comes; gives their number.
    pub(super) fn ints(&mut self, out: &mut [i64]) -> usize {
        let mut taken = 0;
        while let Some(rest) = out.get_mut(taken..).filter(|rest| !rest.is_empty()) {
            let more = match self.rest().first() {
                Some(0x00..=0x7f) => self.small_ints(rest),
                Some(0xd3) => self.fixed(0xd3, rest, |bytes| Some(i64::from_be_bytes(bytes))),
                Some(0xcf) => {
                    self.fixed(0xcf, rest, |bytes| i64::try_from(u64::from_be_bytes(bytes)).ok())
                }
                Some(0xe0..=0xff | 0xcc..=0xce | 0xd0..=0xd2) => self.one_int(rest),
                _ => 0,
            };
            if more == 0 {
                break;
            }
            taken += more;
        }
        taken
    }

    /// Takes floats of 64 bits until `out` is full or something else comes; gives their number.
    pub(super) fn floats(&mut self, out: &mut [f64]) -> usize {
        self.fixed(0xcb, out, |bytes| Some(f64::from_be_bytes(bytes)))
    }

    /// The text that comes next, not checked to be UTF-8: its length, and the body from its first byte
    /// on. `None`, and nothing taken, for anything else.
    #[inline]
    pub(super) fn text_bytes(&mut self) -> Option<(&'a [u8], usize)> {
        let (head, len) = match self.rest() {
            [first @ 0xa0..=0xbf, ..] => (1, usize::from(first & 0x1f)),
            [0xd9, len, ..] => (2, usize::from(*len)),
            [0xda, a, b, ..] => (3, usize::from(u16::from_be_bytes([*a, *b]))),
            _ => return None,
        };
        let text = &self.rest()[head..];
        if len > text.len() {
            return None;
        }
        self.at += head + len;
        Some((text, len))
    }

    /// Passes over scalars of the common encodings, `max` at most; gives their number.
    pub(super) fn skip_plain(&mut self, max: u64) -> u64 {
        let mut skipped = 0;
        while skipped < max {
            let rest = self.rest();
            let len = match rest.first() {
                Some(0x00..=0x7f) => {
                    let small = small_prefix(rest, max - skipped);
                    self.at += small;
                    skipped += small as u64;
                    continue;
                }
                Some(first @ 0xa0..=0xbf) => 1 + usize::from(first & 0x1f),
                Some(0xcb | 0xcf | 0xd3) => 9,
                Some(0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff) => 1,
                Some(0xca | 0xce | 0xd2) => 5,
                Some(0xcd | 0xd1) => 3,
                Some(0xcc | 0xd0) => 2,
                _ => break,
            };
            if len > rest.len() {
                break;
            }
            self.at += len;
            skipped += 1;
        }
        skipped
    }

    fn small_ints(&mut self, out: &mut [i64]) -> usize {
        let len = small_prefix(self.rest(), out.len() as u64);
        for (out, byte) in out.iter_mut().zip(&self.rest()[..len]) {
            *out = i64::from(*byte);
        }
        self.at += len;
        len
    }

    fn one_int(&mut self, out: &mut [i64]) -> usize {
        let mark = self.clone();
        match (self.token(), out.first_mut()) {
            (Ok(Token::I64(value)), Some(out)) => {
                *out = value;
                1
            }
            _ => {
                *self = mark;
                0
            }
        }
    }

    /// Takes numbers of nine bytes that begin with `first`, as long as `value` accepts them.
    fn fixed<T>(
        &mut self,
        first: u8,
        out: &mut [T],
        value: impl Fn([u8; 8]) -> Option<T>,
    ) -> usize {
        let mut taken = 0;
        for (out, number) in out.iter_mut().zip(self.rest().as_chunks::<9>().0) {
            let [head, bytes @ ..] = number;
            let Some(number) = value(*bytes).filter(|_| *head == first) else {
                break;
            };
            *out = number;
            taken += 1;
        }
        self.at += taken * 9;
        taken
    }
}

/// Length of the prefix of small positive integers, `max` at most.
fn small_prefix(bytes: &[u8], max: u64) -> usize {
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    let bytes = &bytes[..bytes.len().min(max)];
    let blocks = bytes.as_chunks::<BLOCK>().0;
    let all_small = |block: &&[u8; BLOCK]| block.iter().fold(0, |all, byte| all | byte) < 0x80;
    let whole = blocks.iter().take_while(all_small).count() * BLOCK;
    whole + bytes[whole..].iter().take_while(|byte| **byte < 0x80).count()
}
