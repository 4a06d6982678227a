//! What a segment file says of itself: sizes and bounds from its footer.

use pulsora_model::{ColumnId, ColumnKind, ColumnType};

use crate::read::TimeRange;
use crate::segment::HotSegment;

/// One file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileStatistics {
    /// Its name.
    pub file: String,
    /// Its length, bytes.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Its distinct tag sets.
    pub series: u64,
    /// From its earliest to its latest time.
    pub time: TimeRange,
    /// Its columns that are stored by row; tags are stored once per series.
    pub columns: Vec<ColumnStatistics>,
}

/// One column of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnStatistics {
    /// Its id.
    pub id: ColumnId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: ColumnKind,
    /// The type in which it is stored.
    pub ty: ColumnType,
    /// Rows without a value.
    pub nulls: u64,
    /// Bytes of its values and of which rows have one.
    pub bytes: u64,
    /// Names of the codecs of its values, in the order of their first block.
    pub codecs: Vec<String>,
}

impl FileStatistics {
    pub(super) fn of(file: &str, hot: &HotSegment) -> FileStatistics {
        let header = hot.header();
        let columns = hot.columns().iter().map(|column| {
            let mut found = ColumnStatistics {
                id: column.id,
                name: column.name.clone(),
                kind: column.kind,
                ty: column.ty,
                nulls: 0,
                bytes: 0,
                codecs: Vec::new(),
            };
            for block in 0..hot.blocks() {
                let (bytes, codec) = hot.storage(column, block);
                found.nulls += u64::from(hot.statistics(column, block).nulls);
                found.bytes += bytes;
                let new = codec.filter(|codec| !found.codecs.iter().any(|known| known == codec));
                found.codecs.extend(new.map(str::to_owned));
            }
            found
        });
        FileStatistics {
            file: file.to_owned(),
            bytes: hot.length(),
            rows: header.rows,
            series: u64::from(hot.series().len()),
            time: TimeRange { start_ns: header.min_time_ns, end_ns: header.max_time_ns },
            columns: columns.collect(),
        }
    }
}
