//! Answers a DELETE, ERASE or UPDATE.

use std::sync::Arc;

use pulsora_model::{Code, Column, ColumnKind, Error, Result, TableSchema};
use pulsora_storage::Correction;

use super::plan;
use super::query::{RowChanges, RowStatement};
use crate::answers;
use crate::catalog::Moment;
use crate::request::{Folds, SqlResult, StatementKind};
use crate::sql::{Names, bind, find_column};
use crate::statement::{Call, Core, answer};

/// How often a statement is planned when its table changes meanwhile.
const TRIES: usize = 5;

impl Core {
    /// Plans and runs a statement; again when the table changes before the engine has taken it.
    pub(crate) async fn correct(&self, call: Call, statement: &RowStatement) -> Result<SqlResult> {
        let mut tries = 0;
        loop {
            let Some(correction) = self.correction(&call, statement).await? else {
                let visible = self.engine.snapshot().sequence();
                return Ok(answer(answers::count(0)?, visible, &call, StatementKind::Change));
            };
            tries += 1;
            match self.engine.correct(correction).await {
                Err(error) if error.code() == Code::SchemaMoved && tries < TRIES => {}
                outcome => {
                    let receipt = outcome?;
                    // Erased rows are not to live on in what was answered before.
                    self.drop_outdated();
                    let count = answers::count(receipt.rows)?;
                    return Ok(answer(count, receipt.sequence, &call, StatementKind::Change));
                }
            }
        }
    }

    /// What a statement asks of the engine; `None` when it can hit no row.
    async fn correction(
        &self,
        call: &Call,
        statement: &RowStatement,
    ) -> Result<Option<Correction>> {
        let snapshot = self.engine.snapshot();
        let mut names = Names::new(snapshot.catalog(), &call.request.database);
        let (database, schema) = names.table(&statement.table)?;
        let sets = sets(statement, &schema)?;
        let mut query = statement.query()?;
        bind(&mut query, &call.request.params)?;
        names.resolve_statement(&mut query)?;
        let text_bytes_max = snapshot.catalog().limits().text_bytes;
        let moment = Arc::new(Moment::new(snapshot, &call.query));
        let state = self.sessions.open(moment, &call.request.database, Folds::Off);
        let planned = plan(&state, query, &schema, &statement.changes, &sets, text_bytes_max);
        let planned = planned.await?;
        Ok(planned.map(|(rows, change)| Correction {
            database,
            table: schema.name.clone(),
            planned_for: Some((schema.id, schema.version)),
            rows,
            change,
        }))
    }
}

/// The columns that an UPDATE sets.
fn sets(statement: &RowStatement, schema: &TableSchema) -> Result<Vec<Column>> {
    let RowChanges::Update(values) = &statement.changes else { return Ok(Vec::new()) };
    let mut seen = Vec::new();
    let set = values.iter().map(|(ident, _)| {
        let column = find_column(schema, ident)?;
        if seen.contains(&column.id) {
            let message = format!("column {:?} is set twice", column.name);
            return Err(Error::new(Code::DuplicateColumn, message));
        }
        seen.push(column.id);
        if column.kind == ColumnKind::Field {
            return Ok(column.clone());
        }
        let message = format!("column {:?} tells rows apart and stays", column.name);
        Err(Error::new(Code::SqlInvalid, message)
            .hint("UPDATE sets fields; insert rows with other tags or times instead"))
    });
    set.collect()
}
