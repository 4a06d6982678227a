//! What is compared with the codecs of ours.
//!
//! Responsible for the contract of a contender and for pco, zstd and lz4. Parquet is in `parquet_column`.

use pco::ChunkConfig;
use pulsora_codec::codec::{BLOCK_VALUES_MAX, Values};

use crate::series::Column;

/// One way to store blocks.
pub trait Contender {
    /// Its name in reports.
    fn name(&self) -> String;

    /// Appends a block; `false` when it cannot store these values.
    fn encode(&mut self, values: Values<'_>, out: &mut Vec<u8>) -> bool;

    /// Size of an encoded block where it is not that of its bytes.
    fn size(&self, encoded: &[u8]) -> usize {
        encoded.len()
    }

    /// Decodes a block of `n` values over what was decoded before, as the clock runs: what it leaves is the
    /// last vector, or all, or nothing.
    ///
    /// # Errors
    /// What the decoder says.
    fn decode(&mut self, encoded: &[u8], n: usize, decoded: &mut Decoded) -> Result<(), String>;

    /// Decodes a block as a whole, to see whether it is what it was.
    ///
    /// # Errors
    /// What the decoder says.
    fn decode_whole(
        &mut self,
        encoded: &[u8],
        n: usize,
        decoded: &mut Decoded,
    ) -> Result<(), String> {
        self.decode(encoded, n, decoded)
    }

    /// A word on what was chosen.
    fn note(&self) -> String {
        String::new()
    }
}

/// Buffers to decode to, used again and again.
#[derive(Default)]
pub struct Decoded {
    /// Integers.
    pub integers: Vec<i64>,
    /// Floats.
    pub floats: Vec<f64>,
    /// Booleans.
    pub booleans: Vec<bool>,
    /// Offsets of strings.
    pub offsets: Vec<u32>,
    /// Strings, or the bytes of values.
    pub bytes: Vec<u8>,
    /// Whether values were decoded to `bytes`, little-endian.
    pub as_bytes: bool,
}

impl Decoded {
    /// Empties the buffers.
    pub fn clear(&mut self) {
        self.integers.clear();
        self.floats.clear();
        self.booleans.clear();
        self.offsets.clear();
        self.bytes.clear();
    }

    /// Whether it holds these values, bit for bit.
    pub fn holds(&self, values: Values<'_>) -> bool {
        if self.as_bytes {
            return self.bytes == bytes_of(values);
        }
        match values {
            Values::Integers(values) => self.integers == values,
            Values::Floats(values) => {
                let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits();
                self.floats.len() == values.len() && self.floats.iter().zip(values).all(same)
            }
            Values::Text(text) => self.offsets == text.offsets && self.bytes == text.bytes,
            Values::Booleans(values) => self.booleans == values,
        }
    }
}

/// Values as bytes; strings behind their lengths, two bytes each.
fn bytes_of(values: Values<'_>) -> Vec<u8> {
    match values {
        Values::Integers(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Values::Floats(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Values::Text(text) => {
            let lengths =
                text.offsets.windows(2).flat_map(|pair| ((pair[1] - pair[0]) as u16).to_le_bytes());
            lengths.chain(text.bytes.iter().copied()).collect()
        }
        Values::Booleans(values) => values.iter().map(|value| u8::from(*value)).collect(),
    }
}

/// pco, zstd and lz4, where they take such a column.
pub fn others(column: &Column) -> Vec<Box<dyn Contender>> {
    let mut others: Vec<Box<dyn Contender>> = vec![Box::new(Zstd::new()), Box::new(Lz4)];
    match column {
        Column::Integers(_) => others.push(Box::new(Pco { floats: false })),
        Column::Floats(_) => others.push(Box::new(Pco { floats: true })),
        Column::Booleans(_) | Column::Text { .. } => {}
    }
    others
}

/// The `pco` library at its default level, a block as one file.
struct Pco {
    floats: bool,
}

impl Contender for Pco {
    fn name(&self) -> String {
        "[pco]".to_owned()
    }

    fn encode(&mut self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
        let config = ChunkConfig::default();
        let encoded = match values {
            Values::Integers(values) => pco::standalone::simple_compress(values, &config),
            Values::Floats(values) => pco::standalone::simple_compress(values, &config),
            Values::Booleans(_) | Values::Text(_) => return false,
        };
        encoded.map(|bytes| out.extend_from_slice(&bytes)).is_ok()
    }

    fn decode(&mut self, encoded: &[u8], n: usize, decoded: &mut Decoded) -> Result<(), String> {
        use pco::standalone::simple_decompress_into;
        let done = if self.floats {
            decoded.floats.resize(n, 0.0);
            simple_decompress_into(encoded, &mut decoded.floats)
        } else {
            decoded.integers.resize(n, 0);
            simple_decompress_into(encoded, &mut decoded.integers)
        };
        done.map(|_| ()).map_err(|error| error.to_string())
    }
}

/// zstd at level 3 over the bytes of the values.
struct Zstd {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
}

impl Zstd {
    fn new() -> Zstd {
        let (compressor, decompressor) =
            (zstd::bulk::Compressor::new(3), zstd::bulk::Decompressor::new());
        Zstd { compressor: compressor.ok(), decompressor: decompressor.ok() }
    }
}

impl Contender for Zstd {
    fn name(&self) -> String {
        "[zstd-3]".to_owned()
    }

    fn encode(&mut self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
        let Some(compressor) = &mut self.compressor else { return false };
        compressor.compress(&bytes_of(values)).map(|bytes| out.extend_from_slice(&bytes)).is_ok()
    }

    fn decode(&mut self, encoded: &[u8], _: usize, decoded: &mut Decoded) -> Result<(), String> {
        let decompressor = self.decompressor.as_mut().ok_or("zstd does not start")?;
        decoded.as_bytes = true;
        decoded.bytes.clear();
        decoded.bytes.reserve(BLOCK_VALUES_MAX * 128);
        decompressor
            .decompress_to_buffer(encoded, &mut decoded.bytes)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }
}

/// lz4 over the bytes of the values.
struct Lz4;

impl Contender for Lz4 {
    fn name(&self) -> String {
        "[lz4]".to_owned()
    }

    fn encode(&mut self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&lz4_flex::block::compress_prepend_size(&bytes_of(values)));
        true
    }

    fn decode(&mut self, encoded: &[u8], _: usize, decoded: &mut Decoded) -> Result<(), String> {
        let (size, encoded) =
            lz4_flex::block::uncompressed_size(encoded).map_err(|error| error.to_string())?;
        decoded.as_bytes = true;
        decoded.bytes.resize(size, 0);
        lz4_flex::block::decompress_into(encoded, &mut decoded.bytes)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }
}
