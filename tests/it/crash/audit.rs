//! The tables against the ledger.
//!
//! [`sums`] asks for the figures of each request by SQL after each kill, and settles the fate of what
//! was not answered. [`rows`] reads every row by the row API and compares every cell.

use std::collections::{BTreeMap, BTreeSet};

use pulsora_tests::answers::{self, int};
use pulsora_tests::http::Client;
use serde_json::Value;

use super::bodies;
use super::ledger::{Entry, Fate, Kind, Ledger};

/// Count, distinct numbers, least, greatest and sum of the numbers, distinct times, sum of `w`.
type Figures = (i64, i64, i64, i64, i64, i64, f64);

/// Compares the figures of every request.
pub fn sums(client: &Client, ledger: &mut Ledger, when: &str) {
    let mut found: BTreeMap<&str, BTreeMap<u64, Figures>> = BTreeMap::new();
    for table in Kind::ALL.iter().flat_map(|kind| kind.tables()) {
        let figures = figures(client, table);
        let rows: i64 = figures.values().map(|figures| figures.0).sum();
        assert_eq!(answers::count(client, table), rows, "{when}: count of {table} by the row API");
        found.insert(table, figures);
    }
    for entry in ledger.entries.values_mut() {
        let mut present = BTreeSet::new();
        for table in entry.kind.tables() {
            let figures = found.get_mut(table).unwrap().remove(&entry.request);
            if let Some(figures) = figures {
                assert_eq!(figures, expected(entry, table), "{when}: {entry:?} in {table}");
            }
            present.insert(figures.is_some());
        }
        assert_eq!(present.len(), 1, "{when}: {entry:?} is in some of its tables only");
        settle(entry, present.contains(&true), when);
    }
    for (table, rest) in found {
        assert!(rest.is_empty(), "{when}: {table} has rows that nobody sent: {rest:?}");
    }
}

fn settle(entry: &mut Entry, present: bool, when: &str) {
    entry.fate = match (entry.fate, present) {
        (Fate::Acknowledged, true) => Fate::Acknowledged,
        (Fate::Acknowledged, false) => panic!("{when}: acknowledged, but gone: {entry:?}"),
        (Fate::Found, false) => panic!("{when}: it was there before, now it is gone: {entry:?}"),
        (Fate::Absent, true) => panic!("{when}: it was not there before, now it is: {entry:?}"),
        (Fate::Unknown | Fate::Found, true) => Fate::Found,
        (Fate::Unknown | Fate::Absent, false) => Fate::Absent,
    };
}

fn figures(client: &Client, table: &str) -> BTreeMap<u64, Figures> {
    let statement = format!(
        "SELECT req, count(*), count(DISTINCT n), min(n), max(n), sum(n), count(DISTINCT time), sum(w) \
         FROM {table} GROUP BY req"
    );
    let rows = match answers::try_sql_rows(client, &statement) {
        Ok(rows) => rows,
        Err(answer) if answer.code() == "table_not_found" => return BTreeMap::new(),
        Err(answer) => panic!("{statement}: {answer:?}"),
    };
    let figures = rows.iter().map(|row| {
        let cell = |at: usize| int(&row[at]);
        let w = row[7].as_f64().unwrap_or_else(|| panic!("{row:?}"));
        (cell(0) as u64, (cell(1), cell(2), cell(3), cell(4), cell(5), cell(6), w))
    });
    figures.collect()
}

fn expected(entry: &Entry, table: &str) -> Figures {
    let run = entry.run(table);
    let (rows, first, last) = ((run.end - run.start) as i64, run.start as i64, run.end as i64 - 1);
    let w = run.map(|n| bodies::wide(entry, n)).sum();
    (rows, rows, first, last, (first + last) * rows / 2, rows, w)
}

/// Reads every table page by page and compares every cell of every row.
pub fn rows(client: &Client, ledger: &Ledger) {
    for kind in Kind::ALL {
        for table in kind.tables() {
            let mut expected = BTreeMap::new();
            let there = ledger.entries.values().filter(|entry| entry.kind == kind);
            for entry in there.filter(|entry| entry.fate != Fate::Absent) {
                expected.extend(entry.run(table).map(|n| (n, entry)));
            }
            let mut ids = BTreeSet::new();
            let mut before = String::new();
            for row in all_rows(client, table) {
                let n = int(&row["n"]) as u64;
                let entry = expected.remove(&n).unwrap_or_else(|| panic!("{table}: twice: {row}"));
                check_row(kind, entry, n, &row);
                let time = row["time"].to_string();
                assert!(time >= before, "{table}: {row} after {before}");
                before = time;
                if let Some(id) = row.get("id") {
                    assert!(ids.insert(int(id)), "{table}: an id twice: {row}");
                }
            }
            assert!(expected.is_empty(), "{table}: missing {:?}", expected.keys());
            assert_eq!(matches!(kind, Kind::Csv | Kind::OwnIds), !ids.is_empty(), "{table}: ids");
        }
    }
}

fn check_row(kind: Kind, entry: &Entry, n: u64, row: &Value) {
    assert_eq!(row["req"], entry.request, "{row}");
    assert_eq!(row["label"], bodies::label(n), "{row}");
    assert_eq!(row["w"].as_f64(), Some(bodies::wide(entry, n)), "{row}");
    assert_eq!(row["time"], bodies::time_ms(n), "{row}");
    if kind == Kind::OwnIds {
        assert_eq!(row["id"], n + 1, "{row}");
    }
    let extras = row.as_object().unwrap().iter();
    let extras = extras.filter(|(name, value)| name.starts_with("extra_") && !value.is_null());
    let extras: Vec<&str> = extras.map(|(name, _)| name.as_str()).collect();
    let wanted = entry.extra.map(|extra| format!("extra_{extra}"));
    assert_eq!(extras, wanted.as_deref().into_iter().collect::<Vec<_>>(), "{row}");
}

/// All rows of a table, through pages of a size that is no divisor of anything.
fn all_rows(client: &Client, table: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/tables/{table}/query?format=ndjson&times=ms&limit=7001{cursor}");
        let answer = client.get(&path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        rows.extend(answer.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        match answer.header("x-pulsora-next") {
            Some(next) => cursor = format!("&cursor={}", answers::escape(next)),
            None => return rows,
        }
    }
}
