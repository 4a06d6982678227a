//! What one WAL record can change in the catalog. Stored as JSON in the record and in the manifest.
//!
//! Every change carries the ids it gives out, so that replay makes the same catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use pulsora_model::{
    Column, ColumnId, ColumnType, DatabaseId, Error, Name, Result, TableId, TableSchema,
};
use serde::{Deserialize, Serialize};

use super::catalog::{Catalog, Database};

/// One change of the catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogChange {
    /// A new database.
    CreateDatabase { id: DatabaseId, name: Name },
    /// A database goes, with its tables.
    DropDatabase { id: DatabaseId },
    /// A new table, whole.
    CreateTable { schema: TableSchema },
    /// A table goes.
    DropTable { id: TableId },
    /// A new column at the end of the table.
    AddColumn { table: TableId, column: Column },
    /// A column takes a type: an untyped one its first, an integer one float.
    SetType { table: TableId, column: ColumnId, ty: ColumnType },
}

impl Catalog {
    /// The catalog after `change`.
    ///
    /// # Errors
    /// `corrupt` when the change does not fit (it was made against another catalog).
    pub fn apply(&self, change: &CatalogChange) -> Result<Catalog> {
        let mut next = self.clone();
        next.make(change)?;
        Ok(next)
    }

    /// Makes `change` in place; after an error this is of no use any more.
    ///
    /// # Errors
    /// As [`Catalog::apply`].
    pub(crate) fn make(&mut self, change: &CatalogChange) -> Result<()> {
        let next = self;
        match change {
            CatalogChange::CreateDatabase { id, name } => {
                let database = Database { id: *id, name: name.clone(), tables: BTreeMap::new() };
                if next.databases.insert(name.clone(), Arc::new(database)).is_some() {
                    return Err(misfit(change));
                }
                next.next_database = next.next_database.max(DatabaseId(id.0 + 1));
            }
            CatalogChange::DropDatabase { id } => {
                let name = next.database_name(*id).cloned().ok_or_else(|| misfit(change))?;
                if let Some(database) = next.databases.remove(&name) {
                    database.tables.values().for_each(|table| {
                        next.tables.remove(table);
                        next.registries.remove(*table);
                    });
                }
            }
            CatalogChange::CreateTable { schema } => {
                next.next_table = next.next_table.max(TableId(schema.id.0 + 1));
                let id = schema.id;
                let owner = next.owner_mut(schema.database).ok_or_else(|| misfit(change))?;
                if owner.tables.insert(schema.name.clone(), id).is_some() {
                    return Err(misfit(change));
                }
                next.tables.insert(id, Arc::new(schema.clone()));
                next.registries.add(id);
            }
            CatalogChange::DropTable { id } => {
                let schema = next.tables.remove(id).ok_or_else(|| misfit(change))?;
                next.registries.remove(*id);
                let owner = next.owner_mut(schema.database).ok_or_else(|| misfit(change))?;
                owner.tables.remove(&schema.name);
            }
            CatalogChange::AddColumn { table, column } => {
                let schema = next.schema_mut(*table).ok_or_else(|| misfit(change))?;
                if schema.column(&column.name).is_some() {
                    return Err(misfit(change));
                }
                schema.next_column = schema.next_column.max(ColumnId(column.id.0 + 1));
                schema.columns.push(column.clone());
                schema.version += 1;
            }
            CatalogChange::SetType { table, column, ty } => {
                let schema = next.schema_mut(*table).ok_or_else(|| misfit(change))?;
                schema.version += 1;
                let column = schema.columns.iter_mut().find(|c| c.id == *column);
                column.ok_or_else(|| misfit(change))?.ty = *ty;
            }
        }
        Ok(())
    }

    fn owner_mut(&mut self, id: DatabaseId) -> Option<&mut Database> {
        self.databases.values_mut().find(|database| database.id == id).map(Arc::make_mut)
    }

    fn schema_mut(&mut self, id: TableId) -> Option<&mut TableSchema> {
        self.tables.get_mut(&id).map(Arc::make_mut)
    }
}

fn misfit(change: &CatalogChange) -> Error {
    Error::corrupt(format!("the catalog change {change:?} does not fit the catalog"))
}
