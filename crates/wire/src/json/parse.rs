//! A JSON body into a write: the keys of all rows and their types first, then the rows.

use pulsora_model::{Code, ColumnType, Error, KnownTable, Name, Result, TableSchema};

use super::cells::{Mixed, scan, store};
use super::keys::Keys;
use super::source::{Row, Source, syntax};
use crate::json_reader::JsonReader;
use crate::rows::infer::{Scanned, Seen};
use crate::rows::layout::{Layout, Role, observers};
use crate::rows::sink::RowSink;
use crate::rows::text::Text;
use crate::rows::{OnError, Place, Rejects, RowError, RowOptions, RowsParsed};

/// Cells that every body may have: 32 Mi, 256 MiB as 8-byte values. Beyond, a body may have one cell
/// per byte, which rows that all have the same keys never exceed.
const CELLS_ALWAYS: usize = 32 << 20;

/// Parses an array of objects, or one object, for `table`, of which `known` is known.
///
/// # Errors
/// Of the body: `empty_body`, `invalid_utf8`, `malformed_body`, `missing_time`, `mixed_time_units`,
/// `schema_conflict`, `invalid_request`. Of a row, with `on_error=abort`: `malformed_body` (not an
/// object), `duplicate_column`, `invalid_name`, `invalid_time`, `invalid_row_id`, `type_conflict`,
/// `limit_exceeded`.
pub fn parse_rows(
    table: &Name,
    body: &[u8],
    options: &RowOptions,
    known: Option<KnownTable>,
) -> Result<RowsParsed> {
    let text = Text::read(body, OnError::Abort)?;
    let body = Body { table, options, cells_max: body.len().max(CELLS_ALWAYS) as u64 };
    body.parse(|| Source::document(&text), known)
}

/// Parses one object per line for `table`, of which `known` is known.
///
/// # Errors
/// As [`parse_rows`], but a line that is not JSON or not UTF-8 is an error of its row.
pub fn parse_ndjson(
    table: &Name,
    body: &[u8],
    options: &RowOptions,
    known: Option<KnownTable>,
) -> Result<RowsParsed> {
    let text = Text::read(body, options.on_error)?;
    let body = Body { table, options, cells_max: body.len().max(CELLS_ALWAYS) as u64 };
    body.parse(|| Ok(Source::lines(&text)), known)
}

/// One body, read twice.
struct Body<'o> {
    table: &'o Name,
    options: &'o RowOptions,
    cells_max: u64,
}

impl Body<'_> {
    fn parse<'a>(
        &self,
        source: impl Fn() -> Result<Source<'a>>,
        known: Option<KnownTable>,
    ) -> Result<RowsParsed> {
        let (observer, rejects) =
            self.observe(source()?, known.as_ref().map(|known| &*known.schema))?;
        if observer.rows == 0 {
            return Ok(rejects.finish(None));
        }
        self.check_cells(&observer)?;
        let Observer { keys, seen, rows, .. } = observer;
        let layout = Layout::decide(keys.names(), &seen, rows, self.options, known)?;
        self.store(source()?, Store::new(layout, &seen, keys, self.options)?)
    }

    fn observe<'s>(
        &self,
        mut rows: Source<'_>,
        schema: Option<&'s TableSchema>,
    ) -> Result<(Observer<'s>, Rejects)> {
        let mut observer = Observer::new(schema);
        let mut rejects = Rejects::new(self.options.on_error);
        while let Some(mut row) = rows.next()? {
            observer.keys.begin_row();
            let result = rows
                .check_text(&row)
                .and_then(|()| observer.row(&mut row))
                .and_then(|()| rows.check_end(&mut row));
            let place = row.place;
            rows.done(row, result.is_ok())?;
            match result {
                Ok(()) => observer.keep_row(place),
                Err(error) => {
                    observer.keys.abort_row();
                    rejects.reject(place, error)?;
                }
            }
        }
        Ok((observer, rejects))
    }

    /// Many columns that nearly all of many rows lack make many nulls from few bytes.
    fn check_cells(&self, observer: &Observer<'_>) -> Result<()> {
        let cells = observer.rows.saturating_mul(observer.seen.len() as u64);
        if cells <= self.cells_max {
            return Ok(());
        }
        let (rows, columns) = (observer.rows, observer.seen.len());
        Err(Error::new(
            Code::LimitExceeded,
            format!(
                "{rows} rows with {columns} different keys make {cells} cells, most of them null; {} are possible",
                self.cells_max
            ),
        )
        .hint("send fewer rows or fewer different keys in one request"))
    }

    fn store(&self, mut rows: Source<'_>, mut store: Store<'_>) -> Result<RowsParsed> {
        let mut rejects = Rejects::new(self.options.on_error);
        while let Some(mut row) = rows.next()? {
            store.keys.begin_row();
            let result = rows
                .check_text(&row)
                .and_then(|()| store.row(&mut row))
                .and_then(|()| rows.check_end(&mut row))
                .and_then(|()| store.sink.end_row(row.place));
            let place = row.place;
            rows.done(row, result.is_ok())?;
            if let Err(error) = result {
                rejects.reject(place, error)?;
                store.keys.abort_row();
                store.sink.abort_row()?;
            }
        }
        Ok(rejects.finish(Some(store.sink.finish(self.table)?)))
    }
}

