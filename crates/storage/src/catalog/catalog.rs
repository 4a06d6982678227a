//! Databases and tables with their schemas: immutable, replaced as a whole by every change.
//!
//! Invariants: ids are never reused (the next ones are part of the state); names occur only here; a
//! dropped table's name leads to nothing, or to a new table with a new id.

use std::collections::BTreeMap;
use std::sync::Arc;

use pulsora_model::limits::Limits;
use pulsora_model::name::nearest;
use pulsora_model::schema::SchemaLookup;
use pulsora_model::{
    Code, DatabaseId, Error, Name, Result, SeriesLimits, SeriesRegistry, TableId, TableSchema,
};
use serde::{Deserialize, Serialize};

use super::registries::Registries;

/// Name of the database that always exists.
pub const DEFAULT_DATABASE: &str = "default";

/// One database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Database {
    /// Never reused.
    pub id: DatabaseId,
    /// As the user wrote it.
    pub name: Name,
    /// Its tables by name.
    pub tables: BTreeMap<Name, TableId>,
    /// How long rows of its tables are kept after their time, nanoseconds; `None` = for ever. A table may
    /// say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_ns: Option<i64>,
}

impl Database {
    /// One without tables.
    pub(super) fn new(id: DatabaseId, name: Name) -> Database {
        Database { id, name, tables: BTreeMap::new(), retention_ns: None }
    }
}

/// All names and schemas at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Catalog {
    pub(super) databases: BTreeMap<Name, Arc<Database>>,
    pub(super) tables: BTreeMap<TableId, Arc<TableSchema>>,
    pub(super) next_database: DatabaseId,
    pub(super) next_table: TableId,
    #[serde(skip)]
    pub(super) registries: Registries,
    /// Of the open engine.
    #[serde(skip)]
    pub(super) limits: Limits,
}

impl Default for Catalog {
    /// Only the database `default`, with id 1.
    fn default() -> Catalog {
        let name = Name::literal(DEFAULT_DATABASE);
        let database = Database::new(DatabaseId(1), name.clone());
        Catalog {
            databases: BTreeMap::from([(name, Arc::new(database))]),
            tables: BTreeMap::new(),
            next_database: DatabaseId(2),
            next_table: TableId(1),
            registries: Registries::default(),
            limits: Limits::default(),
        }
    }
}

impl Catalog {
    /// The databases by name.
    pub fn databases(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.databases.values()
    }

    /// The database with exactly this name.
    ///
    /// # Errors
    /// `database_not_found`, with the nearest names as hint.
    pub fn database(&self, name: &str) -> Result<&Arc<Database>> {
        self.databases.get(name).ok_or_else(|| {
            let names = self.databases.keys().map(Name::as_str);
            not_found(
                Code::DatabaseNotFound,
                format!("database {name:?} does not exist"),
                name,
                names,
            )
        })
    }

    /// The schema of a table by its exact names, as users see it.
    ///
    /// # Errors
    /// `database_not_found` or `table_not_found`, with the nearest names as hint.
    pub fn table(&self, database: &str, table: &str) -> Result<Arc<TableSchema>> {
        let owner = self.database(database)?;
        self.find_table(database, table).ok_or_else(|| {
            let names = owner.tables.keys().map(Name::as_str);
            let message = format!("table {table:?} does not exist in database {database:?}");
            not_found(Code::TableNotFound, message, table, names)
        })
    }

    /// The schema of a table by its exact names, as users see it, if the table exists.
    pub fn find_table(&self, database: &str, table: &str) -> Option<Arc<TableSchema>> {
        let id = self.databases.get(database)?.tables.get(table)?;
        self.tables.get(id).map(TableSchema::visible)
    }

    /// The schema of a table by its id, as its rows are stored: with the tags that were dropped.
    pub fn table_by_id(&self, id: TableId) -> Option<Arc<TableSchema>> {
        self.tables.get(&id).cloned()
    }

    /// The shared schema of a table by its id.
    pub(crate) fn table_ref(&self, id: TableId) -> Option<&Arc<TableSchema>> {
        self.tables.get(&id)
    }

    /// A database by its id.
    pub(crate) fn database_by_id(&self, id: DatabaseId) -> Option<&Arc<Database>> {
        self.databases.values().find(|database| database.id == id)
    }

    /// Every table of one database, by name, as users see it. Empty when the database does not exist.
    pub fn tables_of(&self, database: &str) -> Vec<Arc<TableSchema>> {
        let ids = self.databases.get(database).map(|database| database.tables.values());
        let tables = ids.into_iter().flatten().filter_map(|id| self.tables.get(id));
        tables.map(TableSchema::visible).collect()
    }

