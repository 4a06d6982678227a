//! The walk over a body, entry by entry.

use std::borrow::Cow;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use memchr::{memchr, memchr_iter};

use pulsora_model::builder::{FieldIndex, LOCAL};
use pulsora_model::limits::EXCERPT_BYTES;
use pulsora_model::name::prefix;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::time::Precision;
use pulsora_model::{Code, Detail, Error, Mode, Result};

use super::numbers::{FoundByKey, Numbers};
use super::run::{LastTime, Run};
use super::scan::{IN_KEY, IN_MEASUREMENT, IN_QUOTES, entry_end, prefix_end, unescape, unescaped};
use super::shape::LineTable;
use super::value::{Value, malformed, read, read_time, token};
use crate::items::{Fault, Items, TableIndex, Time};
use crate::parsed::Parsed;

/// What a request says about its lines.
#[derive(Clone, Copy, Debug)]
pub struct LineOptions {
    /// Unit of the times.
    pub precision: Precision,
    /// Time of entries that have none, the same for the whole request; nanoseconds UTC.
    pub now_ns: i64,
}

/// Reads line protocol. Bad lines are counted and listed, the good ones are in the result. New tables
/// are upsert tables.
///
/// # Errors
/// `empty_body`; `mixed_time_units` when the precision is `Auto` and two times disagree. Then nothing
/// is to be stored.
pub fn parse(body: &[u8], options: &LineOptions, schemas: &dyn SchemaLookup) -> Result<Parsed> {
    parse_by(body, options, schemas, Way::Guess)
}

/// [`parse`] without guessing what lines look like: the same result, by the slower way.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn parse_exactly(
    body: &[u8],
    options: &LineOptions,
    schemas: &dyn SchemaLookup,
) -> Result<Parsed> {
    parse_by(body, options, schemas, Way::Exact)
}

/// How lines are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A line that looks like the one before is read by [`Run`].
    Guess,
    /// Each on its own.
    Exact,
}

fn parse_by(
    body: &[u8],
    options: &LineOptions,
    schemas: &dyn SchemaLookup,
    way: Way,
) -> Result<Parsed> {
    if body.trim_ascii().is_empty() {
        return Err(Error::new(Code::EmptyBody, "the body has no lines")
            .hint("send lines like cpu,host=a usage=0.5 1700000000000000000"));
    }
    if let Ok(text) = simdutf8::basic::from_utf8(body) {
        return Parser::new(text, &[], options, schemas, way).run();
    }
    let (text, broken) = repair(body);
    // The place of an entry counts there, which a run does not look at.
    Parser::new(&text, &broken, options, schemas, Way::Exact).run()
}

/// The body with a replacement character for every byte sequence that is not UTF-8, and where these
/// stand, rising.
fn repair(body: &[u8]) -> (String, Vec<usize>) {
    let mut text = String::with_capacity(body.len());
    let mut broken = Vec::new();
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            broken.push(text.len());
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    (text, broken)
}

/// Measurement and tags of the open entry.
struct Key<'a> {
    table: TableIndex,
    /// The tags as they stand in the body, each after its comma.
    tags: &'a [u8],
    /// The series, if these tags were seen before.
    series: Option<u32>,
}

struct Parser<'a, 's> {
    text: &'a str,
    at: usize,
    broken: &'s [usize],
    items: Items<'a, 's>,
    /// By their measurement as it stands in the body.
    measurements: HashMap<&'a str, TableIndex, RandomState>,
    /// By table.
    tables: Vec<LineTable<'a>>,
    /// The table of the last entry that was stored.
    last: Option<TableIndex>,
    /// Where a line stands that is known not to look like the others of its table.
    unlike: Option<usize>,
    last_time: LastTime,
    found: FoundByKey,
    way: Way,
    /// Newlines before this place have been counted …
    counted_to: usize,
    /// … and there are this many.
    newlines: u64,
}

