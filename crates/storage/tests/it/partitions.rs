//! The life of a partition: hot at a flush, merged when it rests, Parquet when it is cold; objects go
//! with their last reader.

use std::path::Path;
use std::time::Duration;

use pulsora_env::Step;
use pulsora_model::Code;
use pulsora_model::schema::TableOptions;
use pulsora_storage::{
    ColdFormat, Command, CompactFilter, CompactionOptions, FlushFilter, JobStatus, Options, Order,
    Reason, Scan, Snapshot,
};

use crate::machine::{DIR, Machine, no_rewrites, small_options};
use crate::rows::{Row, lines, name, read, request, with_ids};

const DAY_NS: i64 = 86_400_000_000_000;
const REST: Duration = Duration::from_secs(12);
const HOT_FOR: Duration = Duration::from_secs(60);

fn options() -> Options {
    Options { hot_for: HOT_FOR, ..small_options() }
}

/// Hot segments, Parquet segments, objects of both.
fn figures(machine: &Machine) -> (u64, u64, usize) {
    let stats = machine.engine.stats();
    (stats.hot_segments, stats.segments - stats.hot_segments, machine.objects().len())
}

fn rows_of(snapshot: &Snapshot, table: &str) -> Vec<String> {
    let table = snapshot.table("default", table).unwrap().id;
    lines(snapshot, &Scan { order: Order::TimeAscending, ..Scan::all(table) }).unwrap()
}

#[test]
fn a_flush_that_asks_for_parquet_is_answered_when_everything_so_far_is_parquet() {
    let mut machine = Machine::with(options());
    flushes(&machine, 3);
    machine.rows("t", &[Row::at(10).tag("host", "a").field("v", 10)]);
    let snapshot = machine.engine.snapshot();
    let before = rows_of(&snapshot, "t");
    let filter = FlushFilter { cold: true, ..FlushFilter::default() };
    let receipt = machine.answer(machine.engine.flush(filter.clone())).unwrap();
    assert_eq!((receipt.rows, receipt.changed), (1, true));
    let (hot, cold, _) = figures(&machine);
    assert_eq!((hot, cold), (0, 1));
    assert_eq!(rows_of(&machine.engine.snapshot(), "t"), before);
    drop(snapshot);
    machine.rows("t", &[Row::at(11).tag("host", "a").field("v", 11)]);
    machine.flush();
    assert_eq!(figures(&machine).0, 1, "later rows are hot again");
    machine.kill();
    machine.answer(machine.engine.flush(filter)).unwrap();
    assert_eq!((figures(&machine).0, figures(&machine).1), (0, 2));
}

#[test]
fn parquet_is_refused_where_the_cold_format_is_native() {
    let machine = Machine::with(Options { cold_format: ColdFormat::Native, ..options() });
    flushes(&machine, 1);
    let filter = FlushFilter { cold: true, ..FlushFilter::default() };
    let error = machine.answer(machine.engine.flush(filter)).unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
}

fn drop_table(machine: &Machine, table: &str) {
    let (database, table) = (name("default"), name(table));
    machine.execute(Command::DropTable { database, table, if_exists: false }).unwrap();
}

/// One row of each of two series in turn, each flushed alone.
fn flushes(machine: &Machine, count: i64) {
    for n in 0..count {
        let host = ["a", "b"][n as usize % 2];
        machine.rows("t", &[Row::at(n).tag("host", host).field("v", n).field("s", "text")]);
        machine.flush();
    }
}

#[test]
fn small_segments_of_a_flush_share_an_object_that_goes_with_the_last_of_them() {
    let mut machine = Machine::with(options());
    for table in ["a", "b", "c"] {
        machine.rows(table, &[Row::at(1).field("v", 1), Row::at(800 * DAY_NS).field("v", 2)]);
    }
    machine.flush();
    assert_eq!(figures(&machine), (6, 0, 1));
    drop_table(&machine, "a");
    machine.kill();
    assert_eq!(figures(&machine), (4, 0, 1), "others need it");
    drop_table(&machine, "b");
    let snapshot = machine.engine.snapshot();
    drop_table(&machine, "c");
    let scan = Scan::all(snapshot.table("default", "c").unwrap().id);
    assert_eq!(lines(&snapshot, &scan).unwrap().len(), 2);
    assert_eq!(figures(&machine), (0, 0, 1), "a snapshot needs it");
    drop(snapshot);
    assert_eq!(figures(&machine), (0, 0, 0));
}

