//! Rows that are deleted, erased or changed after they were stored.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use pulsora_model::schema::TableOptions;
use pulsora_model::{Code, Mode, TableSchema};
use pulsora_storage::{
    Change, Command, CompactFilter, Correction, FlushFilter, Options, Pending, Receipt, RowChange,
    RowTest, Scan, Selection, TagPredicate, TimeRange,
};

use crate::machine::{Machine, no_rewrites, small_options};
use crate::rows::{Row, lines, name, read, request, with_ids};

/// A correction of table `t`.
pub fn correction(rows: Selection, change: Change) -> Correction {
    let (database, table) = (name("default"), name("t"));
    Correction { database, table, planned_for: None, rows, change }
}

fn schema(machine: &Machine) -> Arc<TableSchema> {
    machine.engine.catalog().table("default", "t").unwrap()
}

fn times(start_ns: i64, end_ns: i64) -> Selection {
    Selection { time: TimeRange { start_ns, end_ns }, ..Selection::all() }
}

fn host(machine: &Machine, host: &str) -> Selection {
    let column = schema(machine).column("host").unwrap().id;
    let tags = vec![TagPredicate { column, values: vec![Some(host.to_owned())] }];
    Selection { tags, ..Selection::all() }
}

/// Rows whose integer `column` is above `than`.
fn above(machine: &Machine, column: &str, than: i64) -> Selection {
    let column = schema(machine).column(column).unwrap().id;
    let test = RowTest::new(vec![column], move |batch| {
        let values = batch.column(0).as_primitive::<Int64Type>();
        Ok(values.iter().map(|value| value.map(|value| value > than)).collect::<BooleanArray>())
    });
    Selection { test: Some(test), ..Selection::all() }
}

/// Sets an integer column.
pub fn set(column: &'static str, value: Option<i64>) -> Change {
    Change::Replace(RowChange::new(move |batch: &RecordBatch| {
        let at = batch.schema_ref().index_of(column)?;
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns[at] = Arc::new(Int64Array::from(vec![value; batch.num_rows()]));
        Ok(RecordBatch::try_new(batch.schema(), columns)?)
    }))
}

fn correct(machine: &Machine, rows: Selection, change: Change) -> Receipt {
    machine.answer(machine.engine.correct(correction(rows, change))).unwrap()
}

pub fn cold() -> FlushFilter {
    FlushFilter { cold: true, ..FlushFilter::default() }
}

/// Three hosts at four times: as Parquet, in a hot segment and in memory.
fn everywhere(options: &TableOptions) -> Machine {
    let machine = Machine::new();
    let write = |at: i64| {
        let rows = ["a", "b", "c"].map(|host| Row::at(at).tag("host", host).field("v", at * 10));
        machine.write(request("t", options, &rows));
    };
    write(1);
    machine.answer(machine.engine.flush(cold())).unwrap();
    write(2);
    machine.flush();
    write(3);
    machine.flush();
    write(4);
    machine
}

fn both_modes() -> [TableOptions; 2] {
    [TableOptions::default(), TableOptions::upsert()]
}

#[test]
fn rows_of_a_tag_are_gone_at_once_wherever_they_lie_and_for_good() {
    for options in both_modes() {
        let mut machine = everywhere(&options);
        let receipt = correct(&machine, host(&machine, "b"), Change::Delete);
        assert_eq!((receipt.rows, receipt.changed), (4, true));
        let left: Vec<String> = (1..=4)
            .flat_map(|at| ["a", "c"].map(|host| format!("host={host} time={at} v={}", at * 10)))
            .collect();
        assert_eq!(read(&machine.engine, "t"), left);
        let count = || {
            let snapshot = machine.engine.snapshot();
            snapshot.count(schema(&machine).id, TimeRange::ALL).unwrap()
        };
        assert_eq!(count(), 8);
        machine.power_cut();
        assert_eq!(read(&machine.engine, "t"), left);
        machine.pass(Duration::from_secs(30));
        assert_eq!(read(&machine.engine, "t"), left, "merged");
        machine.answer(machine.engine.flush(cold())).unwrap();
        assert_eq!(read(&machine.engine, "t"), left, "as Parquet");
        machine.kill();
        assert_eq!(read(&machine.engine, "t"), left);
    }
}

