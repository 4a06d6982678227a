//! The library as a program uses it: no binary, no HTTP.

use std::path::PathBuf;
use std::process::Command;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use futures::StreamExt;
use futures::executor::block_on;
use pulsora::{Code, Database, Durability, Precision, SeriesKey, TimeRange, Timestamp};

fn second(n: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + n).unwrap()
}

fn cpu(host: &str) -> SeriesKey {
    SeriesKey::with_tags("cpu", &[("host", host)]).unwrap()
}

/// The points of a query as `second:value`, seconds since the first one of the test.
fn text(points: impl Iterator<Item = pulsora::Result<pulsora::Point>>) -> String {
    let point = |point: pulsora::Result<pulsora::Point>| {
        let point = point.unwrap();
        format!("{}:{}", (point.time.ms() - second(0).ms()) / 1_000, point.value)
    };
    points.map(point).collect::<Vec<_>>().join(" ")
}

#[test]
fn points_come_back_as_points_and_as_batches_from_memory_and_from_segments() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    let points: Vec<_> = (0..10).map(|n| (second(n), n as f64 / 2.0)).collect();
    let written = database.write_points("cpu", &[("host", "a")], &points).unwrap();
    assert_eq!((written.rows, written.rejected), (10, 0));
    let other = SeriesKey::with_tags("cpu", &[("host", "b"), ("core", "1")]).unwrap();
    database.write_series(&other, &[(second(3), 99.0)]).unwrap();
    // Sent again: an upsert table keeps the last value.
    database.write_points("cpu", &[("host", "a")], &[(second(4), -1.0)]).unwrap();
    for place in ["memory", "segments"] {
        let middle = database.query(&cpu("a"), second(3)..=second(5)).unwrap();
        assert_eq!(text(middle), "3:1.5 4:-1 5:2.5", "{place}");
        assert_eq!(text(database.query(&cpu("a"), ..).unwrap()).split(' ').count(), 10);
        assert_eq!(text(database.query(&cpu("a"), second(8)..).unwrap()), "8:4 9:4.5");
        assert_eq!(text(database.query(&cpu("a"), second(8)..second(9)).unwrap()), "8:4");
        // Another tag more or less is another series, and so is a tag that no row has.
        assert_eq!(text(database.query(&cpu("b"), ..).unwrap()), "");
        assert_eq!(text(database.query(&other, ..).unwrap()), "3:99");
        let nobody = SeriesKey::with_tags("cpu", &[("rack", "r")]).unwrap();
        assert_eq!(text(database.query(&nobody, ..).unwrap()), "");
        let batches = database.query_batches(&cpu("a"), second(0)..=second(1)).unwrap();
        assert_eq!(batches.schema().fields().len(), 4, "time, host, value, core");
        assert_eq!(batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);
        database.flush().unwrap();
    }
    database.close().unwrap();
}

#[test]
fn a_query_names_what_it_cannot_read() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    let lines = "log,host=a line=\"x\",n=3i,up=true 1700000000\nlog,host=a n=4i 1700000001";
    database.write_lines("default", lines, Precision::Second).unwrap();
    let log = SeriesKey::with_tags("log", &[("host", "a")]).unwrap();
    let code = |key: SeriesKey| database.query(&key, ..).err().unwrap().code();
    assert_eq!(code(cpu("a")), Code::TableNotFound);
    assert_eq!(code(log.clone()), Code::ColumnNotFound);
    assert_eq!(code(log.clone().field("line").unwrap()), Code::TypeConflict);
    assert_eq!(code(log.clone().field("host").unwrap()), Code::TypeConflict);
    // Integers and booleans are numbers; a row without the value is no point.
    let points = |field: &str| {
        text(database.query(&log.clone().field(field).unwrap(), TimeRange::ALL).unwrap())
    };
    assert_eq!(points("n"), "0:3 1:4");
    assert_eq!(points("up"), "0:1");
}

