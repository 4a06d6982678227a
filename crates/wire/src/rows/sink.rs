//! Takes rows of text formats cell by cell into a batch.
//!
//! A row is open from its first cell to [`RowSink::end_row`] or [`RowSink::abort_row`], after which
//! it has left no trace. Cells are addressed by the position of their column in the layout.

use pulsora_model::builder::{BatchBuilder, FieldIndex, TagIndex, TagTarget};
use pulsora_model::column::ColumnBuilder;
use pulsora_model::{Code, Error, Name, Result, TableWrite};

use super::layout::{Layout, Role};
use super::options::RowOptions;
use super::outcome::{Place, RowError};
use super::times::{Times, out_of_range};
use crate::numbers::series_of;

/// Where the cells of one column go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Time,
    Id,
    Tag(usize),
    Field(FieldIndex),
}

/// The text of one tag in the open row, or still that of the row before.
#[derive(Debug, Default)]
struct TagCell {
    text: String,
    in_row: bool,
}

/// What a reader of plain rows needs to build some.
pub(crate) struct SinkParts<'s, 'o> {
    pub(crate) slots: &'s [Slot],
    /// The tags in the order of [`Slot::Tag`].
    pub(crate) tags: Vec<TagIndex>,
    pub(crate) times: &'s mut Times<'o>,
    pub(crate) builder: &'s mut BatchBuilder,
}

/// Rows that were built apart, by column.
pub(crate) struct QuickRows {
    /// As [`Times`] reads them.
    pub(crate) times: Vec<i64>,
    pub(crate) codes: Vec<u32>,
    /// Of every [`Slot::Field`].
    pub(crate) fields: Vec<(FieldIndex, ColumnBuilder)>,
    pub(crate) lines: Vec<u64>,
}

/// A batch that grows by rows.
pub(crate) struct RowSink<'o> {
    layout: Layout,
    builder: BatchBuilder,
    slots: Vec<Slot>,
    tags: Vec<(TagIndex, TagCell)>,
    /// Code of the tags as they stand in `tags`; `None` when one has changed since.
    series: Option<u32>,
    times: Times<'o>,
    time: Option<i64>,
    id: Option<u64>,
    has_ids: bool,
    /// Line of each row, kept while the unit of the times is open.
    places: Vec<Place>,
}

