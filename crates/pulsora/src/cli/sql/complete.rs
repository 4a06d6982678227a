//! Which words may stand at the cursor: keywords, databases, tables, columns, commands of the
//! prompt. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Words of the language, in the order of use.
const KEYWORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "AND",
    "OR",
    "NOT",
    "AS",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "USING",
    "HAVING",
    "DISTINCT",
    "UNION ALL",
    "WITH",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "IN",
    "IS NULL",
    "IS NOT NULL",
    "BETWEEN",
    "LIKE",
    "DESC",
    "ASC",
    "OFFSET",
    "OVER",
    "PARTITION BY",
    "INTERVAL",
    "CAST",
    "EXPLAIN",
    "EXPLAIN ANALYZE",
    "SHOW TABLES",
    "SHOW DATABASES",
    "DESCRIBE",
    "CREATE TABLE",
    "CREATE DATABASE",
    "DROP TABLE",
    "INSERT INTO",
    "VALUES",
    "TIMESTAMP",
    "NULL",
    "TRUE",
    "FALSE",
    "count(",
    "sum(",
    "avg(",
    "min(",
    "max(",
    "first(",
    "last(",
    "time_bucket(",
    "date_trunc(",
    "now(",
    "coalesce(",
    "round(",
    "abs(",
    "stddev(",
    "median(",
    "approx_percentile_cont(",
    "row_number(",
    "lag(",
    "lead(",
];

/// Commands of the prompt.
pub(super) const COMMANDS: &[&str] = &["\\?", "\\c", "\\d", "\\l", "\\q", "\\timing"];

/// Names that exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// Tables of the present database, with their columns.
    pub tables: BTreeMap<String, Vec<String>>,
    /// Other databases with their tables, as `database.table`.
    pub elsewhere: BTreeSet<String>,
}

impl Names {
    /// Adds a column; `here` = its table is in the present database.
    pub fn add(&mut self, here: bool, database: &str, table: &str, column: &str) {
        if here {
            self.tables.entry(table.to_owned()).or_default().push(column.to_owned());
        } else if database != "information_schema" {
            self.elsewhere.insert(format!("{}.{}", quoted(database), quoted(table)));
        }
    }
}

/// Where the word at the cursor starts, and what may stand there: names before keywords, those of
/// tables in the statement first.
pub(super) fn candidates(names: &Names, line: &str, cursor: usize) -> (usize, Vec<String>) {
    let before = &line[..cursor];
    if before.trim_start().starts_with('\\') {
        return command_candidates(names, before);
    }
    let start = word_start(before);
    let word = &before[start..];
    if let Some((table, column)) = word.rsplit_once('.')
        && let Some(columns) = columns_of(names, table)
    {
        let found = matching(columns.iter().map(String::as_str), column);
        return (start + table.len() + 1, found);
    }
    if word.is_empty() {
        let tables = if wants_table(before) { tables(names) } else { Vec::new() };
        return (start, tables);
    }
    (start, words(names, line, before, word))
}

fn command_candidates(names: &Names, before: &str) -> (usize, Vec<String>) {
    let start = word_start(before);
    let word = &before[start..];
    let found = if word.starts_with('\\') {
        matching(COMMANDS.iter().copied(), word)
    } else {
        matching(tables(names).iter().map(String::as_str), word)
    };
    (start, found)
}

fn words(names: &Names, line: &str, before: &str, word: &str) -> Vec<String> {
    let tables = tables(names);
    if wants_table(&before[..before.len() - word.len()]) {
        return matching(tables.iter().map(String::as_str), word);
    }
    let mut found = Vec::new();
    let (named, others): (Vec<_>, Vec<_>) =
        names.tables.iter().partition(|(table, _)| mentions(line, table));
    for (_, columns) in named.iter().chain(&others) {
        found.extend(matching(columns.iter().map(String::as_str), word));
    }
    found.extend(matching(tables.iter().map(String::as_str), word));
    let lower = word.chars().next().is_some_and(char::is_lowercase);
    let keywords = matching(KEYWORDS.iter().copied(), word);
    found.extend(keywords.into_iter().map(|k| if lower { k.to_lowercase() } else { k }));
    let mut seen = BTreeSet::new();
    found.retain(|candidate| seen.insert(candidate.clone()));
    found
}

fn tables(names: &Names) -> Vec<String> {
    let here = names.tables.keys().map(|table| quoted(table));
    here.chain(names.elsewhere.iter().cloned()).collect()
}

fn columns_of<'n>(names: &'n Names, table: &str) -> Option<&'n Vec<String>> {
    names.tables.get(table.trim_matches('"'))
}

/// Those that start with `word`, whatever the case.
fn matching<'c>(candidates: impl Iterator<Item = &'c str>, word: &str) -> Vec<String> {
    let wanted = word.to_lowercase();
    let bare = wanted.trim_start_matches('"');
    candidates
        .filter(|candidate| candidate.to_lowercase().trim_start_matches('"').starts_with(bare))
        .map(str::to_owned)
        .collect()
}

/// A name as SQL takes it: quoted where it is not a plain word.
pub(super) fn quoted(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain && !name.is_empty() {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn word_start(before: &str) -> usize {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '\\');
    before
        .char_indices()
        .rev()
        .take_while(|(_, c)| inside(*c))
        .last()
        .map_or(before.len(), |(at, _)| at)
}

/// Whether the word before the cursor's word is followed by a table.
fn wants_table(before: &str) -> bool {
    let last = before.split_whitespace().next_back().unwrap_or("").to_uppercase();
    ["FROM", "JOIN", "INTO", "DESCRIBE", "TABLE"].contains(&last.as_str())
}

fn mentions(line: &str, table: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == table)
}
