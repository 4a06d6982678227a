//! The labels of a series: as they stand in a 1.0 message, or gathered from elsewhere.
//!
//! Nearly always the labels of a series come first in its message and without a gap. Their bytes are
//! then a name for the series that is compared without reading them. Series of 2.0, whose labels are
//! numbers, get the same bytes put together, so both versions know each other's series.

use pulsora_model::limits::{EXCERPT_BYTES, TAGS_MAX};
use pulsora_model::name::prefix;

use crate::protobuf::{ProtobufError, ProtobufReader, Value, bytes_len, put_bytes, put_key};

type Result<T> = std::result::Result<T, ProtobufError>;

/// The field of a series with one label.
pub(super) const LABEL: u32 = 1;

/// The key byte of that field; also the first byte of every raw name of a series, by which they differ
/// from those of other formats.
const LABEL_KEY: u8 = 0x0a;

/// The label that names the table.
pub(super) const NAME: &[u8] = b"__name__";

/// How a label `__name__` starts: its name, and the key of its value.
const NAME_LABEL: &[u8] = b"\x0a\x08__name__\x12";

/// Name and value, not known to be UTF-8.
pub(super) type Label<'a> = (&'a [u8], &'a [u8]);

/// The labels at the start of a 1.0 series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    /// Their fields.
    pub(super) raw: &'a [u8],
    /// The value of `__name__`, if a label of them is that in its usual form.
    pub(super) name: Option<&'a [u8]>,
    /// What follows.
    pub(super) rest: &'a [u8],
}

impl<'a> Run<'a> {
    pub(super) fn split(message: &'a [u8]) -> Result<Run<'a>> {
        let mut rest = message;
        let mut name = None;
        while let [LABEL_KEY, after @ ..] = rest {
            let mut reader = ProtobufReader::new(after);
            let label = reader.bytes()?;
            rest = reader.rest();
            if name.is_none()
                && let Some(value) = label.strip_prefix(NAME_LABEL)
            {
                let mut value = ProtobufReader::new(value);
                let text = value.bytes()?;
                name = value.rest().is_empty().then_some(text);
            }
        }
        Ok(Run { raw: &message[..message.len() - rest.len()], name, rest })
    }
}

/// Reads one label.
pub(super) fn label(message: &[u8]) -> Result<Label<'_>> {
    let mut label: Label<'_> = (b"", b"");
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        match field.number {
            1 => label.0 = field.value.bytes()?,
            2 => label.1 = field.value.bytes()?,
            _ => {}
        }
    }
    Ok(label)
}

/// Labels that are gathered of one series at most: one more than any table takes, with the name.
pub(super) const GATHERED_MAX: usize = TAGS_MAX + 2;

/// Gathers the labels of a 1.0 series, wherever they stand; at most [`GATHERED_MAX`].
pub(super) fn gather<'a>(message: &'a [u8], labels: &mut Vec<Label<'a>>) -> Result<()> {
    labels.clear();
    let mut reader = ProtobufReader::new(message);
    while let Some(field) = reader.field()? {
        if let (LABEL, Value::Bytes(message)) = (field.number, field.value)
            && labels.len() < GATHERED_MAX
        {
            labels.push(label(message)?);
        }
    }
    Ok(())
}

/// The labels as a 1.0 series would have them.
pub(super) fn put_raw(labels: &[Label<'_>], raw: &mut Vec<u8>) {
    raw.clear();
    for (name, value) in labels {
        put_key(raw, LABEL, bytes_len(name) + bytes_len(value));
        put_bytes(raw, 1, name);
        put_bytes(raw, 2, value);
    }
}

/// The series as people write it, cut, for errors.
pub(super) fn text(labels: &[Label<'_>]) -> String {
    let name = labels.iter().find(|(name, _)| *name == NAME).map_or(&b""[..], |(_, value)| value);
    let mut text = String::from_utf8_lossy(name).into_owned();
    let mut open = '{';
    for (name, value) in labels.iter().filter(|(name, _)| *name != NAME) {
        if text.len() > EXCERPT_BYTES {
            break;
        }
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        text.push_str(&format!("{open}{name}={value:?}"));
        open = ',';
    }
    if open == ',' {
        text.push('}');
    }
    prefix(&text, EXCERPT_BYTES).to_owned()
}
