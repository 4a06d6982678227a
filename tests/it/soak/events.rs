//! A table with row ids by CSV: new rows, rows replaced by their id, deletes and updates, erasures, and a
//! column that is added, renamed and dropped again and again.

use std::collections::BTreeMap;
use std::fmt::Write;

use pulsora_tests::answers::int;

use super::Owner;
use super::session::Session;

/// 2023-01-01T00:00:00Z.
const BASE_MS: i64 = 1_672_531_200_000;
const HOUR_MS: i64 = 3_600_000;
const KINDS: usize = 7;
const TABLE: &str = "events";

#[derive(Clone, Debug, PartialEq)]
struct Event {
    time_ms: i64,
    kind: usize,
    value: i64,
    /// In the column that comes and goes.
    extra: Option<i64>,
}

pub struct Events<'t> {
    session: Session<'t>,
    random: fastrand::Rng,
    /// By row id.
    rows: BTreeMap<u64, Event>,
    next: u64,
    /// The name of the column that comes and goes, while it is there.
    extra: Option<&'static str>,
}

impl<'t> Events<'t> {
    pub fn new(session: Session<'t>, random: fastrand::Rng) -> Events<'t> {
        let mut events = Events { session, random, rows: BTreeMap::new(), next: 1, extra: None };
        events.insert();
        events
    }

    fn insert(&mut self) {
        let count = self.random.u64(20..300);
        let ids: Vec<u64> = (self.next..self.next + count).collect();
        self.next += count;
        self.send(&ids);
    }

    fn replace(&mut self) {
        let ids = self.some(40);
        if !ids.is_empty() {
            self.send(&ids);
        }
    }

    /// Some ids, each once.
    fn some(&mut self, count: usize) -> Vec<u64> {
        let all: Vec<u64> = self.rows.keys().copied().collect();
        let mut some: Vec<u64> =
            (0..count.min(all.len())).map(|_| all[self.random.usize(0..all.len())]).collect();
        some.sort_unstable();
        some.dedup();
        some
    }

    fn send(&mut self, ids: &[u64]) {
        let mut body = format!(
            "id,time,kind,value{}\n",
            self.extra.map_or(String::new(), |name| format!(",{name}"))
        );
        for id in ids {
            let event = Event {
                time_ms: BASE_MS + (*id as i64 % 40) * 24 * HOUR_MS + *id as i64,
                kind: self.random.usize(0..KINDS),
                value: self.random.i64(-1_000..1_000),
                extra: self.extra.and_then(|_| self.random.bool().then(|| self.random.i64(0..100))),
            };
            write!(body, "{id},{},kind {},{}", event.time_ms, event.kind, event.value).unwrap();
            if self.extra.is_some() {
                write!(body, ",{}", event.extra.map_or(String::new(), |extra| extra.to_string()))
                    .unwrap();
            }
            body.push('\n');
            self.rows.insert(*id, event);
        }
        let path = format!("/tables/{TABLE}/ingest?row_id=id&time_format=ms");
        self.session.write(&path, "text/csv", &body, ids.len());
    }

    fn delete_one(&mut self) {
        let Some(id) = self.some(1).pop() else { return };
        self.rows.remove(&id);
        let path = format!("/tables/{TABLE}/rows/{id}");
        let answer = self.session.delete(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let again = self.session.delete(&path);
        assert_eq!(again.status, 404, "{path}: {}", again.text());
    }

    fn delete_values(&mut self) {
        let low = self.random.i64(-1_000..1_000);
        let hit = |event: &Event| (low..low + 10).contains(&event.value);
        let count = self.rows.values().filter(|event| hit(event)).count() as i64;
        self.rows.retain(|_, event| !hit(event));
        let statement =
            format!("DELETE FROM {TABLE} WHERE value >= {low} AND value < {}", low + 10);
        assert_eq!(self.session.change(&statement), count, "{statement}");
    }

    fn erase(&mut self) {
        let ids = self.some(5);
        self.rows.retain(|id, _| !ids.contains(id));
        let list: Vec<String> = ids.iter().map(u64::to_string).collect();
        if !list.is_empty() {
            let statement = format!("ERASE FROM {TABLE} WHERE id IN ({})", list.join(", "));
            assert_eq!(self.session.change(&statement), ids.len() as i64, "{statement}");
        }
    }

    fn update(&mut self) {
        let kind = self.random.usize(0..KINDS);
        let mut count = 0;
        for event in self.rows.values_mut().filter(|event| event.kind == kind && event.value > 500)
        {
            event.value -= 1_000;
            count += 1;
        }
        let statement = format!(
            "UPDATE {TABLE} SET value = value - 1000 WHERE kind = 'kind {kind}' AND value > 500"
        );
        assert_eq!(self.session.change(&statement), count, "{statement}");
    }

    fn truncate(&mut self) {
        self.rows.clear();
        self.session.change(&format!("TRUNCATE TABLE {TABLE}"));
    }

    /// Added as `late`, renamed to `later`, dropped: made again it shows no old value.
    fn alter(&mut self) {
        let (next, what) = match self.extra {
            None => (Some("late"), "ADD COLUMN late BIGINT"),
            Some("late") => (Some("later"), "RENAME COLUMN late TO later"),
            Some(_) => (None, "DROP COLUMN later"),
        };
        self.session.change(&format!("ALTER TABLE {TABLE} {what}"));
        if next.is_none() {
            self.rows.values_mut().for_each(|event| event.extra = None);
        }
        self.extra = next;
    }
}

impl Owner for Events<'_> {
    fn step(&mut self) {
        match self.random.u32(0..300) {
            0 => self.truncate(),
            1..3 => self.erase(),
            3..10 => self.alter(),
            10..18 => self.delete_one(),
            18..26 => self.delete_values(),
            26..34 => self.update(),
            34..80 => self.replace(),
            _ => self.insert(),
        }
    }

    fn check_figures(&mut self) {
        let extra = self.extra.map_or("NULL".to_owned(), |name| format!("sum({name})"));
        let found = self
            .session
            .row(&format!("SELECT count(*), sum(value), count(DISTINCT id), {extra} FROM {TABLE}"));
        let rows = || self.rows.values();
        let wanted = [
            self.rows.len() as i64,
            rows().map(|event| event.value).sum(),
            self.rows.len() as i64,
            rows().filter_map(|event| event.extra).sum(),
        ];
        assert_eq!([0, 1, 2, 3].map(|at| int(&found[at])), wanted, "{found:?}");
    }

    fn check_rows(&mut self) {
        let mut expected = self.rows.clone();
        for row in self.session.rows(TABLE) {
            let found = Event {
                time_ms: int(&row["time"]),
                kind: row["kind"].as_str().and_then(|kind| kind[5..].parse().ok()).unwrap(),
                value: int(&row["value"]),
                extra: self.extra.and_then(|name| row[name].as_i64()),
            };
            assert_eq!(Some(found), expected.remove(&(int(&row["id"]) as u64)), "{row}");
            let gone = ["late", "later"].into_iter().filter(|name| self.extra != Some(name));
            gone.for_each(|name| assert!(row.get(name).is_none(), "{row}"));
        }
        assert!(expected.is_empty(), "missing: {:?}", expected.keys());
    }
}