impl<'a, 's> Parser<'a, 's> {
    fn new(
        text: &'a str,
        broken: &'s [usize],
        options: &LineOptions,
        schemas: &'s dyn SchemaLookup,
        way: Way,
    ) -> Parser<'a, 's> {
        Parser {
            text,
            at: 0,
            broken,
            items: Items::new(schemas, text.len(), options.precision, options.now_ns),
            measurements: HashMap::default(),
            tables: Vec::new(),
            last: None,
            unlike: None,
            last_time: LastTime::default(),
            found: FoundByKey::new(options.now_ns as u64),
            way,
            counted_to: 0,
            newlines: 0,
        }
    }

    fn run(mut self) -> Result<Parsed> {
        while let Some(start) = self.next_entry() {
            if self.way == Way::Guess && self.like_others(start) {
                continue;
            }
            if let Err(fault) = self.entry(start) {
                self.reject(start, fault)?;
            }
        }
        Ok(self.items.finish())
    }

    /// Stores the line at `start` and those behind it that look like the last one of their table;
    /// false when already the first does not, and nothing has changed.
    fn like_others(&mut self, start: usize) -> bool {
        let Some(index) = self.known_table(start) else { return false };
        if self.unlike == Some(start) && self.last == Some(index) {
            return false;
        }
        let table = &mut self.tables[index.0];
        if table.shape.fields.is_empty() {
            return false;
        }
        let Some(mut room) = table.pace.room(self.text.len() - start) else { return false };
        room.rows = room.rows.min(self.items.tables.room(index));
        let registry = self.items.tables.batch(index).registry().cloned();
        let mut run = Run {
            text: self.text,
            measurement: &table.measurement,
            names: &table.shape.names,
            numbers: Numbers {
                registry: registry.as_ref().map(|registry| registry.read()),
                tags: &table.tags,
                found: &mut self.found,
            },
            clock: &mut self.items.clock,
            last_time: &mut self.last_time,
            text_bytes_max: self.items.tables.limits().text_bytes,
        };
        let batch = self.items.tables.batch(index);
        let written = batch.write_rows(&table.shape.fields, room, |mut lanes| {
            let (rows, end) = run.lines(start, &mut lanes);
            self.at = end;
            rows
        });
        drop(run);
        if let Some(registry) = registry {
            self.found.remember(self.text.as_bytes(), &registry);
        }
        let rows = written.unwrap_or(0);
        self.items.tables.count_cells(index);
        table.pace.learn(rows, self.at - start, room.rows);
        self.unlike = (rows < room.rows).then_some(self.at);
        self.last = Some(index);
        rows > 0
    }

