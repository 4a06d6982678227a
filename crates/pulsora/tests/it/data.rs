//! Rows in and out, through a data directory and through a server.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::Int64Type;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

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

/// A Parquet file of `rows` rows in row groups of `group_rows`: a second apart, ten symbols, a number.
fn parquet_file(path: &Path, rows: i64, group_rows: usize) {
    let times = TimestampMicrosecondArray::from_iter_values((0..rows).map(|n| n * 1_000_000));
    let symbols = StringArray::from_iter_values((0..rows).map(|n| format!("S{}", n % 10)));
    let prices = Float64Array::from_iter_values((0..rows).map(|n| n as f64 / 4.0));
    let batch = RecordBatch::try_from_iter([
        ("time", Arc::new(times) as ArrayRef),
        ("symbol", Arc::new(symbols)),
        ("price", Arc::new(prices)),
        ("n", Arc::new(Int64Array::from_iter_values(0..rows))),
    ]);
    let batch = batch.unwrap();
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn parquet_of_many_row_groups_into_any_place() {
    let dir = tempfile::tempdir().unwrap();
    let (file, data) = (dir.path().join("trades.parquet"), dir.path().join("data"));
    parquet_file(&file, 20_000, 3_000);
    let import = |place: &[&str], table: &str, more: &[&str]| {
        let args = ["import", file.to_str().unwrap(), "--tags", "symbol", "--table", table];
        pulsora(&[&args, place, more].concat()).ok()
    };
    let sums = "SELECT count(*), sum(n), sum(price), count(DISTINCT symbol), max(time) FROM ";
    let expected = "20000,199990000,49997500,10,1970-01-01T05:33:19Z";
    let check = |place: &[&str], table: &str| {
        let out = sql(place, &format!("{sums}{table}"), &["--format", "csv"]);
        assert_eq!(
            out.lines().nth(1).map(|line| line.replace(".0,", ",")).as_deref(),
            Some(expected)
        );
    };
    let directory = ["--data-dir", data.to_str().unwrap()];
    assert!(import(&directory, "trades", &[]).starts_with("20,000 rows inserted"));
    check(&directory, "trades");
    let server = Server::start(&data);
    let place = ["--url", server.url.as_str()];
    assert!(import(&place, "again", &[]).starts_with("20,000 rows inserted"));
    check(&place, "again");
    // In an upsert table the same keys again change nothing.
    for _ in 0..2 {
        import(&place, "upserted", &["--mode", "upsert"]);
    }
    check(&place, "upserted");
}

#[test]
fn parquet_that_cannot_be_taken_is_refused_with_all_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nested.parquet");
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)])]);
    let amount = Decimal128Array::from(vec![1]).with_precision_and_scale(10, 2).unwrap();
    let batch = RecordBatch::try_from_iter([
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![1])) as ArrayRef),
        ("readings", Arc::new(list)),
        ("amount", Arc::new(amount)),
    ]);
    let batch = batch.unwrap();
    let out = std::fs::File::create(&file).unwrap();
    let mut writer = ArrowWriter::try_new(out, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let data = dir.path().join("data");
    let place = ["--data-dir", data.to_str().unwrap(), "--table", "t"];
    let said = pulsora(&[&["import", file.to_str().unwrap()], &place[..]].concat()).failed();
    assert!(
        said.contains("2 columns have types that tables do not have: \"readings\" (list of int64), \"amount\" (decimal(10, 2))"),
        "{said}"
    );
    let bytes = std::fs::read(&file).unwrap();
    let piped = [&["import", "-", "--format", "parquet"], &place[..]].concat();
    let piped = pulsora_with(&piped, &[], &bytes).failed();
    assert!(piped.contains("read from its end"), "{piped}");
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let cut = pulsora(&[&["import", file.to_str().unwrap()], &place[..]].concat()).failed();
    assert!(cut.contains("is not a Parquet file"), "{cut}");
}

#[test]
fn a_parquet_body_that_is_too_large_to_be_stored_whole_is_stored_in_batches() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trades.parquet");
    parquet_file(&file, 200_000, 50_000);
    let bytes = std::fs::read(&file).unwrap();
    let set = [("PULSORA_INGEST__ATOMIC_BODY_BYTES", "1MiB")];
    let server = Server::start_with(&dir.path().join("data"), &set);
    assert!(bytes.len() > 1 << 20, "{} bytes", bytes.len());
    let answer =
        server.post("/tables/trades/ingest?tags=symbol", "application/vnd.apache.parquet", &bytes);
    assert!(answer.contains("\"rows_inserted\":200000"), "{answer}");
    let place = ["--url", server.url.as_str()];
    let sums = "SELECT count(*), sum(n), count(DISTINCT symbol) FROM trades";
    let out = sql(&place, sums, &["--format", "csv"]);
    assert_eq!(out.lines().nth(1), Some("200000,19999900000,10"));
    let spill = std::fs::read_dir(dir.path().join("data/spill")).unwrap();
    let names = spill.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("body")).count(), 0);
    let cut = server.post(
        "/tables/trades/ingest",
        "application/vnd.apache.parquet",
        &bytes[..bytes.len() - 9],
    );
    assert!(cut.contains("malformed_body"), "{cut}");
}

#[test]
fn large_text_of_every_format_comes_in_pieces_from_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let place = ["--data-dir", data.to_str().unwrap()];
    let rows = 300_000;
    let pad = "x".repeat(20);
    let item =
        |n: u64| format!("{{\"time\":{},\"n\":{n},\"text\":\"{pad},]\"}}", n + 1_700_000_000);
    let items: Vec<String> = (0..rows).map(item).collect();
    let csv: String = (0..rows).map(|n| format!("{},{n},{pad}\n", n + 1_700_000_000)).collect();
    let line: String =
        (0..rows).map(|n| format!("line n={n}i,text=\"{pad}\" {}\n", n + 1_700_000_000)).collect();
    for (table, more, text) in [
        (
            "json",
            &["--table", "json", "--time-format", "s"][..],
            format!("[{}]", items.join(",\n")),
        ),
        ("ndjson", &["--table", "ndjson", "--time-format", "s"], items.join("\n")),
        (
            "csv",
            &["--table", "csv", "--format", "csv", "--time-format", "s"],
            format!("time,n,text\n{csv}"),
        ),
        ("line", &["--format", "line", "--precision", "s"], line),
    ] {
        assert!(text.len() > 9 << 20, "{table}: {} bytes are one piece", text.len());
        let args = [&["import", "-"], more, &place].concat();
        let out = pulsora_with(&args, &[], text.as_bytes()).ok();
        assert!(out.starts_with("300,000 rows inserted"), "{table}: {out}");
        let sums =
            sql(&place, &format!("SELECT count(*), sum(n) FROM {table}"), &["--format", "csv"]);
        assert_eq!(sums.lines().nth(1), Some("300000,44999850000"), "{table}");
    }
}
