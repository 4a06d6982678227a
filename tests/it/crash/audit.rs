//! The tables against the ledger.
//!
//! [`sums`] asks for the figures of each request by SQL after each kill, and settles the fate of what
//! was not answered. [`rows`] reads every row by the row API and compares every cell.

use std::collections::{BTreeMap, BTreeSet};

use pulsora_tests::answers::{self, int};
use pulsora_tests::http::Client;
use serde_json::Value;

use super::bodies;
use super::ledger::{Entry, Fate, Kind, Ledger, Trace};

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
            if let Some(is_there) = settle_rows(entry, table, figures, when) {
                present.insert(is_there);
            }
        }
        assert!(present.len() < 2, "{when}: {entry:?} is in some of its tables only");
        if let Some(present) = present.first() {
            settle(entry, *present, when);
        }
    }
    for (table, rest) in found {
        assert!(rest.is_empty(), "{when}: {table} has rows that nobody sent: {rest:?}");
    }
}

/// Compares the figures of a request in one of its tables, and settles what was sent to change its rows.
/// Gives whether the rows are there; `None` where they were deleted.
fn settle_rows(
    entry: &mut Entry,
    table: &str,
    figures: Option<Figures>,
    when: &str,
) -> Option<bool> {
    let visible = entry.shown(table).next().is_some();
    let mut changed = *entry.changed(table);
    match (figures, changed.gone) {
        (None, Trace::No) => return visible.then_some(false),
        (None, _) => changed.gone = Trace::Yes,
        (Some(_), Trace::Yes) => panic!("{when}: deleted rows are back in {table}: {entry:?}"),
        (Some(figures), _) => {
            changed.gone = Trace::No;
            if changed.raised == Trace::Perhaps {
                let raised = figures == expected(entry, table, Trace::Yes);
                changed.raised = if raised { Trace::Yes } else { Trace::No };
            }
            let expected = expected(entry, table, changed.raised);
            assert_eq!(figures, expected, "{when}: {entry:?} in {table}");
        }
    }
    *entry.changed(table) = changed;
    (changed.gone == Trace::No).then_some(true)
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

fn expected(entry: &Entry, table: &str, raised: Trace) -> Figures {
    let shown: Vec<u64> = entry.shown(table).collect();
    let (rows, sum) = (shown.len() as i64, shown.iter().sum::<u64>() as i64);
    let end = |n: Option<&u64>| n.copied().unwrap_or_default() as i64;
    let w = shown.iter().map(|n| bodies::wide(entry, *n) + raise(raised)).sum();
    (rows, rows, end(shown.first()), end(shown.last()), sum, rows, w)
}

/// What an update has added to `w`.
fn raise(raised: Trace) -> f64 {
    if raised == Trace::Yes { bodies::RAISE } else { 0.0 }
}

/// Reads every table page by page and compares every cell of every row.
pub fn rows(client: &Client, ledger: &Ledger) {
    for kind in Kind::ALL {
        for table in kind.tables() {
            let mut expected = BTreeMap::new();
            let there = ledger.entries.values().filter(|entry| entry.kind == kind);
            for entry in there.filter(|entry| entry.fate != Fate::Absent) {
                let changed = *entry.clone().changed(table);
                if changed.gone == Trace::No {
                    let raised = raise(changed.raised);
                    expected.extend(entry.shown(table).map(|n| (n, (entry, raised))));
                }
            }
            let mut ids = BTreeSet::new();
            let mut before = String::new();
            for row in answers::all_rows(client, table) {
                let n = int(&row["n"]) as u64;
                let found = expected.remove(&n);
                let (entry, raised) = found.unwrap_or_else(|| panic!("{table}: twice: {row}"));
                check_row(entry, n, raised, &row);
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

fn check_row(entry: &Entry, n: u64, raised: f64, row: &Value) {
    assert_eq!(row["req"], entry.request, "{row}");
    assert_eq!(row["label"], bodies::label(n), "{row}");
    assert_eq!(row["w"].as_f64(), Some(bodies::wide(entry, n) + raised), "{row}");
    assert_eq!(row["time"], bodies::time_ms(entry.kind, n), "{row}");
    if entry.kind == Kind::OwnIds {
        assert_eq!(row["id"], n + 1, "{row}");
    }
    let extras = row.as_object().unwrap().iter();
    let extras = extras.filter(|(name, value)| name.starts_with("extra_") && !value.is_null());
    let extras: Vec<&str> = extras.map(|(name, _)| name.as_str()).collect();
    let wanted = entry.extra.map(|extra| format!("extra_{extra}"));
    assert_eq!(extras, wanted.as_deref().into_iter().collect::<Vec<_>>(), "{row}");
}
