//! What was sent, and what is known of its fate.
//!
//! - Every row has a number that no other row of any request has, so a row that is there twice, or that
//!   nobody sent, shows in a count or a sum.
//! - A request writes one run of numbers to each of its tables, and is whole only with all of them.
//! - What an audit has found stays so: a request found absent may not appear later, unless it is sent again.
//! - Every request has an idempotency key, so any may be sent again, whatever became of it.

use std::collections::BTreeMap;
use std::ops::Range;

/// The formats, and with them the tables, of the four writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Line protocol into two upsert tables.
    Lines,
    /// CSV rows into an append table with row ids of the engine.
    Csv,
    /// CSV rows into a table with row ids of ours.
    OwnIds,
    /// MessagePack columns into two append tables.
    Pack,
    /// Metric JSON into an upsert table.
    Metric,
    /// CSV rows into a table with retention: every other row is too old when it comes.
    Aged,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 6] =
        [Kind::Lines, Kind::Csv, Kind::OwnIds, Kind::Pack, Kind::Metric, Kind::Aged];

    /// Tables that one request writes to.
    pub fn tables(self) -> &'static [&'static str] {
        match self {
            Kind::Lines => &["lines_a", "lines_b"],
            Kind::Csv => &["csv_rows"],
            Kind::OwnIds => &["csv_own_ids"],
            Kind::Pack => &["pack_a", "pack_b"],
            Kind::Metric => &["metric_points"],
            Kind::Aged => &["aged"],
        }
    }

    /// The client name of the one who writes this format.
    pub fn client(self) -> &'static str {
        match self {
            Kind::Lines => "lines",
            Kind::Csv | Kind::OwnIds | Kind::Aged => "csv",
            Kind::Pack => "pack",
            Kind::Metric => "metric",
        }
    }
}

/// What is known of a change of stored rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    /// It was not sent, or an audit has seen that it was not made.
    #[default]
    No,
    /// It was sent, and not answered.
    Perhaps,
    /// It was answered, or an audit has seen it.
    Yes,
}

/// What became of the rows of a request in one of its tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changed {
    /// They were deleted.
    pub gone: Trace,
    /// Their column `w` was raised by an update.
    pub raised: Trace,
}

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A 2xx answer came back: it is there.
    Acknowledged,
    /// No answer, or one that asks to try later: it is there or it is not.
    Unknown,
    /// No answer, and an audit found it.
    Found,
    /// No answer, and an audit did not find it.
    Absent,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Entry {
    pub request: u64,
    pub kind: Kind,
    /// Its number among the requests of its client.
    pub number: u64,
    /// The numbers of its rows, one run for each of its tables.
    pub runs: Vec<Range<u64>>,
    /// A column of its own in this request, so that schemas grow while the server dies.
    pub extra: Option<u64>,
    /// Whether column `w` is sent as a float, so that a column widens.
    pub wide: bool,
    pub fate: Fate,
    /// What became of its rows, one for each of its tables.
    pub changed: Vec<Changed>,
}

impl Entry {
    /// Its idempotency key.
    pub fn key(&self) -> String {
        format!("{}/{}", self.kind.client(), self.number)
    }

    /// The run of a table.
    pub fn run(&self, table: &str) -> Range<u64> {
        self.runs[self.place(table)].clone()
    }

    /// The numbers of a run that queries show.
    pub fn shown(&self, table: &str) -> impl Iterator<Item = u64> + use<> {
        let kind = self.kind;
        self.run(table).filter(move |n| kind != Kind::Aged || n.is_multiple_of(2))
    }

    /// What became of its rows in a table.
    pub fn changed(&mut self, table: &str) -> &mut Changed {
        let place = self.place(table);
        &mut self.changed[place]
    }

    /// Whether it is known to be stored: what changes its rows has something to change.
    pub fn is_stored(&self) -> bool {
        matches!(self.fate, Fate::Acknowledged | Fate::Found)
    }

    fn place(&self, table: &str) -> usize {
        self.kind.tables().iter().position(|name| *name == table).unwrap()
    }
}

/// Every request, by its number.
#[derive(Default)]
pub struct Ledger {
    pub entries: BTreeMap<u64, Entry>,
    pub next_request: u64,
    pub next_row: u64,
    pub lives: u64,
    /// The last number of each client.
    numbers: BTreeMap<&'static str, u64>,
}

impl Ledger {
    /// A new request with `rows` rows in each of its tables.
    pub fn open(&mut self, kind: Kind, rows: u64, extra: Option<u64>, wide: bool) -> Entry {
        let runs = kind.tables().iter().map(|_| {
            self.next_row += rows;
            self.next_row - rows..self.next_row
        });
        let runs = runs.collect();
        self.next_request += 1;
        let number = self.numbers.entry(kind.client()).or_default();
        *number += 1;
        let (request, number, fate) = (self.next_request, *number, Fate::Unknown);
        let changed = vec![Changed::default(); kind.tables().len()];
        let entry = Entry { request, kind, number, runs, extra, wide, fate, changed };
        self.entries.insert(entry.request, entry.clone());
        entry
    }

    /// A 2xx answer for a request came back.
    pub fn acknowledge(&mut self, request: u64) {
        self.entries.get_mut(&request).unwrap().fate = Fate::Acknowledged;
    }

    /// A request is about to be sent again: from now on it may be there.
    pub fn reopen(&mut self, request: u64) {
        let entry = self.entries.get_mut(&request).unwrap();
        if entry.fate == Fate::Absent {
            entry.fate = Fate::Unknown;
        }
    }

    /// Whether a request is among the last `count` of its client.
    pub fn is_among_last(&self, entry: &Entry, count: u64) -> bool {
        entry.number + count > self.numbers[entry.kind.client()]
    }

    /// Requests with a fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.entries.values().filter(|entry| entry.fate == fate).count()
    }

    /// Deleted and updated runs.
    pub fn changes(&self) -> (usize, usize) {
        let changed = || self.entries.values().flat_map(|entry| &entry.changed);
        let gone = changed().filter(|changed| changed.gone == Trace::Yes).count();
        (gone, changed().filter(|changed| changed.raised == Trace::Yes).count())
    }

    /// Figures for the log.
    pub fn summary(&self) -> String {
        let (deleted, raised) = self.changes();
        format!(
            "{} rows sent, {} requests acknowledged, {} found and {} absent without an answer; {deleted} runs deleted, {raised} updated",
            self.next_row,
            self.count(Fate::Acknowledged),
            self.count(Fate::Found),
            self.count(Fate::Absent)
        )
    }
}
