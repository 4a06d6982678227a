//! The codecs of this project as contenders: each alone, and the chooser at both levels.

use std::hint::black_box;
use std::sync::Arc;

use pulsora_codec::choose::{Choice, Level, encode_block};
use pulsora_codec::codec::{Codec, CodecId, Kind, Sink, Speed, VECTOR_VALUES, Values};
use pulsora_codec::codecs::Codecs;

use crate::contenders::{Contender, Decoded};

/// Names of the chooser in reports.
pub const HOT: &str = "chosen, hot";
/// See [`HOT`].
pub const ARCHIVE: &str = "chosen, archive";

/// Every codec of a kind, and the chooser.
pub fn contenders(kind: Kind) -> Vec<Box<dyn Contender>> {
    let codecs = Codecs::builtin();
    let of_kind = codecs.iter().filter(|codec| codec.kind() == kind);
    let mut all: Vec<Box<dyn Contender>> = of_kind
        .map(|codec| Box::new(Ours { codec: Arc::clone(codec) }) as Box<dyn Contender>)
        .collect();
    for (name, level) in [(HOT, Level::Hot), (ARCHIVE, Level::Archive)] {
        all.push(Box::new(Chosen { name, level, choices: Vec::new() }));
    }
    all
}

struct Ours {
    codec: Arc<dyn Codec>,
}

impl Contender for Ours {
    fn name(&self) -> String {
        self.codec.name().to_owned()
    }

    fn encode(&mut self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
        self.codec.encode(values, out)
    }

    fn decode(&mut self, encoded: &[u8], n: usize, decoded: &mut Decoded) -> Result<(), String> {
        decode(self.codec.as_ref(), encoded, n, decoded)
    }

    fn decode_whole(
        &mut self,
        encoded: &[u8],
        n: usize,
        decoded: &mut Decoded,
    ) -> Result<(), String> {
        decoded.clear();
        let sink = sink(self.codec.kind(), decoded);
        self.codec.decode(encoded, n, sink).map_err(|error| error.to_string())
    }

    fn note(&self) -> String {
        match self.codec.speed() {
            Speed::Hot => "hot".to_owned(),
            Speed::Slow => String::new(),
        }
    }
}

/// The chooser; a block begins with the id of its codec here.
struct Chosen {
    name: &'static str,
    level: Level,
    choices: Vec<CodecId>,
}

impl Contender for Chosen {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn encode(&mut self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.extend([0, 0]);
        let choice = Choice { level: self.level, forced: None };
        let id = encode_block(Codecs::builtin(), values, choice, out);
        out[start..start + 2].copy_from_slice(&id.0.to_le_bytes());
        if !self.choices.contains(&id) {
            self.choices.push(id);
        }
        true
    }

    fn size(&self, encoded: &[u8]) -> usize {
        encoded.len() - 2
    }

    fn decode(&mut self, encoded: &[u8], n: usize, decoded: &mut Decoded) -> Result<(), String> {
        decode(codec_of(encoded)?, &encoded[2..], n, decoded)
    }

    fn decode_whole(
        &mut self,
        encoded: &[u8],
        n: usize,
        decoded: &mut Decoded,
    ) -> Result<(), String> {
        decoded.clear();
        let codec = codec_of(encoded)?;
        let sink = sink(codec.kind(), decoded);
        codec.decode(&encoded[2..], n, sink).map_err(|error| error.to_string())
    }

    fn note(&self) -> String {
        let codecs = self.choices.iter().filter_map(|id| Codecs::builtin().by_id(*id));
        codecs.map(|codec| codec.name()).collect::<Vec<_>>().join(", ")
    }
}

fn codec_of(encoded: &[u8]) -> Result<&'static dyn Codec, String> {
    let id = CodecId(u16::from_le_bytes([encoded[0], encoded[1]]));
    let codec = Codecs::builtin().by_id(id).ok_or("the chooser took a codec that there is not")?;
    Ok(codec.as_ref())
}

fn sink(kind: Kind, decoded: &mut Decoded) -> Sink<'_> {
    match kind {
        Kind::Integers => Sink::Integers(&mut decoded.integers),
        Kind::Floats => Sink::Floats(&mut decoded.floats),
        Kind::Text => Sink::Text { offsets: &mut decoded.offsets, bytes: &mut decoded.bytes },
        Kind::Booleans => Sink::Booleans(&mut decoded.booleans),
    }
}

/// Fast codecs vector by vector into one vector's room, the others as a whole.
pub fn decode(
    codec: &dyn Codec,
    encoded: &[u8],
    n: usize,
    decoded: &mut Decoded,
) -> Result<(), String> {
    if codec.speed() == Speed::Slow {
        decoded.clear();
        let sink = sink(codec.kind(), decoded);
        return codec.decode(encoded, n, sink).map_err(|error| error.to_string());
    }
    for vector in 0..n.div_ceil(VECTOR_VALUES) {
        decoded.clear();
        let sink = sink(codec.kind(), decoded);
        codec.decode_vector(encoded, n, vector, sink).map_err(|error| error.to_string())?;
        black_box(&mut *decoded);
    }
    Ok(())
}
