//! All rows of a sealed memtable as a flush writes them: by window, in key order, columns gathered
//! straight from the chunks.

use std::collections::BTreeMap;

use pulsora_model::partition::Window;
use pulsora_model::{ColumnId, ColumnKind, Error, Mode, Result, TableSchema};

use super::key_order::{KeyPages, Wanted};
use super::partition::Windows;
use crate::memtable::MemtableView;
use crate::read::{chunk_values, rows_gone};
use crate::segment::{HotWriter, KeyedRows, PAGE_ROWS, PAGES_MAX, PagedColumn, row_place};

/// The rows of a memtable.
pub(crate) struct MemtableRows<'a> {
    view: &'a MemtableView,
    schema: &'a TableSchema,
    keys: KeyPages<'a>,
    columns: BTreeMap<ColumnId, PagedColumn>,
}

impl<'a> MemtableRows<'a> {
    /// The rows of `view` in the types of `schema`.
    ///
    /// # Errors
    /// `internal` when columns do not fit the schema, or there are too many chunks.
    pub fn new(view: &'a MemtableView, schema: &'a TableSchema) -> Result<MemtableRows<'a>> {
        let mut keys = KeyPages::default();
        for chunk in &view.chunks {
            keys.push(&chunk.series, &chunk.time);
        }
        if keys.series.len() > PAGES_MAX {
            return Err(Error::internal(format!("a memtable of {} pages", keys.series.len())));
        }
        let mut columns = BTreeMap::new();
        for column in &schema.columns {
            if matches!(column.kind, ColumnKind::Time | ColumnKind::Tag) {
                continue;
            }
            let mut paged = PagedColumn::new(column);
            for chunk in &view.chunks {
                paged.push(chunk_values(chunk, column)?.as_ref(), chunk.rows);
            }
            columns.insert(column.id, paged);
        }
        Ok(MemtableRows { view, schema, keys, columns })
    }

    /// Which rows go to which window, the earliest first.
    ///
    /// # Errors
    /// `internal` when a time is covered by none.
    pub fn split(&self, windows: &Windows) -> Result<Vec<(Window, Wanted)>> {
        let gone = rows_gone(self.view);
        let chunks = &self.view.chunks;
        let window = |time: i64| {
            let window = windows.find(time);
            window.ok_or_else(|| Error::internal(format!("no partition covers time {time}")))
        };
        let first = chunks.iter().map(|chunk| chunk.min_time_ns).min().unwrap_or(0);
        let last = chunks.iter().map(|chunk| chunk.max_time_ns).max().unwrap_or(0);
        let only = window(first)?;
        if only.contains(last) && gone.iter().all(Option::is_none) {
            return Ok(vec![(only, Wanted::All)]);
        }
        let mut parts: BTreeMap<Window, Vec<u32>> = BTreeMap::new();
        let mut first_page = 0;
        for (chunk, gone) in chunks.iter().zip(gone) {
            let mut row = 0;
            while row < chunk.rows {
                let window = window(chunk.time[row])?;
                let places = parts.entry(window).or_default();
                let run = chunk.time[row..].iter().take_while(|time| window.contains(**time));
                let end = row + run.count();
                let live = (row..end)
                    .filter(|row| !gone.as_ref().is_some_and(|gone| gone.contains(*row as u32)));
                places.extend(
                    live.map(|row| row_place(first_page + row / PAGE_ROWS, row % PAGE_ROWS)),
                );
                row = end;
            }
            first_page += chunk.rows.div_ceil(PAGE_ROWS);
        }
        Ok(parts.into_iter().map(|(window, places)| (window, Wanted::Places(places))).collect())
    }

    /// Writes the wanted rows as all rows of a segment.
    ///
    /// # Errors
    /// As [`HotWriter::write`].
    pub fn write(&self, wanted: &Wanted, writer: &mut HotWriter<'_>) -> Result<()> {
        let series = &self.view.series;
        let order = self.keys.sort(wanted, series, self.schema.mode == Mode::Upsert);
        writer.write_keyed(&KeyedRows {
            places: &order.places,
            times: &order.times,
            runs: &order.runs,
            older: &order.older,
            columns: &self.columns,
            tag: &|number, tag| series.tags(number).tag(tag),
        })
    }
}
