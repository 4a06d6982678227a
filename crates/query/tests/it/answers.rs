//! The result cache: what is given again, what never is, and that nobody can tell the difference by the rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use pulsora_model::{Code, Name, Result};
use pulsora_query::{CacheUse, Caching, SqlParam, SqlRequest};
use pulsora_storage::{Change, Command, Correction, RowChange, Selection, TimeRange};

use crate::world::{READINGS, World, table, text_of};

fn world() -> World {
    let world = World::with(|options| options.cache_bytes = 8 << 20);
    world.write("default", "sensor", &READINGS[..4]);
    world.flush();
    world.write("default", "sensor", &READINGS[4..]);
    world
}

/// The answer as text, and what came of the cache.
fn asked(world: &World, request: SqlRequest) -> Result<(String, CacheUse)> {
    world.runtime.block_on(async {
        let mut answer = world.query.sql(request).await?;
        let mut batches = vec![RecordBatch::new_empty(answer.schema.clone())];
        while let Some(batch) = answer.batches.next().await {
            batches.push(batch?);
        }
        Ok((table(&batches), answer.query.cache()))
    })
}

fn cache_of(world: &World, sql: &str) -> CacheUse {
    asked(world, SqlRequest::new("default", sql)).unwrap_or_else(|e| panic!("{}", text_of(&e))).1
}

/// Asks twice; the second must be a hit with the rows of the first.
#[track_caller]
fn check_kept(world: &World, request: &SqlRequest) {
    let first = asked(world, request.clone()).unwrap();
    let second = asked(world, request.clone()).unwrap();
    assert_eq!((first.1, second.1), (CacheUse::Miss, CacheUse::Hit), "{}", request.sql);
    assert_eq!(first.0, second.0, "{}", request.sql);
    let off = SqlRequest { caching: Caching::Off, ..request.clone() };
    let (rows, cache) = asked(world, off).unwrap();
    assert_eq!((rows, cache), (second.0, CacheUse::Off), "{}", request.sql);
}

#[test]
fn answers_are_given_again_until_their_table_changes() {
    let world = world();
    for sql in [
        "SELECT * FROM sensor ORDER BY time, host",
        "SELECT host, max(temperature) FROM sensor GROUP BY host ORDER BY host",
        "SELECT time_bucket('1h', time) AS t, avg(state) FROM sensor GROUP BY t ORDER BY t",
        "SELECT count(*) FROM sensor WHERE state > 2",
        "WITH s AS (SELECT host FROM sensor WHERE region IS NULL) SELECT * FROM s",
        "SELECT a.host, b.host FROM sensor a JOIN sensor b ON a.state < b.state ORDER BY 1, 2",
        "SELECT host FROM sensor WHERE host = 'nobody'",
        "VALUES (1, 'x')",
    ] {
        check_kept(&world, &SqlRequest::new("default", sql));
    }
    let stats = world.query.cache();
    assert_eq!((stats.hits, stats.misses, stats.entries, stats.outdated), (8, 8, 8, 0));
    assert!(stats.size_bytes > 8 << 10 && stats.size_bytes < 64 << 10, "{stats:?}");
    let count = "SELECT count(*) AS n FROM sensor";
    assert_eq!(cache_of(&world, count), CacheUse::Miss);
    world.write("default", "sensor", &[("2024-03-01T00:00:00Z", "d", "east", 6.5, 6)]);
    let (rows, cache) = asked(&world, SqlRequest::new("default", count)).unwrap();
    assert_eq!((rows.as_str(), cache), ("n\n6", CacheUse::Miss));
    assert_eq!(world.query.cache().outdated, 1);
    assert_eq!(cache_of(&world, count), CacheUse::Hit);
    // One without a table, and the one of now.
    world.query.drop_outdated();
    let stats = world.query.cache();
    assert_eq!((stats.entries, stats.outdated), (2, 8));
    assert_eq!(world.query.clear_cache(), 2);
    assert_eq!(cache_of(&world, count), CacheUse::Miss);
}

