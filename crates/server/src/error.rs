//! Errors as HTTP answers: the one table from code to status, and the one JSON shape.
//!
//! Invariants: every code has a status; 429 and 503 carry `Retry-After`; what went wrong inside
//! (paths, causes) goes to the log under the request id and never into a 500 answer.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pulsora_model::{Code, Detail, Error};
use serde::Serialize;
use serde_json::{Value, json};

/// The HTTP status of a code.
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidRequest
        | Code::UnknownParameter
        | Code::InvalidName
        | Code::EmptyBody
        | Code::MalformedBody
        | Code::PartialWrite
        | Code::InvalidUtf8
        | Code::SqlSyntax
        | Code::SqlInvalid
        | Code::InvalidConfig
        | Code::InvalidTime
        | Code::DuplicateColumn
        | Code::ConfirmationNeeded => StatusCode::BAD_REQUEST,
        Code::StatementRefused => StatusCode::FORBIDDEN,
        Code::DatabaseNotFound
        | Code::TableNotFound
        | Code::RowNotFound
        | Code::JobNotFound
        | Code::ColumnNotFound
        | Code::QueryNotFound
        | Code::RouteNotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::AlreadyExists
        | Code::KeyForgotten
        | Code::QueryEnded
        | Code::SchemaMoved
        | Code::Locked => StatusCode::CONFLICT,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::UnsupportedFormat => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::TypeConflict
        | Code::MissingTime
        | Code::MixedTimeUnits
        | Code::InvalidRowId
        | Code::SchemaConflict
        | Code::LimitExceeded => StatusCode::UNPROCESSABLE_ENTITY,
        Code::ClientLimit => StatusCode::TOO_MANY_REQUESTS,
        Code::Overloaded
        | Code::MemoryLimit
        | Code::DiskFull
        | Code::NotReady
        | Code::WritesRefused
        | Code::Cancelled
        | Code::Closed => StatusCode::SERVICE_UNAVAILABLE,
        Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Code::Corrupt | Code::Io | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Seconds after which a refused request may be sent again.
fn retry_after_seconds(code: Code) -> Option<u32> {
    match code {
        Code::ClientLimit
        | Code::Overloaded
        | Code::MemoryLimit
        | Code::NotReady
        | Code::Cancelled => Some(1),
        // Space, a restart or a repair takes somebody longer.
        Code::DiskFull | Code::WritesRefused | Code::Closed => Some(10),
        _ => None,
    }
}

/// The error for senders that throw their data away on any 4xx, also on those that mean "later".
pub fn retryable(error: Error) -> Error {
    let later =
        error.code() == Code::SchemaMoved || status(error.code()) == StatusCode::TOO_MANY_REQUESTS;
    if !later {
        return error;
    }
    Error::new(Code::Overloaded, error.message()).hint("send the request again a little later")
}

/// An error on its way to a client.
#[derive(Debug)]
pub struct HttpError(pub Error);

impl<E: Into<Error>> From<E> for HttpError {
    fn from(error: E) -> HttpError {
        HttpError(error.into())
    }
}

/// What handlers return.
pub type HttpResult<T = Response> = Result<T, HttpError>;

/// What the log and the metrics learn of a failed request, beside its answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The code.
    pub code: Code,
    /// The full message, with what the answer leaves out.
    pub message: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    success: bool,
    data: Option<Value>,
    error: &'a str,
    /// The same with the first details and the hint: all that some clients show.
    message: String,
    code: &'a str,
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<u64>,
    details: &'a [Detail],
}

const INSIDE: &str = "the server failed inside";
const INSIDE_HINT: &str = "the server's log says why, under the X-Request-Id of this answer";

/// The message and hint that a client may see.
fn public_text(error: &Error) -> (&str, Option<&str>) {
    match error.code() {
        Code::Internal | Code::Io => (INSIDE, Some(INSIDE_HINT)),
        Code::Corrupt => ("stored data is damaged", Some(INSIDE_HINT)),
        _ => (error.message(), error.hint_text()),
    }
}

/// Details that a text of one line repeats.
const DETAILS_IN_TEXT: usize = 3;

