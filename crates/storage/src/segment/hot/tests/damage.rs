//! Any damaged byte is an error or changes nothing that is read, and never a panic.

use std::sync::Arc;

use fastrand::Rng;
use pulsora_codec::{Codec, CodecId, Codecs, DecodeError, Kind, Sink, Speed, Values};
use pulsora_model::{Code, Name};

use super::world::{World, open, plain, read};
use crate::segment::hot::{HotOptions, HotWriter};
use crate::segment::{Segment, SegmentAccess, SegmentMeta, place};

/// Everything that can be read of a segment.
fn read_all(world: &World, segment: &Segment) -> pulsora_model::Result<arrow::array::RecordBatch> {
    let rows = read(segment, world.all())?;
    segment.file.hot()?.verify(None)?;
    segment.file.id_index()?;
    Ok(rows)
}

fn damaged(world: &World, bytes: &[u8], meta: &SegmentMeta, number: usize) -> Segment {
    let object = format!("damaged/{number}.hot");
    world.store.put_if_absent(&object, bytes).unwrap();
    let mut meta = SegmentMeta { object: object.clone(), ..meta.clone() };
    if let Some(ids) = &mut meta.ids {
        ids.object = object;
    }
    open(meta, &SegmentAccess::new(Arc::clone(&world.store)))
}

#[test]
fn damaged_bytes_are_an_error_and_never_a_panic() {
    let mut errors = 0;
    for seed in [2, 5, 7] {
        let world = World::random(seed);
        let (good, meta) = world.hot_bytes(1);
        let mut rng = Rng::with_seed(seed);
        for round in 0..400 {
            let mut bytes = good.clone();
            // Half of the rounds damage the end, where most of the structure is.
            let from = if round % 2 == 0 { bytes.len().saturating_sub(3000) } else { 0 };
            for _ in 0..=round % 3 {
                let at = rng.usize(from..bytes.len());
                bytes[at] = rng.u8(..);
            }
            if round % 20 == 19 {
                bytes.truncate(rng.usize(..bytes.len()));
            }
            let segment = damaged(&world, &bytes, &meta, round);
            match read_all(&world, &segment) {
                Ok(rows) => assert_eq!(rows, plain(&world.rows)),
                Err(error) => {
                    assert_eq!(error.code(), Code::Corrupt, "{error}");
                    assert!(error.message().contains("damaged/"), "{error}");
                    errors += 1;
                }
            }
        }
    }
    assert!(errors > 1000, "only {errors} rounds were noticed");
}

/// Makes the checksums fit again, so that only the structure itself can refuse.
fn with_valid_checksums(bytes: &mut [u8], at: usize) {
    let length = bytes.len();
    let crc = |bytes: &[u8]| crc32c::crc32c(bytes).to_le_bytes();
    let tail = length - 32;
    let offset = u64::from_le_bytes(bytes[tail..tail + 8].try_into().unwrap()) as usize;
    if at < 64 {
        let sum = crc(&bytes[..60]);
        bytes[60..64].copy_from_slice(&sum);
    } else if at >= offset && at < tail {
        let sum = crc(&bytes[offset..tail]);
        bytes[tail + 12..tail + 16].copy_from_slice(&sum);
        let sum = crc(&bytes[tail..tail + 20]);
        bytes[tail + 20..tail + 24].copy_from_slice(&sum);
    } else if at >= offset {
        let sum = crc(&bytes[tail..tail + 20]);
        bytes[tail + 20..tail + 24].copy_from_slice(&sum);
    }
}