#[test]
fn space_comments_and_keywords_in_any_case_are_the_same_statement() {
    let world = world();
    assert_eq!(cache_of(&world, "SELECT host FROM sensor ORDER BY time LIMIT 2"), CacheUse::Miss);
    let same = "select host -- a comment\n  from sensor\n order by time limit 2;";
    assert_eq!(cache_of(&world, same), CacheUse::Hit);
    assert_eq!(cache_of(&world, "SELECT host FROM sensor ORDER BY time LIMIT 3"), CacheUse::Miss);
    let limited = |limit| SqlRequest { limit, ..SqlRequest::new("default", same) };
    assert_eq!(asked(&world, limited(Some(1))).unwrap().1, CacheUse::Miss);
    let sql = "SELECT host FROM sensor WHERE state = $1";
    for state in [1, 2] {
        let params = vec![SqlParam::I64(state)];
        check_kept(&world, &SqlRequest { params, ..SqlRequest::new("default", sql) });
    }
}

#[test]
fn what_depends_on_more_than_its_tables_is_not_kept() {
    let world = world();
    for sql in [
        "SELECT now() AS t",
        "SELECT random() AS r",
        "SELECT count(*) FROM sensor WHERE time < now()",
        "SELECT count(*) FROM sensor WHERE time < current_timestamp",
        "SELECT (SELECT max(state) FROM sensor WHERE temperature > random()) AS s",
        "SELECT * FROM generate_series(TIMESTAMP '2024-01-01', now(), INTERVAL '1000 days')",
        "SELECT table_name FROM information_schema.tables",
        "SELECT count(*) FROM Information_Schema.columns",
        "EXPLAIN SELECT * FROM sensor",
        "EXPLAIN ANALYZE SELECT * FROM sensor",
        "SHOW TABLES",
        "DESCRIBE sensor",
    ] {
        let first = asked(&world, SqlRequest::new("default", sql));
        // A function of tables may refuse such arguments; then there is no answer to keep.
        let Ok((_, first)) = first else { continue };
        assert_eq!((first, cache_of(&world, sql)), (CacheUse::Off, CacheUse::Off), "{sql}");
    }
    assert_eq!(world.query.cache().entries, 0);
    let error = "SELECT 1 / (state - 1) FROM sensor";
    for _ in 0..2 {
        assert!(asked(&world, SqlRequest::new("default", error)).is_err());
    }
    assert_eq!(world.query.cache().entries, 0);
}

#[test]
fn other_tables_may_change_and_names_may_not() {
    let world = world();
    world.write("other", "sensor", &READINGS[..1]);
    let sql = "SELECT count(*) AS n FROM SENSOR";
    check_kept(&world, &SqlRequest::new("default", sql));
    world.write("other", "sensor", &READINGS[1..2]);
    world.flush();
    let (rows, _) = asked(&world, SqlRequest::new("default", sql)).unwrap();
    assert_eq!(rows, "n\n5");
    // The name means another table from now on.
    world.write("default", "SENSOR", &READINGS[..2]);
    let (rows, cache) = asked(&world, SqlRequest::new("default", sql)).unwrap();
    assert_eq!((rows.as_str(), cache), ("n\n2", CacheUse::Miss));
    let both = "SELECT (SELECT count(*) FROM sensor) + (SELECT count(*) FROM other.sensor) AS n";
    check_kept(&world, &SqlRequest::new("default", both));
    world.write("other", "sensor", &READINGS[2..3]);
    let (rows, _) = asked(&world, SqlRequest::new("default", both)).unwrap();
    assert_eq!(rows, "n\n8");
    world.engine.execute(drop_table("sensor")).wait().unwrap();
    // Now it means the one that is written differently.
    let (rows, _) = asked(&world, SqlRequest::new("default", both)).unwrap();
    assert_eq!(rows, "n\n5");
    world.write("default", "sensor", &READINGS[..1]);
    let (rows, _) = asked(&world, SqlRequest::new("default", both)).unwrap();
    assert_eq!(rows, "n\n4");
}

