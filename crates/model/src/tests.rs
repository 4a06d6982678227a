//! The model at its boundary: builders, conversions, times and windows.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};

use crate::batch::{Batch, SeriesKeys};
use crate::builder::{BatchBuilder, TagIndex, TagTarget};
use crate::column::{ColumnBuilder, Scalar};
use crate::error::Code;
use crate::ids::{ColumnId, DatabaseId, TableId};
use crate::name::{Name, nearest};
use crate::partition::PartitionWidth;
use crate::schema::{Column, Mode, TableSchema};
use crate::series::{SeriesLimits, SeriesRegistry, SeriesTags};
use crate::time::{Precision, column_precision, parse_time, time_text};
use crate::types::{ColumnKind, ColumnType};

fn builder() -> BatchBuilder {
    BatchBuilder::new(None, None, Name::literal("time"), None)
}

fn sets(batch: &Batch) -> usize {
    match batch.series.keys {
        SeriesKeys::Sets { sets, .. } => sets,
        SeriesKeys::Known(_) => panic!("the batch knows the registry"),
    }
}

#[test]
fn rows_lacking_a_field_are_null_in_it() {
    let mut b = builder();
    let series = b.series(&mut []).unwrap();
    let a = b.field("a").unwrap();
    b.push_i64(a, 1).unwrap();
    b.end_row(series, 10);
    b.end_row(series, 20);
    let c = b.field("c").unwrap();
    b.push_str(c, "x").unwrap();
    b.end_row(series, 30);
    let batch = b.finish();
    let a = batch.fields[0].values.as_primitive::<Int64Type>();
    let c = batch.fields[1].values.as_string::<i32>();
    assert_eq!((a.value(0), a.is_null(1), a.is_null(2)), (1, true, true));
    assert_eq!((c.is_null(0), c.is_null(1), c.value(2)), (true, true, "x"));
}

#[test]
fn an_aborted_row_leaves_no_trace() {
    let mut b = builder();
    let series = b.series(&mut []).unwrap();
    let a = b.field("a").unwrap();
    b.push_i64(a, 7).unwrap();
    b.end_row(series, 1);
    b.push_f64(a, 0.5).unwrap();
    let new = b.field("new").unwrap();
    b.push_bool(new, true).unwrap();
    b.abort_row();
    b.push_i64(a, 8).unwrap();
    b.end_row(series, 2);
    let batch = b.finish();
    assert_eq!(batch.fields.len(), 1);
    assert_eq!(batch.fields[0].ty, ColumnType::I64);
    assert_eq!(batch.fields[0].values.as_primitive::<Int64Type>().values(), &[7, 8]);
}

#[test]
fn an_aborted_row_leaves_no_tag_and_no_series() {
    let mut b = builder();
    let Ok(TagTarget::Tag(tag)) = b.tag("host") else { panic!("a new tag is a tag") };
    b.series(&mut [(tag, "bad")]).unwrap();
    b.abort_row();
    assert!(b.field("host").is_ok(), "the name is free again");
    b.abort_row();
    let Ok(TagTarget::Tag(tag)) = b.tag("region") else { panic!("a new tag is a tag") };
    let code = b.series(&mut [(tag, "eu")]).unwrap();
    b.end_row(code, 1);
    let batch = b.finish();
    assert_eq!((code, sets(&batch), batch.series.tags().len()), (0, 1, 1));
    assert_eq!(batch.series.tags()[0].values.value(0), "eu");
}

