//! `pulsora compact`: what was written in many flushes becomes one run of segments, and what was done is said.

use std::path::Path;

use crate::run::{Server, pulsora, pulsora_with};

/// Other commands leave the segments as they are.
const OFF: [(&str, &str); 1] = [("PULSORA_COMPACTION__ENABLED", "false")];

fn import(data: &Path, table: &str, lines: &str) {
    let args = ["import", "-", "--format", "line", "--data-dir", data.to_str().unwrap()];
    let lines = lines.replace("TABLE", table);
    pulsora_with(&args, &OFF, lines.as_bytes()).ok();
}

fn sql(data: &Path, statement: &str) -> String {
    let args = ["sql", "--data-dir", data.to_str().unwrap(), "--format", "csv", statement];
    pulsora_with(&args, &OFF, b"").ok()
}

#[test]
fn a_directory_is_compacted_and_says_what_was_done() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for n in 0..4 {
        import(&data, "cpu", &format!("TABLE,host=a v={n} {n}\nTABLE,host=b v={n} {n}\n"));
        import(&data, "mem", &format!("TABLE v={n} {n}\n"));
    }
    let data_dir = ["--data-dir", data.to_str().unwrap()];
    let compact = |more: &[&str]| pulsora(&[&["compact"], &data_dir[..], more].concat());
    let rows = sql(&data, "SELECT host, v FROM cpu ORDER BY 1, 2");

    let text = compact(&["--table", "cpu", "--database", "default"]).ok();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("default.cpu: 4 segments of "), "{text}");
    assert!(lines[0].contains(" became 1 of ") && lines[0].ends_with(", 8 rows"), "{text}");
    assert!(lines[1].starts_with("8 segments, "), "{text}");
    assert!(lines[1].contains("; 5 segments (0 of Parquet)"), "written just now: {text}");

    let text = compact(&["--cold"]).ok();
    assert!(text.contains("default.mem: ") && text.contains("default.cpu: "), "{text}");
    assert!(text.contains("; 2 segments (2 of Parquet)"), "{text}");
    assert_eq!(sql(&data, "SELECT host, v FROM cpu ORDER BY 1, 2"), rows);
    assert_eq!(compact(&[]).ok().lines().count(), 1, "nothing is left to do");
    pulsora(&[&["check"], &data_dir[..]].concat()).ok();

    assert!(compact(&["--table", "cqu"]).failed().contains("did you mean"));
    let nothing = dir.path().join("nothing");
    let refused = pulsora(&["compact", "--data-dir", nothing.to_str().unwrap()]).failed();
    assert!(refused.contains("is not a data directory"), "{refused}");
    let server = Server::start(&data);
    assert!(compact(&[]).failed().contains("in use"), "one process at a time");
    server.kill();
}
