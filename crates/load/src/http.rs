//! Blocking requests with kept connections.

use std::time::Duration;

/// A client with its own connections.
pub struct Client {
    base: String,
    agent: ureq::Agent,
}

/// Status and body.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of the server at `base`.
    pub fn new(base: &str) -> Client {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(600)))
            .build()
            .new_agent();
        Client { base: base.trim_end_matches('/').to_owned(), agent }
    }

    /// # Errors
    /// A sentence for the user when no answer comes back.
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        let path = format!("{}{path}", self.base);
        read(self.agent.get(&path).call(), &path)
    }

    /// # Errors
    /// A sentence for the user when no answer comes back.
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Answer, String> {
        let path = format!("{}{path}", self.base);
        read(self.agent.post(&path).header("content-type", content_type).send(body), &path)
    }

    /// Rows of a SQL statement.
    ///
    /// # Errors
    /// A sentence for the user when they do not come back.
    pub fn sql(&self, statement: &str) -> Result<Vec<serde_json::Value>, String> {
        let body = serde_json::json!({ "sql": statement }).to_string();
        let answer = self.post("/api/v1/query", "application/json", body.as_bytes())?;
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match json["data"].as_array() {
            Some(rows) if answer.status == 200 => Ok(rows.clone()),
            _ => Err(format!("{statement}: {}", answer.text())),
        }
    }
}

impl Answer {
    /// Status and body for an error message.
    pub fn text(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.body).chars().take(500).collect();
        format!("{} {text}", self.status)
    }
}

fn read(
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    path: &str,
) -> Result<Answer, String> {
    let failed = |error: ureq::Error| format!("{path}: {error}");
    let mut response = response.map_err(failed)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec().map_err(failed)?;
    Ok(Answer { status, body })
}
