//! Bytes of one record: one request, or one piece of a streamed body. Replayed whole or not at all.
//!
//! | part | bytes |
//! |---|---|
//! | version | u8 = 1 |
//! | flags | u8: bit 0 = an idempotency key follows; the others are 0 |
//! | key | only with bit 0: client (varint length, ASCII), number varint, piece varint |
//! | sequence | varint |
//! | sections | varint count, then each: kind u8, body |
//!
//! Section kinds: 1 = catalog change (length-prefixed JSON), 3 = rows:
//!
//! | part | bytes |
//! |---|---|
//! | table id, schema version, rows | varints |
//! | times | `codec::integers` |
//! | new tag sets | varint count; if not 0: number of the first varint, then the tags |
//! | set of each row | `codec::integers`: its number in the file |
//! | fields | varint count; per field: column id, type u8, validity, values by type |
//! | row ids | u8: 0 none, 1 all assigned, 2 some given; first assigned varint; then validity and ids |
//!
//! Tags: varint count; per tag, ascending: column id, validity, strings. Tag sets of a table are numbered
//! from 0 in the order in which the records of one file define them; a record defines those that are new in
//! its file (`dictionary.rs`, `sets.rs`).
//!
//! Kind 2 = rows as they were logged before: in the place of new tag sets all those of the record, a varint
//! count and the tags, and in the place of numbers in the file their places among these, which are left
//! out if there are fewer than two sets.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, NullArray, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};
use pulsora_codec::nulls::Validity;
use pulsora_codec::{DecodeError, bools, floats, integers, nulls, strings, varint};
use pulsora_model::limits::COLUMNS_MAX;
use pulsora_model::types::UTC;
use pulsora_model::{ColumnId, ColumnType, Error, Result, Sequence, SeriesRegistry, TableId};

use super::dictionary::Dictionary;
use super::format::NUMBER_MAX;
use super::sets::{FileSets, TagSets, tag_columns};
use crate::catalog::{CatalogChange, ResolvedIds, ResolvedRows};
use crate::engine::IdempotencyKey;

const VERSION: u8 = 1;
const KEY_FLAG: u8 = 1;
const CHANGE: u8 = 1;
const ROWS_WITH_SETS: u8 = 2;
const ROWS: u8 = 3;
/// No record is larger than a group, and no row takes less than a 64th of a bit in it.
const COUNT_MAX: usize = u32::MAX as usize;

/// One request in the log.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub sequence: Sequence,
    /// The key that the client gave to the request.
    pub key: Option<IdempotencyKey>,
    pub sections: Vec<Section>,
}

/// A part of a request.
#[derive(Clone, Debug)]
pub(crate) enum Section {
    Change(CatalogChange),
    Rows(LoggedRows),
}

/// Rows as they stand in the log.
#[derive(Clone, Debug)]
pub(crate) struct LoggedRows {
    pub table: TableId,
    pub schema_version: u32,
    pub rows: usize,
    /// What `codes` mean.
    pub series: LoggedSeries,
    /// The tag set of each row.
    pub codes: Vec<u32>,
    pub time: ScalarBuffer<i64>,
    /// Ascending by column id.
    pub fields: Vec<(ColumnId, ColumnType, ArrayRef)>,
    pub ids: Option<ResolvedIds>,
}

/// The tag sets that logged rows name.
#[derive(Clone, Debug)]
pub(crate) enum LoggedSeries {
    /// Codes are places among these.
    Own(TagSets),
    /// Codes are numbers of the file; the record defines `new`, from the number `first` on.
    OfFile { first: u32, new: TagSets },
}

impl LoggedRows {
    /// The rows with the series of `registry`; `file` has taken the record.
    ///
    /// # Errors
    /// `corrupt` for a tag set that is not there, `limit_exceeded` for one that is too large.
    pub fn resolve(
        self,
        registry: &Arc<SeriesRegistry>,
        file: &mut FileSets,
    ) -> Result<ResolvedRows> {
        let codes = match &self.series {
            LoggedSeries::OfFile { .. } => file.numbers(self.table, &self.codes, registry)?,
            LoggedSeries::Own(sets) => {
                let numbers = (0..sets.len()).map(|set| registry.number_of_accepted(sets.key(set)));
                let numbers: Vec<u32> = numbers.collect::<Result<_>>()?;
                let number =
                    |code: &u32| numbers.get(*code as usize).copied().ok_or_else(stray_set);
                self.codes.iter().map(number).collect::<Result<_>>()?
            }
        };
        Ok(ResolvedRows {
            table: self.table,
            schema_version: self.schema_version,
            rows: self.rows,
            registry: Arc::clone(registry),
            codes: codes.into(),
            time: self.time,
            fields: self.fields,
            ids: self.ids,
        })
    }
}

