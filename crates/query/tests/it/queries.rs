//! The list of queries: what it says of them, and that they end when they are told to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use pulsora_model::{Code, Error};
use pulsora_query::{
    About, CacheUse, Priority, QueryReport, QueryState, Relief, Shortage, SqlRequest, SqlResult,
};

use crate::world::World;

/// Takes far longer than any test waits, on every thread, and gives nothing before it ends.
const JOIN: &str =
    "SELECT sum(a.value * b.value) FROM numbers a, numbers b WHERE a.value + b.value > 7";

/// The same with a condition that holds for no pair: the join never gives a batch.
const BARREN_JOIN: &str = "SELECT count(*) FROM numbers a JOIN numbers b ON a.value * b.value < 0";

/// The same with equal keys: one batch of the one side meets all of the other.
const EQUAL_JOIN: &str = "SELECT count(*) FROM (SELECT value, 1 AS k FROM numbers) a
    JOIN (SELECT value, 1 AS k FROM numbers) b ON a.k = b.k AND a.value * b.value < 0";

fn ask(sql: &str) -> SqlRequest {
    SqlRequest::new("default", sql)
}

fn one(world: &World, state: QueryState) -> Option<Arc<QueryReport>> {
    world.query.queries().into_iter().find(|report| report.state == state)
}

/// Waits until there is a query in this state.
fn wait_for(world: &World, state: QueryState) -> Arc<QueryReport> {
    let stop = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(report) = one(world, state) {
            return report;
        }
        assert!(Instant::now() < stop, "{:?}", world.query.queries());
        std::thread::yield_now();
    }
}

fn wait_until_idle(world: &World) {
    let stop = Instant::now() + Duration::from_secs(30);
    while world.query.pool().active > 0 {
        assert!(Instant::now() < stop, "{:?}", world.query.pool());
        std::thread::yield_now();
    }
}

/// The error of a statement that is cancelled while it runs.
fn cancelled(world: &World, sql: &str) -> Error {
    world.runtime.block_on(async {
        let asked = world.query.sql(ask(sql));
        let cancel = async {
            let report = wait_for(world, QueryState::Running);
            world.query.cancel(&report.id).unwrap()
        };
        let (answer, report) = futures::join!(whole(asked), async {
            tokio::task::yield_now().await;
            cancel.await
        });
        assert_eq!(&*report.statement, sql);
        answer.unwrap_err()
    })
}

async fn whole(asked: impl Future<Output = Result<SqlResult, Error>>) -> Result<usize, Error> {
    let mut answer = asked.await?;
    let mut rows = 0;
    while let Some(batch) = answer.batches.next().await {
        rows += batch?.num_rows();
    }
    Ok(rows)
}

#[test]
fn a_query_is_listed_with_its_figures_while_it_runs_and_after() {
    let world = World::new();
    world.write_numbers("numbers", 20_000);
    world.flush();
    world.runtime.block_on(async {
        let about = About {
            client: Some("a client".into()),
            priority: Priority::High,
            ..ask("SELECT * FROM numbers").about()
        };
        let ticket = world.query.open(about);
        let id = ticket.query().id().to_owned();
        assert_eq!(world.query.query(&id).unwrap().state, QueryState::Waiting);
        let mut answer = world.query.sql_as(ticket, ask("SELECT * FROM numbers")).await.unwrap();
        assert_eq!(answer.query.id(), id);
        let first = answer.batches.next().await.unwrap().unwrap();
        let report = world.query.query(&id).unwrap();
        assert_eq!((report.state, report.kind), (QueryState::Running, "sql"));
        assert_eq!(report.rows_returned, first.num_rows() as u64);
        while let Some(batch) = answer.batches.next().await {
            batch.unwrap();
        }
        drop(answer);
        let report = world.query.query(&id).unwrap();
        assert_eq!(report.state, QueryState::Done);
        assert_eq!((&*report.statement, &*report.database), ("SELECT * FROM numbers", "default"));
        assert_eq!((report.client.as_deref(), report.priority), (Some("a client"), Priority::High));
        assert_eq!((report.rows_returned, report.totals.rows_read), (20_000, 20_000));
        assert_eq!((report.totals.segments_read, report.cache), (1, CacheUse::Off));
        assert!(report.planned > Duration::ZERO && report.ran >= report.planned);
        assert!(report.arrived_ns > 0);
    });
}

#[test]
fn how_a_query_ended_is_remembered_and_the_history_is_bounded() {
    let world = World::with(|options| options.history = 3);
    world.sql("SELECT 1");
    world.error("SELECT nothing FROM nowhere");
    let states = || {
        let reports = world.query.queries();
        reports.iter().map(|report| report.state).collect::<Vec<_>>()
    };
    assert_eq!(states(), [QueryState::Failed(Code::TableNotFound), QueryState::Done]);
    world.runtime.block_on(async {
        let request = ask("SELECT * FROM generate_series(1, 100000000)");
        let mut answer = world.query.sql(request).await.unwrap();
        assert!(answer.batches.next().await.unwrap().is_ok());
    });
    world.sql("SHOW DATABASES");
    let expected =
        [QueryState::Done, QueryState::Abandoned, QueryState::Failed(Code::TableNotFound)];
    assert_eq!(states(), expected);
}

