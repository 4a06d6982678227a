//! Rows, time, memory, slots: what bounds a query, and what a query that ends early leaves behind.

use std::sync::mpsc;
use std::time::Duration;

use futures::StreamExt;
use pulsora_model::{Code, Error};
use pulsora_query::SqlRequest;
use pulsora_storage::Scan;

use crate::world::World;

/// A query that takes far longer than any test waits, in little memory.
const ENDLESS: &str = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 AS n FROM r WHERE n < 2000000000) SELECT count(*) FROM r";

fn with_timeout(sql: &str, milliseconds: u64) -> SqlRequest {
    let timeout = Some(Duration::from_millis(milliseconds));
    SqlRequest { timeout, ..SqlRequest::new("default", sql) }
}

#[test]
fn a_limit_caps_the_rows_of_queries() {
    let world = World::with(|options| options.rows_max = Some(4));
    world.write_numbers("numbers", 10);
    let rows = |sql: &str, limit| {
        let request = SqlRequest { limit, ..SqlRequest::new("default", sql) };
        let (batches, _) = world.ask(request).unwrap();
        batches.iter().map(|batch| batch.num_rows()).sum::<usize>()
    };
    assert_eq!(rows("SELECT * FROM numbers", None), 4);
    assert_eq!(rows("SELECT * FROM numbers ORDER BY value DESC", Some(3)), 3);
    assert_eq!(rows("SELECT * FROM numbers LIMIT 2", Some(3)), 2);
    assert!(rows("EXPLAIN SELECT * FROM numbers", Some(1)) > 1);
}

#[test]
fn a_deadline_ends_a_query() {
    let world = World::new();
    let error = world.failure(with_timeout(ENDLESS, 100));
    assert_eq!(error.code(), Code::Timeout, "{error}");
    wait_until_idle(&world);
    world.check("SELECT 1 AS n", "n\n1");
}

#[test]
fn a_deadline_passes_while_an_operator_computes_without_looking_up() {
    let world = World::new();
    world.write_numbers("numbers", 50_000);
    let began = std::time::Instant::now();
    let pairs =
        "SELECT sum(a.value * b.value) FROM numbers a, numbers b WHERE a.value + b.value > 7";
    let error = world.failure(with_timeout(pairs, 100));
    assert_eq!(error.code(), Code::Timeout, "{error}");
    // The pairs take minutes at this scale and profile; the bound is there for a loaded machine.
    assert!(began.elapsed() < Duration::from_secs(20), "after {:?}", began.elapsed());
}

#[test]
fn a_reader_that_does_not_take_its_rows_is_cut_off() {
    let world = World::new();
    world.runtime.block_on(async {
        let request = with_timeout("SELECT * FROM generate_series(1, 10000000)", 300);
        let mut answer = world.query.sql(request).await.unwrap();
        let mut rows = answer.batches.next().await.unwrap().unwrap().num_rows();
        while world.query.pool().active > 0 {
            tokio::task::yield_now().await;
        }
        let error: Error = loop {
            match answer.batches.next().await {
                Some(Ok(batch)) => rows += batch.num_rows(),
                Some(Err(error)) => break error,
                None => panic!("the answer ended as if it were whole, after {rows} rows"),
            }
        };
        assert_eq!(error.code(), Code::Timeout);
        assert!(rows < 10_000_000);
        assert!(answer.batches.next().await.is_none());
    });
}

#[test]
fn dropping_an_answer_frees_its_slot() {
    let world = World::with(|options| options.concurrency = 1);
    world.runtime.block_on(async {
        for _ in 0..5 {
            let request = SqlRequest::new("default", "SELECT * FROM generate_series(1, 100000000)");
            let mut answer = world.query.sql(request).await.unwrap();
            assert!(answer.batches.next().await.unwrap().is_ok());
        }
    });
    wait_until_idle(&world);
    let stats = world.query.pool();
    assert_eq!((stats.started, stats.finished, stats.active_peak), (5, 5, 1));
}

#[test]
fn requests_wait_for_a_slot_and_too_many_are_refused() {
    let world = World::with(|options| (options.concurrency, options.queue) = (1, 10));
    world.runtime.block_on(async {
        let running = SqlRequest::new("default", "SELECT * FROM generate_series(1, 100000000)");
        let running = world.query.sql(running).await.unwrap();
        let waiting = world.query.sql(with_timeout("SELECT 1", 50)).await;
        assert_eq!(waiting.err().unwrap().code(), Code::Timeout);
        let mut queue: Vec<_> = (0..10)
            .map(|_| Box::pin(world.query.sql(SqlRequest::new("default", "SELECT 1"))))
            .collect();
        for waiting in &mut queue {
            assert!(futures::poll!(waiting).is_pending());
        }
        while world.query.pool().queue_depth < 10 {
            tokio::task::yield_now().await;
        }
        let refused = world.query.sql(SqlRequest::new("default", "SELECT 1")).await;
        assert_eq!(refused.err().unwrap().code(), Code::Overloaded);
        drop(running);
        for waiting in queue {
            drop(waiting.await.unwrap());
        }
        assert_eq!(world.query.pool().refused, 1);
    });
    wait_until_idle(&world);
    assert!(world.query.pool().avg_wait_ms > 0.0);
}