#[test]
fn a_range_of_time_is_deleted_and_rows_of_later_requests_are_not() {
    for options in both_modes() {
        let machine = everywhere(&options);
        let mut pending = machine.engine.correct(correction(times(2, 4), Change::Delete));
        let later = Row::at(3).tag("host", "b").field("w", 7);
        let written = machine.engine.write(request("t", &options, &[later]));
        machine.answer(written).unwrap();
        assert_eq!(pending.try_take().unwrap().unwrap().rows, 9);
        let left: Vec<String> = ["a", "b", "c"].map(|h| format!("host={h} time=1 v=10")).into();
        let expected = [left, vec!["host=b time=3 w=7".to_owned()]].concat();
        assert_eq!(read(&machine.engine, "t"), expected);
        let receipt = correct(&machine, times(2, 2), Change::Delete);
        assert_eq!((receipt.rows, receipt.changed), (0, false), "nothing is left to delete");
    }
}

#[test]
fn a_test_looks_at_rows_as_they_are_merged() {
    let mut machine = Machine::new();
    let write = |row: Row| {
        machine.write(request("t", &TableOptions::upsert(), &[row]));
    };
    for host in ["a", "b"] {
        write(Row::at(1).tag("host", host).field("v", 100).field("w", 1));
    }
    machine.flush();
    // Now 5: the 100 lies below it.
    write(Row::at(1).tag("host", "a").field("v", 5));
    machine.flush();
    write(Row::at(1).tag("host", "b").field("w", 2));
    let receipt = correct(&machine, above(&machine, "v", 50), Change::Delete);
    assert_eq!(receipt.rows, 1);
    let left = ["host=a time=1 v=5 w=1"];
    assert_eq!(read(&machine.engine, "t"), left);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), left);
}

#[test]
fn rows_take_other_values_also_null() {
    for options in both_modes() {
        let mut machine = everywhere(&options);
        let receipt = correct(&machine, above(&machine, "v", 20), set("v", Some(-1)));
        assert_eq!(receipt.rows, 6);
        let of = |v: [Option<i64>; 4]| -> Vec<String> {
            let line = |(at, v): (usize, Option<i64>), host: &str| match v {
                Some(v) => format!("host={host} time={at} v={v}"),
                None => format!("host={host} time={at}"),
            };
            (1..).zip(v).flat_map(|cell| ["a", "b", "c"].map(|host| line(cell, host))).collect()
        };
        let changed = of([Some(10), Some(20), Some(-1), Some(-1)]);
        assert_eq!(read(&machine.engine, "t"), changed);
        machine.kill();
        assert_eq!(read(&machine.engine, "t"), changed);
        assert_eq!(correct(&machine, times(1, 3), set("v", None)).rows, 9);
        let changed = of([None, None, None, Some(-1)]);
        assert_eq!(read(&machine.engine, "t"), changed);
        machine.pass(Duration::from_secs(30));
        assert_eq!(read(&machine.engine, "t"), changed, "merged");
        machine.power_cut();
        assert_eq!(read(&machine.engine, "t"), changed);
    }
}

