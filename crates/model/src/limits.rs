//! Limits that are part of the data model, each with its reason, and [`Limits`], which a user can change.

use crate::error::{Code, Error, Result};
use crate::name::prefix;

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

/// Bounds on what requests may make, by their names in the configuration. Past one the rows that need
/// more are refused; what is there already stays, also when a bound is lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `limits.tables`: in all databases together.
    pub tables: usize,
    /// `limits.tables_per_database`
    pub database_tables: usize,
    /// `limits.columns_per_table`, at most [`COLUMNS_MAX`].
    pub columns: usize,
    /// `limits.series_per_table`
    pub series: usize,
    /// `limits.name_bytes`: of a database, table or column; at most [`NAME_BYTES_MAX`].
    pub name_bytes: usize,
    /// `limits.text_bytes`: of the value of a tag or field; at most [`TEXT_BYTES_MAX`].
    pub text_bytes: usize,
}

impl Default for Limits {
    /// Tables cost some kilobytes each, a series about a hundred bytes.
    fn default() -> Limits {
        Limits {
            tables: 100_000,
            database_tables: 50_000,
            columns: COLUMNS_MAX,
            series: 10_000_000,
            name_bytes: NAME_BYTES_MAX,
            text_bytes: TEXT_BYTES_MAX,
        }
    }
}

impl Limits {
    /// Checks a new name.
    ///
    /// # Errors
    /// `limit_exceeded`.
    pub fn check_name(&self, name: &str) -> Result<()> {
        if name.len() <= self.name_bytes {
            return Ok(());
        }
        let what = format!("the name {:?}… has {} bytes", prefix(name, 40), name.len());
        Err(exceeded("limits.name_bytes", self.name_bytes, &what))
    }

    /// Checks the value of a tag or field.
    ///
    /// # Errors
    /// `limit_exceeded`.
    pub fn check_text(&self, value: &str) -> Result<()> {
        if value.len() <= self.text_bytes { Ok(()) } else { Err(self.long_text(value.len())) }
    }

    /// `limit_exceeded` for a text of `bytes`.
    pub fn long_text(&self, bytes: usize) -> Error {
        let error =
            exceeded("limits.text_bytes", self.text_bytes, &format!("a text has {bytes} bytes"));
        if self.text_bytes < TEXT_BYTES_MAX {
            return error;
        }
        error.hint("limits.text_bytes can be no more: cut the text, or keep it elsewhere")
    }

    /// Checks how many columns a table would have.
    ///
    /// # Errors
    /// `limit_exceeded`.
    pub fn check_columns(&self, columns: usize) -> Result<()> {
        if columns <= self.columns {
            return Ok(());
        }
        Err(exceeded(
            "limits.columns_per_table",
            self.columns,
            "the table has no room for a new column",
        ))
    }

    /// Checks how many series a table would have.
    ///
    /// # Errors
    /// `limit_exceeded`.
    pub fn check_series(&self, series: usize) -> Result<()> {
        if series <= self.series {
            return Ok(());
        }
        Err(no_room_for_series(self.series))
    }

    /// Checks how many tables there would be in all and in one database.
    ///
    /// # Errors
    /// `limit_exceeded`.
    pub fn check_tables(&self, all: usize, in_database: usize) -> Result<()> {
        if all > self.tables {
            return Err(exceeded("limits.tables", self.tables, "there is no room for a new table"));
        }
        if in_database > self.database_tables {
            let what = "the database has no room for a new table";
            return Err(exceeded("limits.tables_per_database", self.database_tables, what));
        }
        Ok(())
    }
}

/// `limit_exceeded` for a table that has `series_max` series.
pub(crate) fn no_room_for_series(series_max: usize) -> Error {
    exceeded("limits.series_per_table", series_max, "the table has no room for a new series").hint(
        "tags hold what few rows share: keep ids and other unique values in fields, or raise limits.series_per_table in the configuration",
    )
}

/// `limit_exceeded` for a body or a file with more columns than any table can have.
pub fn too_many_columns(what: &str) -> Error {
    let key = "limits.columns_per_table can be no more";
    Error::new(Code::LimitExceeded, format!("{what} has more than {COLUMNS_MAX} columns: {key}"))
        .hint("make rows of what the columns tell apart")
}

fn exceeded(key: &str, value: usize, what: &str) -> Error {
    Error::new(Code::LimitExceeded, format!("{what}: {key} is {value}"))
        .hint(format!("raise {key} in the configuration if this is meant"))
}
