//! The walk over a request, series by series.

use std::borrow::Cow;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use pulsora_model::builder::{FieldIndex, LOCAL};
use pulsora_model::limits::TAGS_MAX;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::time::Precision;
use pulsora_model::{Code, Detail, Error, Mode, Result, Scalar};

use super::histogram;
use super::labels::{GATHERED_MAX, LABEL, Label, NAME, Run, gather, put_raw, text};
use super::symbols::Symbols;
use crate::exponential;
use crate::items::{Fault, Items, TableIndex, TagBudget, Time, tag_name};
use crate::parsed::Parsed;
use crate::protobuf::{ProtobufError, ProtobufReader};

/// Which message the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

/// What became of a request.
#[derive(Clone, Debug, Default)]
pub struct RemoteWrite {
    /// Rows and rejections: a row is a sample or a native histogram.
    pub parsed: Parsed,
    /// How many of the rows are native histograms.
    pub histograms: u64,
}

/// Reads a request, unpacked. Bad samples are counted and listed, the good ones are in the result. New
/// tables are upsert tables, so a request that is sent again changes nothing. A request may be empty:
/// metadata travels in requests of its own.
///
/// # Errors
/// `malformed_body`; then nothing is to be stored.
pub fn parse(body: &[u8], version: Version, schemas: &dyn SchemaLookup) -> Result<RemoteWrite> {
    let symbols = match version {
        Version::V1 => None,
        Version::V2 => Some(Symbols::find(body)?),
    };
    let mut parser = Parser {
        version,
        symbols,
        items: Items::new(schemas, body.len(), Precision::Millisecond, 0),
        budget: TagBudget::new(body.len()),
        tables: HashMap::default(),
        labels: Vec::new(),
        numbers: Vec::new(),
        raw: Vec::new(),
        index: 0,
        histograms: 0,
    };
    let mut reader = ProtobufReader::new(body);
    while let Some(field) = reader.field()? {
        if field.number == version.series() {
            let message = field.value.bytes()?;
            let index = parser.index;
            parser
                .series(message)
                .map_err(|error| error.context(format_args!("series {index}")))?;
            parser.index += 1;
        }
    }
    Ok(RemoteWrite { parsed: parser.items.finish(), histograms: parser.histograms })
}

impl Version {
    /// The field of a request with one series.
    fn series(self) -> u32 {
        match self {
            Version::V1 => 1,
            Version::V2 => 5,
        }
    }

    /// What a field of a series holds.
    fn part(self, number: u32) -> Part {
        match (self, number) {
            (_, 2) => Part::Sample,
            (Version::V1, 4) | (Version::V2, 3) => Part::Histogram,
            _ => Part::Other,
        }
    }
}

enum Part {
    Sample,
    Histogram,
    /// Labels, and what is not kept.
    Other,
}

/// A table of the request.
#[derive(Clone, Copy)]
struct Table {
    index: TableIndex,
    /// Its field `value`, once a sample needed it.
    value: Option<FieldIndex>,
}

/// The series at hand.
struct Series<'a> {
    message: &'a [u8],
    /// Where its samples are.
    rest: &'a [u8],
    name: Option<&'a [u8]>,
    raw: Raw<'a>,
    /// What is wrong with all of it.
    fault: Option<Error>,
}

/// The bytes that name the series, see [`super::labels`].
#[derive(Clone, Copy)]
enum Raw<'a> {
    Body(&'a [u8]),
    /// In `Parser::raw`.
    Put,
    None,
}

impl<'a> Raw<'a> {
    /// The bytes, if there are any; `put` is `Parser::raw`.
    fn bytes<'p>(self, put: &'p [u8]) -> Option<&'p [u8]>
    where
        'a: 'p,
    {
        match self {
            Raw::Body(raw) => Some(raw),
            Raw::Put => Some(put),
            Raw::None => None,
        }
    }
}

/// Where samples of the series at hand go.
#[derive(Clone, Copy)]
struct Place {
    table: TableIndex,
    series: u32,
    value: FieldIndex,
    /// Whether a sample is the value and nothing else.
    plain: bool,
}

struct Parser<'a, 's> {
    version: Version,
    symbols: Option<Symbols<'a>>,
    items: Items<'a, 's>,
    /// Of symbols that many series name.
    budget: TagBudget,
    /// By name.
    tables: HashMap<&'a [u8], Table, RandomState>,
    /// Labels of the series at hand, where they have been gathered.
    labels: Vec<Label<'a>>,
    numbers: Vec<u32>,
    raw: Vec<u8>,
    /// Series before the one at hand.
    index: u64,
    histograms: u64,
}

