//! Column types and kinds, and how each looks as an Arrow type.

use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Only nulls so far; the first value decides. Arrow `Null`.
    Untyped,
    /// Signed 64-bit integer.
    I64,
    /// Unsigned 64-bit integer.
    U64,
    /// IEEE 754 double; NaN and infinities are values.
    F64,
    /// True or false.
    Bool,
    /// UTF-8 text.
    Utf8,
    /// Nanoseconds since 1970-01-01 UTC, 1677-09-21 to 2262-04-11.
    Timestamp,
}

/// The time zone of every timestamp column.
pub const UTC: &str = "UTC";

/// The Arrow type of timestamps: nanoseconds, UTC.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC.into()))
}

/// The Arrow type of tag columns: dictionary of UTF-8 with u32 keys.
pub fn tag_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
}

impl ColumnType {
    /// Every type.
    pub const ALL: [ColumnType; 7] = [
        ColumnType::Untyped,
        ColumnType::I64,
        ColumnType::U64,
        ColumnType::F64,
        ColumnType::Bool,
        ColumnType::Utf8,
        ColumnType::Timestamp,
    ];

    /// The Arrow type of a field column of this type.
    pub fn arrow(self) -> DataType {
        match self {
            ColumnType::Untyped => DataType::Null,
            ColumnType::I64 => DataType::Int64,
            ColumnType::U64 => DataType::UInt64,
            ColumnType::F64 => DataType::Float64,
            ColumnType::Bool => DataType::Boolean,
            ColumnType::Utf8 => DataType::Utf8,
            ColumnType::Timestamp => timestamp_type(),
        }
    }

    /// The name in the HTTP contract (`data_type`); untyped columns are `Null`.
    pub fn api_name(self) -> &'static str {
        match self {
            ColumnType::Untyped => "Null",
            ColumnType::I64 => "Integer",
            ColumnType::U64 => "UnsignedInteger",
            ColumnType::F64 => "Float",
            ColumnType::Bool => "Boolean",
            ColumnType::Utf8 => "String",
            ColumnType::Timestamp => "Timestamp",
        }
    }

    /// The type with this name in the HTTP contract, any case.
    pub fn from_api_name(name: &str) -> Option<ColumnType> {
        ColumnType::ALL
            .into_iter()
            .filter(|ty| *ty != ColumnType::Untyped)
            .find(|ty| ty.api_name().eq_ignore_ascii_case(name))
    }

    /// What error messages call it.
    pub fn noun(self) -> &'static str {
        match self {
            ColumnType::Untyped => "no type yet",
            ColumnType::I64 => "integer",
            ColumnType::U64 => "unsigned integer",
            ColumnType::F64 => "float",
            ColumnType::Bool => "boolean",
            ColumnType::Utf8 => "text",
            ColumnType::Timestamp => "timestamp",
        }
    }
}

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// The one time column of a table.
    Time,
    /// Part of the series key.
    Tag,
    /// Any other column.
    Field,
    /// The row id.
    Id,
}

impl ColumnKind {
    /// The name in the HTTP contract (`kind`).
    pub fn api_name(self) -> &'static str {
        match self {
            ColumnKind::Time => "time",
            ColumnKind::Tag => "tag",
            ColumnKind::Field => "field",
            ColumnKind::Id => "id",
        }
    }

    /// The kind with this name in the HTTP contract, any case.
    pub fn from_api_name(name: &str) -> Option<ColumnKind> {
        [ColumnKind::Time, ColumnKind::Tag, ColumnKind::Field, ColumnKind::Id]
            .into_iter()
            .find(|kind| kind.api_name().eq_ignore_ascii_case(name))
    }
}
