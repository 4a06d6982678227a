//! Plans that are used again: when they are, and that nobody sees it in the rows.

use fastrand::Rng;
use pulsora_query::{Planning, SqlParam, SqlRequest};

use crate::world::{World, table, text_of};

/// The answer, planned anew or not.
fn answer(world: &World, sql: &str, planning: Planning) -> String {
    match world.ask(SqlRequest { planning, ..SqlRequest::new("default", sql) }) {
        Ok((batches, _)) => table(&batches),
        Err(error) => text_of(&error),
    }
}

/// Whether a statement used a plan again; its answer is that of a fresh plan in any case.
#[track_caller]
fn is_reused(world: &World, sql: &str) -> bool {
    let before = world.query.plans();
    let reused = answer(world, sql, Planning::Reused);
    let after = world.query.plans();
    assert_eq!(reused, answer(world, sql, Planning::Fresh), "{sql}");
    assert_eq!(world.query.plans(), after, "a fresh plan is not counted");
    assert_eq!(after.hits + after.misses, before.hits + before.misses + 1, "{sql}");
    after.hits > before.hits
}

#[test]
fn statements_that_differ_in_literals_share_a_plan() {
    let world = World::with_readings();
    for (first, again) in [
        (
            "SELECT time_bucket('1m', time) AS m, max(state) FROM sensor WHERE host IN ('a', 'b') AND time >= '2024-01-01' AND time < '2024-01-01T00:01:00Z' GROUP BY m ORDER BY m",
            "SELECT time_bucket('1m', time) AS m, max(state) FROM sensor WHERE host IN ('c', 'x') AND time >= '2023-12-01' AND time < '2024-03-01T00:00:00+01:00' GROUP BY m ORDER BY m",
        ),
        (
            "SELECT * FROM sensor WHERE temperature > 1.75 AND host = 'a'",
            "SELECT * FROM sensor WHERE temperature > 0.25 AND host = 'b'",
        ),
        (
            "SELECT * FROM sensor WHERE state BETWEEN 2 AND 3 ORDER BY time DESC LIMIT 1",
            "SELECT * FROM sensor WHERE state BETWEEN 1 AND 4 ORDER BY time DESC LIMIT 1",
        ),
        (
            "SELECT host, count(*) AS n FROM sensor s WHERE s.state >= 3 GROUP BY host HAVING count(*) > 1 ORDER BY n DESC, host",
            "SELECT host, count(*) AS n FROM sensor s WHERE s.state >= 1 GROUP BY host HAVING count(*) > 1 ORDER BY n DESC, host",
        ),
        (
            "SELECT state + 1 AS s FROM sensor WHERE time > TIMESTAMP '2024-01-01 00:00:10' AND state < -1",
            "SELECT state + 1 AS s FROM sensor WHERE time > TIMESTAMP '2024-01-01 00:00:40' AND state < -0",
        ),
        (
            "SELECT DISTINCT ON (host) * FROM sensor ORDER BY host, time DESC",
            "SELECT DISTINCT ON (host) * FROM sensor ORDER BY host, time DESC",
        ),
        (
            "SELECT sum(state + 1) AS s, avg(state) AS a FROM sensor WHERE state > 1.5",
            "SELECT sum(state + 1) AS s, avg(state) AS a FROM sensor WHERE state > 3.5",
        ),
        (
            "SELECT host, temperature FROM Sensor WHERE HOST = 'b' ORDER BY temperature DESC",
            "SELECT host, temperature FROM Sensor WHERE HOST = 'c' ORDER BY temperature DESC",
        ),
    ] {
        assert!(!is_reused(&world, first), "{first}");
        assert!(is_reused(&world, again), "{again}");
        assert!(is_reused(&world, first), "{first}");
    }
    let stats = world.query.plans();
    assert_eq!((stats.hits, stats.misses, stats.entries), (16, 8, 8), "{stats:?}");
    assert!(stats.size_bytes > 0);
}