fn column(values: &[Option<Scalar<'_>>]) -> ColumnBuilder {
    let mut column = ColumnBuilder::new(ColumnType::Untyped);
    for value in values {
        match value {
            Some(value) => column.push(*value).unwrap(),
            None => column.push_null(),
        }
    }
    column
}

#[test]
fn whole_columns_are_appended_by_the_same_rules_as_values() {
    let mut b = builder();
    let series = b.series(&mut []).unwrap();
    let a = b.field("a").unwrap();
    let ints = column(&[Some(Scalar::I64(1)), None]);
    b.append_rows(&[1, 2], &[series; 2], vec![(a, ints)]).unwrap();
    let t = b.field("t").unwrap();
    let floats = column(&[Some(Scalar::F64(0.5)), Some(Scalar::F64(1.5))]);
    let texts = column(&[None, Some(Scalar::Text("x"))]);
    b.append_rows(&[3, 4], &[series; 2], vec![(a, floats.clone()), (t, texts)]).unwrap();
    let again = column(&[Some(Scalar::F64(9.0)), Some(Scalar::F64(9.0))]);
    let error = b.append_rows(&[5, 6], &[series; 2], vec![(a, again), (t, floats)]).unwrap_err();
    assert_eq!((error.0, error.1, error.2.value), (t, 0, ColumnType::F64));
    b.abort_row();
    let batch = b.finish();
    assert_eq!(&batch.time[..], [1, 2, 3, 4]);
    let a = batch.fields[0].values.as_primitive::<Float64Type>();
    assert_eq!(a.iter().collect::<Vec<_>>(), [Some(1.0), None, Some(0.5), Some(1.5)]);
    let t = batch.fields[1].values.as_string::<i32>();
    assert_eq!(t.iter().collect::<Vec<_>>(), [None, None, None, Some("x")]);
}

#[test]
fn checking_a_value_says_what_pushing_it_does() {
    let values = [
        Scalar::I64(-1),
        Scalar::I64(i64::MAX),
        Scalar::U64(1),
        Scalar::U64(u64::MAX),
        Scalar::F64(0.5),
        Scalar::Bool(true),
        Scalar::Text("2024-01-01"),
        Scalar::Text("x"),
        Scalar::Timestamp(1),
    ];
    for first in values {
        for second in values {
            let mut one = column(&[Some(first), None]);
            let checked = one.check(second);
            assert_eq!(one.check(second), checked, "checking changes nothing");
            let mut whole = one.clone();
            assert_eq!(whole.check_column(&column(&[Some(second)])).is_ok(), checked.is_ok());
            assert_eq!(one.push(second), checked, "{second:?} into {first:?}");
            assert_eq!(one.get(1), None);
            assert_eq!(one.get(2).is_some(), checked.is_ok());
        }
    }
}

#[test]
fn integers_widen_to_floats_only_while_exact() {
    let mut b = builder();
    let series = b.series(&mut []).unwrap();
    let a = b.field("a").unwrap();
    b.push_i64(a, 3).unwrap();
    b.end_row(series, 1);
    b.push_f64(a, 0.5).unwrap();
    b.end_row(series, 2);
    assert!(b.push_i64(a, (1 << 53) + 1).is_err());
    let batch = b.finish();
    assert_eq!(batch.fields[0].values.as_primitive::<Float64Type>().values(), &[3.0, 0.5]);

    let mut b = builder();
    let big = b.field("a").unwrap();
    b.push_i64(big, i64::MAX).unwrap();
    let series = b.series(&mut []).unwrap();
    b.end_row(series, 1);
    assert!(b.push_f64(big, 0.5).is_err());
}

#[test]
fn series_do_not_depend_on_the_order_of_tags() {
    let mut b = builder();
    let TagTarget::Tag(host) = b.tag("host").unwrap() else { panic!() };
    let TagTarget::Tag(dc) = b.tag("dc").unwrap() else { panic!() };
    let one = b.series(&mut [(dc, "x"), (host, "a")]).unwrap();
    assert_eq!(one, b.series(&mut [(host, "a"), (dc, "x")]).unwrap());
    let two = b.series(&mut [(host, "a"), (dc, "")]).unwrap();
    assert_ne!(one, two);
    assert_eq!(two, b.series(&mut [(host, "a")]).unwrap());
    b.end_row(one, 1);
    b.end_row(two, 2);
    let batch = b.finish();
    assert_eq!(sets(&batch), 2);
    assert_eq!(batch.series.tags()[1].values.value(0), "x");
    assert!(batch.series.tags()[1].values.is_null(1));
}

#[test]
fn times_are_read_in_every_accepted_form() {
    for (text, expected) in [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01 00:00:01.5", 1_500_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2262-04-11T23:47:16.854775807Z", i64::MAX),
        ("1677-09-21T00:12:43.145224192Z", i64::MIN),
    ] {
        assert_eq!(parse_time(text).unwrap(), expected, "{text}");
    }
    for text in [
        "",
        "2024",
        "2024-13-01",
        "2024-01-32",
        "2263-01-01",
        "1600-01-01",
        "2024-01-01T25:00:00",
        "2024-01-01x",
    ] {
        assert!(parse_time(text).is_err(), "{text}");
    }
    assert_eq!(time_text(1_500_000_000), "1970-01-01T00:00:01.500Z");
    assert_eq!(time_text(-1), "1969-12-31T23:59:59.999999999Z");
}

#[test]
fn units_are_guessed_from_the_whole_column() {
    let of = |values: &[i64]| column_precision(values.iter().copied());
    assert_eq!(of(&[1_700_000_000, 0]).unwrap(), Precision::Second);
    assert_eq!(of(&[1_700_000_000_000]).unwrap(), Precision::Millisecond);
    assert!(of(&[1_700_000_000_000, 1_700_000_000]).is_err());
}

#[test]
fn windows_cover_the_whole_range_of_time() {
    for width in
        [PartitionWidth::Hour, PartitionWidth::Day, PartitionWidth::Month, PartitionWidth::Year]
    {
        for time in [i64::MIN, -1, 0, 1_700_000_000_000_000_000, i64::MAX] {
            assert!(width.window(time).contains(time), "{width:?} {time}");
        }
    }
    let month = PartitionWidth::Month.window(parse_time("2023-12-15").unwrap());
    assert_eq!(time_text(month.end_ns), "2024-01-01T00:00:00Z");
}

#[test]
fn names_are_checked_and_near_ones_found() {
    assert!(Name::new("../../etc").is_ok());
    assert!(Name::new("").is_err());
    assert!(Name::new("a\nb").is_err());
    assert!(Name::new(&"x".repeat(256)).is_err());
    assert_eq!(nearest("pric", ["price", "volume"]), ["price"]);
}

