//! Sums of blocks and of hours are those of a plain fold over the rows.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};
use pulsora_model::partition::HOUR_NS;
use pulsora_model::{ColumnKind, ColumnType};

use super::world::World;
use crate::segment::hot::hours::HOUR_ROWS_MIN;
use crate::segment::hot::summary::Sum;
use crate::segment::hot::{HotColumn, HotSegment, HourPart};

/// The words of a column's values, `None` = null.
fn words(rows: &RecordBatch, column: &HotColumn) -> Vec<Option<i64>> {
    let values = rows.column_by_name(&column.name).unwrap();
    match column.ty {
        ColumnType::I64 => values.as_primitive::<Int64Type>().iter().collect(),
        ColumnType::U64 => {
            values.as_primitive::<UInt64Type>().iter().map(|v| v.map(|v| v as i64)).collect()
        }
        ColumnType::F64 => {
            let values = values.as_primitive::<Float64Type>().iter();
            values.map(|v| v.map(|v| v.to_bits() as i64)).collect()
        }
        ColumnType::Timestamp => values.as_primitive::<TimestampNanosecondType>().iter().collect(),
        _ => (0..values.len()).map(|row| values.is_valid(row).then_some(0)).collect(),
    }
}

#[derive(Debug, PartialEq)]
struct Plain {
    count: usize,
    ends: Option<[i64; 4]>,
    sum: Option<i128>,
    float_sum: Option<u64>,
}

fn fold(words: &[Option<i64>], ty: ColumnType) -> Plain {
    let present: Vec<i64> = words.iter().flatten().copied().collect();
    let order = |a: &i64, b: &i64| match ty {
        ColumnType::U64 => (*a as u64).cmp(&(*b as u64)),
        ColumnType::F64 => f64::from_bits(*a as u64).total_cmp(&f64::from_bits(*b as u64)),
        _ => a.cmp(b),
    };
    let ends = present.iter().copied().min_by(order).map(|min| {
        let max = present.iter().copied().max_by(order).unwrap();
        [min, max, present[0], present[present.len() - 1]]
    });
    let numbers = matches!(ty, ColumnType::I64 | ColumnType::Timestamp);
    let sum: Option<i128> = match ty {
        _ if numbers => Some(present.iter().map(|v| i128::from(*v)).sum()),
        ColumnType::U64 => Some(present.iter().map(|v| i128::from(*v as u64)).sum()),
        _ => None,
    };
    let float_sum = (ty == ColumnType::F64)
        .then(|| present.iter().map(|v| f64::from_bits(*v as u64)).sum::<f64>().to_bits());
    Plain { count: present.len(), ends, sum, float_sum }
}

/// Whether two sums agree to twelve digits, or are both no number.
fn agree(a: f64, b: f64, size: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= size.max(1.0) * 1e-12
}

#[test]
fn sums_of_blocks_are_those_of_a_plain_fold() {
    for seed in 0..40 {
        let world = World::random(seed);
        let segment = world.hot();
        let hot = segment.file.hot().unwrap();
        for column in hot.columns() {
            let words = words(&world.rows, column);
            for (block, words) in words.chunks(world.block_rows).enumerate() {
                let statistics = hot.statistics(column, block);
                let plain = fold(words, column.ty);
                assert_eq!(statistics.rows as usize, words.len());
                assert_eq!(statistics.nulls as usize, words.len() - plain.count);
                let Some(summary) = statistics.summary else {
                    let none = matches!(column.ty, ColumnType::Bool | ColumnType::Utf8);
                    assert!(none || plain.count == 0);
                    continue;
                };
                let ends = [summary.min, summary.max, summary.first, summary.last];
                assert_eq!(Some(ends), plain.ends, "seed {seed}, {}", column.name);
                match summary.sum {
                    Sum::Integer(sum) => assert_eq!(Some(sum), plain.sum),
                    Sum::Float(sum) => assert!(
                        sum.is_nan() || Some(sum.to_bits()) == plain.float_sum,
                        "seed {seed}"
                    ),
                }
            }
        }
    }
}

