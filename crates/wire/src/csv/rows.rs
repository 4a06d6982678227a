//! Runs of records that need no second look, straight into columns.
//!
//! A record is taken when it has no quotes, a cell for each column, and in each cell what the column
//! holds, or nothing. At the first other one the run ends: the exact way reads that record, and then
//! the next run begins. Where runs are short they are tried less often.
//!
//! Invariant: a run leaves in the sink exactly what the exact way would have left there.

use hashbrown::HashMap;
use pulsora_model::builder::{BatchBuilder, FieldIndex, TagIndex};
use pulsora_model::column::ColumnBuilder;
use pulsora_model::{ColumnId, ColumnType, Result};

use super::cuts::Cuts;
use super::quick;
use super::records::{Mark, Records};
use crate::numbers::{KeyTag, Numbers, RowKey};
use crate::rows::sink::{QuickRows, RowSink, Slot};
use crate::rows::times::{MinuteText, Times};

/// Most records that the exact way reads before a run is tried again.
const PAUSE_MAX: u32 = 256;

/// Records of a run below which the next one is tried later.
const SHORT: usize = 8;

/// Takes runs of records into a sink.
pub(super) struct QuickReader {
    delimiter: u8,
    time_minute: MinuteText,
    field_minute: MinuteText,
    key: RowKey,
    /// Codes of sets of tags that the batch itself counts, by their key.
    sets: HashMap<Box<[u8]>, u32, foldhash::fast::RandomState>,
    /// Records to leave to the exact way; `None` = all.
    pause: Option<u32>,
    next_pause: u32,
}

impl QuickReader {
    /// For bodies whose cells are null only when they are empty.
    pub(super) fn new(delimiter: u8) -> QuickReader {
        QuickReader {
            delimiter,
            time_minute: MinuteText::default(),
            field_minute: MinuteText::default(),
            key: RowKey::new(),
            sets: HashMap::default(),
            pause: Some(0),
            next_pause: 1,
        }
    }

    /// Takes records from where `records` stands into `sink`, as long as they are plain.
    ///
    /// # Errors
    /// As [`RowSink::abort_row`].
    pub(super) fn take(&mut self, records: &mut Records<'_>, sink: &mut RowSink<'_>) -> Result<()> {
        match &mut self.pause {
            None => return Ok(()),
            Some(pause @ 1..) => {
                *pause -= 1;
                return Ok(());
            }
            Some(0) => {}
        }
        let start = records.mark();
        match self.run(records.text(), start, sink) {
            Some((taken, end)) => {
                records.rewind(end);
                let short = taken < SHORT;
                self.pause = Some(if short { self.next_pause } else { 0 });
                self.next_pause = if short { (self.next_pause * 2).min(PAUSE_MAX) } else { 1 };
            }
            None => {
                self.pause = None;
                sink.abort_row()?;
            }
        }
        Ok(())
    }

    /// Reads a run and moves it into the sink; gives its records and where it ends. `None` when it
    /// cannot be moved there: the exact way says why.
    fn run(&mut self, text: &str, start: Mark, sink: &mut RowSink<'_>) -> Option<(usize, Mark)> {
        let parts = sink.parts()?;
        let tags = key_tags(parts.tags, parts.builder);
        let mut run = Run::new(parts.slots, parts.builder, tags, text);
        let known = run.tags.iter().all(|tag| tag.known);
        let (end, codes) = match parts.builder.registry().filter(|_| known).cloned() {
            Some(registry) => {
                let mut numbers = Numbers::new(&registry, 0);
                let code = |key: &RowKey, _: &[TagCell]| numbers.push(key).ok();
                let end = self.records(&mut run, start, parts.times, code);
                (end, numbers.finish().codes(&registry).ok()?)
            }
            None => {
                let mut codes = Vec::new();
                let mut sets = std::mem::take(&mut self.sets);
                let code = |key: &RowKey, tags: &[TagCell]| {
                    let code = match sets.get(key.as_bytes()) {
                        Some(code) => *code,
                        None => {
                            let code = local_code(parts.builder, tags, text)?;
                            sets.insert(key.as_bytes().into(), code);
                            code
                        }
                    };
                    codes.push(code);
                    Some(())
                };
                let end = self.records(&mut run, start, parts.times, code);
                self.sets = sets;
                (end, codes)
            }
        };
        let Run { times, lines, fields, .. } = run;
        let taken = times.len();
        if taken == 0 {
            return Some((0, end));
        }
        let fields = fields.into_iter().map(|(field, _, column)| (field, column)).collect();
        sink.append(QuickRows { times, codes, fields, lines }).then_some((taken, end))
    }

    /// Reads records until one is not plain; gives where that one starts.
    fn records(
        &mut self,
        run: &mut Run<'_>,
        start: Mark,
        times: &mut Times<'_>,
        mut code: impl FnMut(&RowKey, &[TagCell]) -> Option<()>,
    ) -> Mark {
        let mut cuts = Cuts::new(run.text.as_bytes(), start.at, self.delimiter);
        let mut mark = start;
        while mark.at < run.text.len() {
            let rows = run.times.len();
            match self.record(run, &mut cuts, mark, times, &mut code) {
                Some(Record { end, stored }) => {
                    if stored {
                        run.lines.push(mark.line);
                    }
                    mark = Mark { at: end, line: mark.line + 1 };
                }
                None => {
                    run.truncate(rows);
                    break;
                }
            }
        }
        mark
    }

