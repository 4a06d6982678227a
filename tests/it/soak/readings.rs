//! An upsert table by line protocol: new rows, late ones, fields sent again, deletes by key and by value,
//! updates, and all rows at once.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Owner;
use super::session::{Session, float};
use pulsora_tests::answers::int;

/// 2024-03-01T00:00:00Z.
const BASE_MS: i64 = 1_709_251_200_000;
const MINUTE_MS: i64 = 60_000;
const SERIES: usize = 20;
const TABLE: &str = "readings";

/// The fields of a key as they were last sent.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fields {
    a: Option<i64>,
    /// Halves, so that sums are exact.
    b: Option<f64>,
    c: Option<String>,
}

pub struct Readings<'t> {
    session: Session<'t>,
    random: fastrand::Rng,
    /// By series and time.
    rows: BTreeMap<(usize, i64), Fields>,
    now_ms: i64,
}

impl<'t> Readings<'t> {
    pub fn new(session: Session<'t>, random: fastrand::Rng) -> Readings<'t> {
        let mut readings = Readings { session, random, rows: BTreeMap::new(), now_ms: BASE_MS };
        readings.write_new();
        readings
    }

    fn write_new(&mut self) {
        let count = self.random.usize(50..600);
        // A fifth is late, by up to forty days.
        let late = self.random.u32(0..5) == 0;
        let start = match late {
            true => self.now_ms - self.random.i64(1..40 * 24 * 60) * MINUTE_MS,
            false => self.now_ms,
        };
        let keys: Vec<(usize, i64)> = (0..count)
            .map(|n| (n % SERIES, start + (n / SERIES) as i64 * MINUTE_MS + self.random.i64(0..5)))
            .collect();
        if !late {
            self.now_ms = start + (count / SERIES + 1) as i64 * MINUTE_MS;
        }
        self.send(&keys);
    }

    fn write_again(&mut self) {
        let keys: Vec<(usize, i64)> = self.rows.keys().copied().collect();
        let some = (0..80).filter_map(|_| keys.get(self.random.usize(0..keys.len().max(1))));
        let some: Vec<(usize, i64)> = some.copied().collect();
        if !some.is_empty() {
            self.send(&some);
        }
    }

    /// Sends some fields of each key; later lines win where a key comes twice.
    fn send(&mut self, keys: &[(usize, i64)]) {
        let mut body = String::new();
        for (series, time) in keys {
            let fields = self.rows.entry((*series, *time)).or_default();
            let which = self.random.u32(1..8);
            write!(body, "{TABLE},series=s{series}").unwrap();
            let mut separator = ' ';
            if which & 1 > 0 {
                let a = self.random.i64(0..1_000);
                fields.a = Some(a);
                write!(body, "{separator}a={a}i").unwrap();
                separator = ',';
            }
            if which & 2 > 0 {
                let b = self.random.i64(-500..500) as f64 / 2.0;
                fields.b = Some(b);
                write!(body, "{separator}b={b:.1}").unwrap();
                separator = ',';
            }
            if which & 4 > 0 {
                let c = format!("text \"{}\", é", self.random.u32(0..50));
                write!(body, "{separator}c=\"{}\"", c.replace('"', "\\\"")).unwrap();
                fields.c = Some(c);
            }
            writeln!(body, " {time}").unwrap();
        }
        self.session.write("/write?precision=ms", "text/plain", &body, keys.len());
    }

    /// A series and a range of its times.
    fn range(&mut self) -> (usize, i64, i64) {
        let series = self.random.usize(0..SERIES);
        let end = self.now_ms - self.random.i64(0..3 * 24 * 60) * MINUTE_MS;
        (series, end - self.random.i64(1..300) * MINUTE_MS, end)
    }

    fn delete_range(&mut self) {
        let (series, start, end) = self.range();
        let hit = |(s, time): &(usize, i64)| *s == series && (start..=end).contains(time);
        let count = self.rows.keys().filter(|key| hit(key)).count() as i64;
        self.rows.retain(|key, _| !hit(key));
        if self.random.bool() {
            let statement = format!(
                "DELETE FROM {TABLE} WHERE series = 's{series}' AND time >= to_timestamp_millis({start}) AND time <= to_timestamp_millis({end})"
            );
            assert_eq!(self.session.change(&statement), count, "{statement}");
        } else {
            let path =
                format!("/tables/{TABLE}/rows?start={start}&end={end}&tags=series:s{series}");
            let answer = self.session.delete(&path);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            assert_eq!(int(&answer.json()["data"]["deleted"]), count, "{path}");
        }
    }

    fn delete_values(&mut self) {
        let rest = self.random.i64(0..97);
        let hit = |fields: &Fields| fields.a.is_some_and(|a| a % 97 == rest);
        let count = self.rows.values().filter(|fields| hit(fields)).count() as i64;
        self.rows.retain(|_, fields| !hit(fields));
        let statement = format!("DELETE FROM {TABLE} WHERE a % 97 = {rest}");
        assert_eq!(self.session.change(&statement), count, "{statement}");
    }

    fn update(&mut self) {
        let (series, above) = (self.random.usize(0..SERIES), self.random.i64(0..1_000));
        let clear = self.random.bool();
        let hit = |key: &(usize, i64), fields: &Fields| {
            key.0 == series && fields.a.is_some_and(|a| a > above)
        };
        let mut count = 0;
        for (key, fields) in &mut self.rows {
            if hit(key, fields) {
                count += 1;
                fields.b = fields.b.map(|b| b + 1.0);
                fields.c = fields.c.take().filter(|_| !clear);
            }
        }
        let cleared = if clear { ", c = NULL" } else { "" };
        let statement = format!(
            "UPDATE {TABLE} SET b = b + 1{cleared} WHERE series = 's{series}' AND a > {above}"
        );
        assert_eq!(self.session.change(&statement), count, "{statement}");
    }

    fn truncate(&mut self) {
        self.rows.clear();
        self.session.change(&format!("TRUNCATE TABLE {TABLE}"));
    }
}

impl Owner for Readings<'_> {
    fn step(&mut self) {
        match self.random.u32(0..400) {
            0 => self.truncate(),
            1..12 => self.delete_range(),
            12..20 => self.delete_values(),
            20..30 => self.update(),
            30..80 => self.write_again(),
            _ => self.write_new(),
        }
    }

