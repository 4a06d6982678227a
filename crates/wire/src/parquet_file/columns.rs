//! Which columns of a file tables can have.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use pulsora_model::limits::{COLUMNS_MAX, DETAILS_MAX, too_many_columns};
use pulsora_model::{Code, Detail, Error, Result};

use crate::results::type_name;
use crate::rows::plain::{plain_type, refuse};

/// Names of a nested column that an error lists.
const NESTED_SHOWN: usize = 5;

/// Checks that tables can have every column.
///
/// # Errors
/// `limit_exceeded` for too many; `type_conflict` that names each one that tables do not have.
pub(super) fn check(schema: &Schema) -> Result<()> {
    if schema.fields().len() > COLUMNS_MAX {
        return Err(too_many_columns("the file"));
    }
    let strange = |field: &&Arc<Field>| plain_type(field.data_type()).is_none();
    let refused: Vec<&Arc<Field>> = schema.fields().iter().filter(strange).collect();
    match refused[..] {
        [] => Ok(()),
        [field] => Err(refuse(field.name(), &described(field.data_type()))),
        _ => Err(all(&refused)),
    }
}

fn all(refused: &[&Arc<Field>]) -> Error {
    let one =
        |field: &&Arc<Field>| format!("{:?} ({})", field.name(), described(field.data_type()));
    let list: Vec<String> = refused.iter().take(DETAILS_MAX).map(one).collect();
    let message = format!(
        "{} columns have types that tables do not have: {}",
        refused.len(),
        list.join(", ")
    );
    let details = refused.iter().take(DETAILS_MAX).map(|field| Detail {
        column: Some(field.name().clone()),
        message: format!("tables have no {}", described(field.data_type())),
        ..Detail::default()
    });
    Error::new(Code::TypeConflict, message)
        .hint("cast them to integer, float, boolean, text or timestamp columns, or leave them out")
        .details(details)
}

/// A type with what it is made of, one level deep.
fn described(ty: &DataType) -> String {
    match ty {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("list of {}", type_name(item.data_type()))
        }
        DataType::Struct(fields) => format!("struct of {}", names(fields)),
        _ => type_name(ty),
    }
}

fn names(fields: &Fields) -> String {
    let mut names: Vec<&str> =
        fields.iter().take(NESTED_SHOWN).map(|field| field.name().as_str()).collect();
    if fields.len() > NESTED_SHOWN {
        names.push("…");
    }
    names.join(", ")
}

/// The columns as they are to be read: text as views, which take the same memory however often a text
/// occurs, or as a dictionary where the caller knows that few texts occur often.
pub(super) fn as_read(schema: &SchemaRef, dictionaries: &[String]) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 if dictionaries.contains(field.name()) => {
            let (keys, texts) = (Box::new(DataType::Int32), Box::new(DataType::Utf8));
            with_type(field, DataType::Dictionary(keys, texts))
        }
        DataType::Utf8 => with_type(field, DataType::Utf8View),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn with_type(field: &Field, ty: DataType) -> Arc<Field> {
    Arc::new(field.clone().with_data_type(ty))
}