#[test]
fn a_structure_that_lies_is_refused_without_the_help_of_checksums() {
    let world = World::random(5);
    let (good, meta) = world.hot_bytes(1);
    let tail = good.len() - 32;
    let footer = u64::from_le_bytes(good[tail..tail + 8].try_into().unwrap()) as usize;
    let mut errors = 0;
    for (number, at) in (0..64).chain(footer..good.len()).enumerate() {
        let mut bytes = good.clone();
        bytes[at] = bytes[at].wrapping_add([1, 0x80, 0xff][at % 3]);
        with_valid_checksums(&mut bytes, at);
        let segment = damaged(&world, &bytes, &meta, number);
        if let Err(error) = read_all(&world, &segment) {
            let named = matches!(error.code(), Code::Corrupt | Code::UnsupportedFormat);
            assert!(named, "byte {at}: {error}");
            errors += 1;
        }
    }
    assert!(errors > (good.len() - footer) / 2, "only {errors} bytes were noticed");
}

#[test]
fn missing_and_foreign_objects_are_errors() {
    let world = World::random(5);
    let (bytes, meta) = world.hot_bytes(1);
    world.store.put_if_absent("other", &bytes).unwrap();
    let access = SegmentAccess::new(Arc::clone(&world.store));
    let missing = open(SegmentMeta { object: "nowhere".into(), ..meta.clone() }, &access);
    assert_eq!(missing.file.hot().err().unwrap().code(), Code::Corrupt);
    let id = pulsora_model::SegmentId { epoch: 9, counter: 9 };
    let foreign = open(SegmentMeta { object: "other".into(), id, ..meta.clone() }, &access);
    assert_eq!(foreign.file.hot().err().unwrap().code(), Code::Corrupt);
    let beyond = SegmentMeta { object: "other".into(), offset: 8, ..meta };
    assert_eq!(open(beyond, &access).file.hot().err().unwrap().code(), Code::Corrupt);
}

/// Stores integers as their complement; slow.
struct Complement;

impl Codec for Complement {
    fn id(&self) -> CodecId {
        CodecId(0x8001)
    }

    fn name(&self) -> &str {
        "complement"
    }

    fn kind(&self) -> Kind {
        Kind::Integers
    }

    fn speed(&self) -> Speed {
        Speed::Slow
    }

    fn encode(&self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
        let Values::Integers(values) = values else { return false };
        out.extend(values.iter().flat_map(|value| (!value).to_le_bytes()));
        true
    }

    fn decode_vector(
        &self,
        bytes: &[u8],
        n: usize,
        vector: usize,
        sink: Sink<'_>,
    ) -> Result<(), DecodeError> {
        let Sink::Integers(out) = sink else { unreachable!("asked for another kind") };
        let words = bytes.chunks_exact(8).map(|word| !i64::from_le_bytes(word.try_into().unwrap()));
        assert_eq!(words.len(), n);
        out.extend(words.skip(vector * 1024).take(1024));
        Ok(())
    }
}

#[test]
fn a_codec_of_the_user_is_used_where_it_is_known_and_named_where_it_is_not() {
    let world = World::large();
    let codecs = Arc::new(Codecs::builtin().with(Arc::new(Complement)).unwrap());
    let options = HotOptions {
        codecs: Arc::clone(&codecs),
        forced: Some("complement".to_owned()),
        ..world.options()
    };
    let database = Name::literal("default");
    let mut writer = HotWriter::new(world.draft(&database, 1), options);
    writer.write(&world.rows).unwrap();
    let (bytes, mut metas) = place(vec![writer.finish().unwrap().unwrap()], "hot/users.hot");
    let meta = metas.remove(0);
    world.store.put_if_absent("hot/users.hot", &bytes).unwrap();

    let access = SegmentAccess::with(Arc::clone(&world.store), codecs, 1 << 20, true);
    let segment = open(meta.clone(), &access);
    for _ in 0..2 {
        assert_eq!(read(&segment, world.all()).unwrap(), plain(&world.rows));
    }
    let figures = access.cache.figures();
    assert!(figures.hits > 0 && figures.bytes > 0, "slow vectors are kept: {figures:?}");

    let without = open(meta, &SegmentAccess::new(Arc::clone(&world.store)));
    let error = read(&without, world.all()).unwrap_err();
    assert_eq!(error.code(), Code::UnsupportedFormat);
    assert!(error.message().contains("\"complement\" (0x8001)"), "{error}");
}