/// A table with the tags `host` (2) and `dc` (3) and the field `v`, and its registry.
fn hosts() -> (Arc<TableSchema>, Arc<SeriesRegistry>) {
    let column =
        |(id, name, kind, ty)| Column { id: ColumnId(id), name: Name::literal(name), kind, ty };
    let columns = [
        (1, "time", ColumnKind::Time, ColumnType::Timestamp),
        (2, "host", ColumnKind::Tag, ColumnType::Utf8),
        (3, "dc", ColumnKind::Tag, ColumnType::Utf8),
        (4, "v", ColumnKind::Field, ColumnType::I64),
    ];
    let schema = TableSchema {
        id: TableId(1),
        database: DatabaseId(1),
        name: Name::literal("cpu"),
        version: 1,
        columns: columns.map(column).to_vec(),
        next_column: ColumnId(5),
        mode: Mode::Upsert,
        partition: PartitionWidth::Auto,
        dropped: Vec::new(),
        created_at_ns: 0,
        codec: None,
        retention_ns: None,
    };
    (
        Arc::new(schema),
        Arc::new(SeriesRegistry::new(SeriesLimits { series_max: 3, raw_bytes_max: 1 << 20 })),
    )
}

fn known_builder() -> (BatchBuilder, Arc<SeriesRegistry>) {
    let (schema, registry) = hosts();
    let builder =
        BatchBuilder::new(Some(schema), Some(Arc::clone(&registry)), Name::literal("time"), None);
    (builder, registry)
}

fn tag_of(b: &mut BatchBuilder, name: &str) -> TagIndex {
    let TagTarget::Tag(tag) = b.tag(name).unwrap() else { panic!("{name} is a tag") };
    tag
}

#[test]
fn a_batch_of_known_tags_is_in_numbers_of_the_registry() {
    let (mut b, registry) = known_builder();
    let (dc, host) = (tag_of(&mut b, "dc"), tag_of(&mut b, "host"));
    let other = registry.number(&[(ColumnId(2), "z")]).unwrap();
    let one = b.series(&mut [(dc, "x"), (host, "old"), (host, "a")]).unwrap();
    b.end_row(one, 1);
    b.end_row(other, 2);
    assert_eq!(b.series(&mut [(host, "a"), (dc, "x")]).unwrap(), one);
    assert_eq!(b.series(&mut [(host, "z"), (dc, "")]).unwrap(), other);
    let batch = b.finish();
    let SeriesKeys::Known(of) = &batch.series.keys else { panic!("every tag is known") };
    assert!(Arc::ptr_eq(of, &registry));
    assert_eq!(batch.series.codes[..], [one, other]);
    let reader = registry.read();
    let tags: Vec<_> = SeriesTags::of(reader.key(one)).collect();
    assert_eq!(tags, [(ColumnId(2), "a"), (ColumnId(3), "x")]);
}

/// A new tag comes after rows whose series were known, one of them without any tag named.
#[test]
fn codes_stay_good_when_a_new_tag_turns_the_batch_to_sets() {
    let (mut b, registry) = known_builder();
    let host = tag_of(&mut b, "host");
    let whole = registry.number(&[(ColumnId(2), "z"), (ColumnId(3), "y")]).unwrap();
    let a = b.series(&mut [(host, "a")]).unwrap();
    b.end_row(a, 1);
    let rack = tag_of(&mut b, "rack");
    let new = b.series(&mut [(rack, "r1"), (host, "a")]).unwrap();
    b.end_row(new, 2);
    b.end_row(whole, 3);
    b.end_row(a, 4);
    assert_eq!(b.series(&mut [(rack, ""), (host, "a")]).unwrap(), a);
    let batch = b.finish();
    let mut rows = Vec::new();
    for code in batch.series.codes.iter() {
        let code = *code as usize;
        let tags = batch.series.tags().iter().filter(|tag| tag.values.is_valid(code));
        let tags: Vec<_> =
            tags.map(|tag| format!("{}={}", tag.name, tag.values.value(code))).collect();
        rows.push(tags.join(","));
    }
    assert_eq!(rows, ["host=a", "host=a,rack=r1", "host=z,dc=y", "host=a"]);
    assert_eq!(sets(&batch), 3);
}

#[test]
fn an_aborted_new_tag_leaves_the_batch_in_numbers() {
    let (mut b, registry) = known_builder();
    let (host, rack) = (tag_of(&mut b, "host"), tag_of(&mut b, "rack"));
    b.series(&mut [(rack, "r1"), (host, "a")]).unwrap();
    b.abort_row();
    assert!(registry.is_empty());
    let host = tag_of(&mut b, "host");
    for value in ["a", "b", "c"] {
        let code = b.series(&mut [(host, value)]).unwrap();
        b.end_row(code, 1);
    }
    assert_eq!(b.series(&mut [(host, "d")]).unwrap_err().code(), Code::LimitExceeded);
    b.abort_row();
    assert!(matches!(b.finish().series.keys, SeriesKeys::Known(_)));
}
