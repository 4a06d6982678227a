//! Which rows of a table a query looks at: everything of its filters that the engine evaluates.

use std::fmt;
use std::ops::Bound;

use datafusion::logical_expr::Expr;
use pulsora_model::time::time_text;
use pulsora_model::{ColumnId, TableSchema};
use pulsora_storage::{FieldPredicate, FieldTest, FieldValue, TagPredicate, TimeRange};

use super::filter::{Condition, conditions};

/// A range of time that holds nothing.
const NEVER: TimeRange = TimeRange { start_ns: 1, end_ns: 0 };

/// Rows of a table: all of it must hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selection {
    pub(crate) time: TimeRange,
    pub(crate) tags: Vec<TagPredicate>,
    pub(crate) fields: Vec<FieldPredicate>,
}

impl Selection {
    /// Every row.
    pub(crate) fn all() -> Selection {
        Selection { time: TimeRange::ALL, tags: Vec::new(), fields: Vec::new() }
    }

    /// The rows for which all filters hold; `None` when one cannot be evaluated by the engine.
    pub(crate) fn of(filters: &[Expr], schema: &TableSchema) -> Option<Selection> {
        let mut selection = Selection::all();
        for filter in filters {
            conditions(filter, schema)?.into_iter().for_each(|one| selection.add(one));
        }
        Some(selection)
    }

    /// Narrows it.
    pub(crate) fn add(&mut self, condition: Condition) {
        match condition {
            Condition::Time(range) => self.time = self.time.intersect(&range),
            Condition::Tag(predicate) => self.tags.push(predicate),
            Condition::Field(predicate) => self.fields.push(predicate),
            Condition::Never => self.time = NEVER,
        }
    }

    /// Whether both say the same, in whatever order.
    pub(crate) fn is_same(&self, other: &Selection) -> bool {
        let tags = |selection: &Selection| {
            let tags = selection.tags.iter().map(|tag| {
                let mut values = tag.values.clone();
                values.sort();
                (tag.column, values)
            });
            let mut tags: Vec<_> = tags.collect();
            tags.sort();
            tags
        };
        let fields = |selection: &Selection| {
            let mut fields: Vec<String> =
                selection.fields.iter().map(|field| format!("{field:?}")).collect();
            fields.sort();
            fields
        };
        self.time == other.time && tags(self) == tags(other) && fields(self) == fields(other)
    }

    /// Whether it is known to hold nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// Writes what is not everything, each part after a comma.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, table: &TableSchema) -> fmt::Result {
        let name = |id: ColumnId| table.column_by_id(id).map_or("?", |column| &column.name);
        if self.time != TimeRange::ALL {
            let bound =
                |time_ns, open| if time_ns == open { "..".into() } else { time_text(time_ns) };
            let TimeRange { start_ns, end_ns } = self.time;
            write!(f, ", time=[{}, {}]", bound(start_ns, i64::MIN), bound(end_ns, i64::MAX))?;
        }
        if !self.tags.is_empty() {
            let tags = self.tags.iter().map(|tag| {
                let values = tag.values.iter().map(|value| value.as_deref().unwrap_or("null"));
                let values: Vec<&str> = values.collect();
                format!("{} in ({})", name(tag.column), values.join(", "))
            });
            write!(f, ", tags=[{}]", tags.collect::<Vec<_>>().join(", "))?;
        }
        if !self.fields.is_empty() {
            let fields = self.fields.iter().map(|field| field_text(name(field.column), field));
            write!(f, ", fields=[{}]", fields.collect::<Vec<_>>().join(", "))?;
        }
        Ok(())
    }
}

fn field_text(name: &str, field: &FieldPredicate) -> String {
    let (min, max) = match &field.test {
        FieldTest::IsNull => return format!("{name} is null"),
        FieldTest::IsNotNull => return format!("{name} is not null"),
        FieldTest::Range { min, max } => (min, max),
    };
    let low = match min {
        Bound::Included(value) => Some(format!("{name} >= {}", value_text(value))),
        Bound::Excluded(value) => Some(format!("{name} > {}", value_text(value))),
        Bound::Unbounded => None,
    };
    let high = match max {
        Bound::Included(value) => Some(format!("{name} <= {}", value_text(value))),
        Bound::Excluded(value) => Some(format!("{name} < {}", value_text(value))),
        Bound::Unbounded => None,
    };
    match (low, high) {
        (None, None) => format!("{name} is not null"),
        (Some(_), Some(_)) if min == max => {
            let value = match min {
                Bound::Included(value) | Bound::Excluded(value) => value_text(value),
                Bound::Unbounded => String::new(),
            };
            format!("{name} = {value}")
        }
        (low, high) => low.into_iter().chain(high).collect::<Vec<_>>().join(" and "),
    }
}

fn value_text(value: &FieldValue) -> String {
    match value {
        FieldValue::I64(value) => value.to_string(),
        FieldValue::U64(value) => value.to_string(),
        FieldValue::F64(value) => value.to_string(),
        FieldValue::Bool(value) => value.to_string(),
        FieldValue::Utf8(text) => format!("{text:?}"),
        FieldValue::Time(time_ns) => time_text(*time_ns),
    }
}
