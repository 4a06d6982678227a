//! The checked parts of a hot segment, as it is opened: header, footer, codecs and series.
//!
//! Invariants: a part is decoded only after its checksum has been verified; what one part says is held
//! against the others and against the manifest.

use std::borrow::Cow;
use std::sync::Arc;

use pulsora_codec::{Codec, CodecId, Kind};
use pulsora_model::{Code, ColumnType, Error, Result};

use super::array;
use super::format::{
    Cursor, Damage, Footer, HEADER_BYTES, Header, Parsed, Part, TAIL_BYTES, Tail, check_crc,
};
use super::series_set::SeriesSet;
use super::source::SegmentBytes;
use crate::segment::SegmentAccess;
use crate::segment::meta::SegmentMeta;
use crate::segment::object::{corrupt_object, read_error};

/// The kind of codec that stores values of a type.
fn kind_of(ty: ColumnType) -> Kind {
    match ty {
        ColumnType::F64 => Kind::Floats,
        ColumnType::Bool => Kind::Booleans,
        ColumnType::Utf8 => Kind::Text,
        _ => Kind::Integers,
    }
}

/// A segment that is being opened.
pub(super) struct Opening<'a> {
    pub object: &'a str,
    pub bytes: &'a SegmentBytes,
}

impl<'a> Opening<'a> {
    pub fn footer(&self) -> Result<(Header, Footer)> {
        let length = self.bytes.len();
        let header = self.read(0, HEADER_BYTES as u64)?;
        let header = self.parsed(Header::decode(&header))?;
        let tail_at = length.checked_sub(TAIL_BYTES as u64);
        let tail_at = tail_at.ok_or_else(|| self.corrupt("it is shorter than its tail"))?;
        let tail = self.read(tail_at, TAIL_BYTES as u64)?;
        let tail: [u8; TAIL_BYTES] =
            tail[..].try_into().map_err(|_| self.corrupt("it is shorter than its tail"))?;
        let tail = self.parsed(Tail::decode(&tail))?;
        let footer = self.read(tail.footer_offset, u64::from(tail.footer_length))?;
        self.parsed(check_crc(&footer, tail.footer_crc, "footer"))?;
        Ok((header, self.parsed(Footer::decode(&footer, length))?))
    }

    pub fn check(
        &self,
        header: &Header,
        footer: &Footer,
        meta: Option<&SegmentMeta>,
    ) -> Result<()> {
        if header.rows != u64::from(footer.rows) {
            return Err(self.corrupt("header and footer differ"));
        }
        let Some(meta) = meta else { return Ok(()) };
        let same = (header.table, header.segment, header.rows) == (meta.table, meta.id, meta.rows)
            && (header.min_time_ns, header.max_time_ns) == (meta.min_time_ns, meta.max_time_ns);
        if same {
            Ok(())
        } else {
            Err(self.corrupt("it is another segment than the manifest says"))
        }
    }

    pub fn codecs(
        &self,
        footer: &Footer,
        access: &SegmentAccess,
    ) -> Result<Vec<(CodecId, Arc<dyn Codec>)>> {
        let mut codecs = Vec::new();
        for entry in &footer.codecs {
            let codec = access.codecs.by_id(entry.id).ok_or_else(|| {
                let (object, name, id) = (self.object, &entry.name, entry.id.0);
                let message = format!(
                    "segment object {object:?}: codec {name:?} ({id:#06x}) is not registered"
                );
                Error::new(Code::UnsupportedFormat, message)
                    .hint("open the data with the codecs that it was written with")
            })?;
            codecs.push((entry.id, Arc::clone(codec)));
        }
        codecs.sort_unstable_by_key(|(id, _)| *id);
        self.check_kinds(footer, &codecs)?;
        Ok(codecs)
    }

    /// Every chunk must have been encoded by a listed codec of its kind.
    fn check_kinds(&self, footer: &Footer, codecs: &[(CodecId, Arc<dyn Codec>)]) -> Result<()> {
        let kind = |id: CodecId| {
            codecs.iter().find(|(other, _)| *other == id).map(|(_, codec)| codec.kind())
        };
        let types: Vec<ColumnType> = footer.stored().map(|column| column.ty).collect();
        for (number, chunk) in footer.chunks.iter().enumerate() {
            let rows = footer.rows_of_block(number / types.len()) as u32;
            let ty = types[number % types.len()];
            let values = chunk.nulls == rows || kind(chunk.values_codec) == Some(kind_of(ty));
            let validity =
                chunk.validity_length == 0 || kind(chunk.validity_codec) == Some(Kind::Booleans);
            if !values || !validity {
                return Err(self.corrupt("a codec does not fit its column"));
            }
        }
        Ok(())
    }

    pub fn series(
        &self,
        footer: &Footer,
        access: &SegmentAccess,
    ) -> Result<(Arc<SeriesSet>, Vec<u32>)> {
        let encoded = self.part(footer.series_set, "series set")?;
        let set = access.series.set(&access.codecs, &encoded, footer.series);
        let set = self.parsed(set)?;
        let [starts, _, _] = self.directory(footer, access)?;
        let rows = i64::from(footer.rows);
        let ascend = starts.first() == Some(&0)
            && starts.is_sorted_by(|a, b| a < b)
            && starts.last().is_some_and(|last| *last < rows);
        if !ascend {
            return Err(self.corrupt("its series do not cover its rows"));
        }
        let starts = starts.iter().chain([&rows]).map(|row| *row as u32).collect();
        Ok((set, starts))
    }

    pub fn directory(&self, footer: &Footer, access: &SegmentAccess) -> Result<[Vec<i64>; 3]> {
        let bytes = self.part(footer.series_directory, "series directory")?;
        let mut cursor = Cursor(&bytes);
        let mut arrays = [const { Vec::new() }; 3];
        for values in &mut arrays {
            let series = footer.series as usize;
            self.parsed(array::decode_integers(&access.codecs, &mut cursor, series, values))?;
            if values.len() != series {
                return Err(self.corrupt("its series directory is too short"));
            }
        }
        Ok(arrays)
    }

    pub fn part(&self, part: Part, what: &str) -> Result<Cow<'a, [u8]>> {
        let bytes = self.read(part.offset, part.length)?;
        self.parsed(check_crc(&bytes, part.crc, what))?;
        Ok(bytes)
    }

    pub fn read(&self, offset: u64, length: u64) -> Result<Cow<'a, [u8]>> {
        self.bytes.read(offset, length).map_err(|error| read_error(self.object, error))
    }

    fn parsed<T>(&self, parsed: Parsed<T>) -> Result<T> {
        parsed.map_err(|Damage(what)| self.corrupt(&what))
    }

    fn corrupt(&self, what: &str) -> Error {
        corrupt_object(self.object, what)
    }
}
