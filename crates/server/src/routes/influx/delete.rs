//! `POST /api/v2/delete` of InfluxDB v2: rows of a bucket by time, measurement and tags.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use pulsora_model::time::parse_time;
use pulsora_model::{Code, Error, Name, Result, TableSchema};
use pulsora_storage::{Selection, TagPredicate, TimeRange};
use serde::Deserialize;

use crate::answer::{SEQUENCE, with_sequence};
use crate::body;
use crate::context::Context;
use crate::error::HttpResult;
use crate::routes::tables;

const BODY_HINT: &str =
    r#"send {"start":"2024-01-01T00:00:00Z","stop":"…","predicate":"_measurement=\"cpu\""}"#;

const HINT: &str =
    r#"write _measurement="cpu" AND host="a": names, =, values in double quotes, AND"#;

/// The key of a predicate that names the table.
const MEASUREMENT: &str = "_measurement";

#[derive(Deserialize)]
struct Delete {
    start: String,
    stop: String,
    #[serde(default)]
    predicate: String,
}

/// `POST /api/v2/delete?org&bucket`: 204. Both times count in.
pub async fn delete(context: Context, body: Body) -> HttpResult {
    let delete: Delete =
        body::json(&context, body, "does not say what to delete", BODY_HINT).await?;
    let time =
        TimeRange { start_ns: parse_time(&delete.start)?, end_ns: parse_time(&delete.stop)? };
    let conditions = conditions(&delete.predicate)?;
    let database = context.database()?;
    let engine = &context.running.engine;
    let catalog = engine.catalog();
    catalog.database(&database)?;
    let mut sequence = engine.snapshot().sequence();
    for schema in catalog.tables_of(&database) {
        let Some(tags) = tags(&conditions, &schema) else { continue };
        let rows = Selection { time, tags, ..Selection::all() };
        sequence = tables::delete(&context, &schema, rows).await?.sequence;
    }
    Ok(with_sequence(StatusCode::NO_CONTENT.into_response(), SEQUENCE, sequence))
}

/// What a predicate asks of the tags of a table; `None` when no row of it can be meant.
fn tags(conditions: &[(String, String)], schema: &TableSchema) -> Option<Vec<TagPredicate>> {
    let mut tags = Vec::new();
    for (key, value) in conditions {
        if key == MEASUREMENT {
            if *schema.name != **value {
                return None;
            }
            continue;
        }
        let tag = schema.tags().find(|tag| *tag.name == **key)?;
        tags.push(TagPredicate { column: tag.id, values: vec![Some(value.clone())] });
    }
    Some(tags)
}

/// `key="value" AND …`: the pairs.
fn conditions(predicate: &str) -> Result<Vec<(String, String)>> {
    let mut conditions = Vec::new();
    let mut rest = predicate.trim();
    while !rest.is_empty() {
        let (key, after) = word(rest, predicate)?;
        let after = after.trim_start().strip_prefix('=').ok_or_else(|| misread(predicate))?;
        let (value, after) = word(after.trim_start(), predicate)?;
        if Name::new(&key).is_err() {
            return Err(misread(predicate));
        }
        conditions.push((key, value));
        rest = after.trim_start();
        if rest.is_empty() {
            break;
        }
        let (and, after) = word(rest, predicate)?;
        if !and.eq_ignore_ascii_case("and") {
            return Err(misread(predicate));
        }
        rest = after.trim_start();
        if rest.is_empty() {
            return Err(misread(predicate));
        }
    }
    Ok(conditions)
}

/// A word, or a text in quotes with escapes, and what follows it.
fn word<'a>(text: &'a str, predicate: &str) -> Result<(String, &'a str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else {
        let end =
            text.find(|c: char| c.is_whitespace() || "=!<>~".contains(c)).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        return if word.is_empty() { Err(misread(predicate)) } else { Ok((word.into(), rest)) };
    };
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c if c == quote => return Ok((value, &text[at + 1..])),
            c => value.push(c),
        }
    }
    Err(misread(predicate))
}

fn misread(predicate: &str) -> Error {
    Error::new(Code::InvalidRequest, format!("the predicate {predicate:?} is not understood"))
        .hint(HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predicates_are_pairs_joined_by_and() {
        let pairs = |text| conditions(text).map_err(|error| error.code());
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(pairs("  "), Ok(vec![]));
        assert_eq!(
            pairs(r#"_measurement="cpu" AND host = 'a b' and "the rack"="r\"1""#),
            Ok(vec![pair("_measurement", "cpu"), pair("host", "a b"), pair("the rack", "r\"1")])
        );
        for text in [
            "host",
            "host=",
            "=a",
            r#"host="a"#,
            r#"host="a" OR rack="b""#,
            r#"host="a" and"#,
            "host!=\"a\"",
        ] {
            assert_eq!(pairs(text), Err(Code::InvalidRequest), "{text}");
        }
    }
}
