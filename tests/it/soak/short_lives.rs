//! Rows and tables that do not stay: one table keeps rows for a day, another is dropped and made again with
//! other columns.

use std::fmt::Write;
use std::time::SystemTime;

use pulsora_tests::answers::int;

use super::Owner;
use super::session::Session;

const DAY_MS: u64 = 86_400_000;

/// Every other row is older than the table keeps rows.
pub struct Kept<'t> {
    session: Session<'t>,
    /// When it began: all new rows are of a few minutes around it.
    now_ms: u64,
    next: u64,
}

impl<'t> Kept<'t> {
    pub fn new(session: Session<'t>) -> Kept<'t> {
        session.change("CREATE TABLE kept (time TIMESTAMP, n BIGINT, text VARCHAR)");
        session.change("ALTER TABLE kept SET (retention = '1d')");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Kept { session, now_ms: now.as_millis() as u64, next: 0 }
    }
}

impl Owner for Kept<'_> {
    fn step(&mut self) {
        let mut body = String::from("time,n,text\n");
        for n in self.next..self.next + 200 {
            // The old ones are of many days, so that whole partitions go.
            let age_ms = if n.is_multiple_of(2) { 0 } else { (2 + n % 30) * DAY_MS };
            writeln!(body, "{},{n},text of {n}", self.now_ms - age_ms + n % 1_000).unwrap();
        }
        self.session.write("/tables/kept/ingest?time_format=ms", "text/csv", &body, 200);
        self.next += 200;
        std::thread::sleep(std::time::Duration::from_millis(20));
    }

    fn check_figures(&mut self) {
        let found =
            self.session.row("SELECT count(*), sum(n), count(DISTINCT n), max(n % 2) FROM kept");
        let rows = self.next / 2;
        let wanted = [rows, rows * rows.saturating_sub(1), rows, 0];
        assert_eq!([0, 1, 2, 3].map(|at| int(&found[at]) as u64), wanted, "{found:?}");
    }

    fn check_rows(&mut self) {
        let rows = self.session.rows("kept");
        assert_eq!(rows.len() as u64, self.next / 2);
        assert!(rows.iter().all(|row| int(&row["n"]) % 2 == 0));
    }
}

/// A table that is made, filled, and dropped or renamed and dropped.
pub struct Reborn<'t> {
    session: Session<'t>,
    random: fastrand::Rng,
    /// How often it was made.
    life: u64,
    rows: u64,
}

impl<'t> Reborn<'t> {
    pub fn new(session: Session<'t>, random: fastrand::Rng) -> Reborn<'t> {
        let mut reborn = Reborn { session, random, life: 0, rows: 0 };
        reborn.fill();
        reborn
    }

    fn fill(&mut self) {
        let life = self.life;
        let lines: String = (self.rows..self.rows + 100)
            .map(|n| format!("reborn,life=l{life} in_{life}={n}i,n={n}i {n}\n"))
            .collect();
        self.session.write("/write?precision=s", "text/plain", &lines, 100);
        self.rows += 100;
    }
}

impl Owner for Reborn<'_> {
    fn step(&mut self) {
        if self.random.u32(0..12) > 0 {
            self.fill();
            return;
        }
        if self.random.bool() {
            self.session.change("ALTER TABLE reborn RENAME TO reborn_once");
            self.session.change("DROP TABLE reborn_once");
        } else {
            self.session.change("DROP TABLE reborn");
        }
        (self.life, self.rows) = (self.life + 1, 0);
        self.fill();
    }

    fn check_figures(&mut self) {
        let life = self.life;
        let found = self
            .session
            .row(&format!("SELECT count(*), sum(in_{life}), count(DISTINCT life) FROM reborn"));
        let wanted = [self.rows, self.rows * (self.rows - 1) / 2, 1];
        assert_eq!([0, 1, 2].map(|at| int(&found[at]) as u64), wanted, "{found:?}");
    }

    fn check_rows(&mut self) {
        let rows = self.session.rows("reborn");
        assert_eq!(rows.len() as u64, self.rows);
        for row in rows {
            let columns = row.as_object().unwrap().len();
            assert_eq!((columns, &row[format!("in_{}", self.life)]), (4, &row["n"]), "{row}");
        }
    }
}