fn stray_set() -> Error {
    Error::corrupt("log record: a row names a tag set that is not there")
}

impl Record {
    /// The bytes of a request: its key, its catalog changes, then its rows. The tag sets that are new in the
    /// log file are defined in it, and in `dictionary`.
    ///
    /// # Errors
    /// `internal` when a column does not have the type it says.
    pub fn encode<'a>(
        sequence: Sequence,
        key: Option<&IdempotencyKey>,
        changes: &[CatalogChange],
        rows: impl ExactSizeIterator<Item = &'a ResolvedRows>,
        dictionary: &mut Dictionary,
    ) -> Result<Vec<u8>> {
        let mut out = vec![VERSION, if key.is_some() { KEY_FLAG } else { 0 }];
        if let Some(key) = key {
            varint::put_bytes(&mut out, key.client().as_bytes());
            varint::put_u64(&mut out, key.number());
            varint::put_u64(&mut out, u64::from(key.piece));
        }
        varint::put_u64(&mut out, sequence.0);
        varint::put_u64(&mut out, (changes.len() + rows.len()) as u64);
        for change in changes {
            out.push(CHANGE);
            let json = serde_json::to_vec(change)
                .map_err(|e| Error::internal(format!("catalog change: {e}")))?;
            varint::put_bytes(&mut out, &json);
        }
        for part in rows {
            out.push(ROWS);
            encode_rows(part, dictionary, &mut out)?;
        }
        Ok(out)
    }

    /// # Errors
    /// `corrupt` when the bytes are not a record.
    pub fn decode(bytes: &[u8]) -> Result<Record> {
        let source = &mut &bytes[..];
        let version = take_u8(source)?;
        let flags = take_u8(source)?;
        if version != VERSION || flags & !KEY_FLAG != 0 {
            return Err(Error::corrupt(format!(
                "log record of version {version} with flags {flags} is not known here"
            )));
        }
        let key = if flags & KEY_FLAG != 0 { Some(decode_key(source)?) } else { None };
        let sequence = Sequence(take(varint::take_u64(source))?);
        if sequence.0 > NUMBER_MAX {
            return Err(Error::corrupt(format!("log record with the sequence {}", sequence.0)));
        }
        let count = take(varint::take_count(source, bytes.len()))?;
        let mut sections = Vec::with_capacity(count);
        for _ in 0..count {
            sections.push(match take_u8(source)? {
                CHANGE => {
                    let json = take(varint::take_bytes(source))?;
                    Section::Change(
                        serde_json::from_slice(json).map_err(|e| {
                            Error::corrupt(format!("catalog change in the log: {e}"))
                        })?,
                    )
                }
                kind @ (ROWS | ROWS_WITH_SETS) => Section::Rows(decode_rows(kind, source)?),
                kind => return Err(Error::corrupt(format!("log section of kind {kind}"))),
            });
        }
        if source.is_empty() {
            Ok(Record { sequence, key, sections })
        } else {
            Err(Error::corrupt(format!("{} bytes follow a log record", source.len())))
        }
    }
}

fn take<T>(result: Result<T, DecodeError>) -> Result<T> {
    result.map_err(|error| Error::corrupt(format!("log record: {error}")))
}

fn take_u8(source: &mut &[u8]) -> Result<u8> {
    let (first, rest) =
        source.split_first().ok_or_else(|| Error::corrupt("log record ends early"))?;
    *source = rest;
    Ok(*first)
}

fn decode_key(source: &mut &[u8]) -> Result<IdempotencyKey> {
    let client = take(varint::take_bytes(source))?;
    let bad = || Error::corrupt("log record: its idempotency key");
    let client = std::str::from_utf8(client).map_err(|_| bad())?;
    let key = IdempotencyKey::new(client, take(varint::take_u64(source))?).map_err(|_| bad())?;
    Ok(key.piece(take_u32(source)?))
}

fn encode_rows(rows: &ResolvedRows, dictionary: &mut Dictionary, out: &mut Vec<u8>) -> Result<()> {
    varint::put_u64(out, u64::from(rows.table.0));
    varint::put_u64(out, u64::from(rows.schema_version));
    varint::put_u64(out, rows.rows as u64);
    integers::encode_i64(&rows.time, out);
    let sets = dictionary.sets_of(rows);
    varint::put_u64(out, sets.new.len() as u64);
    if !sets.new.is_empty() {
        varint::put_u64(out, u64::from(sets.first));
        encode_tags(&tag_columns(&rows.registry, sets.new), out);
    }
    integers::encode_u32(&sets.codes, out);
    varint::put_u64(out, rows.fields.len() as u64);
    for (id, ty, values) in &rows.fields {
        varint::put_u64(out, u64::from(id.0));
        out.push(type_code(*ty));
        encode_values(*ty, values, out)?;
    }
    match &rows.ids {
        None => out.push(0),
        Some(ResolvedIds { given: None, first_assigned }) => {
            out.push(1);
            varint::put_u64(out, *first_assigned);
        }
        Some(ResolvedIds { given: Some(given), first_assigned }) => {
            out.push(2);
            varint::put_u64(out, *first_assigned);
            encode_validity(given, out);
            integers::encode_u64(given.values(), out);
        }
    }
    Ok(())
}