impl<'a> Parser<'a, '_> {
    fn series(&mut self, message: &'a [u8]) -> Result<()> {
        self.labels.clear();
        let series = match self.version {
            Version::V1 => self.begin_v1(message)?,
            Version::V2 => self.begin_v2(message)?,
        };
        let mut place = None;
        let mut reader = ProtobufReader::new(series.rest);
        while let Some(field) = reader.field()? {
            let stored = match self.version.part(field.number) {
                Part::Sample => {
                    let (value, time_ms) = sample(field.value.bytes()?)?;
                    self.sample(&series, &mut place, value, time_ms)
                }
                Part::Histogram => self.histogram(&series, field.value.bytes()?)?,
                Part::Other => continue,
            };
            if let Err(fault) = stored {
                // What was new in the row is gone, and with it the numbers of field and series.
                place = None;
                self.reject(&series, fault)?;
            }
        }
        Ok(())
    }

    fn begin_v1(&mut self, message: &'a [u8]) -> Result<Series<'a>> {
        let Run { raw, name, rest } = Run::split(message)?;
        let mut later = ProtobufReader::new(rest);
        let mut scattered = name.is_none();
        while let Some(field) = later.field()? {
            scattered |= field.number == LABEL;
        }
        if !scattered {
            return Ok(Series { message, rest, name, raw: Raw::Body(raw), fault: None });
        }
        gather(message, &mut self.labels)?;
        let name = name_of(&self.labels);
        Ok(Series { message, rest: message, name, raw: Raw::None, fault: None })
    }

    fn begin_v2(&mut self, message: &'a [u8]) -> Result<Series<'a>> {
        self.numbers.clear();
        let mut reader = ProtobufReader::new(message);
        while let Some(field) = reader.field()? {
            if field.number == LABEL {
                field.value.each_varint(|number| {
                    self.numbers.push(u32::try_from(number).unwrap_or(u32::MAX));
                })?;
            }
        }
        let symbols = self.symbols.as_ref();
        let symbol = |number: u32| symbols.and_then(|symbols| symbols.symbol(number));
        let (pairs, odd) = self.numbers.as_chunks();
        let mut fault = (!odd.is_empty()).then(|| malformed("a label has no value"));
        for [name, value] in pairs.iter().take(GATHERED_MAX) {
            match (symbol(*name), symbol(*value)) {
                (Some(name), Some(value)) => self.labels.push((name, value)),
                _ => fault = Some(malformed("a label refers to a symbol that is not there")),
            }
        }
        let bytes = self.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        if let Err(error) = self.budget.take(bytes) {
            fault = Some(error);
            self.labels.truncate(1);
        }
        put_raw(&self.labels, &mut self.raw);
        let name = name_of(&self.labels);
        Ok(Series { message, rest: message, name, raw: Raw::Put, fault })
    }

    fn sample(
        &mut self,
        series: &Series<'a>,
        place: &mut Option<Place>,
        value: f64,
        time_ms: i64,
    ) -> Result<(), Fault> {
        let time_ns = Precision::Millisecond.to_ns(time_ms)?;
        let at = match place {
            Some(place) => *place,
            None => self.place(series)?,
        };
        if !at.plain {
            self.items.row.put(at.value, Scalar::F64(value));
            return self.items.store(at.table, at.series, Time::Exact(time_ns));
        }
        *place = Some(at);
        self.items.tables.check_cells(at.table, 1)?;
        let batch = self.items.batch(at.table);
        batch.push_f64(at.value, value).map_err(|clash| {
            Fault::clash(batch.field_name(at.value), Some(Scalar::F64(value)), &clash)
        })?;
        batch.end_row(at.series, time_ns);
        Ok(())
    }

    /// Finds or makes table, tags and field of the series at hand.
    fn place(&mut self, series: &Series<'a>) -> Result<Place, Fault> {
        self.items.begin();
        let (name, table) = self.table(series)?;
        let (number, plain) = match self.remembered(series, table.index) {
            Some(number) => (number, true),
            None => self.new_series(series, table.index)?,
        };
        let value = match table.value {
            Some(value) => value,
            None => {
                let value = self.items.batch(table.index).field("value");
                let value = value.map_err(|error| Fault::of_column(error, "value"))?;
                self.tables.insert(name, Table { value: Some(value), ..table });
                value
            }
        };
        Ok(Place { table: table.index, series: number, value, plain })
    }

    /// The code of a series whose labels a request before this one had read.
    fn remembered(&mut self, series: &Series<'a>, table: TableIndex) -> Option<u32> {
        let raw = series.raw.bytes(&self.raw)?;
        self.items.tables.batch(table).registry()?.read().by_raw(raw)
    }

    /// The code of the series by its labels, and whether these are the series and nothing else.
    fn new_series(&mut self, series: &Series<'a>, table: TableIndex) -> Result<(u32, bool), Fault> {
        self.tags(series, table, &["value"])?;
        let batch = self.items.tables.batch(table);
        let number = self.items.tags.series(batch)?;
        let plain = self.items.tags.is_series();
        if let (true, Some(registry)) = (plain && number < LOCAL, batch.registry())
            && let Some(raw) = series.raw.bytes(&self.raw)
        {
            registry.remember(raw, number);
        }
        Ok((number, plain))
    }

    /// The table of the series, with its name.
    fn table(&mut self, series: &Series<'a>) -> Result<(&'a [u8], Table), Fault> {
        if let Some(fault) = &series.fault {
            return Err(fault.duplicate().into());
        }
        let name = series.name.ok_or_else(|| malformed("the series has no label __name__"))?;
        if let Some(table) = self.tables.get(name) {
            self.items.reopen(table.index);
            return Ok((name, *table));
        }
        let index = self.items.open(utf8(name)?, Mode::Upsert)?;
        let table = Table { index, value: None };
        self.tables.insert(name, table);
        Ok((name, table))
    }

    /// Reads the labels into the tags of the row at hand; `fields` are the names that the row needs
    /// for itself.
    fn tags(
        &mut self,
        series: &Series<'a>,
        table: TableIndex,
        fields: &[&str],
    ) -> Result<(), Fault> {
        self.gather(series).map_err(Error::from)?;
        if self.labels.len() >= GATHERED_MAX {
            let message = format!("the series has more than {TAGS_MAX} labels");
            return Err(Error::new(Code::LimitExceeded, message).into());
        }
        let mut names = 0;
        for (name, value) in self.labels.iter().filter(|(_, value)| !value.is_empty()) {
            if *name == NAME {
                names += 1;
                continue;
            }
            let (name, value) = (utf8(name)?, utf8(value)?);
            let batch = self.items.tables.batch(table);
            let tag = tag_name(batch, name, fields);
            self.items.tags.add(batch, &tag, Cow::Borrowed(value))?;
        }
        if names > 1 {
            return Err(malformed("the label __name__ comes twice").into());
        }
        Ok(())
    }

    /// Reads the labels, unless that has been done.
    fn gather(&mut self, series: &Series<'a>) -> Result<(), ProtobufError> {
        match self.version {
            Version::V1 if self.labels.is_empty() => gather(series.message, &mut self.labels),
            _ => Ok(()),
        }
    }

    /// Stores one native histogram.
    fn histogram(
        &mut self,
        series: &Series<'a>,
        message: &[u8],
    ) -> Result<Result<(), Fault>, ProtobufError> {
        let read = histogram::read(message)?;
        Ok(read.map_err(|message| malformed(message).into()).and_then(|(histogram, time_ms)| {
            let time_ns = Precision::Millisecond.to_ns(time_ms)?;
            self.items.begin();
            let (_, table) = self.table(series)?;
            self.tags(series, table.index, exponential::FIELDS)?;
            histogram.put(&mut self.items, table.index)?;
            let number = self.items.tags.series(self.items.tables.batch(table.index))?;
            self.items.store(table.index, number, Time::Exact(time_ns))?;
            self.histograms += 1;
            Ok(())
        }))
    }

    /// Takes the row at hand back and lists it.
    fn reject(&mut self, series: &Series<'a>, fault: Fault) -> Result<()> {
        if let Some(table) = series.name.and_then(|name| self.tables.get_mut(name)) {
            table.value = None;
        }
        self.gather(series)?;
        let (index, labels) = (self.index, &self.labels);
        self.items.reject(fault, |detail| Detail {
            index: Some(index),
            text: Some(text(labels)),
            ..detail
        })?;
        Ok(())
    }
}

/// Value and time of a sample, milliseconds.
#[inline]
fn sample(message: &[u8]) -> Result<(f64, i64), ProtobufError> {
    let (mut value, mut time_ms) = (0.0, 0);
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => value = field.value.double()?,
            2 => time_ms = field.value.varint()? as i64,
            _ => {}
        }
    }
    Ok((value, time_ms))
}

fn name_of<'a>(labels: &[Label<'a>]) -> Option<&'a [u8]> {
    labels.iter().find(|(name, _)| *name == NAME).map(|(_, value)| *value)
}

fn utf8(text: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(text)
        .map_err(|_| Error::new(Code::InvalidUtf8, "a label is not UTF-8").into())
}

fn malformed(message: &str) -> Error {
    Error::new(Code::MalformedBody, message)
}