#[test]
fn row_ids_are_deleted_kept_by_changes_and_replaced_later() {
    let mut machine = Machine::new();
    let write = |id: u64, v: i64| {
        machine.write(request("t", &with_ids(), &[Row::at(id as i64).id(id).field("v", v)]));
    };
    for id in 1..=4 {
        write(id, 10);
    }
    machine.flush();
    write(3, 30);
    let ids = Selection { ids: Some(vec![4, 1, 77]), ..Selection::all() };
    assert_eq!(correct(&machine, ids, Change::Delete).rows, 2);
    assert_eq!(correct(&machine, above(&machine, "v", 5), set("v", Some(11))).rows, 2);
    assert_eq!(read(&machine.engine, "t"), ["id=2u time=2 v=11", "id=3u time=3 v=11"]);
    // The flush of a row with an id that a change is still at work on comes after it.
    let change = machine.engine.correct(correction(Selection::all(), set("v", Some(12))));
    let replaced = Row::at(3).id(3).field("v", 33);
    let written = machine.engine.write(request("t", &with_ids(), &[replaced]));
    let flushed = machine.engine.flush(FlushFilter::default());
    machine.answer(flushed).unwrap();
    machine.answer(written).unwrap();
    machine.answer(change).unwrap();
    let left = ["id=2u time=2 v=12", "id=3u time=3 v=33"];
    assert_eq!(read(&machine.engine, "t"), left);
    let snapshot = machine.engine.snapshot();
    let row = |id| snapshot.row(schema(&machine).id, id).unwrap().map(|row| row.num_rows());
    assert_eq!([row(1), row(2), row(3), row(4)], [None, Some(1), Some(1), None]);
    drop(snapshot);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), left);
    // An id that is given again is a new row, one that is assigned is new.
    machine.write(request("t", &with_ids(), &[Row::at(9).id(1).field("v", 1)]));
    machine.write(request("t", &with_ids(), &[Row::at(10).field("v", 2)]));
    assert_eq!(read(&machine.engine, "t")[2..], ["id=1u time=9 v=1", "id=5u time=10 v=2"]);
}

#[test]
fn a_snapshot_from_before_keeps_every_row() {
    let machine = everywhere(&TableOptions::default());
    let before = machine.engine.snapshot();
    let scan = Scan::all(schema(&machine).id);
    let mut all = lines(&before, &scan).unwrap();
    correct(&machine, Selection::all(), Change::Truncate);
    machine.pass(Duration::from_secs(30));
    assert_eq!(read(&machine.engine, "t"), [""; 0]);
    let mut again = lines(&before, &scan).unwrap();
    all.sort();
    again.sort();
    assert_eq!(again, all);
    assert_eq!(all.len(), 12);
    drop(before);
    assert_eq!(machine.objects().len(), 0, "segments of which nothing is left go whole");
}

#[test]
fn a_power_cut_at_any_operation_leaves_all_or_nothing() {
    let sorted = |machine: &Machine| {
        let mut rows = read(&machine.engine, "t");
        rows.sort();
        rows
    };
    for options in both_modes() {
        for change in [Change::Delete, set("v", Some(0))] {
            let (mut both, mut operations) = ([false; 2], 1);
            loop {
                let mut machine = everywhere(&options);
                let before = sorted(&machine);
                machine.world.files.crash_after(operations);
                let selection = above(&machine, "v", 15);
                let mut pending = machine.engine.correct(correction(selection, change.clone()));
                machine.world.tasks.run_until_idle(100_000);
                let crashed = machine.world.files.crashed();
                let answer = pending.try_take();
                machine.power_cut();
                let now = sorted(&machine);
                let acknowledged = matches!(answer, Some(Ok(_))) && !crashed;
                let done = now != before;
                if done {
                    let changed = now.iter().filter(|row| !before.contains(row)).count();
                    let gone = before.iter().filter(|row| !now.contains(row)).count();
                    let replaced = matches!(change, Change::Replace(_));
                    assert_eq!((changed, gone), (if replaced { 9 } else { 0 }, 9));
                }
                assert!(done || !acknowledged, "an acknowledged correction is there");
                both[usize::from(done)] = true;
                if !crashed {
                    break;
                }
                operations += 1;
            }
            assert_eq!(both, [true; 2], "crashes fell before and after the edit");
        }
    }
}

#[test]
fn corrections_and_rewrites_of_a_table_wait_for_each_other() {
    let options = Options { hot_for: Duration::from_secs(7_200), ..small_options() };
    let machine = Machine::with(options);
    for round in 0..12 {
        let rows = ["a", "b", "c", "d"].map(|h| Row::at(round).tag("host", h).field("v", round));
        machine.write(request("t", &TableOptions::upsert(), &rows));
        let flushed = machine.engine.flush(FlushFilter::default());
        // Time passes so that merges are due; the steps of all tasks mix.
        machine.world.clock.advance(11_000_000_000);
        machine.world.tasks.run_until_idle(round as u64 + 1);
        let rows = Selection { tags: host(&machine, "a").tags, ..times(round - 1, round - 1) };
        let gone = machine.engine.correct(correction(rows, Change::Delete));
        machine.world.tasks.run_until_idle(round as u64 + 1);
        machine.answer(gone).unwrap();
        machine.answer(flushed).unwrap();
    }
    machine.pass(Duration::from_secs(30));
    let line = |h: &str, round: i64| format!("host={h} time={round} v={round}");
    let mut left: Vec<String> =
        (0..12).flat_map(|round| ["b", "c", "d"].map(|h| line(h, round))).collect();
    left.insert(33, line("a", 11));
    assert_eq!(read(&machine.engine, "t"), left);
    assert!(machine.engine.stats().merges > 0);
}

