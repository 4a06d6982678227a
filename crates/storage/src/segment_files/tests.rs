//! Batches into files and back: limits, several files at once, damage, codecs.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Float64Array, Int64Array, StringArray, TimestampNanosecondArray};
use arrow::util::pretty::pretty_format_batches;
use pulsora_codec::{Codec, CodecId, Codecs, DecodeError, Kind, Sink, Speed, Values};
use pulsora_model::batch::SeriesKeys;
use pulsora_model::{
    Batch, Code, ColumnType, FieldColumn, Name, SeriesColumn, TableOptions, TableWrite, TagColumn,
};

use super::{SegmentLimits, SegmentReader, SegmentWriter};
use crate::read::{Order, Scan, TimeRange};

const SECOND: i64 = 1_000_000_000;

/// Rows of two hosts, one per second from `first`, hosts in turns, with the field `load`.
fn batch(first: i64, rows: usize) -> TableWrite {
    let time: Vec<i64> = (0..rows as i64).map(|row| (first + row) * SECOND).collect();
    let load: Vec<f64> = (0..rows).map(|row| (first as f64) + row as f64 / 2.0).collect();
    TableWrite {
        table: Name::literal("cpu"),
        options: TableOptions::default(),
        schema_version: None,
        batch: Batch {
            rows,
            series: SeriesColumn {
                codes: (0..rows as u32).map(|row| row % 2).collect(),
                keys: SeriesKeys::Sets {
                    sets: 2,
                    tags: vec![TagColumn {
                        name: Name::literal("host"),
                        values: StringArray::from(vec!["a", "b"]),
                    }],
                },
            },
            time: time.into(),
            fields: vec![FieldColumn {
                name: Name::literal("load"),
                ty: ColumnType::F64,
                values: Arc::new(Float64Array::from(load)),
            }],
            ids: None,
        },
    }
}

/// `SegmentWriter` over a directory, the batches, the files, and a reader of them.
fn written(
    dir: &std::path::Path,
    limits: SegmentLimits,
    batches: &[TableWrite],
) -> (Vec<String>, SegmentReader) {
    let mut writer = SegmentWriter::create(dir, "cpu").unwrap().limits(limits);
    for batch in batches {
        writer.write(batch).unwrap();
    }
    let files = writer.finish().unwrap();
    let reader = SegmentReader::open(files.iter().map(|file| dir.join(file))).unwrap();
    (files, reader)
}

fn rows(reader: &SegmentReader, scan: &Scan) -> usize {
    let plan = reader.scan(scan).unwrap();
    plan.streams.into_iter().flatten().map(|batch| batch.unwrap().num_rows()).sum()
}

#[test]
fn rows_come_back_in_time_order() {
    let dir = tempfile::tempdir().unwrap();
    let (files, reader) = written(dir.path(), SegmentLimits::default(), &[batch(0, 3)]);
    assert_eq!(files, ["cpu-000001.hot"]);
    let scan = Scan { order: Order::TimeAscending, ..reader.all() };
    let batches: Vec<_> =
        reader.scan(&scan).unwrap().streams.remove(0).map(Result::unwrap).collect();
    let expected = "\
+----------------------+------+------+
| time                 | host | load |
+----------------------+------+------+
| 1970-01-01T00:00:00Z | a    | 0.0  |
| 1970-01-01T00:00:01Z | b    | 0.5  |
| 1970-01-01T00:00:02Z | a    | 1.0  |
+----------------------+------+------+";
    assert_eq!(pretty_format_batches(&batches).unwrap().to_string(), expected);
}

#[test]
fn a_file_ends_by_rows_and_by_duration() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SegmentLimits { rows: 1_000, duration: Duration::from_secs(10_000) };
    let (files, reader) = written(dir.path(), limits, &[batch(0, 1_500), batch(1_500, 600)]);
    assert_eq!(files, ["cpu-000001.hot", "cpu-000002.hot", "cpu-000003.hot"]);
    let sizes: Vec<u64> = reader.statistics().unwrap().iter().map(|file| file.rows).collect();
    assert_eq!(sizes, [1_000, 1_000, 100]);

    let dir = tempfile::tempdir().unwrap();
    let limits = SegmentLimits { rows: 1_000, duration: Duration::from_secs(59) };
    // The last batch goes back in time: it may not share a file with the one before.
    let (_, reader) = written(dir.path(), limits, &[batch(0, 150), batch(10, 5)]);
    let bounds: Vec<(i64, i64, u64)> = reader
        .statistics()
        .unwrap()
        .iter()
        .map(|file| (file.time.start_ns / SECOND, file.time.end_ns / SECOND, file.rows))
        .collect();
    assert_eq!(bounds, [(0, 59, 60), (60, 119, 60), (120, 149, 30), (10, 14, 5)]);
    assert_eq!(rows(&reader, &reader.all()), 155);
    let twelve = TimeRange { start_ns: 12 * SECOND, end_ns: 12 * SECOND };
    assert_eq!(rows(&reader, &Scan { time: twelve, ..reader.all() }), 2);
}

#[test]
fn several_files_are_read_in_parallel_streams() {
    let dir = tempfile::tempdir().unwrap();
    let limits = SegmentLimits { rows: 200_000, ..SegmentLimits::default() };
    let (files, reader) = written(dir.path(), limits, &[batch(0, 600_000)]);
    assert_eq!(files.len(), 3);
    let plan = reader.scan(&reader.all()).unwrap();
    assert!(plan.streams.len() >= 3, "{} streams", plan.streams.len());
    let counted: usize = std::thread::scope(|scope| {
        let count = |stream: crate::read::ScanStream| {
            stream.map(|batch| batch.unwrap().num_rows()).sum::<usize>()
        };
        let running: Vec<_> =
            plan.streams.into_iter().map(|stream| scope.spawn(move || count(stream))).collect();
        running.into_iter().map(|stream| stream.join().unwrap()).sum()
    });
    assert_eq!(counted, 600_000);
}

