//! Sums of hours of an opened segment: the keys once, every other array when it is first asked for.

use std::sync::Arc;

use pulsora_model::{ColumnId, ColumnType, Error, Result};

use super::array;
use super::cache::{CacheKey, CachePart};
use super::format::{Cursor, Part};
use super::hours::{HourDirectory, HourPart, Hours};
use super::reader::{HotColumn, HotSegment};

/// Integer sums of hours, in halves of 64 bits.
pub(crate) struct HourTotals {
    lows: Arc<Vec<i64>>,
    /// Absent where they only repeat the signs.
    highs: Option<Arc<Vec<i64>>>,
}

impl HourTotals {
    /// The sum of an hour.
    pub fn get(&self, index: usize) -> i128 {
        match &self.highs {
            None => i128::from(self.lows[index]),
            Some(highs) => i128::from(highs[index]) << 64 | i128::from(self.lows[index] as u64),
        }
    }
}

impl HotSegment {
    /// Which hours have sums; `None` when there are none.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn hours(&self) -> Result<Option<&Hours>> {
        Ok(self.hour_index()?.map(|(_, hours)| hours))
    }

    /// How many rows of each hour have a value in a field column, in the order of the entries.
    ///
    /// # Errors
    /// `corrupt`, `io_error`.
    pub fn hour_counts(&self, column: &HotColumn) -> Result<Arc<Vec<i64>>> {
        self.hour_integers(column, HourPart::Count)
    }

    /// Minimum, maximum, first or last of each hour, of an integer or time column; u64 as the same
    /// bits. An hour without a value has any.
    ///
    /// # Errors
    /// `corrupt`, `io_error`; `internal` for an array that the column does not have.
    pub fn hour_integers(&self, column: &HotColumn, part: HourPart) -> Result<Arc<Vec<i64>>> {
        self.hour_array(Some(column.id), part, array::decode_integers)
    }

    /// Minimum, maximum, first, last or sum of each hour, of a float column. An hour without a value
    /// has any.
    ///
    /// # Errors
    /// As [`HotSegment::hour_integers`].
    pub fn hour_floats(&self, column: &HotColumn, part: HourPart) -> Result<Arc<Vec<f64>>> {
        self.hour_array(Some(column.id), part, array::decode_floats)
    }

    /// Sum of each hour, of an integer column.
    ///
    /// # Errors
    /// As [`HotSegment::hour_integers`].
    pub fn hour_sums(&self, column: &HotColumn) -> Result<HourTotals> {
        let lows = self.hour_integers(column, HourPart::Sum)?;
        let wide = match self.hour_index()? {
            Some((directory, _)) => directory.find(column.id, HourPart::SumHigh).is_some(),
            None => false,
        };
        let highs = wide.then(|| self.hour_integers(column, HourPart::SumHigh)).transpose()?;
        Ok(HourTotals { lows, highs })
    }

    /// Whether a field column of this type has such an array.
    pub fn hours_have(ty: ColumnType, part: HourPart) -> bool {
        match part {
            HourPart::Count => true,
            HourPart::Min | HourPart::Max | HourPart::First | HourPart::Last => {
                !matches!(ty, ColumnType::Bool | ColumnType::Utf8)
            }
            HourPart::Sum => matches!(ty, ColumnType::I64 | ColumnType::U64 | ColumnType::F64),
            _ => false,
        }
    }

    pub(super) fn hour_index(&self) -> Result<Option<&(HourDirectory, Hours)>> {
        if let Some(index) = self.hours.get() {
            return Ok(index.as_ref());
        }
        let index = self.read_hour_index()?;
        Ok(self.hours.get_or_init(|| index).as_ref())
    }

    fn read_hour_index(&self) -> Result<Option<(HourDirectory, Hours)>> {
        let place = self.footer.hour_directory;
        if place.length == 0 {
            return Ok(None);
        }
        let bytes = self.part(place, "hour directory")?;
        let directory = HourDirectory::decode(&bytes, self.rows(), self.length());
        let directory = directory.map_err(|damage| self.corrupt(&damage.0))?;
        let keys = [HourPart::Series, HourPart::Hour, HourPart::FirstRow, HourPart::Rows];
        let mut arrays = [const { Vec::new() }; 4];
        for (part, values) in keys.into_iter().zip(&mut arrays) {
            let place = directory.find_key(part);
            *values = self.decode_array(place, directory.entries, array::decode_integers)?;
        }
        let hours = Hours::new(arrays, self.row_starts());
        let hours = hours.map_err(|damage| self.corrupt(&damage.0))?;
        Ok(Some((directory, hours)))
    }

    pub(super) fn hour_array<T: Send + Sync + 'static>(
        &self,
        column: Option<ColumnId>,
        part: HourPart,
        decode: ArrayDecoder<T>,
    ) -> Result<Arc<Vec<T>>> {
        let Some((directory, _)) = self.hour_index()? else { return Ok(Arc::default()) };
        let key = CacheKey { segment: self.id(), part: CachePart::Hours { column, part } };
        self.access.cache.find_or_insert(key, || {
            let place = match column {
                Some(column) => directory.find(column, part),
                None => directory.find_key(part),
            };
            let values = self.decode_array(place, directory.entries, decode)?;
            let size = values.len() * size_of::<T>();
            Ok((values, size))
        })
    }

    fn decode_array<T>(
        &self,
        place: Option<Part>,
        entries: u32,
        decode: ArrayDecoder<T>,
    ) -> Result<Vec<T>> {
        let place = place.ok_or_else(|| Error::internal("there is no such array of hours"))?;
        let bytes = self.part(place, "hours")?;
        let mut values = Vec::new();
        decode(&self.access.codecs, &mut Cursor(&bytes), entries as usize, &mut values)
            .map_err(|damage| self.corrupt(&damage.0))?;
        if values.len() == entries as usize {
            Ok(values)
        } else {
            Err(self.corrupt("an array of hours of another length"))
        }
    }
}

type ArrayDecoder<T> =
    fn(&pulsora_codec::Codecs, &mut Cursor<'_>, usize, &mut Vec<T>) -> super::format::Parsed<()>;
