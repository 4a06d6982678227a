//! Rows of one table in columns, as parsers hand them to the engine.
//!
//! A batch gives every row the code of its series: the number that the table's registry gave it, so
//! that nothing is looked up again, or that of a tag set which the batch lists once.
//!
//! Invariants: every column has `rows` values; every series code is below the number of sets, or of
//! series in the registry; tag values are never empty text (empty = absent = null); names of tags,
//! fields, time and id are distinct.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, UInt64Array};
use arrow::buffer::ScalarBuffer;

use crate::name::Name;
use crate::schema::TableOptions;
use crate::series::SeriesRegistry;
use crate::types::ColumnType;

/// Rows of one table in columns.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    /// Which series each row belongs to.
    pub series: SeriesColumn,
    /// Time of each row, nanoseconds UTC.
    pub time: ScalarBuffer<i64>,
    /// The other columns; a column that is absent here is null in every row.
    pub fields: Vec<FieldColumn>,
    /// Row ids given by the user (null = assign one), for tables with row ids.
    pub ids: Option<UInt64Array>,
}

/// The series of each row.
#[derive(Clone, Debug)]
pub struct SeriesColumn {
    /// One code per row.
    pub codes: ScalarBuffer<u32>,
    /// What the codes mean.
    pub keys: SeriesKeys,
}

/// What the series codes of a batch mean.
#[derive(Clone, Debug)]
pub enum SeriesKeys {
    /// Codes count these sets: in tables that do not exist yet, and in batches that bring a new tag.
    Sets {
        /// Number of distinct sets; 1 for rows without tags, 0 for no rows.
        sets: usize,
        /// One column per tag with one value per set: tags of the table in the order of its columns,
        /// then new ones in the order they first appeared.
        tags: Vec<TagColumn>,
    },
    /// Codes are numbers of this registry.
    Known(Arc<SeriesRegistry>),
}

impl SeriesColumn {
    /// The tags that the batch brings with it.
    pub fn tags(&self) -> &[TagColumn] {
        match &self.keys {
            SeriesKeys::Sets { tags, .. } => tags,
            SeriesKeys::Known(_) => &[],
        }
    }
}

/// One tag: its value in each distinct set.
#[derive(Clone, Debug)]
pub struct TagColumn {
    /// The tag's name.
    pub name: Name,
    /// `sets` values; null = the set lacks this tag.
    pub values: StringArray,
}

/// One field: its value in each row.
#[derive(Clone, Debug)]
pub struct FieldColumn {
    /// The field's name.
    pub name: Name,
    /// Type of the values; the array has its Arrow type.
    pub ty: ColumnType,
    /// `rows` values.
    pub values: ArrayRef,
}

/// One batch with the table it is for.
#[derive(Clone, Debug)]
pub struct TableWrite {
    /// The table's name.
    pub table: Name,
    /// How the table is made if it does not exist.
    pub options: TableOptions,
    /// The version of the schema the batch was parsed against; `None` when there was none.
    pub schema_version: Option<u32>,
    /// The rows.
    pub batch: Batch,
}

impl Batch {
    /// Bytes the columns hold in memory, for budgets.
    pub fn size_bytes(&self) -> usize {
        let tags: usize =
            self.series.tags().iter().map(|tag| tag.values.get_array_memory_size()).sum();
        let fields: usize =
            self.fields.iter().map(|field| field.values.get_array_memory_size()).sum();
        let ids = self.ids.as_ref().map_or(0, Array::get_array_memory_size);
        tags + fields + ids + self.rows * 12
    }
}