    fn check_figures(&mut self) {
        let found = self.session.row(&format!(
            "SELECT count(*), count(a), sum(a), count(b), sum(b), count(c), count(DISTINCT series) FROM {TABLE}"
        ));
        let rows = || self.rows.values();
        let series = self.rows.keys().map(|key| key.0).collect::<std::collections::BTreeSet<_>>();
        let counts = [
            rows().count(),
            rows().filter(|row| row.a.is_some()).count(),
            rows().filter_map(|row| row.a).sum::<i64>() as usize,
            rows().filter(|row| row.b.is_some()).count(),
            rows().filter(|row| row.c.is_some()).count(),
            series.len(),
        ];
        assert_eq!([0, 1, 2, 3, 5, 6].map(|at| int(&found[at]) as usize), counts, "{found:?}");
        assert_eq!(float(&found[4]), rows().filter_map(|row| row.b).sum::<f64>(), "{found:?}");
    }

    fn check_rows(&mut self) {
        let mut expected = self.rows.clone();
        for row in self.session.rows(TABLE) {
            let series = row["series"].as_str().and_then(|name| name[1..].parse().ok()).unwrap();
            let found = Fields {
                a: row["a"].as_i64(),
                b: row["b"].as_f64(),
                c: row["c"].as_str().map(str::to_owned),
            };
            let wanted = expected.remove(&(series, int(&row["time"])));
            assert_eq!(Some(found), wanted, "{row}");
        }
        assert!(
            expected.is_empty(),
            "{} rows are missing: {:?}",
            expected.len(),
            expected.first_key_value()
        );
    }
}
