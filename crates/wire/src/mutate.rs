//! Seeded mutations of valid bodies: the fuzz loop of the parsers' tests.
//!
//! The same seed gives the same bodies on every machine.

/// Number of mutated bodies per call.
const ROUNDS: usize = 4_000;

/// Calls `body` with bodies made from `valid` by flips, cuts, copies and insertions.
pub(crate) fn for_each_mutation(valid: &[u8], seed: u64, mut body: impl FnMut(&[u8])) {
    let mut random = Random::new(seed);
    let mut bytes = Vec::new();
    for _ in 0..ROUNDS {
        bytes.clear();
        bytes.extend_from_slice(valid);
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, &mut random);
        }
        body(&bytes);
    }
}

/// Changes, cuts or copies some bytes.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(5) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.next() as u8),
        2 if at < bytes.len() => bytes[at] = random.next() as u8,
        3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        _ => {
            let end = at + random.below((bytes.len() - at).min(16) + 1);
            let copied = bytes[at..end].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copied);
        }
    }
}

/// SplitMix64, as published by Steele, Lea and Flood (2014).
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}
