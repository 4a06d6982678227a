//! Where the rows of a JSON body are: elements of an array, one object, or lines.

use memchr::memchr;
use pulsora_model::{Code, Error, Result};

use crate::json_reader::{JsonError, JsonReader, Kind};
use crate::rows::text::Text;
use crate::rows::{Place, RowError};

enum Form {
    Array,
    /// One object, and whether it has been handed out.
    Single {
        done: bool,
    },
    Lines {
        at: usize,
        line: u64,
    },
}

/// The rows of a body, one reader each.
pub(super) struct Source<'a> {
    text: &'a Text<'a>,
    reader: JsonReader<'a>,
    form: Form,
    index: u64,
}

/// One row: where it stands, and a reader before its value.
pub(super) struct Row<'a> {
    pub(super) place: Place,
    pub(super) reader: JsonReader<'a>,
}

impl<'a> Source<'a> {
    /// The elements of an array, or one object.
    ///
    /// # Errors
    /// `malformed_body` when the text starts otherwise.
    pub(super) fn document(text: &'a Text<'a>) -> Result<Source<'a>> {
        let mut reader = JsonReader::new(&text.text);
        let form = match reader.peek()? {
            Kind::Array => {
                reader.begin_array()?;
                Form::Array
            }
            Kind::Object => Form::Single { done: false },
            other => {
                return Err(Error::new(
                    Code::MalformedBody,
                    format!("the body is {}, not rows", other.noun()),
                )
                .hint("send an array of objects, or one object"));
            }
        };
        Ok(Source { text, reader, form, index: 0 })
    }

    /// One object per line.
    pub(super) fn lines(text: &'a Text<'a>) -> Source<'a> {
        let reader = JsonReader::new(&text.text);
        Source { text, reader, form: Form::Lines { at: 0, line: 0 }, index: 0 }
    }

    /// The next row; [`Source::done`] must be told how it went.
    ///
    /// # Errors
    /// `malformed_body` when the array goes on with something else than a value.
    pub(super) fn next(&mut self) -> Result<Option<Row<'a>>> {
        let more = match &mut self.form {
            Form::Lines { .. } => return Ok(self.next_line()),
            Form::Array => self.reader.element()?,
            Form::Single { done } => !std::mem::replace(done, true),
        };
        if !more {
            self.reader.end()?;
            return Ok(None);
        }
        let place = Place::Row(self.index);
        self.index += 1;
        Ok(Some(Row { place, reader: self.reader.clone() }))
    }

    fn next_line(&mut self) -> Option<Row<'a>> {
        let Form::Lines { at, line } = &mut self.form else {
            return None;
        };
        let text: &'a str = &self.text.text;
        while *at < text.len() {
            let end = memchr(b'\n', &text.as_bytes()[*at..]).map_or(text.len(), |n| *at + n);
            let content = &text[*at..end];
            *at = end + 1;
            *line += 1;
            if !content.trim_ascii().is_empty() {
                let reader = JsonReader::new(content).starting_at_line(*line);
                return Some(Row { place: Place::Line(*line), reader });
            }
        }
        None
    }

    /// Whether a row's line was UTF-8.
    pub(super) fn check_text(&self, row: &Row<'_>) -> Result<(), RowError> {
        match row.place {
            Place::Line(line) => self.text.check(line..=line),
            Place::Row(_) => Ok(()),
        }
    }

    /// Whether nothing stands behind a row on its line.
    pub(super) fn check_end(&self, row: &mut Row<'_>) -> Result<(), RowError> {
        match row.place {
            Place::Line(_) => row.reader.end().map_err(syntax),
            Place::Row(_) => Ok(()),
        }
    }

    /// Goes on behind `row`, which was read to its end if `is_read`.
    ///
    /// # Errors
    /// `malformed_body` when the row is not JSON and no line break says where the next one starts.
    pub(super) fn done(&mut self, row: Row<'a>, is_read: bool) -> Result<()> {
        match self.form {
            Form::Lines { .. } => {}
            _ if is_read => self.reader = row.reader,
            _ => self.reader.skip_value()?,
        }
        Ok(())
    }
}

/// A row that is not JSON.
pub(super) fn syntax(error: JsonError) -> RowError {
    RowError::new(Code::MalformedBody, format!("at column {}: {}", error.column, error.message))
}
