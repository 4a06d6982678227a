//! Results at their boundary: batches in, text or batches read back out.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{
    DataType, Field, Int32Type, Schema, SchemaRef, TimestampNanosecondType, UInt32Type,
};
use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use pulsora_model::time::Precision;
use pulsora_model::{Code, Error, Mode};

use crate::json::parse_ndjson;
use crate::rows::RowOptions;
use crate::rows::tests::{schema, table};

use super::{
    Nonfinite, ResultFormat, ResultOptions, ResultWriter, Summary, TimeStyle, error_line,
    rows_writer, sql_writer, type_name,
};

const SUMMARY: Summary =
    Summary { row_count: 3, execution_time_ms: 1.5, timestamp_ns: 1_700_000_000_000_000_000 };

fn run(mut writer: Box<dyn ResultWriter>, schema: &SchemaRef, batches: &[RecordBatch]) -> Vec<u8> {
    let mut out = Vec::new();
    writer.begin(schema, &mut out).unwrap();
    for batch in batches {
        writer.batch(batch, &mut out).unwrap();
    }
    writer.end(&SUMMARY, &mut out).unwrap();
    out
}

fn text(writer: Box<dyn ResultWriter>, batches: &[RecordBatch]) -> String {
    String::from_utf8(run(writer, &batches[0].schema(), batches)).unwrap()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

/// Three rows of the types that tables have; the second is null wherever it can be.
fn sample() -> RecordBatch {
    let hosts: DictionaryArray<UInt32Type> =
        [Some("a"), None, Some("b \"q\"")].into_iter().collect();
    let times = TimestampNanosecondArray::from(vec![0, 1_500_000_000, -1]).with_timezone("UTC");
    batch(vec![
        ("time", Arc::new(times)),
        ("host", Arc::new(hosts)),
        ("i", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(7)]))),
        ("u", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(0)]))),
        ("f", Arc::new(Float64Array::from(vec![Some(1.0), None, Some(f64::NAN)]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("s", Arc::new(StringArray::from(vec![Some(""), None, Some("x,\n\"y\"")]))),
        ("n", Arc::new(NullArray::new(3))),
    ])
}

#[test]
fn row_objects_keep_column_order() {
    let batches = [sample().slice(0, 2), sample().slice(2, 1)];
    assert_eq!(
        text(rows_writer(ResultFormat::Json, ResultOptions::default()), &batches),
        concat!(
            r#"{"success":true,"data":["#,
            r#"{"time":"1970-01-01T00:00:00Z","host":"a","i":-9223372036854775808,"u":18446744073709551615,"f":1.0,"b":true,"s":"","n":null},"#,
            r#"{"time":"1970-01-01T00:00:01.500Z","host":null,"i":null,"u":null,"f":null,"b":null,"s":null,"n":null},"#,
            r#"{"time":"1969-12-31T23:59:59.999999999Z","host":"b \"q\"","i":7,"u":0,"f":null,"b":false,"s":"x,\n\"y\"","n":null}"#,
            r#"],"error":null}"#
        )
    );
    let options =
        ResultOptions { times: TimeStyle::Unit(Precision::Second), nonfinite: Nonfinite::String };
    assert_eq!(
        text(rows_writer(ResultFormat::Ndjson, options), &[sample().slice(2, 1)]),
        "{\"time\":-1,\"host\":\"b \\\"q\\\"\",\"i\":7,\"u\":0,\"f\":\"NaN\",\"b\":false,\"s\":\"x,\\n\\\"y\\\"\",\"n\":null}\n"
    );
}

