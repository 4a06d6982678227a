//! One life of the server, from its start to the kill.
//!
//! Four writers, one who flushes and merges, and one who deletes and updates run until the server is gone; the kill comes after a random time,
//! and in some lives before that during recovery too.

use std::sync::Mutex;
use std::time::Duration;

use pulsora_tests::answers;
use pulsora_tests::http::Client;
use pulsora_tests::server::Launch;

use super::bodies;
use super::ledger::{Entry, Fate, Kind, Ledger, Trace};

/// Columns that appear one by one over the lives.
const EXTRAS: u64 = 12;

/// The life from which on column `w` gets floats.
const WIDE_FROM: u64 = 5;

/// Numbers behind the last that are sent again: half of the window of the server, so that what this life
/// adds does not push them out.
const REMEMBERED: u64 = 500;

/// Starts the server, writes, and kills it.
pub fn live_and_die(launch: &Launch, ledger: &mut Ledger, random: &mut fastrand::Rng) {
    for _ in 0..random.u32(0..6).saturating_sub(3) {
        let early = launch.spawn();
        std::thread::sleep(Duration::from_millis(random.u64(0..400)));
        early.kill();
    }
    let mut server = launch.start();
    let client = server.client();
    ledger.lives += 1;
    let repeats = repeats(ledger, random);
    let ledger = Mutex::new(ledger);
    let life = Duration::from_millis(random.u64(30..1_200));
    std::thread::scope(|scope| {
        let mut writers = Vec::new();
        for kinds in [
            &[Kind::Lines][..],
            &[Kind::Csv, Kind::OwnIds, Kind::Aged],
            &[Kind::Pack],
            &[Kind::Metric],
        ] {
            let repeats = repeats.iter().filter(|entry| kinds.contains(&entry.kind)).cloned();
            let writer = Writer {
                client: Client::new(client.base()),
                ledger: &ledger,
                repeats: repeats.collect(),
                random: random.fork(),
            };
            writers.push(scope.spawn(move || writer.write_until_gone(kinds)));
        }
        let flusher = random.fork();
        let flush_client = Client::new(client.base());
        scope.spawn(move || flush_until_gone(&flush_client, flusher));
        let corrector = Corrector {
            client: Client::new(client.base()),
            ledger: &ledger,
            random: random.fork(),
        };
        writers.push(scope.spawn(move || corrector.change_until_gone()));
        std::thread::sleep(life);
        server.kill();
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

/// Requests that are sent again: all without an answer that the server must still remember, and some
/// others.
fn repeats(ledger: &Ledger, random: &mut fastrand::Rng) -> Vec<Entry> {
    let remembered: Vec<&Entry> =
        (ledger.entries.values()).filter(|entry| ledger.is_among_last(entry, REMEMBERED)).collect();
    let wanted = remembered.len().min(24);
    let unknown = remembered.iter().filter(|entry| entry.fate != Fate::Acknowledged);
    let any = (0..wanted).map(|_| &remembered[random.usize(0..remembered.len())]);
    unknown.chain(any).map(|entry| (*entry).clone()).collect()
}

struct Writer<'a> {
    client: Client,
    ledger: &'a Mutex<&'a mut Ledger>,
    repeats: Vec<Entry>,
    random: fastrand::Rng,
}

impl Writer<'_> {
    fn write_until_gone(mut self, kinds: &[Kind]) {
        loop {
            let entry = match self.repeats.pop() {
                Some(entry) => {
                    self.ledger.lock().unwrap().reopen(entry.request);
                    entry
                }
                None => {
                    let kind = kinds[self.random.usize(0..kinds.len())];
                    self.open(kind)
                }
            };
            if !self.send(&entry) {
                return;
            }
        }
    }

    /// A new request: single rows as well as many, sometimes with a new column.
    fn open(&mut self, kind: Kind) -> Entry {
        let rows = match self.random.u32(0..4) {
            0 | 1 => 1,
            2 => self.random.u64(2..20),
            _ => self.random.u64(20..300),
        };
        // Two rows in a row, so that one is shown, and an audit can see the request.
        let rows = if kind == Kind::Aged { rows.max(2) } else { rows };
        let mut ledger = self.ledger.lock().unwrap();
        let extra =
            (self.random.u32(0..10) == 0).then(|| self.random.u64(0..=ledger.lives) % EXTRAS);
        let wide = ledger.lives >= WIDE_FROM;
        ledger.open(kind, rows, extra, wide)
    }

    /// Sends a request and notes its fate; false when the server is gone.
    fn send(&mut self, entry: &Entry) -> bool {
        let (path, content_type, body) = bodies::request(entry);
        let durability = if self.random.u32(0..8) == 0 { "async" } else { "fsync" };
        let key = entry.key();
        let headers = [
            ("content-type", content_type),
            ("x-pulsora-durability", durability),
            ("x-pulsora-idempotency-key", &key),
        ];
        let Ok(answer) = self.client.post(&path, &headers, &body) else { return false };
        match answer.status {
            200..=299 => {
                let duplicate = answer.header("x-pulsora-duplicate") == Some("true");
                match entry.fate {
                    Fate::Acknowledged | Fate::Found => {
                        assert!(duplicate, "stored again: {entry:?}")
                    }
                    Fate::Absent => {}
                    Fate::Unknown => assert!(!duplicate, "a new request: {entry:?}"),
                }
                self.ledger.lock().unwrap().acknowledge(entry.request);
                true
            }
            429 | 503 => true,
            _ => panic!("request {} {path}: {} {}", entry.request, answer.status, answer.text()),
        }
    }
}

/// Flushes, now and then to Parquet, and has everything merged.
fn flush_until_gone(client: &Client, mut random: fastrand::Rng) {
    let path = |random: &mut fastrand::Rng| match random.u32(0..6) {
        0 => "/api/v1/flush?cold=true",
        1 | 2 => "/api/v1/compaction/trigger",
        _ => "/api/v1/flush",
    };
    while client.post(path(&mut random), &[], &[]).is_ok() {
        std::thread::sleep(Duration::from_millis(random.u64(0..150)));
    }
}

/// Deletes and updates rows of requests that are known to be stored.
struct Corrector<'a> {
    client: Client,
    ledger: &'a Mutex<&'a mut Ledger>,
    random: fastrand::Rng,
}

