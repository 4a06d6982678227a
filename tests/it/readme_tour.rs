//! The tour of the README, as a newcomer pastes it.
//!
//! Takes the fenced `sh` blocks between the two `<!-- tour -->` marks, and runs them one after another in
//! one shell and one temporary directory that has `examples/`. Changed is only what a test must change:
//! `cargo run --release` becomes the built binary, port 8080 a free one. A comment line
//! `# prints: <text>` in a block is a promise: the block's output contains the text.

use std::path::Path;
use std::process::{Command, Stdio};

use pulsora_tests::server::{binary, repository};

const MARK: &str = "<!-- tour -->";

#[test]
fn the_tour_of_the_readme_works_as_pasted() {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("a README");
    let blocks = blocks(&readme);
    assert!(blocks.len() >= 3, "the tour has {} blocks", blocks.len());
    for program in ["bash", "curl"] {
        if Command::new(program).arg("--version").stdout(Stdio::null()).status().is_err() {
            return println!("skipped: the tour needs {program}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    copy_examples(dir.path());
    let script = script(&blocks);
    let output =
        Command::new("bash").current_dir(dir.path()).args(["-c", &script]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    let report = format!("---- stdout\n{printed}\n---- stderr\n{complaints}");
    assert!(output.status.success(), "{}: {report}", output.status);
    for (at, block) in blocks.iter().enumerate() {
        let (start, end) = (format!("==== block {at}\n"), format!("==== block {}\n", at + 1));
        let after = printed.split(&start).nth(1).unwrap_or_else(|| panic!("not reached: {report}"));
        let printed = after.split(&end).next().unwrap_or(after);
        assert!(!printed.contains("\"success\":false"), "an error in\n{block}\n{report}");
        for wanted in block.lines().filter_map(|line| line.trim().strip_prefix("# prints:")) {
            assert!(printed.contains(wanted.trim()), "no {wanted:?} after\n{block}\n{report}");
        }
    }
}

#[test]
fn blocks_are_taken_between_the_marks_only() {
    let readme = "```sh\nno\n```\n<!-- tour -->\n```sh\none\ntwo\n```\n```json\nno\n```\ntext\n\
                  ```sh\nthree\n```\n<!-- tour -->\n```sh\nno\n```\n";
    assert_eq!(blocks(readme), ["one\ntwo\n", "three\n"]);
}

/// The shell blocks between the marks.
fn blocks(readme: &str) -> Vec<String> {
    let tour = readme.split(MARK).nth(1).expect("a tour between two marks");
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in tour.lines() {
        match &mut open {
            None if line.trim() == "```sh" => open = Some(String::new()),
            None => {}
            Some(_) if line.trim() == "```" => blocks.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    blocks
}

/// The blocks as one script that stops at the first failure and leaves no server behind. A server
/// that a block starts in the foreground would hold the script up, so it goes to the background.
fn script(blocks: &[String]) -> String {
    let port = free_port();
    let mut script =
        String::from("set -eu\nset -m\ntrap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT\n");
    script.push_str(&format!("curl() {{ command curl --noproxy '*' \"$@\"; }}\n{WAIT}"));
    for (at, block) in blocks.iter().enumerate() {
        script.push_str(&format!("echo '==== block {at}'\n"));
        for line in block.lines() {
            let starts = line.trim_start().starts_with("cargo run --release");
            let mut line = line
                .replace("cargo run --release", &server_command(port))
                .replace("8080", &port.to_string());
            if starts && !line.trim_end().ends_with('&') {
                line.push_str(" &");
            }
            script.push_str(&format!("{line}\n"));
            if starts {
                script.push_str(&format!("wait_until_ready {port}\n"));
            }
        }
    }
    script
}

/// Waits for a server that was just started in the background.
const WAIT: &str = "wait_until_ready() {
  for _ in $(seq 600); do
    if curl -fsS -o /dev/null \"http://127.0.0.1:$1/ready\" 2>/dev/null; then return 0; fi
    sleep 0.1
  done
  echo 'the server is not ready' >&2
  return 1
}
";

fn server_command(port: u16) -> String {
    format!("PULSORA_SERVER__LISTEN=127.0.0.1:{port} '{}'", binary().display())
}

/// A port that was free a moment ago; the tour names its port, so the kernel cannot choose later.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn copy_examples(to: &Path) {
    std::fs::create_dir(to.join("examples")).unwrap();
    for entry in std::fs::read_dir(repository().join("examples")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join("examples").join(entry.file_name())).unwrap();
    }
}
