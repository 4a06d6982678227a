//! The parts of a database that a program can replace: where segments are kept, which of them a scan
//! opens, and how their columns are stored.
//!
//! ```sh
//! cargo run -p pulsora --example seams
//! ```

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use pulsora::{
    Batch, BatchBuilder, Codec, CodecId, Codecs, Database, DecodeError, Error, File, KeyRanges,
    Kind, Name, ObjectWriter, Result, SegmentAsk, SegmentIndex, SegmentReader, SegmentView,
    SegmentWriter, SeriesKey, Sink, Speed, Store, TableOptions, TagTarget, Timestamp, Values,
    vector_range,
};

/// Noon of the first of June.
fn noon(year: i32) -> Result<Timestamp> {
    format!("{year}-06-01T12:00:00Z").parse()
}

fn main() -> Result<()> {
    let store = MemoryStore::default();
    let index = Arc::new(CountingIndex::default());
    let database = Database::builder()
        .codec(Arc::new(Tenths))?
        .store(Arc::new(store.clone()))
        .segment_index(index.clone())
        .open("./seams-data")?;

    for (year, millimetres) in [(2021, 1.5), (2022, 12.0), (2023, 3.2)] {
        database.write(&fallen(noon(year)?, millimetres)?)?;
        database.flush()?;
    }
    println!("{} segments in a store of our own", store.objects().len());

    let rain = SeriesKey::with_tags("rain", &[("station", "north")])?;
    let fell = database.query(&rain, noon(2023)?..)?.map(|point| point.map(|point| point.value));
    println!("{} mm of rain since June 2023", fell.sum::<Result<f64>>()?);
    let (asked, kept) = (&index.asked, &index.kept);
    println!(
        "an index of our own kept {} of {} segments",
        kept.load(Ordering::Relaxed),
        asked.load(Ordering::Relaxed)
    );
    database.close()?;
    missing_codec()
}

/// A segment that needs a codec is read only where the codec is registered. In a file of its own here;
/// those of a database are the same.
fn missing_codec() -> Result<()> {
    let codecs = Codecs::builtin().with(Arc::new(Tenths)).expect("the id and the name are free");
    let codecs = Arc::new(codecs);
    let writer = SegmentWriter::create(".", "rain")?;
    let mut writer = writer.codecs(Arc::clone(&codecs), Some("tenths"));
    writer.write(&fallen(noon(2024)?, 7.5)?)?;
    let files = writer.finish()?;
    let statistics = SegmentReader::open_with(&files, &codecs)?.statistics()?;
    let value = statistics[0].columns.iter().find(|column| column.name == "value");
    println!("the values of {} are stored by {:?}", files[0], value.map(|value| &value.codecs));
    let error = SegmentReader::open(&files).err().expect("the codec is not built in");
    println!("without it: {error}");
    Ok(())
}

/// One value of the table `rain`, whose segments shall use the codec `tenths` where it fits.
fn fallen(time: Timestamp, millimetres: f64) -> Result<Batch> {
    let options = TableOptions { codec: Some(Name::new("tenths")?), ..TableOptions::upsert() };
    let mut rows = BatchBuilder::new(None, None, options.time_column.clone(), None);
    let value = rows.field("value")?;
    let TagTarget::Tag(station) = rows.tag("station")? else {
        unreachable!("a batch for a table that does not exist has no field of that name")
    };
    let series = rows.series(&mut [(station, "north")])?;
    rows.push_f64(value, millimetres).map_err(|clash| Error::new(clash.code(), clash.message()))?;
    rows.end_row(series, time.ns());
    Ok(Batch { table: Name::new("rain")?, options, schema_version: None, batch: rows.finish() })
}

/// A codec for what a rain gauge says: tenths of a millimetre from 0 to 6,553.5, two bytes each. What
/// a codec must promise stands at the trait: exact round trips, and no panic on any bytes.
struct Tenths;