#[test]
fn appended_points_are_visible_after_a_flush_and_there_after_a_restart() {
    const FIRST_MS: i64 = 1_700_000_000_000;
    let dir = tempfile::tempdir().unwrap();
    let ids = [0, 7, u128::MAX];
    {
        let database = Database::open(dir.path()).unwrap();
        assert_eq!(database.series(7).range(..).unwrap().count(), 0);
        std::thread::scope(|scope| {
            for id in ids {
                let series = database.series(id);
                scope.spawn(move || {
                    for n in 0..20_000 {
                        series.append(FIRST_MS + n, n as f64).unwrap();
                    }
                    // Of two points with one time the later one counts.
                    series.clone().append(FIRST_MS, -1.0).unwrap();
                });
            }
        });
        database.series(7).flush().unwrap();
        let all = database.series(7).range(..).unwrap();
        let all: Vec<_> = all.map(|point| point.unwrap()).collect();
        assert_eq!(all.len(), 20_000);
        assert_eq!((all[0].time.ms(), all[0].value), (FIRST_MS, -1.0));
        assert!(all[1..].iter().zip(1..).all(|(point, n)| point.value == n as f64));
        // Gathered only: closing sends it.
        database.series(7).append(FIRST_MS - 1, 5.0).unwrap();
        database.close().unwrap();
    }
    let database = Database::open(dir.path()).unwrap();
    for id in ids {
        let hundred = database.series(id).range(FIRST_MS..=FIRST_MS + 99).unwrap();
        let sum: f64 = hundred.map(|point| point.unwrap().value).sum();
        assert_eq!(sum, (0..100).sum::<i64>() as f64 - 1.0, "{id}");
    }
    assert_eq!(database.series(7).range(..FIRST_MS).unwrap().count(), 1);
    let ids = database.sql("SELECT DISTINCT id FROM series ORDER BY id").unwrap();
    let texts = arrow::util::pretty::pretty_format_batches(&ids.batches).unwrap().to_string();
    assert!(texts.contains("00000000000000000000000000000007"), "{texts}");
    assert!(texts.contains("ffffffffffffffffffffffffffffffff"), "{texts}");
}

#[test]
fn appended_points_become_visible_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::builder().durability(Durability::Async).open(dir.path()).unwrap();
    let series = database.series(1);
    for round in 1..=3 {
        series.append(round, 1.0).unwrap();
        // Ends by itself, or the test hangs: there is no flush.
        while series.range(..).unwrap().count() < round as usize {
            std::thread::yield_now();
        }
    }
}

#[test]
fn what_appended_points_failed_with_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    // Another's table: `value` holds text.
    database.sql("CREATE TABLE series (time TIMESTAMP, id TEXT, value TEXT)").unwrap();
    let series = database.series(1);
    series.append(1, 1.0).unwrap();
    series.append(2, 1.0).unwrap();
    let error = series.flush().unwrap_err().to_string();
    assert!(error.contains("2 points that were appended before are not stored"), "{error}");
    series.flush().unwrap();
    assert_eq!(series.append(i64::MAX, 1.0).unwrap_err().code(), Code::InvalidTime);
    database.close().unwrap();
    let after = series.append(3, 1.0).and_then(|()| series.flush());
    assert_eq!(after.unwrap_err().code(), Code::Closed);
}

#[test]
fn plain_methods_may_be_called_inside_a_runtime_and_futures_outside_of_one() {
    fn tour(database: &Database) {
        database.write_points("t", &[], &[(second(0), 1.0)]).unwrap();
        database.series(1).append(1, 2.0).unwrap();
        database.flush().unwrap();
        assert_eq!(database.sql("SELECT * FROM t").unwrap().len(), 1);
    }
    async fn tour_async(database: Database) {
        database.write_points_async("t", &[], &[(second(1), 2.0)]).await.unwrap();
        let series = database.series(1);
        series.append_async(2, 3.0).await.unwrap();
        series.flush_async().await.unwrap();
        database.flush_async().await.unwrap();
        let key = SeriesKey::new("t").unwrap();
        let points = database.query_async(&key, ..).await.unwrap();
        assert_eq!(points.map(|point| point.unwrap().value).collect::<Vec<_>>().await, [1.0, 2.0]);
        let batches = database.query_batches_async(&key, ..).await.unwrap();
        let batches: Vec<RecordBatch> = batches.map(Result::unwrap).collect().await;
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
        let sum = database.sql_async("SELECT sum(value) AS s FROM series").await.unwrap();
        assert_eq!(sum.batches[0]["s"].as_primitive::<Float64Type>().value(0), 5.0);
        database.close_async().await.unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for outside in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let whole = || {
            let database = Database::open(dir.path()).unwrap();
            tour(&database);
            database
        };
        if outside {
            block_on(tour_async(whole()));
        } else {
            runtime.block_on(async { tour_async(whole()).await });
        }
        let again = runtime.block_on(async { Database::open(dir.path()) });
        runtime.block_on(async { drop(again.unwrap()) });
    }
}

