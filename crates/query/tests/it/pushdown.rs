//! What the scan is asked: proved by plans and by counters of what was read.

use crate::world::World;

/// Two segments of two days and two hosts, and one more day in memory.
fn world() -> World {
    let world = World::new();
    for day in ["2024-01-01", "2024-01-02"] {
        let times: Vec<String> = (0..24).map(|hour| format!("{day}T{hour:02}:00:00Z")).collect();
        let rows: Vec<_> = times
            .iter()
            .enumerate()
            .map(|(i, t)| {
                (t.as_str(), if i % 2 == 0 { "a" } else { "b" }, "north", i as f64, i as i64)
            })
            .collect();
        world.write("default", "sensor", &rows);
        world.flush();
    }
    world.write("default", "sensor", &[("2024-01-03T00:00:00Z", "a", "north", 0.0, 0)]);
    world
}

#[test]
fn time_bounds_are_the_scans_work() {
    let world = world();
    for condition in [
        "time >= '2024-01-02' AND time < '2024-01-03'",
        "time BETWEEN '2024-01-02' AND '2024-01-02T23:59:59Z'",
        "time >= TIMESTAMP '2024-01-02 00:00:00' AND time <= '2024-01-02 23:00:00'",
        "'2024-01-02' <= time AND time < DATE '2024-01-03'",
        "time >= to_timestamp('2024-01-02T00:00:00Z') AND time < '2024-01-02'::timestamp + INTERVAL '1 day'",
        "time >= CAST('2024-01-02' AS TIMESTAMP) AND time < TIMESTAMP '2024-01-03T00:00:00Z'",
    ] {
        let sql = format!("SELECT sum(state) AS s FROM sensor WHERE {condition}");
        world.check(&sql, "s\n276");
        let figures = world.figures(&sql);
        assert_eq!(figures.segments_read, 1, "{condition} {figures:?}");
        assert!(figures.rows_read <= 24, "{condition} {figures:?}");
        assert!(!world.plan(&sql).contains("FilterExec"), "{condition}\n{}", world.plan(&sql));
    }
    let figures = world.figures("SELECT * FROM sensor WHERE time = '2024-01-01T05:00:00Z'");
    assert_eq!((figures.rows_scanned, figures.segments_read), (1, 1), "{figures:?}");
    let figures = world.figures("SELECT * FROM sensor WHERE time > now()");
    assert_eq!((figures.rows_read, figures.segments_read), (0, 0), "{figures:?}");
}

#[test]
fn tag_values_are_the_scans_work() {
    let world = world();
    for (condition, rows, tags) in [
        ("host = 'a'", 25, "host in (a)"),
        ("'b' = host", 24, "host in (b)"),
        ("host IN ('b', 'x', 'y', 'z', 'w')", 24, "host in (b"),
        ("host = 'b' OR host = 'x'", 24, "host in (b, x)"),
        ("region IS NULL", 0, "region in (null)"),
        (
            "(host = 'x' OR host IS NULL) AND region = 'north'",
            0,
            "host in (x, null), region in (north)",
        ),
        ("CAST(host AS VARCHAR) = 'b'", 24, "host in (b)"),
    ] {
        let sql = format!("SELECT state FROM sensor WHERE {condition}");
        let figures = world.figures(&sql);
        assert_eq!(figures.rows_scanned, rows, "{condition} {figures:?}");
        let plan = world.plan(&sql);
        assert!(plan.contains(tags) && !plan.contains("FilterExec"), "{condition}\n{plan}");
    }
    let figures = world.figures("SELECT state FROM sensor WHERE host = 'nowhere'");
    assert_eq!((figures.rows_read, figures.segments_read), (0, 0), "{figures:?}");
}

#[test]
fn other_conditions_stay_with_the_filter() {
    let world = world();
    for (condition, rows) in [
        ("host != 'a'", 24),
        ("state <> 3", 47),
        ("host = 'a' OR state = 3", 27),
        ("NOT (host = 'a')", 24),
        ("host LIKE 'a%'", 25),
        ("time >= '2024-01-02' OR host = 'b'", 37),
    ] {
        let sql = format!("SELECT count(*) AS n FROM sensor WHERE {condition}");
        world.check(&sql, &format!("n\n{rows}"));
        assert!(world.plan(&sql).contains("FilterExec"), "{condition}\n{}", world.plan(&sql));
    }
}

