//! Limits that are part of the data model, each with its reason. Limits that a user can change live
//! in the server's configuration.

/// Longest name: fits one length byte and every file system after encoding.
pub const NAME_BYTES_MAX: usize = 255;

/// Most columns of one table. Every column costs a builder, a WAL header and a Parquet leaf; 4,096
/// is four times what the widest published telemetry schemas use.
pub const COLUMNS_MAX: usize = 4_096;

/// Most tags of one table; a series key is hashed whole.
pub const TAGS_MAX: usize = 256;

/// Largest key of a series, tags with their heads: a key is hashed and compared whole, and 512 of
/// them lie in one block.
pub const SERIES_KEY_BYTES_MAX: usize = 1 << 20;

/// Series that one registry can number: the upper half of the codes of a batch counts tag sets that
/// are not in it.
pub const SERIES_NUMBERS_MAX: usize = 1 << 31;

/// Longest text value: 16 MiB, so that one value fits into every internal buffer many times.
pub const TEXT_BYTES_MAX: usize = 16 << 20;

/// Largest magnitude at which every integer is exact in an f64: 2^53.
pub const EXACT_FLOAT_INT: i64 = 1 << 53;

/// Entries of `details` in one error answer.
pub const DETAILS_MAX: usize = 100;

/// Bytes of a bad line or value that an error repeats.
pub const EXCERPT_BYTES: usize = 80;

/// Default number of rows a row query returns.
pub const ROWS_DEFAULT: usize = 1_000;
