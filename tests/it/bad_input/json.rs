//! JSON rows, NDJSON and metric JSON.

use super::{Bench, Case, MS};

const T: &str = "/tables/t/ingest";
const NEW: &str = "/tables/new/ingest";

fn json(name: &str, path: &str, body: impl AsRef<[u8]>) -> Case {
    Case::new(&format!("json, {name}"), path, "application/json", body)
}

fn ndjson(name: &str, path: &str, body: impl AsRef<[u8]>) -> Case {
    Case::new(&format!("ndjson, {name}"), path, "application/x-ndjson", body)
}

fn metric(name: &str, body: impl AsRef<[u8]>) -> Case {
    Case::new(&format!("metric, {name}"), "/write", "application/json", body)
}

/// An array with a good row before and after `middle`.
fn around(middle: &str) -> String {
    format!("[{{\"time\":{MS},\"n\":3}},{middle},{{\"time\":{MS},\"n\":5}}]")
}

#[test]
fn json_that_is_not_json() {
    Bench::new().run(vec![
        json("truncated", T, format!("[{{\"time\":{MS},\"n\":3}},{{\"time\":{MS},\"n\""))
            .refused(400, "malformed_body"),
        json("truncated between rows", T, format!("[{{\"time\":{MS},\"n\":3}},"))
            .refused(400, "malformed_body"),
        json("text after the end", T, format!("{{\"time\":{MS},\"n\":3}} x"))
            .refused(400, "malformed_body"),
        json("empty", T, "").refused(400, "empty_body"),
        json("spaces", T, " \n ").refused(400, "empty_body"),
        json("no rows", T, "[]").stored(0),
        json("no rows, new table", NEW, "[]").stored(0),
        json("a number", T, "42").refused(400, "malformed_body"),
        json("null", T, "null").refused(400, "malformed_body"),
        json("numbers", T, "[1,2]").refused(400, "malformed_body"),
        json("deep", T, "[".repeat(1_000_000)).refused(400, "malformed_body"),
        json("deep in a cell", NEW, format!("{{\"time\":{MS},\"n\":{}", "[".repeat(1_000_000)))
            .refused(400, "malformed_body"),
        json("NaN", T, around(&format!("{{\"time\":{MS},\"x\":NaN}}")))
            .refused(400, "malformed_body"),
        json("a lone surrogate", T, around(&format!("{{\"time\":{MS},\"s\":\"\\ud800\"}}")))
            .refused(400, "malformed_body"),
        json("not UTF-8", T, b"[{\"time\":1700000000000,\"s\":\"\xff\"}]")
            .refused(400, "invalid_utf8"),
        json("CSV", T, format!("time,n\n{MS},3\n")).refused(400, "malformed_body"),
    ]);
}

#[test]
fn json_that_does_not_fit_its_table() {
    Bench::new().run(vec![
        json("text among integers", T, around(&format!("{{\"time\":{MS},\"n\":\"four\"}}")))
            .refused(422, "type_conflict")
            .says("\"index\":1")
            .says("\"column\":\"n\""),
        json(
            "text among integers, skipped",
            &format!("{T}?on_error=skip"),
            around(&format!("{{\"time\":{MS},\"n\":\"four\"}}")),
        )
        .stored(2)
        .says("\"rows_rejected\":1"),
        json("an object in a cell", T, around(&format!("{{\"time\":{MS},\"n\":{{\"a\":1}}}}")))
            .refused(422, "type_conflict"),
        json("beyond i64", T, around(&format!("{{\"time\":{MS},\"n\":9223372036854775808}}")))
            .refused(422, "type_conflict"),
        json("beyond u64", T, around(&format!("{{\"time\":{MS},\"n\":18446744073709551616}}")))
            .refused(422, "type_conflict"),
        json("a key twice", T, around(&format!("{{\"time\":{MS},\"n\":4,\"n\":5}}")))
            .refused(400, "duplicate_column"),
        json("no name", NEW, format!("{{\"time\":{MS},\"\":1}}")).refused(400, "invalid_name"),
        json("no time in one row", T, around("{\"n\":4}"))
            .refused(400, "invalid_time")
            .says("\"index\":1"),
        json("no time", T, "[{\"n\":4}]").refused(422, "missing_time"),
        json("no time, new table", NEW, "[{\"n\":4}]").refused(422, "missing_time"),
        json("before 1677", NEW, "[{\"time\":\"1677-09-20\",\"n\":4}]")
            .refused(400, "invalid_time"),
        json("after 2262", NEW, "[{\"time\":\"2262-04-12\",\"n\":4}]").refused(400, "invalid_time"),
        json(
            "a text of 10 MiB",
            T,
            format!("{{\"time\":{MS},\"s\":\"{}\"}}", "z".repeat(10 << 20)),
        )
        .stored(1),
        json(
            "a text of 17 MiB",
            T,
            format!("{{\"time\":{MS},\"s\":\"{}\"}}", "z".repeat(17 << 20)),
        )
        .refused(422, "limit_exceeded"),
    ]);
}

