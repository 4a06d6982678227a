//! Rows in and out, through a data directory and through a server.

use std::path::Path;

use crate::run::{Server, example, pulsora, pulsora_with};

const SUMS: &str = "SELECT Ticker, count(*) AS n, max(High) AS high, min(Date) AS first \
                    FROM stocks GROUP BY Ticker ORDER BY Ticker";

/// From the file itself: `cut -d, -f1` and `sort`.
const SUMS_CSV: &str = "Ticker,n,high,first\n\
    AAPL,3270,705.07,2000-03-01T00:00:00Z\n";

fn import_stocks(place: &[&str]) -> String {
    let file = example("stocks.csv");
    let args = ["import", file.to_str().unwrap(), "--table", "stocks", "--tags", "Ticker"];
    pulsora(&[&args, place].concat()).ok()
}

fn sql(place: &[&str], statement: &str, more: &[&str]) -> String {
    pulsora(&[&["sql", statement], place, more].concat()).ok()
}

/// The same steps at any place.
fn tour(place: &[&str], dir: &Path) {
    let summary = import_stocks(place);
    assert!(summary.starts_with("12,154 rows inserted in "), "{summary}");
    assert!(sql(place, SUMS, &["--format", "csv"]).starts_with(SUMS_CSV));
    let table = sql(place, "SELECT Ticker, Close FROM stocks ORDER BY Date, Ticker LIMIT 1", &[]);
    assert_eq!(table, "Ticker |  Close\n-------+-------\nAAPL   | 130.31\n");
    let param = ["--param", "IBM", "--format", "ndjson"];
    let counted = sql(place, "SELECT count(*) AS n FROM stocks WHERE Ticker = ?", &param);
    assert_eq!(counted, "{\"n\":3270}\n");

    let file = dir.join("out.parquet");
    let output = ["--output", file.to_str().unwrap()];
    assert_eq!(sql(place, "SELECT * FROM stocks", &output), "");
    let args = ["import", file.to_str().unwrap(), "--table", "copy", "--tags", "Ticker"];
    assert!(pulsora(&[&args, place].concat()).ok().starts_with("12,154 rows"));
    let copied = sql(place, &SUMS.replace("stocks", "copy"), &["--format", "csv"]);
    assert!(copied.starts_with(SUMS_CSV), "{copied}");

    let script = b"SELECT 1 AS a; -- and;\nSELECT 'x;y' AS b;\n";
    let ran = pulsora_with(&[&["sql", "--format", "csv"], place].concat(), &[], script);
    assert_eq!(ran.ok(), "a\n1\nb\nx;y\n");
}

#[test]
fn a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    tour(&["--data-dir", data.to_str().unwrap()], dir.path());
}

#[test]
fn a_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    tour(&["--url", &server.url], dir.path());
    let busy = pulsora(&["sql", "SELECT 1", "--data-dir", data.to_str().unwrap()]).failed();
    assert!(busy.contains("in use by another process"), "{busy}");
    let taken = server.url.strip_prefix("http://").unwrap();
    let other = dir.path().join("other");
    let args = ["serve", "--log-level", "error", "--listen", taken, "--data-dir"];
    let second = pulsora(&[&args[..], &[other.to_str().unwrap()]].concat()).failed();
    assert!(second.contains("hint: another process has this port"), "{second}");
}

#[test]
fn other_formats_and_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let place = ["--data-dir", data.to_str().unwrap()];
    let import = |args: &[&str], input: &[u8]| {
        pulsora_with(&[&["import"], args, &place].concat(), &[], input)
    };
    let rows = b"{\"time\":\"2024-01-01\",\"v\":1}\n{\"time\":\"2024-01-02\",\"v\":2.5}\n";
    assert!(import(&["-", "--table", "t"], rows).ok().starts_with("2 rows inserted"));
    let lines = example("cpu.line");
    assert!(import(&[lines.to_str().unwrap()], b"").ok().starts_with("12 rows inserted"));
    let cells = b"when;v\n02.01.2024;n/a\n03.01.2024;7\n";
    let options = ["--format", "csv", "--delimiter", ";", "--null", "n/a"];
    let times = ["--time-column", "when", "--time-format", "%d.%m.%Y"];
    let args = [&["-", "--table", "german"], &options[..], &times].concat();
    assert!(import(&args, cells).ok().starts_with("2 rows inserted"));
    let all = sql(&place, "SELECT * FROM german ORDER BY 1", &["--format", "csv"]);
    assert_eq!(all, "id,when,v\n1,2024-01-02T00:00:00Z,\n2,2024-01-03T00:00:00Z,7\n");
}

#[test]
fn bad_input_is_told_with_its_line_and_code_1() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let place = ["--data-dir", data.to_str().unwrap()];
    let csv = b"time,v\n2024-01-01,1\n2024-01-02,2\nyesterday,3\n";
    let import = |more: &[&str]| {
        let args = ["import", "-", "--format", "csv", "--table", "t", "--time-column", "time"];
        pulsora_with(&[&args, &place[..], more].concat(), &[], csv)
    };
    let strict = ["--time-format", "%Y-%m-%d"];
    let ran = import(&strict);
    assert!(ran.out.starts_with("0 rows inserted"), "{ran:?}");
    let said = ran.failed();
    assert!(said.contains("standard input: line 4") && said.contains("yesterday"), "{said}");
    let skipped = import(&[&strict[..], &["--on-error", "skip"]].concat());
    assert!(skipped.err.contains("line 4"), "{skipped:?}");
    assert!(skipped.ok().starts_with("2 rows inserted, 1 rejected"));

    let lines = pulsora_with(
        &[&["import", "-", "--format", "line"], &place[..]].concat(),
        &[],
        b"a v=1\nb\n",
    );
    assert!(lines.out.starts_with("1 row inserted, 1 rejected"), "{lines:?}");
    assert!(lines.failed().contains("line 2"));
    let nameless =
        pulsora_with(&[&["import", "-", "--format", "csv"], &place[..]].concat(), &[], csv);
    assert!(nameless.failed().contains("name it with --table"));
    let shapeless =
        pulsora_with(&[&["import", "-", "--table", "t"], &place[..]].concat(), &[], csv);
    assert!(shapeless.failed().contains("--format"));
}

#[test]
fn errors_of_sql_have_a_hint_and_code_1() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let place = ["--data-dir", data.to_str().unwrap()];
    let missing = pulsora(&[&["sql", "SELECT 1"], &place[..]].concat()).failed();
    assert!(missing.contains("is not a data directory"), "{missing}");
    import_stocks(&place);
    let wrong = pulsora(&[&["sql", "SELECT * FROM stoks"], &place[..]].concat()).failed();
    assert!(wrong.contains("hint: did you mean stocks?"), "{wrong}");
    let syntax = pulsora(&[&["sql", "SELECT FROM WHERE"], &place[..]].concat()).failed();
    assert!(syntax.contains("line 1"), "{syntax}");
    let nobody = pulsora(&["sql", "SELECT 1", "--url", "http://127.0.0.1:1"]).failed();
    assert!(nobody.contains("no server answers at http://127.0.0.1:1"), "{nobody}");
}