/// Four segments of `t`, each with rows of its own time and rows of a time that all have, which are being
/// merged; how far that has come, `seed` says.
fn being_merged(seed: u64, options: &TableOptions) -> (Machine, Pending) {
    let machine = Machine::of_seed(seed, no_rewrites());
    for at in 1..=4 {
        let rows = ["a", "b", "c", "d"]
            .iter()
            .flat_map(|host| [at, 9].map(|time| Row::at(time).tag("host", host).field("v", at)));
        machine.write(request("t", options, &rows.collect::<Vec<_>>()));
        machine.flush();
    }
    let rewrite = machine.engine.compact(&CompactFilter::default()).unwrap();
    machine.world.tasks.run_until_idle(seed % 40);
    (machine, rewrite)
}

#[test]
fn what_is_deleted_or_changed_while_it_is_merged_does_not_hold_the_merge_up() {
    for options in both_modes() {
        let mut caught_up = 0;
        for seed in 0..300 {
            let (mut machine, rewrite) = being_merged(seed, &options);
            let corrections = [
                (host(&machine, "b"), Change::Delete),
                (times(2, 3), Change::Delete),
                (Selection { time: times(4, 4).time, ..host(&machine, "c") }, set("v", Some(40))),
                (Selection { time: times(9, 9).time, ..above(&machine, "v", 2) }, Change::Delete),
            ];
            let corrections =
                corrections.map(|(rows, change)| machine.engine.correct(correction(rows, change)));
            for receipt in corrections {
                machine.answer(receipt).unwrap();
            }
            let mut left = Vec::new();
            for time in [1, 4, 9] {
                for host in ["a", "c", "d"] {
                    let values: &[i64] = match (time, host) {
                        (4, "c") => &[40],
                        (9, _) if options.mode == Mode::Upsert => &[],
                        (9, _) => &[1, 2],
                        (time, _) => &[time],
                    };
                    left.extend(values.iter().map(|v| format!("host={host} time={time} v={v}")));
                }
            }
            assert_eq!(read(&machine.engine, "t"), left, "seed {seed}");
            machine.answer(rewrite).unwrap();
            assert_eq!(read(&machine.engine, "t"), left, "merged, seed {seed}");
            let stats = machine.engine.stats();
            assert_eq!(stats.compactions_overtaken, 0, "seed {seed}");
            caught_up += stats.compactions_caught_up;
            machine.power_cut();
            assert_eq!(read(&machine.engine, "t"), left, "seed {seed}");
            machine.answer(machine.engine.flush(cold())).unwrap();
            assert_eq!(read(&machine.engine, "t"), left, "as Parquet, seed {seed}");
        }
        assert!(caught_up > 0, "no rewrite was behind");
    }
}