/// What is done with the rows of a request in one of its tables.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Delete,
    Erase,
    Raise,
}

impl Corrector<'_> {
    fn change_until_gone(mut self) {
        loop {
            if let Some((mut entry, table)) = self.choose() {
                let change = match self.random.u32(0..8) {
                    0 => Change::Erase,
                    1..4 => Change::Delete,
                    _ if entry.changed(table).raised == Trace::No => Change::Raise,
                    _ => Change::Delete,
                };
                self.note(&entry, table, change, Trace::Perhaps);
                let statement = self.statement(&entry, table, change);
                let Ok(answer) = self.client.sql(&statement) else { return };
                match answer.status {
                    200 => {
                        // Rows that are too old to be shown count until they are dropped.
                        let counts = entry.shown(table).count()..=entry.run(table).count();
                        let found = answers::int(&answer.json()["data"][0][0]) as usize;
                        assert!(counts.contains(&found), "{statement}: {}", answer.text());
                        self.note(&entry, table, change, Trace::Yes);
                    }
                    // It may have been made or not.
                    503 | 504 => {}
                    _ => panic!("{statement}: {} {}", answer.status, answer.text()),
                }
            }
            std::thread::sleep(Duration::from_millis(self.random.u64(0..60)));
        }
    }

    /// A request that is stored for certain, and one of its tables whose rows are there for certain.
    fn choose(&mut self) -> Option<(Entry, &'static str)> {
        let ledger = self.ledger.lock().unwrap();
        let last = ledger.entries.len();
        let mut any = || ledger.entries.values().nth(self.random.usize(0..last.max(1)));
        let mut entry = (0..20).find_map(|_| any().filter(|entry| entry.is_stored()))?.clone();
        let tables = entry.kind.tables();
        let table = tables[self.random.usize(0..tables.len())];
        let changed = *entry.changed(table);
        let certain = changed.gone == Trace::No && changed.raised != Trace::Perhaps;
        (certain && entry.shown(table).next().is_some()).then_some((entry, table))
    }

    fn note(&self, entry: &Entry, table: &str, change: Change, trace: Trace) {
        let mut ledger = self.ledger.lock().unwrap();
        let changed = ledger.entries.get_mut(&entry.request).unwrap().changed(table);
        match change {
            Change::Raise => changed.raised = trace,
            Change::Delete | Change::Erase => changed.gone = trace,
        }
    }

    /// The same rows by one of several conditions.
    fn statement(&mut self, entry: &Entry, table: &str, change: Change) -> String {
        let (request, run) = (entry.request, entry.run(table));
        let condition = match self.random.u32(0..3) {
            0 => format!("req = {request}"),
            1 => format!("n >= {} AND n < {}", run.start, run.end),
            _ => format!("label LIKE 'row%' AND req IN ({request})"),
        };
        match change {
            Change::Delete => format!("DELETE FROM {table} WHERE {condition}"),
            Change::Erase => format!("ERASE FROM {table} WHERE {condition}"),
            Change::Raise => {
                format!("UPDATE {table} SET w = w + {} WHERE {condition}", bodies::RAISE as i64)
            }
        }
    }
}
