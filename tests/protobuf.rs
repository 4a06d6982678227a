//! Protobuf messages and snappy blocks as bytes, after their specifications.
//!
//! Responsible for the shapes that tests send, in the shortest code: blocks of snappy are literals only.
//! Not general encoders.

/// The fields of one message.
#[derive(Clone, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// No field yet.
    pub fn new() -> Message {
        Message::default()
    }

    /// The bytes.
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }

    /// A varint: integers, enums, booleans.
    #[must_use]
    pub fn int(mut self, field: u32, value: i64) -> Message {
        self.varint(u64::from(field) << 3);
        self.varint(value as u64);
        self
    }

    /// A float of 8 bytes.
    #[must_use]
    pub fn double(self, field: u32, value: f64) -> Message {
        self.fixed(field, value.to_bits())
    }

    /// An integer of 8 bytes.
    #[must_use]
    pub fn fixed(mut self, field: u32, value: u64) -> Message {
        self.varint(u64::from(field) << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Text.
    #[must_use]
    pub fn text(self, field: u32, text: &str) -> Message {
        self.raw(field, text.as_bytes())
    }

    /// Bytes, or packed numbers.
    #[must_use]
    pub fn raw(mut self, field: u32, bytes: &[u8]) -> Message {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A message.
    #[must_use]
    pub fn message(self, field: u32, message: Message) -> Message {
        self.raw(field, &message.0)
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// The bytes as one block of snappy that says it holds `claimed` of them.
pub fn snappy_claiming(bytes: &[u8], claimed: u64) -> Vec<u8> {
    let mut block = Message::new();
    block.varint(claimed);
    for literal in bytes.chunks(1 << 16) {
        // Tag 61: a literal whose length follows in two bytes.
        block.0.push(61 << 2);
        block.0.extend_from_slice(&((literal.len() - 1) as u16).to_le_bytes());
        block.0.extend_from_slice(literal);
    }
    block.0
}

/// The bytes as one block of snappy.
pub fn snappy(bytes: &[u8]) -> Vec<u8> {
    snappy_claiming(bytes, bytes.len() as u64)
}