#[test]
fn sql_has_columns_types_and_rows() {
    assert_eq!(
        text(sql_writer(ResultFormat::Json, ResultOptions::default()), &[sample().slice(0, 1)]),
        concat!(
            r#"{"success":true,"columns":["time","host","i","u","f","b","s","n"],"#,
            r#""types":["timestamp[ns]","utf8","int64","uint64","float64","bool","utf8","null"],"#,
            r#""data":[["1970-01-01T00:00:00Z","a",-9223372036854775808,18446744073709551615,1.0,true,"",null]],"#,
            r#""row_count":3,"execution_time_ms":1.5,"timestamp":"2023-11-14T22:13:20Z"}"#
        )
    );
    let schema = Arc::new(Schema::empty());
    let out = run(sql_writer(ResultFormat::Json, ResultOptions::default()), &schema, &[]);
    assert!(out.starts_with(br#"{"success":true,"columns":[],"types":[],"data":[],"#));
}

#[test]
fn csv_tells_null_from_empty_text() {
    assert_eq!(
        text(rows_writer(ResultFormat::Csv, ResultOptions::default()), &[sample()]),
        "time,host,i,u,f,b,s,n\n\
         1970-01-01T00:00:00Z,a,-9223372036854775808,18446744073709551615,1.0,true,\"\",\n\
         1970-01-01T00:00:01.500Z,,,,,,,\n\
         1969-12-31T23:59:59.999999999Z,\"b \"\"q\"\"\",7,0,NaN,false,\"x,\n\"\"y\"\"\",\n"
    );
}

#[test]
fn every_type_has_a_text() {
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]);
    let structs = StructArray::from(vec![
        (
            Arc::new(Field::new("x", DataType::Int32, false)),
            Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef,
        ),
        (
            Arc::new(Field::new(
                "t",
                DataType::Timestamp(arrow::datatypes::TimeUnit::Second, Some("+02:00".into())),
                false,
            )),
            Arc::new(TimestampSecondArray::from(vec![0, 1, i64::MAX]).with_timezone("+02:00")),
        ),
    ]);
    let mut maps = MapBuilder::new(None, Int32Builder::new(), StringBuilder::new());
    maps.keys().append_value(5);
    maps.values().append_value("v");
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    maps.append(true).unwrap();
    let columns: Vec<(ArrayRef, &str, &str)> = vec![
        (Arc::new(Int8Array::from(vec![-8, 0, 1])), "int8", "-8,0,1"),
        (Arc::new(Int16Array::from(vec![-8, 0, 1])), "int16", "-8,0,1"),
        (Arc::new(UInt8Array::from(vec![8, 0, 1])), "uint8", "8,0,1"),
        (Arc::new(UInt16Array::from(vec![8, 0, 1])), "uint16", "8,0,1"),
        (Arc::new(UInt32Array::from(vec![8, 0, 1])), "uint32", "8,0,1"),
        (Arc::new(Float32Array::from(vec![0.1, f32::INFINITY, 1e30])), "float32", "0.1,null,1e+30"),
        (
            arrow::compute::cast(&Float32Array::from(vec![0.5, 1.0, -2.0]), &DataType::Float16)
                .unwrap(),
            "float16",
            "0.5,1.0,-2.0",
        ),
        (Arc::new(LargeStringArray::from(vec!["a", "b", ""])), "large_utf8", r#""a","b","""#),
        (Arc::new(StringViewArray::from(vec!["a", "b", ""])), "utf8", r#""a","b","""#),
        (
            Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..], b"", b"a"])),
            "binary",
            r#""00ff","","61""#,
        ),
        (
            Arc::new(BinaryViewArray::from(vec![&b"\x00\xff"[..], b"", b"a"])),
            "binary",
            r#""00ff","","61""#,
        ),
        (
            Arc::new(
                Decimal128Array::from(vec![1234, -5, 0]).with_precision_and_scale(10, 2).unwrap(),
            ),
            "decimal(10, 2)",
            "12.34,-0.05,0.00",
        ),
        (
            Arc::new(Date32Array::from(vec![0, 1, -1])),
            "date32",
            r#""1970-01-01","1970-01-02","1969-12-31""#,
        ),
        (
            Arc::new(Date64Array::from(vec![0, 86_400_000, 1])),
            "date64",
            r#""1970-01-01T00:00:00","1970-01-02T00:00:00","1970-01-01T00:00:00.001""#,
        ),
        (
            Arc::new(Time64MicrosecondArray::from(vec![0, 1, 2])),
            "time[us]",
            r#""00:00:00","00:00:00.000001","00:00:00.000002""#,
        ),
        (
            Arc::new(DurationSecondArray::from(vec![0, 1, 3600])),
            "duration[s]",
            r#""P0D","PT1S","PT3600S""#,
        ),
        (
            Arc::new(IntervalYearMonthArray::from(vec![0, 1, 13])),
            "interval",
            r#""0 years 0 mons","0 years 1 mons","1 years 1 mons""#,
        ),
        (
            Arc::new(TimestampMillisecondArray::from(vec![0, 1, 2])),
            "timestamp[ms]",
            r#""1970-01-01T00:00:00Z","1970-01-01T00:00:00.001Z","1970-01-01T00:00:00.002Z""#,
        ),
        (
            Arc::new(TimestampSecondArray::from(vec![32_503_680_000, 0, 0])),
            "timestamp[s]",
            r#""3000-01-01T00:00:00Z","1970-01-01T00:00:00Z","1970-01-01T00:00:00Z""#,
        ),
        (Arc::new(lists), "list", "[1,null],null,[]"),
        (
            Arc::new(structs),
            "struct",
            r#"{"x":1,"t":"1970-01-01T00:00:00Z"},{"x":2,"t":"1970-01-01T00:00:01Z"},{"x":3,"t":"9223372036854775807000000000 ns"}"#,
        ),
        (Arc::new(maps.finish()), "map", r#"{"5":"v"},null,{}"#),
    ];
    for (array, ty, expected) in columns {
        assert_eq!(type_name(array.data_type()), ty);
        let batch = batch(vec![("c", array)]);
        for format in ResultFormat::ALL {
            if (format, ty) == (ResultFormat::Parquet, "interval") {
                continue;
            }
            run(
                sql_writer(format, ResultOptions::default()),
                &batch.schema(),
                std::slice::from_ref(&batch),
            );
        }
        let lines = text(rows_writer(ResultFormat::Ndjson, ResultOptions::default()), &[batch]);
        let values: Vec<&str> = lines
            .lines()
            .map(|line| line.strip_prefix("{\"c\":").unwrap().strip_suffix('}').unwrap())
            .collect();
        assert_eq!(values.join(","), expected, "{ty}");
    }
}

