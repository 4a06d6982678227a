//! Tells a repeated write from a first one.
//!
//! Not responsible for the windows of numbers (`manifest/keys.rs`) and their bytes in log and manifest.
//!
//! Invariants: a key is known from the moment its record is written and, where asked, synced; keys of the
//! group under way are known to that group alone, and forgotten with it when it fails. Clients are
//! forgotten when idle, never to make room: a repeat must not be taken for a first.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use pulsora_model::{Code, Error, Result, Sequence};

use super::key::IdempotencyKey;
use crate::manifest::{KeyWindows, Known};

/// What the commit owner knows of keys.
pub(crate) struct Dedup {
    windows: KeyWindows,
    /// When each client sent something last, on the monotonic clock. (The wall clock may be set; and the
    /// time in which the server was down is not the client's.)
    seen_ns: HashMap<Arc<str>, u64>,
    /// Of the group under way.
    staged: HashMap<IdempotencyKey, Sequence>,
    /// Clients that come with it.
    staged_clients: HashSet<Arc<str>>,
    idle: Duration,
    clients_max: usize,
}

impl Dedup {
    /// Goes on with recovered windows.
    pub fn new(windows: KeyWindows, now_ns: u64, idle: Duration, clients_max: usize) -> Dedup {
        let seen_ns = windows.names().map(|name| (Arc::clone(name), now_ns)).collect();
        Dedup {
            windows,
            seen_ns,
            staged: HashMap::new(),
            staged_clients: HashSet::new(),
            idle,
            clients_max,
        }
    }

    /// The windows, for the manifest.
    pub fn windows(&self) -> &KeyWindows {
        &self.windows
    }

    /// The sequence that a key was stored with; `None` when it is new.
    ///
    /// # Errors
    /// `key_forgotten` below the client's window; `overloaded` for one client too many.
    pub fn check(&mut self, key: &IdempotencyKey, now_ns: u64) -> Result<Option<Sequence>> {
        if let Some(seen) = self.seen_ns.get_mut(&key.client) {
            *seen = now_ns;
        }
        if let Some(sequence) = self.staged.get(key) {
            return Ok(Some(*sequence));
        }
        match self.windows.look_up(key) {
            Known::Stored(sequence) => Ok(Some(sequence)),
            Known::Forgotten(floor) => Err(forgotten(key, floor)),
            Known::New => self.check_room(key).map(|()| None),
        }
    }

    fn check_room(&self, key: &IdempotencyKey) -> Result<()> {
        let known =
            self.windows.has_client(&key.client) || self.staged_clients.contains(&key.client);
        if known || self.windows.clients() + self.staged_clients.len() < self.clients_max {
            return Ok(());
        }
        Err(Error::new(
            Code::Overloaded,
            format!("the idempotency keys of {} clients are remembered already", self.clients_max),
        )
        .hint(
            "use one client name per process instead of one per request; clients are forgotten after \
             ingest.dedup_window, and ingest.dedup_clients says how many there may be",
        ))
    }

    /// Notes a key of the group under way.
    pub fn stage(&mut self, key: IdempotencyKey, sequence: Sequence) {
        if !self.windows.has_client(&key.client) {
            self.staged_clients.insert(Arc::clone(&key.client));
        }
        self.staged.insert(key, sequence);
    }

    /// The group has come through.
    pub fn keep_staged(&mut self, now_ns: u64) {
        let mut staged: Vec<(IdempotencyKey, Sequence)> = self.staged.drain().collect();
        staged.sort_unstable_by_key(|(_, sequence)| *sequence);
        for (key, sequence) in staged {
            self.windows.insert(&key, sequence);
            self.seen_ns.insert(key.client, now_ns);
        }
        self.staged_clients.clear();
    }

    /// The group has failed.
    pub fn drop_staged(&mut self) {
        self.staged.clear();
        self.staged_clients.clear();
    }

    /// Forgets the clients that were idle for too long.
    pub fn forget_idle(&mut self, now_ns: u64) {
        let (idle, windows) = (self.idle.as_nanos(), &mut self.windows);
        self.seen_ns.retain(|client, seen_ns| {
            let stays = u128::from(now_ns.saturating_sub(*seen_ns)) <= idle;
            if !stays {
                windows.forget(client);
            }
            stays
        });
    }
}

fn forgotten(key: &IdempotencyKey, floor: u64) -> Error {
    Error::new(
        Code::KeyForgotten,
        format!(
            "number {} of client {:?} is older than what is remembered, which starts at {floor}",
            key.number(),
            key.client()
        ),
    )
    .hint("whether it was stored cannot be told: look for its rows; use rising numbers, and repeat soon")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn dedup(clients_max: usize) -> Dedup {
        Dedup::new(KeyWindows::default(), 0, Duration::from_secs(10), clients_max)
    }

    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::parse(text).unwrap()
    }

    fn store(dedup: &mut Dedup, text: &str, sequence: u64, now_ns: u64) {
        assert_eq!(dedup.check(&key(text), now_ns).unwrap(), None);
        dedup.stage(key(text), Sequence(sequence));
        dedup.keep_staged(now_ns);
    }

    #[test]
    fn a_group_knows_its_own_keys_until_it_fails() {
        let mut dedup = dedup(10);
        dedup.stage(key("a/1"), Sequence(1));
        assert_eq!(dedup.check(&key("a/1"), 0).unwrap(), Some(Sequence(1)));
        dedup.drop_staged();
        assert_eq!(dedup.check(&key("a/1"), 0).unwrap(), None);
    }

    #[test]
    fn idle_clients_are_forgotten_and_active_ones_are_not() {
        let mut dedup = dedup(10);
        store(&mut dedup, "idle/1", 1, 0);
        store(&mut dedup, "busy/1", 2, 0);
        assert_eq!(dedup.check(&key("busy/1"), 9 * SECOND).unwrap(), Some(Sequence(2)));
        dedup.forget_idle(10 * SECOND + 1);
        assert_eq!(dedup.check(&key("idle/1"), 10 * SECOND).unwrap(), None);
        assert_eq!(dedup.check(&key("busy/1"), 10 * SECOND).unwrap(), Some(Sequence(2)));
    }

    #[test]
    fn one_client_too_many_is_refused_and_the_others_keep_their_keys() {
        let mut dedup = dedup(2);
        store(&mut dedup, "a/1", 1, 0);
        dedup.check(&key("b/1"), 0).unwrap();
        dedup.stage(key("b/1"), Sequence(2));
        let error = dedup.check(&key("c/1"), 0).unwrap_err();
        assert_eq!(error.code(), Code::Overloaded);
        assert!(error.hint_text().unwrap().contains("ingest.dedup_clients"));
        dedup.keep_staged(0);
        assert_eq!(dedup.check(&key("a/2"), 0).unwrap(), None);
        assert_eq!(dedup.check(&key("a/1"), 0).unwrap(), Some(Sequence(1)));
        dedup.forget_idle(11 * SECOND);
        store(&mut dedup, "c/1", 3, 11 * SECOND);
    }

    #[test]
    fn what_is_below_the_window_is_a_conflict() {
        let mut dedup = dedup(2);
        store(&mut dedup, "a/5000", 1, 0);
        let error = dedup.check(&key("a/3976"), 0).unwrap_err();
        assert_eq!(error.code(), Code::KeyForgotten);
        assert!(error.message().contains("3977"), "{error}");
    }
}
