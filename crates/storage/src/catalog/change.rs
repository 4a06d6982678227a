//! What one WAL record can change in the catalog. Stored as JSON in the record and in the manifest.
//!
//! Every change carries the ids it gives out, so that replay makes the same catalog.

use std::sync::Arc;

use pulsora_model::{
    Column, ColumnId, ColumnKind, ColumnType, DatabaseId, Error, Mode, Name, PartitionWidth,
    Result, TableId, TableSchema,
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
    /// A field goes, with its values; a tag is seen no more.
    DropColumn { table: TableId, column: ColumnId },
    /// A column takes another name.
    RenameColumn { table: TableId, column: ColumnId, name: Name },
    /// A table takes another name.
    RenameTable { id: TableId, name: Name },
    /// What can be set of a table.
    SetTable { id: TableId, settings: TableSettings },
    /// What can be set of a database.
    SetDatabase { id: DatabaseId, retention_ns: Option<i64> },
}

/// What can be set of a table after it was made: the new values of all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableSettings {
    pub retention_ns: Option<i64>,
    pub partition: PartitionWidth,
    pub codec: Option<Name>,
}

impl TableSettings {
    /// Those of a table.
    pub fn of(schema: &TableSchema) -> TableSettings {
        TableSettings {
            retention_ns: schema.retention_ns,
            partition: schema.partition,
            codec: schema.codec.clone(),
        }
    }
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
        match change {
            CatalogChange::CreateDatabase { id, name } => {
                let database = Database::new(*id, name.clone());
                if self.databases.insert(name.clone(), Arc::new(database)).is_some() {
                    return Err(misfit(change));
                }
                let following = id.0.checked_add(1).ok_or_else(|| misfit(change))?;
                self.next_database = self.next_database.max(DatabaseId(following));
            }
            CatalogChange::DropDatabase { id } => {
                let name = self.database_name(*id).cloned().ok_or_else(|| misfit(change))?;
                if let Some(database) = self.databases.remove(&name) {
                    database.tables.values().for_each(|table| {
                        self.tables.remove(table);
                        self.registries.remove(*table);
                    });
                }
            }
            CatalogChange::CreateTable { schema } => {
                let id = schema.id;
                if !is_sound(schema) || self.tables.contains_key(&id) {
                    return Err(misfit(change));
                }
                let following = id.0.checked_add(1).ok_or_else(|| misfit(change))?;
                self.next_table = self.next_table.max(TableId(following));
                let owner = self.owner_mut(schema.database, change)?;
                if owner.tables.insert(schema.name.clone(), id).is_some() {
                    return Err(misfit(change));
                }
                self.tables.insert(id, Arc::new(schema.clone()));
                self.registries.add(id);
            }
            CatalogChange::DropTable { id } => {
                let schema = self.tables.remove(id).ok_or_else(|| misfit(change))?;
                self.registries.remove(*id);
                let owner = self.owner_mut(schema.database, change)?;
                owner.tables.remove(&schema.name);
            }
            CatalogChange::AddColumn { table, column } => {
                let schema = self.next_version(*table, change)?;
                let taken = |other: &Column| other.name == column.name || other.id == column.id;
                if schema.columns.iter().any(taken) || !is_possible(column) {
                    return Err(misfit(change));
                }
                schema.next_column = schema.next_column.max(ColumnId(column.id.0 + 1));
                schema.columns.push(column.clone());
            }
            CatalogChange::SetType { table, column, ty } => {
                let schema = self.next_version(*table, change)?;
                let column = schema.columns.iter_mut().find(|c| c.id == *column);
                let column = column.filter(|column| may_become(column, *ty));
                column.ok_or_else(|| misfit(change))?.ty = *ty;
            }
            CatalogChange::DropColumn { table, column } => {
                let schema = self.next_version(*table, change)?;
                let at = schema.columns.iter().position(|c| c.id == *column && may_go(schema, c));
                let at = at.ok_or_else(|| misfit(change))?;
                match schema.columns[at].kind {
                    ColumnKind::Tag => {
                        schema.columns[at].name = name_of_dropped(schema, *column)?;
                        schema.dropped.push(*column);
                    }
                    _ => drop(schema.columns.remove(at)),
                }
            }
            CatalogChange::RenameColumn { table, column, name } => {
                let schema = self.next_version(*table, change)?;
                if schema.column(name).is_some() {
                    return Err(misfit(change));
                }
                let column = schema.columns.iter_mut().find(|c| c.id == *column);
                column.ok_or_else(|| misfit(change))?.name = name.clone();
            }
            CatalogChange::RenameTable { id, name } => {
                let schema = self.next_version(*id, change)?;
                let before = std::mem::replace(&mut schema.name, name.clone());
                let database = schema.database;
                let owner = self.owner_mut(database, change)?;
                owner.tables.remove(&before);
                if owner.tables.insert(name.clone(), *id).is_some() {
                    return Err(misfit(change));
                }
            }
            CatalogChange::SetTable { id, settings } => {
                let schema = self.next_version(*id, change)?;
                schema.retention_ns = settings.retention_ns;
                schema.partition = settings.partition;
                schema.codec.clone_from(&settings.codec);
            }
            CatalogChange::SetDatabase { id, retention_ns } => {
                let owner = self.owner_mut(*id, change)?;
                owner.retention_ns = *retention_ns;
            }
        }
        Ok(())
    }

    fn owner_mut(&mut self, id: DatabaseId, change: &CatalogChange) -> Result<&mut Database> {
        let owner = self.databases.values_mut().find(|database| database.id == id);
        owner.map(Arc::make_mut).ok_or_else(|| misfit(change))
    }

    /// The schema that `change` changes, with its next version.
    fn next_version(&mut self, id: TableId, change: &CatalogChange) -> Result<&mut TableSchema> {
        let schema = self.tables.get_mut(&id).map(Arc::make_mut).ok_or_else(|| misfit(change))?;
        schema.version += 1;
        Ok(schema)
    }
}