fn drop_table(name: &str) -> Command {
    let (database, table) = (Name::literal("default"), Name::new(name).unwrap());
    Command::DropTable { database, table, if_exists: true }
}

#[test]
fn large_answers_are_not_kept_and_old_ones_make_room() {
    let world = World::with(|options| options.cache_bytes = 64 << 10);
    world.write_numbers("numbers", 10_000);
    let large = "SELECT * FROM numbers ORDER BY time";
    assert_eq!(cache_of(&world, large), CacheUse::Miss);
    assert_eq!(cache_of(&world, large), CacheUse::Miss);
    // A few rows of large batches take the room of those rows alone.
    check_kept(&world, &SqlRequest::new("default", "SELECT * FROM numbers ORDER BY time LIMIT 10"));
    assert!(world.query.cache().size_bytes < 8 << 10, "{:?}", world.query.cache());
    for n in 0..100 {
        let sql = format!("SELECT noise FROM numbers WHERE value = {n}");
        check_kept(&world, &SqlRequest::new("default", &sql));
    }
    let stats = world.query.cache();
    assert!(stats.size_bytes <= 64 << 10 && stats.evictions > 10, "{stats:?}");
    assert!(stats.entries > 10, "{stats:?}");
}

#[test]
fn rows_that_go_by_the_clock_are_not_kept() {
    let world = world();
    let sql = "SELECT count(*) AS n FROM sensor";
    check_kept(&world, &SqlRequest::new("default", sql));
    world.sql("ALTER TABLE sensor SET (retention = '30000d')");
    for _ in 0..2 {
        let (rows, cache) = asked(&world, SqlRequest::new("default", sql)).unwrap();
        assert_eq!((rows.as_str(), cache), ("n\n5", CacheUse::Off));
    }
    let both = "SELECT count(*) AS n FROM sensor, (VALUES (1)) v";
    assert_eq!(cache_of(&world, both), CacheUse::Off);
}

#[test]
fn erased_rows_leave_what_was_kept() {
    let world = world();
    check_kept(&world, &SqlRequest::new("default", "SELECT * FROM sensor ORDER BY time, host"));
    check_kept(&world, &SqlRequest::new("default", "SELECT 1 AS n"));
    // It ends when the rows are nowhere: an answer that held a segment would keep it.
    world.sql("ERASE FROM sensor WHERE host = 'a'");
    assert_eq!(world.query.cache().entries, 1);
    world.check("SELECT count(*) AS n FROM sensor", "n\n3");
}

#[test]
fn an_answer_that_was_not_taken_whole_is_not_given_again() {
    let world = World::with(|options| options.cache_bytes = 64 << 20);
    world.write_numbers("numbers", 200_000);
    let sql = "SELECT value, noise FROM numbers";
    world.runtime.block_on(async {
        let mut answer = world.query.sql(SqlRequest::new("default", sql)).await.unwrap();
        assert!(answer.batches.next().await.unwrap().is_ok());
    });
    assert_eq!(cache_of(&world, sql), CacheUse::Miss);
}

/// With and without the cache, after every step.
#[test]
fn any_interleaving_of_changes_and_queries_answers_as_without() {
    let statements = [
        "SELECT * FROM a ORDER BY time, host, region, temperature, state",
        "SELECT host, count(*) AS n, sum(state) AS s FROM a GROUP BY host ORDER BY host",
        "SELECT count(*) AS n FROM A",
        "SELECT max(time) AS t FROM a WHERE host = 'h1'",
        "SELECT time_bucket('1d', time) AS t, avg(temperature) AS v FROM b GROUP BY t ORDER BY t",
        "SELECT a.host, count(*) AS n FROM a JOIN b ON a.host = b.host GROUP BY a.host ORDER BY 1",
        "SELECT count(*) AS n FROM b WHERE state >= 3",
        "SELECT count(*) AS n FROM other.a",
    ];
    let mut hits = 0;
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let world = World::with(|options| options.cache_bytes = 4 << 20);
        for step in 0..120 {
            change(&world, &mut random);
            for _ in 0..random.usize(1..4) {
                let sql = statements[random.usize(..statements.len())];
                let ask = |caching| {
                    let request = SqlRequest { caching, ..SqlRequest::new("default", sql) };
                    asked(&world, request).map_err(|error| text_of(&error))
                };
                let kept = ask(Caching::Used);
                hits += usize::from(matches!(kept, Ok((_, CacheUse::Hit))));
                let (kept, plain) = (kept.map(|(rows, _)| rows), ask(Caching::Off).map(|a| a.0));
                assert_eq!(kept, plain, "seed {seed}, step {step}: {sql}");
            }
        }
    }
    assert!(hits > 200, "{hits} hits");
}