#[test]
fn what_comes_after_a_correction_is_not_merged_with_what_it_hits() {
    let before = "host=a time=2 v=1 w=1".to_owned();
    let mut waited = 0;
    for options in both_modes() {
        for seed in 0..300 {
            let machine = Machine::of_seed(seed, no_rewrites());
            let row = |at: i64| Row::at(at).tag("host", "a");
            for at in [1, 2] {
                machine.write(request("t", &options, &[row(at).field("v", 1).field("w", 1)]));
                machine.flush();
            }
            // Deletions, a change, rows after them, and a merge of everything while they wait for each other.
            let filter = CompactFilter::default();
            let rows = [row(1).field("v", 3), row(2).field("v", 3)];
            let delete = |at| machine.engine.correct(correction(times(at, at), Change::Delete));
            let mut corrections: Vec<_> = (11..21).map(delete).collect();
            corrections.push(delete(1));
            corrections.push(machine.engine.correct(correction(times(2, 2), set("v", Some(2)))));
            let write = |rows: &[Row]| {
                machine.soon(machine.engine.write(request("t", &options, rows))).unwrap();
                machine.soon(machine.engine.flush(FlushFilter::default())).unwrap();
                machine.engine.compact(&filter).unwrap()
            };
            let merges = [write(&rows), write(&[row(9).field("v", 9)])];
            waited += usize::from(read(&machine.engine, "t").contains(&before));
            for pending in corrections.into_iter().chain(merges) {
                machine.answer(pending).unwrap();
            }
            let left: &[&str] = match options.mode {
                Mode::Append => &["time=1 v=3", "time=2 v=2 w=1", "time=2 v=3", "time=9 v=9"],
                Mode::Upsert => &["time=1 v=3", "time=2 v=3 w=1", "time=9 v=9"],
            };
            let left: Vec<String> = left.iter().map(|row| format!("host=a {row}")).collect();
            assert_eq!(read(&machine.engine, "t"), left, "seed {seed}");
            machine.answer(machine.engine.compact(&filter).unwrap()).unwrap();
            assert_eq!(read(&machine.engine, "t"), left, "merged, seed {seed}");
        }
    }
    assert!(waited > 0, "no correction waited for long");
}

#[test]
fn a_merge_of_rows_that_are_erased_meanwhile_is_given_up() {
    let mut overtaken = 0;
    for seed in 0..100 {
        let (machine, rewrite) = being_merged(seed, &TableOptions::default());
        let rows = host(&machine, "b");
        let delete = machine.engine.correct(correction(times(1, 1), Change::Delete));
        let erase = machine.engine.correct(correction(rows, Change::Erase));
        machine.answer(delete).unwrap();
        machine.answer(erase).unwrap();
        machine.answer(rewrite).unwrap();
        let left = read(&machine.engine, "t");
        assert!(left.iter().all(|row| !row.starts_with("host=b") && !row.contains("time=1 ")));
        overtaken += machine.engine.stats().compactions_overtaken;
    }
    assert!(overtaken > 0, "no rewrite was overtaken");
}

#[test]
fn an_erasure_waits_for_those_who_read_its_rows_and_for_nobody_else() {
    let day = 86_400_000_000_000;
    for seed in 0..20 {
        let machine = Machine::of_seed(seed, no_rewrites());
        let row = |host: &str, at: i64| Row::at(at).tag("host", host).field("v", at);
        // In objects with segments of both tables, of which some have gone while somebody reads the other table.
        machine.rows("t", &[row("secret", 1), row("a", 2)]);
        machine.rows("u", &[row("a", 1), row("a", 400 * day)]);
        machine.flush();
        machine.answer(machine.engine.compact(&CompactFilter::default()).unwrap()).unwrap();
        let reads_t = machine.engine.snapshot();
        let rest = Correction { table: name("u"), ..correction(times(0, day), Change::Delete) };
        machine.answer(machine.engine.correct(rest)).unwrap();
        machine.rows("t", &[row("a", 3)]);
        machine.flush();
        machine.answer(machine.engine.compact(&CompactFilter::default()).unwrap()).unwrap();

        let mut erase = machine.engine.correct(correction(host(&machine, "secret"), Change::Erase));
        machine.pass(Duration::from_secs(60));
        assert!(erase.try_take().is_none(), "what was merged away is still read, seed {seed}");
        assert_eq!(lines(&reads_t, &Scan::all(schema(&machine).id)).unwrap().len(), 2);
        assert!(holds(&machine, "secret"), "seed {seed}");
        drop(reads_t);
        machine.pass(Duration::from_secs(1));
        machine.answer(erase).unwrap();
        assert!(!holds(&machine, "secret"), "seed {seed}");

        machine.rows("u", &[row("a", 1), row("a", 500 * day)]);
        machine.flush();
        let reads_u = machine.engine.snapshot();
        let rest = Correction { table: name("u"), ..correction(times(0, day), Change::Delete) };
        machine.answer(machine.engine.correct(rest)).unwrap();
        machine.rows("t", &[row("hidden", 4)]);
        machine.flush();
        machine
            .answer(machine.engine.correct(correction(host(&machine, "hidden"), Change::Erase)))
            .unwrap();
        assert!(!holds(&machine, "hidden"), "seed {seed}");
        assert_eq!(reads_u.table("default", "u").unwrap().columns.len(), 3);
    }
}