    /// How long rows of a table are kept after their time, nanoseconds; `None` = for ever.
    pub fn retention_ns(&self, schema: &TableSchema) -> Option<i64> {
        schema.retention_ns.or_else(|| self.database_by_id(schema.database)?.retention_ns)
    }

    /// Every table of every database.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableSchema>> {
        self.tables.values()
    }

    /// The name of a database by its id.
    pub fn database_name(&self, id: DatabaseId) -> Option<&Name> {
        self.database_by_id(id).map(|database| &database.name)
    }

    /// The id that the next new database gets.
    pub(crate) fn next_database_id(&self) -> DatabaseId {
        self.next_database
    }

    /// The id that the next new table gets.
    pub(crate) fn next_table_id(&self) -> TableId {
        self.next_table
    }

    /// What parsers of rows for one database ask. Holds this catalog.
    pub fn lookup(self: &Arc<Self>, database: &str) -> impl SchemaLookup + use<> {
        Lookup { catalog: Arc::clone(self), database: database.to_owned() }
    }

    /// What numbers the series of a table, in the catalog of an open engine.
    pub fn registry(&self, table: TableId) -> Option<&Arc<SeriesRegistry>> {
        self.registries.get(table)
    }

    /// Every registry.
    pub(crate) fn registries(&self) -> impl Iterator<Item = &Arc<SeriesRegistry>> {
        self.registries.iter()
    }

    /// The same with an empty registry for a table, whose series count anew.
    pub(crate) fn with_new_registry(&self, table: TableId) -> Catalog {
        let mut next = self.clone();
        next.registries.add(table);
        next
    }

    /// The bounds of what requests may make.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether a table that exists has room for one more column, of this name.
    ///
    /// # Errors
    /// `limit_exceeded`; those of [`Catalog::check_column_name`].
    pub(crate) fn check_new_column(&self, table: TableId, name: &Name) -> Result<()> {
        let stored = self.tables.get(&table).map_or(0, |stored| stored.columns.len());
        self.limits.check_columns(stored + 1)?;
        self.check_column_name(table, name)
    }

    /// Whether a column of a table may take this name, which none has that users see.
    ///
    /// # Errors
    /// `limit_exceeded`; `already_exists` for the name under which a dropped tag is kept.
    pub(crate) fn check_column_name(&self, table: TableId, name: &Name) -> Result<()> {
        self.limits.check_name(name)?;
        if self.tables.get(&table).is_some_and(|stored| stored.column(name).is_some()) {
            let message = format!("a tag that was dropped is kept as {:?}", &**name);
            return Err(Error::new(Code::AlreadyExists, message).hint("use another name"));
        }
        Ok(())
    }

    /// Whether a database has room for new tables.
    ///
    /// # Errors
    /// `limit_exceeded`.
    pub(crate) fn check_new_tables(&self, database: &str, new: usize) -> Result<()> {
        let present = self.databases.get(database).map_or(0, |database| database.tables.len());
        self.limits.check_tables(self.tables.len() + new, present + new)
    }

    /// The same with bounds.
    pub(crate) fn with_limits(self, limits: Limits) -> Catalog {
        Catalog { limits, ..self }
    }

    /// The same with a registry for every table, present and to come.
    pub(crate) fn with_registries(mut self, limits: SeriesLimits) -> Catalog {
        self.registries = Registries::of(self.tables.keys().copied(), limits);
        self
    }
}

/// A catalog as parsers see it.
struct Lookup {
    catalog: Arc<Catalog>,
    database: String,
}

impl SchemaLookup for Lookup {
    fn schema(&self, table: &str) -> Option<Arc<TableSchema>> {
        self.catalog.find_table(&self.database, table)
    }

    fn registry(&self, table: &TableSchema) -> Option<Arc<SeriesRegistry>> {
        self.catalog.registry(table.id).cloned()
    }

    fn limits(&self) -> Limits {
        self.catalog.limits
    }

    fn check_new_tables(&self, new: usize) -> Result<()> {
        self.catalog.check_new_tables(&self.database, new)
    }
}

fn not_found<'a>(
    code: Code,
    message: String,
    wanted: &str,
    names: impl Iterator<Item = &'a str>,
) -> Error {
    let near = nearest(wanted, names);
    let error = Error::new(code, message);
    if near.is_empty() { error } else { error.hint(format!("did you mean {}?", near.join(", "))) }
}
