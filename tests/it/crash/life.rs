//! One life of the server, from its start to the kill.
//!
//! Four writers and one who flushes run until the server is gone; the kill comes after a random time,
//! and in some lives before that during recovery too.

use std::sync::Mutex;
use std::time::Duration;

use pulsora_tests::http::Client;
use pulsora_tests::server::Launch;

use super::bodies;
use super::ledger::{Entry, Fate, Kind, Ledger};

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
        for kinds in
            [&[Kind::Lines][..], &[Kind::Csv, Kind::OwnIds], &[Kind::Pack], &[Kind::Metric]]
        {
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

fn flush_until_gone(client: &Client, mut random: fastrand::Rng) {
    while client.post("/api/v1/flush", &[], &[]).is_ok() {
        std::thread::sleep(Duration::from_millis(random.u64(0..150)));
    }
}
