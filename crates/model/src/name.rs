//! Names of databases, tables and columns: any UTF-8 of 1 to 255 bytes without control characters.
//!
//! A name is never a path: `../x` is a legal name, and turning names into directories is the
//! engine's business.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::limits::NAME_BYTES_MAX;

/// A checked name; cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// # Errors
    /// `invalid_name` when `text` is empty, longer than 255 bytes or holds a control character.
    pub fn new(text: &str) -> Result<Name> {
        if text.is_empty() {
            return Err(Error::new(Code::InvalidName, "a name is empty")
                .hint("give a name of 1 to 255 bytes"));
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(Error::new(
                Code::InvalidName,
                format!("a name of {} bytes is too long: {:?}…", text.len(), prefix(text, 40)),
            )
            .hint("give a name of 1 to 255 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(Error::new(
                Code::InvalidName,
                format!("the name {text:?} holds a control character"),
            )
            .hint("use printable characters in names"));
        }
        Ok(Name(Arc::from(text)))
    }

    /// A name that is known to be valid because it stands in the source code.
    ///
    /// # Panics
    /// When `text` is not a valid name.
    pub fn literal(text: &'static str) -> Name {
        Name::new(text).expect("a literal name is valid")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest prefix of `text` of at most `bytes` bytes that ends between characters.
pub fn prefix(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Up to three of `candidates` that are close to `wanted`, best first; for hints in errors.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let mut scored: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score > 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl TryFrom<String> for Name {
    type Error = Error;
    fn try_from(text: String) -> Result<Name> {
        Name::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.to_string()
    }
}
