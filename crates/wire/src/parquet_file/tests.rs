//! Parquet files at their boundary: batches in, columns or errors as text out.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{ParquetFile, parse};
use crate::mutate::for_each_mutation;
use crate::rows::RowOptions;
use crate::rows::tests::{options, show, table, tags};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

fn file(batch: &RecordBatch, compression: Compression) -> Bytes {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(100_000_000))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap().into()
}

fn run(body: Bytes, options: &RowOptions) -> String {
    show(parse(&table(), body, options, None))
}

fn sample() -> RecordBatch {
    let hosts: DictionaryArray<Int32Type> = [Some("a"), None, Some("a")].into_iter().collect();
    batch(vec![
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3]))),
        ("host", Arc::new(hosts)),
        ("i", Arc::new(Int32Array::from(vec![Some(-1), None, Some(3)]))),
        ("f", Arc::new(Float64Array::from(vec![0.5, f64::INFINITY, -1.0]))),
        ("s", Arc::new(StringArray::from(vec!["x", "", "z"]))),
    ])
}

#[test]
fn files_of_all_compressions_are_read() {
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ] {
        assert_eq!(
            run(file(&sample(), compression), &tags(&["host"])),
            "3 rows\nappend [id time host i f s]\n\
             time: time 1970-01-01T00:00:00.000001Z 1970-01-01T00:00:00.000002Z 1970-01-01T00:00:00.000003Z\n\
             host: tag a null a\n\
             i: Integer -1 null 3\n\
             f: Float 0.5 inf -1.0\n\
             s: String x '' z"
        );
    }
    assert_eq!(run(file(&sample().slice(0, 0), Compression::SNAPPY), &options()), "0 rows");
}

#[test]
fn bad_bodies_are_refused() {
    assert_eq!(run(Bytes::new(), &options()), "empty_body: the body is empty");
    let body = file(&sample(), Compression::SNAPPY);
    for cut in [1, 4, 100, body.len() - 1] {
        assert!(run(body.slice(..cut), &options()).starts_with("malformed_body"), "{cut}");
    }
    assert!(run(Bytes::from_static(b"PAR1 not PAR1"), &options()).starts_with("malformed_body"));
    let decimals = Decimal128Array::from(vec![1]).with_precision_and_scale(10, 2).unwrap();
    let body = file(&batch(vec![("x", Arc::new(decimals))]), Compression::SNAPPY);
    assert_eq!(
        run(body, &options()),
        "type_conflict: column \"x\" has the type decimal(10, 2), which tables do not have"
    );
}

#[test]
fn what_a_file_unpacks_to_is_bounded() {
    let zeros: ArrayRef = Arc::new(Int64Array::from(vec![0; 9_000_000]));
    let body = file(&batch(vec![("time", zeros)]), Compression::SNAPPY);
    assert!(body.len() < 1 << 20);
    assert!(run(body, &options()).starts_with("body_too_large"));
}

#[test]
fn no_bytes_make_it_panic() {
    for (seed, compression) in [(16, Compression::UNCOMPRESSED), (17, Compression::SNAPPY)] {
        let body = file(&sample(), compression);
        for_each_mutation(&body, seed, |body| {
            run(Bytes::copy_from_slice(body), &tags(&["host"]));
        });
    }
}

fn nested() -> RecordBatch {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1)])]);
    let inner: Vec<(Arc<Field>, ArrayRef)> = vec![
        (Arc::new(Field::new("x", DataType::Int32, true)), Arc::new(Int32Array::from(vec![1]))),
        (Arc::new(Field::new("y", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["a"]))),
    ];
    let decimals = Decimal128Array::from(vec![1]).with_precision_and_scale(10, 2).unwrap();
    batch(vec![
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![1]))),
        ("readings", Arc::new(list)),
        ("position", Arc::new(StructArray::from(inner))),
        ("amount", Arc::new(decimals)),
        ("ok", Arc::new(Float32Array::from(vec![1.0]))),
    ])
}

#[test]
fn all_columns_that_tables_cannot_have_are_named_at_once() {
    let error =
        parse(&table(), file(&nested(), Compression::SNAPPY), &options(), None).unwrap_err();
    assert_eq!(
        error.message(),
        "3 columns have types that tables do not have: \"readings\" (list of int64), \
         \"position\" (struct of x, y), \"amount\" (decimal(10, 2))"
    );
    let columns: Vec<_> = error.detail_list().iter().map(|d| d.column.clone().unwrap()).collect();
    assert_eq!(columns, ["readings", "position", "amount"]);
}

/// A file with row groups of `group_rows` rows.
fn grouped_file(batch: &RecordBatch, group_rows: usize) -> Bytes {
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap().into()
}

#[test]
fn row_groups_are_read_by_themselves_and_together_they_are_the_file() {
    let body = grouped_file(&sample(), 2);
    let file = ParquetFile::open(&body, &["host".to_owned()]).unwrap();
    assert_eq!((file.rows(), file.groups(), file.rows_before(1)), (3, 2, 2));
    let hosts = file.schema().field_with_name("host").unwrap().data_type().clone();
    assert_eq!(hosts, DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()));
    let rows = |group| -> usize {
        file.batches(body.clone(), group).unwrap().map(|batch| batch.unwrap().num_rows()).sum()
    };
    assert_eq!((rows(Some(0)), rows(Some(1)), rows(None)), (2, 1, 3));
}

#[test]
fn a_text_that_occurs_often_is_not_unpacked_at_once() {
    let text = "x".repeat(64 << 10);
    let texts: StringArray = (0..2_000).map(|_| Some(text.as_str())).collect();
    let times: Int64Array = (0..2_000).collect();
    let body = file(
        &batch(vec![("time", Arc::new(times)), ("text", Arc::new(texts))]),
        Compression::SNAPPY,
    );
    assert!(body.len() < 1 << 20, "{} bytes", body.len());
    for dictionaries in [vec![], vec!["text".to_owned()]] {
        let file = ParquetFile::open(&body, &dictionaries).unwrap();
        let mut rows = 0;
        for batch in file.batches(body.clone(), None).unwrap() {
            let batch = batch.unwrap();
            assert!(batch.num_rows() <= 128, "{} rows of 64 KiB", batch.num_rows());
            rows += batch.num_rows();
        }
        assert_eq!(rows, 2_000);
    }
}
