//! The names of column types in results.

use arrow::datatypes::{DataType, TimeUnit};

/// The name of an Arrow type in `types`: `int64`, `float64`, `utf8`, `bool`, `timestamp[ns]`,
/// `decimal(10, 2)`, `list`. A dictionary has the name of its values' type.
pub fn type_name(ty: &DataType) -> String {
    let name = match ty {
        DataType::Null => "null",
        DataType::Boolean => "bool",
        DataType::Int8 => "int8",
        DataType::Int16 => "int16",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::UInt8 => "uint8",
        DataType::UInt16 => "uint16",
        DataType::UInt32 => "uint32",
        DataType::UInt64 => "uint64",
        DataType::Float16 => "float16",
        DataType::Float32 => "float32",
        DataType::Float64 => "float64",
        DataType::Utf8 | DataType::Utf8View => "utf8",
        DataType::LargeUtf8 => "large_utf8",
        DataType::Binary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "binary",
        DataType::LargeBinary => "large_binary",
        DataType::Date32 => "date32",
        DataType::Date64 => "date64",
        DataType::Timestamp(unit, _) => return format!("timestamp[{}]", unit_name(*unit)),
        DataType::Time32(unit) | DataType::Time64(unit) => {
            return format!("time[{}]", unit_name(*unit));
        }
        DataType::Duration(unit) => return format!("duration[{}]", unit_name(*unit)),
        DataType::Interval(_) => "interval",
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            return format!("decimal({precision}, {scale})");
        }
        DataType::Dictionary(_, values) => return type_name(values),
        DataType::RunEndEncoded(_, values) => return type_name(values.data_type()),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => "list",
        DataType::Struct(_) => "struct",
        DataType::Map(..) => "map",
        DataType::Union(..) => "union",
    };
    name.to_owned()
}

fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}
