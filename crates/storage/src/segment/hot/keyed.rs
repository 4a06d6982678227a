//! Rows in key order that lie elsewhere in arrival order: what a writer gathers its blocks from.
//!
//! Responsible for columns in pages and for picking values out of them. Not responsible for the order,
//! which a flush finds.
//!
//! A *place* is the number of a row among pages: the page in the upper 16 bits, the row in the lower.
//! So the values of a row are two loads away, whatever the number and size of the chunks.
//!
//! Invariants: a page has at most [`PAGE_ROWS`] rows; all columns have the same pages; a page of a column
//! without values is empty, and everything in it is null.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};
use pulsora_model::{Column, ColumnId, ColumnType};

use super::columns::stored_type;

/// Rows of a full page.
pub(crate) const PAGE_ROWS: usize = 1 << 16;

/// Most pages of rows that are written together.
pub(crate) const PAGES_MAX: usize = 1 << 16;

/// The row of a page as a place.
#[inline]
pub(crate) fn place(page: usize, row: usize) -> u32 {
    (page << 16 | row) as u32
}

/// Page and row of a place.
#[inline]
pub(crate) fn page_and_row(place: u32) -> (usize, usize) {
    ((place >> 16) as usize, (place & 0xffff) as usize)
}

/// Rows in key order.
pub(crate) struct KeyedRows<'a> {
    /// Places of the rows; equal keys in arrival order, in upsert tables only the newest.
    pub places: &'a [u32],
    /// Their times.
    pub times: &'a [i64],
    /// Each series with its first row: (number, position in `places`).
    pub runs: &'a [(u32, u32)],
    /// Positions whose null fields take the newest value of these older places, in arrival order;
    /// ascending.
    pub older: &'a [(u32, Vec<u32>)],
    /// All columns but time and tags; one that is missing is null.
    pub columns: &'a BTreeMap<ColumnId, PagedColumn>,
    /// The value of a tag of a series, by its number.
    pub tag: &'a dyn Fn(u32, ColumnId) -> Option<&'a str>,
}

/// A column in pages.
pub(crate) struct PagedColumn {
    pub(super) values: PagedValues,
    /// By page.
    validity: Vec<Validity>,
    is_nullable: bool,
}

/// Values of a null are anything.
pub(super) enum PagedValues {
    Integers(Vec<ScalarBuffer<i64>>),
    Floats(Vec<ScalarBuffer<f64>>),
    Booleans(Vec<Option<BooleanBuffer>>),
    Text(Vec<Option<StringArray>>),
}

enum Validity {
    All,
    None,
    Some(BooleanBuffer),
}

impl PagedColumn {
    /// A column without pages.
    pub fn new(column: &Column) -> PagedColumn {
        let values = match stored_type(column) {
            ColumnType::F64 => PagedValues::Floats(Vec::new()),
            ColumnType::Bool => PagedValues::Booleans(Vec::new()),
            ColumnType::Utf8 => PagedValues::Text(Vec::new()),
            _ => PagedValues::Integers(Vec::new()),
        };
        PagedColumn { values, validity: Vec::new(), is_nullable: false }
    }

    /// Adds the pages of `rows` rows, whose values have the Arrow type of the column; `None` = all null.
    pub fn push(&mut self, values: Option<&ArrayRef>, rows: usize) {
        for start in (0..rows).step_by(PAGE_ROWS) {
            let page = values.map(|values| values.slice(start, PAGE_ROWS.min(rows - start)));
            self.push_page(page.as_ref());
        }
    }

    fn push_page(&mut self, page: Option<&ArrayRef>) {
        match &mut self.values {
            PagedValues::Integers(pages) => pages.push(page.map(integers).unwrap_or_default()),
            PagedValues::Floats(pages) => pages.push(
                page.map(|page| page.as_primitive::<Float64Type>().values().clone())
                    .unwrap_or_default(),
            ),
            PagedValues::Booleans(pages) => {
                pages.push(page.map(|page| page.as_boolean().values().clone()));
            }
            PagedValues::Text(pages) => {
                pages.push(page.map(|page| page.as_string::<i32>().clone()))
            }
        }
        let validity = match page {
            None => Validity::None,
            Some(page) => match page.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
                None => Validity::All,
                Some(nulls) => Validity::Some(nulls.into_inner()),
            },
        };
        self.is_nullable |= !matches!(validity, Validity::All);
        self.validity.push(validity);
    }

    fn is_valid(&self, place: u32) -> bool {
        let (page, row) = page_and_row(place);
        match &self.validity[page] {
            Validity::All => true,
            Validity::None => false,
            Validity::Some(valid) => valid.value(row),
        }
    }

    /// Which of the places have a value; `None` = all.
    pub(super) fn validity<'a>(
        &'a self,
        places: &'a [u32],
    ) -> Option<impl Iterator<Item = bool> + 'a> {
        self.is_nullable.then(|| places.iter().map(|place| self.is_valid(*place)))
    }

    /// The places that give the column its values: of the rows from position `start` on, those without
    /// a value take it from the newest older row of their key that has one.
    pub(super) fn folded<'a>(
        &self,
        places: &'a [u32],
        start: usize,
        older: &[(u32, Vec<u32>)],
    ) -> Cow<'a, [u32]> {
        let mut folded = Cow::Borrowed(places);
        if !self.is_nullable {
            return folded;
        }
        let first = older.partition_point(|(position, _)| (*position as usize) < start);
        for (position, older) in &older[first..] {
            let at = *position as usize - start;
            if at >= places.len() {
                break;
            }
            let newest = older.iter().rev().find(|place| self.is_valid(**place));
            if let (false, Some(newest)) = (self.is_valid(places[at]), newest) {
                folded.to_mut()[at] = *newest;
            }
        }
        folded
    }
}

/// The words of an array of integers or times.
fn integers(page: &ArrayRef) -> ScalarBuffer<i64> {
    if let Some(values) = page.as_primitive_opt::<Int64Type>() {
        return values.values().clone();
    }
    match page.as_primitive_opt::<UInt64Type>() {
        Some(values) => ScalarBuffer::from(values.values().inner().clone()),
        None => page.as_primitive::<TimestampNanosecondType>().values().clone(),
    }
}
