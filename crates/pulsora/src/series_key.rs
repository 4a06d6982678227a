//! Names one series: a table, its tags, and the field whose values are its points.
//!
//! Invariants: tags are in the order they were given, none twice; an empty value is an absent tag.

use pulsora_model::{Name, Result, TableSchema};
use pulsora_storage::TagPredicate;

/// The field of a series that names none.
pub const VALUE: &str = "value";

/// One series of one table: the rows that have exactly these tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesKey {
    pub(crate) table: Name,
    pub(crate) tags: Vec<(Name, String)>,
    pub(crate) field: Name,
}

impl SeriesKey {
    /// The series of `table` without tags; its points are the field `value`.
    ///
    /// # Errors
    /// `invalid_name`.
    pub fn new(table: &str) -> Result<SeriesKey> {
        Ok(SeriesKey { table: Name::new(table)?, tags: Vec::new(), field: Name::literal(VALUE) })
    }

    /// The series of `table` with these tags (name, value).
    ///
    /// # Errors
    /// `invalid_name`.
    pub fn with_tags(table: &str, tags: &[(&str, &str)]) -> Result<SeriesKey> {
        tags.iter().try_fold(SeriesKey::new(table)?, |key, (name, value)| key.tag(name, *value))
    }

    /// With this tag too; of a tag that comes twice the last value counts.
    ///
    /// # Errors
    /// `invalid_name`.
    pub fn tag(mut self, name: &str, value: impl Into<String>) -> Result<SeriesKey> {
        let name = Name::new(name)?;
        self.tags.retain(|(other, _)| *other != name);
        self.tags.push((name, value.into()));
        Ok(self)
    }

    /// With its points in this field instead of `value`.
    ///
    /// # Errors
    /// `invalid_name`.
    pub fn field(mut self, name: &str) -> Result<SeriesKey> {
        self.field = Name::new(name)?;
        Ok(self)
    }

    /// What its rows have in a table: these tags, and no other. `None` when the table has no tag of
    /// that name, so that no row can be of this series.
    pub(crate) fn predicates(&self, schema: &TableSchema) -> Option<Vec<TagPredicate>> {
        let wanted: Vec<_> = self.tags.iter().filter(|(_, value)| !value.is_empty()).collect();
        if wanted.iter().any(|(name, _)| !schema.tags().any(|tag| tag.name == *name)) {
            return None;
        }
        let value = |tag: &Name| wanted.iter().find(|(name, _)| name == tag);
        let predicate = |tag: &pulsora_model::Column| TagPredicate {
            column: tag.id,
            values: vec![value(&tag.name).map(|(_, value)| value.clone())],
        };
        Some(schema.tags().map(predicate).collect())
    }
}