#[test]
fn an_empty_dictionary_is_all_nulls() {
    let keys = UInt32Array::from(vec![None, None]);
    let values = Arc::new(StringArray::from(Vec::<&str>::new()));
    let array = DictionaryArray::<UInt32Type>::new(keys, values);
    let batch = batch(vec![("d", Arc::new(array))]);
    assert_eq!(
        text(rows_writer(ResultFormat::Ndjson, ResultOptions::default()), &[batch]),
        "{\"d\":null}\n{\"d\":null}\n"
    );
}

#[test]
fn msgpack_is_columnar() {
    let out = run(
        sql_writer(ResultFormat::Msgpack, ResultOptions::default()),
        &sample().schema(),
        &[sample().slice(0, 2), sample().slice(2, 1)],
    );
    let mut expected = Vec::new();
    let text = |text: &str, out: &mut Vec<u8>| {
        out.push(0xa0 | text.len() as u8);
        out.extend_from_slice(text.as_bytes());
    };
    expected.push(0x87);
    text("success", &mut expected);
    expected.push(0xc3);
    text("columns", &mut expected);
    expected.push(0x98);
    for name in ["time", "host", "i", "u", "f", "b", "s", "n"] {
        text(name, &mut expected);
    }
    text("types", &mut expected);
    expected.push(0x98);
    for ty in ["timestamp[ns]", "utf8", "int64", "uint64", "float64", "bool", "utf8", "null"] {
        text(ty, &mut expected);
    }
    text("data", &mut expected);
    expected.extend_from_slice(&[0x98, 0x93, 0xd6, 0xff, 0, 0, 0, 0, 0xd7, 0xff]);
    expected.extend_from_slice(&(500_000_000u64 << 34 | 1).to_be_bytes());
    expected.extend_from_slice(&[0xc7, 12, 0xff]);
    expected.extend_from_slice(&999_999_999u32.to_be_bytes());
    expected.extend_from_slice(&(-1i64).to_be_bytes());
    assert_eq!(&out[..expected.len()], expected);
    let mut tail = Vec::new();
    text("row_count", &mut tail);
    tail.push(3);
    text("execution_time_ms", &mut tail);
    tail.push(0xcb);
    tail.extend_from_slice(&1.5f64.to_be_bytes());
    text("timestamp", &mut tail);
    text("2023-11-14T22:13:20Z", &mut tail);
    assert!(out.ends_with(&tail));
}

