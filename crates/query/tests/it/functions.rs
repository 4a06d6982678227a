//! `time_bucket`, `first`, `last`, `epoch_ns`, and the planner's own functions on our times.

use crate::world::World;

#[test]
fn times_fall_into_buckets() {
    let world = World::with_readings();
    world.check(
        "SELECT time_bucket('30s', time) AS t, count(*) AS n FROM sensor WHERE state < 4 GROUP BY t ORDER BY t",
        "t | n
         2024-01-01T00:00:00Z | 1
         2024-01-01T00:00:30Z | 1
         2024-01-01T00:01:00Z | 1",
    );
    for (call, expected) in [
        (
            "time_bucket(INTERVAL '5 minutes', TIMESTAMP '2024-03-13T17:43:21Z')",
            "2024-03-13T17:40:00Z",
        ),
        ("time_bucket('1h30m', '2024-03-13T17:43:21Z')", "2024-03-13T16:30:00Z"),
        ("TIME_BUCKET('1 day', '2024-03-13T17:43:21Z')", "2024-03-13T00:00:00Z"),
        ("time_bucket('week', '2024-03-13T17:43:21Z')", "2024-03-11T00:00:00Z"),
        ("time_bucket('1 month', '2024-03-13T17:43:21Z')", "2024-03-01T00:00:00Z"),
        ("time_bucket(INTERVAL '3 months', '1999-11-13')", "1999-10-01T00:00:00Z"),
        ("time_bucket('1y', '1969-12-31T23:59:59Z')", "1969-01-01T00:00:00Z"),
        ("time_bucket('1mo', '2024-03-13', '2024-01-15')", "2024-02-15T00:00:00Z"),
        (
            "time_bucket('1h', '2024-03-13T17:43:21Z', '2000-01-01T00:20:00Z')",
            "2024-03-13T17:20:00Z",
        ),
        ("time_bucket('7 days', DATE '2024-03-13')", "2024-03-11T00:00:00Z"),
        ("time_bucket('1h', NULL)", ""),
    ] {
        world.check(&format!("SELECT {call} AS t"), &format!("t\n{expected}"));
    }
    for width in [
        "'0s'",
        "''",
        "'1 month 1 day'",
        "INTERVAL '-1 hour'",
        "'1M'",
        "'99999999999999999999s'",
        "7",
    ] {
        let error = world.error(&format!("SELECT time_bucket({width}, time) FROM sensor"));
        assert!(error.starts_with("sql_invalid: "), "{width}: {error}");
    }
}

#[test]
fn buckets_of_ordered_times_are_ordered() {
    let world = World::new();
    world.write_numbers("numbers", 1_000);
    let plan =
        world.plan("SELECT time_bucket('1m', time) AS t, sum(value + 1) FROM numbers GROUP BY t");
    assert!(plan.contains("ordering_mode=Sorted"), "{plan}");
}

#[test]
fn first_and_last_are_by_time_and_skip_nulls() {
    let world = World::with_readings();
    world.check(
        "SELECT host, first(temperature, time) AS f, last(temperature, time) AS l, last(region, time) AS r
         FROM sensor GROUP BY host ORDER BY host",
        "host | f | l | r
         a | 1.5 | 2.5 | north
         b | 3.5 | 4.5 | south
         c | 5.5 | 5.5 |",
    );
    world.check(
        "SELECT last(region, time) AS r, FIRST(state, time) AS s, last(time, time) AS t, last(host, state) AS h FROM sensor",
        "r | s | t | h\nsouth | 1 | 2024-02-01T00:00:00Z | c",
    );
    world.check("SELECT first(state, time) AS s FROM sensor WHERE host = 'x'", "s\n");
    world.check(
        "SELECT first(v, t) AS f, last(v, t) AS l FROM (VALUES (true, 3), (NULL, 1), (false, 2), (true, NULL)) x(v, t)",
        "f | l\nfalse | true",
    );
}

#[test]
fn first_and_last_agree_over_many_partitions() {
    let world = World::new();
    for _ in 0..4 {
        world.write_numbers("numbers", 20_000);
        world.flush();
    }
    world.check(
        "SELECT value % 3 AS g, first(value, time) AS f, last(value, time) AS l FROM numbers GROUP BY g ORDER BY g",
        "g | f | l\n0 | 0 | 19998\n1 | 1 | 19999\n2 | 2 | 19997",
    );
}

#[test]
fn the_planners_functions_take_our_times() {
    let world = World::with_readings();
    for (sql, expected) in [
        (
            "SELECT date_trunc('hour', time) AS t FROM sensor WHERE state = 2",
            "t\n2024-01-01T00:00:00Z",
        ),
        (
            "SELECT date_bin(INTERVAL '15 minutes', time) AS t FROM sensor WHERE state = 4",
            "t\n2024-01-01T01:00:00Z",
        ),
        ("SELECT extract(minute FROM time) AS m FROM sensor WHERE state = 2", "m\n1"),
        (
            "SELECT to_timestamp((epoch_ns(time) // 1000000000 // 60) * 60) AS t FROM sensor WHERE state = 3",
            "t\n2024-01-01T00:00:00Z",
        ),
        (
            "SELECT Upper(host) AS h, LENGTH(region) AS n FROM sensor WHERE state = 1",
            "h | n\nA | 5",
        ),
        (
            "SELECT time + INTERVAL '1 minute' AS t FROM sensor WHERE state = 1",
            "t\n2024-01-01T00:01:00Z",
        ),
        ("SELECT count(DISTINCT host) AS n FROM sensor", "n\n3"),
        (
            "SELECT approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY temperature) AS p FROM sensor",
            "p\n3.5",
        ),
    ] {
        world.check(sql, expected);
    }
}
