//! Sections 3 to 5: metric JSON, line protocol and MessagePack.

use pulsora_tests::pack::Pack;

use super::{Bench, JSON};

const LINES: &str = "text/plain";

#[test]
fn metric_points_are_written_and_asked_for() {
    let bench = Bench::new();
    let points = r#"[{"metric":"cpu","timestamp":1000,"value":1,"tags":{"host":"a"}},
        {"metric":"cpu","timestamp":2000,"value":2.5,"tags":{"host":"b"}},
        {"metric":"cpu","timestamp":61000,"value":4,"tags":{"host":"a"}},
        {"metric":"disk","timestamp":1000,"fields":{"free":10,"state":"ok"}}]"#;
    assert_eq!(bench.accept(200, "/write", JSON, points).text(), r#"{"written":4}"#);
    let one = r#"{"metric":"cpu","timestamp":62000,"value":5,"tags":{"host":"a"}}"#;
    assert_eq!(bench.accept(200, "/write", "text/plain", one).text(), r#"{"written":1}"#);
    for _ in 0..2 {
        let ask = |body: &str| bench.accept(200, "/query", JSON, body).json();
        let answer = ask(r#"{"metric":"cpu","start":1000,"end":61000}"#);
        assert_eq!(answer["count"], 3, "{answer}");
        let points = answer["points"].as_array().unwrap();
        let wanted = r#"{"metric":"cpu","tags":{"host":"a"},"timestamp":1000,"value":1.0}"#;
        let wanted: serde_json::Value = serde_json::from_str(wanted).unwrap();
        assert_eq!(points[0], wanted);
        let answer = ask(r#"{"metric":"cpu","start":0,"end":100000,"tags":{"host":"b"}}"#);
        assert_eq!(answer["count"], 1, "{answer}");
        let answer = ask(r#"{"metric":"cpu","start":0,"end":100000,"limit":2}"#);
        assert_eq!(answer["count"], 2, "{answer}");
        let answer = ask(r#"{"metric":"disk","start":0,"end":100000}"#);
        assert_eq!(answer["points"][0]["fields"].to_string(), r#"{"free":10,"state":"ok"}"#);
        bench.flush();
    }
}

#[test]
fn metric_queries_aggregate_by_step_and_tag() {
    let bench = Bench::new();
    let points = r#"[{"metric":"m","timestamp":0,"value":1,"tags":{"host":"a"}},
        {"metric":"m","timestamp":30000,"value":3,"tags":{"host":"a"}},
        {"metric":"m","timestamp":60000,"value":5,"tags":{"host":"b"}}]"#;
    bench.accept(200, "/write", JSON, points);
    let values = |extra: &str| {
        let body = format!(r#"{{"metric":"m","start":0,"end":119999,{extra}}}"#);
        let answer = bench.accept(200, "/query", JSON, body).json();
        let points =
            answer["points"].as_array().unwrap_or_else(|| panic!("{extra}: {answer}")).clone();
        points
            .iter()
            .map(|p| format!("{}={}", p["timestamp"], p["value"].as_f64().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(values(r#""aggregate":"avg","step":"1m""#), ["0=2", "60000=5"]);
    assert_eq!(values(r#""aggregate":"sum","step":"2m""#), ["0=9"]);
    assert_eq!(values(r#""aggregate":"count","step":"1m""#), ["0=2", "60000=1"]);
    assert_eq!(values(r#""aggregate":"last","step":"1m""#), ["0=3", "60000=5"]);
    assert_eq!(values(r#""aggregate":"max","step":"2m","group_by":["host"]"#), ["0=3", "0=5"]);
}

#[test]
fn every_route_of_line_protocol_stores_the_same_row() {
    let bench = Bench::new();
    let line = |table: &str, time: &str| format!("{table},host=a v=1i,f=0.5,s=\"x y\",b=t {time}");
    let routes = [
        ("v1", "/write?db=d&rp=r&precision=ms", "1700000000123"),
        ("v1_ns", "/write?db=d", "1700000000123000000"),
        ("v2", "/api/v2/write?org=o&bucket=d/autogen&precision=ms", "1700000000123"),
        ("v3", "/api/v3/write_lp?db=d&precision=millisecond", "1700000000123"),
        ("v3_auto", "/api/v3/write_lp?db=d", "1700000000123"),
        ("alias", "/api/v1/write?db=d&precision=ms", "1700000000123"),
        ("alias_line", "/api/v1/write/line-protocol?db=d&precision=u", "1700000000123000"),
        ("alias_influx", "/api/v1/write/influxdb?db=d&precision=ms", "1700000000123"),
    ];
    for (table, path, time) in routes {
        let answer = bench.accept(204, path, LINES, line(table, time));
        assert!(answer.header("x-pulsora-seq").is_some(), "{path}: {answer:?}");
        let rows = bench.sql(&format!("SELECT host, v, f, s, b, time FROM d.{table}"));
        assert_eq!(rows, r#"[["a",1,0.5,"x y",true,"2023-11-14T22:13:20.123Z"]]"#, "{path}");
    }
}

#[test]
fn a_point_sent_again_replaces_field_by_field_also_across_a_flush() {
    let bench = Bench::new();
    let send = |line: &str| bench.accept(204, "/write?precision=s", LINES, line);
    send("m,host=a x=1,y=1 100\nm,host=b x=9 100");
    bench.flush();
    send("m,host=a y=2 100");
    send("m,host=a y=2 100");
    for _ in 0..2 {
        assert_eq!(
            bench.sql("SELECT host, x, y FROM m ORDER BY host"),
            r#"[["a",1.0,2.0],["b",9.0,null]]"#
        );
        assert_eq!(bench.data("/tables/m/count"), r#"{"count":2}"#);
        assert_eq!(
            bench.sql("SELECT count(*) FROM m WHERE y = 1"),
            "[[0]]",
            "the older value is gone"
        );
        bench.flush();
    }
}

#[test]
fn escapes_of_line_protocol_are_read() {
    let bench = Bench::new();
    let line = r#"a\ table\,1,ta\=g\ 1=va\,l\ 1 fi\ eld="qu\"ote\\ and
newline",n=-1.5e3 1"#;
    bench.accept(204, "/write?precision=s", LINES, line);
    let rows = bench.sql(r#"SELECT "ta=g 1", "fi eld", n FROM "a table,1""#);
    assert_eq!(rows, r#"[["va,l 1","qu\"ote\\ and\nnewline",-1500.0]]"#);
}

#[test]
fn every_form_of_messagepack_is_read() {
    let bench = Bench::new();
    let columns = |pack: Pack| {
        pack.map(3)
            .text("m")
            .text("p")
            .text("tags")
            .array(1)
            .text("host")
            .text("columns")
            .map(3)
            .int_column("time", [1, 2].into_iter())
            .int_column("v", [10, 20].into_iter())
            .text("host")
            .array(2)
            .text("a")
            .text("b")
    };
    let row = |pack: Pack, time: i64| {
        pack.map(5)
            .text("m")
            .text("p")
            .text("t")
            .int(time)
            .text("h")
            .text("c")
            .text("fields")
            .map(1)
            .text("v")
            .int(time)
            .text("tags")
            .map(1)
            .text("zone")
            .text("z")
    };
    let send = |path: &str, pack: Pack| {
        bench.accept(204, &format!("{path}?precision=s"), "application/msgpack", pack.bytes());
    };
    send("/api/v1/write/msgpack", columns(Pack::new()));
    send("/write/v2/msgpack", row(Pack::new(), 3));
    send("/api/v2/msgpack", row(columns(Pack::new().map(1).text("batch").array(2)), 4));
    send("/api/v1/write/msgpack", row(columns(Pack::new().array(2)), 5));
    let rows = bench.sql("SELECT time, host, zone, v FROM p ORDER BY time");
    let wanted = r#"[["1970-01-01T00:00:01Z","a",null,10],["1970-01-01T00:00:02Z","b",null,20],["1970-01-01T00:00:03Z","c","z",3],["1970-01-01T00:00:04Z","c","z",4],["1970-01-01T00:00:05Z","c","z",5]]"#;
    assert_eq!(rows, wanted, "columns that came three times are there once: an upsert table");
}

#[test]
fn writers_that_add_columns_at_once_do_not_hinder_each_other() {
    let bench = Bench::new();
    let (writers, requests) = (8, 25);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let client = &bench.client;
            scope.spawn(move || {
                for n in 0..requests {
                    // Every other value is a float, so that columns of others are widened meanwhile.
                    let value = if n % 2 == 0 { format!("{n}i") } else { format!("{n}.5") };
                    let line = format!("m,w={writer} own_{writer}_{n}={value},all={value} {n}");
                    let answer = client.post("/write?precision=s", &[], line.as_bytes()).unwrap();
                    assert_eq!(answer.status, 204, "{}", answer.text());
                }
            });
        }
    });
    assert_eq!(bench.data("/tables/m/count"), format!("{{\"count\":{}}}", writers * requests));
    let own: i64 = 3 + writers * requests;
    let columns = bench.get("/tables/m/schema").json()["data"]["columns"].as_array().unwrap().len();
    assert_eq!(columns as i64, own, "time, w, all and one of each request");
    let sum: f64 = (0..requests).map(|n| if n % 2 == 0 { n as f64 } else { n as f64 + 0.5 }).sum();
    assert_eq!(bench.sql("SELECT sum(\"all\") FROM m"), format!("[[{:?}]]", sum * writers as f64));
}
