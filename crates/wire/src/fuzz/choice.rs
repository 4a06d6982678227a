//! What the first byte of an input chooses: options, and whether the table exists.

use std::sync::Arc;

use pulsora_model::time::Precision;
use pulsora_model::{
    Column, ColumnId, ColumnKind, ColumnType, DatabaseId, Mode, Name, PartitionWidth, TableId,
    TableSchema,
};

use crate::rows::{OnError, RowOptions};

/// The time of the request in every input.
pub const NOW_NS: i64 = 1_700_000_000_000_000_000;

/// Options chosen by one byte: bits 0-1 the precision, 2 whether bad rows are skipped, 3 whether the
/// table exists, 4 whether it is an upsert table, the others as a target likes.
#[derive(Clone, Copy, Debug)]
pub struct Choice(pub u8);

impl Choice {
    /// The choice and the body of an input; no input is a body without bytes.
    pub fn split(input: &[u8]) -> (Choice, &[u8]) {
        input.split_first().map_or((Choice(0), input), |(choice, body)| (Choice(*choice), body))
    }

    /// Whether a bit is set.
    pub fn bit(self, bit: u32) -> bool {
        self.0 & (1 << bit) != 0
    }

    /// Unit of the times.
    pub fn precision(self) -> Precision {
        [Precision::Nanosecond, Precision::Auto, Precision::Millisecond, Precision::Second]
            [usize::from(self.0 & 3)]
    }

    /// Options of a body of rows, for the table [`Choice::table`].
    pub fn row_options(self) -> RowOptions {
        RowOptions {
            tags: vec!["host".to_owned()],
            on_error: if self.bit(2) { OnError::Skip } else { OnError::Abort },
            now_ns: NOW_NS,
            ..RowOptions::default()
        }
    }

    /// The schema of the table `m`, if it exists: time `time`, tag `host`, fields `f`, `n`, `u`, `b`,
    /// `s` and `at` of all types.
    pub fn table(self) -> Option<Arc<TableSchema>> {
        use ColumnType::{Bool, F64, I64, Timestamp, U64, Utf8};
        let fields =
            [("f", F64), ("n", I64), ("u", U64), ("b", Bool), ("s", Utf8), ("at", Timestamp)];
        let fields = fields.map(|(name, ty)| (name, ColumnKind::Field, ty));
        let keys = [("time", ColumnKind::Time, Timestamp), ("host", ColumnKind::Tag, Utf8)];
        let columns = keys.into_iter().chain(fields).zip(1..).map(|((name, kind, ty), id)| {
            Column { id: ColumnId(id), name: Name::literal(name), kind, ty }
        });
        let columns: Vec<Column> = columns.collect();
        self.bit(3).then(|| {
            Arc::new(TableSchema {
                id: TableId(1),
                database: DatabaseId(1),
                name: Name::literal("m"),
                version: 1,
                next_column: ColumnId(columns.len() as u32 + 1),
                columns,
                mode: if self.bit(4) { Mode::Upsert } else { Mode::Append },
                partition: PartitionWidth::Auto,
                dropped: Vec::new(),
                created_at_ns: 0,
                codec: None,
                retention_ns: None,
            })
        })
    }
}
