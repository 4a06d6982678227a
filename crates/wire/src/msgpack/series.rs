//! The series of the rows of a columnar item.
//!
//! With a registry the bytes of a row's tags become the key of its series as they stand in the body;
//! without one, and to say what is wrong with a value, they are read as text first.

use std::borrow::Cow;
use std::sync::Arc;

use pulsora_model::BatchBuilder;
use pulsora_model::series::SeriesRegistry;

use super::columns::{Source, Target, in_row};
use super::reader::MsgpackReader;
use super::rows::tag_value;
use crate::items::Fault;
use crate::numbers::{Found, KeyTag, NotText, Numbers, RowKey};

/// The series of every row.
pub(super) enum Series {
    /// Codes of the batch.
    Codes(Vec<u32>),
    /// Numbers of the table's registry.
    Numbers(Arc<SeriesRegistry>, Found),
}

impl Series {
    /// Finds the series of rows whose tags stand in `sources`.
    pub(super) fn find(
        sources: &[Source<'_>],
        rows: usize,
        batch: &mut BatchBuilder,
    ) -> Result<Series, Fault> {
        if let (Some(registry), Some(tags)) = (batch.registry(), known_tags(sources, batch))
            && let Ok(found) = numbers(registry, tags, rows)
        {
            return Ok(Series::Numbers(Arc::clone(registry), found));
        }
        series_codes(sources, rows, batch).map(Series::Codes)
    }

    /// One code per row; only here new series get their numbers.
    pub(super) fn codes(self) -> Result<Vec<u32>, Fault> {
        match self {
            Series::Codes(codes) => Ok(codes),
            Series::Numbers(registry, found) => Ok(found.codes(&registry)?),
        }
    }
}

/// The tag columns in the order of keys; `None` when one is not a tag of the table.
fn known_tags<'a>(
    sources: &[Source<'a>],
    batch: &BatchBuilder,
) -> Option<Vec<(KeyTag, MsgpackReader<'a>)>> {
    let mut tags = Vec::new();
    for source in sources {
        if let Target::Tag(tag) = source.target {
            tags.push((batch.known_tag(tag)?, source.values.clone()));
        }
    }
    tags.sort_by_key(|(column, _)| *column);
    tags.into_iter().map(|(column, values)| Some((KeyTag::new(column)?, values))).collect()
}

/// # Errors
/// When a value is no tag; the exact reader says which.
fn numbers(
    registry: &SeriesRegistry,
    mut tags: Vec<(KeyTag, MsgpackReader<'_>)>,
    rows: usize,
) -> Result<Found, NotText> {
    let mut numbers = Numbers::new(registry, rows);
    let mut key = RowKey::new();
    for _ in 0..rows {
        key.begin();
        for (tag, values) in &mut tags {
            match values.text_bytes() {
                Some((text, len)) => key.push(*tag, text, len),
                None => push_value(&mut key, *tag, values)?,
            }
        }
        numbers.push(&key)?;
    }
    Ok(numbers.finish())
}

/// Adds a tag that is not short text.
#[cold]
fn push_value(
    key: &mut RowKey,
    tag: KeyTag,
    values: &mut MsgpackReader<'_>,
) -> Result<(), NotText> {
    let token = values.token().map_err(|_| NotText)?;
    if let Some(text) = tag_value(token, "").map_err(|_| NotText)? {
        key.push(tag, text.as_bytes(), text.len());
    }
    Ok(())
}

/// The values of a tag column, `None` for nil.
pub(super) fn tag_values<'a>(
    source: &Source<'a>,
    rows: usize,
) -> Result<Vec<Option<Cow<'a, str>>>, Fault> {
    let mut values = source.values.clone();
    let read = |row| tag_value(values.token()?, source.name).map_err(|fault| in_row(fault, row));
    (0..rows).map(read).collect()
}

/// The series of every row, set by set.
fn series_codes(
    sources: &[Source<'_>],
    rows: usize,
    batch: &mut BatchBuilder,
) -> Result<Vec<u32>, Fault> {
    let mut columns = Vec::new();
    for source in sources {
        if let Target::Tag(tag) = source.target {
            columns.push((tag, tag_values(source, rows)?));
        }
    }
    if columns.is_empty() && rows > 0 {
        return Ok(vec![batch.series(&mut [])?; rows]);
    }
    let mut codes: Vec<u32> = Vec::with_capacity(rows);
    let mut tags = Vec::with_capacity(columns.len());
    for row in 0..rows {
        let repeated = row > 0 && columns.iter().all(|(_, values)| values[row] == values[row - 1]);
        if !repeated {
            tags.clear();
            tags.extend(
                columns.iter().map(|(tag, values)| (*tag, values[row].as_deref().unwrap_or(""))),
            );
        }
        codes.push(if repeated { codes[row - 1] } else { batch.series(&mut tags)? });
    }
    Ok(codes)
}
