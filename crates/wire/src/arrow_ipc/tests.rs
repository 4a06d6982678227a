//! Arrow IPC streams at their boundary: batches in, columns or errors as text out.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Int8Type, TimeUnit};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use bytes::Bytes;
use pulsora_model::batch::SeriesKeys;
use pulsora_model::series::{SeriesLimits, SeriesRegistry, SeriesTags};
use pulsora_model::{KnownTable, Mode};

use super::parse;
use crate::mutate::for_each_mutation;
use crate::rows::tests::{options, schema, show, skip, table, tags};
use crate::rows::{OnError, RowOptions};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

fn stream(batches: &[RecordBatch], compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer =
        StreamWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn run(batches: &[RecordBatch], options: &RowOptions) -> String {
    show(parse(&table(), stream(batches, None).into(), options, None))
}

fn times(values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(values))
}

fn sample() -> RecordBatch {
    let hosts: DictionaryArray<Int8Type> = [Some("a"), None, Some("a")].into_iter().collect();
    batch(vec![
        ("when", times(vec![1, 2, 3])),
        ("host", Arc::new(hosts)),
        ("i8", Arc::new(Int8Array::from(vec![Some(-1), None, Some(3)]))),
        ("u64", Arc::new(UInt64Array::from(vec![1, u64::MAX, 3]))),
        ("f32", Arc::new(Float32Array::from(vec![0.5, f32::NAN, -1.0]))),
        ("b", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("view", Arc::new(StringViewArray::from(vec!["x", "a text beyond twelve bytes", ""]))),
        ("large", Arc::new(LargeStringArray::from(vec!["2024-01-01", "y", "z"]))),
        ("day", Arc::new(Date32Array::from(vec![0, 1, 2]))),
        ("none", Arc::new(NullArray::new(3))),
    ])
}

const SAMPLE: &str = "when: time 1970-01-01T00:00:00.001Z 1970-01-01T00:00:00.002Z 1970-01-01T00:00:00.003Z\n\
    host: tag a null a\n\
    i8: Integer -1 null 3\n\
    u64: UnsignedInteger 1 18446744073709551615 3\n\
    f32: Float 0.5 NaN -1.0\n\
    b: Boolean true false true\n\
    view: String x a text beyond twelve bytes ''\n\
    large: String 2024-01-01 y z\n\
    day: Timestamp 1970-01-01T00:00:00Z 1970-01-02T00:00:00Z 1970-01-03T00:00:00Z\n\
    none: Null null null null";

#[test]
fn columns_of_all_plain_types_are_taken() {
    let expected =
        format!("3 rows\nappend [id when host i8 u64 f32 b view large day none]\n{SAMPLE}");
    assert_eq!(run(&[sample()], &tags(&["host"])), expected);
    assert_eq!(run(&[sample().slice(0, 1), sample().slice(1, 2)], &tags(&["host"])), expected);
    for compression in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let body = stream(&[sample()], Some(compression));
        assert_eq!(show(parse(&table(), body.into(), &tags(&["host"]), None)), expected);
    }
}

#[test]
fn an_equal_type_is_not_copied() {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
    let body = Bytes::from(stream(
        &[batch(vec![("time", times((0..10_000).collect())), ("v", values)])],
        None,
    ));
    let range = body.as_ptr_range();
    let write = parse(&table(), body, &options(), None).unwrap().write.unwrap();
    let data = write.batch.fields[0].values.to_data();
    let address = data.buffers()[0].as_ptr();
    // The stream is aligned to 8 bytes; only if the body's own start is not must it be copied.
    assert!(range.contains(&address) || range.start.align_offset(8) != 0);
}

#[test]
fn the_stream_may_lack_its_end_marker() {
    let body = stream(&[sample()], None);
    let whole = show(parse(&table(), body.clone().into(), &options(), None));
    let cut = Bytes::copy_from_slice(&body[..body.len() - 8]);
    assert_eq!(show(parse(&table(), cut, &options(), None)), whole);
    let empty = stream(&[sample().slice(0, 0)], None);
    for body in [&empty[..], &empty[..empty.len() - 8]] {
        assert_eq!(show(parse(&table(), Bytes::copy_from_slice(body), &options(), None)), "0 rows");
    }
}

#[test]
fn times_come_in_many_types() {
    for (array, expected) in [
        (Arc::new(Int64Array::from(vec![1_700_000_000])) as ArrayRef, "2023-11-14T22:13:20Z"),
        (Arc::new(Float64Array::from(vec![1_700_000_000.5])), "2023-11-14T22:13:20.500Z"),
        (Arc::new(UInt64Array::from(vec![1_700_000_000_000])), "2023-11-14T22:13:20Z"),
        (Arc::new(StringArray::from(vec!["2023-11-14 22:13:20"])), "2023-11-14T22:13:20Z"),
        (Arc::new(Date64Array::from(vec![86_400_000])), "1970-01-02T00:00:00Z"),
        (
            Arc::new(TimestampNanosecondArray::from(vec![1]).with_timezone("+02:00")),
            "1970-01-01T00:00:00.000000001Z",
        ),
    ] {
        let shown = run(&[batch(vec![("time", array)])], &options());
        assert!(shown.ends_with(&format!("time: time {expected}")), "{shown}");
    }
}

