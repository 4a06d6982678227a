//! A server over HTTP: requests, and its errors as ours.
//!
//! Invariant: every status is an answer; an error without an answer says that nothing is known of the
//! request's fate.

use std::io::Read;

use pulsora_model::{Code, Detail, Error, Result};
use serde_json::Value;
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

/// Longest error answer that is read, bytes: a hundred details of cut texts.
const ERROR_BYTES_MAX: u64 = 1 << 20;

/// A server and its connections.
pub(super) struct Client {
    /// `http://host:port`, without a slash at its end.
    base: String,
    agent: Agent,
}

/// A request of one of the server's routes.
pub(super) struct Call<'a> {
    /// From the first slash on.
    pub path: String,
    /// Parameters of the URL, not encoded yet.
    pub params: Vec<(&'a str, String)>,
    pub content_type: &'a str,
    pub body: &'a [u8],
}

impl Client {
    /// # Errors
    /// `invalid_request` when `url` is not `http://host[:port]`.
    pub fn new(url: &str) -> Result<Client> {
        let base = url.trim_end_matches('/');
        let base = if base.contains("://") { base.to_owned() } else { format!("http://{base}") };
        if !base.starts_with("http://") {
            return Err(Error::new(
                Code::InvalidRequest,
                format!("{url:?} is not an http:// address"),
            )
            .hint("use http://host:port; this version speaks no TLS"));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .user_agent(concat!("pulsora/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Client { base, agent: config.new_agent() })
    }

    /// Where the server is, for messages.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Posts a request; gives the answer of a 2xx status.
    ///
    /// # Errors
    /// The server's; `io_error` when no answer came.
    pub fn post(&self, call: &Call<'_>) -> Result<Response<Body>> {
        let uri = format!("{}{}{}", self.base, call.path, query(&call.params));
        let request = Request::post(&uri).header("content-type", call.content_type);
        let request = request.body(call.body).map_err(|error| {
            Error::new(Code::InvalidRequest, format!("{uri:?} is not an address: {error}"))
        })?;
        let response = self.agent.run(request).map_err(|error| self.unanswered(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response)) }
    }

    /// Gets a path; gives the answer of a 2xx status.
    ///
    /// # Errors
    /// The server's; `io_error` when no answer came.
    pub fn get(&self, path: &str, params: &[(&str, String)]) -> Result<Response<Body>> {
        let uri = format!("{}{path}{}", self.base, query(params));
        let response = self.agent.get(&uri).call().map_err(|error| self.unanswered(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response)) }
    }

    fn unanswered(&self, error: &ureq::Error) -> Error {
        let refused = matches!(error, ureq::Error::Io(io)
            if io.kind() == std::io::ErrorKind::ConnectionRefused);
        if refused || matches!(error, ureq::Error::HostNotFound | ureq::Error::ConnectionFailed) {
            return Error::new(Code::Io, format!("no server answers at {}", self.base))
                .hint("start one with `pulsora serve`, name it with --url, or name a directory with --data-dir");
        }
        Error::new(Code::Io, format!("the server at {} did not answer: {error}", self.base))
            .hint("whether the request was carried out is unknown")
    }
}

/// A JSON answer.
///
/// # Errors
/// `io_error` when it ends early, `internal` when it is no JSON.
pub(super) fn json(response: Response<Body>) -> Result<Value> {
    let mut bytes = Vec::new();
    let read = response.into_body().into_reader().take(ERROR_BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(|error| Error::io("read the answer", error))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::internal(format!("the answer of the server is not JSON: {error}")))
}

/// The error in an answer of the contract's shape, or its status.
fn refusal(response: Response<Body>) -> Error {
    let status = response.status();
    let body = json(response).unwrap_or(Value::Null);
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let code = Code::ALL.iter().find(|code| Some(code.name()) == text("code"));
    let Some((code, message)) = code.zip(text("error")) else {
        return Error::new(Code::Internal, format!("the server answered {status}"))
            .hint("is it a Pulsora server?");
    };
    let mut error = Error::new(*code, message);
    if let Some(hint) = text("hint") {
        error = error.hint(hint);
    }
    if let Some(written) = body.get("written").and_then(Value::as_u64) {
        error = error.written(written);
    }
    error.details(details(&body))
}

/// The list `details` of an answer.
pub(super) fn details(body: &Value) -> Vec<Detail> {
    let list = body.get("details").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter()
        .map(|detail| {
            let text = |name: &str| detail.get(name).and_then(Value::as_str).map(str::to_owned);
            Detail {
                line: detail.get("line").and_then(Value::as_u64),
                index: detail.get("index").and_then(Value::as_u64),
                column: text("column"),
                text: text("text"),
                message: text("message").unwrap_or_default(),
            }
        })
        .collect()
}

/// `?name=value&…`, percent-encoded; nothing without parameters.
fn query(params: &[(&str, String)]) -> String {
    let pairs: Vec<String> =
        params.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Every byte but letters, digits and `-._~` as `%XX`.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
