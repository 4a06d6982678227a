//! Whether a request comes from a client of InfluxDB: where its words and ours differ, it gets its own.

use axum::http::{HeaderMap, header};

/// Whether the client says that it is one: `influxdb-client-python/1.50`, `influxdb3-python/0.21`.
pub fn is_influxdb(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
    agent.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"influxdb"))
}
