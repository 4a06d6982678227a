//! Random interleavings of everything that changes rows, read back by SQL and by the row API, against a
//! plain model: writes, upserts, replaced ids, late data, a widening, deletes, updates, flushes, merges,
//! conversions to Parquet, and SIGKILL.
//!
//! `PULSORA_SEEDS=n` runs more seeds, `PULSORA_SEED=n` one of them.

use std::collections::BTreeMap;

use fastrand::Rng;
use pulsora_tests::http::{Answer, Client};
use pulsora_tests::server::{Launch, Server};
use serde_json::{Value, json};

/// Seeds of an ordinary run, and steps of each.
const SEEDS: u64 = 3;
const STEPS: usize = 120;

/// 2024-01-01, and the span in which rows lie: four days.
const START_NS: i64 = 1_704_067_200_000_000_000;
const HOUR_NS: i64 = 3_600_000_000_000;
const HOURS: i64 = 96;

const HOSTS: [&str; 3] = ["a", "b", "c"];
const TABLES: [&str; 3] = ["up", "ids", "app"];

/// A row: time, host, then fields, of which each may be null.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
struct Row {
    time: i64,
    host: &'static str,
    a: Option<f64>,
    b: Option<f64>,
}

/// The tables as they must be.
#[derive(Default)]
struct Model {
    up: BTreeMap<(i64, &'static str), Row>,
    ids: BTreeMap<u64, Row>,
    app: Vec<Row>,
}

impl Model {
    fn upsert(&mut self, row: &Row) {
        let known = self.up.entry((row.time, row.host)).or_insert_with(|| row.clone());
        known.a = row.a.or(known.a);
        known.b = row.b.or(known.b);
    }

    fn rows(&self, table: &str) -> Vec<Row> {
        let mut rows: Vec<Row> = match table {
            "up" => self.up.values().cloned().collect(),
            "ids" => self.ids.values().cloned().collect(),
            _ => self.app.clone(),
        };
        rows.sort_by(|x, y| x.partial_cmp(y).expect("no NaN"));
        rows
    }

    /// Changes the rows that are hit; those for which `change` says false go. Gives their number.
    fn change(&mut self, table: &str, hit: &Hit, mut change: impl FnMut(&mut Row) -> bool) -> u64 {
        let mut count = 0;
        let mut keep = |row: &mut Row| {
            if !hit.hits(row) {
                return true;
            }
            count += 1;
            change(row)
        };
        match table {
            "up" => self.up.retain(|_, row| keep(row)),
            "ids" => self.ids.retain(|_, row| keep(row)),
            _ => self.app.retain_mut(keep),
        }
        count
    }
}

/// A condition.
struct Hit {
    from_ns: i64,
    to_ns: i64,
    host: Option<&'static str>,
    above: Option<f64>,
}

impl Hit {
    fn random(rng: &mut Rng) -> Hit {
        let (x, y) = (time(rng), time(rng));
        Hit {
            from_ns: x.min(y),
            to_ns: x.max(y),
            host: rng.bool().then(|| HOSTS[rng.usize(0..3)]),
            above: rng.bool().then(|| f64::from(rng.i8(-20..20))),
        }
    }

    fn hits(&self, row: &Row) -> bool {
        (self.from_ns..=self.to_ns).contains(&row.time)
            && self.host.is_none_or(|host| host == row.host)
            && self.above.is_none_or(|above| row.a.is_some_and(|a| a > above))
    }

    fn sql(&self) -> String {
        let time = |ns: i64| format!("to_timestamp_nanos({ns})");
        let mut sql = format!("time >= {} AND time <= {}", time(self.from_ns), time(self.to_ns));
        if let Some(host) = self.host {
            sql += &format!(" AND host = '{host}'");
        }
        if let Some(above) = self.above {
            sql += &format!(" AND a > {above}");
        }
        sql
    }
}

fn time(rng: &mut Rng) -> i64 {
    START_NS + rng.i64(0..HOURS) * HOUR_NS
}

fn post(client: &Client, path: &str, kind: &str, body: &str) -> Answer {
    let answer = client.post(path, &[("content-type", kind)], body.as_bytes()).unwrap();
    assert!(answer.status < 300, "{path} {body}: {answer:?}");
    answer
}

/// The rows of an answer.
fn rows(client: &Client, sql: &str) -> Vec<Value> {
    let body = json!({"sql": sql, "times": "ns"}).to_string();
    let mut json = post(client, "/api/v1/query", "application/json", &body).json();
    serde_json::from_value(json["data"].take()).unwrap()
}

struct Run {
    rng: Rng,
    dir: tempfile::TempDir,
    server: Option<Server>,
    client: Client,
    model: Model,
    /// Column `a` has become float.
    wide: bool,
}

impl Run {
    fn new(seed: u64) -> Run {
        let dir = tempfile::tempdir().unwrap();
        let mut server = launch(&dir).start();
        let client = server.client();
        let run = Run {
            rng: Rng::with_seed(seed),
            dir,
            server: Some(server),
            client,
            model: Model::default(),
            wide: false,
        };
        let columns = "time TIMESTAMP, host TAG, a BIGINT, b DOUBLE";
        for (table, with) in [
            ("up", "mode = 'upsert', partition = 'day'"),
            ("ids", "row_ids = true, partition = 'day'"),
            ("app", "partition = 'hour'"),
        ] {
            run.sql(&format!("CREATE TABLE {table} ({columns}) WITH ({with})"));
        }
        run
    }