impl Tenths {
    fn encode_value(value: f64) -> Option<u16> {
        let tenths = (value * 10.0).round();
        let fits = (0.0..=f64::from(u16::MAX)).contains(&tenths);
        // Bit for bit, or it cannot be stored: -0.0 is not 0.0.
        (fits && (tenths / 10.0).to_bits() == value.to_bits()).then_some(tenths as u16)
    }
}

impl Codec for Tenths {
    fn id(&self) -> CodecId {
        CodecId(0x8001)
    }

    fn name(&self) -> &str {
        "tenths"
    }

    fn kind(&self) -> Kind {
        Kind::Floats
    }

    fn speed(&self) -> Speed {
        Speed::Hot
    }

    fn encode(&self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
        let Values::Floats(values) = values else { return false };
        let start = out.len();
        for value in values {
            let Some(tenths) = Tenths::encode_value(*value) else {
                out.truncate(start);
                return false;
            };
            out.extend_from_slice(&tenths.to_le_bytes());
        }
        true
    }

    fn decode_vector(
        &self,
        bytes: &[u8],
        n: usize,
        vector: usize,
        sink: Sink<'_>,
    ) -> Result<(), DecodeError> {
        let Sink::Floats(out) = sink else {
            return Err(DecodeError::Invalid { what: "kind of the sink", found: 0 });
        };
        if bytes.len() != 2 * n {
            return Err(DecodeError::Invalid { what: "length", found: bytes.len() as u64 });
        }
        let rows = vector_range(n, vector)?;
        let (tenths, _) = bytes[2 * rows.start..2 * rows.end].as_chunks::<2>();
        out.extend(tenths.iter().map(|tenths| f64::from(u16::from_le_bytes(*tenths)) / 10.0));
        Ok(())
    }
}

/// A store that keeps its objects in memory. A real one would talk to another machine; what it must
/// promise stands at the trait: an object is written once, whole or not at all, and never changes.
#[derive(Clone, Default)]
struct MemoryStore(Arc<Mutex<BTreeMap<String, Bytes>>>);

impl MemoryStore {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.0.lock().expect("nobody panics while holding it")
    }

    fn object(&self, name: &str) -> io::Result<Bytes> {
        self.objects().get(name).cloned().ok_or(io::ErrorKind::NotFound.into())
    }

    fn put(&self, name: &str, bytes: Bytes) -> io::Result<()> {
        match self.objects().entry(name.to_owned()) {
            Entry::Occupied(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Entry::Vacant(place) => {
                place.insert(bytes);
                Ok(())
            }
        }
    }
}

impl Store for MemoryStore {
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.put(name, Bytes::copy_from_slice(bytes))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn ObjectWriter>> {
        let _gathered_in_memory = name;
        Ok(Box::new(Writer { store: self.clone(), bytes: Vec::new() }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(Object(self.object(name)?)))
    }

    fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.object(name)?.to_vec())
    }

    fn map(&self, name: &str) -> io::Result<Option<Bytes>> {
        self.object(name).map(Some)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.objects().remove(name).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<(String, u64)>> {
        let objects = self.objects();
        let listed = objects.iter().filter(|(name, _)| name.starts_with(prefix));
        Ok(listed.map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect())
    }
}

/// An object that is being written: nobody sees it before its end.
struct Writer {
    store: MemoryStore,
    bytes: Vec<u8>,
}

impl ObjectWriter for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>, name: &str) -> io::Result<u64> {
        let length = self.bytes.len() as u64;
        self.store.put(name, self.bytes.into()).map(|()| length)
    }
}

/// An object that is being read. Nobody writes to one.
struct Object(Bytes);

impl File for Object {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|from| self.0.get(from..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The built-in index, counting what it is asked. A real one would know more of a segment than the
/// ranges of its times and keys.
#[derive(Debug, Default)]
struct CountingIndex {
    asked: AtomicUsize,
    kept: AtomicUsize,
}

impl SegmentIndex for CountingIndex {
    fn may_hold(&self, segment: SegmentView<'_>, ask: &SegmentAsk<'_>) -> bool {
        let kept = KeyRanges.may_hold(segment, ask);
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.kept.fetch_add(usize::from(kept), Ordering::Relaxed);
        kept
    }
}