#[test]
fn literals_that_change_the_plan_are_planned() {
    let world = World::with_readings();
    let base = "SELECT time, state FROM sensor WHERE host IN ('a', 'b') AND state < 4 AND time >= '2024-01-01' AND time < '2024-02-01' ORDER BY region NULLS FIRST, time";
    assert!(!is_reused(&world, base));
    assert!(is_reused(&world, base));
    for other in [
        base.replace("'a', 'b'", "'a', 'a'"),
        base.replace("'a', 'b'", "'a', ''"),
        base.replace("'a', 'b'", "'a'"),
        base.replace("'a', 'b'", "'a', NULL"),
        base.replace("< 4", "< 4.5"),
        base.replace("< 4", "< '4'"),
        base.replace("< 4", "< NULL"),
        base.replace("'2024-02-01'", "'2023-01-01'"),
        base.replace("'2024-02-01'", "'not a time'"),
        base.replace("'2024-02-01'", "now()"),
        base.replace("'2024-02-01'", "'2024-02-01'::timestamp"),
        base.replace("AND state", "OR state"),
        format!("{base} LIMIT 1"),
    ] {
        assert!(!is_reused(&world, &other), "{other}");
    }
    for never in [
        "SELECT now() > '2024-01-01' AS n, state FROM sensor WHERE state = 1",
        "SELECT state FROM sensor WHERE state = 2 AND state % 2 = 0",
        "SELECT a.state FROM sensor a, sensor b WHERE a.time = b.time AND a.state = 2",
        "SELECT (SELECT max(state) FROM sensor WHERE state < 3) AS m, state FROM sensor WHERE state < 3",
        "SELECT 1 AS one",
        "SELECT count(*) AS n FROM information_schema.tables WHERE table_schema = 'default'",
    ] {
        assert!(!is_reused(&world, never), "{never}");
        assert!(!is_reused(&world, never), "{never}");
    }
}

#[test]
fn params_share_a_plan_too() {
    let world = World::with_readings();
    let ask = |sql: &str, params: Vec<SqlParam>| {
        let request = |planning| {
            let params = params.clone();
            SqlRequest { params, planning, ..SqlRequest::new("default", sql) }
        };
        let hits = world.query.plans().hits;
        let reused = table(&world.ask(request(Planning::Reused)).unwrap().0);
        assert_eq!(reused, table(&world.ask(request(Planning::Fresh)).unwrap().0));
        (world.query.plans().hits > hits, reused)
    };
    let sql = "SELECT state * $3 AS s FROM sensor WHERE state >= $1 AND host = $2";
    let params = |state, host: &str, by| {
        vec![SqlParam::I64(state), SqlParam::Text(host.into()), SqlParam::I64(by)]
    };
    assert_eq!(ask(sql, params(1, "a", 10)), (false, "s\n10\n20".into()));
    assert_eq!(ask(sql, params(-2, "c", 10)), (true, "s\n50".into()));
    assert_eq!(ask(sql, params(1, "a", 11)), (false, "s\n11\n22".into()));
    let sql = "SELECT state FROM sensor WHERE state = ? LIMIT 5";
    assert_eq!(ask(sql, vec![SqlParam::I64(2)]), (false, "state\n2".into()));
    assert_eq!(ask(sql, vec![SqlParam::I64(3)]), (true, "state\n3".into()));
    assert_eq!(ask(sql, vec![SqlParam::F64(2.5)]), (false, "state".into()));
}

#[test]
fn requests_with_other_limits_or_databases_do_not_share() {
    let world = World::with_readings();
    world.write("other", "sensor", &[("2024-01-01T00:00:00Z", "z", "", 9.0, 9)]);
    let sql = "SELECT host FROM sensor WHERE state > 0 ORDER BY host";
    let ask = |database: &str, limit| {
        let request = SqlRequest { limit, ..SqlRequest::new(database, sql) };
        table(&world.ask(request).unwrap().0)
    };
    for _ in 0..2 {
        assert_eq!(ask("default", None), "host\na\na\nb\nb\nc");
        assert_eq!(ask("default", Some(2)), "host\na\na");
        assert_eq!(ask("other", None), "host\nz");
    }
    assert_eq!(world.query.plans().hits, 3);
}

#[test]
fn a_plan_sees_rows_that_came_later() {
    let world = World::with_readings();
    let sql =
        "SELECT host, max(state) AS s FROM sensor WHERE state > 0 GROUP BY host ORDER BY host";
    let rows = "SELECT state FROM sensor WHERE state > 4 ORDER BY time";
    assert!(!is_reused(&world, sql) && !is_reused(&world, rows));
    world.write("default", "sensor", &[("2024-03-01T00:00:00Z", "a", "north", 0.0, 7)]);
    assert!(is_reused(&world, sql) && is_reused(&world, rows));
    world.check(sql, "host | s\na | 7\nb | 4\nc | 5");
    world.check(rows, "state\n5\n7");
    world.flush();
    world.check(sql, "host | s\na | 7\nb | 4\nc | 5");
    world.check(rows, "state\n5\n7");
}

