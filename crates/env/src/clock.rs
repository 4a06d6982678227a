//! The trait of time. Says what time it is; nothing here waits (see [`crate::tasks::Step::Wait`]).

/// Two clocks: one that agrees with people, one that never goes back.
pub trait Clock: Send + Sync {
    /// Nanoseconds since 1970-01-01 UTC. May jump in either direction.
    fn wall_ns(&self) -> i64;

    /// Nanoseconds since an arbitrary moment of this process; never decreases.
    fn monotonic_ns(&self) -> u64;
}
