//! Records and frames: what is written is read, and nothing that is read can do harm.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampNanosecondArray,
    UInt64Array,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use pulsora_codec::{integers, nulls, strings, varint};
use pulsora_model::{Code, ColumnId, ColumnType, Sequence, SeriesLimits, SeriesRegistry, TableId};

use super::dictionary::Dictionary;
use super::format::{FileHeader, GroupHeader, frame_record, take_record};
use super::record::{Record, Section};
use super::sets::FileSets;
use crate::catalog::{CatalogChange, ResolvedIds, ResolvedRows};
use crate::engine::{IdempotencyKey, Recover};

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

/// Tags of one series.
fn series() -> impl Strategy<Value = Vec<(ColumnId, String)>> {
    vec(of("[a-zé]{1,8}"), 3).prop_map(|values| {
        let tags = (20..).zip(values);
        tags.filter_map(|(id, value)| Some((ColumnId(id), value?))).collect()
    })
}

fn number(registry: &SeriesRegistry, tags: &[(ColumnId, String)]) -> u32 {
    let tags: Vec<_> = tags.iter().map(|(id, value)| (*id, value.as_str())).collect();
    registry.number(&tags).unwrap()
}

fn registry() -> Arc<SeriesRegistry> {
    Arc::new(SeriesRegistry::new(SeriesLimits::default()))
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
        (
            vec(0..series.len(), rows),
            vec(any::<i64>(), rows),
            vec(column(rows), 0..5),
            ids(rows),
            any::<(u32, u32)>(),
        )
            .prop_map(move |(codes, time, columns, ids, (table, version))| {
                let named = columns.into_iter().enumerate();
                let registry = registry();
                // Numbers that the rows do not use: those of the file differ.
                registry.number(&[(ColumnId(3), "unused")]).unwrap();
                ResolvedRows {
                    table: TableId(table),
                    schema_version: version,
                    rows,
                    codes: codes.iter().map(|code| number(&registry, &series[*code])).collect(),
                    registry,
                    time: time.into(),
                    fields: named
                        .map(|(i, (ty, values))| (ColumnId(i as u32 * 3 + 1), ty, values))
                        .collect(),
                    ids,
                }
            })
    })
}

/// The key of the series of each row.
fn tags(rows: &ResolvedRows) -> Vec<Vec<u8>> {
    let view = rows.registry.view();
    rows.codes.iter().map(|number| view.key(*number).to_vec()).collect()
}

fn assert_same(a: &ResolvedRows, b: &ResolvedRows) {
    assert_eq!((a.table, a.schema_version, a.rows), (b.table, b.schema_version, b.rows));
    assert_eq!((tags(a), &a.time), (tags(b), &b.time));
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
    let key = IdempotencyKey::new("client", 7).unwrap().piece(2);
    let mut dictionary = Dictionary::default();
    Record::encode(Sequence(99), Some(&key), &changes, rows.iter(), &mut dictionary).unwrap()
}

