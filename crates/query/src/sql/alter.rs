//! ALTER TABLE and ALTER DATABASE: what they ask for as the engine takes it.
//!
//! `ALTER TABLE t ADD COLUMN [IF NOT EXISTS] c TYPE [TAG]` · `DROP COLUMN [IF EXISTS] c` · `RENAME COLUMN
//! a TO b` · `RENAME TO u` · `SET (retention = '30d', partition = 'day', codec = 'gorilla')` · `ALTER
//! DATABASE d SET (retention = '30d')`

use datafusion::sql::sqlparser::ast::{
    AlterTableOperation, ObjectName, ObjectNamePart, RenameTableNameKind, SqlOption,
};
use pulsora_model::{Code, Error, Name, PartitionWidth, Result, TableSchema};
use pulsora_storage::{TableChange, TableSetting};

use super::create::{new_column, option_text, retention_ns};
use super::names::find_column;
use super::refuse::refused;

const FORMS: &str = "use ADD COLUMN, DROP COLUMN, RENAME COLUMN … TO …, RENAME TO … or SET (…)";

/// What one operation makes of a table.
///
/// # Errors
/// `statement_refused` for operations that are not answered; `sql_invalid`, `column_not_found`.
pub(crate) fn table_change(
    operation: &AlterTableOperation,
    schema: &TableSchema,
) -> Result<TableChange> {
    match operation {
        AlterTableOperation::AddColumn {
            column_def, if_not_exists, column_position: None, ..
        } => {
            let column = new_column(column_def)?;
            Ok(TableChange::AddColumn { column, if_not_exists: *if_not_exists })
        }
        AlterTableOperation::DropColumn { column_names, if_exists, .. } => {
            match &column_names[..] {
                [ident] => match find_column(schema, ident) {
                    Ok(column) => Ok(TableChange::DropColumn {
                        name: column.name.clone(),
                        if_exists: *if_exists,
                    }),
                    Err(_) if *if_exists => Ok(TableChange::DropColumn {
                        name: Name::new(&ident.value)?,
                        if_exists: true,
                    }),
                    Err(error) => Err(error),
                },
                _ => Err(refused("dropping several columns at once", "drop one per statement")),
            }
        }
        AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
            Ok(TableChange::RenameColumn {
                from: find_column(schema, old_column_name)?.name.clone(),
                to: Name::new(&new_column_name.value)?,
            })
        }
        AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(name) | RenameTableNameKind::As(name),
        } => Ok(TableChange::Rename { to: plain(name)? }),
        AlterTableOperation::SetOptionsParens { options }
        | AlterTableOperation::SetTblProperties { table_properties: options } => {
            let settings = options.iter().map(setting).collect::<Result<Vec<_>>>()?;
            Ok(TableChange::Set(settings))
        }
        _ => Err(refused("this ALTER TABLE", FORMS)),
    }
}

fn plain(name: &ObjectName) -> Result<Name> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Name::new(&ident.value),
        _ => Err(Error::new(Code::SqlInvalid, format!("{name} is not the name of a table"))
            .hint("a table stays in its database: name it without one")),
    }
}

fn setting(option: &SqlOption) -> Result<TableSetting> {
    let SqlOption::KeyValue { key, value } = option else { return Err(unknown(option)) };
    let text = option_text(key, value)?;
    match key.value.to_ascii_lowercase().as_str() {
        "retention" => Ok(TableSetting::Retention(retention_ns(&text)?)),
        "partition" => Ok(TableSetting::Partition(PartitionWidth::parse(&text)?)),
        "codec" if text.eq_ignore_ascii_case("none") => Ok(TableSetting::Codec(None)),
        "codec" => Ok(TableSetting::Codec(Some(Name::new(&text)?))),
        _ => Err(unknown(option)),
    }
}

fn unknown(option: &SqlOption) -> Error {
    Error::new(Code::SqlInvalid, format!("{option} cannot be set"))
        .hint("a table has retention, partition and codec; a database has retention")
}

/// The retention that an ALTER DATABASE sets, which is read as an ALTER TABLE.
///
/// # Errors
/// `statement_refused` or `sql_invalid`.
pub(crate) fn database_retention(operation: &AlterTableOperation) -> Result<Option<i64>> {
    let AlterTableOperation::SetOptionsParens { options } = operation else {
        return Err(refused("this ALTER DATABASE", "use SET (retention = '30d')"));
    };
    match options.iter().map(setting).collect::<Result<Vec<_>>>()?.as_slice() {
        [TableSetting::Retention(retention_ns)] => Ok(*retention_ns),
        _ => Err(refused("this ALTER DATABASE", "use SET (retention = '30d')")),
    }
}
