//! Records and frames: what is written is read, and nothing that is read can do harm.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampNanosecondArray,
    UInt64Array,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use pulsora_model::{Code, ColumnId, ColumnType, Sequence, TableId};

use super::format::{FileHeader, GroupHeader, frame_record, take_record};
use super::record::{Record, Section};
use crate::catalog::{CatalogChange, ResolvedIds, ResolvedRows};
use crate::memtable::Series;

/// Values of one column of any type.
fn column(rows: usize) -> impl Strategy<Value = (ColumnType, ArrayRef)> {
    prop_oneof![
        vec(of(any::<i64>()), rows)
            .prop_map(|v| (ColumnType::I64, Arc::new(Int64Array::from(v)) as ArrayRef)),
        vec(of(any::<u64>()), rows)
            .prop_map(|v| (ColumnType::U64, Arc::new(UInt64Array::from(v)) as ArrayRef)),
        vec(of(any::<f64>()), rows)
            .prop_map(|v| (ColumnType::F64, Arc::new(Float64Array::from(v)) as ArrayRef)),
        vec(of(any::<bool>()), rows)
            .prop_map(|v| (ColumnType::Bool, Arc::new(BooleanArray::from(v)) as ArrayRef)),
        vec(of(".{0,12}"), rows)
            .prop_map(|v| (ColumnType::Utf8, Arc::new(StringArray::from(v)) as ArrayRef)),
        vec(of(any::<i64>()), rows).prop_map(|v| {
            let times = TimestampNanosecondArray::from(v).with_timezone("UTC");
            (ColumnType::Timestamp, Arc::new(times) as ArrayRef)
        }),
    ]
}

fn series() -> impl Strategy<Value = Series> {
    vec(of("[a-zé]{1,8}"), 3).prop_map(|values| Series {
        tags: values
            .into_iter()
            .enumerate()
            .filter_map(|(i, value)| Some((ColumnId(i as u32 + 20), value?.into())))
            .collect(),
    })
}

fn ids(rows: usize) -> impl Strategy<Value = Option<ResolvedIds>> {
    of((of(vec(of(1..u64::MAX), rows)), 1..u64::from(u32::MAX))).prop_map(|ids| {
        ids.map(|(given, first_assigned)| ResolvedIds {
            given: given.map(UInt64Array::from),
            first_assigned,
        })
    })
}

fn rows() -> impl Strategy<Value = ResolvedRows> {
    (0..40usize, vec(series(), 1..6)).prop_flat_map(|(rows, series)| {
        // Only tag sets make several of them.
        let several = series.iter().any(|series| !series.tags.is_empty());
        let series = if several { series } else { vec![Series::default()] };
        let sets = series.len() as u32;
        (
            vec(0..sets, rows),
            vec(any::<i64>(), rows),
            vec(column(rows), 0..5),
            ids(rows),
            any::<(u32, u32)>(),
        )
            .prop_map(move |(codes, time, columns, ids, (table, version))| {
                let named = columns.into_iter().enumerate();
                ResolvedRows {
                    table: TableId(table),
                    schema_version: version,
                    rows,
                    series: series.clone(),
                    codes: codes.into(),
                    time: time.into(),
                    fields: named
                        .map(|(i, (ty, values))| (ColumnId(i as u32 * 3 + 1), ty, values))
                        .collect(),
                    ids,
                }
            })
    })
}

fn assert_same(a: &ResolvedRows, b: &ResolvedRows) {
    assert_eq!((a.table, a.schema_version, a.rows), (b.table, b.schema_version, b.rows));
    assert_eq!((&a.series, &a.codes, &a.time), (&b.series, &b.codes, &b.time));
    assert_eq!(a.fields.len(), b.fields.len());
    for ((id_a, ty_a, a), (id_b, ty_b, b)) in a.fields.iter().zip(&b.fields) {
        assert_eq!((id_a, ty_a), (id_b, ty_b));
        // As text: NaN is a value like others.
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
        assert_eq!(a.logical_null_count(), b.logical_null_count());
    }
    let ids = |rows: &ResolvedRows| rows.ids.as_ref().map(|ids| ids.all(rows.rows));
    assert_eq!(ids(a), ids(b));
}

fn encoded(rows: &[ResolvedRows]) -> Vec<u8> {
    let changes = [CatalogChange::DropTable { id: TableId(7) }];
    Record::encode(Sequence(99), &changes, rows.iter()).unwrap()
}

proptest! {
    #[test]
    fn records_survive_encode_and_decode(parts in vec(rows(), 0..3)) {
        let record = Record::decode(&encoded(&parts)).unwrap();
        prop_assert_eq!(record.sequence, Sequence(99));
        let mut sections = record.sections.iter();
        let first = sections.next();
        let is_drop = matches!(
            first,
            Some(Section::Change(CatalogChange::DropTable { id })) if *id == TableId(7)
        );
        prop_assert!(is_drop);
        for part in &parts {
            let Some(Section::Rows(found)) = sections.next() else { panic!("rows are missing") };
            assert_same(part, found);
        }
        prop_assert!(sections.next().is_none());
    }

    #[test]
    fn no_bytes_make_decode_panic(
        parts in vec(rows(), 0..2),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encoded(&parts);
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Err(error) = Record::decode(&bytes) {
            prop_assert_eq!(error.code(), Code::Corrupt);
        }
    }

    #[test]
    fn frames_give_back_what_they_hold_or_nothing(
        bodies in vec(vec(any::<u8>(), 0..40), 0..4),
        flip in of((any::<prop::sample::Index>(), 0..8u8)),
    ) {
        let mut payload = Vec::new();
        bodies.iter().for_each(|body| frame_record(body, &mut payload));
        let damaged = flip.filter(|_| !payload.is_empty());
        if let Some((index, bit)) = damaged {
            let at = index.index(payload.len());
            payload[at] ^= 1 << bit;
        }
        let mut rest = &payload[..];
        let found: Vec<&[u8]> = std::iter::from_fn(|| take_record(&mut rest)).collect();
        prop_assert_eq!(found.len() == bodies.len(), damaged.is_none());
        for (found, body) in found.iter().zip(&bodies) {
            prop_assert_eq!(*found, &body[..]);
        }
    }
}

#[test]
fn a_header_with_any_flipped_bit_is_none() {
    let file = FileHeader { number: 3, salt: 4, first_group: 5, created_ns: -6 };
    let bytes = file.encode();
    assert_eq!(FileHeader::decode(&bytes), Some(file));
    assert_eq!(FileHeader::decode(&bytes[..43]), None);
    for bit in 0..44 * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(FileHeader::decode(&damaged), None, "bit {bit}");
    }
    let group = GroupHeader {
        salt: 1,
        group: 2,
        wall_ns: -3,
        synced_through: 4,
        first_sequence: 5,
        records: 6,
        payload_len: 7,
        payload_crc: 8,
    };
    let bytes = group.encode();
    assert_eq!(GroupHeader::decode(&bytes), Some(group));
    for bit in 0..64 * 8 {
        let mut damaged = bytes;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(GroupHeader::decode(&damaged), None, "bit {bit}");
    }
}