    fn post(&self, path: &str, kind: &str, body: &str) -> Answer {
        post(&self.client, path, kind, body)
    }

    fn sql(&self, sql: &str) -> Vec<Value> {
        rows(&self.client, sql)
    }

    fn step(&mut self) {
        match self.rng.u8(0..100) {
            0..=24 => self.upsert(),
            25..=44 => self.rows_with_ids(),
            45..=59 => self.append(),
            60..=69 => self.delete(),
            70..=77 => self.update(),
            78..=81 => self.delete_by_id(),
            82..=89 => drop(self.post("/api/v1/flush", "text/plain", "")),
            90..=92 => drop(self.post("/api/v1/flush?cold=true", "text/plain", "")),
            93..=94 => self.kill(),
            95 => drop(self.post("/api/v1/compaction/trigger", "text/plain", "")),
            _ => self.compare(),
        }
    }

    fn row(&mut self) -> Row {
        let rng = &mut self.rng;
        let a = (rng.u8(0..4) > 0).then(|| f64::from(rng.i8(-50..50)));
        let b = (rng.u8(0..4) > 0).then(|| f64::from(rng.i8(-50..50)) / 2.0);
        Row { time: time(rng), host: HOSTS[rng.usize(0..3)], a, b }
    }

    fn upsert(&mut self) {
        let mut lines = String::new();
        for _ in 0..self.rng.usize(1..20) {
            let mut row = self.row();
            if self.rng.u8(0..60) == 0 {
                (row.a, self.wide) = (Some(0.5), true);
            }
            let a =
                row.a.map(|a| if a.fract() == 0.0 { format!("a={a}i") } else { format!("a={a}") });
            let b = row.b.map(|b| format!("b={b}"));
            let fields: Vec<String> = a.into_iter().chain(b).collect();
            if fields.is_empty() {
                continue;
            }
            lines += &format!("up,host={} {} {}\n", row.host, fields.join(","), row.time);
            self.model.upsert(&row);
        }
        if !lines.is_empty() {
            self.post("/write?precision=ns", "text/plain", &lines);
        }
    }

    fn rows_with_ids(&mut self) {
        let mut csv = String::from("id,time,host,a,b\n");
        let cell = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        for _ in 0..self.rng.usize(1..20) {
            let (id, row) = (self.rng.u64(1..80), self.row());
            csv += &format!("{id},{},{},{},{}\n", row.time, row.host, cell(row.a), cell(row.b));
            self.model.ids.insert(id, row);
        }
        self.post("/tables/ids/ingest?time_format=ns", "text/csv", &csv);
    }

    fn append(&mut self) {
        let mut body = String::new();
        for _ in 0..self.rng.usize(1..20) {
            let row = self.row();
            let (time, host) = (row.time, row.host);
            let a = row.a.map(|a| a as i64);
            body += &json!({"time": time, "host": host, "a": a, "b": row.b}).to_string();
            body.push('\n');
            self.model.app.push(row);
        }
        self.post("/tables/app/ingest?time_format=ns", "application/x-ndjson", &body);
    }

    fn delete(&mut self) {
        let (table, hit) = (TABLES[self.rng.usize(0..3)], Hit::random(&mut self.rng));
        let found = self.sql(&format!("DELETE FROM {table} WHERE {}", hit.sql()));
        let count = self.model.change(table, &hit, |_| false);
        assert_eq!(found, [json!([count])], "DELETE FROM {table} WHERE {}", hit.sql());
    }

    fn update(&mut self) {
        let (table, hit) = (TABLES[self.rng.usize(0..3)], Hit::random(&mut self.rng));
        let (sql, change): (_, fn(&mut Row)) = match self.rng.u8(0..3) {
            0 => ("b = a + 1, a = NULL", |row| (row.b, row.a) = (row.a.map(|a| a + 1.0), None)),
            1 => ("b = b / 2", |row| row.b = row.b.map(|b| b / 2.0)),
            _ => ("a = 7", |row| row.a = Some(7.0)),
        };
        let found = self.sql(&format!("UPDATE {table} SET {sql} WHERE {}", hit.sql()));
        let count = self.model.change(table, &hit, |row| {
            change(row);
            true
        });
        assert_eq!(found, [json!([count])], "UPDATE {table} SET {sql} WHERE {}", hit.sql());
    }

    fn delete_by_id(&mut self) {
        let id = self.rng.u64(1..80);
        let answer =
            self.client.send("DELETE", &format!("/tables/ids/rows/{id}"), &[], &[]).unwrap();
        let there = self.model.ids.remove(&id).is_some();
        assert_eq!(answer.status, if there { 200 } else { 404 }, "{answer:?}");
    }

    fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
        let mut server = launch(&self.dir).start();
        self.client = server.client();
        self.server = Some(server);
    }

