//! What is remembered of idempotency keys: per client a window of its last numbers.
//!
//! Pure: the commit owner has one for the present, the manifest one for what the log has let go.
//!
//! Invariants: a key inside its client's window was stored if and only if it is there; of keys below the
//! window nothing is known. So a window may only shrink from below, and what leaves it raises its floor.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use pulsora_model::Sequence;
use serde::{Deserialize, Serialize};

use crate::engine::IdempotencyKey;

/// Numbers of a client that are remembered: more than a client has open at once.
pub(crate) const NUMBERS: u64 = 1_024;

/// Pieces of a client that are remembered: four for each number of a full window.
const PIECES_MAX: usize = 4_096;

/// Pieces of all clients together: 6 MiB.
const PIECES_ALL_MAX: usize = 1 << 18;

/// What is left to each client at least when there are too many pieces.
const PIECES_MIN: usize = 16;

/// A stored piece: number, piece, sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Piece(u64, u32, Sequence);

impl Piece {
    fn place(&self) -> (u64, u32) {
        (self.0, self.1)
    }
}

/// What is remembered of one client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyWindow {
    /// Of numbers and pieces below nothing is known.
    floor: (u64, u32),
    /// Ascending by number and piece.
    pieces: VecDeque<Piece>,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It was never stored.
    New,
    /// It was stored with this sequence.
    Stored(Sequence),
    /// It is below the window, which starts at this number.
    Forgotten(u64),
}

impl KeyWindow {
    fn look_up(&self, place: (u64, u32)) -> Known {
        if place < self.floor {
            return Known::Forgotten(self.floor.0);
        }
        match self.pieces.binary_search_by_key(&place, Piece::place) {
            Ok(at) => Known::Stored(self.pieces[at].2),
            Err(_) => Known::New,
        }
    }

    fn insert(&mut self, piece: Piece) {
        if piece.place() < self.floor {
            return;
        }
        if let Err(at) = self.pieces.binary_search_by_key(&piece.place(), Piece::place) {
            self.pieces.insert(at, piece);
        }
        let highest = self.pieces.back().map_or(0, |last| last.0);
        self.raise((highest.saturating_sub(NUMBERS - 1), 0));
        self.keep(PIECES_MAX);
    }

    fn raise(&mut self, floor: (u64, u32)) {
        self.floor = self.floor.max(floor);
        while self.pieces.front().is_some_and(|first| first.place() < self.floor) {
            self.pieces.pop_front();
        }
    }

    /// Leaves the last `count` pieces.
    fn keep(&mut self, count: usize) {
        let excess = self.pieces.len().saturating_sub(count);
        if let Some(last) = excess.checked_sub(1).and_then(|last| self.pieces.get(last)) {
            self.raise((last.0, last.1.saturating_add(1)));
        }
    }
}

/// The windows of all clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub(crate) struct KeyWindows {
    /// Keys of records up to here are in these windows, if they are in any.
    pub through: Sequence,
    clients: BTreeMap<Arc<str>, Arc<KeyWindow>>,
    /// Of all windows.
    #[serde(skip)]
    pieces: usize,
}

/// Windows as they are written.
#[derive(Deserialize)]
struct Stored {
    through: Sequence,
    clients: BTreeMap<Arc<str>, Arc<KeyWindow>>,
}

impl From<Stored> for KeyWindows {
    fn from(Stored { through, clients }: Stored) -> KeyWindows {
        let pieces = clients.values().map(|window| window.pieces.len()).sum();
        KeyWindows { through, clients, pieces }
    }
}

/// What an edit adds to the windows of the manifest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeysEdit {
    pub through: Sequence,
    /// Clients that were idle for too long.
    pub forgotten: Vec<Arc<str>>,
    /// What is new, by client.
    pub clients: Vec<(Arc<str>, KeyWindow)>,
}

impl KeyWindows {
    /// What is known of a key. Of a client that is not there every key is new.
    pub fn look_up(&self, key: &IdempotencyKey) -> Known {
        let window = self.clients.get(&key.client);
        window.map_or(Known::New, |window| window.look_up((key.number, key.piece)))
    }

    /// Notes that a key was stored.
    pub fn insert(&mut self, key: &IdempotencyKey, sequence: Sequence) {
        let piece = Piece(key.number, key.piece, sequence);
        self.change(&key.client, |window| window.insert(piece));
    }

    fn change(&mut self, client: &Arc<str>, change: impl FnOnce(&mut KeyWindow)) {
        let window = Arc::make_mut(self.clients.entry(Arc::clone(client)).or_default());
        let before = window.pieces.len();
        change(window);
        self.pieces = self.pieces - before + window.pieces.len();
        if self.pieces > PIECES_ALL_MAX {
            self.shrink();
        }
    }

    /// Bounds all windows together; by half, so that the next time is far.
    fn shrink(&mut self) {
        let share = (PIECES_ALL_MAX / 2 / self.clients.len().max(1)).max(PIECES_MIN);
        for window in self.clients.values_mut().filter(|window| window.pieces.len() > share) {
            Arc::make_mut(window).keep(share);
        }
        self.pieces = self.clients.values().map(|window| window.pieces.len()).sum();
    }

