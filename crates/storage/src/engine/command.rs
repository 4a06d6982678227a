//! Commands → catalog changes. Pure.

use std::sync::Arc;

use pulsora_model::name::nearest;
use pulsora_model::{
    Code, Column, ColumnId, ColumnKind, ColumnType, DatabaseId, Error, Mode, Name, Result, TableId,
    TableSchema,
};

use super::request::{Command, NewColumn, NewTable, TableChange, TableSetting};
use crate::catalog::{Catalog, CatalogChange, DEFAULT_DATABASE, TableSettings, may_go};

/// The changes that `command` needs; none when there is nothing to do.
///
/// # Errors
/// As listed at [`Command`].
pub(super) fn changes(
    catalog: &Catalog,
    command: &Command,
    now_ns: i64,
) -> Result<Vec<CatalogChange>> {
    match command {
        Command::CreateDatabase { name, if_not_exists } => match catalog.database(name) {
            Ok(_) if *if_not_exists => Ok(Vec::new()),
            Ok(_) => Err(Error::new(
                Code::AlreadyExists,
                format!("database {:?} exists already", &**name),
            )),
            Err(_) => {
                catalog.limits().check_name(name)?;
                let id = catalog.next_database_id();
                Ok(vec![CatalogChange::CreateDatabase { id, name: name.clone() }])
            }
        },
        Command::DropDatabase { name } if &**name == DEFAULT_DATABASE => {
            Err(Error::new(Code::StatementRefused, "the database \"default\" cannot be dropped")
                .hint("drop its tables instead"))
        }
        Command::DropDatabase { name } => {
            Ok(vec![CatalogChange::DropDatabase { id: catalog.database(name)?.id }])
        }
        Command::CreateTable { database, table, if_not_exists } => {
            create_table(catalog, database, table, *if_not_exists, now_ns)
        }
        Command::DropTable { database, table, if_exists } => match catalog.table(database, table) {
            Ok(schema) => Ok(vec![CatalogChange::DropTable { id: schema.id }]),
            Err(_) if *if_exists => Ok(Vec::new()),
            Err(error) => Err(error),
        },
        Command::AlterTable { database, table, change } => {
            alter_table(catalog, &*catalog.table(database, table)?, database, change)
        }
        Command::AlterDatabase { name, retention_ns } => {
            let owner = catalog.database(name)?;
            let (id, retention_ns) = (owner.id, *retention_ns);
            let same = owner.retention_ns == retention_ns;
            Ok(if same {
                Vec::new()
            } else {
                vec![CatalogChange::SetDatabase { id, retention_ns }]
            })
        }
    }
}

fn alter_table(
    catalog: &Catalog,
    schema: &TableSchema,
    database: &Name,
    change: &TableChange,
) -> Result<Vec<CatalogChange>> {
    let table = schema.id;
    let taken = |name: &Name| {
        let message = format!("table {:?} has a column {:?} already", &*schema.name, &**name);
        Error::new(Code::AlreadyExists, message)
    };
    match change {
        TableChange::AddColumn { column, if_not_exists } => {
            if schema.column(&column.name).is_some() {
                return if *if_not_exists { Ok(Vec::new()) } else { Err(taken(&column.name)) };
            }
            if !matches!(column.kind, ColumnKind::Tag | ColumnKind::Field) {
                return Err(fixed("a table has one time column and one row id from its beginning"));
            }
            catalog.check_new_column(table, &column.name)?;
            Ok(vec![CatalogChange::AddColumn {
                table,
                column: column_of(schema.next_column, column),
            }])
        }
        TableChange::DropColumn { name, if_exists } => {
            let column = match column(schema, name) {
                Ok(column) => column,
                Err(_) if *if_exists => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            if !may_go(schema, column) {
                return Err(match column.kind {
                    ColumnKind::Tag => fixed(
                        "rows of an upsert table are told apart by all of its tags",
                    )
                    .hint("copy the rows without it: CREATE TABLE …, then INSERT INTO … SELECT"),
                    _ => fixed("a table keeps its time column and its row id"),
                });
            }
            Ok(vec![CatalogChange::DropColumn { table, column: column.id }])
        }
        TableChange::RenameColumn { from, to } => {
            let column = column(schema, from)?.id;
            if from == to {
                return Ok(Vec::new());
            }
            if schema.column(to).is_some() {
                return Err(taken(to));
            }
            catalog.check_column_name(table, to)?;
            Ok(vec![CatalogChange::RenameColumn { table, column, name: to.clone() }])
        }
        TableChange::Rename { to } => {
            if *to == schema.name {
                return Ok(Vec::new());
            }
            if catalog.find_table(database, to).is_some() {
                let message = format!("database {:?} has a table {:?} already", &**database, &**to);
                return Err(Error::new(Code::AlreadyExists, message));
            }
            catalog.limits().check_name(to)?;
            Ok(vec![CatalogChange::RenameTable { id: table, name: to.clone() }])
        }
        TableChange::Set(changed) => {
            let mut settings = TableSettings::of(schema);
            for setting in changed {
                match setting {
                    TableSetting::Retention(retention_ns) => settings.retention_ns = *retention_ns,
                    TableSetting::Partition(partition) => settings.partition = *partition,
                    TableSetting::Codec(codec) => settings.codec.clone_from(codec),
                }
            }
            let same = settings == TableSettings::of(schema);
            Ok(if same {
                Vec::new()
            } else {
                vec![CatalogChange::SetTable { id: table, settings }]
            })
        }
    }
}

fn fixed(message: &str) -> Error {
    Error::new(Code::SchemaConflict, message.to_owned())
}

fn column<'a>(schema: &'a TableSchema, name: &Name) -> Result<&'a Column> {
    schema.column(name).ok_or_else(|| {
        let message = format!("table {:?} has no column {:?}", &*schema.name, &**name);
        let near = nearest(name, schema.columns.iter().map(|column| column.name.as_str()));
        let error = Error::new(Code::ColumnNotFound, message);
        if near.is_empty() {
            error
        } else {
            error.hint(format!("did you mean {}?", near.join(", ")))
        }
    })
}

