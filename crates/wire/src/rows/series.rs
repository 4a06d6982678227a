//! The series of rows whose tags are Arrow columns.
//!
//! With a registry the bytes of plain and dictionary-encoded text become keys as they stand; other
//! columns, and tables without a registry, go through text arrays and the batch.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use pulsora_model::batch::SeriesColumn;
use pulsora_model::builder::{BatchBuilder, TagIndex, TagTarget};
use pulsora_model::{Name, Result};

use crate::numbers::{COPY, Found, KeyTag, NotText, Numbers, RowKey};

/// The series of each row; those of rows that are not kept mean nothing.
///
/// # Errors
/// `limit_exceeded` past the table's limit of series, or for more than 2 GiB of text.
pub(super) fn series(
    mut builder: BatchBuilder,
    columns: &[(&Name, &ArrayRef)],
    keep: &[bool],
) -> Result<SeriesColumn> {
    let mut tags = Vec::with_capacity(columns.len());
    for (name, values) in columns {
        if let TagTarget::Tag(tag) = builder.tag(name)? {
            tags.push((tag, *values));
        }
    }
    let found = match (builder.registry(), known(&builder, &tags)?) {
        (Some(registry), Some(tags)) => {
            numbers(Numbers::new(registry, keep.len()), &tags, keep).ok()
        }
        _ => None,
    };
    let codes = match (found, builder.registry()) {
        (Some(found), Some(registry)) => found.codes(registry)?,
        _ => codes(&mut builder, &tags, keep)?,
    };
    Ok(builder.finish_series(codes))
}

/// Texts of a tag column.
enum Texts {
    Plain(StringArray),
    /// Positions in the texts, one per row; negative = null. The bytes of the texts, with some behind them: the
    /// few texts of a dictionary are all near its end, where short copies would be slow.
    Dictionary(Vec<i64>, StringArray, Vec<u8>),
}

impl Texts {
    fn of(values: &ArrayRef) -> Result<Texts> {
        if let Some(dictionary) = values.as_any_dictionary_opt() {
            let texts = cast(dictionary.values(), &DataType::Utf8)?;
            let keys = cast(dictionary.keys(), &DataType::Int64)?;
            let keys = keys.as_primitive::<Int64Type>();
            let positions = match keys.nulls() {
                None => keys.values().to_vec(),
                Some(_) => keys.iter().map(|key| key.unwrap_or(-1)).collect(),
            };
            let texts = texts.as_string::<i32>().clone();
            let data = [texts.value_data(), &[0; COPY]].concat();
            return Ok(Texts::Dictionary(positions, texts, data));
        }
        Ok(Texts::Plain(cast(values, &DataType::Utf8)?.as_string().clone()))
    }

    fn column(&self) -> Column<'_> {
        let (positions, texts, data) = match self {
            Texts::Plain(texts) => (None, texts, texts.value_data()),
            Texts::Dictionary(positions, texts, data) => {
                (Some(positions.as_slice()), texts, data.as_slice())
            }
        };
        Column { positions, offsets: texts.value_offsets(), data, nulls: texts.nulls() }
    }
}

/// What is looked at for each row.
struct Column<'a> {
    positions: Option<&'a [i64]>,
    offsets: &'a [i32],
    data: &'a [u8],
    nulls: Option<&'a NullBuffer>,
}

impl<'a> Column<'a> {
    /// The text of a row: its length, and the data from its first byte on; `None` for null.
    #[inline]
    fn text(&self, row: usize) -> Option<(&'a [u8], usize)> {
        let row = match self.positions {
            None => row,
            Some(positions) => usize::try_from(positions[row]).ok()?,
        };
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let (start, end) = (self.offsets[row] as usize, self.offsets[row + 1] as usize);
        Some((&self.data[start..], end - start))
    }
}

/// The tag columns in the order of keys; `None` when one is not a tag of the table.
fn known(
    builder: &BatchBuilder,
    tags: &[(TagIndex, &ArrayRef)],
) -> Result<Option<Vec<(KeyTag, Texts)>>> {
    let mut columns = Vec::with_capacity(tags.len());
    for (tag, values) in tags {
        let Some(column) = builder.known_tag(*tag) else { return Ok(None) };
        let Some(key_tag) = KeyTag::new(column) else { return Ok(None) };
        columns.push((column, key_tag, *values));
    }
    columns.sort_by_key(|(column, ..)| *column);
    let texts = columns.into_iter().map(|(_, tag, values)| Ok((tag, Texts::of(values)?)));
    texts.collect::<Result<_>>().map(Some)
}

fn numbers(
    mut numbers: Numbers<'_>,
    tags: &[(KeyTag, Texts)],
    keep: &[bool],
) -> Result<Found, NotText> {
    let columns: Vec<(KeyTag, Column<'_>)> =
        tags.iter().map(|(tag, texts)| (*tag, texts.column())).collect();
    let mut key = RowKey::new();
    for (row, keep) in keep.iter().enumerate() {
        if !keep {
            numbers.push_nothing();
            continue;
        }
        key.begin();
        for (tag, column) in &columns {
            if let Some((text, len)) = column.text(row) {
                key.push(*tag, text, len);
            }
        }
        numbers.push(&key)?;
    }
    Ok(numbers.finish())
}

/// Codes of the batch, row by row.
fn codes(
    builder: &mut BatchBuilder,
    tags: &[(TagIndex, &ArrayRef)],
    keep: &[bool],
) -> Result<Vec<u32>> {
    let mut texts = Vec::with_capacity(tags.len());
    for (tag, values) in tags {
        texts.push((*tag, cast(values, &DataType::Utf8)?));
    }
    let texts: Vec<_> =
        texts.iter().map(|(tag, values)| (*tag, values.as_string::<i32>())).collect();
    let mut set: Vec<(TagIndex, &str)> = Vec::with_capacity(texts.len());
    let mut before: Vec<(TagIndex, &str)> = Vec::new();
    let mut code = None;
    let mut codes = Vec::with_capacity(keep.len());
    for (row, keep) in keep.iter().enumerate() {
        if *keep {
            set.clear();
            set.extend(texts.iter().map(|(tag, values)| {
                (*tag, if values.is_null(row) { "" } else { values.value(row) })
            }));
            if code.is_none() || set != before {
                before.clone_from(&set);
                code = Some(builder.series(&mut set)?);
            }
        }
        codes.push(code.unwrap_or(0));
    }
    Ok(codes)
}
