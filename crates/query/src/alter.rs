//! Statements that change tables and databases as a whole: ALTER, TRUNCATE, DROP DATABASE.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use pulsora_model::{Code, Error, Name, Result, TableSchema};
use pulsora_storage::{Change, Command, Correction, Selection};

use crate::answers;
use crate::request::{SqlResult, StatementKind};
use crate::sql::{Names, database_retention, table_change};
use crate::statement::{Call, Core, answer};

impl Core {
    pub(crate) async fn drop_database(
        &self,
        call: Call,
        name: &ast::ObjectName,
        if_exists: bool,
    ) -> Result<SqlResult> {
        let catalog = self.engine.catalog();
        let names = Names::new(&catalog, &call.request.database);
        let ident = plain_ident(name).ok_or_else(|| not_a_database(name))?;
        match names.database(ident) {
            Ok(name) => {
                self.change(call, Command::DropDatabase { name }, "dropped", "does not exist").await
            }
            Err(_) if if_exists => self.nothing_to_do(&call, "does not exist"),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn truncate(
        &self,
        call: Call,
        name: &ast::ObjectName,
        if_exists: bool,
    ) -> Result<SqlResult> {
        let Some((database, schema)) = self.named(&call, name, if_exists)? else {
            return self.nothing_to_do(&call, "does not exist");
        };
        let receipt = self.engine.correct(Correction {
            database,
            table: schema.name.clone(),
            planned_for: None,
            rows: Selection::all(),
            change: Change::Truncate,
        });
        let sequence = receipt.await?.sequence;
        Ok(answer(answers::status("truncated")?, sequence, &call, StatementKind::Change))
    }

    pub(crate) async fn alter_table(
        &self,
        call: Call,
        alter: &ast::AlterTable,
    ) -> Result<SqlResult> {
        let Some((database, schema)) = self.named(&call, &alter.name, alter.if_exists)? else {
            return self.nothing_to_do(&call, "does not exist");
        };
        let [operation] = &alter.operations[..] else {
            let message = "an ALTER TABLE has one operation";
            return Err(Error::new(Code::SqlInvalid, message).hint("send one statement for each"));
        };
        let change = table_change(operation, &schema)?;
        let table = schema.name.clone();
        let command = Command::AlterTable { database, table, change };
        self.change(call, command, "altered", "is so already").await
    }

    pub(crate) async fn alter_database(
        &self,
        call: Call,
        alter: &ast::AlterTable,
    ) -> Result<SqlResult> {
        let catalog = self.engine.catalog();
        let names = Names::new(&catalog, &call.request.database);
        let ident = plain_ident(&alter.name).ok_or_else(|| not_a_database(&alter.name))?;
        let name = names.database(ident)?;
        let [operation] = &alter.operations[..] else { return Err(not_a_database(&alter.name)) };
        let retention_ns = database_retention(operation)?;
        let command = Command::AlterDatabase { name, retention_ns };
        self.change(call, command, "altered", "is so already").await
    }

    /// A table by its name, with its database; `None` where it need not be there and is not.
    pub(crate) fn named(
        &self,
        call: &Call,
        name: &ast::ObjectName,
        if_exists: bool,
    ) -> Result<Option<(Name, Arc<TableSchema>)>> {
        let catalog = self.engine.catalog();
        match Names::new(&catalog, &call.request.database).table(name) {
            Err(error) if if_exists && is_absent(&error) => Ok(None),
            found => found.map(Some),
        }
    }

    /// The answer to a change that changes nothing.
    pub(crate) fn nothing_to_do(&self, call: &Call, status: &str) -> Result<SqlResult> {
        let visible = self.engine.snapshot().sequence();
        Ok(answer(answers::status(status)?, visible, call, StatementKind::Change))
    }
}

/// A name of one part.
pub(crate) fn plain_ident(name: &ast::ObjectName) -> Option<&ast::Ident> {
    match name.0.as_slice() {
        [ast::ObjectNamePart::Identifier(ident)] => Some(ident),
        _ => None,
    }
}

pub(crate) fn not_a_database(name: &ast::ObjectName) -> Error {
    Error::new(Code::SqlInvalid, format!("{name} is not the name of a database"))
}

/// Whether something that was named is not there.
fn is_absent(error: &Error) -> bool {
    matches!(error.code(), Code::TableNotFound | Code::DatabaseNotFound)
}
