//! Measurements for people.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::HumanBytes;

use super::outcome::IngestOutcome;
use super::place::durability_word;
use crate::cli::progress::{grouped, rows, span};

/// The lines of an ingest.
pub(super) fn ingest(of: &IngestOutcome) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        // Writing to a String does not fail.
        let _ = writeln!(out, "{name:<10} {text}");
    };
    let settings = &of.settings;
    let (load, usage) = (&of.load, &of.usage);
    line(
        "load",
        format!(
            "{}, {} shape, {} hosts, {} a request, {} clients, durability {}",
            settings.protocol.name(),
            settings.shape.name(),
            grouped(settings.workload.hosts as u64),
            rows(settings.batch as u64),
            settings.clients,
            durability_word(settings.durability)
        ),
    );
    line("place", of.place.clone());
    line("accepted", accepted(of));
    let rate = |time: Option<Duration>| match of.rate(time) {
        Some(rate) => format!("{} rows/s", grouped(rate as u64)),
        None => "nobody tells".to_owned(),
    };
    line("fsynced", rate(of.times.fsynced));
    line("visible", rate(of.times.visible));
    let after = of.times.flushed.map(|time| format!(", after {}", span(time)));
    line("flushed", rate(of.times.flushed) + &after.unwrap_or_default());
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| load.times.quantile_ms(share));
    line(
        "latency",
        format!(
            "p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms of {} requests ({} a second), {} sent again",
            grouped(load.times.requests()),
            grouped((load.times.requests() as f64 / of.times.accepted.as_secs_f64()) as u64),
            grouped(load.again)
        ),
    );
    if let Some((count, mean)) = usage.syncs {
        line("log", format!("{} syncs, mean {mean:.2} ms", grouped(count as u64)));
    }
    if let (Some(stored), Some(per_row)) = (of.stored, of.bytes_per_row()) {
        let bytes = HumanBytes(stored.bytes);
        line("disk", format!("{bytes} in segments, {per_row:.2} bytes a row"));
    }
    line(
        "server",
        process(usage.server_cpu_seconds, of.times.flushed.unwrap_or(of.times.accepted)),
    );
    let memory = |bytes: Option<f64>| bytes.map(|bytes| HumanBytes(bytes as u64).to_string());
    if let (Some(resident), Some(anonymous)) =
        (memory(usage.resident_peak), memory(usage.anonymous_peak))
    {
        line("memory", format!("peak {resident}, anonymous {anonymous}"));
    }
    if let Some(seconds) = usage.client_cpu_seconds {
        line("client", format!("{seconds:.1} s of processor time"));
    }
    if let Some(crash) = of.crash {
        let (sent, ready) = (rows(crash.rows), span(crash.ready));
        line("crash", format!("killed {sent} after the flush, ready again after {ready}"));
    }
    line("verified", verified(of));
    out
}

fn accepted(of: &IngestOutcome) -> String {
    let seconds = of.times.accepted.as_secs_f64();
    format!(
        "{} rows/s: {} in {}, {}/s of bodies",
        grouped((of.load.accepted.rows as f64 / seconds) as u64),
        rows(of.load.accepted.rows),
        span(of.times.accepted),
        HumanBytes((of.load.bytes as f64 / seconds) as u64)
    )
}

fn process(cpu_seconds: Option<f64>, time: Duration) -> String {
    match cpu_seconds {
        Some(seconds) => {
            let cores = seconds / time.as_secs_f64();
            format!("{seconds:.1} s of processor time, {cores:.2} cores")
        }
        None => "does not tell its processor time".to_owned(),
    }
}

fn verified(of: &IngestOutcome) -> String {
    match (&of.check, of.checked) {
        (_, false) => "no: another system".to_owned(),
        (Ok(()), _) => {
            let sums = of.settings.shape.layout().fields.len();
            format!("the number of rows and {sums} sums are those of the accepted requests")
        }
        (Err(difference), _) => format!("NO: {difference}"),
    }
}
