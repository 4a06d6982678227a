//! Statements that are not answered: what each is told instead.

use pulsora_model::{Code, Error};

const FILES: &str =
    "SQL here reaches no files; send data to the ingest routes, read it with SELECT";
const SETTINGS: &str = "settings are set in the configuration of the server, not by SQL";
const SESSION: &str = "every request stands alone: name the database with the request, or write \
                       database.table, and send values as params";
const SHAPES: &str = "ALTER TABLE adds, drops and renames columns and renames tables";
const ROWS: &str =
    "use UPDATE, DELETE or INSERT; upsert tables keep the last value per tags and time";

/// First words of statements that are refused, with the way out.
const REFUSED: &[(&str, &str)] = &[
    ("COPY", FILES),
    ("UNLOAD", FILES),
    ("EXPORT", FILES),
    ("IMPORT", FILES),
    ("ATTACH", FILES),
    ("DETACH", FILES),
    ("LOAD", FILES),
    ("INSTALL", FILES),
    ("SET", SETTINGS),
    ("RESET", SETTINGS),
    ("PRAGMA", SETTINGS),
    ("GRANT", SETTINGS),
    ("REVOKE", SETTINGS),
    ("CALL", SETTINGS),
    ("CHECKPOINT", SETTINGS),
    ("VACUUM", SETTINGS),
    ("ANALYZE", SETTINGS),
    ("KILL", SETTINGS),
    ("MERGE", ROWS),
    ("REPLACE", ROWS),
    ("RENAME", SHAPES),
    ("USE", SESSION),
    ("PREPARE", SESSION),
    ("EXECUTE", SESSION),
    ("DEALLOCATE", SESSION),
    ("DECLARE", SESSION),
    ("FETCH", SESSION),
    ("CLOSE", SESSION),
    ("BEGIN", "every statement stands alone; there are no transactions"),
    ("START", "every statement stands alone; there are no transactions"),
    ("COMMIT", "every statement stands alone; there are no transactions"),
    ("ROLLBACK", "every statement stands alone; there are no transactions"),
    ("SAVEPOINT", "every statement stands alone; there are no transactions"),
    ("COMMENT", SHAPES),
];

/// The refusal of a statement that starts with `words` (upper case), if it is refused by its start
/// alone.
pub(super) fn by_first_words(words: &[String]) -> Option<Error> {
    let first = words.first()?.as_str();
    if let Some((_, hint)) = REFUSED.iter().find(|(word, _)| *word == first) {
        return Some(refused(first, hint));
    }
    let second = words.get(1).map_or("", String::as_str);
    match (first, second) {
        ("CREATE", "TABLE" | "DATABASE") | ("DROP", "TABLE" | "DATABASE" | "SCHEMA") => None,
        ("ALTER", "TABLE" | "DATABASE" | "SCHEMA" | "") => None,
        ("ALTER", other) => Some(refused(
            &format!("ALTER {other}"),
            "only ALTER TABLE and ALTER DATABASE are answered",
        )),
        ("CREATE", "EXTERNAL") => Some(refused("CREATE EXTERNAL TABLE", FILES)),
        ("CREATE", "SCHEMA") => Some(refused("CREATE SCHEMA", "use CREATE DATABASE")),
        ("CREATE", "") | ("DROP", "") => None,
        ("CREATE", other) => Some(refused(
            &format!("CREATE {other}"),
            "only CREATE TABLE and CREATE DATABASE are answered",
        )),
        ("DROP", other) => Some(refused(
            &format!("DROP {other}"),
            "only DROP TABLE and DROP DATABASE are answered",
        )),
        _ => None,
    }
}

/// `statement_refused` for a kind of statement, with what to do instead.
pub(super) fn refused(what: &str, hint: &str) -> Error {
    Error::new(Code::StatementRefused, format!("{what} is not allowed here")).hint(hint)
}