/// Whether a column may be dropped. Rows of an upsert table would replace each other without one of their tags.
pub(crate) fn may_go(schema: &TableSchema, column: &Column) -> bool {
    match column.kind {
        ColumnKind::Field => true,
        ColumnKind::Tag => schema.mode == Mode::Append && !schema.dropped.contains(&column.id),
        ColumnKind::Time | ColumnKind::Id => false,
    }
}

/// A name that no other column has.
fn name_of_dropped(schema: &TableSchema, column: ColumnId) -> Result<Name> {
    let mut name = format!("dropped_tag_{column}");
    while schema.column(&name).is_some() {
        name.push('_');
    }
    Name::new(&name)
}

/// Whether the columns of a new table are what every reader of a schema relies on.
fn is_sound(schema: &TableSchema) -> bool {
    let of_kind = |kind| schema.columns.iter().filter(|column| column.kind == kind).count();
    let mut names: Vec<&Name> = schema.columns.iter().map(|column| &column.name).collect();
    let mut ids: Vec<ColumnId> = schema.columns.iter().map(|column| column.id).collect();
    names.sort_unstable();
    ids.sort_unstable();
    of_kind(ColumnKind::Time) == 1
        && of_kind(ColumnKind::Id) <= 1
        && names.is_sorted_by(|a, b| a < b)
        && ids.is_sorted_by(|a, b| a < b)
        && ids.last().is_some_and(|last| *last < schema.next_column)
        && schema.columns.iter().all(is_possible)
}

/// Whether a column has an id that keys of series can hold, and the type of its kind.
fn is_possible(column: &Column) -> bool {
    let typed = match column.kind {
        ColumnKind::Time => column.ty == ColumnType::Timestamp,
        ColumnKind::Tag => column.ty == ColumnType::Utf8,
        ColumnKind::Id => column.ty == ColumnType::U64,
        ColumnKind::Field => true,
    };
    typed && column.id.0 < u32::from(u16::MAX)
}

/// Whether values of the column are values of this type too.
fn may_become(column: &Column, ty: ColumnType) -> bool {
    let from = column.ty;
    let widens = matches!(from, ColumnType::I64 | ColumnType::U64) && ty == ColumnType::F64;
    column.kind == ColumnKind::Field && (from == ColumnType::Untyped || from == ty || widens)
}

fn misfit(change: &CatalogChange) -> Error {
    Error::corrupt(format!("the catalog change {change:?} does not fit the catalog"))
}