fn create_table(
    catalog: &Catalog,
    database: &Name,
    table: &NewTable,
    if_not_exists: bool,
    now_ns: i64,
) -> Result<Vec<CatalogChange>> {
    let mut changes = Vec::new();
    let owner = match catalog.database(database) {
        Ok(owner) => owner.id,
        Err(_) => {
            let id: DatabaseId = catalog.next_database_id();
            changes.push(CatalogChange::CreateDatabase { id, name: database.clone() });
            id
        }
    };
    let schema = new_schema(catalog.next_table_id(), owner, table, now_ns)?;
    if let Some(present) = catalog.find_table(database, &table.name) {
        if if_not_exists || same_shape(&present, &schema) {
            return Ok(Vec::new());
        }
        return Err(Error::new(
            Code::AlreadyExists,
            format!("table {:?} exists already with another shape", &*table.name),
        )
        .hint("drop it first, or use another name"));
    }
    catalog.check_new_tables(database, 1)?;
    let limits = catalog.limits();
    limits.check_columns(schema.columns.len())?;
    let names = schema.columns.iter().map(|column| &column.name);
    names.chain([database, &schema.name]).try_for_each(|name| limits.check_name(name))?;
    changes.push(CatalogChange::CreateTable { schema });
    Ok(changes)
}

fn same_shape(a: &TableSchema, b: &TableSchema) -> bool {
    let shape = |schema: &TableSchema| {
        let columns: Vec<_> =
            schema.columns.iter().map(|c| (c.name.clone(), c.kind, c.ty)).collect();
        (columns, schema.mode, TableSettings::of(schema))
    };
    shape(a) == shape(b)
}

fn new_schema(
    id: TableId,
    database: DatabaseId,
    table: &NewTable,
    now_ns: i64,
) -> Result<TableSchema> {
    let invalid = |message: String| Error::new(Code::SchemaConflict, message);
    let count = |kind| table.columns.iter().filter(|column| column.kind == kind).count();
    if count(ColumnKind::Time) != 1 {
        return Err(invalid(format!(
            "table {:?} needs exactly one time column, it has {}",
            &*table.name,
            count(ColumnKind::Time)
        )));
    }
    if count(ColumnKind::Id) > 1 || (count(ColumnKind::Id) == 1 && table.mode == Mode::Upsert) {
        return Err(invalid("at most one row id, and none in an upsert table".into()));
    }
    let mut names = std::collections::HashSet::new();
    if let Some(twice) = table.columns.iter().find(|column| !names.insert(&column.name)) {
        return Err(Error::new(
            Code::DuplicateColumn,
            format!("column {:?} comes twice", &*twice.name),
        ));
    }
    let columns: Vec<Column> = table
        .columns
        .iter()
        .enumerate()
        .map(|(i, column)| column_of(ColumnId(i as u32 + 1), column))
        .collect();
    Ok(TableSchema {
        id,
        database,
        name: table.name.clone(),
        version: 1,
        next_column: ColumnId(columns.len() as u32 + 1),
        columns,
        mode: table.mode,
        partition: table.partition,
        dropped: Vec::new(),
        created_at_ns: now_ns,
        codec: table.codec.clone(),
        retention_ns: table.retention_ns,
    })
}

fn column_of(id: ColumnId, column: &NewColumn) -> Column {
    Column {
        id,
        name: column.name.clone(),
        kind: column.kind,
        ty: match column.kind {
            ColumnKind::Time => ColumnType::Timestamp,
            ColumnKind::Tag => ColumnType::Utf8,
            ColumnKind::Id => ColumnType::U64,
            ColumnKind::Field => column.ty,
        },
    }
}

/// Applies changes one after the other.
///
/// # Errors
/// `corrupt` when one does not fit.
pub(super) fn apply_all(catalog: &Arc<Catalog>, changes: &[CatalogChange]) -> Result<Arc<Catalog>> {
    let mut next = Arc::clone(catalog);
    for change in changes {
        next = Arc::new(next.apply(change)?);
    }
    Ok(next)
}
