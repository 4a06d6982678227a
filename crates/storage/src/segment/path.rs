//! Names of segment objects: readable, safe for every file system, never used for pruning.
//!
//! `cold/<database dir>/<table dir>/<YYYY>[/<MM>[/<DD>[/<HH>]]]/<table>_<YYYYMMDD_HHMMSS>_<rows>_<segment>.parquet`
//!
//! `hot/<database dir>/<table dir>/<segment>.hot`, or `hot/<first segment>.hot` for the segments of a
//! flush that share an object.
//!
//! A directory is the encoded name, cut to 100 bytes, `~`, and the id in hex: two names that are cut
//! alike still differ. The depth below the table follows the width of the window, whose start is the
//! time in the file name (UTC).
//!
//! Invariants: no part is empty, starts with a dot or holds anything but `[A-Za-z0-9_.%~-]`; no part
//! is longer than 133 bytes.

use chrono::{DateTime, Datelike, Timelike};
use pulsora_model::partition::{DAY_NS, HOUR_NS, Window};
use pulsora_model::{Name, SegmentId, TableId, TableSchema};

/// Longest encoded name in a directory.
const DIRECTORY_NAME_BYTES_MAX: usize = 100;

/// Longest encoded table name in a file name.
const FILE_NAME_BYTES_MAX: usize = 60;

/// The longest month.
const MONTH_DAYS_MAX: i128 = 31;

/// The directory of a database or table: its encoded name and its id, e.g. `cpu~3`.
fn directory(name: &str, id: u32) -> String {
    format!("{}~{id:x}", encoded(name, DIRECTORY_NAME_BYTES_MAX))
}

/// The name of the object of a segment with `rows` rows in `window`.
pub(crate) fn segment_object(
    database: &Name,
    schema: &TableSchema,
    window: Window,
    rows: u64,
    id: SegmentId,
) -> String {
    let table = encoded(&schema.name, FILE_NAME_BYTES_MAX);
    let start = DateTime::from_timestamp_nanos(window.start_ns);
    let directory = segment_directory(database, schema, window);
    let stamp = format!(
        "{:04}{:02}{:02}_{:02}{:02}{:02}",
        start.year(),
        start.month(),
        start.day(),
        start.hour(),
        start.minute(),
        start.second()
    );
    format!("{directory}/{table}_{stamp}_{rows}_{id}.parquet")
}

/// Where the object of a segment is gathered whose rows are not counted yet: beside its name.
pub(crate) fn open_object(
    database: &Name,
    schema: &TableSchema,
    window: Window,
    id: SegmentId,
) -> String {
    format!("{}/{id}", segment_directory(database, schema, window))
}

fn segment_directory(database: &Name, schema: &TableSchema, window: Window) -> String {
    let database = directory(database, schema.database.0);
    format!("cold/{database}/{}/{}", directory(&schema.name, schema.id.0), period(window))
}

/// The name of an object that holds the hot segment `id` of a table.
pub(crate) fn hot_object(database: &Name, schema: &TableSchema, id: SegmentId) -> String {
    let database = directory(database, schema.database.0);
    format!("hot/{database}/{}/{id}.hot", directory(&schema.name, schema.id.0))
}

/// The name of an object that holds several hot segments, of which `id` is the first.
pub(crate) fn bundle_object(id: SegmentId) -> String {
    format!("hot/{id}.hot")
}

/// The table that an object belongs to by its name; `None` for those that hold segments of several.
pub(crate) fn table_of_object(object: &str) -> Option<TableId> {
    let (_, id) = object.split('/').nth(2)?.rsplit_once('~')?;
    u32::from_str_radix(id, 16).ok().map(TableId)
}

/// The name of the row id index that belongs to a segment object.
pub(crate) fn ids_object(object: &str) -> String {
    format!("{}.ids", object.strip_suffix(".parquet").unwrap_or(object))
}

/// `YYYY[/MM[/DD[/HH]]]`, as deep as the window is narrow: the directory of a partition below its table's.
pub fn period(window: Window) -> String {
    let start = DateTime::from_timestamp_nanos(window.start_ns);
    let width = i128::from(window.end_ns) - i128::from(window.start_ns);
    let mut period = format!("{:04}", start.year());
    if width <= MONTH_DAYS_MAX * i128::from(DAY_NS) {
        period += &format!("/{:02}", start.month());
    }
    if width <= i128::from(DAY_NS) {
        period += &format!("/{:02}", start.day());
    }
    if width <= i128::from(HOUR_NS) {
        period += &format!("/{:02}", start.hour());
    }
    period
}

/// `name` with every byte but `[A-Za-z0-9_-]` and dots after the first byte as `%XX`, cut between
/// two such units to at most `bytes_max`.
fn encoded(name: &str, bytes_max: usize) -> String {
    let mut text = String::with_capacity(bytes_max.min(name.len() * 3));
    for (position, byte) in name.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'-')
            || (byte == b'.' && position > 0);
        if text.len() + if plain { 1 } else { 3 } > bytes_max {
            break;
        }
        if plain {
            text.push(char::from(byte));
        } else {
            text += &format!("%{byte:02X}");
        }
    }
    text
}