    /// The table of the line at `start`, if this body has shown its measurement.
    fn known_table(&self, start: usize) -> Option<TableIndex> {
        if let Some(last) = self.last
            && self.tables[last.0].is_of(self.bytes(), start)
        {
            return Some(last);
        }
        let end = unescaped(self.bytes(), start, b", \n")?;
        self.measurements.get(&self.text[start..end]).copied()
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn byte(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    /// Goes to the next entry, past blank lines and comments.
    fn next_entry(&mut self) -> Option<usize> {
        loop {
            match self.byte()? {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => self.at += memchr(b'\n', &self.bytes()[self.at..])?,
                _ => return Some(self.at),
            }
        }
    }

    fn entry(&mut self, start: usize) -> Result<(), Fault> {
        self.items.begin();
        let end = prefix_end(self.bytes(), start);
        self.at = end.unwrap_or_else(|line_end| line_end);
        if end.is_err() {
            return Err(no_fields().into());
        }
        let key = self.key(&self.text[start..self.at])?;
        let fields = self.fields(key.table)?;
        let time = self.time()?;
        self.check_utf8(start)?;
        let series = match key.series {
            Some(series) => series,
            None => self.items.tags.series(self.items.tables.batch(key.table))?,
        };
        self.items.store(key.table, series, time)?;
        self.learn(&key, series, fields);
        Ok(())
    }

    /// Learns from an entry of so many fields that was stored.
    fn learn(&mut self, key: &Key<'a>, series: u32, fields: usize) {
        self.last = Some(key.table);
        if !self.items.tags.is_series() {
            return;
        }
        let table = &mut self.tables[key.table.0];
        if key.series.is_none() {
            let batch = self.items.tables.batch(key.table);
            match batch.registry() {
                Some(registry) if series < LOCAL => {
                    registry.remember(key.tags, series);
                    table.tags.learn(key.tags, &self.items.tags, batch);
                }
                _ => drop(table.tags.local.insert(key.tags, series)),
            }
        }
        if self.items.row.len() == fields {
            table.learn(fields);
        }
    }

    /// Reads measurement and tags.
    fn key(&mut self, raw: &'a str) -> Result<Key<'a>, Fault> {
        let bytes = raw.as_bytes();
        let mut at = unescaped(bytes, 0, b",").unwrap_or(bytes.len());
        if at == 0 {
            return Err(malformed("the measurement is missing".to_owned()).into());
        }
        let table = self.table(&raw[..at])?;
        let tags = &bytes[at..];
        let registry = self.items.tables.batch(table).registry();
        let number = registry.and_then(|registry| registry.read().by_raw(tags));
        let series = number.or_else(|| self.tables[table.0].tags.local.get(tags).copied());
        if series.is_some() {
            return Ok(Key { table, tags, series });
        }
        while at < bytes.len() {
            let (name, value, end) = tag(raw, at + 1)?;
            self.items.tags.add(self.items.tables.batch(table), &name, value)?;
            at = end;
        }
        Ok(Key { table, tags, series: None })
    }

    /// The table of a measurement as it stands in the body.
    fn table(&mut self, measurement: &'a str) -> Result<TableIndex> {
        if let Some(table) = self.measurements.get(measurement) {
            self.items.reopen(*table);
            return Ok(*table);
        }
        let table = self.items.open(&unescape(measurement, IN_MEASUREMENT), Mode::Upsert)?;
        debug_assert_eq!(table.0, self.tables.len(), "a table has one spelling");
        self.tables.push(LineTable::new(measurement));
        self.measurements.insert(measurement, table);
        Ok(table)
    }

    /// Reads the fields; gives how many.
    fn fields(&mut self, table: TableIndex) -> Result<usize, Fault> {
        self.skip_spaces();
        if matches!(self.byte(), None | Some(b'\n' | b'\r')) {
            return Err(no_fields().into());
        }
        let mut position = 0;
        loop {
            let (field, value_at) = self.field(table, position)?;
            let (value, end) = match read(self.text, value_at) {
                Ok(read) => read,
                Err(error) => {
                    self.at = value_at;
                    let name = self.items.batch(table).field_name(field).clone();
                    let error = error.context(format_args!("field {name:?}"));
                    return Err(Fault::of_column(error, &name));
                }
            };
            match value {
                Value::Scalar(value) => self.items.row.put(field, value),
                Value::Escaped(raw) => self.items.row.put_text(field, &unescape(raw, IN_QUOTES)),
            }
            self.at = end;
            position += 1;
            if self.byte() != Some(b',') {
                return Ok(position);
            }
            self.at += 1;
        }
    }

    /// The field whose name stands here, and where its value starts.
    fn field(&mut self, table: TableIndex, position: usize) -> Result<(FieldIndex, usize), Fault> {
        let bytes = self.bytes();
        if let Some((field, len)) = self.tables[table.0].memo.find(position, &bytes[self.at..]) {
            return Ok((field, self.at + len + 1));
        }
        let end = unescaped(bytes, self.at, b"=, \n")
            .filter(|end| bytes[*end] == b'=' && *end > self.at)
            .ok_or_else(|| {
                let found = token(self.text, self.at);
                malformed(format!("expected field=value, found {found:?}"))
                    .hint("escape commas, spaces and = in names by a backslash")
            })?;
        let raw = &self.text[self.at..end];
        let name = unescape(raw, IN_KEY);
        let field = self.items.batch(table).field(&name);
        let field = field.map_err(|error| Fault::of_column(error, &name))?;
        self.tables[table.0].memo.set(position, raw, field);
        Ok((field, end + 1))
    }

    /// The time, and the end of the entry.
    fn time(&mut self) -> Result<Time, Fault> {
        self.skip_spaces();
        let mut time = Time::Now;
        if !self.at_line_end() {
            let (value, end) = read_time(self.text, self.at)?;
            time = Time::Number(value);
            self.at = end;
            self.skip_spaces();
        }
        if !self.at_line_end() {
            let found = token(self.text, self.at);
            return Err(malformed(format!("unexpected {found:?} at the end of the entry")).into());
        }
        Ok(time)
    }

    /// Checks that the entry from `start` to here was UTF-8 in the body.
    fn check_utf8(&self, start: usize) -> Result<(), Fault> {
        let first = self.broken.partition_point(|at| *at < start);
        match self.broken.get(first) {
            Some(at) if *at < self.at => {
                Err(Error::new(Code::InvalidUtf8, "the line is not UTF-8").into())
            }
            _ => Ok(()),
        }
    }

    /// Takes the entry back, lists it and goes to its end.
    fn reject(&mut self, start: usize, fault: Fault) -> Result<()> {
        self.at = entry_end(self.bytes(), self.at);
        let fault = self.check_utf8(start).err().unwrap_or(fault);
        self.newlines += memchr_iter(b'\n', &self.bytes()[self.counted_to..start]).count() as u64;
        self.counted_to = start;
        let (text, line) = (self.text, self.newlines + 1);
        let table = self.items.reject(fault, |detail| {
            let first_line = text[start..].lines().next().unwrap_or_default();
            let text = Some(prefix(first_line, EXCERPT_BYTES).to_owned());
            Detail { line: Some(line), text, ..detail }
        })?;
        if let Some(table) = table {
            self.tables[table.0].memo.clear();
        }
        Ok(())
    }

    fn skip_spaces(&mut self) {
        while let Some(b' ' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn at_line_end(&self) -> bool {
        match self.byte() {
            None | Some(b'\n') => true,
            Some(b'\r') => matches!(self.bytes().get(self.at + 1), None | Some(b'\n')),
            _ => false,
        }
    }
}

/// The tag at `at`: its name, its value, and where it ends.
fn tag(raw: &str, at: usize) -> Result<(Cow<'_, str>, Cow<'_, str>, usize), Fault> {
    let bytes = raw.as_bytes();
    let rest = || prefix(raw.get(at..).unwrap_or_default(), EXCERPT_BYTES);
    let name_end = unescaped(bytes, at, b"=,").filter(|end| bytes[*end] == b'=' && *end > at);
    let Some(name_end) = name_end else {
        return Err(malformed(format!("expected tag=value, found {:?}", rest()))
            .hint("escape commas, spaces and = in tags by a backslash")
            .into());
    };
    let end = unescaped(bytes, name_end + 1, b",=").unwrap_or(bytes.len());
    let name = unescape(&raw[at..name_end], IN_KEY);
    if end == name_end + 1 {
        let error = malformed(format!("tag {name:?} has no value"))
            .hint("leave out tags that have no value");
        return Err(Fault::of_column(error, &name));
    }
    if bytes.get(end) == Some(&b'=') {
        let error = malformed(format!("the value of tag {name:?} holds a ="))
            .hint("escape it by a backslash");
        return Err(Fault::of_column(error, &name));
    }
    Ok((name, unescape(&raw[name_end + 1..end], IN_KEY), end))
}

fn no_fields() -> Error {
    malformed("the entry has no fields".to_owned())
        .hint("write measurement,tag=value field=value time; escape spaces by a backslash")
}
