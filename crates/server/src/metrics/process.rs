//! What the system tells of this process, by the standard names of Prometheus clients.
//!
//! Read from `/proc`; what the system does not tell is left out.

use std::fs;

use super::text::Text;

/// Clock ticks of `/proc` in a second: the same on every Linux machine, whatever its kernel's own rate.
const TICKS_PER_SECOND: f64 = 100.0;

/// Appends the `process_*` families.
pub(super) fn process(text: &mut Text) {
    if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        stat_families(&stat, &boot, text);
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        status_families(&status, text);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        text.gauge("process_open_fds", "Open files and sockets.", files.count() as f64);
    }
    if let Ok(limits) = fs::read_to_string("/proc/self/limits") {
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let most = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        gauge(text, "process_max_fds", "Most open files and sockets.", most);
    }
}

/// `/proc/self/stat`, and `/proc/stat` for the time of the boot.
fn stat_families(stat: &str, boot: &str, text: &mut Text) {
    // The name of the program stands in brackets and may hold anything; the third field follows it.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    let cpu = field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS_PER_SECOND);
    if let Some(seconds) = cpu {
        text.counter("process_cpu_seconds_total", "User and system processor time.", seconds);
    }
    let booted = boot.lines().find_map(|line| line.strip_prefix("btime "));
    let booted = booted.and_then(|seconds| seconds.trim().parse::<f64>().ok());
    let start = booted.zip(field(22)).map(|(boot, ticks)| boot + ticks / TICKS_PER_SECOND);
    let help = "Start of the process, seconds since 1970.";
    gauge(text, "process_start_time_seconds", help, start);
    gauge(text, "process_threads", "Threads.", field(20));
    gauge(text, "process_virtual_memory_bytes", "Address space.", field(23));
}

/// `/proc/self/status`, whose sizes are in units of 1,024 bytes.
fn status_families(status: &str, text: &mut Text) {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib = line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()?;
        Some(kib * 1_024.0)
    };
    for (name, help, line) in [
        ("process_resident_memory_bytes", "Memory, mapped files included.", "VmRSS:"),
        ("process_resident_memory_anon_bytes", "Anonymous memory.", "RssAnon:"),
        ("process_resident_memory_peak_bytes", "Most memory so far.", "VmHWM:"),
    ] {
        gauge(text, name, help, bytes(line));
    }
}

fn gauge(text: &mut Text, name: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value {
        text.gauge(name, help, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_the_system_and_absent_ones_are_left_out() {
        let mut text = Text::default();
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 7 0 1000 4096 10";
        stat_families(stat, "cpu 1 2\nbtime 1700000000\n", &mut text);
        status_families("VmRSS:\t 2048 kB\nRssAnon:\t 1024 kB\n", &mut text);
        let text = text.finish();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "process_cpu_seconds_total 2",
                "process_start_time_seconds 1700000010",
                "process_threads 7",
                "process_virtual_memory_bytes 4096",
                "process_resident_memory_bytes 2097152",
                "process_resident_memory_anon_bytes 1048576",
            ]
        );
        let mut text = Text::default();
        stat_families("", "", &mut text);
        status_families("", &mut text);
        assert_eq!(text.finish(), "");
    }
}