#[test]
fn accept_headers_choose_by_quality() {
    for (header, expected) in [
        ("application/json", Some(ResultFormat::Json)),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Some(ResultFormat::Json)),
        ("text/csv;q=0.5, application/x-ndjson", Some(ResultFormat::Ndjson)),
        ("TEXT/CSV", Some(ResultFormat::Csv)),
        ("application/vnd.apache.arrow.stream", Some(ResultFormat::Arrow)),
        ("application/vnd.apache.parquet;q=0", None),
        ("application/msgpack ; q=0.3 , text/csv;q=0.2", Some(ResultFormat::Msgpack)),
        ("image/png", None),
        ("", None),
    ] {
        assert_eq!(ResultFormat::from_accept(header), expected, "{header}");
    }
    for format in ResultFormat::ALL {
        assert_eq!(ResultFormat::parse(format.name()).unwrap(), format);
        assert_eq!(ResultFormat::from_accept(format.content_type()), Some(format));
    }
    assert!(ResultFormat::parse("xml").is_err());
}

#[test]
fn a_late_error_is_a_line() {
    let error = Error::new(Code::Timeout, "the query took longer than 30 s").hint("narrow it");
    assert_eq!(
        String::from_utf8(error_line(&error)).unwrap(),
        "{\"error\":\"the query took longer than 30 s\",\"code\":\"timeout\",\"hint\":\"narrow it\"}\n"
    );
}

fn random_batch() -> impl Strategy<Value = RecordBatch> {
    let row = (
        any::<Option<i64>>(),
        any::<Option<u64>>(),
        proptest::option::of(any::<f64>().prop_filter("finite", |value| value.is_finite())),
        any::<Option<bool>>(),
        any::<Option<String>>(),
        any::<i64>(),
        proptest::option::of(0..3usize),
    );
    proptest::collection::vec(row, 1..40).prop_map(|rows| {
        let hosts: DictionaryArray<UInt32Type> =
            rows.iter().map(|row| row.6.map(|host| ["a", "b", "c"][host])).collect();
        let times: Vec<i64> = rows.iter().map(|row| row.5).collect();
        batch(vec![
            ("i", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
            ("u", Arc::new(rows.iter().map(|row| row.1).collect::<UInt64Array>())),
            ("f", Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>())),
            ("b", Arc::new(rows.iter().map(|row| row.3).collect::<BooleanArray>())),
            ("s", Arc::new(rows.iter().map(|row| row.4.clone()).collect::<StringArray>())),
            ("t", Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"))),
            ("h", Arc::new(hosts)),
        ])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, rng_seed: proptest::test_runner::RngSeed::Fixed(5), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn binary_results_read_back_equal(batches in proptest::collection::vec(random_batch(), 1..3)) {
        let schema = batches[0].schema();
        let all = arrow::compute::concat_batches(&schema, &batches).unwrap();
        let bytes = run(sql_writer(ResultFormat::Arrow, ResultOptions::default()), &schema, &batches);
        let read: Vec<_> = StreamReader::try_new(&*bytes, None).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(&read, &batches);
        let bytes = run(sql_writer(ResultFormat::Parquet, ResultOptions::default()), &schema, &batches);
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap().build().unwrap();
        let read: Vec<_> = reader.map(Result::unwrap).collect();
        prop_assert_eq!(arrow::compute::concat_batches(&schema, &read).unwrap(), all);
    }

    #[test]
    fn text_results_read_back_equal(batch in random_batch()) {
        let writer = rows_writer(ResultFormat::Ndjson, ResultOptions::default());
        let lines = text(writer, std::slice::from_ref(&batch));
        let options = RowOptions {
            time_column: Some("t".into()),
            tags: vec!["h".into()],
            ..RowOptions::default()
        };
        let columns = [("h", "tag"), ("i", "Integer"), ("u", "UnsignedInteger"), ("f", "Float"), ("b", "Boolean"), ("s", "String")];
        let table_schema = schema(Mode::Append, &columns);
        let parsed = parse_ndjson(&table(), lines.as_bytes(), &options, Some(table_schema.into())).unwrap();
        let read = parsed.write.unwrap().batch;
        for name in ["i", "u", "f", "b", "s"] {
            let field = read.fields.iter().find(|field| field.name == *name).unwrap();
            prop_assert_eq!(&field.values, batch.column_by_name(name).unwrap());
        }
        let times = batch.column_by_name("t").unwrap().as_primitive::<TimestampNanosecondType>();
        prop_assert_eq!(&read.time, times.values());
    }
}