/// `2 of 9 lines …: line 3: why; line 5: why (what to do)`.
fn one_text(message: &str, hint: Option<&str>, details: &[Detail]) -> String {
    let shown = details.iter().take(DETAILS_IN_TEXT).map(detail_text);
    let shown = shown.collect::<Vec<_>>().join("; ");
    let more = match details.len().saturating_sub(DETAILS_IN_TEXT) {
        0 => "",
        _ => "; …",
    };
    let colon = if shown.is_empty() { "" } else { ": " };
    let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{message}{colon}{shown}{more}{hint}")
}

fn detail_text(detail: &Detail) -> String {
    match (detail.line, detail.index) {
        (Some(line), _) => format!("line {line}: {}", detail.message),
        (None, Some(index)) => format!("item {index}: {}", detail.message),
        (None, None) => detail.message.clone(),
    }
}

/// The error as a client may see it, for what is not an error answer.
pub fn public(error: &Error) -> Error {
    let (message, hint) = public_text(error);
    let public = Error::new(error.code(), message);
    match hint {
        Some(hint) => public.hint(hint),
        None => public,
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let (message, _) = public_text(&self.0);
        match self.0.detail_list().first() {
            // Some clients show nothing but `error`.
            Some(first) if self.0.code() == Code::PartialWrite => {
                self.respond(&format!("{message}; {}", detail_text(first)), None)
            }
            _ => self.respond(message, None),
        }
    }
}

impl HttpError {
    /// A `partial_write` as InfluxDB 3 says it, so that its clients find the lines: its words in front of
    /// the error, and the details once more under `data`.
    pub fn into_response_v3(self, words: &str) -> Response {
        let line = |detail: &Detail| {
            json!({
                "line_number": detail.line.unwrap_or(0),
                "original_line": detail.text.as_deref().unwrap_or(""),
                "error_message": detail.message,
            })
        };
        let lines = self.0.detail_list().iter().map(line).collect();
        let message = format!("{words}: {}", self.0.message());
        self.respond(&message, Some(Value::Array(lines)))
    }

    fn respond(&self, message: &str, data: Option<Value>) -> Response {
        let error = &self.0;
        let (public, hint) = public_text(error);
        let answer = Answer {
            success: false,
            data,
            error: message,
            message: one_text(public, hint, error.detail_list()),
            code: error.code().name(),
            hint,
            written: error.written_rows(),
            details: error.detail_list(),
        };
        let mut response = (status(error.code()), Json(answer)).into_response();
        if let Some(seconds) = retry_after_seconds(error.code()) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if error.code() == Code::RequestTimeout {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let failure = Failure { code: error.code(), message: chain(error) };
        response.extensions_mut().insert(failure);
        response
    }
}

/// "message: cause: its cause", without repeating a cause that the message holds already.
pub(crate) fn chain(error: &Error) -> String {
    let mut text = error.message().to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_error_status_that_fits_its_kind() {
        use pulsora_model::ErrorKind;
        for code in Code::ALL {
            let status = status(*code).as_u16();
            let fits = match code.kind() {
                ErrorKind::Invalid => (400..=422).contains(&status),
                ErrorKind::NotFound => status == 404,
                ErrorKind::Conflict => status == 409,
                ErrorKind::Overloaded => matches!(status, 429 | 503),
                ErrorKind::Closed => status == 503,
                ErrorKind::Unavailable => matches!(status, 503 | 504),
                ErrorKind::Corrupt | ErrorKind::Internal => status == 500,
            };
            assert!(fits, "{} has status {status}", code.name());
            let later = matches!(status, 429 | 503);
            assert_eq!(later, retry_after_seconds(*code).is_some(), "{}", code.name());
        }
    }

    #[tokio::test]
    async fn the_shape_is_the_contract_and_hides_the_inside() {
        let detail = Detail { line: Some(3), message: "bad".into(), ..Detail::default() };
        let error =
            Error::new(Code::PartialWrite, "1 of 2 lines").hint("h").written(1).details([detail]);
        let text = body(HttpError(error)).await;
        assert_eq!(
            text,
            r#"{"success":false,"data":null,"error":"1 of 2 lines; line 3: bad","message":"1 of 2 lines: line 3: bad (h)","code":"partial_write","hint":"h","written":1,"details":[{"line":3,"message":"bad"}]}"#
        );
        let cause = std::io::Error::other("/secret/path");
        let text = body(HttpError(Error::io("write /secret/path", cause))).await;
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("io_error"), "{text}");
    }

    async fn body(error: HttpError) -> String {
        let body = error.into_response().into_body();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }
}
