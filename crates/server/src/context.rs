//! What a handler knows of its request beside the body: engine, parameters, database, durability.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Uri};
use pulsora_model::{Code, Error, Name, Result};
use pulsora_query::{About, Caching, Priority};
use pulsora_storage::{Durability, IdempotencyKey};

use crate::app::{App, Running};
use crate::clients::{Client, Peer};
use crate::error::HttpError;
use crate::params::Params;

/// Figures of one request, for the log line at its end.
#[derive(Debug, Default)]
pub struct Figures {
    /// Body bytes read, as they came.
    pub bytes_in: AtomicU64,
    /// Rows stored or given.
    pub rows: AtomicU64,
}

impl Figures {
    /// Adds to one of the figures.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// A request without its body. Extracting it refuses the request while the engine is not open or
/// memory is short.
pub struct Context {
    /// What all requests share.
    pub app: App,
    /// The open engine.
    pub running: Running,
    /// Parameters of the URL.
    pub params: Params,
    /// Path and parameters as they came.
    pub uri: Uri,
    /// Headers.
    pub headers: HeaderMap,
    /// Figures for the log.
    pub figures: Arc<Figures>,
    /// When the request arrived, monotonic nanoseconds.
    pub arrived_ns: u64,
    /// Where it came from; `None` for work that no request asked for.
    pub peer: Option<IpAddr>,
}

impl FromRequestParts<App> for Context {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Context, HttpError> {
        let context = Context::of(parts, app)?;
        app.memory.admit(app.config.ingest.max_wait).await?;
        Ok(context)
    }
}

/// A request of an operator, who must get through when memory is short: flushes and drops give it
/// back, and reports say who has it.
pub struct Operator(pub Context);

impl FromRequestParts<App> for Operator {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Operator, HttpError> {
        Ok(Operator(Context::of(parts, app)?))
    }
}

impl Context {
    fn of(parts: &Parts, app: &App) -> Result<Context> {
        Ok(Context {
            arrived_ns: app.env.clock.monotonic_ns(),
            running: app.running()?.clone(),
            params: Params::of(&parts.uri)?,
            app: app.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            figures: parts.extensions.get().cloned().unwrap_or_default(),
            peer: parts.extensions.get().map(|Peer(address)| *address),
        })
    }

    /// The context of work that no HTTP request asked for.
    ///
    /// # Errors
    /// `not_ready`.
    pub fn detached(app: &App) -> Result<Context> {
        Ok(Context {
            arrived_ns: app.env.clock.monotonic_ns(),
            running: app.running()?.clone(),
            params: Params::default(),
            app: app.clone(),
            uri: Uri::default(),
            headers: HeaderMap::new(),
            figures: Arc::default(),
            peer: None,
        })
    }

    /// The database of the request: header > `db` > `bucket` (the part before `/`) > `default`.
    ///
    /// # Errors
    /// `invalid_name`.
    pub fn database(&self) -> Result<Name> {
        for name in ["x-pulsora-database", "x-arc-database"] {
            let header = self.header(&HeaderName::from_static(name))?;
            if let Some(text) = header.filter(|text| !text.is_empty()) {
                return Name::new(text);
            }
        }
        let bucket = self.params.text("bucket").map(|text| text.split('/').next().unwrap_or(text));
        Name::new(self.params.text("db").or(bucket).unwrap_or("default"))
    }

    /// The durability of a write: parameter > header > configuration.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn durability(&self) -> Result<Durability> {
        let header = self.header(&HeaderName::from_static("x-pulsora-durability"))?;
        match self.params.text("durability").or(header) {
            Some(text) => Durability::parse(text),
            None => Ok(self.app.config.wal.durability),
        }
    }

    /// A query of this request. `priority` of the body > parameter > header > normal.
    ///
    /// # Errors
    /// `invalid_request` for a word that is no priority, `invalid_name`.
    pub fn about(
        &self,
        kind: &'static str,
        statement: &str,
        priority: Option<&str>,
    ) -> Result<About> {
        let header = self.header(&HeaderName::from_static("x-pulsora-priority"))?;
        let word = priority.or(self.params.text("priority")).or(header);
        Ok(About {
            client: self.client().map(|client| client.to_string().into()),
            priority: word.map(Priority::parse).transpose()?.unwrap_or_default(),
            ..About::new(kind, statement, &self.database()?)
        })
    }

    /// Whether kept answers may be given: `cache` of the body > parameter > header > yes.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn caching(&self, asked: Option<bool>) -> Result<Caching> {
        let header = self.header(&HeaderName::from_static("x-pulsora-cache"))?;
        let by_header = match header.map(str::trim) {
            None => true,
            Some(word) if word.eq_ignore_ascii_case("off") => false,
            Some(word) if word.eq_ignore_ascii_case("on") => true,
            Some(word) => {
                let message = format!("X-Pulsora-Cache: {word:?} is neither on nor off");
                return Err(Error::new(Code::InvalidRequest, message).hint("use on or off"));
            }
        };
        let used = match asked {
            Some(used) => used,
            None => self.params.flag("cache", by_header)?,
        };
        Ok(if used { Caching::Used } else { Caching::Off })
    }

    /// The client's name for this write.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey>> {
        let header = self.header(&HeaderName::from_static("x-pulsora-idempotency-key"))?;
        header.map(IdempotencyKey::parse).transpose()
    }

    /// Who sends: the client of the idempotency key, else the address.
    pub fn client(&self) -> Option<Client> {
        // A key that cannot be read is refused where it is needed.
        match self.idempotency_key() {
            Ok(Some(key)) => Some(Client::Named(key.client().to_owned())),
            _ => self.peer.map(Client::At),
        }
    }

    /// A header as text.
    ///
    /// # Errors
    /// `invalid_utf8`.
    pub fn header(&self, name: &HeaderName) -> Result<Option<&str>> {
        let Some(value) = self.headers.get(name) else {
            return Ok(None);
        };
        // Names may be any UTF-8; HeaderValue::to_str takes ASCII only.
        std::str::from_utf8(value.as_bytes())
            .map(Some)
            .map_err(|_| Error::new(Code::InvalidUtf8, format!("header {name} is not UTF-8")))
    }

    /// Milliseconds since the request arrived.
    pub fn elapsed_ms(&self) -> f64 {
        let now = self.app.env.clock.monotonic_ns();
        (now.saturating_sub(self.arrived_ns) / 1_000) as f64 / 1_000.0
    }

    /// The wall clock, nanoseconds UTC.
    pub fn now_ns(&self) -> i64 {
        self.app.env.clock.wall_ns()
    }
}

/// The one name in the path of a route.
pub struct PathName(pub Name);

impl FromRequestParts<App> for PathName {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<PathName, HttpError> {
        let Path(text) = Path::<String>::from_request_parts(parts, app).await.map_err(|_| {
            Error::new(Code::InvalidName, "the name in the path is not UTF-8")
                .hint("percent-encode the UTF-8 bytes of the name")
        })?;
        Ok(PathName(Name::new(&text)?))
    }
}