/// A random statement: one of few shapes, with literals of its own.
fn statement(shape: u64, rng: &mut Rng) -> String {
    let mut shape = Rng::with_seed(shape);
    let time = |rng: &mut Rng, days: std::ops::Range<u8>| {
        let text = format!("'2024-01-{:02}T{:02}:00:00Z'", rng.u8(days), rng.u8(0..24));
        if rng.u8(0..9) > 0 { text } else { format!("TIMESTAMP {text}") }
    };
    let hosts = |rng: &mut Rng, count: usize| {
        let mut hosts = ["a", "b", "c", "d", "e"];
        rng.shuffle(&mut hosts);
        if rng.u8(0..6) == 0 {
            hosts[0] = ["", hosts[1]][rng.usize(0..2)];
        }
        hosts[..count].iter().map(|host| format!("'{host}'")).collect::<Vec<_>>().join(", ")
    };
    let number = |rng: &mut Rng| match rng.u8(0..15) {
        0 => format!("{:.1}", rng.f64() * 6.0),
        1 => format!("-{}", rng.u8(0..3)),
        2 => "NULL".into(),
        _ => rng.u8(0..7).to_string(),
    };
    let mut conditions = vec![match shape.u8(0..4) {
        0 => format!("time >= {}", time(rng, 1..4)),
        1 => format!("time >= {} AND time < {}", time(rng, 1..3), time(rng, 2..5)),
        2 => format!("time BETWEEN {} AND {}", time(rng, 1..3), time(rng, 2..5)),
        _ => "region IS NULL".to_owned(),
    }];
    match shape.u8(0..4) {
        0 => conditions.push(format!("host = {}", hosts(rng, 1))),
        1 => conditions.push(format!("host IN ({})", hosts(rng, 2))),
        2 => conditions.push(format!("host IN ({})", hosts(rng, 4))),
        _ => {}
    }
    match shape.u8(0..4) {
        0 => conditions.push(format!("state > {}", number(rng))),
        1 => conditions.push(format!("temperature <= {}", number(rng))),
        2 => conditions.push(format!("state BETWEEN {} AND {}", number(rng), number(rng))),
        _ => {}
    }
    let conditions = conditions.join(" AND ");
    match shape.u8(0..6) {
        0 => format!("SELECT * FROM sensor WHERE {conditions} ORDER BY time, host, state"),
        1 => format!(
            "SELECT time, state FROM sensor WHERE {conditions} ORDER BY host NULLS FIRST, region NULLS FIRST, time, state"
        ),
        2 => format!(
            "SELECT time_bucket('1h', time) AS h, max(state), count(*) FROM sensor WHERE {conditions} GROUP BY h ORDER BY h"
        ),
        3 => format!(
            "SELECT host, region, sum(state), last(temperature, time) FROM sensor WHERE {conditions} GROUP BY host, region ORDER BY host, region"
        ),
        4 => format!(
            "SELECT sum(state), min(temperature), count(host) FROM sensor WHERE {conditions}"
        ),
        _ => format!(
            "SELECT date_trunc('day', time) AS d, max(state) FROM sensor WHERE {conditions} GROUP BY 1 ORDER BY 1 DESC LIMIT 2"
        ),
    }
}

fn some_rows(world: &World, rng: &mut Rng) {
    let rows: Vec<(String, &str, &str, f64, i64)> = (0..rng.usize(5..30))
        .map(|_| {
            // A time per host, so that no order is in doubt.
            let host = rng.usize(0..4);
            let time = format!(
                "2024-01-{:02}T{:02}:{:02}:{:02}Z",
                rng.u8(1..4),
                rng.u8(0..24),
                rng.u8(0..60),
                rng.usize(0..15) * 4 + host
            );
            (
                time,
                ["a", "b", "c", ""][host],
                ["", "north"][rng.usize(0..2)],
                rng.f64() * 6.0,
                rng.i64(0..7),
            )
        })
        .collect();
    let rows: Vec<_> = rows.iter().map(|(t, h, r, f, i)| (t.as_str(), *h, *r, *f, *i)).collect();
    world.write("default", "sensor", &rows);
}

#[test]
fn plans_used_again_answer_what_fresh_plans_answer() {
    let mut rng = Rng::with_seed(77);
    let world = World::new();
    some_rows(&world, &mut rng);
    for round in 0..12 {
        for _ in 0..25 {
            let sql = statement(rng.u64(0..12), &mut rng);
            let reused = answer(&world, &sql, Planning::Reused);
            assert_eq!(reused, answer(&world, &sql, Planning::Fresh), "{sql}");
        }
        match round % 6 {
            0 => world.flush(),
            1 => drop(world.sql("CREATE TABLE IF NOT EXISTS more (time TIMESTAMP)")),
            // Widens `state` to floats.
            2 if round < 6 => drop(world.sql("INSERT INTO sensor (time, host, temperature, state) VALUES ('2024-01-02', 'w', 1.5, 2.5)")),
            3 => {
                world.sql("DROP TABLE sensor");
                if round < 6 {
                    world.sql("CREATE TABLE sensor (time TIMESTAMP, region TAG, host TAG, state BIGINT, temperature DOUBLE, more TEXT) WITH (mode = 'upsert')");
                }
            }
            _ => {}
        }
        some_rows(&world, &mut rng);
    }
    let stats = world.query.plans();
    assert!(stats.hits > 40 && stats.misses > 40, "{stats:?}");
}
