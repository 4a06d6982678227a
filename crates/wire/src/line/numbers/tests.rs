//! Series found by raw tags, by key, and by the number behind the last one.

use pulsora_model::series::{SeriesLimits, SeriesRegistry};

use super::*;

fn tags_of(host: usize) -> String {
    format!(",host=h{host},zone=z\"{}", host % 3)
}

/// A registry of ten series, one without a host, and tags as their lines name them.
fn registry(raw_bytes_max: usize) -> (SeriesRegistry, LineTags<'static>) {
    let registry = SeriesRegistry::new(SeriesLimits { series_max: 11, raw_bytes_max });
    let columns = [ColumnId(2), ColumnId(5)];
    for host in 0..10 {
        let (name, zone) = (format!("h{host}"), format!("z\"{}", host % 3));
        registry.number(&[(columns[0], &name), (columns[1], &zone)]).unwrap();
    }
    registry.number(&[(columns[1], "z")]).unwrap();
    let names =
        vec![(Expected::new(b",host="), columns[0]), (Expected::new(b",zone="), columns[1])];
    let tags = LineTags { names, ..LineTags::default() };
    (registry, tags)
}

fn find(
    registry: &SeriesRegistry,
    tags: &LineTags<'_>,
    found: &mut FoundByKey,
    raw: &str,
) -> Option<u32> {
    let body = format!("m{raw} f=1i 1700000000000000000");
    let mut numbers = Numbers { registry: Some(registry.read()), tags, found };
    let number = numbers.find(&body, 1..1 + raw.len());
    drop(numbers);
    found.remember(body.as_bytes(), registry);
    number
}

#[test]
fn every_series_is_found_in_any_order() {
    for raw_bytes_max in [0, 1 << 20] {
        let (registry, tags) = registry(raw_bytes_max);
        let mut found = FoundByKey::new(3);
        for host in (0..10).chain(0..10).chain([7, 7, 0, 9, 3, 4, 5, 1, 2]) {
            let number = find(&registry, &tags, &mut found, &tags_of(host));
            assert_eq!(number, Some(host as u32), "{raw_bytes_max}");
        }
    }
}

#[test]
fn what_the_cache_holds_is_soon_remembered() {
    let (registry, tags) = registry(1 << 20);
    let mut found = FoundByKey::new(0);
    for round in 0..80 {
        for host in 0..10 {
            assert_eq!(
                find(&registry, &tags, &mut found, &tags_of(host)),
                Some(host as u32),
                "{round}"
            );
        }
    }
    let by_raw = |host| registry.read().by_raw(tags_of(host).as_bytes());
    let numbers: Vec<_> = (0..10).map(by_raw).collect();
    assert_eq!(numbers, (0..10).map(Some).collect::<Vec<_>>());
}

#[test]
fn tags_that_are_not_as_expected_are_not_found() {
    let (registry, tags) = registry(0);
    for raw in [
        "",
        ",",
        ",host=h1",
        ",host=h1,zone=",
        ",host=,zone=z\"1",
        ",zone=z\"1,host=h1",
        ",host=h1,zone=z\"1,more=x",
        ",host=h1,host=h1,zone=z\"1",
        ",host=h1,zone=z\"\\1",
        ",host=h1,zone=z\"1=",
        ",host=h1=,zone=z\"1",
        ",host=h1,zone=z\"2",
        ",hosts=h1,zone=z\"1",
        ",host=h10,zone=z\"1",
        ",host=,zone=z",
    ] {
        let mut found = FoundByKey::new(0);
        assert_eq!(find(&registry, &tags, &mut found, raw), None, "{raw}");
    }
    let mut found = FoundByKey::new(0);
    let no_names = LineTags::default();
    assert_eq!(find(&registry, &no_names, &mut found, &tags_of(1)), None);
}