#[test]
fn rows_that_cannot_be_stored_are_named() {
    let seconds =
        |values: Vec<Option<i64>>| Arc::new(TimestampSecondArray::from(values)) as ArrayRef;
    assert_eq!(
        run(&[batch(vec![("time", seconds(vec![Some(1), None]))])], &options()),
        "invalid_time: row 1, column \"time\": missing time"
    );
    assert_eq!(
        run(&[batch(vec![("time", seconds(vec![Some(i64::MAX)]))])], &options()),
        "invalid_time: row 0, column \"time\": time 9223372036854775807 is out of range: it lies outside 1677-09-21 to 2262-04-11"
    );
    let columns =
        [("id", "id"), ("i", "Integer"), ("f", "Float"), ("host", "tag"), ("t", "Timestamp")];
    let body = batch(vec![
        (
            "ts",
            Arc::new(Float64Array::from(vec![Some(1.5), Some(2.0), None, Some(4.0), Some(5.0)])),
        ),
        ("id", Arc::new(Int64Array::from(vec![Some(5), Some(-1), Some(7), None, Some(9)]))),
        ("i", Arc::new(UInt64Array::from(vec![1, 2, 3, 4, u64::MAX]))),
        ("f", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5]))),
        ("host", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5]))),
        ("t", Arc::new(StringArray::from(vec!["2024-01-01"; 5]))),
        ("new", Arc::new(StringArray::from(vec!["a", "b", "c", "d", "e"]))),
    ]);
    let parse = |options: &RowOptions| {
        let body = Bytes::from(stream(std::slice::from_ref(&body), None));
        show(parse(&table(), body, options, Some(schema(Mode::Append, &columns).into())))
    };
    assert_eq!(
        parse(&options()),
        "invalid_row_id: row 1, column \"id\": a row id is a positive integer"
    );
    assert_eq!(
        parse(&skip()),
        "2 rows, 3 rejected\n\
         ! Some(1) Some(\"id\") a row id is a positive integer\n\
         ! Some(2) Some(\"ts\") missing time\n\
         ! Some(4) Some(\"i\") this unsigned integer does not fit the integer column: it is larger than 9223372036854775807, the largest signed integer\n\
         append []\n\
         ts: time 1970-01-01T00:00:01.500Z 1970-01-01T00:00:04Z\n\
         id: id 5 null\n\
         host: tag 1 4\n\
         i: Integer 1 4\n\
         f: Float 1.0 4.0\n\
         t: Timestamp 2024-01-01T00:00:00Z 2024-01-01T00:00:00Z\n\
         new: String a d"
    );
}

#[test]
fn ids_are_row_ids_only_if_they_can_be() {
    let shown =
        |ids: ArrayRef| run(&[batch(vec![("time", times(vec![1, 2])), ("id", ids)])], &options());
    assert!(shown(Arc::new(Int32Array::from(vec![Some(4), None]))).ends_with("id: id 4 null"));
    assert!(shown(Arc::new(Int32Array::from(vec![4, 4]))).ends_with("id: Integer 4 4"));
    assert!(shown(Arc::new(StringArray::from(vec!["4", "5"]))).ends_with("id: String 4 5"));
}

#[test]
fn other_types_are_refused_by_name() {
    let decimals = Decimal128Array::from(vec![1, 2]).with_precision_and_scale(10, 2).unwrap();
    for (array, expected) in [
        (Arc::new(decimals) as ArrayRef, "decimal"),
        (Arc::new(BinaryArray::from(vec![&b"a"[..], b"b"])), "binary"),
        (Arc::new(Time32SecondArray::from(vec![1, 2])), "time"),
        (new_null_array(&DataType::new_list(DataType::Int8, true), 2), "list"),
        (new_null_array(&DataType::Duration(TimeUnit::Second), 2), "duration"),
    ] {
        assert_eq!(
            run(&[batch(vec![("time", times(vec![1, 2])), ("x", array)])], &options()),
            format!(
                "type_conflict: column \"x\" has the type {expected}, which tables do not have"
            )
        );
    }
}