/// The first pass: which columns there are, and of which types.
struct Observer<'s> {
    schema: Option<&'s TableSchema>,
    keys: Keys,
    seen: Vec<Option<Seen>>,
    rows: u64,
    /// Values of the open row.
    open: Vec<(usize, Scanned)>,
    scratch: String,
}

impl<'s> Observer<'s> {
    fn new(schema: Option<&'s TableSchema>) -> Observer<'s> {
        Observer {
            schema,
            keys: Keys::default(),
            seen: Vec::new(),
            rows: 0,
            open: Vec::new(),
            scratch: String::new(),
        }
    }

    fn row(&mut self, row: &mut Row<'_>) -> Result<(), RowError> {
        self.open.clear();
        let reader = &mut row.reader;
        reader.begin_object().map_err(syntax)?;
        while let Some(column) = next_column(reader, &mut self.keys, &mut self.scratch)? {
            let value = scan(reader, &mut self.scratch)
                .map_err(|error| error.column(&self.keys.names()[column]))?;
            if let Some(value) = value {
                self.open.push((column, value));
            }
        }
        Ok(())
    }

    fn keep_row(&mut self, place: Place) {
        self.rows += 1;
        let new = &self.keys.names()[self.seen.len()..];
        self.seen.extend(observers(new, self.schema));
        for (column, value) in self.open.drain(..) {
            if let Some(seen) = &mut self.seen[column] {
                seen.note(value, place);
            }
        }
    }
}

fn next_column(
    reader: &mut JsonReader<'_>,
    keys: &mut Keys,
    scratch: &mut String,
) -> Result<Option<usize>, RowError> {
    match reader.key(scratch).map_err(syntax)? {
        Some(key) => keys.column(key).map(Some),
        None => Ok(None),
    }
}

/// The second pass: the rows into the batch.
struct Store<'o> {
    sink: RowSink<'o>,
    keys: Keys,
    mixed: Vec<Mixed>,
    scratch: String,
}

impl<'o> Store<'o> {
    fn new(
        layout: Layout,
        seen: &[Option<Seen>],
        keys: Keys,
        options: &'o RowOptions,
    ) -> Result<Store<'o>> {
        let mixed = layout
            .roles
            .iter()
            .zip(seen)
            .map(|(role, seen)| match (role, seen) {
                (Role::Field(ColumnType::Utf8), Some(_)) => Mixed::AsText,
                _ => Mixed::Refused,
            })
            .collect();
        Ok(Store { sink: RowSink::new(layout, options)?, keys, mixed, scratch: String::new() })
    }

    fn row(&mut self, row: &mut Row<'_>) -> Result<(), RowError> {
        let columns = self.mixed.len();
        let reader = &mut row.reader;
        reader.begin_object().map_err(syntax)?;
        while let Some(column) = next_column(reader, &mut self.keys, &mut self.scratch)? {
            if column >= columns {
                // Only rows that the first pass has refused bring columns it does not know.
                scan(reader, &mut self.scratch)
                    .map_err(|error| error.column(&self.keys.names()[column]))?;
                continue;
            }
            store(&mut self.sink, column, self.mixed[column], reader, &mut self.scratch)?;
        }
        Ok(())
    }
}