fn decode_rows(kind: u8, source: &mut &[u8]) -> Result<LoggedRows> {
    let table = TableId(take_u32(source)?);
    let schema_version = take_u32(source)?;
    let rows = take(varint::take_count(source, COUNT_MAX))?;
    let mut time = Vec::new();
    take(integers::decode_i64(source, rows, &mut time))?;
    let (series, codes) = decode_series(kind, rows, source)?;
    let count = take(varint::take_count(source, source.len().min(COLUMNS_MAX)))?;
    let mut fields = Vec::with_capacity(count);
    for _ in 0..count {
        let id = ColumnId(take_u32(source)?);
        let ty = type_of(take_u8(source)?)?;
        fields.push((id, ty, decode_values(ty, rows, source)?));
    }
    if !fields.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(Error::corrupt("log record: columns are not ascending"));
    }
    let ids = decode_ids(rows, source)?;
    let time = ScalarBuffer::from(time);
    Ok(LoggedRows { table, schema_version, rows, series, codes, time, fields, ids })
}

fn take_u32(source: &mut &[u8]) -> Result<u32> {
    let value = take(varint::take_u64(source))?;
    u32::try_from(value).map_err(|_| Error::corrupt(format!("log record: id {value} is too large")))
}

fn decode_ids(rows: usize, source: &mut &[u8]) -> Result<Option<ResolvedIds>> {
    let kind = take_u8(source)?;
    if kind == 0 {
        return Ok(None);
    }
    let first_assigned = take(varint::take_u64(source))?;
    let given = match kind {
        1 => None,
        2 => {
            let nulls = decode_validity(rows, source)?;
            let mut ids = Vec::new();
            take(integers::decode_u64(source, rows, &mut ids))?;
            Some(UInt64Array::new(ids.into(), nulls))
        }
        _ => return Err(Error::corrupt(format!("log record: row ids of kind {kind}"))),
    };
    if first_assigned.checked_add(rows as u64).is_none()
        && given.as_ref().is_none_or(|g| g.null_count() > 0)
    {
        return Err(Error::corrupt("log record: row ids overflow"));
    }
    Ok(Some(ResolvedIds { given, first_assigned }))
}

fn encode_tags(columns: &[(ColumnId, StringArray)], out: &mut Vec<u8>) {
    varint::put_u64(out, columns.len() as u64);
    for (column, values) in columns {
        varint::put_u64(out, u64::from(column.0));
        encode_validity(values, out);
        strings::encode(values.value_offsets(), values.value_data(), out);
    }
}

fn decode_series(kind: u8, rows: usize, source: &mut &[u8]) -> Result<(LoggedSeries, Vec<u32>)> {
    let sets = take(varint::take_count(source, COUNT_MAX))?;
    let mut codes = Vec::new();
    if kind == ROWS {
        let first = if sets > 0 { take_u32(source)? } else { 0 };
        let new = if sets > 0 { decode_tags(sets, source)? } else { TagSets::default() };
        take(integers::decode_u32(source, rows, &mut codes))?;
        return Ok((LoggedSeries::OfFile { first, new }, codes));
    }
    let own = decode_tags(sets, source)?;
    if sets > 1 {
        take(integers::decode_u32(source, rows, &mut codes))?;
    } else {
        codes.resize(rows, 0);
    }
    if codes.iter().any(|code| *code as usize >= sets) {
        return Err(stray_set());
    }
    Ok((LoggedSeries::Own(own), codes))
}

fn decode_tags(sets: usize, source: &mut &[u8]) -> Result<TagSets> {
    let count = take(varint::take_count(source, source.len().min(COLUMNS_MAX)))?;
    // Only a column of strings makes several sets, so a false count fails in the first column.
    if count == 0 && sets > 1 {
        return Err(Error::corrupt("log record: several tag sets without a tag"));
    }
    let mut columns = Vec::with_capacity(count);
    for _ in 0..count {
        let id = ColumnId(take_u32(source)?);
        columns.push((id, decode_strings(sets, source)?));
    }
    if !columns.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(Error::corrupt("log record: tags are not ascending"));
    }
    TagSets::of_columns(sets, &columns)
}