/// Corrects the rows of a day in a table, if it is there.
fn correct(world: &World, table: &str, random: &mut fastrand::Rng, change: Change) {
    let day = 86_400_000_000_000;
    let start_ns = 1_704_067_200_000_000_000 + random.i64(0..4) * day;
    let time = TimeRange { start_ns, end_ns: start_ns + day - 1 };
    let correction = Correction {
        database: Name::literal("default"),
        table: Name::new(table).unwrap(),
        planned_for: None,
        rows: Selection { time, ..Selection::all() },
        change,
    };
    if let Err(error) = world.engine.correct(correction).wait() {
        assert_eq!(error.code(), Code::TableNotFound, "{error}");
    }
}

/// The rows with a state that is one more.
fn next_state(rows: &RecordBatch) -> Result<RecordBatch> {
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns()).map(|(field, values)| {
        Ok(match field.name().as_str() {
            "state" => {
                let states = values.as_primitive::<Int64Type>();
                Arc::new(states.unary::<_, Int64Type>(|state| state + 1)) as ArrayRef
            }
            _ => Arc::clone(values),
        })
    });
    Ok(RecordBatch::try_new(Arc::clone(&schema), columns.collect::<Result<_>>()?)?)
}

/// Something happens, or nothing.
fn change(world: &World, random: &mut fastrand::Rng) {
    let name = ["a", "b"][random.usize(..2)];
    match random.u32(..14) {
        0..4 => {
            let time = format!("2024-01-{:02}T00:00:{:02}Z", random.u32(1..5), random.u32(..60));
            let host = format!("h{}", random.u32(..4));
            // A whole number of 1/1024: sums are exact in whatever order segments are read.
            let temperature = f64::from(random.i32(0..1024)) / 1024.0;
            let row = (time.as_str(), host.as_str(), "r", temperature, random.i64(0..9));
            let database = if random.u32(..5) == 0 { "other" } else { "default" };
            world.write(database, name, &[row]);
        }
        4 | 5 => world.flush(),
        6 => {
            let filter = pulsora_storage::FlushFilter { cold: true, ..Default::default() };
            world.engine.flush(filter).wait().unwrap();
        }
        7 if random.u32(..6) == 0 => {
            world.engine.execute(drop_table(name)).wait().unwrap();
        }
        8 if random.u32(..6) == 0 => {
            let sql = format!(
                "CREATE TABLE IF NOT EXISTS \"{}\" (time TIMESTAMP, host TEXT TAG, region TEXT TAG, temperature DOUBLE, state BIGINT)",
                name.to_uppercase()
            );
            world.sql(&sql);
        }
        9 => {
            let sql = format!(
                "INSERT INTO {name} (time, host, temperature) VALUES ('2024-01-02', 'h1', 1)"
            );
            // The table may not be there.
            let _missing = world.ask(SqlRequest::new("default", sql));
        }
        10 => {
            let change = match random.u32(..3) {
                0 => Change::Delete,
                1 => Change::Replace(RowChange::new(next_state)),
                _ => Change::Erase,
            };
            correct(world, name, random, change);
        }
        // Nothing changes: what is asked again now is a hit.
        _ => {}
    }
}
