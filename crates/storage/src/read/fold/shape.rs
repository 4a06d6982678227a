//! A fold resolved against a schema: which columns are read, what is kept of each, and the columns of
//! the result.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use pulsora_model::types::{tag_type, timestamp_type};
use pulsora_model::{Code, Column, ColumnId, ColumnKind, ColumnType, Error, Result, TableSchema};

use super::ask::{Bucket, Fold, Function};

/// What is kept of the values of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wants {
    pub sum: bool,
    pub min: bool,
    pub max: bool,
    pub first: bool,
    pub last: bool,
}

impl Wants {
    /// Whether times of rows are needed.
    pub fn times(self) -> bool {
        self.first || self.last
    }

    /// Whether more than the number of values is needed.
    pub fn values(self) -> bool {
        self != Wants::default()
    }
}

/// A column of which values are folded.
#[derive(Clone, Debug)]
pub(super) struct Folded {
    pub column: Column,
    /// Type of its values.
    pub ty: ColumnType,
    pub wants: Wants,
}

/// Where a column of the result comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Rows,
    Count(usize),
    Sum(usize),
    Mean(usize),
    Min(usize),
    Max(usize),
    First(usize),
    Last(usize),
    /// Position among the picked columns.
    FirstRow(usize),
    LastRow(usize),
}

/// A fold with its columns.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub by: Vec<Column>,
    pub bucket: Option<Bucket>,
    pub folded: Vec<Folded>,
    /// Columns of first and last rows.
    pub picked: Vec<Column>,
    pub first_row: bool,
    pub last_row: bool,
    pub outputs: Vec<Output>,
    pub time: Column,
    pub schema: SchemaRef,
}

impl Shape {
    /// Resolves `fold`.
    ///
    /// # Errors
    /// `column_not_found`; `sql_invalid` for a function that the column's type does not have;
    /// `invalid_request` for a width under 1 ns, a `by` that is no tag, or `newest_buckets` out of place.
    pub fn new(fold: &Fold, schema: &TableSchema) -> Result<Shape> {
        check(fold)?;
        let by = fold.by.iter().map(|id| tag(schema, *id)).collect::<Result<Vec<_>>>()?;
        let mut shape = Shape {
            bucket: fold.bucket,
            folded: Vec::new(),
            picked: Vec::new(),
            first_row: false,
            last_row: false,
            outputs: Vec::new(),
            time: schema.time().clone(),
            schema: Arc::new(Schema::empty()),
            by,
        };
        let mut fields: Vec<Field> =
            shape.by.iter().map(|tag| Field::new(tag.name.as_str(), tag_type(), true)).collect();
        if shape.bucket.is_some() {
            fields.push(Field::new(shape.time.name.as_str(), timestamp_type(), false));
        }
        for aggregate in &fold.aggregates {
            let output = match aggregate.function {
                Function::CountRows => Output::Rows,
                function => shape.output(function, find(schema, aggregate.column)?)?,
            };
            shape.outputs.push(output);
            fields.push(shape.field(output, fields.len()));
        }
        shape.schema = Arc::new(Schema::new(fields));
        Ok(shape)
    }

    fn output(&mut self, function: Function, column: &Column) -> Result<Output> {
        if matches!(function, Function::FirstRow | Function::LastRow) {
            let known = self.picked.iter().position(|picked| picked.id == column.id);
            let at = known.unwrap_or_else(|| {
                self.picked.push(column.clone());
                self.picked.len() - 1
            });
            self.first_row |= function == Function::FirstRow;
            self.last_row |= function == Function::LastRow;
            return Ok(match function {
                Function::FirstRow => Output::FirstRow(at),
                _ => Output::LastRow(at),
            });
        }
        let ty = value_type(column);
        let numeric =
            matches!(ty, ColumnType::I64 | ColumnType::U64 | ColumnType::F64 | ColumnType::Untyped);
        if matches!(function, Function::Sum | Function::Mean) && !numeric {
            let message = format!("column {:?} ({}) has no sum", column.name, ty.noun());
            return Err(Error::new(Code::SqlInvalid, message)
                .hint("sums and means are of integers and floats"));
        }
        let known = self.folded.iter().position(|folded| folded.column.id == column.id);
        let at = known.unwrap_or_else(|| {
            let wants = Wants::default();
            self.folded.push(Folded { column: column.clone(), ty, wants });
            self.folded.len() - 1
        });
        let wants = &mut self.folded[at].wants;
        let (wanted, output) = match function {
            Function::Sum => (&mut wants.sum, Output::Sum(at)),
            Function::Mean => (&mut wants.sum, Output::Mean(at)),
            Function::Min => (&mut wants.min, Output::Min(at)),
            Function::Max => (&mut wants.max, Output::Max(at)),
            Function::First => (&mut wants.first, Output::First(at)),
            Function::Last => (&mut wants.last, Output::Last(at)),
            _ => return Ok(Output::Count(at)),
        };
        *wanted = true;
        Ok(output)
    }

