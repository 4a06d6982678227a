//! One place, one database, and statements that run there: a statement in, batches out.
//!
//! A server is asked for Arrow whatever is shown in the end, so that a server and a directory differ
//! in nothing that follows.

use std::io::BufReader;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use futures::StreamExt;
use futures::executor::{block_on, block_on_stream};
use pulsora::{Database, SqlParam, SqlRequest, SqlResult};
use pulsora_model::{Code, Error, Result};
use serde_json::{Value, json};

use super::complete::Names;
use crate::cli::client::{Call, Client};
use crate::cli::place::Place;

/// Columns that completion knows at most; a prompt must not wait for more.
const COMPLETED_COLUMNS: usize = 20_000;

/// Where statements run.
pub(super) struct Session {
    pub place: Place,
    /// The database of names without one.
    pub database: String,
    pub params: Vec<SqlParam>,
    pub timeout: Option<Duration>,
}

/// The answer to a statement; its batches come as they are made.
pub(super) struct Answer {
    pub schema: SchemaRef,
    pub batches: Box<dyn Iterator<Item = Result<RecordBatch>>>,
}

impl Session {
    /// Runs one statement.
    ///
    /// # Errors
    /// Those of the place; later ones come through the batches.
    pub fn run(&self, sql: &str) -> Result<Answer> {
        match &self.place {
            Place::Server(client) => self.ask(client, sql),
            Place::Directory(database) => self.run_here(database, sql),
        }
    }

    fn ask(&self, client: &Client, sql: &str) -> Result<Answer> {
        let mut body = json!({ "sql": sql });
        if !self.params.is_empty() {
            body["params"] = self.params.iter().map(param_json).collect();
        }
        if let Some(timeout) = self.timeout {
            body["timeout_ms"] = json!(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        }
        let body = body.to_string();
        let response = client.post(&Call {
            path: "/api/v1/query/arrow".to_owned(),
            params: vec![("db", self.database.clone())],
            content_type: "application/json",
            body: body.as_bytes(),
        })?;
        let reader = BufReader::new(response.into_body().into_reader());
        let stream = StreamReader::try_new(reader, None).map_err(|error| cut_off(&error))?;
        let schema = stream.schema();
        let batches = stream.map(|batch| batch.map_err(|error| cut_off(&error)));
        Ok(Answer { schema, batches: Box::new(batches) })
    }

    fn run_here(&self, database: &Database, sql: &str) -> Result<Answer> {
        let mut request = SqlRequest::new(&self.database, sql);
        request.params.clone_from(&self.params);
        request.timeout = self.timeout;
        let SqlResult { schema, batches, .. } = block_on(database.sql_stream(request))?;
        Ok(Answer { schema, batches: Box::new(block_on_stream(batches.fuse())) })
    }

    /// The names that exist, for completion.
    ///
    /// # Errors
    /// Those of the place: no server, no such database.
    pub fn names(&self) -> Result<Names> {
        let sql = format!(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns \
             ORDER BY table_schema, table_name, ordinal_position LIMIT {COMPLETED_COLUMNS}"
        );
        let answer = self.run(&sql)?;
        let mut names = Names::default();
        for batch in answer.batches {
            let batch = batch?;
            let text = |column: usize| {
                arrow::compute::cast(batch.column(column), &arrow::datatypes::DataType::Utf8)
            };
            let (schemas, tables, columns) = (text(0)?, text(1)?, text(2)?);
            let rows = schemas.as_string::<i32>().iter().zip(tables.as_string::<i32>());
            for ((schema, table), column) in rows.zip(columns.as_string::<i32>()) {
                let (Some(schema), Some(table), Some(column)) = (schema, table, column) else {
                    continue;
                };
                names.add(schema == self.database, schema, table, column);
            }
        }
        Ok(names)
    }
}

/// The server ended its answer before its end: its error came too late for a status.
fn cut_off(error: &arrow::error::ArrowError) -> Error {
    Error::new(Code::Io, format!("the answer of the server is not whole: {error}"))
        .hint("its log says why; a timeout or the memory limit may have ended the query")
}

fn param_json(param: &SqlParam) -> Value {
    match param {
        SqlParam::Null => Value::Null,
        SqlParam::Bool(value) => json!(value),
        SqlParam::I64(value) => json!(value),
        SqlParam::U64(value) => json!(value),
        SqlParam::F64(value) => json!(value),
        SqlParam::Text(value) => json!(value),
    }
}

/// A value of the command line: a number, true, false or null as they are in JSON, else text.
pub(super) fn read_param(text: &str) -> SqlParam {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Null) => SqlParam::Null,
        Ok(Value::Bool(value)) => SqlParam::Bool(value),
        Ok(Value::Number(number)) => number
            .as_i64()
            .map(SqlParam::I64)
            .or_else(|| number.as_u64().map(SqlParam::U64))
            .or_else(|| number.as_f64().map(SqlParam::F64))
            .unwrap_or_else(|| SqlParam::Text(text.to_owned())),
        Ok(Value::String(text)) => SqlParam::Text(text),
        _ => SqlParam::Text(text.to_owned()),
    }
}
