//! What a server tells of itself at `/metrics`, in the Prometheus text format, and what the system tells
//! of this process.
//!
//! Standard names (`process_*`) come first, so that other servers are read too; what a server does not
//! tell is absent, never zero.

use crate::http::Client;

/// Clock ticks of `/proc` in a second: the same on every Linux machine, whatever its kernel's own rate.
const TICKS_PER_SECOND: f64 = 100.0;

/// Figures of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Processor time since the start of the process, seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory of the process with mapped files, bytes.
    pub resident: Option<f64>,
    /// Anonymous memory of the process, bytes.
    pub anonymous: Option<f64>,
    /// Syncs of the log since the start, and their time in seconds.
    pub syncs: Option<(f64, f64)>,
}

impl Figures {
    /// The figures of a server now; none when it tells nothing.
    pub fn of_server(client: &Client) -> Figures {
        match client.get("/metrics") {
            Ok(answer) if answer.status == 200 => {
                Figures::parse(&String::from_utf8_lossy(&answer.body))
            }
            _ => Figures::default(),
        }
    }

    /// Reads the text of `/metrics`.
    pub fn parse(text: &str) -> Figures {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        let syncs = value("pulsora_wal_sync_seconds_count");
        Figures {
            cpu_seconds: value("process_cpu_seconds_total"),
            resident: value("process_resident_memory_bytes"),
            anonymous: value("process_resident_memory_anon_bytes")
                .or_else(|| value("pulsora_memory_anonymous_bytes")),
            syncs: syncs.zip(value("pulsora_wal_sync_seconds_sum")),
        }
    }
}

/// Figures of this process.
pub fn of_this_process() -> Figures {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1_024.0)
    };
    let (resident, anonymous) = (bytes("VmRSS:"), bytes("RssAnon:"));
    Figures { cpu_seconds: cpu_seconds(), resident, anonymous, syncs: None }
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program stands in brackets and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}
