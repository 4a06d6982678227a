//! A pull reader of the fields of one message.
//!
//! Invariants: no bytes make it panic; a value of bytes is a part of the message; a length is believed
//! only if the bytes are there; after an error the position is undefined.

use pulsora_model::{Code, Error};

/// The value of a field, by its type on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    /// Text, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) value: Value<'a>,
}

/// What is wrong with a message, one lower-case clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProtobufError(pub(crate) &'static str);

impl From<ProtobufError> for Error {
    fn from(error: ProtobufError) -> Error {
        Error::new(Code::MalformedBody, format!("the protobuf is not valid: {}", error.0))
    }
}

type Result<T> = std::result::Result<T, ProtobufError>;

const TRUNCATED: ProtobufError = ProtobufError("a message ends within a field");
const NUMBER_MAX: u64 = (1 << 29) - 1;

/// A position in a message.
#[derive(Clone, Debug)]
pub(crate) struct ProtobufReader<'a> {
    rest: &'a [u8],
}

impl<'a> ProtobufReader<'a> {
    pub(crate) fn new(message: &'a [u8]) -> ProtobufReader<'a> {
        ProtobufReader { rest: message }
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next field; `None` at the end of the message.
    #[inline]
    pub(crate) fn field(&mut self) -> Result<Option<Field<'a>>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > NUMBER_MAX {
            return Err(ProtobufError("the number of a field is out of range"));
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Value::Bytes(self.bytes()?),
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            3 | 4 => return Err(ProtobufError("groups are not read")),
            _ => return Err(ProtobufError("a field has an unknown type")),
        };
        Ok(Some(Field { number: number as u32, value }))
    }

    /// A varint without a key, as in packed fields.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64> {
        match *self.rest {
            [first @ 0..0x80, ref rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(first))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for (at, byte) in self.rest.iter().enumerate().take(10) {
            // Of the tenth byte only the lowest bit has room.
            if at == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { TRUNCATED } else { ProtobufError("a varint is too long") })
    }

    /// A length and so many bytes.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(self.varint()?).map_err(|_| TRUNCATED)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*bytes)
    }
}

const WRONG_TYPE: ProtobufError = ProtobufError("a field has another type than its message says");

impl<'a> Value<'a> {
    /// A message, text or bytes.
    pub(crate) fn bytes(self) -> Result<&'a [u8]> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WRONG_TYPE),
        }
    }

    /// A text.
    pub(crate) fn text(self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| ProtobufError("a text is not UTF-8"))
    }

    /// An unsigned integer, an enum or a boolean.
    pub(crate) fn varint(self) -> Result<u64> {
        match self {
            Value::Varint(value) => Ok(value),
            _ => Err(WRONG_TYPE),
        }
    }

    /// A zigzag integer of 32 bits.
    pub(crate) fn sint32(self) -> Result<i32> {
        // Like other implementations: the upper half of an integer of 32 bits is cut.
        Ok(zigzag(self.varint()? & 0xffff_ffff) as i32)
    }

    /// An integer of 8 bytes.
    pub(crate) fn fixed64(self) -> Result<u64> {
        match self {
            Value::Fixed64(value) => Ok(value),
            _ => Err(WRONG_TYPE),
        }
    }

    /// A float of 8 bytes, with every bit of a NaN.
    #[inline]
    pub(crate) fn double(self) -> Result<f64> {
        self.fixed64().map(f64::from_bits)
    }

    /// The varints of a repeated field, packed or one of them.
    pub(crate) fn each_varint(self, mut each: impl FnMut(u64)) -> Result<()> {
        let packed = match self {
            Value::Varint(value) => {
                each(value);
                return Ok(());
            }
            packed => packed.bytes()?,
        };
        let mut reader = ProtobufReader::new(packed);
        while !reader.rest.is_empty() {
            each(reader.varint()?);
        }
        Ok(())
    }

    /// The 8-byte values of a repeated field, packed or one of them.
    pub(crate) fn each_fixed64(self, mut each: impl FnMut(u64)) -> Result<()> {
        let packed = match self {
            Value::Fixed64(value) => {
                each(value);
                return Ok(());
            }
            packed => packed.bytes()?,
        };
        let (values, rest) = packed.as_chunks();
        values.iter().for_each(|value| each(u64::from_le_bytes(*value)));
        if rest.is_empty() { Ok(()) } else { Err(TRUNCATED) }
    }
}

/// The signed integer of a zigzag varint: 0, -1, 1, -2, …
pub(crate) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