#[test]
fn a_resting_partition_becomes_one_segment_and_a_cold_one_parquet() {
    let mut machine = Machine::with(options());
    flushes(&machine, 3);
    assert_eq!(figures(&machine), (3, 0, 3));
    let rows = read(&machine.engine, "t");
    let early = machine.engine.snapshot();
    machine.pass(REST);
    assert_eq!(read(&machine.engine, "t"), rows);
    assert_eq!(figures(&machine), (1, 0, 4), "the snapshot needs the inputs");
    let late = machine.engine.snapshot();
    machine.pass(HOT_FOR);
    assert_eq!(read(&machine.engine, "t"), rows);
    assert_eq!(figures(&machine), (0, 1, 5));
    for snapshot in [early, late] {
        assert_eq!(rows_of(&snapshot, "t"), rows);
    }
    assert_eq!(figures(&machine), (0, 1, 1));
    let stats = machine.engine.stats();
    assert_eq!((stats.merges, stats.conversions, stats.compaction_errors), (1, 1, 0));
    assert_eq!(stats.compacted_rows, 6);
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), rows);
    assert_eq!(figures(&machine), (0, 1, 1));
}

#[test]
fn a_rewrite_folds_keys_and_leaves_out_what_was_replaced() {
    let machine = Machine::with(options());
    let upsert = |row: Row| machine.write(request("u", &TableOptions::upsert(), &[row]));
    let given = |row: Row| machine.write(request("ids", &with_ids(), &[row]));
    upsert(Row::at(1).tag("host", "a").field("x", 1).field("y", 1));
    given(Row::at(1).id(7).field("v", 1));
    given(Row::at(2).id(8).field("v", 2));
    // So many rows that one that is replaced is no reason to rewrite them.
    for id in 11..17 {
        given(Row::at(id).id(id as u64).field("v", id));
    }
    machine.flush();
    upsert(Row::at(1).tag("host", "a").null("x").field("y", 2));
    given(Row::at(9).id(7).field("w", "moved"));
    machine.flush();
    assert_eq!(machine.engine.stats().deleted_rows, 1);
    let rows = |machine: &Machine| [read(&machine.engine, "u"), read(&machine.engine, "ids")];
    let before = rows(&machine);
    assert_eq!(before[0], ["host=a time=1 x=1 y=2"]);
    for (time, hot) in [(REST, 2), (HOT_FOR, 0)] {
        machine.pass(time);
        assert_eq!(rows(&machine), before);
        let stats = machine.engine.stats();
        assert_eq!((stats.segments, stats.hot_segments, stats.deleted_rows), (2, hot, 0));
        assert_eq!(stats.segment_rows, 9);
    }
    // The index of the rewritten rows finds them.
    given(Row::at(3).id(8).field("v", 3));
    let mut replaced = before[1].clone();
    assert_eq!(replaced[..2], ["id=8u time=2 v=2", "id=7u time=9 w=\"moved\""]);
    replaced[0] = "id=8u time=3 v=3".to_owned();
    assert_eq!(read(&machine.engine, "ids"), replaced);
    machine.flush();
    assert_eq!(machine.engine.stats().deleted_rows, 1);
    assert_eq!(read(&machine.engine, "ids"), replaced);
}

#[test]
fn what_stays_hot_and_what_never_is() {
    let never = Machine::with(Options { hot_for: Duration::ZERO, ..small_options() });
    flushes(&never, 2);
    assert_eq!(figures(&never), (0, 2, 2));
    let native = Options { cold_format: ColdFormat::Native, ..options() };
    let always = Machine::with(native);
    flushes(&always, 2);
    always.pass(REST + HOT_FOR);
    assert_eq!(figures(&always), (1, 0, 1));
}

#[test]
fn rows_in_memory_are_a_last_write() {
    let machine = Machine::with(options());
    flushes(&machine, 1);
    machine.rows("t", &[Row::at(50).field("v", 50)]);
    machine.pass(HOT_FOR * 2);
    assert_eq!(figures(&machine), (1, 0, 1));
    machine.flush();
    machine.pass(REST);
    assert_eq!(figures(&machine), (1, 0, 1));
    machine.pass(HOT_FOR);
    assert_eq!(figures(&machine), (0, 1, 1));
    // Another partition of the table does not count.
    flushes(&machine, 1);
    machine.rows("t", &[Row::at(800 * DAY_NS).field("v", 50)]);
    machine.pass(HOT_FOR * 2);
    assert_eq!(figures(&machine), (0, 1, 1));
}