    fn compare(&self) {
        for table in TABLES {
            let expected = self.model.rows(table);
            let of_cells = |cells: &[&Value]| Row {
                time: cells[0].as_i64().unwrap(),
                host: HOSTS.into_iter().find(|host| cells[1] == *host).unwrap(),
                a: cells[2].as_f64(),
                b: cells[3].as_f64(),
            };
            let sorted = |mut rows: Vec<Row>| {
                rows.sort_by(|x, y| x.partial_cmp(y).expect("no NaN"));
                rows
            };
            let found = self.sql(&format!("SELECT time, host, a, b FROM {table}"));
            let found = found
                .iter()
                .map(|row| of_cells(&row.as_array().unwrap().iter().collect::<Vec<_>>()));
            assert_eq!(sorted(found.collect()), expected, "{table} by SQL");
            let path = format!("/tables/{table}/query?times=ns&limit=100000");
            let rows = self.client.get(&path).unwrap().json()["data"].take();
            let rows: Vec<Value> = serde_json::from_value(rows).unwrap();
            let times: Vec<i64> = rows.iter().map(|row| row["time"].as_i64().unwrap()).collect();
            assert!(times.is_sorted(), "{table} by time");
            let found = rows
                .iter()
                .map(|row| of_cells(&[&row["time"], &row["host"], &row["a"], &row["b"]]));
            assert_eq!(sorted(found.collect()), expected, "{table} by the row API");
            let sums = self.sql(&format!(
                "SELECT host, count(*), count(a), min(b), max(a) FROM {table} GROUP BY host ORDER BY host"
            ));
            let sums: Vec<Value> = sums.iter().map(as_floats).collect();
            assert_eq!(sums, summed(&expected), "{table} by folds");
        }
    }
}

/// What a fold over rows gives.
fn summed(rows: &[Row]) -> Vec<Value> {
    let hosts = HOSTS.into_iter().filter_map(|host| {
        let of_host: Vec<&Row> = rows.iter().filter(|row| row.host == host).collect();
        let a: Vec<f64> = of_host.iter().filter_map(|row| row.a).collect();
        let b: Vec<f64> = of_host.iter().filter_map(|row| row.b).collect();
        let most = a.iter().copied().reduce(f64::max);
        let least = b.iter().copied().reduce(f64::min);
        let row = json!([host, of_host.len(), a.len(), least, most]);
        (!of_host.is_empty()).then(|| as_floats(&row))
    });
    hosts.collect()
}

/// The cells of a row, numbers as floats: whether 1 is an integer depends on the column.
fn as_floats(row: &Value) -> Value {
    let cells = row.as_array().unwrap().iter();
    cells.map(|cell| cell.as_f64().map_or_else(|| cell.clone(), Value::from)).collect()
}

fn launch(dir: &tempfile::TempDir) -> Launch {
    Launch::new(dir.path().join("data"))
        .set("storage.hot_for", "2s")
        .set("storage.reserve", "0")
        .set("storage.flush_age", "1s")
}

#[test]
fn any_interleaving_reads_as_a_plain_model_does() {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match setting("PULSORA_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("PULSORA_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        println!("seed {seed}");
        let mut run = Run::new(seed);
        for _ in 0..STEPS {
            run.step();
        }
        run.compare();
        run.kill();
        run.compare();
        println!("column a is {}", if run.wide { "float in one table" } else { "integer" });
    }
}

/// Three clients at once on one table with row ids: whichever of an update and a replacement comes first, a row is
/// there once, as one of the two has left it.
#[test]
fn rows_that_are_replaced_while_they_are_updated_are_there_once() {
    const ROWS: u64 = 20_000;
    const ROUNDS: u64 = 30;
    let mut run = Run::new(1);
    let client = run.client.clone();
    let replace = |ids: std::ops::Range<u64>, b: u64| {
        let rows = ids.map(|id| format!("{id},{},a,{b}\n", START_NS + id as i64));
        let body = format!("id,time,host,b\n{}", rows.collect::<String>());
        post(&client, "/tables/ids/ingest?time_format=ns", "text/csv", &body);
    };
    replace(1..ROWS + 1, 0);
    let ended = std::sync::atomic::AtomicBool::new(false);
    let is_ended = || ended.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = Rng::with_seed(2);
            for round in 1..=ROUNDS {
                let first = rng.u64(1..ROWS - 500);
                replace(first..first + 500, round * 1_000);
                post(&client, "/api/v1/flush", "text/plain", "");
            }
            ended.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        scope.spawn(|| {
            while !is_ended() {
                rows(&client, "UPDATE ids SET b = b + 1 WHERE b >= 0");
            }
        });
        while !is_ended() {
            assert_eq!(rows(&client, "SELECT count(*) FROM ids"), [json!([ROWS])]);
        }
    });
    let each = "SELECT count(*), count(DISTINCT id), min(id), max(id) FROM ids";
    assert_eq!(run.sql(each), [json!([ROWS, ROWS, 1, ROWS])]);
    run.kill();
    assert_eq!(run.sql(each), [json!([ROWS, ROWS, 1, ROWS])]);
}
