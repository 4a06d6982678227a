//! MessagePack values as bytes, after the MessagePack specification.
//!
//! Responsible for the shapes that tests send, in the longest form where the specification gives a
//! choice (readers must take every form; the Python scripts send the short ones). Not a general encoder.

/// Bytes of one or more values.
#[derive(Clone, Default)]
pub struct Pack(Vec<u8>);

impl Pack {
    /// No value yet.
    pub fn new() -> Pack {
        Pack::default()
    }

    /// The bytes.
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }

    /// `map 32`: `pairs` keys and values follow.
    #[must_use]
    pub fn map(self, pairs: u32) -> Pack {
        self.tagged(0xdf, &pairs.to_be_bytes())
    }

    /// `array 32`: `items` values follow.
    #[must_use]
    pub fn array(self, items: u32) -> Pack {
        self.tagged(0xdd, &items.to_be_bytes())
    }

    /// `str 32`.
    #[must_use]
    pub fn text(self, text: &str) -> Pack {
        self.raw_text(text.as_bytes())
    }

    /// `str 32` of any bytes, so that tests can send what is not UTF-8.
    #[must_use]
    pub fn raw_text(mut self, text: &[u8]) -> Pack {
        let length = u32::try_from(text.len()).expect("tests send less than 4 GiB");
        self = self.tagged(0xdb, &length.to_be_bytes());
        self.0.extend_from_slice(text);
        self
    }

    /// `int 64`.
    #[must_use]
    pub fn int(self, value: i64) -> Pack {
        self.tagged(0xd3, &value.to_be_bytes())
    }

    /// `uint 64`.
    #[must_use]
    pub fn uint(self, value: u64) -> Pack {
        self.tagged(0xcf, &value.to_be_bytes())
    }

    /// `float 64`.
    #[must_use]
    pub fn float(self, value: f64) -> Pack {
        self.tagged(0xcb, &value.to_be_bytes())
    }

    /// `nil`.
    #[must_use]
    pub fn nil(self) -> Pack {
        self.tagged(0xc0, &[])
    }

    /// A key and an array of integers.
    #[must_use]
    pub fn int_column(self, name: &str, values: impl ExactSizeIterator<Item = i64>) -> Pack {
        let length = u32::try_from(values.len()).expect("tests send few rows");
        values.fold(self.text(name).array(length), Pack::int)
    }

    fn tagged(mut self, tag: u8, bytes: &[u8]) -> Pack {
        self.0.push(tag);
        self.0.extend_from_slice(bytes);
        self
    }
}
