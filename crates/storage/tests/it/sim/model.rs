//! What must be there: the tables as plain maps, by the rules of the promises and nothing else.
//!
//! Append keeps every row; upsert keeps per (tags, time) and field the last value sent; a row with a
//! given id replaces the row that had it, and a row without one gets the highest id ever, those given in its
//! own request among them, plus one. A
//! column that ever took a float is float.

use std::collections::{BTreeMap, BTreeSet};

use super::corrections::Hit;
use crate::rows::{Row, Value, float, text};

/// How a table keeps rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Append,
    Upsert,
    Ids,
}

/// Every table that a run writes to.
pub const TABLES: [(&str, Kind); 5] = [
    (AUDIT, Kind::Append),
    ("metrics", Kind::Upsert),
    ("orders", Kind::Ids),
    ("readings", Kind::Append),
    (DROPPED, Kind::Append),
];

/// Every request writes its number here.
pub const AUDIT: &str = "audit";

/// The table that is dropped now and then.
pub const DROPPED: &str = "dropped";

/// Rows for one table.
#[derive(Clone, Debug)]
pub struct Part {
    pub table: &'static str,
    pub kind: Kind,
    pub rows: Vec<Row>,
}

/// One row as cells of text, with its time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    pub time: i64,
    pub cells: BTreeMap<String, String>,
}

type Key = (Vec<(String, String)>, i64);
type Cells = BTreeMap<String, Value>;

/// One table.
#[derive(Clone, Debug, Default)]
struct Table {
    appended: Vec<(Key, Cells)>,
    upserted: BTreeMap<Key, Cells>,
    by_id: BTreeMap<u64, (Key, Cells)>,
    highest_id: u64,
    floats: BTreeSet<String>,
    ints: BTreeSet<String>,
}

/// How often the model met what a run must meet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Met {
    pub widened: u64,
    pub replaced: u64,
    pub folded: u64,
    pub corrected: u64,
}

/// All tables.
#[derive(Clone, Debug, Default)]
pub struct Model {
    tables: BTreeMap<&'static str, Table>,
    pub met: Met,
}

impl Model {
    /// Stores the rows of one request.
    pub fn write(&mut self, parts: &[Part]) {
        for part in parts {
            let table = self.tables.entry(part.table).or_default();
            // Given ids count before any is assigned, wherever they stand in the request.
            let given = part.rows.iter().filter_map(|row| row.id).max();
            table.highest_id = table.highest_id.max(given.unwrap_or(0));
            for row in &part.rows {
                table.add(part.kind, row, &mut self.met);
            }
        }
    }

    /// Deletes or changes rows.
    pub fn correct(&mut self, hit: &Hit) {
        let Some(table) = self.tables.get_mut(hit.table) else { return };
        let mut met = 0;
        let mut keep = |key: &Key, cells: &mut Cells, id: Option<u64>| {
            if !hits(hit, key, cells, id) {
                return true;
            }
            met += 1;
            if let Some(value) = hit.set {
                cells.insert("v1".into(), Value::Int(value));
            }
            hit.set.is_some()
        };
        table.appended.retain_mut(|(key, cells)| keep(key, cells, None));
        table.upserted.retain(|key, cells| keep(key, cells, None));
        table.by_id.retain(|id, (key, cells)| keep(key, cells, Some(*id)));
        self.met.corrected += met;
    }

    pub fn drop(&mut self, table: &str) {
        self.tables.remove(table);
    }

    pub fn has(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Whether a column of a table has a type already.
    pub fn has_number(&self, table: &str, column: &str) -> bool {
        let table = self.tables.get(table);
        table.is_some_and(|table| table.floats.contains(column) || table.ints.contains(column))
    }

    /// The rows of a table, by time.
    pub fn rows(&self, table: &str) -> Vec<Expected> {
        let Some(table) = self.tables.get(table) else { return Vec::new() };
        let mut rows: Vec<Expected> = table
            .appended
            .iter()
            .map(|(key, cells)| table.expected(key, cells, None))
            .chain(table.upserted.iter().map(|(key, cells)| table.expected(key, cells, None)))
            .chain(
                table.by_id.iter().map(|(id, (key, cells))| table.expected(key, cells, Some(*id))),
            )
            .collect();
        rows.sort();
        rows
    }

    /// How many rows each request has in the audit table.
    pub fn audited(&self) -> BTreeMap<u64, usize> {
        let mut counts = BTreeMap::new();
        for row in self.rows(AUDIT) {
            *counts.entry(row.cells["n"].parse().unwrap()).or_default() += 1;
        }
        counts
    }
}

fn hits(hit: &Hit, (tags, time): &Key, cells: &Cells, id: Option<u64>) -> bool {
    let host = |host: &str| tags.iter().any(|(tag, value)| tag == "host" && value == host);
    let above = |than: i64| match cells.get("v0") {
        Some(Value::Int(value)) => *value as f64 > than as f64,
        Some(Value::Float(value)) => *value > than as f64,
        _ => false,
    };
    hit.time.contains(*time)
        && hit.host.is_none_or(host)
        && hit.ids.as_ref().is_none_or(|ids| id.is_some_and(|id| ids.contains(&id)))
        && hit.above.is_none_or(above)
}

impl Table {
    fn add(&mut self, kind: Kind, row: &Row, met: &mut Met) {
        let mut tags = row.tags.clone();
        tags.sort();
        let key = (tags, row.time);
        let mut cells = Cells::new();
        for (name, value) in &row.fields {
            let Some(value) = value else { continue };
            match value {
                Value::Float(_) if self.floats.insert(name.clone()) && self.ints.contains(name) => {
                    met.widened += 1;
                }
                Value::Int(_) => drop(self.ints.insert(name.clone())),
                _ => {}
            }
            cells.insert(name.clone(), value.clone());
        }
        match kind {
            Kind::Append => self.appended.push((key, cells)),
            Kind::Upsert => {
                met.folded += u64::from(self.upserted.contains_key(&key));
                self.upserted.entry(key).or_default().extend(cells);
            }
            Kind::Ids => {
                let id = row.id.unwrap_or(self.highest_id + 1);
                self.highest_id = self.highest_id.max(id);
                met.replaced += u64::from(self.by_id.insert(id, (key, cells)).is_some());
            }
        }
    }

    fn expected(&self, (tags, time): &Key, cells: &Cells, id: Option<u64>) -> Expected {
        let mut texts: BTreeMap<String, String> = tags.iter().cloned().collect();
        texts.insert("time".into(), time.to_string());
        if let Some(id) = id {
            texts.insert("id".into(), format!("{id}u"));
        }
        for (name, value) in cells {
            let text = match value {
                Value::Int(value) if self.floats.contains(name) => float(*value as f64),
                Value::Int(value) => value.to_string(),
                Value::Float(value) => float(*value),
                Value::Bool(value) => value.to_string(),
                Value::Text(value) => text(value),
            };
            texts.insert(name.clone(), text);
        }
        Expected { time: *time, cells: texts }
    }
}