#[test]
fn a_change_of_settings_rewrites_only_neighbours() {
    let mut machine = Machine::with(options());
    flushes(&machine, 2);
    machine.options.hot_for = Duration::ZERO;
    machine.options.cold_format = ColdFormat::Parquet;
    machine.close().unwrap();
    // What is hot becomes Parquet at once.
    machine.open().unwrap();
    machine.settle();
    assert_eq!(figures(&machine), (0, 1, 1));
    flushes(&machine, 1);
    machine.options = options();
    machine.reopen();
    flushes(&machine, 3);
    machine.pass(REST);
    assert_eq!(figures(&machine), (1, 1, 2), "each format becomes one unit");
    machine.pass(HOT_FOR);
    assert_eq!(figures(&machine), (0, 1, 1));
    assert_eq!(read(&machine.engine, "t").len(), 6);
}

#[test]
fn late_rows_of_a_cold_partition_end_in_its_one_run_of_parquet() {
    let mut machine = Machine::with(options());
    flushes(&machine, 3);
    machine.pass(HOT_FOR + REST);
    for late in 1..4 {
        machine.rows("t", &[Row::at(1).tag("host", "a").field("v", 100 + late)]);
        machine.flush();
        assert_eq!(figures(&machine), (1, 1, 2));
        machine.pass(HOT_FOR + REST);
        assert_eq!(figures(&machine), (0, 1, 1));
        machine.power_cut();
        assert_eq!(read(&machine.engine, "t").len(), 3 + late as usize);
    }
}

#[test]
fn a_request_compacts_what_is_there_and_is_answered_when_it_is_done() {
    let mut machine = Machine::with(Options { hot_for: HOT_FOR, ..no_rewrites() });
    flushes(&machine, 7);
    machine.pass(HOT_FOR / 2);
    assert_eq!(figures(&machine), (7, 0, 7), "nothing is done unasked");
    let compact = |machine: &Machine, table: Option<&str>| {
        let filter = CompactFilter { table: table.map(name), ..CompactFilter::default() };
        machine.answer(machine.engine.compact(&filter)?)
    };
    let rows = read(&machine.engine, "t");
    compact(&machine, None).unwrap();
    assert_eq!(figures(&machine), (1, 0, 1));
    compact(&machine, Some("t")).unwrap();
    let history = machine.engine.compaction().history;
    assert_eq!(history.len(), 1, "there was nothing left to do");
    let job = &history[0];
    assert_eq!(
        (job.table.as_str(), job.status, job.reason),
        ("t", JobStatus::Completed, Reason::Demanded)
    );
    assert_eq!((job.segments_in, job.rows_in, job.segments_out, job.rows_out), (7, 7, 1, 7));
    machine.pass(HOT_FOR);
    compact(&machine, Some("t")).unwrap();
    assert_eq!(figures(&machine), (0, 1, 1), "it is cold now");
    assert_eq!(read(&machine.engine, "t"), rows);
    assert_eq!(compact(&machine, Some("none")).unwrap_err().code(), Code::TableNotFound);
    // What fails is said, and what the engine does not get to.
    flushes(&machine, 2);
    let damaged = machine.objects().pop().unwrap();
    machine.damage(&damaged, machine.bytes(&damaged).len() as u64 - 1);
    assert_eq!(compact(&machine, None).unwrap_err().code(), Code::Corrupt);
    let mut waiting = machine.engine.compact(&CompactFilter::default()).unwrap();
    machine.close().unwrap();
    assert_eq!(waiting.try_take().unwrap().unwrap_err().code(), Code::Closed);
    machine.power_cut();
}

#[test]
fn a_job_can_be_cancelled_and_leaves_nothing() {
    // A disk that gives ten bytes a second: the job is at it for long.
    let slow = CompactionOptions { bytes_per_second: 10, ..CompactionOptions::default() };
    let machine = Machine::with(Options { compaction: slow, ..options() });
    flushes(&machine, 3);
    machine.world.clock.advance(REST.as_nanos() as u64);
    // Steps of other tasks happen inside the job's own; one of them is where it is cancelled.
    let engine = machine.engine.clone();
    let canceller = machine.world.env().tasks.spawn(
        "canceller",
        Box::new(move || match engine.compaction().running.first() {
            Some(job) => {
                engine.cancel_compaction(job.id).unwrap();
                Step::Done
            }
            None => Step::Wait(Some(Duration::from_millis(10))),
        }),
    );
    machine.settle();
    machine.pass(Duration::from_secs(5));
    assert!(canceller.is_finished());
    let report = machine.engine.compaction();
    assert_eq!(report.history[0].status, JobStatus::Cancelled);
    assert_eq!(figures(&machine), (3, 0, 3), "it is left alone for a while");
    assert!(report.running.is_empty());
    assert_eq!(machine.engine.cancel_compaction(99).unwrap_err().code(), Code::JobNotFound);
    machine.pass(Duration::from_secs(700));
    assert_eq!(figures(&machine).0 + figures(&machine).1, 1);
}

