//! The reader itself: position, nesting, and the grammar of values.

use std::borrow::Cow;

use pulsora_model::{Code, Error};

use super::error::JsonError;
use super::number::{Fault, Number, scan};

/// Deepest nesting of objects and arrays; one bit per level in a word.
pub const DEPTH_MAX: u32 = 64;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    Object,
    /// `[`
    Array,
    /// `"`
    String,
    /// A digit or `-`.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`
    Null,
}

impl Kind {
    /// What error messages call it.
    pub fn noun(self) -> &'static str {
        match self {
            Kind::Object => "an object",
            Kind::Array => "an array",
            Kind::String => "text",
            Kind::Number => "a number",
            Kind::Bool => "a boolean",
            Kind::Null => "null",
        }
    }
}

/// A value without structure, or the news that one with structure comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'s> {
    /// `null`
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string without its escapes.
    Text(&'s str),
    /// An object or array begins; nothing has been read of it.
    Nested(Kind),
}

/// A position in a JSON text.
#[derive(Clone, Debug)]
pub struct JsonReader<'a> {
    text: &'a str,
    at: usize,
    first_line: u64,
    depth: u32,
    /// Bit d: nothing has been read yet of the object or array at depth d + 1.
    fresh: u64,
}

impl<'a> JsonReader<'a> {
    /// Reads `text` from its start.
    pub fn new(text: &'a str) -> JsonReader<'a> {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        JsonReader { text, at, first_line: 1, depth: 0, fresh: 0 }
    }

    /// Reads `body` from its start.
    ///
    /// # Errors
    /// `invalid_utf8` with the offset of the first byte that is not UTF-8.
    pub fn from_bytes(body: &'a [u8]) -> Result<JsonReader<'a>, Error> {
        simdutf8::compat::from_utf8(body).map(JsonReader::new).map_err(|error| {
            let at = error.valid_up_to();
            Error::new(Code::InvalidUtf8, format!("the body is not UTF-8 at byte {at}"))
                .hint("JSON is sent as UTF-8")
        })
    }

    /// The same reader for a text that is a part of a body and starts on its line `line` (from 1).
    #[must_use]
    pub fn starting_at_line(mut self, line: u64) -> JsonReader<'a> {
        self.first_line = line;
        self
    }

    /// Byte offset of what comes next.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Line of what comes next, from 1. Counts from the start: for errors only.
    pub fn line(&self) -> u64 {
        self.error("").line
    }

    /// The text being read.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// An error at the present position.
    pub fn error(&self, message: impl Into<Cow<'static, str>>) -> JsonError {
        JsonError::at(self.text, self.at, self.first_line, message)
    }

    /// What comes next.
    ///
    /// # Errors
    /// When no value starts here.
    pub fn peek(&mut self) -> Result<Kind, JsonError> {
        self.skip_space();
        Ok(match self.byte() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => return Err(self.unexpected("a value")),
        })
    }

    /// Whether nothing but white space is left.
    pub fn at_end(&mut self) -> bool {
        self.skip_space();
        self.at == self.text.len()
    }

