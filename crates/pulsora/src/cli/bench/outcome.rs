//! What came out of a measurement, and its JSON.

use std::time::Duration;

use pulsora_load::send::Run;
use serde_json::{Value, json};

use super::place::{Stored, durability_word};
use super::settings::Settings;
use super::usage::Usage;

/// From the first request until something was true of all rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The last answer has come.
    pub accepted: Duration,
    /// They are on disk.
    pub fsynced: Option<Duration>,
    /// A query has counted them.
    pub visible: Option<Duration>,
    /// They are in segments.
    pub flushed: Option<Duration>,
}

/// A SIGKILL after the measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crash {
    /// Rows that were sent between the last flush and the kill.
    pub rows: u64,
    /// From the new start until the server was ready.
    pub ready: Duration,
}

/// What `pulsora bench ingest` found.
pub(super) struct IngestOutcome {
    pub settings: Settings,
    pub place: String,
    pub load: Run,
    /// Rows that were sent before the clock ran.
    pub warm_up_rows: u64,
    pub times: Times,
    pub usage: Usage,
    /// What the table gained, warm-up included; `None` where nobody tells.
    pub stored: Option<Stored>,
    /// Whether rows were read back.
    pub checked: bool,
    /// What differs.
    pub check: Result<(), String>,
    pub crash: Option<Crash>,
}

impl IngestOutcome {
    /// Rows per second up to a time.
    pub fn rate(&self, time: Option<Duration>) -> Option<f64> {
        time.map(|time| self.load.accepted.rows as f64 / time.as_secs_f64())
    }

    /// Bytes of segments for each row in them.
    pub fn bytes_per_row(&self) -> Option<f64> {
        self.stored.filter(|of| of.rows > 0).map(|of| of.bytes as f64 / of.rows as f64)
    }

    /// One object; what nobody tells is null.
    pub fn json(&self) -> Value {
        let Settings { protocol, shape, workload, batch, clients, durability, .. } = &self.settings;
        let (load, usage) = (&self.load, &self.usage);
        let verified = self.checked.then_some(self.check.is_ok());
        let stored = self.stored.map(|stored| {
            json!({
                "rows": stored.rows,
                "bytes": stored.bytes,
                "bytes_per_row": self.bytes_per_row(),
                "wal_bytes": stored.wal_bytes,
            })
        });
        json!({
            "protocol": protocol.word(),
            "shape": shape.name(),
            "hosts": workload.hosts,
            "batch": batch,
            "clients": clients,
            "durability": durability_word(*durability),
            "place": self.place,
            "rows": load.accepted.rows,
            "warm_up_rows": self.warm_up_rows,
            "requests": load.times.requests(),
            "requests_sent_again": load.again,
            "body_bytes": load.bytes,
            "seconds": self.times.accepted.as_secs_f64(),
            "flushed_seconds": self.times.flushed.map(|time| time.as_secs_f64()),
            "rows_per_second": {
                "accepted": self.rate(Some(self.times.accepted)),
                "fsynced": self.rate(self.times.fsynced),
                "visible": self.rate(self.times.visible),
                "flushed": self.rate(self.times.flushed),
            },
            "requests_per_second": load.times.requests() as f64 / self.times.accepted.as_secs_f64(),
            "latency_ms": {
                "p50": load.times.quantile_ms(0.5),
                "p99": load.times.quantile_ms(0.99),
                "max": load.times.quantile_ms(1.0),
            },
            "stored": stored,
            "syncs": usage.syncs.map(|(count, mean)| json!({"count": count, "mean_ms": mean})),
            "server": {
                "cpu_seconds": usage.server_cpu_seconds,
                "resident_peak_bytes": usage.resident_peak,
                "anonymous_peak_bytes": usage.anonymous_peak,
            },
            "client_cpu_seconds": usage.client_cpu_seconds,
            "verified": verified,
            "difference": self.check.as_ref().err(),
            "crash": self.crash.map(|crash| {
                json!({"rows_before": crash.rows, "ready_seconds": crash.ready.as_secs_f64()})
            }),
        })
    }
}
