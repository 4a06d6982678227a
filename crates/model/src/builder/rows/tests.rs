//! Rows written into lanes against the same rows pushed value by value.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use proptest::prelude::*;

use crate::builder::{BatchBuilder, Room};
use crate::column::Lane;
use crate::name::Name;
use crate::types::ColumnType;

fn builder() -> BatchBuilder {
    BatchBuilder::new(None, None, Name::literal("time"), None)
}

fn text_of(row: usize) -> String {
    "ä".repeat(row % 4)
}

fn fill(lane: &mut Lane<'_>, row: usize) {
    match lane {
        Lane::I64(values) => values[row] = row as i64,
        Lane::U64(values) => values[row] = row as u64,
        Lane::F64(values) => values[row] = row as f64,
        Lane::Bool(values) => values[row] = row.is_multiple_of(2),
        Lane::Text(texts) => assert!(texts.push(&text_of(row))),
    }
}

const TYPES: [ColumnType; 5] =
    [ColumnType::I64, ColumnType::U64, ColumnType::F64, ColumnType::Bool, ColumnType::Utf8];

/// Runs of rows: whether each is written into lanes, how many rows it fills, and how many count.
fn check(runs: &[(bool, usize, usize)]) {
    let (mut written, mut pushed) = (builder(), builder());
    for b in [&mut written, &mut pushed] {
        b.series(&mut []).unwrap();
        for ty in TYPES {
            b.typed_field(ty.noun(), ty).unwrap();
        }
        b.typed_field("rest", ColumnType::I64).unwrap();
    }
    let fields: Vec<_> = TYPES.iter().map(|ty| pushed.field(ty.noun()).unwrap()).collect();
    for (in_lanes, filled, kept) in runs {
        for row in 0..*kept {
            push(&mut pushed, &fields, row, *in_lanes);
        }
        if !in_lanes {
            (0..*kept).for_each(|row| push(&mut written, &fields, row, false));
            continue;
        }
        let rows = written.write_rows(&fields, Room { rows: *filled, likely: 3 }, |mut lanes| {
            for row in 0..*filled {
                lanes.values.iter_mut().for_each(|lane| fill(lane, row));
                (lanes.times[row], lanes.codes[row]) = (row as i64, 0);
            }
            *kept
        });
        assert_eq!(rows, Some(*kept));
    }
    let (written, pushed) = (written.finish(), pushed.finish());
    assert_eq!(written.rows, pushed.rows);
    assert_eq!((written.time, written.series.codes), (pushed.time, pushed.series.codes));
    for (a, b) in written.fields.iter().zip(&pushed.fields) {
        assert_eq!((&a.name, a.ty, &a.values), (&b.name, b.ty, &b.values));
    }
}

/// A row with a value in every field, or in none but the last, which lanes never fill.
fn push(b: &mut BatchBuilder, fields: &[crate::builder::FieldIndex], row: usize, all: bool) {
    if all {
        b.push_i64(fields[0], row as i64).unwrap();
        b.push_u64(fields[1], row as u64).unwrap();
        b.push_f64(fields[2], row as f64).unwrap();
        b.push_bool(fields[3], row.is_multiple_of(2)).unwrap();
        b.push_str(fields[4], &text_of(row)).unwrap();
    } else {
        let rest = b.field("rest").unwrap();
        b.push_i64(rest, 7).unwrap();
    }
    b.end_row(0, row as i64);
}

const ROOM: Room = Room { rows: 8, likely: 8 };

#[test]
fn lanes_come_in_the_order_of_the_fields_asked_for() {
    let mut b = builder();
    let series = b.series(&mut []).unwrap();
    let names = ["a", "b", "c", "d", "e"];
    let all = names.map(|name| b.typed_field(name, ColumnType::I64).unwrap());
    let asked = [all[3], all[0], all[4], all[1]];
    let rows = b.write_rows(&asked, ROOM, |mut lanes| {
        for (number, lane) in (0..).zip(&mut lanes.values) {
            let Lane::I64(values) = lane else { panic!("they are integers") };
            values[0] = number;
        }
        lanes.codes[0] = series;
        1
    });
    assert_eq!(rows, Some(1));
    let batch = b.finish();
    let values = batch
        .fields
        .iter()
        .map(|field| format!("{:?}", field.values.as_primitive::<Int64Type>().iter().next()));
    assert_eq!(
        values.collect::<Vec<_>>().join(" "),
        "Some(Some(1)) Some(Some(3)) Some(None) Some(Some(0)) Some(Some(2))"
    );
}

#[test]
fn columns_without_a_type_have_no_lanes() {
    let mut b = builder();
    let field = b.field("untyped").unwrap();
    assert_eq!(b.write_rows(&[field], ROOM, |_| panic!("there is no lane")), None);
    let time = b.typed_field("at", ColumnType::Timestamp).unwrap();
    assert_eq!(b.write_rows(&[time], ROOM, |_| panic!("there is no lane")), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn written_rows_are_the_pushed_rows(
        runs in proptest::collection::vec((any::<bool>(), 0usize..40, 0usize..40), 0..8),
    ) {
        let runs: Vec<_> = runs.into_iter().map(|(lanes, a, b)| (lanes, a.max(b), a.min(b))).collect();
        check(&runs);
    }
}