#[test]
fn ndjson_that_cannot_be_read() {
    let good = format!("{{\"time\":{MS},\"n\":3}}");
    Bench::new().run(vec![
        ndjson("truncated", T, format!("{good}\n{{\"time\":{MS},\"n\""))
            .refused(400, "malformed_body")
            .says("\"line\":2"),
        ndjson(
            "text among integers",
            T,
            format!("{good}\n{{\"time\":{MS},\"n\":\"four\"}}\n{good}\n"),
        )
        .refused(422, "type_conflict")
        .says("\"line\":2"),
        ndjson(
            "a bad line, skipped",
            &format!("{T}?on_error=skip"),
            format!("{good}\nnonsense\n{good}\n"),
        )
        .stored(2)
        .says("\"rows_rejected\":1"),
        ndjson("a key twice", T, format!("{good}\n{{\"time\":{MS},\"n\":4,\"n\":5}}\n"))
            .refused(400, "duplicate_column"),
        ndjson("no time", T, format!("{good}\n{{\"n\":4}}\n"))
            .refused(400, "invalid_time")
            .says("\"line\":2"),
        ndjson("empty", T, "").refused(400, "empty_body"),
        ndjson("empty lines", T, "\n\n").refused(400, "empty_body"),
        ndjson("empty lines between rows", T, format!("\n{good}\n\n{good}")).stored(2),
        ndjson("not UTF-8", T, [good.as_bytes(), b"\n{\"s\":\"\xff\"}\n"].concat())
            .refused(400, "invalid_utf8"),
        ndjson("one line of 10 MiB", T, "x".repeat(10 << 20)).refused(400, "malformed_body"),
        ndjson("beyond i64", T, format!("{{\"time\":{MS},\"n\":9223372036854775808}}\n"))
            .refused(422, "type_conflict"),
        ndjson("before 1677", T, "{\"time\":\"1677-01-01\",\"n\":1}\n")
            .refused(400, "invalid_time"),
    ]);
}

#[test]
fn metric_json_that_cannot_be_read() {
    let good = |v: i64| {
        format!(
            "{{\"metric\":\"u\",\"timestamp\":{},\"fields\":{{\"v\":{v}}},\"tags\":{{\"host\":\"m\"}}}}",
            MS + v
        )
    };
    let fields = |fields: &str| {
        format!(
            "{{\"metric\":\"u\",\"timestamp\":{MS},\"fields\":{{{fields}}},\"tags\":{{\"host\":\"m\"}}}}"
        )
    };
    let among = |first: i64, bad: &str| format!("[{},{bad},{}]", good(first), good(first + 1));
    Bench::new().run(vec![
        metric("truncated", format!("[{},{{\"metric\"", good(10))).refused(400, "malformed_body"),
        metric("empty", "").refused(400, "empty_body"),
        metric("text among integers", among(20, &fields("\"v\":\"four\"")))
            .partly(206, "", 2)
            .says("\"written\":2")
            .says("v"),
        metric("no value", among(30, &format!("{{\"metric\":\"u\",\"timestamp\":{MS}}}")))
            .partly(206, "", 2)
            .says("value"),
        metric("no metric", among(40, &format!("{{\"timestamp\":{MS},\"value\":1}}")))
            .partly(206, "", 2),
        metric("a number among points", among(50, "42")).partly(206, "", 2),
        metric("a field twice: the last counts", among(60, &fields("\"v\":1,\"v\":2"))).stored(3),
        metric("beyond i64", among(70, &fields("\"v\":9223372036854775808"))).partly(206, "", 2),
        metric(
            "before 1677",
            among(80, "{\"metric\":\"u\",\"timestamp\":-9300000000000,\"value\":1}"),
        )
        .partly(206, "", 2),
        metric(
            "after 2262",
            among(90, "{\"metric\":\"u\",\"timestamp\":9300000000000,\"value\":1}"),
        )
        .partly(206, "", 2),
        metric(
            "a tag that is a field",
            among(
                100,
                &format!(
                    "{{\"metric\":\"u\",\"timestamp\":{MS},\"value\":1,\"tags\":{{\"v\":\"a\"}}}}"
                ),
            ),
        )
        .partly(206, "", 2),
        metric("only bad points", "[{\"metric\":\"u\"},{\"value\":1}]")
            .refused(400, "partial_write"),
        metric("NaN", fields("\"v\":NaN")).refused(400, "malformed_body"),
        metric("not UTF-8", b"{\"metric\":\"\xff\",\"value\":1}").refused(400, "invalid_utf8"),
        metric(
            "no time means now",
            "{\"metric\":\"u\",\"fields\":{\"v\":1},\"tags\":{\"host\":\"now\"}}",
        )
        .stored(1),
        metric("deep", "[".repeat(1_000_000)).refused(400, "malformed_body"),
    ]);
}