#[test]
fn a_rewrite_keeps_to_its_share_of_the_disk() {
    let seconds = |bytes_per_second| {
        let compaction = CompactionOptions { bytes_per_second, ..CompactionOptions::default() };
        let machine = Machine::with(Options { compaction, ..options() });
        for n in 0..3 {
            let rows: Vec<Row> =
                (0..3_000).map(|i| Row::at(n * 3_000 + i).field("v", i * i)).collect();
            machine.rows("t", &rows);
            machine.flush();
        }
        machine.pass(REST * 3);
        let job = machine.engine.compaction().history.pop().unwrap();
        (job.seconds, job.bytes_in + job.bytes_out)
    };
    let (free, bytes) = seconds(0);
    let (slow, _) = seconds(bytes / 8);
    assert!(free < 1.0 && (4.0..12.0).contains(&slow), "{free} s, {slow} s for {bytes} bytes");
}

#[test]
fn a_crash_at_any_operation_of_a_rewrite_loses_nothing_and_leaves_nothing() {
    for lose_power in [false, true] {
        let mut operations = 1;
        loop {
            let mut machine = Machine::with(options());
            flushes(&machine, 3);
            let rows = read(&machine.engine, "t");
            machine.world.files.crash_after(operations);
            machine.pass(REST + HOT_FOR);
            let crashed = machine.world.files.crashed();
            machine.stop(lose_power);
            assert_eq!(read(&machine.engine, "t"), rows, "operation {operations}");
            let (hot, cold, objects) = figures(&machine);
            assert_eq!(objects as u64, hot + cold, "operation {operations}");
            machine.pass(REST + HOT_FOR);
            assert_eq!(figures(&machine), (0, 1, 1), "operation {operations}");
            assert_eq!(read(&machine.engine, "t"), rows, "operation {operations}");
            if !crashed {
                break;
            }
            operations += 1;
        }
        // Two rewrites, each an object and an edit, and the removal of four objects.
        assert!(operations > 20, "{operations}");
    }
}

#[test]
fn a_crash_at_any_operation_of_a_merge_of_parquet_loses_nothing_and_leaves_nothing() {
    // Objects of 20 KB at most, each written in pieces.
    let compaction =
        CompactionOptions { target_file_bytes: 20_000, ..CompactionOptions::default() };
    // Partitions turn cold and rest, in leaps: there are many operations to be crashed at.
    let pass = |machine: &Machine| {
        for _ in 0..3 {
            machine.world.clock.advance((HOT_FOR + REST).as_nanos() as u64 / 2);
            machine.settle();
        }
    };
    let machine = || {
        let machine = Machine::with(Options { compaction: compaction.clone(), ..options() });
        let mut rng = fastrand::Rng::with_seed(1);
        let mut write = |late: i64| {
            let mut text = || std::iter::repeat_with(|| rng.alphanumeric()).take(2_000).collect();
            let texts: Vec<String> = (0..12).map(|_| text()).collect();
            let rows = texts.iter().enumerate().map(|(n, text)| {
                let host = format!("h{n:02}");
                Row::at(late).tag("host", &host).field("late", late).field("text", text.as_str())
            });
            machine.rows("t", &rows.collect::<Vec<_>>());
            machine.flush();
        };
        write(1);
        pass(&machine);
        write(2);
        machine
    };
    for lose_power in [false, true] {
        let mut operations = 1;
        loop {
            let mut machine = machine();
            let rows = read(&machine.engine, "t");
            assert!(figures(&machine).1 >= 2, "the first rows are cut into files");
            machine.world.files.crash_after(operations);
            pass(&machine);
            let crashed = machine.world.files.crashed();
            machine.stop(lose_power);
            assert_eq!(read(&machine.engine, "t"), rows, "operation {operations}");
            let (hot, cold, objects) = figures(&machine);
            assert_eq!(objects as u64, hot + cold, "operation {operations}");
            pass(&machine);
            let (hot, cold, objects) = figures(&machine);
            assert!(hot == 0 && cold >= 3 && objects as u64 == cold, "operation {operations}");
            assert_eq!(machine.engine.compaction().overlapping_max, 1, "one run of Parquet");
            for object in machine.objects() {
                assert!(machine.bytes(&object).len() <= 20_000, "{object:?}");
            }
            assert_eq!(read(&machine.engine, "t"), rows, "operation {operations}");
            if !crashed {
                break;
            }
            operations += 1;
        }
        assert!(operations > 30, "{operations}");
    }
}