#[test]
fn values_of_fields_are_the_scans_work() {
    let world = world();
    for (condition, rows, fields) in [
        ("state = 3", 2, "state = 3"),
        ("3 > state", 7, "state <= 2"),
        ("state >= 22.5", 2, "state >= 23"),
        ("state < 0.5", 3, "state <= 0"),
        ("state = 2.0", 2, "state = 2"),
        ("state BETWEEN 3 AND 4", 4, "state >= 3, state <= 4"),
        ("temperature > 20", 6, "temperature > 20"),
        ("temperature <= 1.0", 5, "temperature <= 1"),
        ("temperature IS NOT NULL AND host = 'b'", 24, "temperature is not null"),
        ("state IS NULL", 0, "state is null"),
        ("state > 20 AND temperature < 22.0", 2, "state >= 21, temperature < 22"),
    ] {
        let sql = format!("SELECT count(*) AS n FROM (SELECT time FROM sensor WHERE {condition})");
        world.check(&sql, &format!("n\n{rows}"));
        let plan = world.plan(&format!("SELECT time FROM sensor WHERE {condition}"));
        assert!(plan.contains(fields) && !plan.contains("FilterExec"), "{condition}\n{plan}");
    }
    for never in ["state = 2.5", "state > 1e19", "state < 3 AND state = 0.1"] {
        let sql = format!("SELECT state FROM sensor WHERE {never}");
        let figures = world.figures(&sql);
        assert_eq!((figures.rows_read, figures.segments_read), (0, 0), "{never} {figures:?}");
    }
}

#[test]
fn every_type_of_field_is_compared_as_sql_does() {
    let world = World::new();
    world.sql(
        "CREATE TABLE t (time TIMESTAMP, i BIGINT, u BIGINT UNSIGNED, f DOUBLE, b BOOLEAN, s TEXT, at TIMESTAMP)",
    );
    world.sql(
        "INSERT INTO t VALUES
           ('2024-01-01', -9223372036854775808, 0, CAST('NaN' AS DOUBLE), true, 'a', '2024-01-01'),
           ('2024-01-02', 9223372036854775807, 18446744073709551615, -0.0, false, 'b', '2024-01-02'),
           ('2024-01-03', 9007199254740993, 9007199254740993, 0.0, NULL, '', '2024-01-03'),
           ('2024-01-04', NULL, NULL, NULL, true, NULL, NULL)",
    );
    for condition in [
        "i >= 9223372036854775807.0",
        "i = 9007199254740992.0",
        "i <= 9007199254740992.0",
        "i < -9223372036854775807.5",
        "u > 9007199254740992.0",
        "u >= 18446744073709551615",
        "u > 1e19",
        "u >= -1",
        "u = 0",
        "f = 0.0",
        "f >= -0.0",
        "f > 1e308",
        "f < 0.0",
        "f = CAST('NaN' AS DOUBLE)",
        "f <= 0",
        "b",
        "NOT b",
        "b = true",
        "b IS TRUE",
        "b IS FALSE",
        "b < true",
        "s = 'a'",
        "s > ''",
        "s <= 'a'",
        "s = ''",
        "at >= '2024-01-02'",
        "at < TIMESTAMP '2024-01-02'",
        "at IS NULL",
        "u IS NOT NULL",
    ] {
        let scanned = world.sql(&format!("SELECT time FROM t WHERE {condition}"));
        // A CASE keeps the condition from the scan.
        let filtered = format!(
            "SELECT time FROM t WHERE CASE WHEN {condition} THEN 1 WHEN random() > 2 THEN 1 ELSE 0 END = 1"
        );
        assert!(world.plan(&filtered).contains("FilterExec"), "{}", world.plan(&filtered));
        assert_eq!(scanned, world.sql(&filtered), "{condition}");
    }
    let plan =
        world.plan("SELECT time FROM t WHERE u >= -1 AND i > 1.5 AND b AND at > '2024-01-01'");
    assert!(!plan.contains("FilterExec"), "{plan}");
}

#[test]
fn only_the_columns_that_are_used_are_asked_for() {
    let world = world();
    let plan = world.plan("SELECT sum(temperature + 1) FROM sensor WHERE host = 'a'");
    assert!(plan.contains("columns=[temperature]"), "{plan}");
    let plan = world.plan("SELECT host FROM sensor WHERE state > 3");
    assert!(plan.contains("columns=[host]"), "{plan}");
    let plan = world.plan("SELECT host FROM sensor WHERE state % 2 > 0");
    assert!(plan.contains("columns=[host, state]"), "{plan}");
}

