use std::collections::HashSet;
use std::path::Path;

use super::keys::{Kind, keys};
use super::value::check;
use super::*;

fn load(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> pulsora_model::Result<Config> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pulsora.toml");
    std::fs::write(&path, file).unwrap();
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    Config::load(Some(&path), own(env).into_iter(), &own(flags))
}

fn refusal(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    let error = load(file, env, flags).unwrap_err();
    format!("{} | {}", error.message(), error.hint_text().unwrap_or(""))
}

#[test]
fn the_table_keeps_its_invariants() {
    let mut names = HashSet::new();
    let mut flags = HashSet::new();
    let mut sections: Vec<&str> = Vec::new();
    for key in keys() {
        assert!(names.insert(key.name), "{} twice", key.name);
        assert!(key.flag.is_none_or(|flag| flags.insert(flag)), "flag of {} twice", key.name);
        assert_eq!(key.name.matches('.').count(), 1, "{}", key.name);
        if !matches!(key.default, "auto" | "") {
            let other = Key { default: "\u{0}", ..Key { ..copy(key) } };
            check(&other, key.default).unwrap_or_else(|e| panic!("default of {}: {e}", key.name));
        }
        if sections.last() != Some(&key.section()) {
            assert!(!sections.contains(&key.section()), "section {} in two places", key.section());
            sections.push(key.section());
        }
    }
}

fn copy(key: &Key) -> Key {
    Key { name: key.name, kind: key.kind, default: key.default, doc: key.doc, flag: key.flag }
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = Config::load(None, std::iter::empty(), &[]).unwrap();
    assert_eq!(config.server.listen, "127.0.0.1:8080");
    assert_eq!(config.storage.data_dir, Path::new("./data"));
    assert_eq!(config.storage.flush_age.as_secs(), 600);
    assert_eq!(config.ingest.atomic_body_bytes, 64 << 20);
    assert_eq!(config.ingest.max_body_bytes, 1 << 30);
    assert_eq!(config.query.max_rows, 1_000_000);
    assert_eq!(config.query.timeout.as_secs(), 300);
    assert!(config.logging.file.is_none());
    assert!((16 << 20..=256 << 20).contains(&config.storage.flush_bytes));
}

#[test]
fn file_then_environment_then_flags() {
    let file = "[server]\nlisten = \"f:1\"\n[query]\nmax_rows = 1_000\ntimeout = \"1m\"\n";
    let env = [
        ("PULSORA_SERVER__LISTEN", "e:2"),
        ("PULSORA_QUERY__MAX_ROWS", "2_000"),
        ("PULSORA_LOG", "not looked at"),
        ("OTHER__THING", "not looked at"),
    ];
    let config = load(file, &env, &[("server.listen", "c:3")]).unwrap();
    assert_eq!(config.server.listen, "c:3");
    assert_eq!(config.query.max_rows, 2_000);
    assert_eq!(config.query.timeout.as_secs(), 60);
    let origins: Vec<String> =
        ["server.listen", "query.max_rows", "query.timeout", "wal.max_bytes"]
            .iter()
            .map(|name| {
                config.settings.iter().find(|s| s.key.name == *name).unwrap().origin.to_string()
            })
            .collect();
    assert_eq!(
        origins,
        ["command line", "environment, PULSORA_QUERY__MAX_ROWS", "file, line 5", "default"]
    );
}

#[test]
fn unknown_keys_name_their_place_and_the_nearest() {
    let file = refusal("[server]\nlisten = \"a:1\"\nlissten = \"b:1\"\n", &[], &[]);
    assert!(file.contains("pulsora.toml: line 3: unknown key server.lissten"), "{file}");
    assert!(file.contains("did you mean server.listen?"), "{file}");
    let env = refusal("", &[("PULSORA_STORAGE__DATADIR", "x")], &[]);
    assert!(env.contains("PULSORA_STORAGE__DATADIR: unknown key storage.datadir"), "{env}");
    assert!(env.contains("storage.data_dir"), "{env}");
    let flag = refusal("", &[], &[("query.max_row", "1")]);
    assert!(flag.contains("query.max_rows"), "{flag}");
    let top = refusal("listen = \"a:1\"\n", &[], &[]);
    assert!(top.contains("line 1: unknown key listen"), "{top}");
}

