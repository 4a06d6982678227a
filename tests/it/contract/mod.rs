//! The HTTP contract, section by section: a request in, the status and the text of the answer out.
//!
//! Every route and every alias is asked at least once; the tables here are small enough that whole
//! answers can be compared.

mod clients;
mod exports;
mod operations;
mod points;
mod repeats;
mod rows;
mod sql;

use pulsora_tests::http::{Answer, Client};
use pulsora_tests::server::Server;
use serde_json::Value;

const CSV: &str = "text/csv";
const JSON: &str = "application/json";

/// A server of its own for a test.
struct Bench {
    _dir: tempfile::TempDir,
    _server: Server,
    client: Client,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Server::start(dir.path().join("data"), &[]);
        let client = server.client();
        Bench { _dir: dir, _server: server, client }
    }

    fn post(&self, path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Answer {
        self.client.post(path, &[("content-type", content_type)], body.as_ref()).unwrap()
    }

    /// Posts what must succeed with this status.
    fn accept(
        &self,
        status: u16,
        path: &str,
        content_type: &str,
        body: impl AsRef<[u8]>,
    ) -> Answer {
        let answer = self.post(path, content_type, body);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        answer
    }

    fn get(&self, path: &str) -> Answer {
        let answer = self.client.get(path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    }

    /// The `data` of an answer, as text.
    fn data(&self, path: &str) -> String {
        let json = self.get(path).json();
        assert_eq!(json["success"], true, "{path}: {json}");
        assert_eq!(json["error"], Value::Null, "{path}: {json}");
        json["data"].to_string()
    }

    /// The rows of a statement, as text.
    fn sql(&self, statement: &str) -> String {
        let answer = self.client.sql(statement).unwrap();
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
        answer.json()["data"].to_string()
    }

    /// Status and code of a statement that fails.
    fn sql_error(&self, statement: &str) -> (u16, String, String) {
        let answer = self.client.sql(statement).unwrap();
        (answer.status, answer.code(), answer.text())
    }

    fn flush(&self) {
        self.accept(200, "/api/v1/flush", JSON, "");
    }
}
