//! The registry of series at its boundary: numbers, keys, what parsers remember, views.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::{SeriesKeyBuf, SeriesLimits, SeriesRegistry, SeriesTags, key_order};
use crate::error::Code;
use crate::ids::ColumnId;

fn registry(limits: SeriesLimits) -> Arc<SeriesRegistry> {
    Arc::new(SeriesRegistry::new(limits))
}

fn key(tags: &[(ColumnId, &str)]) -> SeriesKeyBuf {
    let mut key = SeriesKeyBuf::default();
    tags.iter().for_each(|(id, value)| key.push(*id, value));
    key
}

/// A tag set of few columns and values, so that the same one comes often.
fn tags() -> impl Strategy<Value = Vec<(ColumnId, String)>> {
    let value = prop_oneof![9 => "[ab]{1,2}", 1 => "[xé]{120,140}"];
    btree_map(1..5u32, value, 0..4)
        .prop_map(|tags| tags.into_iter().map(|(id, value)| (ColumnId(id * 60), value)).collect())
}

fn borrowed(tags: &[(ColumnId, String)]) -> Vec<(ColumnId, &str)> {
    tags.iter().map(|(id, value)| (*id, value.as_str())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_are_those_of_a_map_in_order_of_arrival(sets in vec(tags(), 0..700)) {
        let registry = registry(SeriesLimits::default());
        let mut model: HashMap<Vec<(ColumnId, String)>, u32> = HashMap::new();
        let mut views = Vec::new();
        for (step, set) in sets.iter().enumerate() {
            let next = model.len() as u32;
            let expected = *model.entry(set.clone()).or_insert(next);
            let found = registry.read().by_key(key(&borrowed(set)).as_bytes());
            prop_assert_eq!(found, (expected != next).then_some(expected));
            prop_assert_eq!(registry.number(&borrowed(set)).unwrap(), expected);
            if step % 70 == 0 {
                views.push(registry.view());
            }
        }
        prop_assert_eq!(registry.len(), model.len());
        for (set, number) in &model {
            let tags: Vec<_> =
                SeriesTags::of(registry.read().key(*number)).map(|(id, v)| (id, v.to_owned())).collect();
            prop_assert_eq!(&tags, set);
            for view in views.iter().filter(|view| (*number as usize) < view.len()) {
                let key = key(&borrowed(set));
                prop_assert_eq!(view.key(*number), key.as_bytes());
                prop_assert_eq!(view.tags(*number).tag(ColumnId(120)), of(set, 120));
            }
        }
    }

    #[test]
    fn key_order_is_that_of_the_tags(a in tags(), b in tags()) {
        let row = |set: &[(ColumnId, String)]| [60, 120, 180, 240].map(|id| of(set, id).map(str::to_owned));
        let (a_key, b_key) = (key(&borrowed(&a)), key(&borrowed(&b)));
        prop_assert_eq!(key_order(a_key.as_bytes(), b_key.as_bytes()), row(&a).cmp(&row(&b)));
        prop_assert_eq!(a == b, a_key.as_bytes() == b_key.as_bytes());
    }

    #[test]
    fn what_is_remembered_is_exact_under_any_bound(
        raws in vec((".{0,6}", 0..4u32), 1..400),
        bound in 0..4_000usize,
    ) {
        let limits = SeriesLimits { raw_bytes_max: bound, ..SeriesLimits::default() };
        let registry = registry(limits);
        for number in 0..4 {
            registry.number(&[(ColumnId(2), ["a", "b", "c", "d"][number])]).unwrap();
        }
        // A parser says the same of the same bytes every time.
        let mut said: HashMap<String, u32> = HashMap::new();
        for (raw, number) in raws {
            let number = *said.entry(raw.clone()).or_insert(number);
            registry.remember(raw.as_bytes(), number);
            let reader = registry.read();
            for (raw, number) in &said {
                let found = reader.by_raw(raw.as_bytes());
                prop_assert!(found.is_none() || found == Some(*number), "{raw:?}: {found:?}");
            }
            prop_assert_eq!(reader.by_raw(b"never seen"), None);
        }
        prop_assert!(registry.size_bytes() < 4 * bound + 8_000);
    }

    #[test]
    fn ranks_are_places_in_key_order(sets in vec(tags(), 1..60)) {
        let registry = registry(SeriesLimits::default());
        sets.iter().for_each(|set| {
            registry.number(&borrowed(set)).unwrap();
        });
        let view = registry.view();
        let mut by_rank = vec![u32::MAX; view.len()];
        (0..).zip(view.ranks()).for_each(|(number, rank)| by_rank[*rank as usize] = number);
        prop_assert!(by_rank.is_sorted_by(|a, b| key_order(view.key(*a), view.key(*b)).is_lt()));
    }
}

fn of(set: &[(ColumnId, String)], id: u32) -> Option<&str> {
    set.iter().find(|(column, _)| column.0 == id).map(|(_, value)| value.as_str())
}

#[test]
fn views_of_the_same_series_share_their_ranks() {
    let registry = registry(SeriesLimits::default());
    let add = |value| registry.number(&[(ColumnId(2), value)]).unwrap();
    assert_eq!(["c", "a"].map(add), [0, 1]);
    let (first, second) = (registry.view(), registry.view());
    assert_eq!(first.ranks(), [1, 0]);
    assert!(std::ptr::eq(first.ranks(), second.ranks()));
    add("b");
    assert_eq!(registry.view().ranks(), [2, 0, 1]);
    assert_eq!(second.ranks(), [1, 0], "a view does not change");
    let mut numbers = [2, 0, 1];
    registry.view().sort(&mut numbers);
    assert_eq!(numbers, [1, 2, 0]);
}

#[test]
fn what_is_used_stays_and_what_is_not_is_forgotten() {
    let registry = registry(SeriesLimits { raw_bytes_max: 4_096, ..SeriesLimits::default() });
    let number = registry.number(&[]).unwrap();
    for i in 0..10_000 {
        registry.remember(format!(",host=h{i}").as_bytes(), number);
        assert_eq!(registry.read().by_raw(format!(",host=h{i}").as_bytes()), Some(number));
    }
    assert_eq!(registry.read().by_raw(b",host=h0"), None);
    assert!(registry.size_bytes() < 20_000, "{}", registry.size_bytes());
}

#[test]
fn the_limit_names_itself_and_accepted_rows_are_above_it() {
    let registry = registry(SeriesLimits { series_max: 2, ..SeriesLimits::default() });
    let tag = |value| [(ColumnId(2), value)];
    assert_eq!(registry.number(&tag("a")).unwrap(), 0);
    assert_eq!(registry.number(&tag("b")).unwrap(), 1);
    let error = registry.number(&tag("c")).unwrap_err();
    assert_eq!(error.code(), Code::LimitExceeded);
    assert!(error.message().contains("limits.series_per_table"), "{error}");
    assert_eq!(registry.number(&tag("b")).unwrap(), 1);
    assert_eq!(registry.number_of_accepted(key(&tag("c")).as_bytes()).unwrap(), 2);
    let long = "x".repeat(2 << 20);
    assert_eq!(
        registry.number_of_accepted(key(&tag(&long)).as_bytes()).unwrap_err().code(),
        Code::LimitExceeded
    );
}

/// Writers add series while readers look them up and take views; everyone agrees on every number.
#[test]
fn threads_agree_on_numbers() {
    const SERIES: u32 = 5_000;
    let registry = registry(SeriesLimits::default());
    let done = AtomicBool::new(false);
    let tag = |i: u32| format!("host_{i}");
    let (by_writer, seen) = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| -> Vec<u32> {
                    let number = |i| registry.number(&[(ColumnId(3), &tag(i))]).unwrap();
                    (0..SERIES).map(number).collect()
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut seen: Vec<(u32, Vec<u8>)> = Vec::new();
            while !done.load(Ordering::Acquire) {
                let view = registry.view();
                for number in (0..view.len() as u32).step_by(500) {
                    seen.push((number, view.key(number).to_vec()));
                }
                let mut reader = registry.read();
                for i in (0..SERIES).step_by(700) {
                    reader.give_way();
                    let wanted = key(&[(ColumnId(3), &tag(i))]);
                    if let Some(number) = reader.by_key(wanted.as_bytes()) {
                        seen.push((number, wanted.as_bytes().to_vec()));
                    }
                }
            }
            seen
        });
        let by_writer: Vec<Vec<u32>> = writers.into_iter().map(|w| w.join().unwrap()).collect();
        done.store(true, Ordering::Release);
        (by_writer, reader.join().unwrap())
    });
    assert_eq!(by_writer[0], by_writer[1]);
    assert_eq!(registry.len(), SERIES as usize);
    for (number, key) in seen {
        assert_eq!(registry.read().key(number), key);
    }
}
