//! A CSV body into a write: header, inference where the table knows no type, then the rows.

use pulsora_model::limits::{COLUMNS_MAX, too_many_columns};
use pulsora_model::{Code, Error, KnownTable, Name, Result, TableSchema};

use super::cells::store;
use super::records::{Cell, Lines, Records};
use super::rows::QuickReader;
use crate::rows::infer::{Scanned, Seen, scan};
use crate::rows::layout::{Layout, column_names, observers};
use crate::rows::sink::RowSink;
use crate::rows::text::Text;
use crate::rows::{Place, Rejects, RowError, RowOptions, RowsParsed};

/// Parses a CSV body for `table`, of which `known` is known.
///
/// # Errors
/// Of the body: `empty_body`, `invalid_utf8`, `malformed_body` (a quote in the header that is never
/// closed), `duplicate_column`, `invalid_name`, `missing_time`, `mixed_time_units`,
/// `schema_conflict`, `invalid_request`. Of a row, with `on_error=abort`: `malformed_body` (ragged,
/// bad quotes), `invalid_time`, `invalid_row_id`, `type_conflict`, `limit_exceeded`.
pub fn parse(
    table: &Name,
    body: &[u8],
    options: &RowOptions,
    known: Option<KnownTable>,
) -> Result<RowsParsed> {
    check_delimiter(options.delimiter)?;
    let text = Text::read(body, options.on_error)?;
    let mut records = Records::new(&text.text, options.delimiter, COLUMNS_MAX + 1);
    let names = header(&mut records, &text)?;
    records.keep_cells(names.len() + 1);
    let body = Body { text: &text, nulls: Nulls::new(options), names: &names };
    let start = records.mark();
    let (seen, rows) = body.observe(&mut records, known.as_ref().map(|known| &*known.schema));
    records.rewind(start);
    let mut rejects = Rejects::new(options.on_error);
    if rows == 0 {
        // Nothing decides what the columns are, but bad rows are still told.
        while let Some((lines, result)) = records.next() {
            let row = result.and_then(|()| body.check(&records, lines));
            if let Err(error) = row {
                rejects.reject(Place::Line(lines.first), error)?;
            }
        }
        return Ok(rejects.finish(None));
    }
    let layout = Layout::decide(&names, &seen, rows, options, known)?;
    let mut sink = RowSink::new(layout, options)?;
    let mut quick = (body.nulls.texts.is_empty() && text.is_clean())
        .then(|| QuickReader::new(options.delimiter));
    loop {
        if let Some(quick) = &mut quick {
            quick.take(&mut records, &mut sink)?;
        }
        let Some((lines, result)) = records.next() else { break };
        let row = result.and_then(|()| body.store(&mut sink, &records, lines));
        if let Err(error) = row {
            rejects.reject(Place::Line(lines.first), error)?;
            sink.abort_row()?;
        }
    }
    Ok(rejects.finish(Some(sink.finish(table)?)))
}

fn check_delimiter(delimiter: u8) -> Result<()> {
    if delimiter.is_ascii() && !matches!(delimiter, b'"' | b'\n' | b'\r') {
        return Ok(());
    }
    Err(Error::new(
        Code::InvalidRequest,
        format!("{:?} cannot be the delimiter", char::from(delimiter)),
    )
    .hint("use one ASCII character, not a quote or a line break"))
}

fn header(records: &mut Records<'_>, text: &Text<'_>) -> Result<Vec<Name>> {
    let (lines, result) = records
        .next()
        .ok_or_else(|| Error::new(Code::EmptyBody, "the body is empty").hint("send rows"))?;
    let place = Place::Line(lines.first);
    result.map_err(|error| error.at(place))?;
    text.check(lines.first..=lines.last).map_err(|error| error.at(place))?;
    if records.len() > COLUMNS_MAX {
        return Err(too_many_columns("the header"));
    }
    column_names(records.cells().map(|cell| if cell.quoted { cell.text } else { cell.text.trim() }))
        .map_err(|error| error.context(format!("{place}, the header")))
}

/// Which unquoted texts are null, besides the empty one.
struct Nulls<'o> {
    texts: Vec<&'o str>,
}

impl<'o> Nulls<'o> {
    fn new(options: &'o RowOptions) -> Nulls<'o> {
        let texts =
            options.null_texts.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        Nulls { texts }
    }

    fn is_null(&self, cell: Cell<'_>) -> bool {
        !cell.quoted && (cell.text.is_empty() || self.texts.contains(&cell.text))
    }
}

struct Body<'a> {
    text: &'a Text<'a>,
    nulls: Nulls<'a>,
    names: &'a [Name],
}

impl Body<'_> {
    /// Whether the record has a cell for each column, and is text.
    fn check(&self, records: &Records<'_>, lines: Lines) -> Result<(), RowError> {
        if records.len() != self.names.len() {
            let (cells, columns) = (records.len(), self.names.len());
            return Err(RowError::new(
                Code::MalformedBody,
                format!("the line has {cells} cells, the header has {columns} columns"),
            )
            .hint("write each row with one cell for each column, also where it is empty"));
        }
        self.text.check(lines.first..=lines.last)
    }

    /// Looks at the values of the columns that have no type yet; also the number of whole records,
    /// or any number above 0 when no column needs that.
    fn observe(
        &self,
        records: &mut Records<'_>,
        schema: Option<&TableSchema>,
    ) -> (Vec<Option<Seen>>, u64) {
        let mut seen = observers(self.names, schema);
        let mut rows = 0;
        if seen.iter().all(Option::is_none) {
            return (seen, 1);
        }
        while let Some((lines, result)) = records.next() {
            if result.is_err() || self.check(records, lines).is_err() {
                continue;
            }
            rows += 1;
            for (seen, cell) in seen.iter_mut().zip(records.cells()) {
                if let Some(seen) = seen
                    && !seen.is_settled()
                    && !self.nulls.is_null(cell)
                {
                    let value =
                        if cell.text.is_empty() { Scanned::EmptyText } else { scan(cell.text) };
                    seen.note(value, Place::Line(lines.first));
                }
            }
        }
        (seen, rows)
    }

    fn store(
        &self,
        sink: &mut RowSink<'_>,
        records: &Records<'_>,
        lines: Lines,
    ) -> Result<(), RowError> {
        self.check(records, lines)?;
        for (column, cell) in records.cells().enumerate() {
            if !self.nulls.is_null(cell) {
                store(sink, column, cell)?;
            }
        }
        sink.end_row(Place::Line(lines.first))
    }
}
