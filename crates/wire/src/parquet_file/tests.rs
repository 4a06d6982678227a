//! Parquet files at their boundary: batches in, columns or errors as text out.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::parse;
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
