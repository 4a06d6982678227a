//! What the binary says of itself: version, help, configuration, completions.

use crate::run::{pulsora, pulsora_with};

#[test]
fn version_is_that_of_the_package() {
    let version = format!("pulsora {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(pulsora(&["--version"]).ok(), version);
}

#[test]
fn help_names_every_command() {
    let help = pulsora(&["--help"]).ok();
    for command in ["serve", "import", "sql", "config", "check", "completions"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
        let own = pulsora(&[command, "--help"]).ok();
        assert!(own.contains(&format!("Usage: pulsora {command}")), "{own}");
    }
    assert!(help.contains("Examples:"), "{help}");
}

#[test]
fn a_wrong_flag_is_code_2_with_the_nearest_name() {
    let ran = pulsora(&["serve", "--lisen", "x"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("--listen"), "{ran:?}");
}

/// The values of a printed configuration, without its comments.
fn values(printed: &str) -> Vec<&str> {
    printed.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

#[test]
fn the_printed_configuration_can_be_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pulsora.toml");
    let flags = ["config", "--memory-limit", "1GiB", "--query.timeout", "7s"];
    let first = pulsora(&flags).ok();
    assert!(values(&first).contains(&"limit = \"1GiB\""), "{first}");
    assert!(values(&first).contains(&"timeout = \"7s\""), "{first}");
    std::fs::write(&file, &first).unwrap();
    let again = pulsora(&["config", "-c", file.to_str().unwrap()]).ok();
    assert_eq!(values(&again), values(&first));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pulsora.toml");
    std::fs::write(&file, "[storage]\nflush_agee = \"1m\"\n").unwrap();
    let by_file = pulsora(&["config", "-c", file.to_str().unwrap()]).failed();
    assert!(by_file.contains("storage.flush_agee") && by_file.contains("line 2"), "{by_file}");
    assert!(by_file.contains("hint: did you mean storage.flush_age?"), "{by_file}");
    let by_env = pulsora_with(&["config"], &[("PULSORA_QUERY__TIMOUT", "1s")], b"").failed();
    assert!(by_env.contains("did you mean query.timeout?"), "{by_env}");
}

#[test]
fn the_reference_page_is_the_one_in_docs() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    assert_eq!(pulsora(&["config", "--markdown"]).ok(), std::fs::read_to_string(docs).unwrap());
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = pulsora(&["completions", shell]).ok();
        assert!(script.contains("import") && script.contains("data-dir"), "{shell}");
    }
}
