//! One point: which of its keys are there, as raw JSON.

use crate::json_reader::{JsonError, JsonReader, Kind};

/// The raw values of a point's keys; `null` is absent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Point<'a> {
    pub(super) metric: Option<&'a str>,
    pub(super) timestamp: Option<&'a str>,
    pub(super) value: Option<&'a str>,
    pub(super) fields: Option<&'a str>,
    pub(super) tags: Option<&'a str>,
}

impl<'a> Point<'a> {
    /// Reads the point that comes next; `None` when it is no object.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub(super) fn read(
        reader: &mut JsonReader<'a>,
        scratch: &mut String,
    ) -> Result<Option<Point<'a>>, JsonError> {
        if reader.peek()? != Kind::Object {
            reader.skip_value()?;
            return Ok(None);
        }
        let mut point = Point::default();
        let mut ignored = None;
        reader.begin_object()?;
        while let Some(key) = reader.key(scratch)? {
            let slot = match key {
                "metric" => &mut point.metric,
                "timestamp" => &mut point.timestamp,
                "value" => &mut point.value,
                "fields" => &mut point.fields,
                "tags" => &mut point.tags,
                _ => &mut ignored,
            };
            *slot = Some(reader.raw_value()?).filter(|raw| *raw != "null");
        }
        Ok(Some(point))
    }
}