proptest! {
    #[test]
    fn records_survive_encode_and_decode(parts in vec(rows(), 0..3)) {
        let mut record = Record::decode(&encoded(&parts)).unwrap();
        let mut file = FileSets::new(Recover::Strict);
        file.take(&mut record).unwrap();
        prop_assert_eq!(record.sequence, Sequence(99));
        prop_assert_eq!(&record.key, &Some(IdempotencyKey::new("client", 7).unwrap().piece(2)));
        let mut sections = record.sections.into_iter();
        let first = sections.next();
        let is_drop = matches!(
            first,
            Some(Section::Change(CatalogChange::DropTable { id })) if id == TableId(7)
        );
        prop_assert!(is_drop);
        for part in &parts {
            let Some(Section::Rows(found)) = sections.next() else { panic!("rows are missing") };
            assert_same(part, &found.resolve(&registry(), &mut file).unwrap());
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
        let file = &mut FileSets::new(Recover::SkipCorrupt);
        let taken = Record::decode(&bytes).and_then(|mut record| {
            file.take(&mut record)?;
            Ok(record)
        });
        match taken {
            Err(error) => prop_assert_eq!(error.code(), Code::Corrupt),
            Ok(record) => {
                for section in record.sections {
                    if let Section::Rows(rows) = section {
                        let count = rows.rows;
                        prop_assert_eq!(rows.resolve(&registry(), file).unwrap().codes.len(), count);
                    }
                }
            }
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

/// Rows of one table with these hosts.
fn hosts(registry: &Arc<SeriesRegistry>, hosts: &[&str]) -> ResolvedRows {
    let number = |host: &&str| registry.number(&[(ColumnId(2), host)]).unwrap();
    ResolvedRows {
        table: TableId(5),
        schema_version: 1,
        rows: hosts.len(),
        registry: Arc::clone(registry),
        codes: hosts.iter().map(number).collect(),
        time: (0..hosts.len() as i64).collect(),
        fields: Vec::new(),
        ids: None,
    }
}

fn logged(dictionary: &mut Dictionary, rows: &ResolvedRows) -> Record {
    let bytes = Record::encode(Sequence(1), None, &[], std::iter::once(rows), dictionary).unwrap();
    Record::decode(&bytes).unwrap()
}

/// A file under replay, and what numbers the series there.
struct Reader {
    file: FileSets,
    registry: Arc<SeriesRegistry>,
}

fn reader(recover: Recover) -> Reader {
    Reader { file: FileSets::new(recover), registry: registry() }
}

/// The hosts of a record in a file, or why it is not read.
fn found(reader: &mut Reader, mut record: Record) -> Result<Vec<String>, String> {
    reader.file.take(&mut record).map_err(|error| error.message().to_owned())?;
    let Some(Section::Rows(rows)) = record.sections.pop() else { panic!("the record has rows") };
    let rows = rows.resolve(&reader.registry, &mut reader.file).unwrap();
    let view = rows.registry.view();
    let host = |number: &u32| view.tags(*number).tag(ColumnId(2)).unwrap().to_owned();
    Ok(rows.codes.iter().map(host).collect())
}

#[test]
fn a_file_defines_a_series_once() {
    let registry = registry();
    let (mut dictionary, mut file) = (Dictionary::default(), reader(Recover::Strict));
    for group in [["a", "b", "a"], ["b", "c", "a"], ["d", "d", "c"]] {
        dictionary.begin_group(Some(1));
        let record = logged(&mut dictionary, &hosts(&registry, &group));
        assert_eq!(found(&mut file, record).unwrap(), group);
        dictionary.keep();
    }
    // A registry that was given up: the same series under further numbers of the file.
    let next = self::registry();
    dictionary.begin_group(Some(1));
    let record = logged(&mut dictionary, &hosts(&next, &["c", "e"]));
    assert_eq!(found(&mut file, record).unwrap(), ["c", "e"]);
    // Another file knows nothing.
    dictionary.begin_group(Some(2));
    let record = logged(&mut dictionary, &hosts(&next, &["e", "c"]));
    assert_eq!(found(&mut reader(Recover::Strict), record).unwrap(), ["e", "c"]);
}

#[test]
fn a_group_that_is_taken_back_has_defined_nothing() {
    let registry = registry();
    let (mut dictionary, mut file) = (Dictionary::default(), reader(Recover::Strict));
    let mut write = |dictionary: &mut Dictionary, names: &[&str], kept: bool| {
        let record = logged(dictionary, &hosts(&registry, names));
        if kept {
            assert_eq!(found(&mut file, record).unwrap(), names);
        }
    };
    dictionary.begin_group(Some(1));
    write(&mut dictionary, &["a"], true);
    dictionary.begin_group(Some(1));
    write(&mut dictionary, &["b", "a"], false);
    write(&mut dictionary, &["c", "b"], false);
    dictionary.take_back();
    dictionary.begin_group(Some(1));
    write(&mut dictionary, &["c", "b", "a"], true);
    // A group that goes to another file than it was encoded for names what is not there.
    dictionary.begin_group(Some(1));
    write(&mut dictionary, &["a", "d"], false);
    assert!(!dictionary.move_group(Some(2)));
    dictionary.begin_group(Some(2));
    assert!(dictionary.move_group(Some(3)), "nothing was defined before");
}

#[test]
fn undefined_series_are_damage() {
    let registry = registry();
    let mut dictionary = Dictionary::default();
    let mut record = |names: &[&str]| logged(&mut dictionary, &hosts(&registry, names));
    let records = [record(&["a"]), record(&["b"]), record(&["b", "a"]), record(&["c", "a"])];
    let take = |file: &mut Reader, record: usize| found(file, records[record].clone());
    let mut strict = reader(Recover::Strict);
    assert!(take(&mut strict, 0).is_ok());
    assert!(take(&mut strict, 2).unwrap_err().contains("not there"));
    assert!(take(&mut strict, 3).unwrap_err().contains("the next one of its file is 1"));
    assert!(take(&mut strict, 0).unwrap_err().contains("defines tag set 0"), "defined twice");
    // Where damage is left out, what does not rest on it stays.
    let mut lenient = reader(Recover::SkipCorrupt);
    assert_eq!(take(&mut lenient, 0).unwrap(), ["a"]);
    assert!(take(&mut lenient, 2).is_err());
    assert_eq!(take(&mut lenient, 3).unwrap(), ["c", "a"]);
    assert!(take(&mut lenient, 2).is_err(), "the gap stays");
    assert!(take(&mut lenient, 1).is_err(), "numbers only rise");
}

/// A record of rows of kind 2, written down part by part.
#[test]
fn rows_that_bring_all_their_series_are_read() {
    let mut bytes = vec![1, 0];
    for number in [9, 1] {
        varint::put_u64(&mut bytes, number);
    }
    bytes.push(2);
    for number in [5, 1, 3] {
        varint::put_u64(&mut bytes, number);
    }
    integers::encode_i64(&[10, 20, 30], &mut bytes);
    for number in [2, 1, 2] {
        varint::put_u64(&mut bytes, number);
    }
    nulls::encode(None, 2, &mut bytes);
    let values = StringArray::from(vec!["a", "b"]);
    strings::encode(values.value_offsets(), values.value_data(), &mut bytes);
    integers::encode_u32(&[0, 1, 0], &mut bytes);
    bytes.extend([0, 0]);
    let record = Record::decode(&bytes).unwrap();
    assert_eq!(record.sequence, Sequence(9));
    assert_eq!(found(&mut reader(Recover::Strict), record).unwrap(), ["a", "b", "a"]);
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
