//! Looks at everything that a segment holds: what `check` does with a data directory at rest.

use pulsora_codec::VECTOR_VALUES;
use pulsora_model::{ColumnType, Result};

use super::hours::HourPart;
use super::reader::{HotColumn, HotSegment};
use super::{array, summary::Summary};

/// The checksum of the whole reads this much at a time.
const CHECKSUM_BYTES: u64 = 1 << 20;

impl HotSegment {
    /// Verifies every checksum, that of the whole segment if it is given (also what lies between the
    /// parts), decodes every value and compares them with what the footer says.
    ///
    /// # Errors
    /// `corrupt` at the first thing that is wrong, `io_error`.
    pub fn verify(&self, crc: Option<u32>) -> Result<()> {
        if let Some(expected) = crc {
            self.verify_whole(expected)?;
        }
        for column in self.columns() {
            for block in 0..self.blocks() {
                self.verify_block(column, block)?;
            }
        }
        self.verify_times()?;
        self.verify_hours()?;
        self.part(self.footer.ids, "row id index")?;
        Ok(())
    }

    fn verify_whole(&self, expected: u32) -> Result<()> {
        let (mut crc, mut at) = (0, 0);
        while at < self.length() {
            let count = (self.length() - at).min(CHECKSUM_BYTES);
            crc = crc32c::crc32c_append(crc, &self.read(at, count)?);
            at += count;
        }
        if crc == expected {
            return Ok(());
        }
        Err(self.corrupt(&format!("its checksum is {crc:08x}, {expected:08x} was written")))
    }

    fn verify_block(&self, column: &HotColumn, block: usize) -> Result<()> {
        let statistics = self.statistics(column, block);
        let vectors = self.block_rows() as usize / VECTOR_VALUES;
        let count = (statistics.rows as usize).div_ceil(VECTOR_VALUES);
        let vectors = block * vectors..block * vectors + count;
        let mut valid = Vec::new();
        for vector in vectors.clone() {
            self.validity(column, vector, &mut valid)?;
        }
        let nulls = valid.iter().filter(|valid| !**valid).count();
        let valid = (nulls > 0).then_some(&valid[..]);
        let summary = match column.ty {
            ColumnType::F64 => {
                let mut values = Vec::new();
                vectors.into_iter().try_for_each(|v| self.floats(column, v, &mut values))?;
                Summary::of_floats(&values, valid)
            }
            ColumnType::Bool => {
                let mut values = Vec::new();
                vectors.into_iter().try_for_each(|v| self.booleans(column, v, &mut values))?;
                None
            }
            ColumnType::Utf8 => {
                for vector in vectors {
                    let (mut offsets, mut bytes) = (vec![0], Vec::new());
                    self.text(column, vector, &mut offsets, &mut bytes)?;
                    super::series_set::strings(offsets, bytes)
                        .map_err(|damage| self.corrupt(&damage.0))?;
                }
                None
            }
            ty => {
                let mut values = Vec::new();
                vectors.into_iter().try_for_each(|v| self.integers(column, v, &mut values))?;
                Summary::of_integers(&values, valid, ty)
            }
        };
        let same = match (summary, statistics.summary) {
            (None, None) => true,
            (Some(found), Some(stored)) => found.is_same(&stored),
            _ => false,
        };
        if nulls == statistics.nulls as usize && same {
            return Ok(());
        }
        let name = &column.name;
        Err(self.corrupt(&format!("block {block} of column {name:?} is not what its footer says")))
    }

    /// The rows of every series ascend in time, between the times that the directory has.
    fn verify_times(&self) -> Result<()> {
        let times = self.series_times()?;
        let header = self.header();
        let min = times.first.iter().min() == Some(&header.min_time_ns);
        let max = times.last.iter().max() == Some(&header.max_time_ns);
        let mut own = Vec::new();
        let mut from = 0u32;
        for series in 0..self.series().len() {
            let rows = self.rows_of(series);
            while u64::from(from) + (own.len() as u64) < u64::from(rows.end) {
                let vector = (from as usize + own.len()) / VECTOR_VALUES;
                self.times(vector, &mut own)?;
            }
            // Vectors behind the last whole one stay for the next series.
            let first = (rows.start - from) as usize;
            let part = &own[first..(rows.end - from) as usize];
            let ends = (part.first().copied(), part.last().copied());
            let place = series as usize;
            if !part.is_sorted() || ends != (Some(times.first[place]), Some(times.last[place])) {
                return Err(self.corrupt(&format!("the times of series {series} are out of order")));
            }
            let whole = ((rows.end - from) as usize / VECTOR_VALUES) * VECTOR_VALUES;
            own.drain(..whole);
            from += whole as u32;
        }
        if min && max { Ok(()) } else { Err(self.corrupt("its times are not those of its header")) }
    }

    fn verify_hours(&self) -> Result<()> {
        let Some((directory, _)) = self.hour_index()? else { return Ok(()) };
        for (column, part) in directory.all() {
            let ty = column.and_then(|column| self.column(column)).map(|column| column.ty);
            let floats = ty == Some(ColumnType::F64) && part != HourPart::Count;
            if floats {
                self.hour_array(column, part, array::decode_floats)?;
            } else {
                self.hour_array(column, part, array::decode_integers)?;
            }
        }
        Ok(())
    }
}