#[test]
fn a_full_disk_stops_rewrites_and_nothing_else() {
    let machine = Machine::with(Options { reserve_bytes: 1 << 20, ..options() });
    flushes(&machine, 3);
    let rows = read(&machine.engine, "t");
    let capacity = 1 << 40;
    let free = machine.files().free_bytes(Path::new(DIR)).unwrap();
    machine.world.files.set_capacity(capacity - free + 4_096);
    machine.pass(REST);
    let stats = machine.engine.stats();
    assert!(stats.compaction_errors > 0 && stats.merges == 0, "{stats:?}");
    assert!(stats.poisoned.is_none() && !stats.disk_full, "the reserve is not for rewrites");
    assert_eq!(figures(&machine), (3, 0, 3));
    machine.world.files.set_capacity(capacity);
    machine.pass(REST * 2);
    assert_eq!(figures(&machine), (1, 0, 1));
    assert_eq!(read(&machine.engine, "t"), rows);
}

#[test]
fn a_damaged_input_stops_its_partition_and_no_other() {
    let machine = Machine::with(options());
    flushes(&machine, 2);
    let damaged = machine.objects()[0].clone();
    machine.damage(&damaged, machine.bytes(&damaged).len() as u64 - 1);
    for n in 0..2 {
        machine.rows("sound", &[Row::at(n).field("v", n)]);
        machine.flush();
    }
    machine.pass(REST + HOT_FOR);
    let stats = machine.engine.stats();
    let error = stats.last_compaction_error.unwrap();
    assert!(error.contains("table \"t\""), "{error}");
    assert!(error.contains(damaged.file_name().unwrap().to_str().unwrap()), "{error}");
    assert!((2..20).contains(&stats.compaction_errors), "tried again, not for ever at once");
    assert!(stats.poisoned.is_none());
    assert_eq!(figures(&machine), (2, 1, 3));
    machine.rows("t", &[Row::at(9).field("v", 9)]);
    drop_table(&machine, "t");
    assert_eq!(figures(&machine), (0, 1, 1));
}

#[test]
fn rows_that_are_replaced_while_they_are_merged_stay_replaced_and_do_not_hold_it_up() {
    let slow = CompactionOptions { bytes_per_second: 50, ..CompactionOptions::default() };
    let mut machine = Machine::with(Options { compaction: slow, ..options() });
    let rows = |from: i64| -> Vec<Row> {
        (from..from + 10).map(|n| Row::at(n).id(n as u64).field("v", n)).collect()
    };
    for from in [1, 11, 21] {
        machine.write(request("t", &with_ids(), &rows(from)));
        machine.flush();
    }
    machine.world.clock.advance(REST.as_nanos() as u64);
    // Two rows of the first and the last input come again, and are flushed, while the job is at it.
    let engine = machine.engine.clone();
    let replaced = [Row::at(100).id(3).field("v", 103), Row::at(101).id(30).field("v", 130)];
    let writer = machine.world.env().tasks.spawn(
        "writer",
        Box::new(move || match engine.compaction().running.is_empty() {
            true => Step::Wait(Some(Duration::from_millis(10))),
            false => {
                drop(engine.write(request("t", &with_ids(), &replaced)));
                drop(engine.flush(FlushFilter::default()));
                Step::Done
            }
        }),
    );
    machine.pass(Duration::from_secs(120));
    assert!(writer.is_finished());
    let stats = machine.engine.stats();
    assert_eq!(stats.compactions_overtaken, 0);
    let mut expected: Vec<String> = (1..31)
        .filter(|n| ![3, 30].contains(n))
        .map(|n| format!("id={n}u time={n} v={n}"))
        .collect();
    expected.extend(["id=3u time=100 v=103".to_owned(), "id=30u time=101 v=130".to_owned()]);
    assert_eq!(read(&machine.engine, "t"), expected);
    let first = machine.engine.compaction().history.pop().unwrap();
    assert_eq!((first.status, first.segments_in, first.rows_out), (JobStatus::Completed, 3, 30));
    machine.power_cut();
    assert_eq!(read(&machine.engine, "t"), expected, "bitmaps of outputs are in the manifest");
}
