//! Which aggregates are folds, what they answer, and what stays with the planner.

use crate::world::World;

fn is_fold(world: &World, sql: &str) -> bool {
    world.plan(sql).contains("FoldExec: ")
}

#[test]
fn aggregates_by_tags_and_buckets_are_folds() {
    let world = World::with_readings();
    for sql in [
        "SELECT date_bin(INTERVAL '1 minute', time) AS minute, max(state) FROM sensor WHERE host IN ('a', 'b') AND time >= '2024-01-01' GROUP BY 1 ORDER BY 1",
        "SELECT date_bin(INTERVAL '1 hour', time, '2024-01-01T00:30:00Z') AS h, host, avg(temperature) AS t, avg(state) AS s FROM sensor GROUP BY 1, host ORDER BY 1, host",
        "SELECT time_bucket('1h', time) AS h, sum(state) FROM sensor GROUP BY h",
        "SELECT date_trunc('day', time) AS d, min(temperature), count(*), count(region) FROM sensor WHERE state > 1.5 GROUP BY d",
        "SELECT host, last(state, time), first(region, time) FROM sensor GROUP BY host",
        "SELECT host, last_value(state ORDER BY time) AS s, first_value(region ORDER BY time DESC) FROM sensor GROUP BY host",
        "SELECT DISTINCT ON (host) * FROM sensor ORDER BY host, time DESC",
        "SELECT DISTINCT host FROM sensor",
        "SELECT max(temperature), max(time) FROM sensor WHERE host = 'a'",
        "SELECT s FROM (SELECT host AS h, sum(state) AS s FROM sensor x GROUP BY x.host) WHERE s > 3",
        "SELECT a.host FROM sensor a JOIN (SELECT host, max(time) AS t FROM sensor GROUP BY host) b ON a.host = b.host AND a.time = b.t",
        "SELECT region, host, max(state) FROM sensor GROUP BY host, region HAVING max(state) > 2",
    ] {
        assert!(is_fold(&world, sql), "{sql}\n{}", world.plan(sql));
    }
    for sql in [
        "SELECT host, sum(state + 1) FROM sensor GROUP BY host",
        "SELECT host, count(DISTINCT state) FROM sensor GROUP BY host",
        "SELECT host, sum(state) FILTER (WHERE state > 1) FROM sensor GROUP BY host",
        "SELECT state, count(*) FROM sensor GROUP BY state",
        "SELECT upper(host) AS h, count(*) FROM sensor GROUP BY h",
        "SELECT time_bucket('1 month', time) AS m, sum(state) FROM sensor GROUP BY m",
        "SELECT date_trunc('month', time) AS m, sum(state) FROM sensor GROUP BY m",
        "SELECT host, sum(state) FROM sensor WHERE state <> 2 GROUP BY host",
        "SELECT host, sum(state) FROM (SELECT * FROM sensor LIMIT 3) GROUP BY host",
        "SELECT host, last_value(state ORDER BY temperature) FROM sensor GROUP BY host",
        "SELECT host, last_value(state) FROM sensor GROUP BY host",
        "SELECT host, count(*) FROM sensor GROUP BY GROUPING SETS ((host), ())",
    ] {
        assert!(!is_fold(&world, sql), "{sql}\n{}", world.plan(sql));
    }
}

#[test]
fn a_plan_says_what_is_folded() {
    let world = World::with_readings();
    let plan = world.plan(
        "SELECT time_bucket('1m', time) AS m, host, max(state), count(*) FROM sensor \
         WHERE region = 'north' AND state >= 1.5 GROUP BY m, host ORDER BY m, host",
    );
    let fold = "FoldExec: table=default.sensor, by=[host], \
        bucket=60000000000ns from 946857600000000000, aggregates=[max(state), count(*)], \
        tags=[region in (north)], fields=[state >= 2]";
    assert!(plan.contains(fold), "{plan}");
    assert!(!plan.contains("SortExec"), "{plan}");
    let analyzed = world.sql("EXPLAIN ANALYZE SELECT host, sum(state) FROM sensor GROUP BY host");
    assert!(analyzed.contains("rows_read=5") && analyzed.contains("output_rows=3"), "{analyzed}");
    let figures = world.figures("SELECT host, sum(state) FROM sensor GROUP BY host");
    assert_eq!((figures.scans, figures.rows_read), (1, 5), "{figures:?}");
}

#[test]
fn folds_answer_what_is_asked() {
    let world = World::with_readings();
    world.check(
        "SELECT host, region, count(*) AS n, min(time) AS t, max(host) AS h FROM sensor GROUP BY host, region ORDER BY region, host",
        "host | region | n | t | h
         a | north | 2 | 2024-01-01T00:00:00Z | a
         b | south | 2 | 2024-01-01T00:00:30Z | b
         c |  | 1 | 2024-02-01T00:00:00Z | c",
    );
    world.check(
        "SELECT DISTINCT ON (host) host, time, state FROM sensor ORDER BY host, time DESC",
        "host | time | state
         a | 2024-01-01T00:01:00Z | 2
         b | 2024-01-01T01:00:00Z | 4
         c | 2024-02-01T00:00:00Z | 5",
    );
    world.check(
        "SELECT count(temperature) AS n, sum(state), avg(state) AS m, last(region, time) AS r, count(*) AS c FROM sensor WHERE time < '2000-01-01'",
        "n | sum(sensor.state) | m | r | c\n0 |  |  |  | 0",
    );
    world.check(
        "SELECT host, sum(state) FROM sensor WHERE state = 2.5 GROUP BY host",
        "host | sum(sensor.state)",
    );
    world.check("SELECT sum(state) AS s FROM sensor WHERE state = 2.5", "s\n");
    world.check(
        "SELECT x.n, y.n FROM (SELECT count(*) AS n FROM sensor WHERE host = 'a') x, (SELECT count(*) AS n FROM sensor WHERE state < 100) y",
        "n | n\n2 | 5",
    );
}

#[test]
fn the_newest_buckets_are_found_without_the_others() {
    let world = World::new();
    for day in ["2024-01-01", "2024-01-02", "2024-01-03"] {
        world.write_numbers_from(day, "numbers", 80_000);
        world.flush();
    }
    let sql = "SELECT date_bin(INTERVAL '1 minute', time) AS m, max(value) AS v FROM numbers WHERE time < '2024-01-03T10:00:30' GROUP BY 1 ORDER BY 1 DESC LIMIT 2";
    assert!(world.plan(sql).contains("newest=2"), "{}", world.plan(sql));
    world.check(sql, "m | v\n2024-01-03T10:00:00Z | 36029\n2024-01-03T09:59:00Z | 35999");
    let sql = "SELECT m, v + 1 AS w FROM (SELECT time_bucket('1m', time) AS m, max(value) AS v FROM numbers GROUP BY m) ORDER BY m DESC LIMIT 1 OFFSET 1";
    world.check(sql, "m | w\n2024-01-03T22:12:00Z | 79980");
    for all in [
        "SELECT time_bucket('1m', time) AS m, max(value) AS v FROM numbers GROUP BY m ORDER BY m LIMIT 2",
        "SELECT time_bucket('1m', time) AS m, max(value) AS v FROM numbers GROUP BY m ORDER BY v DESC LIMIT 2",
        "SELECT time_bucket('1m', time) AS m, max(value) AS v FROM numbers GROUP BY m HAVING max(value) < 500 ORDER BY m DESC LIMIT 2",
    ] {
        assert!(!world.plan(all).contains("newest="), "{}", world.plan(all));
    }
}