impl<'o> RowSink<'o> {
    /// # Errors
    /// As [`BatchBuilder::typed_field`] and [`BatchBuilder::tag`].
    pub(crate) fn new(layout: Layout, options: &'o RowOptions) -> Result<RowSink<'o>> {
        let builder = layout.builder();
        let has_ids = layout.roles.contains(&Role::Id);
        let mut sink = RowSink {
            layout,
            builder,
            slots: Vec::new(),
            tags: Vec::new(),
            series: None,
            times: Times::new(options.time_format.as_ref()),
            time: None,
            id: None,
            has_ids,
            places: Vec::new(),
        };
        sink.bind()?;
        Ok(sink)
    }

    /// Gives each column its slot in the builder.
    fn bind(&mut self) -> Result<()> {
        self.slots.clear();
        self.tags.clear();
        self.series = None;
        for (name, role) in self.layout.names.iter().zip(&self.layout.roles) {
            self.slots.push(match role {
                Role::Time => Slot::Time,
                Role::Id => Slot::Id,
                Role::Field(ty) => Slot::Field(self.builder.typed_field(name, *ty)?),
                Role::Tag => match self.builder.tag(name)? {
                    TagTarget::Field(field) => Slot::Field(field),
                    TagTarget::Tag(tag) => {
                        self.tags.push((tag, TagCell::default()));
                        Slot::Tag(self.tags.len() - 1)
                    }
                },
            });
        }
        Ok(())
    }

    pub(crate) fn slot(&self, column: usize) -> Slot {
        self.slots[column]
    }

    pub(crate) fn name(&self, column: usize) -> &Name {
        &self.layout.names[column]
    }

    /// For the values of fields.
    pub(crate) fn builder(&mut self) -> &mut BatchBuilder {
        &mut self.builder
    }

    /// The open row's time, as text or as the text of a number.
    pub(crate) fn time(&mut self, text: &str) -> Result<(), RowError> {
        let row = self.builder.rows();
        let time = self
            .times
            .read(text, row)
            .map_err(|error| error.column(self.layout_time_name()).text(text))?;
        self.time = Some(time);
        Ok(())
    }

    fn layout_time_name(&self) -> &str {
        let time = self.layout.roles.iter().position(|role| *role == Role::Time);
        time.map_or("time", |index| &self.layout.names[index])
    }

    /// The open row's id.
    pub(crate) fn id(
        &mut self,
        column: usize,
        id: Option<u64>,
        text: &str,
    ) -> Result<(), RowError> {
        match id {
            Some(id) if id > 0 => {
                self.id = Some(id);
                Ok(())
            }
            _ => Err(RowError::new(Code::InvalidRowId, "a row id is a positive integer")
                .column(self.name(column))
                .text(text)
                .hint("leave the cell empty, and the row gets an id")),
        }
    }

    /// The open row's value of a tag; empty text is no value.
    pub(crate) fn tag(&mut self, tag: usize, text: &str) -> Result<(), RowError> {
        self.builder.limits().check_text(text)?;
        let (_, cell) = &mut self.tags[tag];
        cell.in_row = true;
        if cell.text != text {
            cell.text.clear();
            cell.text.push_str(text);
            self.series = None;
        }
        Ok(())
    }

    fn series(&mut self) -> Result<u32, RowError> {
        for (_, cell) in &mut self.tags {
            if !cell.in_row && !cell.text.is_empty() {
                cell.text.clear();
                self.series = None;
            }
            cell.in_row = false;
        }
        if let Some(code) = self.series {
            return Ok(code);
        }
        let tags = self.tags.iter().map(|(tag, cell)| (*tag, cell.text.as_str()));
        let code = series_of(&mut self.builder, tags)?;
        self.series = Some(code);
        Ok(code)
    }

    /// Ends the open row, which stands at `place`.
    pub(crate) fn end_row(&mut self, place: Place) -> Result<(), RowError> {
        let Some(time) = self.time.take() else {
            return Err(RowError::new(Code::InvalidTime, "missing time")
                .column(self.layout_time_name())
                .hint("every row needs a time"));
        };
        let series = self.series()?;
        let id = self.id.take();
        if self.has_ids {
            self.builder.end_row_with_id(series, time, id);
        } else {
            self.builder.end_row(series, time);
        }
        if self.times.is_open() {
            self.places.push(place);
        }
        Ok(())
    }

    /// The parts of a sink without row ids; `None` with them.
    pub(crate) fn parts(&mut self) -> Option<SinkParts<'_, 'o>> {
        (!self.has_ids).then(|| SinkParts {
            slots: &self.slots,
            tags: self.tags.iter().map(|(tag, _)| *tag).collect(),
            times: &mut self.times,
            builder: &mut self.builder,
        })
    }

    /// Appends rows, between rows; false when they cannot be taken: then call [`RowSink::abort_row`].
    #[must_use]
    pub(crate) fn append(&mut self, rows: QuickRows) -> bool {
        let appended = self.builder.append_rows(&rows.times, &rows.codes, rows.fields).is_ok();
        if appended && self.times.is_open() {
            self.places.extend(rows.lines.into_iter().map(Place::Line));
        }
        appended
    }

    /// Takes the open row back.
    ///
    /// # Errors
    /// As [`RowSink::new`].
    pub(crate) fn abort_row(&mut self) -> Result<()> {
        self.builder.abort_row();
        self.time = None;
        self.id = None;
        self.tags.iter_mut().for_each(|(_, cell)| cell.in_row = false);
        // Before the first row ends, the builder counts the columns to the row that is taken back.
        if self.builder.rows() == 0 { self.bind() } else { Ok(()) }
    }

    /// The write for `table`.
    ///
    /// # Errors
    /// `mixed_time_units` or `invalid_time` when the numeric times have no unit in common.
    pub(crate) fn finish(mut self, table: &Name) -> Result<TableWrite> {
        self.finish_times()?;
        Ok(TableWrite {
            table: table.clone(),
            options: self.layout.options,
            schema_version: self.layout.known.map(|known| known.schema.version),
            batch: self.builder.finish(),
        })
    }

    fn finish_times(&mut self) -> Result<()> {
        let times = self.builder.times_mut();
        let before = if self.times.is_open() { times.to_vec() } else { Vec::new() };
        self.times.finish(times).map_err(|error| {
            let name = self.layout_time_name();
            if error.code() != Code::InvalidTime {
                return error.context(format!("column {name:?}"));
            }
            self.first_out_of_range(&before).unwrap_or(error)
        })
    }

    /// The error of the largest time, with its line.
    fn first_out_of_range(&self, raw: &[i64]) -> Option<Error> {
        let row = (0..raw.len()).max_by_key(|row| raw[*row].unsigned_abs())?;
        let error = RowError::from(out_of_range(raw[row])).column(self.layout_time_name());
        Some(error.at(*self.places.get(row)?))
    }
}

/// Checks the text of a field against the limit of texts.
pub(crate) fn check_field_text(
    builder: &BatchBuilder,
    field: FieldIndex,
    text: &str,
) -> Result<(), RowError> {
    let checked = builder.limits().check_text(text);
    checked.map_err(|error| RowError::from(error).column(builder.field_name(field)))
}