#[test]
fn a_sort_that_does_not_fit_spills() {
    let world = World::with(|options| options.memory_bytes = 24 << 20);
    world.write_numbers("numbers", 400_000);
    world.flush();
    let sql = "SELECT count(*) AS n, sum(CASE WHEN noise < before THEN 1 ELSE 0 END) AS wrong FROM
               (SELECT noise, lag(noise) OVER (ORDER BY noise, value DESC) AS before FROM numbers)";
    world.check(sql, "n | wrong\n400000 | 0");
    let metrics = world.sql("EXPLAIN ANALYZE SELECT * FROM numbers ORDER BY noise");
    let spilled = metrics.lines().find(|line| line.contains("SortExec")).unwrap().to_owned();
    assert!(!spilled.contains("spill_count=0,"), "{spilled}");
    let left: Vec<_> = spill_files(&world);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_cannot_spill_reports_the_memory_limit() {
    let world = World::with(|options| options.memory_bytes = 4 << 20);
    world.write_numbers("numbers", 200_000);
    let error = world.error("SELECT cardinality(array_agg(noise)) AS n FROM numbers");
    assert!(error.starts_with("memory_limit: the query needs more memory"), "{error}");
    wait_until_idle(&world);
    world.check("SELECT count(*) AS n FROM numbers", "n\n200000");
}

#[test]
fn spills_of_an_earlier_process_are_removed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("datafusion-old")).unwrap();
    std::fs::write(dir.path().join("datafusion-old/rows"), "x").unwrap();
    std::fs::write(dir.path().join("mine"), "x").unwrap();
    let spill = dir.path().to_owned();
    let _world = World::with(|options| options.spill_dir = spill);
    assert!(!dir.path().join("datafusion-old").exists());
    assert!(dir.path().join("mine").exists());
}

#[test]
fn blocking_work_runs_in_a_slot_and_learns_that_it_was_left() {
    let world = World::new();
    let seen =
        world.runtime.block_on(world.query.run_blocking(&world.ticket(), |_| Ok(7))).unwrap();
    assert_eq!(seen, 7);
    let (began, begun) = mpsc::channel();
    let (ended, end) = mpsc::channel();
    world.runtime.block_on(async {
        let ticket = world.ticket();
        let mut work = Box::pin(world.query.run_blocking(&ticket, move |flag| {
            began.send(()).unwrap();
            while !flag.is_cancelled() {
                std::thread::yield_now();
            }
            ended.send(flag.check().unwrap_err().code()).unwrap();
            Ok(())
        }));
        while begun.try_recv().is_err() {
            assert!(futures::poll!(&mut work).is_pending());
            tokio::task::yield_now().await;
        }
        drop(work);
    });
    assert_eq!(end.recv_timeout(Duration::from_secs(30)).unwrap(), Code::Cancelled);
    wait_until_idle(&world);
}

#[test]
fn a_scan_streams_without_sql_and_stops_when_it_is_dropped() {
    let world = World::new();
    for _ in 0..2 {
        world.write_numbers("numbers", 100_000);
        world.flush();
    }
    let snapshot = world.engine.snapshot();
    let table = snapshot.table("default", "numbers").unwrap().id;
    let plan = snapshot.scan(&Scan::all(table)).unwrap();
    let rows: usize = world.runtime.block_on(
        world
            .query
            .scan_stream(world.ticket(), plan)
            .map(|batch| batch.unwrap().num_rows())
            .fold(0, |a, b| async move { a + b }),
    );
    assert_eq!(rows, 200_000);
    let plan = snapshot.scan(&Scan::all(table)).unwrap();
    let counters = plan.counters.clone();
    world.runtime.block_on(async {
        let mut batches = world.query.scan_stream(world.ticket(), plan);
        assert!(batches.next().await.unwrap().is_ok());
    });
    wait_until_idle(&world);
    let given = pulsora_storage::ScanCounters::value(&counters.rows_returned);
    assert!(given < 200_000, "{given}");
}

fn wait_until_idle(world: &World) {
    let stop = std::time::Instant::now() + Duration::from_secs(30);
    while world.query.pool().active > 0 || world.query.pool().queue_depth > 0 {
        assert!(std::time::Instant::now() < stop, "{:?}", world.query.pool());
        std::thread::yield_now();
    }
}

fn spill_files(world: &World) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for directory in std::fs::read_dir(world.dir.path().join("spill")).unwrap() {
        let directory = directory.unwrap().path();
        files.extend(std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()));
    }
    files
}
