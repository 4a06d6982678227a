//! The bytes of a request, from its entry in the ledger.
//!
//! - The same entry gives the same bytes, so a request can be sent again.
//! - Row `n` has `req` (its request), `n`, `label` (text made of n), `w` (n, or n + 0.5 when wide), and
//!   the time [`time_ms`]. Rows that follow one another lie in different partitions.

use std::fmt::Write;
use std::ops::Range;
use std::sync::LazyLock;
use std::time::SystemTime;

use pulsora_tests::pack::Pack;

use super::ledger::{Entry, Kind};

/// 2024-03-01T00:00:00Z.
const BASE_MS: u64 = 1_709_251_200_000;
const DAY_MS: u64 = 86_400_000;

/// What an update adds to `w`.
pub const RAISE: f64 = 1_000_000.0;

/// Time of row `n`: no two rows share it, and seven rows in a row lie half a year apart; in the table with
/// retention every other one is of just now.
pub fn time_ms(kind: Kind, n: u64) -> u64 {
    if kind == Kind::Aged && n.is_multiple_of(2) {
        *NOW_MS + n
    } else {
        BASE_MS - (n % 7) * 180 * DAY_MS + n
    }
}

/// When the test began.
static NOW_MS: LazyLock<u64> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
});

/// Text of row `n`; a quote, a comma and a space meet the escapes of each format.
pub fn label(n: u64) -> String {
    format!("row \"{n}\", é")
}

/// Value of column `w` in row `n`.
pub fn wide(entry: &Entry, n: u64) -> f64 {
    n as f64 + if entry.wide { 0.5 } else { 0.0 }
}

/// Path with parameters, content type, and body of a request.
pub fn request(entry: &Entry) -> (String, &'static str, Vec<u8>) {
    match entry.kind {
        Kind::Lines => ("/write?precision=ms".into(), "text/plain", lines(entry).into_bytes()),
        Kind::Csv => {
            ("/tables/csv_rows/ingest?partition=day".into(), "text/csv", csv(entry).into_bytes())
        }
        Kind::OwnIds => {
            let path = "/tables/csv_own_ids/ingest?row_id=id&partition=month";
            (path.into(), "text/csv", csv(entry).into_bytes())
        }
        Kind::Aged => ("/tables/aged/ingest".into(), "text/csv", csv(entry).into_bytes()),
        Kind::Pack => {
            ("/api/v1/write/msgpack?precision=ms".into(), "application/msgpack", pack(entry))
        }
        Kind::Metric => ("/write".into(), "application/json", metric(entry).into_bytes()),
    }
}

fn lines(entry: &Entry) -> String {
    let mut text = String::new();
    for (table, run) in entry.kind.tables().iter().zip(&entry.runs) {
        for n in run.clone() {
            let label = label(n).replace('"', "\\\"");
            let suffix = if entry.wide { ".5" } else { "i" };
            let (request, time) = (entry.request, time_ms(entry.kind, n));
            write!(text, "{table},client=c{},zone=a\\ b req={request}i,n={n}i", n % 3).unwrap();
            write!(text, ",label=\"{label}\",w={n}{suffix}").unwrap();
            if let Some(extra) = entry.extra {
                write!(text, ",extra_{extra}=true").unwrap();
            }
            writeln!(text, " {time}").unwrap();
        }
    }
    text
}

fn csv(entry: &Entry) -> String {
    let mut text = String::from(if entry.kind == Kind::OwnIds { "id,time," } else { "time," });
    text.push_str("req,n,label,w");
    if let Some(extra) = entry.extra {
        write!(text, ",extra_{extra}").unwrap();
    }
    text.push('\n');
    for n in entry.runs[0].clone() {
        if entry.kind == Kind::OwnIds {
            write!(text, "{},", n + 1).unwrap();
        }
        let label = label(n).replace('"', "\"\"");
        let (time, request) = (time_ms(entry.kind, n), entry.request);
        write!(text, "{time},{request},{n},\"{label}\",{}", wide(entry, n)).unwrap();
        if entry.extra.is_some() {
            text.push_str(",true");
        }
        text.push('\n');
    }
    text
}

fn metric(entry: &Entry) -> String {
    let points: Vec<_> = entry.runs[0].clone().map(|n| {
        let mut fields = serde_json::json!({"req": entry.request, "n": n, "label": label(n)});
        fields["w"] = if entry.wide { wide(entry, n).into() } else { n.into() };
        if let Some(extra) = entry.extra {
            fields[format!("extra_{extra}")] = true.into();
        }
        let tags = serde_json::json!({"client": format!("c{}", n % 3)});
        serde_json::json!({"metric": "metric_points", "timestamp": time_ms(entry.kind, n), "fields": fields, "tags": tags})
    }).collect();
    serde_json::Value::Array(points).to_string()
}

fn pack(entry: &Entry) -> Vec<u8> {
    let tables = entry.kind.tables();
    let pack = Pack::new().map(1).text("batch").array(tables.len() as u32);
    let items = tables.iter().zip(&entry.runs);
    items.fold(pack, |pack, (table, run)| columns(pack, entry, table, run)).bytes()
}

fn columns(pack: Pack, entry: &Entry, table: &str, run: &Range<u64>) -> Pack {
    let rows = (run.end - run.start) as u32;
    let all = || (run.start as i64..run.end as i64).collect::<Vec<_>>().into_iter();
    let mut pack = pack.map(2).text("m").text(table).text("columns");
    pack = pack.map(5 + u32::from(entry.extra.is_some()));
    pack = pack.int_column("time", all().map(|n| time_ms(entry.kind, n as u64) as i64));
    pack = pack.int_column("req", all().map(|_| entry.request as i64));
    pack = pack.int_column("n", all());
    pack = all().fold(pack.text("label").array(rows), |pack, n| pack.text(&label(n as u64)));
    pack = pack.text("w").array(rows);
    pack = all().fold(pack, |pack, n| match entry.wide {
        true => pack.float(wide(entry, n as u64)),
        false => pack.int(n),
    });
    match entry.extra {
        Some(extra) => pack.int_column(&format!("extra_{extra}"), all().map(|_| 1)),
        None => pack,
    }
}