#[test]
fn joins_that_give_nothing_end_when_they_are_told_to() {
    let world = World::new();
    world.write_numbers("numbers", 50_000);
    for sql in [JOIN, BARREN_JOIN, EQUAL_JOIN] {
        let error = cancelled(&world, sql);
        assert_eq!(error.code(), Code::Cancelled, "{sql}: {error}");
        let began = Instant::now();
        wait_until_idle(&world);
        // Minutes at this profile if it went on; the bound is there for a loaded machine.
        assert!(began.elapsed() < Duration::from_secs(10), "{sql}: {:?}", began.elapsed());
    }
    assert_eq!(world.query.list_stats().cancelled, 3);
    world.check("SELECT count(*) AS n FROM numbers", "n\n50000");
}

#[test]
fn a_query_that_is_cancelled_while_its_rows_are_taken_never_looks_finished() {
    let world = World::new();
    world.runtime.block_on(async {
        let request = ask("SELECT * FROM generate_series(1, 100000000)");
        let mut answer = world.query.sql(request).await.unwrap();
        let mut rows = answer.batches.next().await.unwrap().unwrap().num_rows();
        let id = answer.query.id().to_owned();
        world.query.cancel(&id).unwrap();
        let error = loop {
            match answer.batches.next().await {
                Some(Ok(batch)) => rows += batch.num_rows(),
                Some(Err(error)) => break error,
                None => panic!("it ended as if it were whole, after {rows} rows"),
            }
        };
        assert_eq!(error.code(), Code::Cancelled);
        assert!(error.message().contains(&id), "{error}");
        assert!(answer.batches.next().await.is_none());
        drop(answer);
        assert_eq!(world.query.query(&id).unwrap().state, QueryState::Cancelled);
        assert_eq!(world.query.cancel(&id).unwrap_err().code(), Code::QueryEnded);
        assert_eq!(world.query.cancel("0-0").unwrap_err().code(), Code::QueryNotFound);
    });
    wait_until_idle(&world);
}

#[test]
fn a_query_that_waits_is_cancelled_where_it_is() {
    let world = World::with(|options| options.concurrency = 1);
    world.runtime.block_on(async {
        let running = ask("SELECT * FROM generate_series(1, 100000000)");
        let running = world.query.sql(running).await.unwrap();
        let waiting = world.query.sql(ask("SELECT 2"));
        let cancel = async {
            while world.query.pool().queue_depth == 0 {
                tokio::task::yield_now().await;
            }
            let report = one(&world, QueryState::Waiting).unwrap();
            assert_eq!(&*report.statement, "SELECT 2");
            world.query.cancel(&report.id).unwrap();
        };
        let (outcome, ()) = futures::join!(waiting, cancel);
        assert_eq!(outcome.err().unwrap().code(), Code::Cancelled);
        while world.query.pool().queue_depth > 0 {
            tokio::task::yield_now().await;
        }
        drop(running);
    });
    wait_until_idle(&world);
}

#[test]
fn scans_and_folds_end_when_they_are_told_to() {
    let world = World::new();
    for _ in 0..3 {
        world.write_numbers("numbers", 200_000);
        world.flush();
    }
    for sql in [
        // No row passes: the scan gives no batch.
        "SELECT * FROM numbers WHERE noise = 'none' ORDER BY time",
        "SELECT noise, sum(value) FROM numbers GROUP BY noise ORDER BY noise LIMIT 3",
    ] {
        world.runtime.block_on(async {
            let ticket = world.query.open(ask(sql).about());
            world.query.cancel(ticket.query().id()).unwrap();
            let error = whole(world.query.sql_as(ticket, ask(sql))).await.unwrap_err();
            assert_eq!(error.code(), Code::Cancelled, "{sql}: {error}");
        });
        wait_until_idle(&world);
    }
}

#[test]
fn the_query_that_holds_most_memory_gives_it_back() {
    let world = World::with(|options| options.concurrency = 4);
    world.write_numbers("numbers", 100_000);
    assert!(world.query.relieve(Shortage::Lasting).is_none());
    world.runtime.block_on(async {
        let small = ask("SELECT * FROM generate_series(1, 100000000)");
        let mut small = world.query.sql(small).await.unwrap();
        // The build side is held while the pairs go by.
        let large =
            ask("SELECT a.noise, b.value FROM numbers a, numbers b WHERE a.noise <> b.noise");
        let mut large = world.query.sql(large).await.unwrap();
        assert!(large.batches.next().await.unwrap().is_ok());
        let report = world.query.query(large.query.id()).unwrap();
        assert!(report.memory_bytes > 1 << 20, "{report:?}");
        let Some(Relief::Query(relieved)) = world.query.relieve(Shortage::New) else {
            panic!("nothing was cancelled")
        };
        assert_eq!(&*relieved.id, large.query.id());
        let error = loop {
            if let Err(error) = large.batches.next().await.unwrap() {
                break error;
            }
        };
        assert_eq!(error.code(), Code::MemoryLimit, "{error}");
        assert!(world.query.relieve(Shortage::New).is_none(), "one that ends is not told again");
        assert!(small.batches.next().await.unwrap().is_ok());
        // If that does not help, whoever came last has to go.
        let Some(Relief::Query(relieved)) = world.query.relieve(Shortage::Lasting) else {
            panic!("nothing was cancelled")
        };
        assert_eq!(&*relieved.id, small.query.id());
    });
    wait_until_idle(&world);
}

#[test]
fn slow_queries_are_counted_once() {
    let world = World::with(|options| options.slow_threshold = Duration::from_nanos(1));
    world.sql("SELECT 1");
    world.error("SELECT nothing FROM nowhere");
    assert_eq!(world.query.list_stats().slow, 2);
    let world = World::new();
    world.sql("SELECT 1");
    assert_eq!(world.query.list_stats().slow, 0);
}