#[test]
fn bad_bodies_are_refused() {
    let body = stream(&[sample()], None);
    let run = |body: &[u8]| show(parse(&table(), Bytes::copy_from_slice(body), &options(), None));
    assert_eq!(run(b""), "empty_body: the body is empty");
    for cut in [1, 5, 20, body.len() / 2, body.len() - 9] {
        assert!(run(&body[..cut]).starts_with("malformed_body"), "{cut}");
    }
    assert!(run(b"time,v\n2024-01-01,1\n").starts_with("malformed_body"));
    assert!(run(&[&body[..], b"more"].concat()).starts_with("malformed_body"));
    let twice = RecordBatch::try_from_iter([("time", times(vec![1])), ("time", times(vec![1]))]);
    assert!(run(&stream(&[twice.unwrap()], None)).starts_with("duplicate_column"));
    let no_time = batch(vec![("v", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]);
    assert!(run(&stream(&[no_time], None)).starts_with("missing_time"));
    let no_columns = RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty()));
    assert_eq!(run(&stream(&[no_columns], None)), "0 rows");
}

#[test]
fn compressed_buffers_are_bounded() {
    let zeros: ArrayRef = Arc::new(Int64Array::from(vec![0; 9_000_000]));
    for compression in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let body = stream(&[batch(vec![("time", Arc::clone(&zeros))])], Some(compression));
        let shown = show(parse(&table(), body.into(), &options(), None));
        assert!(shown.starts_with("body_too_large"), "{shown}");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let table_schema = schema(Mode::Append, &[("i8", "Float"), ("host", "tag"), ("day", "String")]);
    for (seed, compression) in
        [(13, None), (14, Some(CompressionType::LZ4_FRAME)), (15, Some(CompressionType::ZSTD))]
    {
        for_each_mutation(&stream(&[sample()], compression), seed, |body| {
            let body = Bytes::copy_from_slice(body);
            let named = RowOptions {
                on_error: OnError::Skip,
                time_column: Some("when".into()),
                ..options()
            };
            show(parse(&table(), body.clone(), &tags(&["host"]), None));
            show(parse(&table(), body, &named, Some(table_schema.clone().into())));
        });
    }
}

#[test]
fn series_of_plain_and_dictionary_tags_are_the_same() {
    let known = |registry: &Arc<SeriesRegistry>| KnownTable {
        schema: schema(Mode::Append, &[("b", "tag"), ("a", "tag"), ("v", "Integer")]),
        registry: Some(Arc::clone(registry)),
    };
    let rows = 300;
    let a: Vec<Option<String>> =
        (0..rows).map(|row| (row % 7 != 0).then(|| format!("host_{}", row % 40))).collect();
    let b: Vec<Option<&str>> = (0..rows)
        .map(|row| ["x", "", "a longer text, over 32 bytes of it"].get(row % 4).copied())
        .collect();
    let times: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter(
        (0..rows as i64).map(|row| (row % 50 != 9).then_some(row)),
    ));
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let plain: [ArrayRef; 2] = [
        Arc::new(StringArray::from_iter(a.iter().map(Option::as_deref))),
        Arc::new(LargeStringArray::from_iter(b.iter().copied())),
    ];
    let dictionaries: [ArrayRef; 2] = [
        Arc::new(a.iter().map(Option::as_deref).collect::<DictionaryArray<Int8Type>>()),
        Arc::new(b.iter().copied().collect::<DictionaryArray<Int8Type>>()),
    ];
    // Nulls among the texts of a dictionary, not among its keys.
    let texts: StringArray = [Some("x"), Some(""), b[2], None].into_iter().collect();
    let keys = Int8Array::from_iter_values((0..rows).map(|row| (row % 4) as i8));
    let null_texts: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(texts)));
    let registry = Arc::new(SeriesRegistry::new(SeriesLimits::default()));
    let codes = |tags: [ArrayRef; 2], known: KnownTable| {
        let [a, b] = tags;
        let batch =
            batch(vec![("ts", Arc::clone(&times)), ("a", a), ("b", b), ("v", Arc::clone(&values))]);
        let body = stream(&[batch.slice(0, 100), batch.slice(100, 200)], None);
        let parsed = parse(&table(), body.into(), &skip(), Some(known)).unwrap();
        assert_eq!((parsed.rows, parsed.rejected), (294, 6));
        parsed.write.unwrap().batch.series
    };
    let first = codes(plain.clone(), known(&registry)).codes;
    for tags in [plain.clone(), dictionaries.clone(), [Arc::clone(&dictionaries[0]), null_texts]] {
        assert_eq!(codes(tags, known(&registry)).codes, first);
    }
    let without = KnownTable { registry: None, ..known(&registry) };
    let sets = codes(dictionaries, without);
    let SeriesKeys::Sets { tags, .. } = &sets.keys else { panic!("no registry, no numbers") };
    let reader = registry.read();
    for (number, set) in first.iter().zip(&sets.codes) {
        let mut of_set: Vec<&str> = tags
            .iter()
            .filter(|tag| tag.values.is_valid(*set as usize))
            .map(|tag| tag.values.value(*set as usize))
            .collect();
        of_set.sort_unstable();
        let mut of_number: Vec<&str> =
            SeriesTags::of(reader.key(*number)).map(|(_, value)| value).collect();
        of_number.sort_unstable();
        assert_eq!(of_number, of_set);
    }
}
