//! What is asked in SQL, and what is answered.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use pulsora_model::Sequence;
use pulsora_storage::Durability;

use crate::counters::QueryCounters;
use crate::queries::{About, Query};
use crate::run::BatchStream;
use crate::sql::SqlParam;

/// One statement with everything it needs.
#[derive(Clone, Debug)]
pub struct SqlRequest {
    /// The database of names without one.
    pub database: String,
    /// The text.
    pub sql: String,
    /// Values for `$1`, `$2` … or `?`.
    pub params: Vec<SqlParam>,
    /// At most this many rows of a query.
    pub limit: Option<usize>,
    /// Instead of the configured deadline.
    pub timeout: Option<Duration>,
    /// When an INSERT is acknowledged.
    pub durability: Durability,
    /// How aggregates are answered.
    pub folds: Folds,
    /// Whether a plan is used again.
    pub planning: Planning,
    /// Whether the answer may be one that was kept.
    pub caching: Caching,
}

/// Whether the result cache is looked into, and filled. The rows are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Caching {
    /// Where there is a cache and the statement is one whose answer can be kept.
    #[default]
    Used,
    /// Never.
    Off,
}

/// Whether a statement is planned anew. The rows are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Planning {
    /// Where a statement of the same shape has been planned, its plan is used again.
    #[default]
    Reused,
    /// Always planned, and not kept.
    Fresh,
}

/// How a statement's aggregates by tags and buckets of time are answered. The rows are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Folds {
    /// By the engine's fold, where it can.
    #[default]
    Found,
    /// By the planner's general operators, always.
    Off,
}

impl SqlRequest {
    /// A statement without params, limit or deadline of its own.
    pub fn new(database: impl Into<String>, sql: impl Into<String>) -> SqlRequest {
        SqlRequest {
            database: database.into(),
            sql: sql.into(),
            params: Vec::new(),
            limit: None,
            timeout: None,
            durability: Durability::default(),
            folds: Folds::default(),
            planning: Planning::default(),
            caching: Caching::default(),
        }
    }

    /// The statement as a query of nobody in particular.
    pub fn about(&self) -> About {
        About { timeout: self.timeout, ..About::new("sql", &self.sql, &self.database) }
    }
}

/// A statement in the database `default`.
impl From<&str> for SqlRequest {
    fn from(sql: &str) -> SqlRequest {
        SqlRequest::new("default", sql)
    }
}

/// A statement in the database `default`.
impl From<String> for SqlRequest {
    fn from(sql: String) -> SqlRequest {
        SqlRequest::new("default", sql)
    }
}

/// What kind of statement was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// SELECT, VALUES, EXPLAIN.
    Query,
    /// SHOW, DESCRIBE.
    Show,
    /// CREATE, ALTER, DROP, DELETE, ERASE, UPDATE, TRUNCATE.
    Change,
    /// INSERT.
    Insert,
}

impl StatementKind {
    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            StatementKind::Query => "query",
            StatementKind::Show => "show",
            StatementKind::Change => "change",
            StatementKind::Insert => "insert",
        }
    }
}

/// The answer; its batches come as they are made.
pub struct SqlResult {
    /// Schema of every batch.
    pub schema: SchemaRef,
    /// The rows. Dropping it cancels the query.
    pub batches: BatchStream,
    /// Everything up to this sequence was seen; for changes and inserts, the one they have.
    pub visible: Sequence,
    /// Figures; they grow until the last batch.
    pub counters: Arc<QueryCounters>,
    /// What was answered.
    pub kind: StatementKind,
    /// The query: its id, times and figures.
    pub query: Arc<Query>,
}
