//! One request, one answer, never a retry.
//!
//! Responsible for sending bytes and for giving back status, headers and bytes. Every status is an
//! answer; an error means that the fate of the request is unknown.

use std::time::Duration;

use serde_json::Value;
use ureq::http::Request;

/// A client with its own pool of connections.
#[derive(Clone)]
pub struct Client {
    base: String,
    agent: ureq::Agent,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The fate of the request is unknown: nothing, or only a part of an answer, came back.
pub type Unknown = ureq::Error;

impl Client {
    /// A client of the server at `base`, for example `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Client {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(120)))
            .build()
            .new_agent();
        Client { base: base.trim_end_matches('/').to_owned(), agent }
    }

    /// `http://host:port`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// # Errors
    /// When no whole answer comes back.
    pub fn get(&self, path: &str) -> Result<Answer, Unknown> {
        self.send("GET", path, &[], &[])
    }

    /// # Errors
    /// When no whole answer comes back.
    pub fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Unknown> {
        self.send("POST", path, headers, body)
    }

    /// Sends one request with a body of known length.
    ///
    /// # Errors
    /// When no whole answer comes back.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Unknown> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match method {
            "GET" | "HEAD" | "DELETE" => self.agent.run(request.body(())?)?,
            _ => self.agent.run(request.body(body)?)?,
        };
        read(response)
    }

    /// Posts a body in chunks, its length unknown to the server.
    ///
    /// # Errors
    /// When no whole answer comes back.
    pub fn post_chunked(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl std::io::Read + Send + 'static,
    ) -> Result<Answer, Unknown> {
        let mut request = Request::builder().method("POST").uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(self.agent.run(request.body(ureq::SendBody::from_owned_reader(body))?)?)
    }

    /// A SQL statement, answered as JSON.
    ///
    /// # Errors
    /// When no whole answer comes back.
    pub fn sql(&self, statement: &str) -> Result<Answer, Unknown> {
        let body = serde_json::json!({ "sql": statement }).to_string();
        self.post("/api/v1/query", &[("content-type", "application/json")], body.as_bytes())
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, Unknown> {
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec()?;
    Ok(Answer { status, headers, body })
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, with a mark where it is none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The `code` of an error answer; empty where there is none.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}
