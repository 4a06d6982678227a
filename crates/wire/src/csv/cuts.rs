//! Where cells of plain CSV text end: 64 bytes are looked at together.
//!
//! Invariant: [`Cuts::next`] gives the places of delimiters, line feeds and quotes in order, each once.

/// Bytes of a block, one bit each.
const BLOCK: usize = 64;

/// The places of a text where something may end.
pub(super) struct Cuts<'a> {
    text: &'a [u8],
    delimiter: u8,
    /// Where the present block begins.
    block: usize,
    /// The places in it that were not given yet.
    places: u64,
}

impl<'a> Cuts<'a> {
    /// The places from `from` on.
    pub(super) fn new(text: &'a [u8], from: usize, delimiter: u8) -> Cuts<'a> {
        let mut cuts = Cuts { text, delimiter, block: from.min(text.len()), places: 0 };
        cuts.places = cuts.look();
        cuts
    }

    /// The next place; the length of the text at its end.
    #[inline]
    pub(super) fn next(&mut self) -> usize {
        while self.places == 0 {
            if self.text.len() - self.block <= BLOCK {
                return self.text.len();
            }
            self.block += BLOCK;
            self.places = self.look();
        }
        let place = self.block + self.places.trailing_zeros() as usize;
        self.places &= self.places - 1;
        place
    }

    #[inline]
    fn look(&self) -> u64 {
        let rest = &self.text[self.block..];
        match rest.first_chunk::<BLOCK>() {
            Some(block) => places(block, self.delimiter),
            None => {
                let mut block = [0; BLOCK];
                block[..rest.len()].copy_from_slice(rest);
                places(&block, self.delimiter) & ((1 << rest.len()) - 1)
            }
        }
    }
}

/// One bit per byte that ends a cell or is a quote. The compiler compares sixteen bytes at a time; the
/// product gathers the lowest bits of eight bytes in its highest byte.
#[inline]
fn places(block: &[u8; BLOCK], delimiter: u8) -> u64 {
    let mut ends = [0u8; BLOCK];
    for (end, byte) in ends.iter_mut().zip(block) {
        *end = u8::from(*byte == delimiter) | u8::from(*byte == b'\n') | u8::from(*byte == b'"');
    }
    let words = ends.as_chunks::<8>().0;
    words.iter().rev().fold(0, |bits, word| {
        let gathered = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits << 8 | gathered
    })
}