/// The hours that should have sums, by series, with their rows.
fn expected(hot: &HotSegment, times: &[i64]) -> Vec<(u32, i64, std::ops::Range<u32>)> {
    let mut found = Vec::new();
    for series in 0..hot.series().len() {
        let mut hours: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for row in hot.rows_of(series) {
            hours.entry(times[row as usize].div_euclid(HOUR_NS)).or_default().push(row);
        }
        for (hour, rows) in hours {
            if rows.len() >= HOUR_ROWS_MIN as usize {
                found.push((series, hour * HOUR_NS, rows[0]..rows[rows.len() - 1] + 1));
            }
        }
    }
    found
}

fn check_hours(hot: &HotSegment, column: &HotColumn, words: &[Option<i64>]) {
    let hours = hot.hours().unwrap().unwrap();
    let counts = hot.hour_counts(column).unwrap();
    for (index, count) in counts.iter().enumerate() {
        let rows = hours.entry(index).rows;
        let words = &words[rows.start as usize..rows.end as usize];
        let plain = fold(words, column.ty);
        assert_eq!(*count as usize, plain.count);
        let Some(ends) = plain.ends.filter(|_| HotSegment::hours_have(column.ty, HourPart::Min))
        else {
            continue;
        };
        for (part, end) in
            [HourPart::Min, HourPart::Max, HourPart::First, HourPart::Last].into_iter().zip(ends)
        {
            let stored = match column.ty {
                ColumnType::F64 => hot.hour_floats(column, part).unwrap()[index].to_bits() as i64,
                _ => hot.hour_integers(column, part).unwrap()[index],
            };
            assert_eq!(stored, end, "{part:?} of {}", column.name);
        }
        if column.ty == ColumnType::F64 {
            let sum = hot.hour_floats(column, HourPart::Sum).unwrap()[index];
            let floats = words.iter().flatten().map(|word| f64::from_bits(*word as u64));
            let size = floats.map(f64::abs).sum();
            assert!(agree(sum, f64::from_bits(plain.float_sum.unwrap()), size));
        } else if HotSegment::hours_have(column.ty, HourPart::Sum) {
            assert_eq!(hot.hour_sums(column).unwrap().get(index), plain.sum.unwrap());
        }
    }
}

#[test]
fn sums_of_hours_are_those_of_a_plain_fold() {
    let mut entries = 0;
    for seed in 0..60 {
        let world = World::random(seed);
        let segment = world.hot();
        let hot = segment.file.hot().unwrap();
        let times = world.rows.column(0).as_primitive::<TimestampNanosecondType>().values();
        let expected = expected(&hot, times);
        let Some(hours) = hot.hours().unwrap() else {
            assert!(expected.is_empty(), "seed {seed}");
            continue;
        };
        let found: Vec<_> = (0..hours.of_series(hot.series().len() - 1).end)
            .map(|index| hours.entry(index))
            .collect();
        assert!(found.iter().map(|e| (e.series, e.start_ns, e.rows.clone())).eq(expected));
        for series in 0..hot.series().len() {
            let own = hours.of_series(series);
            assert!(
                found.iter().enumerate().all(|(i, e)| own.contains(&i) == (e.series == series))
            );
        }
        entries += found.len();
        for column in hot.columns().iter().filter(|column| column.kind == ColumnKind::Field) {
            check_hours(&hot, column, &words(&world.rows, column));
        }
    }
    assert!(entries > 100, "only {entries} hours");
}

#[test]
fn times_at_both_ends_of_time_have_no_hour_that_starts_outside() {
    let mut world = World::random(1);
    world.schema = super::world::schema(0, false);
    let times: Vec<i64> =
        (0..100).map(|i| i64::MIN + i).chain((0..100).map(|i| i64::MAX - 99 + i)).collect();
    let time = arrow::array::TimestampNanosecondArray::from(times)
        .with_timezone(pulsora_model::types::UTC);
    world.rows =
        RecordBatch::try_from_iter([("time", std::sync::Arc::new(time) as arrow::array::ArrayRef)])
            .unwrap();
    let segment = world.hot();
    let hot = segment.file.hot().unwrap();
    hot.verify(None).unwrap();
    let hours = hot.hours().unwrap().unwrap();
    assert_eq!((hours.of_series(0), hours.entry(0).rows), (0..1, 100..200));
}
