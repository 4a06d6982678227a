//! The targets, and what must hold for any bytes: no panic, a whole result, the same one again.

use arrow::array::Array;
use pulsora_model::limits::DETAILS_MAX;
use pulsora_model::{Result, TableWrite};

use super::{columns, json, line, otlp, remote_write};
use crate::Parsed;
use crate::rows::RowsParsed;

/// A parser under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the binary in `crates/wire/fuzz`.
    pub name: &'static str,
    /// Reads an input: a byte of [`super::Choice`] and a body.
    pub parse: fn(&[u8]) -> Result<Parsed>,
    /// Inputs without errors, to begin with.
    pub valid: &'static [&'static [u8]],
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "line", parse: line::read, valid: line::VALID },
    Target { name: "json-points", parse: json::points, valid: json::VALID_POINTS },
    Target { name: "json-rows", parse: json::rows, valid: json::VALID_ROWS },
    Target { name: "ndjson", parse: json::lines, valid: json::VALID_LINES },
    Target { name: "msgpack", parse: columns::msgpack, valid: columns::VALID_MSGPACK },
    Target { name: "csv", parse: columns::csv, valid: columns::VALID_CSV },
    Target { name: "arrow", parse: columns::arrow, valid: columns::VALID_ARROW },
    Target { name: "remote-write-1", parse: remote_write::version_1, valid: remote_write::VALID_1 },
    Target { name: "remote-write-2", parse: remote_write::version_2, valid: remote_write::VALID_2 },
    Target { name: "otlp-protobuf", parse: otlp::protobuf, valid: otlp::VALID_PROTOBUF },
    Target { name: "otlp-json", parse: otlp::json, valid: otlp::VALID_JSON },
];

impl Target {
    /// The target of this name.
    pub fn by_name(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Reads an input.
    ///
    /// # Panics
    /// When the parser does, when a result is not whole, or when it differs the second time.
    pub fn fuzz(&self, input: &[u8]) {
        let first = (self.parse)(input);
        if let Ok(parsed) = &first {
            check(parsed);
        }
        let again = (self.parse)(input);
        assert_eq!(format!("{first:?}"), format!("{again:?}"), "{} is deterministic", self.name);
    }
}

/// A body of one table as one of many.
pub(super) fn of_rows(rows: RowsParsed) -> Parsed {
    Parsed {
        tables: rows.write.into_iter().collect(),
        rows: rows.rows,
        rejected: rows.rejected,
        details: rows.details,
    }
}

fn check(parsed: &Parsed) {
    assert_eq!(parsed.tables.iter().map(|write| write.batch.rows as u64).sum::<u64>(), parsed.rows);
    assert_eq!(parsed.details.len() as u64, parsed.rejected.min(DETAILS_MAX as u64));
    parsed.tables.iter().for_each(check_write);
}

fn check_write(write: &TableWrite) {
    let batch = &write.batch;
    assert!(batch.rows > 0, "no table is without rows");
    assert_eq!((batch.time.len(), batch.series.codes.len()), (batch.rows, batch.rows));
    for field in &batch.fields {
        assert_eq!(field.values.len(), batch.rows);
        assert_eq!(field.values.data_type(), &field.ty.arrow());
        assert_eq!(
            field.values.to_data().validate_full().map_err(|error| error.to_string()),
            Ok(())
        );
    }
}
