//! The trait of randomness. For names, salts and jitter; not for secrets.

/// A source of random numbers shared by all threads.
pub trait Random: Send + Sync {
    /// 64 uniformly distributed bits.
    fn next_u64(&self) -> u64;
}
