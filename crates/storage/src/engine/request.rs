//! What is asked of the engine, and what it answers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pulsora_env::block_on;
use pulsora_model::{
    Code, ColumnKind, ColumnType, Error, Mode, Name, PartitionWidth, Result, Sequence, TableWrite,
};
use tokio::sync::oneshot;

use super::key::IdempotencyKey;
use super::options::Durability;

/// Rows for tables of one database: stored whole or not at all.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    /// The database; made by the first write.
    pub database: Name,
    /// Rows, at most one entry per table. Tables are made by the first write.
    pub tables: Vec<TableWrite>,
    /// When to acknowledge.
    pub durability: Durability,
    /// The client's name for this request: sent again it stores nothing, and is answered with the
    /// sequence of the first. With [`Durability::Off`] no new key is remembered.
    pub key: Option<IdempotencyKey>,
}

/// A column of a table that is made by a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewColumn {
    pub name: Name,
    pub kind: ColumnKind,
    /// `Timestamp` for time, `Utf8` for tags, `U64` for the row id.
    pub ty: ColumnType,
}

/// A table that is made by a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTable {
    pub name: Name,
    /// In display order, with exactly one time column and at most one row id.
    pub columns: Vec<NewColumn>,
    pub mode: Mode,
    pub partition: PartitionWidth,
    /// Codec that columns of its kind are stored with in hot segments, by name; `None` = chosen by
    /// size.
    pub codec: Option<Name>,
    /// How long rows are kept after their time, nanoseconds; `None` = as the database says.
    pub retention_ns: Option<i64>,
}

/// What ALTER makes of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableChange {
    /// A new column; `schema_conflict` for another time column or row id.
    AddColumn { column: NewColumn, if_not_exists: bool },
    /// A field goes; `schema_conflict` for the time column, the row id and tags.
    DropColumn { name: Name, if_exists: bool },
    /// A column takes another name.
    RenameColumn { from: Name, to: Name },
    /// The table takes another name in its database.
    Rename { to: Name },
    /// Settings, each as it becomes.
    Set(Vec<TableSetting>),
}

/// One setting of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableSetting {
    /// How long rows are kept after their time, nanoseconds, at least 1; `None` = as the database says.
    Retention(Option<i64>),
    /// Width of the partitions that are made from now on.
    Partition(PartitionWidth),
    /// Codec of columns of its kind in segments from now on; `None` = chosen by size.
    Codec(Option<Name>),
}

/// A change of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// # Errors
    /// `already_exists` unless `if_not_exists`.
    CreateDatabase { name: Name, if_not_exists: bool },
    /// `default` cannot be dropped. `database_not_found`.
    DropDatabase { name: Name },
    /// `already_exists` when the table is there in another shape, or at all unless `if_not_exists`
    /// or the shape is the same; `invalid_request` for a codec that does not exist. Makes the database
    /// if needed.
    CreateTable { database: Name, table: NewTable, if_not_exists: bool },
    /// `table_not_found` unless `if_exists`.
    DropTable { database: Name, table: Name, if_exists: bool },
    /// `table_not_found`, `column_not_found`, `already_exists` for a name that is taken.
    AlterTable { database: Name, table: Name, change: TableChange },
    /// How long rows of all its tables are kept, unless a table says otherwise. `database_not_found`.
    AlterDatabase { name: Name, retention_ns: Option<i64> },
}

impl Command {
    /// Whether it must be alone in its group, with the memtable of its table sealed before it.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Command::AlterTable { .. })
    }
}

/// Which memtables to flush, and how far.
#[derive(Clone, Debug, Default)]
pub struct FlushFilter {
    /// `None` = all databases.
    pub database: Option<Name>,
    /// `None` = all tables.
    pub table: Option<Name>,
    /// Turns everything of the tables that is hot into Parquet at once, whatever `hot_for` says;
    /// `invalid_request` where [`super::ColdFormat::Native`] is set.
    pub cold: bool,
}

/// Which tables to compact.
#[derive(Clone, Debug, Default)]
pub struct CompactFilter {
    /// `None` = all databases; of a table, `default`.
    pub database: Option<Name>,
    /// `None` = all tables.
    pub table: Option<Name>,
}

/// The acknowledgement: the request is as durable as it asked, and visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The request's WAL record.
    pub sequence: Sequence,
    /// Rows stored; of a repeat those that were sent.
    pub rows: u64,
    /// Whether the command changed anything (`if_not_exists` and the like may not).
    pub changed: bool,
    /// Whether it is a repeat: the request of its key was stored before, with this sequence.
    pub duplicate: bool,
}

/// An answer to come. Dropping it does not take the request back.
pub struct Pending(pub(super) oneshot::Receiver<Result<Receipt>>);

impl Pending {
    /// Blocks the thread until the answer is there. Async code awaits it instead.
    ///
    /// # Errors
    /// What the request failed with; `closed` when the engine ended first.
    pub fn wait(self) -> Result<Receipt> {
        block_on(self)
    }

    /// The answer if it is there already; for single-threaded runs.
    pub fn try_take(&mut self) -> Option<Result<Receipt>> {
        match self.0.try_recv() {
            Ok(answer) => Some(answer),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(ended())),
        }
    }
}

impl Future for Pending {
    type Output = Result<Receipt>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(ended())))
    }
}

fn ended() -> Error {
    Error::new(Code::Closed, "the engine ended before the request was answered")
        .hint("whether it was stored is unknown; send it again when the server is back")
}

/// Room in the queue for one request; given back when dropped.
pub struct Room(#[allow(dead_code)] pub(super) tokio::sync::OwnedSemaphorePermit);