    /// Checks that nothing but white space is left.
    ///
    /// # Errors
    /// When something is.
    pub fn end(&mut self) -> Result<(), JsonError> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected("the end")) }
    }

    /// Enters an object.
    ///
    /// # Errors
    /// When none starts here, or the nesting is too deep.
    pub fn begin_object(&mut self) -> Result<(), JsonError> {
        self.begin(b'{', "an object")
    }

    /// The next key of the object; its value comes next. `None`: the object has ended. Text with
    /// escapes is put together in `scratch`.
    ///
    /// # Errors
    /// When the text is not an object here.
    pub fn key<'s>(&mut self, scratch: &'s mut String) -> Result<Option<&'s str>, JsonError>
    where
        'a: 's,
    {
        if !self.next_key()? {
            return Ok(None);
        }
        let key = self.string(scratch)?;
        self.expect_colon()?;
        Ok(Some(key))
    }

    /// Enters an array.
    ///
    /// # Errors
    /// When none starts here, or the nesting is too deep.
    pub fn begin_array(&mut self) -> Result<(), JsonError> {
        self.begin(b'[', "an array")
    }

    /// Whether another element of the array comes; `false`: the array has ended.
    ///
    /// # Errors
    /// When the text is not an array here.
    pub fn element(&mut self) -> Result<bool, JsonError> {
        self.next_member(b']', "',' or ']'")
    }

    /// Reads a string. Text with escapes is put together in `scratch`.
    ///
    /// # Errors
    /// When no string starts here or it is not well formed.
    pub fn string<'s>(&mut self, scratch: &'s mut String) -> Result<&'s str, JsonError>
    where
        'a: 's,
    {
        self.open_string()?;
        let start = self.at;
        if self.run()? {
            return Ok(&self.text[start..self.at - 1]);
        }
        scratch.clear();
        scratch.push_str(&self.text[start..self.at]);
        loop {
            let escaped = self.escape()?;
            scratch.push(escaped);
            let start = self.at;
            if self.run()? {
                scratch.push_str(&self.text[start..self.at - 1]);
                return Ok(scratch);
            }
            scratch.push_str(&self.text[start..self.at]);
        }
    }

    /// Reads a number.
    ///
    /// # Errors
    /// When none starts here, or it is beyond the largest double.
    pub fn number(&mut self) -> Result<Number, JsonError> {
        self.skip_space();
        match scan(&self.text.as_bytes()[self.at..]) {
            Ok((number, len)) => {
                self.at += len;
                Ok(number)
            }
            Err(Fault::Grammar) => Err(self.unexpected("a number")),
            Err(Fault::Range) => Err(self.error("this number is too large for a float")),
        }
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    /// When neither comes.
    pub fn boolean(&mut self) -> Result<bool, JsonError> {
        self.skip_space();
        if self.take(b"true") {
            Ok(true)
        } else if self.take(b"false") {
            Ok(false)
        } else {
            Err(self.unexpected("true or false"))
        }
    }

    /// Reads `null`.
    ///
    /// # Errors
    /// When it does not come.
    pub fn null(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.take(b"null") { Ok(()) } else { Err(self.unexpected("null")) }
    }

    /// Reads a value without structure; of an object or array only its kind, with nothing read.
    ///
    /// # Errors
    /// When no value starts here.
    pub fn scalar<'s>(&mut self, scratch: &'s mut String) -> Result<Scalar<'s>, JsonError>
    where
        'a: 's,
    {
        Ok(match self.peek()? {
            Kind::Null => {
                self.null()?;
                Scalar::Null
            }
            Kind::Bool => Scalar::Bool(self.boolean()?),
            Kind::Number => Scalar::Number(self.number()?),
            Kind::String => Scalar::Text(self.string(scratch)?),
            nested @ (Kind::Object | Kind::Array) => Scalar::Nested(nested),
        })
    }

    /// Passes over one value of any kind, and checks it.
    ///
    /// # Errors
    /// When it is not well formed.
    pub fn skip_value(&mut self) -> Result<(), JsonError> {
        match self.peek()? {
            Kind::Null => self.null(),
            Kind::Bool => self.boolean().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::String => self.skip_string(),
            Kind::Array => {
                self.begin_array()?;
                while self.element()? {
                    self.skip_value()?;
                }
                Ok(())
            }
            Kind::Object => {
                self.begin_object()?;
                while self.next_key()? {
                    self.skip_string()?;
                    self.expect_colon()?;
                    self.skip_value()?;
                }
                Ok(())
            }
        }
    }

    /// Passes over one value and gives its text as it stands.
    ///
    /// # Errors
    /// When it is not well formed.
    pub fn raw_value(&mut self) -> Result<&'a str, JsonError> {
        self.skip_space();
        let start = self.at;
        self.skip_value()?;
        Ok(&self.text[start..self.at])
    }

    fn begin(&mut self, opening: u8, what: &'static str) -> Result<(), JsonError> {
        self.skip_space();
        if self.byte() != Some(opening) {
            return Err(self.unexpected(what));
        }
        if self.depth == DEPTH_MAX {
            return Err(self.error(format!("nesting is deeper than {DEPTH_MAX}")));
        }
        self.fresh |= 1 << self.depth;
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Goes to the next member of the innermost object or array, or past its `closing`.
    fn next_member(&mut self, closing: u8, expected: &'static str) -> Result<bool, JsonError> {
        let Some(level) = self.depth.checked_sub(1) else {
            return Err(self.error("no object or array is open here"));
        };
        self.skip_space();
        let fresh = self.fresh & (1 << level) != 0;
        match self.byte() {
            Some(byte) if byte == closing => {
                self.at += 1;
                self.depth = level;
                return Ok(false);
            }
            Some(b',') if !fresh => {
                self.at += 1;
                self.skip_space();
            }
            Some(_) if fresh => self.fresh &= !(1 << level),
            _ => return Err(self.unexpected(expected)),
        }
        Ok(true)
    }

    /// Goes to the quote of the next key, or past the end of the object.
    fn next_key(&mut self) -> Result<bool, JsonError> {
        let found = self.next_member(b'}', "',' or '}'")?;
        if found && self.byte() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        Ok(found)
    }

    fn expect_colon(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.byte() != Some(b':') {
            return Err(self.unexpected("':'"));
        }
        self.at += 1;
        Ok(())
    }

    fn open_string(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.byte() != Some(b'"') {
            return Err(self.unexpected("text in double quotes"));
        }
        self.at += 1;
        Ok(())
    }

    fn skip_string(&mut self) -> Result<(), JsonError> {
        self.open_string()?;
        while !self.run()? {
            self.escape()?;
        }
        Ok(())
    }

    /// Passes over plain characters: `true` past the closing quote, `false` before an escape.
    fn run(&mut self) -> Result<bool, JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        let Some(len) = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)) else {
            self.at = self.text.len();
            return Err(self.error("the text has no closing quote"));
        };
        self.at += len;
        match rest[len] {
            b'"' => {
                self.at += 1;
                Ok(true)
            }
            b'\\' => Ok(false),
            _ => Err(self.error("a control character in text must be written as an escape")),
        }
    }

    /// Reads one escape, or the two of a surrogate pair.
    fn escape(&mut self) -> Result<char, JsonError> {
        let escaped = match self.text.as_bytes().get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.error("unknown escape in text")),
        };
        self.at += 2;
        Ok(escaped)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let lone = "half of a surrogate pair in text";
        let unit = self.hex_unit()?;
        if !(0xd800..0xe000).contains(&unit) {
            return char::from_u32(unit).ok_or_else(|| self.error(lone));
        }
        if unit >= 0xdc00 || !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            return Err(self.error(lone));
        }
        let low = self.hex_unit()?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(self.error(lone));
        }
        char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
            .ok_or_else(|| self.error(lone))
    }

    /// Reads `\uXXXX`.
    fn hex_unit(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.as_bytes().get(self.at + 2..self.at + 6);
        let unit = digits.and_then(|digits| {
            digits
                .iter()
                .try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
        });
        let unit = unit.ok_or_else(|| self.error("\\u needs four hexadecimal digits"))?;
        self.at += 6;
        Ok(unit)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.byte() {
            self.at += 1;
        }
    }

    fn take(&mut self, word: &[u8]) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn unexpected(&self, expected: &'static str) -> JsonError {
        match self.text[self.at..].chars().next() {
            Some(found) => self.error(format!("expected {expected}, found {found:?}")),
            None => self.error(format!("expected {expected}, found the end of the text")),
        }
    }
}
