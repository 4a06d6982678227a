//! All bodies of a run, made before its clock starts.
//!
//! A run sends the bodies one after the other and then again from the first, with the times of all rows
//! moved on, so that every request has new rows while making it costs a copy of their times. Values
//! repeat with every turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::body::{Bodies, Body};
use crate::protocol::Protocol;
use crate::rows::Source;

/// Bytes of bodies that are kept: several times any cache, so that no turn is cheaper than the first,
/// and a small part of a machine's memory.
const BYTES_MAX: usize = 256 << 20;

/// Rows that are kept at most: what is noted of each body stays small where bodies are small.
const ROWS_MAX: usize = 4_000_000;

/// Bodies in the order in which they are sent.
pub struct Ring {
    bodies: Vec<Mutex<Body>>,
    /// Time from the first row of one turn to that of the next, nanoseconds.
    turn_ns: i64,
    rows: usize,
}

impl Ring {
    /// Bodies of the next rows of `source`: `rows` rows in requests of `batch`, or as many as are kept at
    /// once if that is less; at least twice as many requests as there are clients, so that none waits
    /// for a body of another.
    pub fn make(
        protocol: Protocol,
        table: &str,
        source: &mut Source,
        rows: usize,
        batch: usize,
        clients: usize,
    ) -> Ring {
        let series = Arc::clone(&source.series);
        let writer = Bodies::new(protocol, table, &series);
        let first_time = source.next_time();
        let (mut bodies, mut bytes, mut made) = (Vec::new(), 0, 0);
        while made < rows && (bytes < BYTES_MAX && made < ROWS_MAX || bodies.len() < 2 * clients) {
            let next = source.rows(batch.min(rows - made));
            let body = writer.body(&next);
            bytes += body.bytes.len();
            made += next.len();
            bodies.push(Mutex::new(body));
        }
        Ring { bodies, turn_ns: source.next_time() - first_time, rows: made }
    }

    /// Rows of one turn.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Requests of one turn.
    pub fn requests(&self) -> usize {
        self.bodies.len()
    }

    /// Rows of the first so many requests, about.
    pub(crate) fn rows_before(&self, requests: u64) -> f64 {
        requests as f64 * self.rows as f64 / self.bodies.len() as f64
    }

    /// The body of a request, with its own times. Waits while the same body is sent by another client.
    pub(crate) fn body(&self, request: u64) -> MutexGuard<'_, Body> {
        let bodies = self.bodies.len() as u64;
        let body = &self.bodies[(request % bodies) as usize];
        // A body is bytes: one that a panicking client left is as good as before.
        let mut body = body.lock().unwrap_or_else(PoisonError::into_inner);
        body.shift((request / bodies) as i64 * self.turn_ns);
        body
    }
}