fn encode_validity(values: &dyn Array, out: &mut Vec<u8>) {
    match values.nulls() {
        None => nulls::encode(None, values.len(), out),
        Some(bits) => {
            nulls::encode(Some(&packed(bits.inner())), values.len(), out);
        }
    }
}

/// The bits from offset 0, packed LSB first.
fn packed(bits: &BooleanBuffer) -> Vec<u8> {
    bits.sliced().as_slice().to_vec()
}

fn decode_validity(rows: usize, source: &mut &[u8]) -> Result<Option<NullBuffer>> {
    Ok(null_buffer(take(nulls::decode(source, rows))?, rows))
}

fn null_buffer(validity: Validity, rows: usize) -> Option<NullBuffer> {
    match validity {
        Validity::AllValid => None,
        Validity::AllNull => Some(NullBuffer::new_null(rows)),
        Validity::Mixed(bits) => {
            Some(NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(bits), 0, rows)))
        }
    }
}

fn type_code(ty: ColumnType) -> u8 {
    match ty {
        ColumnType::Untyped => 0,
        ColumnType::I64 => 1,
        ColumnType::U64 => 2,
        ColumnType::F64 => 3,
        ColumnType::Bool => 4,
        ColumnType::Utf8 => 5,
        ColumnType::Timestamp => 6,
    }
}

fn type_of(code: u8) -> Result<ColumnType> {
    ColumnType::ALL
        .into_iter()
        .find(|ty| type_code(*ty) == code)
        .ok_or_else(|| Error::corrupt(format!("log record: column type {code}")))
}

fn encode_values(ty: ColumnType, values: &ArrayRef, out: &mut Vec<u8>) -> Result<()> {
    if values.data_type() != &ty.arrow() {
        return Err(Error::internal(format!(
            "a {} column arrived as {}",
            ty.noun(),
            values.data_type()
        )));
    }
    encode_validity(values, out);
    match ty {
        ColumnType::Untyped => {}
        ColumnType::I64 => integers::encode_i64(values.as_primitive::<Int64Type>().values(), out),
        ColumnType::U64 => integers::encode_u64(values.as_primitive::<UInt64Type>().values(), out),
        ColumnType::F64 => floats::encode_f64(values.as_primitive::<Float64Type>().values(), out),
        ColumnType::Timestamp => {
            integers::encode_i64(values.as_primitive::<TimestampNanosecondType>().values(), out);
        }
        ColumnType::Bool => {
            bools::encode(&packed(values.as_boolean().values()), values.len(), out);
        }
        ColumnType::Utf8 => {
            let texts = values.as_string::<i32>();
            strings::encode(texts.value_offsets(), texts.value_data(), out);
        }
    }
    Ok(())
}

fn decode_strings(rows: usize, source: &mut &[u8]) -> Result<StringArray> {
    let validity = take(nulls::decode(source, rows))?;
    // The strings come first: they prove that there are as many as the count says.
    let texts = take(strings::decode(source, rows, i32::MAX as usize))?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(texts.offsets));
    StringArray::try_new(offsets, Buffer::from_vec(texts.data), null_buffer(validity, rows))
        .map_err(|error| Error::corrupt(format!("log record: {error}")))
}

fn decode_values(ty: ColumnType, rows: usize, source: &mut &[u8]) -> Result<ArrayRef> {
    if ty == ColumnType::Utf8 {
        return Ok(Arc::new(decode_strings(rows, source)?));
    }
    let nulls = decode_validity(rows, source)?;
    Ok(match ty {
        ColumnType::Untyped | ColumnType::Utf8 => Arc::new(NullArray::new(rows)),
        ColumnType::I64 => {
            let mut values = Vec::new();
            take(integers::decode_i64(source, rows, &mut values))?;
            Arc::new(Int64Array::new(values.into(), nulls))
        }
        ColumnType::U64 => {
            let mut values = Vec::new();
            take(integers::decode_u64(source, rows, &mut values))?;
            Arc::new(UInt64Array::new(values.into(), nulls))
        }
        ColumnType::F64 => {
            let mut values = Vec::new();
            take(floats::decode_f64(source, rows, &mut values))?;
            Arc::new(Float64Array::new(values.into(), nulls))
        }
        ColumnType::Timestamp => {
            let mut values = Vec::new();
            take(integers::decode_i64(source, rows, &mut values))?;
            let times = TimestampNanosecondArray::new(values.into(), nulls);
            Arc::new(times.with_timezone(UTC))
        }
        ColumnType::Bool => {
            let bits = take(bools::decode(source, rows))?;
            let bits = BooleanBuffer::new(Buffer::from_vec(bits), 0, rows);
            Arc::new(BooleanArray::new(bits, nulls))
        }
    })
}
