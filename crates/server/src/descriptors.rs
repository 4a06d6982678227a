//! File descriptors: connections must leave enough of them to the engine.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything but HTTP connections: log, segments of queries, listeners, lines over TCP.
const OTHERS: u64 = 256;

/// Raises the limit of descriptors as far as the system lets, and says how many connections there may be of
/// `wanted`.
pub fn seats(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let seats = within(wanted, current);
    if seats < wanted {
        tracing::warn!(
            wanted,
            seats,
            "limits.connections is lowered: the process may have few descriptors"
        );
    }
    seats
}

/// How many of `wanted` fit into `descriptors`; `None` = no limit. Never none.
fn within(wanted: usize, descriptors: Option<u64>) -> usize {
    let most = descriptors.map_or(u64::MAX, |all| all.saturating_sub(OTHERS).max(all / 4).max(1));
    wanted.min(usize::try_from(most).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn connections_leave_descriptors_to_the_engine() {
        assert_eq!(within(4096, None), 4096);
        assert_eq!(within(4096, Some(65_536)), 4096);
        assert_eq!(within(4096, Some(1_024)), 768);
        assert_eq!(within(4096, Some(256)), 64);
        assert_eq!(within(4096, Some(0)), 1);
        assert_eq!(within(10, Some(1_024)), 10);
    }
}