/// Whether some object has these bytes.
fn holds(machine: &Machine, text: &str) -> bool {
    let has = |path: &PathBuf| {
        machine.bytes(path).windows(text.len()).any(|bytes| bytes == text.as_bytes())
    };
    machine.objects().iter().any(has)
}

#[test]
fn a_correction_that_waits_for_a_rewrite_goes_on_whatever_becomes_of_it() {
    let mut overtaken = 0;
    for seed in 0..300 {
        let machine = Machine::of_seed(seed, no_rewrites());
        for at in 1..=4 {
            let rows = ["a", "b", "c"].map(|host| Row::at(at).tag("host", host).field("v", at));
            machine.rows("t", &rows);
            machine.flush();
        }
        let rewrite = machine.engine.compact(&CompactFilter::default()).unwrap();
        machine.world.tasks.run_until_idle(seed % 40);
        let delete = |rows| machine.engine.correct(correction(rows, Change::Delete));
        // The first leaves nothing to rewrite, so no other rewrite comes that might wake a task.
        let deletes = [Selection::all(), times(1, 1), host(&machine, "b")].map(delete);
        for delete in deletes {
            machine.answer(delete).unwrap();
        }
        machine.answer(rewrite).unwrap();
        assert_eq!(read(&machine.engine, "t"), [""; 0], "seed {seed}");
        overtaken += machine.engine.stats().compactions_overtaken;
    }
    assert!(overtaken > 0, "no rewrite was overtaken");
}

#[test]
fn what_cannot_be_corrected_says_why() {
    let machine = everywhere(&TableOptions::default());
    let refused = |correction: Correction| {
        machine.answer(machine.engine.correct(correction)).unwrap_err().code()
    };
    let all = || correction(Selection::all(), Change::Delete);
    assert_eq!(refused(Correction { table: name("u"), ..all() }), Code::TableNotFound);
    assert_eq!(
        refused(Correction { planned_for: Some((schema(&machine).id, 77)), ..all() }),
        Code::SchemaMoved
    );
    let other = Some((pulsora_model::TableId(77), schema(&machine).version));
    assert_eq!(refused(Correction { planned_for: other, ..all() }), Code::SchemaMoved);
    let ids = Selection { ids: Some(vec![1]), ..Selection::all() };
    assert_eq!(refused(correction(ids, Change::Delete)), Code::ColumnNotFound);
    let fails = RowTest::new(Vec::new(), |_| Err(pulsora_model::Error::internal("no")));
    let test = Selection { test: Some(fails), ..Selection::all() };
    assert_eq!(refused(correction(test, Change::Delete)), Code::Internal);
    let panics = RowTest::new(Vec::new(), |_| panic!("a test that fails"));
    let test = Selection { test: Some(panics), ..Selection::all() };
    assert_eq!(refused(correction(test, Change::Delete)), Code::Internal);
    let moves = Change::Replace(RowChange::new(|batch: &RecordBatch| Ok(batch.slice(0, 0))));
    assert_eq!(refused(correction(Selection::all(), moves)), Code::Internal);
    assert_eq!(read(&machine.engine, "t").len(), 12, "nothing has changed");
    let pending = machine.engine.correct(all());
    let drop_it =
        Command::DropTable { database: name("default"), table: name("t"), if_exists: false };
    let dropped = machine.engine.execute(drop_it);
    machine.answer(dropped).unwrap();
    let outcome = machine.answer(pending);
    assert!(outcome.is_ok() || outcome.unwrap_err().code() == Code::TableNotFound);
    machine.rows("t", &[Row::at(1).field("v", 1)]);
    let pending = machine.engine.correct(all());
    machine.close().unwrap();
    let answer = { pending }.try_take().expect("it is answered");
    assert!(answer.is_ok() || answer.unwrap_err().code() == Code::Closed);
}