#[test]
fn a_batch_is_stored_whole() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    let time = pulsora::Name::new("time").unwrap();
    let mut rows = pulsora::BatchBuilder::new(None, None, time, None);
    let (load, cores) = (rows.field("load").unwrap(), rows.field("cores").unwrap());
    let pulsora_model::builder::TagTarget::Tag(host) = rows.tag("host").unwrap() else {
        panic!("a new table has no field of that name");
    };
    for (n, name) in ["a", "b", "a"].into_iter().enumerate() {
        let series = rows.series(&mut [(host, name)]).unwrap();
        rows.push_f64(load, n as f64 / 4.0).unwrap();
        rows.push_i64(cores, 8).unwrap();
        rows.end_row(series, second(n as i64).ns());
    }
    let batch = pulsora::Batch {
        table: pulsora::Name::new("host").unwrap(),
        options: pulsora::TableOptions::default(),
        schema_version: None,
        batch: rows.finish(),
    };
    assert_eq!(database.write(&batch).unwrap().rows, 3);
    block_on(database.write_async(&batch)).unwrap();
    let key = SeriesKey::with_tags("host", &[("host", "a")]).unwrap().field("load").unwrap();
    assert_eq!(text(database.query(&key, ..).unwrap()), "0:0 0:0 2:0.5 2:0.5");
}

/// Runs an example of this crate, which cargo builds with the tests.
fn example(name: &str, args: &[&str]) -> String {
    let test = std::env::current_exe().unwrap();
    // target/debug/deps/it-… → target/debug/examples/…
    let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples").join(name);
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(&program).args(args).current_dir(dir.path()).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_shortest_program() {
    let printed = example("embedded", &[]);
    assert!(printed.starts_with("2 rows are on disk and visible\n"), "{printed}");
    assert!(printed.contains("| b    | 0.31  | 16    |"), "{printed}");
}

#[test]
fn an_edge_device_stays_small() {
    let printed = example("edge_device", &["20000"]);
    assert!(printed.contains("400000 values in memory and on disk"), "{printed}");
    assert!(printed.contains("the last minute of sensor 1 has 60 of them"), "{printed}");
    assert!(printed.contains("120 hourly averages went up the line"), "{printed}");
    let peak = printed.split("peak memory: ").nth(1).and_then(|rest| rest.split(' ').next());
    let peak: f64 = peak.unwrap().parse().unwrap();
    assert!(peak < 64.0, "{printed}");
}

#[test]
fn an_analysis_of_market_data() {
    let printed = example("market_data", &[]);
    // From the file itself: `awk -F, '$1 == "IBM"' | tail -1` and the like.
    assert!(printed.contains("12154 rows loaded"), "{printed}");
    assert!(printed.contains("| AAPL   | 3270 | 2000-03-01T00:00:00Z |"), "{printed}");
    assert!(printed.matches("## ").count() == 6, "{printed}");
    let falls = printed.split("The deepest fall").nth(1).unwrap();
    assert_eq!(falls.matches(": -").count(), 4, "{falls}");
}

#[test]
fn parts_of_ones_own() {
    let printed = example("seams", &[]);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "3 segments in a store of our own");
    assert_eq!(lines[1], "3.2 mm of rain since June 2023");
    assert_eq!(lines[2], "an index of our own kept 1 of 3 segments");
    assert_eq!(lines[3], "the values of rain-000001.hot are stored by Some([\"tenths\"])");
    assert!(lines[4].contains("tenths") && lines[4].contains("0x8001"), "{printed}");
}

#[test]
fn the_measuring_program() {
    let printed = example("points", &["5000"]);
    assert_eq!(printed.lines().count(), 6 + 3 + 3, "{printed}");
}