#[test]
fn values_that_do_not_fit_say_what_fits() {
    let cases = [
        ("[query]\ntimeout = 5\n", "query.timeout: \"5\" is not a time span"),
        ("[query]\nmax_rows = 0\n", "query.max_rows: \"0\" is not a valid number"),
        ("[wal]\ndurability = \"maybe\"\n", "use fsync or async or off"),
        ("[memory]\nlimit = \"12 parsecs\"\n", "memory.limit: \"12 parsecs\" is not a size"),
        ("[memory]\nlimit = \"1MiB\"\n", "too small"),
        ("[server]\nlisten = \"nowhere\"\n", "use host:port"),
        ("[server]\ncompression = \"yes\"\n", "use true or false"),
        ("[server]\nlisten = [1]\n", "neither text, whole number"),
        ("[server\n", "line 1:"),
    ];
    for (file, expected) in cases {
        let message = refusal(file, &[], &[]);
        assert!(message.contains(expected), "{file:?} gave {message:?}");
    }
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let error = Config::load(Some(Path::new("/nonexistent/p.toml")), std::iter::empty(), &[]);
    assert!(error.unwrap_err().message().contains("/nonexistent/p.toml"));
}

#[test]
fn sizes_and_time_spans() {
    let sizes = [
        ("64MiB", 64 << 20),
        ("512MB", 512_000_000),
        ("1_000", 1_000),
        ("1 GiB", 1 << 30),
        ("10b", 10),
        ("2kb", 2_000),
    ];
    for (text, bytes) in sizes {
        assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
    }
    for text in ["", "MiB", "1.5GiB", "-1", "1QB", "99999999999999999999", "20000000TiB", "_1"] {
        assert!(parse_bytes(text).is_err(), "{text:?}");
    }
    let spans = [("1s", 1_000), ("10m", 600_000), ("1h30m", 5_400_000), ("250ms", 250), ("0", 0)];
    for (text, ms) in spans {
        assert_eq!(parse_duration(text).unwrap().as_millis(), ms, "{text}");
    }
    for text in ["", "10", "m", "1x", "-1s", "99999999999999999999s", "1s 2"] {
        assert!(parse_duration(text).is_err(), "{text:?}");
    }
}

#[test]
fn what_is_printed_can_be_loaded_and_says_the_same() {
    let config = load("[logging]\nfile = \"a \\\"b\\\".log\"\n[query]\nmax_rows = 7\n", &[], &[]);
    let printed = config.unwrap().print();
    let again = load(&printed, &[], &[]).unwrap();
    assert_eq!(again.query.max_rows, 7);
    assert_eq!(again.logging.file.as_deref(), Some(Path::new("a \"b\".log")));
    assert_eq!(again.settings.len(), keys().len());
    assert!(again.settings.iter().all(|setting| matches!(setting.origin, Origin::File(_))));
    assert!(printed.contains("# from: file, line 4"), "{printed}");
    assert!(printed.contains("# from: default = "), "auto says what it means here: {printed}");
}

#[test]
fn the_reference_page_is_what_the_table_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    if std::env::var_os("PULSORA_WRITE_DOCS").is_some() {
        std::fs::write(&page, markdown()).unwrap();
        return;
    }
    assert!(
        written == markdown(),
        "docs/configuration.md is stale: PULSORA_WRITE_DOCS=1 cargo test -p pulsora-server config"
    );
}

#[test]
fn memory_is_divided_as_documented() {
    let config = load("[memory]\nlimit = \"512MiB\"\n", &[], &[]).unwrap();
    let options = config.storage_options();
    assert_eq!(options.memtable_bytes, (512 << 20) / 6);
    assert_eq!(options.queue_bytes, (512 << 20) / 6);
    assert_eq!(options.flush_bytes, 32 << 20);
    assert_eq!(options.cache_bytes + config.query.cache_bytes, (512 << 20) / 100 * 15);
    assert_eq!(config.query.cache_bytes, (512 << 20) / 100 * 3);
    let config = load("[query]\ncache = \"0\"\nconcurrency = 3\n", &[], &[]).unwrap();
    assert_eq!((config.query.cache_bytes, config.query.queue), (0, 30));
    let config = load("[memory]\nlimit = \"512MiB\"\n", &[], &[]).unwrap();
    assert_eq!(config.query.memory_bytes, (512 << 20) / 100 * 15);
    assert_eq!(super::machine::mem_total("MemTotal:  2048 kB\n"), Some(2 << 20));
    assert!(matches!(keys()[0].kind, Kind::Address));
}