    /// The field of an output; names are told apart by position, callers give their own.
    fn field(&self, output: Output, position: usize) -> Field {
        let (what, ty) = match output {
            Output::Rows | Output::Count(_) => ("count", DataType::Int64),
            Output::Mean(_) => ("mean", DataType::Float64),
            Output::Sum(at) => ("sum", self.folded[at].column.arrow_type()),
            Output::Min(at) => ("min", self.folded[at].column.arrow_type()),
            Output::Max(at) => ("max", self.folded[at].column.arrow_type()),
            Output::First(at) => ("first", self.folded[at].column.arrow_type()),
            Output::Last(at) => ("last", self.folded[at].column.arrow_type()),
            Output::FirstRow(at) => ("first_row", self.picked[at].arrow_type()),
            Output::LastRow(at) => ("last_row", self.picked[at].arrow_type()),
        };
        let nullable = !matches!(output, Output::Rows | Output::Count(_));
        Field::new(format!("{what}_{position}"), ty, nullable)
    }

    /// Whether nothing but the last row of each group is asked for.
    pub fn is_last_rows(&self) -> bool {
        self.bucket.is_none()
            && !self.outputs.is_empty()
            && self.outputs.iter().all(|output| matches!(output, Output::LastRow(_)))
    }

    /// Whether the times of values are needed, beside buckets.
    pub fn folds_times(&self) -> bool {
        self.first_row || self.last_row || self.folded.iter().any(|folded| folded.wants.times())
    }

    /// Whether the times of rows are needed.
    pub fn needs_times(&self) -> bool {
        self.bucket.is_some() || self.folds_times()
    }

    /// The columns that a scan must give: folded, picked, tags of groups, time; each once.
    pub fn columns(&self) -> Vec<Column> {
        let time = self.needs_times().then_some(&self.time);
        let all = self.folded.iter().map(|folded| &folded.column);
        let all = all.chain(&self.picked).chain(&self.by).chain(time);
        let mut columns: Vec<Column> = Vec::new();
        for column in all {
            if !columns.iter().any(|known| known.id == column.id) {
                columns.push(column.clone());
            }
        }
        columns
    }
}

fn check(fold: &Fold) -> Result<()> {
    let invalid = |message: &str| Err(Error::new(Code::InvalidRequest, message));
    if fold.bucket.is_some_and(|bucket| bucket.width_ns < 1) {
        return invalid("a bucket must be at least one nanosecond wide");
    }
    if fold.newest_buckets.is_some() && (fold.bucket.is_none() || !fold.by.is_empty()) {
        return invalid(
            "the newest buckets can only be asked for with a bucket and without groups",
        );
    }
    Ok(())
}

fn find(schema: &TableSchema, id: ColumnId) -> Result<&Column> {
    schema.column_by_id(id).ok_or_else(|| {
        let message = format!("table {:?} has no column with id {id}", schema.name);
        Error::new(Code::ColumnNotFound, message)
    })
}

fn tag(schema: &TableSchema, id: ColumnId) -> Result<Column> {
    let column = find(schema, id)?;
    if column.kind != ColumnKind::Tag {
        let message = format!("column {:?} is no tag, groups are by tags", column.name);
        return Err(Error::new(Code::InvalidRequest, message));
    }
    Ok(column.clone())
}

fn value_type(column: &Column) -> ColumnType {
    match column.kind {
        ColumnKind::Time => ColumnType::Timestamp,
        ColumnKind::Tag => ColumnType::Utf8,
        ColumnKind::Id => ColumnType::U64,
        ColumnKind::Field => column.ty,
    }
}