#[test]
fn a_limit_ends_the_scan() {
    let world = World::new();
    for _ in 0..3 {
        world.write_numbers("numbers", 50_000);
    }
    world.flush();
    let figures = world.figures("SELECT value FROM numbers LIMIT 10");
    assert!(figures.rows_scanned <= 10, "{figures:?}");
    let plan = world.plan("SELECT value FROM numbers LIMIT 10");
    assert!(plan.contains("limit=10"), "{plan}");
    let figures = world.figures("SELECT value FROM numbers WHERE value >= 0 LIMIT 10");
    assert!(figures.rows_scanned < 150_000, "{figures:?}");
}

#[test]
fn counts_and_bounds_of_time_read_no_rows() {
    let world = world();
    world.flush();
    let sql = "SELECT count(*) AS n, min(time) AS first, max(time) AS last FROM sensor";
    world.check(sql, "n | first | last\n49 | 2024-01-01T00:00:00Z | 2024-01-03T00:00:00Z");
    assert_eq!(world.figures(sql).rows_read, 0);
    let sql = "SELECT count(*) AS n FROM sensor WHERE time >= '2024-01-02'";
    world.check(sql, "n\n25");
    assert_eq!(world.figures(sql).rows_read, 0, "{}", world.plan(sql));
    world.check("SELECT count(temperature) AS n, count(time) AS t FROM sensor", "n | t\n49 | 49");
}

#[test]
fn an_order_that_the_scan_has_is_not_sorted_again() {
    let world = world();
    let sorted = |sql: &str| world.plan(sql).contains("SortExec");
    assert!(!sorted("SELECT * FROM sensor ORDER BY time"));
    assert!(!sorted("SELECT * FROM sensor ORDER BY time DESC LIMIT 3"));
    assert!(!sorted("SELECT * FROM sensor WHERE host = 'a' AND region = 'north' ORDER BY time"));
    assert!(!sorted("SELECT * FROM sensor ORDER BY host NULLS FIRST, region NULLS FIRST, time"));
    assert!(sorted("SELECT * FROM sensor ORDER BY state"));
    world.write_numbers("numbers", 100);
    assert!(!sorted("SELECT * FROM numbers ORDER BY time"));
    world.check(
        "SELECT time, host FROM sensor ORDER BY time DESC LIMIT 3",
        "time | host
         2024-01-03T00:00:00Z | a
         2024-01-02T23:00:00Z | b
         2024-01-02T22:00:00Z | a",
    );
    world.check(
        "SELECT host, time FROM sensor WHERE time < '2024-01-01T03:00:00Z' ORDER BY host NULLS FIRST, region NULLS FIRST, time",
        "host | time
         a | 2024-01-01T00:00:00Z
         a | 2024-01-01T02:00:00Z
         b | 2024-01-01T01:00:00Z",
    );
}

#[test]
fn the_latest_rows_are_found_without_reading_the_earlier_ones() {
    let world = World::new();
    for day in ["2024-01-01", "2024-01-02", "2024-01-03"] {
        world.write_numbers_from(day, "numbers", 80_000);
        world.flush();
    }
    let sql = "SELECT time, value FROM numbers ORDER BY time DESC LIMIT 2";
    world.check(
        sql,
        "time | value
         2024-01-03T22:13:19Z | 79999
         2024-01-03T22:13:18Z | 79998",
    );
    let figures = world.figures(sql);
    assert!(figures.segments_read < 3 && figures.rows_read < 120_000, "{figures:?}");
}

#[test]
fn a_limit_below_an_order_is_taken_first() {
    let world = world();
    let sql = "SELECT count(*) AS n FROM (SELECT time FROM sensor LIMIT 5) ORDER BY n";
    world.check(sql, "n\n5");
    let sql = "SELECT time FROM (SELECT time FROM sensor ORDER BY time LIMIT 2) ORDER BY time DESC";
    world.check(sql, "time\n2024-01-01T01:00:00Z\n2024-01-01T00:00:00Z");
}

#[test]
fn a_query_that_reads_a_table_twice_reads_it_right() {
    let world = world();
    world.check(
        "SELECT count(*) AS n FROM sensor a JOIN sensor b ON a.time = b.time AND a.host = b.host",
        "n\n49",
    );
    world.check(
        "WITH RECURSIVE steps AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM steps, (SELECT count(*) AS c FROM sensor WHERE state = 3) s WHERE n < s.c)
         SELECT max(n) AS n FROM steps",
        "n\n2",
    );
}

#[test]
fn explain_analyze_shows_what_was_read() {
    let world = world();
    let plan = world.sql("EXPLAIN ANALYZE SELECT sum(state) FROM sensor WHERE time < '2024-01-02'");
    assert!(plan.contains("rows_read=24") && plan.contains("segments_pruned=1"), "{plan}");
    assert!(plan.contains("time=[.., 2024-01-01T23:59:59.999999999Z]"), "{plan}");
}
