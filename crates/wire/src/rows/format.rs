//! The row formats by name: which parser reads a body, and where a large one may be cut.

use bytes::Bytes;
use pulsora_model::{KnownTable, Name, Result};

use super::{Boundary, RowOptions, RowsParsed};
use crate::{arrow_ipc, csv, json, parquet_file};

/// The formats of bodies that hold rows of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowFormat {
    /// A header line, then one record per row.
    Csv,
    /// An array of objects, or one object.
    Json,
    /// One object per line.
    Ndjson,
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file.
    Parquet,
}

impl RowFormat {
    /// Parses `body` into rows of `table`, of which `known` is known, if it exists.
    ///
    /// # Errors
    /// Those of the format, with the line and the column.
    pub fn parse(
        self,
        table: &Name,
        body: &Bytes,
        options: &RowOptions,
        known: Option<KnownTable>,
    ) -> Result<RowsParsed> {
        match self {
            RowFormat::Csv => csv::parse(table, body, options, known),
            RowFormat::Json => json::parse_rows(table, body, options, known),
            RowFormat::Ndjson => json::parse_ndjson(table, body, options, known),
            RowFormat::Arrow => arrow_ipc::parse(table, body.clone(), options, known),
            RowFormat::Parquet => parquet_file::parse(table, body.clone(), options, known),
        }
    }

    /// Where a large body may be cut into pieces; `None` for formats that are read whole.
    pub fn boundary(self, options: &RowOptions) -> Option<Boundary> {
        match self {
            RowFormat::Csv => Some(Boundary::Csv { delimiter: options.delimiter }),
            RowFormat::Ndjson => Some(Boundary::Lines),
            RowFormat::Json | RowFormat::Arrow | RowFormat::Parquet => None,
        }
    }
}
