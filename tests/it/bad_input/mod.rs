//! What cannot be read, for each format: a clear error, and nothing changed that should not be.
//!
//! A [`Case`] is one request with what must come of it. Each format has a list of them, run against one
//! server over a table `t` (rows: time, n integer, x float, s text, ok boolean) and a table `u` (tag
//! host, fields v integer, x float, s text, ok boolean). After each case everything there is must be as
//! it was, but for the rows the case says are stored; at the end no file lies outside the data
//! directory, and the server has not panicked.

mod binary;
mod csv;
mod json;
mod line;
mod msgpack;
mod remote_write;
mod transport;

use pulsora_tests::answers::{State, everything};
use pulsora_tests::http::{Answer, Client};
use pulsora_tests::server::{Launch, Server};

/// A time in the middle of everything, in milliseconds, seconds and as text.
const MS: i64 = 1_700_000_000_000;

/// What must come of a request.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// This status and code, and nothing has changed.
    Refused(u16, &'static str),
    /// This status and code, and so many rows are stored all the same.
    Partly(u16, &'static str, i64),
    /// Success, with so many rows more than before.
    Stored(i64),
}

/// One request, and what must come of it.
struct Case {
    name: String,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    expect: Expect,
    says: Vec<&'static str>,
}

impl Case {
    fn new(name: &str, path: &str, content_type: &'static str, body: impl AsRef<[u8]>) -> Case {
        Case {
            name: name.to_owned(),
            path: path.to_owned(),
            headers: vec![("content-type", content_type)],
            body: body.as_ref().to_vec(),
            expect: Expect::Stored(0),
            says: Vec::new(),
        }
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Case {
        self.headers.push((name, value));
        self
    }

    fn refused(mut self, status: u16, code: &'static str) -> Case {
        self.expect = Expect::Refused(status, code);
        self
    }

    fn partly(mut self, status: u16, code: &'static str, rows: i64) -> Case {
        self.expect = Expect::Partly(status, code, rows);
        self
    }

    fn stored(mut self, rows: i64) -> Case {
        self.expect = Expect::Stored(rows);
        self
    }

    /// The answer holds this text.
    fn says(mut self, text: &'static str) -> Case {
        self.says.push(text);
        self
    }

    /// Sends the request and gives what is wrong with what came of it.
    fn run(&self, client: &Client) -> Result<(), String> {
        let before = everything(client);
        let answer = client
            .post(&self.path, &self.headers, &self.body)
            .map_err(|error| format!("no answer: {error}"))?;
        let after = everything(client);
        self.judge(&answer, &before, &after).map_err(|wrong| {
            let text: String = answer.text().chars().take(600).collect();
            format!("{wrong}\n    {:?}, got {} {text}", self.expect, answer.status)
        })
    }

    fn judge(&self, answer: &Answer, before: &State, after: &State) -> Result<(), String> {
        let stored = after.rows - before.rows;
        let (status, code, wanted) = match self.expect {
            Expect::Refused(status, code) => {
                check(before == after, || format!("changed\n{}to\n{}", before.text, after.text))?;
                (Some(status), code, 0)
            }
            Expect::Partly(status, code, rows) => (Some(status), code, rows),
            Expect::Stored(rows) => (None, "", rows),
        };
        let success = (200..300).contains(&answer.status);
        check(status.map_or(success, |status| status == answer.status), || "status".into())?;
        check(answer.code() == code, || format!("code {code:?}"))?;
        check(stored == wanted, || format!("{stored} rows stored"))?;
        if answer.status >= 400 {
            error_shape(answer)?;
        }
        let text = answer.text();
        let missing = self.says.iter().find(|says| !text.contains(**says));
        check(missing.is_none(), || format!("does not say {missing:?}"))
    }
}

fn check(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}

/// The one shape of an error answer.
fn error_shape(answer: &Answer) -> Result<(), String> {
    let json = answer.json();
    check(json["success"] == false, || "success is not false".into())?;
    check(json.get("data").is_some_and(|data| data.is_null()), || "data is not null".into())?;
    let error = json["error"].as_str().unwrap_or_default();
    check(!error.is_empty() && !error.contains('\n'), || "error is not one line".into())?;
    check(error.len() < 1_000, || format!("an error of {} bytes", error.len()))?;
    check(!error.contains("Error("), || "error shows the inside".into())?;
    check(json.get("hint").is_some(), || "no hint".into())?;
    let details = json["details"].as_array();
    check(details.is_some_and(|list| list.len() <= 100), || "details".into())?;
    check(answer.body.len() < 100_000, || format!("an answer of {} bytes", answer.body.len()))?;
    check(answer.header("x-request-id").is_some(), || "no request id".into())
}

/// A server over a directory inside a directory inside a directory, with the tables `t` and `u`.
struct Bench {
    dir: tempfile::TempDir,
    server: Server,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let launch = Launch::new(dir.path().join("a/b/data"))
            .set("ingest.max_body_bytes", "24MiB")
            .set("ingest.atomic_body_bytes", "24MiB");
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let mut bench = Bench { dir, server: launch.start() };
        let client = bench.server.client();
        let csv = format!("time,n,x,s,ok\n{MS},1,1.5,one,true\n{},2,2.5,two,false\n", MS + 1);
        let csv = client.post("/tables/t/ingest", &[("content-type", "text/csv")], csv.as_bytes());
        assert_eq!(csv.unwrap().status, 200);
        let line = format!("u,host=a v=1i,x=1.5,s=\"one\",ok=true {MS}");
        let line = client.post("/write?precision=ms", &[], line.as_bytes());
        assert_eq!(line.unwrap().status, 204);
        bench
    }

    /// Runs every case, then fails with all that went wrong.
    fn run(mut self, cases: Vec<Case>) {
        let client = self.server.client();
        let wrong: Vec<String> = cases
            .iter()
            .filter_map(|case| {
                case.run(&client).err().map(|wrong| format!("{}: {wrong}", case.name))
            })
            .collect();
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
        self.finish();
    }

    /// The server lives, has not panicked, and has written nowhere else.
    fn finish(mut self) {
        let client = self.server.client();
        assert_eq!(client.get("/health").unwrap().status, 200);
        assert_eq!(client.post("/api/v1/flush", &[], &[]).unwrap().status, 200);
        assert_eq!(names(&self.dir.path().join("a/b")), ["data"]);
        assert_eq!(names(&self.dir.path().join("a")), ["b"]);
        assert_eq!(names(self.dir.path()), ["a"]);
        let (status, output) = self.server.terminate();
        assert!(status.success(), "{status}: {output}");
        assert!(!output.contains("panicked"), "{output}");
    }
}

fn names(dir: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}
