//! The key order of rows in pages, against a plain sort.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{KeyOrder, KeyPages, Wanted};
use crate::segment::row_place;
use pulsora_model::series::SeriesView;
use pulsora_model::{ColumnId, SeriesLimits, SeriesRegistry};

/// Series whose key order is not that of their numbers.
fn series(count: u32) -> SeriesView {
    let registry = Arc::new(SeriesRegistry::new(SeriesLimits::default()));
    for number in 0..count {
        let value = format!("{:03}", number * 7_919 % 1_000);
        registry.number(&[(ColumnId(2), &value)]).unwrap();
    }
    registry.view()
}

/// As [`KeyPages::sort`], the slow way.
fn sorted(rows: &[(u32, i64, u32)], series: &SeriesView, fold: bool) -> KeyOrder {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|(code, time, place)| (series.ranks()[*code as usize], *time, *place));
    let mut order = KeyOrder::default();
    for (code, time, place) in rows {
        let begins = order.runs.last().is_none_or(|run| run.0 != code);
        let position = order.places.len() as u32;
        if fold && !begins && order.times.last() == Some(&time) {
            let before = std::mem::replace(order.places.last_mut().unwrap(), place);
            match order.older.last_mut().filter(|older| older.0 == position - 1) {
                Some((_, older)) => older.push(before),
                None => order.older.push((position - 1, vec![before])),
            }
            continue;
        }
        if begins {
            order.runs.push((code, position));
        }
        order.places.push(place);
        order.times.push(time);
    }
    order
}

proptest! {
    #[test]
    fn rows_come_in_key_order(
        pages in vec(vec((0..40u32, 0..30i64), 1..60), 1..5),
        in_time in any::<bool>(),
        few in any::<bool>(),
        fold in any::<bool>(),
    ) {
        let series = series(if few { 400 } else { 40 });
        let mut now = 0;
        let pages: Vec<(Vec<u32>, Vec<i64>)> = pages
            .into_iter()
            .map(|page| {
                let time = |time: i64| if in_time { now += time; now } else { time };
                let (codes, times): (Vec<u32>, Vec<i64>) = page.into_iter().unzip();
                (codes, times.into_iter().map(time).collect())
            })
            .collect();
        let mut keys = KeyPages::default();
        let mut rows = Vec::new();
        for (number, (codes, times)) in pages.iter().enumerate() {
            keys.push(codes, times);
            let row = |(row, (code, time)): (usize, (&u32, &i64))| {
                (*code, *time, row_place(number, row))
            };
            rows.extend(codes.iter().zip(times).enumerate().map(row));
        }
        prop_assert_eq!(keys.sort(&Wanted::All, &series, fold), sorted(&rows, &series, fold));
        rows.retain(|row| row.1 % 3 > 0);
        let places = rows.iter().map(|row| row.2).collect();
        let order = keys.sort(&Wanted::Places(places), &series, fold);
        prop_assert_eq!(order, sorted(&rows, &series, fold));
    }
}