#[test]
fn statistics_say_what_a_file_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (_, reader) = written(dir.path(), SegmentLimits::default(), &[batch(0, 10_000)]);
    let file = reader.statistics().unwrap().remove(0);
    let length = std::fs::metadata(dir.path().join(&file.file)).unwrap().len();
    assert_eq!((file.rows, file.series, file.bytes), (10_000, 2, length));
    let names: Vec<&str> = file.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["time", "load"]);
    let stored: u64 = file.columns.iter().map(|column| column.bytes).sum();
    assert!(0 < stored && stored < length);
    assert!(file.columns.iter().all(|column| column.codecs.len() == 1 && column.nulls == 0));
}

#[test]
fn a_column_may_come_later_and_may_widen() {
    let dir = tempfile::tempdir().unwrap();
    let mut integers = batch(0, 2);
    integers.batch.fields[0].ty = ColumnType::I64;
    integers.batch.fields[0].values = Arc::new(Int64Array::from(vec![1, 2]));
    let mut more = batch(2, 2);
    more.batch.fields.push(FieldColumn {
        name: Name::literal("up_since"),
        ty: ColumnType::Timestamp,
        values: Arc::new(TimestampNanosecondArray::from(vec![1, 2]).with_timezone("UTC")),
    });
    let limits = SegmentLimits { rows: 2, ..SegmentLimits::default() };
    let (files, reader) = written(dir.path(), limits, &[integers, more]);
    assert_eq!(files.len(), 2);
    let types: Vec<_> =
        reader.schema().columns.iter().map(|c| (c.name.to_string(), c.ty)).collect();
    assert_eq!(types[2], ("load".to_owned(), ColumnType::F64));
    assert_eq!(types[3], ("up_since".to_owned(), ColumnType::Timestamp));
    assert_eq!(rows(&reader, &reader.all()), 4);
}

#[test]
fn what_cannot_be_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let code = |outcome: pulsora_model::Result<SegmentReader>| outcome.err().unwrap().code();
    let nothing: [&str; 0] = [];
    assert_eq!(code(SegmentReader::open(nothing)), Code::InvalidRequest);
    assert!(SegmentReader::open([dir.path().join("none.hot")]).is_err());
    assert_eq!(SegmentWriter::create(dir.path(), "../x").err().unwrap().code(), Code::InvalidName);
    let (files, _) = written(dir.path(), SegmentLimits::default(), &[batch(0, 2)]);
    let file = dir.path().join(&files[0]);
    assert_eq!(code(SegmentReader::open([&file, &file])), Code::SchemaConflict);
    // The names are taken: nothing is overwritten.
    let mut again = SegmentWriter::create(dir.path(), "cpu").unwrap();
    again.write(&batch(0, 2)).unwrap();
    assert!(again.finish().is_err());
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    let damaged = dir.path().join("damaged.hot");
    std::fs::write(&damaged, bytes).unwrap();
    assert_eq!(code(SegmentReader::open([damaged])), Code::Corrupt);
    let mut other = batch(0, 2);
    other.table = Name::literal("memory");
    let mut writer = SegmentWriter::create(dir.path(), "two").unwrap();
    writer.write(&batch(0, 2)).unwrap();
    assert_eq!(writer.write(&other).unwrap_err().code(), Code::InvalidRequest);
}

/// A codec of a user's: floats as they are, backwards.
struct Backwards;

impl Codec for Backwards {
    fn id(&self) -> CodecId {
        CodecId(0x8001)
    }

    fn name(&self) -> &str {
        "backwards"
    }

    fn kind(&self) -> Kind {
        Kind::Floats
    }

    fn speed(&self) -> Speed {
        Speed::Hot
    }

    fn encode(&self, values: Values<'_>, out: &mut Vec<u8>) -> bool {
        let Values::Floats(values) = values else { return false };
        out.extend(values.iter().rev().flat_map(|value| value.to_le_bytes()));
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
            return Err(DecodeError::Invalid { what: "sink", found: 0 });
        };
        let (values, rest) = bytes.as_chunks::<8>();
        if values.len() != n || !rest.is_empty() {
            return Err(DecodeError::Invalid { what: "length", found: bytes.len() as u64 });
        }
        let range = pulsora_codec::codec::vector_range(n, vector)?;
        out.extend(
            values.iter().rev().skip(range.start).take(range.len()).map(|v| f64::from_le_bytes(*v)),
        );
        Ok(())
    }
}

#[test]
fn a_users_codec_is_named_where_it_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let codecs = Arc::new(Codecs::builtin().with(Arc::new(Backwards)).unwrap());
    let writer = SegmentWriter::create(dir.path(), "cpu").unwrap();
    let mut writer = writer.codecs(Arc::clone(&codecs), Some("backwards"));
    writer.write(&batch(0, 5_000)).unwrap();
    let file = dir.path().join(&writer.finish().unwrap()[0]);
    let reader = SegmentReader::open_with([&file], &codecs).unwrap();
    let load = reader.statistics().unwrap().remove(0).columns.remove(1);
    assert_eq!((load.name.as_str(), load.codecs), ("load", vec!["backwards".to_owned()]));
    assert_eq!(rows(&reader, &reader.all()), 5_000);
    let without = SegmentReader::open([&file]).err().unwrap();
    assert_eq!(without.code(), Code::UnsupportedFormat);
    let message = without.to_string();
    assert!(message.contains("backwards") && message.contains("0x8001"), "{message}");
}