    #[inline]
    fn record(
        &mut self,
        run: &mut Run<'_>,
        cuts: &mut Cuts<'_>,
        start: Mark,
        times: &mut Times<'_>,
        code: &mut impl FnMut(&RowKey, &[TagCell]) -> Option<()>,
    ) -> Option<Record> {
        let bytes = run.text.as_bytes();
        let last = run.slots.len() - 1;
        let mut at = start.at;
        let mut time = None;
        let mut next_field = 0;
        for (column, slot) in run.slots.iter().enumerate() {
            let mut end = cuts.next();
            let follows = bytes.get(end).copied();
            let next = end + 1;
            if column < last {
                if column == 0 && follows == Some(b'\n') && is_blank(&bytes[at..end]) {
                    return Some(Record { end: next, stored: false });
                }
                if follows != Some(self.delimiter) {
                    return None;
                }
            } else {
                if !matches!(follows, Some(b'\n') | None) {
                    return None;
                }
                end -= usize::from(end > at && bytes[end - 1] == b'\r');
                if last == 0 && end == at {
                    return Some(Record { end: next, stored: false });
                }
            }
            let cell = run.text.get(at..end)?;
            if cell.len() > run.text_bytes_max {
                return None;
            }
            match slot {
                Slot::Time => time = Some(times.read_quick(cell, &mut self.time_minute)?),
                Slot::Tag(tag) => {
                    let place = run.cells[*tag];
                    (run.tags[place].start, run.tags[place].end) = (at, end);
                }
                Slot::Field(_) => {
                    let (_, ty, values) = &mut run.fields[next_field];
                    next_field += 1;
                    quick::store(values, *ty, cell, &mut self.field_minute)?;
                }
                Slot::Id => return None,
            }
            at = next;
        }
        self.key.begin();
        for tag in &run.tags {
            self.key.push(tag.key, &bytes[tag.start..], tag.end - tag.start);
        }
        let time = time?;
        code(&self.key, &run.tags)?;
        run.times.push(time);
        Some(Record { end: at, stored: true })
    }
}

/// A record that was read: where the next one starts, and whether it is a row.
struct Record {
    end: usize,
    stored: bool,
}

/// A blank line is no record.
fn is_blank(line: &[u8]) -> bool {
    matches!(line, [] | [b'\r'])
}

/// A tag of the table, and where its cell lies in the record at hand.
struct TagCell {
    tag: TagIndex,
    /// Its position among the tags of the sink.
    position: usize,
    key: KeyTag,
    /// Whether the key has the column's id: then it is the key of the table's registry.
    known: bool,
    start: usize,
    end: usize,
}

/// The tags in the order of keys.
fn key_tags(tags: Vec<TagIndex>, builder: &BatchBuilder) -> Vec<TagCell> {
    let known = tags.iter().all(|tag| builder.known_tag(*tag).is_some());
    let mut cells: Vec<(ColumnId, TagCell)> = Vec::with_capacity(tags.len());
    for (position, tag) in tags.into_iter().enumerate() {
        let local = ColumnId(tag.0 as u32);
        let column = builder.known_tag(tag).filter(|_| known).unwrap_or(local);
        let Some(key) = KeyTag::new(column) else { continue };
        cells.push((column, TagCell { tag, position, key, known, start: 0, end: 0 }));
    }
    cells.sort_by_key(|(column, _)| *column);
    cells.into_iter().map(|(_, cell)| cell).collect()
}

/// The code of a set of tags that the batch counts itself.
fn local_code(builder: &mut BatchBuilder, tags: &[TagCell], text: &str) -> Option<u32> {
    let mut set: Vec<(TagIndex, &str)> =
        tags.iter().map(|cell| (cell.tag, &text[cell.start..cell.end])).collect();
    builder.series(&mut set).ok()
}

/// One run under construction.
struct Run<'a> {
    text: &'a str,
    /// Longer cells are for the exact way to refuse.
    text_bytes_max: usize,
    slots: &'a [Slot],
    times: Vec<i64>,
    /// The line of each row.
    lines: Vec<u64>,
    /// In the order of the columns.
    fields: Vec<(FieldIndex, ColumnType, ColumnBuilder)>,
    /// In the order of keys.
    tags: Vec<TagCell>,
    /// By tag of the sink: its position in `tags`.
    cells: Vec<usize>,
}

impl<'a> Run<'a> {
    fn new(
        slots: &'a [Slot],
        builder: &BatchBuilder,
        tags: Vec<TagCell>,
        text: &'a str,
    ) -> Run<'a> {
        let field = |slot: &Slot| match slot {
            Slot::Field(field) => {
                let ty = builder.field_type(*field);
                Some((*field, ty, ColumnBuilder::new(ty)))
            }
            _ => None,
        };
        let mut cells = vec![0; tags.len()];
        tags.iter().enumerate().for_each(|(place, tag)| cells[tag.position] = place);
        Run {
            text,
            text_bytes_max: builder.limits().text_bytes,
            slots,
            times: Vec::new(),
            lines: Vec::new(),
            fields: slots.iter().filter_map(field).collect(),
            tags,
            cells,
        }
    }

    /// Takes back what a record left that was not read to its end.
    fn truncate(&mut self, rows: usize) {
        self.fields.iter_mut().for_each(|(.., column)| column.truncate(rows));
    }
}
