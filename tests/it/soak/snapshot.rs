//! A query that is opened before everything and read slowly through all of it: it gives exactly the rows
//! that there were when it began, while they are deleted, updated, merged and made cold.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::session::{Session, Tally};

/// Rows of the table: more bytes of answer than the sockets hold between server and client.
const ROWS: u64 = 300_000;
/// About the bytes of the answer.
const ANSWER_BYTES: u64 = ROWS * 40;
/// Between two reads.
const PAUSE: Duration = Duration::from_millis(150);
/// Rows of one request.
const BATCH: u64 = 20_000;
const TABLE: &str = "still";

/// An answer that is being read.
pub struct SlowReader {
    stream: TcpStream,
    text: Vec<u8>,
}

impl SlowReader {
    /// Fills the table and opens the query.
    pub fn open(session: &Session<'_>) -> SlowReader {
        for first in (0..ROWS).step_by(BATCH as usize) {
            let mut body = String::from("time,n,text\n");
            for n in first..first + BATCH {
                writeln!(body, "{},{n},\"text of row {n}\"", 1_700_000_000 + n * 600).unwrap();
            }
            let path = format!("/tables/{TABLE}/ingest?time_format=s");
            session.write(&path, "text/csv", &body, BATCH as usize);
        }
        let body = format!(r#"{{"sql":"SELECT n, text FROM {TABLE}","format":"ndjson"}}"#);
        let address = session.client.base().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /api/v1/query HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The first bytes of the answer: the snapshot has been taken.
        let mut text = vec![0; 1];
        stream.read_exact(&mut text).unwrap();
        SlowReader { stream, text }
    }

    /// Reads a little now and then, a quarter of it in `seconds`, until all others have ended, then the rest.
    pub fn read_on(&mut self, tally: &Tally, seconds: u64) {
        let reads = seconds * 1_000 / PAUSE.as_millis() as u64 + 1;
        let mut some = vec![0; (ANSWER_BYTES / 4 / reads).max(1) as usize];
        while !tally.is_over() {
            let count = self.stream.read(&mut some).unwrap();
            assert!(count > 0, "the answer has ended too early");
            self.text.extend_from_slice(&some[..count]);
            std::thread::sleep(PAUSE);
        }
        let before = self.text.len();
        self.stream.read_to_end(&mut self.text).unwrap();
        assert!(self.text.len() > 2 * before, "the answer was read too fast");
    }

    /// Every row once, as it was.
    pub fn check(&self) {
        let text = String::from_utf8_lossy(&self.text);
        assert!(text.starts_with("HTTP/1.1 200 "), "{}", &text[..text.len().min(500)]);
        let mut seen = vec![false; ROWS as usize];
        for line in text.lines().filter(|line| line.starts_with('{')) {
            // A chunk may end inside a row: then its halves are two lines.
            let Ok(row) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            let n = row["n"].as_u64().unwrap();
            assert_eq!(row["text"], format!("text of row {n}"), "{row}");
            assert!(!std::mem::replace(&mut seen[n as usize], true), "twice: {row}");
        }
        let missing = seen.iter().filter(|seen| !**seen).count();
        assert_eq!(missing, 0, "of {ROWS} rows");
    }
}

/// Changes the table under the query until none of its rows is as it was.
pub fn change(session: &Session<'_>) {
    let third = ROWS / 3;
    let deleted = session.change(&format!("DELETE FROM {TABLE} WHERE n < {third}"));
    assert_eq!(deleted as u64, third);
    let changed =
        session.change(&format!("UPDATE {TABLE} SET text = 'changed' WHERE n < {}", 2 * third));
    assert_eq!(changed as u64, third);
    session.change(&format!("ALTER TABLE {TABLE} RENAME COLUMN text TO words"));
}

/// Ends the table.
pub fn end(session: &Session<'_>) {
    session.change(&format!("TRUNCATE TABLE {TABLE}"));
    session.change(&format!("DROP TABLE {TABLE}"));
}
