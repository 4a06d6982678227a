//! One client of the soak: its requests, sent until they are taken, and what they cost.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pulsora_tests::answers::{all_rows, sql_rows};
use pulsora_tests::http::{Answer, Client};
use serde_json::Value;

/// A request that is refused for so long is an error.
const PATIENCE: Duration = Duration::from_secs(60);

/// What all clients have done.
#[derive(Default)]
pub struct Tally {
    pub over: AtomicBool,
    pub rows: AtomicU64,
    pub body_bytes: AtomicU64,
    pub changes: AtomicU64,
    pub queries: AtomicU64,
    pub refused: AtomicU64,
    /// Longest time from the first try of a write to its acknowledgement, and the sum of all.
    pub write_us_max: AtomicU64,
    /// The most anonymous memory of the server that was seen, bytes; 0 where the system does not tell.
    pub memory_max: AtomicU64,
}

impl Tally {
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// A connection, and the tally that it adds to.
pub struct Session<'t> {
    pub client: Client,
    pub tally: &'t Tally,
}

impl Session<'_> {
    /// Sends rows until they are taken. Sending them twice must not matter.
    pub fn write(&self, path: &str, content_type: &str, body: &str, rows: usize) {
        let since = Instant::now();
        let answer = self.until_taken(|| {
            self.client.post(path, &[("content-type", content_type)], body.as_bytes())
        });
        assert!(matches!(answer.status, 200 | 204), "{path}: {} {}", answer.status, answer.text());
        let spent = since.elapsed().as_micros() as u64;
        self.tally.write_us_max.fetch_max(spent, Ordering::Relaxed);
        self.tally.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.tally.body_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
    }

    /// A statement that changes rows or tables, and how many rows it says it has changed.
    pub fn change(&self, statement: &str) -> i64 {
        let answer = self.client.sql(statement).unwrap();
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
        self.tally.changes.fetch_add(1, Ordering::Relaxed);
        answer.json()["data"][0][0].as_i64().unwrap_or(0)
    }

    /// A request that changes rows without a body, and its answer.
    pub fn delete(&self, path: &str) -> Answer {
        self.tally.changes.fetch_add(1, Ordering::Relaxed);
        self.client.send("DELETE", path, &[], &[]).unwrap()
    }

    /// The one row of a statement.
    pub fn row(&self, statement: &str) -> Vec<Value> {
        self.tally.queries.fetch_add(1, Ordering::Relaxed);
        let mut rows = sql_rows(&self.client, statement);
        assert_eq!(rows.len(), 1, "{statement}");
        rows.remove(0)
    }

    /// Every row of a table by the row API.
    pub fn rows(&self, table: &str) -> Vec<Value> {
        self.tally.queries.fetch_add(1, Ordering::Relaxed);
        all_rows(&self.client, table)
    }

    fn until_taken<E: std::fmt::Debug>(&self, send: impl Fn() -> Result<Answer, E>) -> Answer {
        let since = Instant::now();
        loop {
            let answer = send().unwrap();
            if !matches!(answer.status, 429 | 503) || since.elapsed() > PATIENCE {
                return answer;
            }
            self.tally.refused.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A float as JSON has it; null is 0.
pub fn float(value: &Value) -> f64 {
    if value.is_null() { 0.0 } else { value.as_f64().unwrap_or_else(|| panic!("{value}")) }
}