    /// Keys that are remembered.
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// Clients that are remembered.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    pub fn has_client(&self, client: &str) -> bool {
        self.clients.contains_key(client)
    }

    /// The names of all clients.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.clients.keys()
    }

    pub fn forget(&mut self, client: &str) {
        let gone = self.clients.remove(client);
        self.pieces -= gone.map_or(0, |window| window.pieces.len());
    }

    /// What the manifest lacks: the keys of records after `saved.through` up to `through`, and the
    /// clients that are gone.
    pub fn since(&self, saved: &KeyWindows, through: Sequence) -> KeysEdit {
        let new = |piece: &&Piece| piece.2 > saved.through && piece.2 <= through;
        let clients = self.clients.iter().filter_map(|(client, window)| {
            let pieces: VecDeque<Piece> = window.pieces.iter().filter(new).copied().collect();
            let floor = saved.clients.get(client).map_or((0, 0), |window| window.floor);
            // A floor alone counts too: it stands for keys that have left the window since.
            let changed = !pieces.is_empty() || window.floor > floor;
            changed.then(|| (Arc::clone(client), KeyWindow { floor: window.floor, pieces }))
        });
        KeysEdit {
            through,
            clients: clients.collect(),
            forgotten: saved.names().filter(|name| !self.has_client(name)).cloned().collect(),
        }
    }

    /// Takes what [`KeyWindows::since`] gave.
    pub fn apply(&mut self, edit: &KeysEdit) {
        for client in &edit.forgotten {
            self.forget(client);
        }
        for (client, news) in &edit.clients {
            self.change(client, |window| {
                news.pieces.iter().for_each(|piece| window.insert(*piece));
                window.raise(news.floor);
            });
        }
        self.through = self.through.max(edit.through);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client: &str, number: u64, piece: u32) -> IdempotencyKey {
        IdempotencyKey::new(client, number).unwrap().piece(piece)
    }

    #[test]
    fn a_window_holds_the_last_1024_numbers() {
        let mut windows = KeyWindows::default();
        assert_eq!(windows.look_up(&key("a", 7, 0)), Known::New);
        for number in [3, 1, 5] {
            windows.insert(&key("a", number, 0), Sequence(number + 100));
        }
        assert_eq!(windows.look_up(&key("a", 1, 0)), Known::Stored(Sequence(101)));
        assert_eq!(windows.look_up(&key("a", 2, 0)), Known::New, "numbers may come out of order");
        assert_eq!(windows.look_up(&key("a", 3, 1)), Known::New, "each piece counts");
        assert_eq!(windows.look_up(&key("b", 1, 0)), Known::New, "each client counts");
        windows.insert(&key("a", 1_026, 0), Sequence(200));
        assert_eq!(windows.look_up(&key("a", 2, 0)), Known::Forgotten(3));
        assert_eq!(windows.look_up(&key("a", 3, 0)), Known::Stored(Sequence(103)));
        windows.insert(&key("a", 2, 0), Sequence(300));
        assert_eq!(windows.look_up(&key("a", 2, 0)), Known::Forgotten(3), "it stays unknown");
        windows.insert(&key("a", u64::MAX, 0), Sequence(400));
        assert_eq!(windows.look_up(&key("a", 1_026, 0)), Known::Forgotten(u64::MAX - 1_023));
    }

    #[test]
    fn many_pieces_leave_a_window_from_below() {
        let mut windows = KeyWindows::default();
        windows.insert(&key("a", 4, 0), Sequence(1));
        for piece in 0..5_000 {
            windows.insert(&key("a", 5, piece), Sequence(u64::from(piece) + 2));
        }
        assert_eq!(windows.pieces(), PIECES_MAX);
        assert_eq!(windows.look_up(&key("a", 4, 0)), Known::Forgotten(5));
        assert_eq!(windows.look_up(&key("a", 5, 903)), Known::Forgotten(5));
        assert_eq!(windows.look_up(&key("a", 5, 904)), Known::Stored(Sequence(906)));
        assert_eq!(windows.look_up(&key("a", 5, 5_000)), Known::New);
    }

    #[test]
    fn all_windows_together_are_bounded_and_never_say_new_of_what_was_stored() {
        let mut windows = KeyWindows::default();
        for client in 0..400 {
            for number in 0..1_000 {
                windows.insert(&key(&format!("c{client}"), number, 0), Sequence(number + 1));
            }
        }
        assert!(windows.pieces() <= PIECES_ALL_MAX, "{}", windows.pieces());
        for client in 0..400 {
            for number in 0..1_000 {
                let known = windows.look_up(&key(&format!("c{client}"), number, 0));
                assert_ne!(known, Known::New, "client {client}, number {number}");
            }
        }
    }

    #[test]
    fn edits_bring_saved_windows_up_to_date() {
        let (mut live, mut saved) = (KeyWindows::default(), KeyWindows::default());
        let mut random = fastrand::Rng::with_seed(7);
        let mut all = Vec::new();
        for sequence in 1..4_000_u64 {
            let number = (sequence / 2).saturating_sub(random.u64(0..20));
            let key = key(["a", "b"][random.usize(0..2)], number, random.u32(0..2));
            if live.look_up(&key) == Known::New {
                live.insert(&key, Sequence(sequence));
                all.push(key);
            }
            if random.u8(..) == 0 {
                let edit = live.since(&saved, Sequence(sequence));
                let json = serde_json::to_string(&edit).unwrap();
                assert_eq!(serde_json::from_str::<KeysEdit>(&json).unwrap(), edit);
                saved.apply(&edit);
                assert_eq!(saved.through, Sequence(sequence));
                for key in &all {
                    assert_eq!(saved.look_up(key), live.look_up(key), "{key:?}");
                }
            }
        }
        live.forget("a");
        let edit = live.since(&saved, Sequence(4_000));
        assert_eq!(edit.forgotten, ["a".into()]);
        saved.apply(&edit);
        assert_eq!(saved.clients(), 1);
    }
}
