//! One number that stands for everything that happened in a run, in order.

use parking_lot::Mutex;

/// The hash so far.
#[derive(Default)]
pub(super) struct Trace(Mutex<u64>);

impl Trace {
    /// Adds one event, given as numbers.
    pub(super) fn fold(&self, event: &[u64]) {
        let mut hash = self.0.lock();
        for word in event {
            *hash = mix(*hash, *word);
        }
    }

    /// The hash of all events so far.
    pub(super) fn hash(&self) -> u64 {
        *self.0.lock()
    }
}

/// Folds `bytes` into a number for [`Trace::fold`].
pub(super) fn hash_bytes(bytes: &[u8]) -> u64 {
    mix(bytes.len() as u64, u64::from(crc32c::crc32c(bytes)))
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014) over both numbers.
fn mix(hash: u64, word: u64) -> u64 {
    let mut z = hash.rotate_left(23) ^ word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
