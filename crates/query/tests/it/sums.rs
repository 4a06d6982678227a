//! Integer sums: right or an error, by every way they are computed.

use pulsora_query::{Folds, SqlRequest};

use crate::world::{World, table, text_of};

/// Two groups: `a` overflows on the way and comes back, `b` stays outside.
fn world() -> World {
    let world = World::new();
    world.sql("CREATE TABLE t (time TIMESTAMP, g TAG, i BIGINT, u BIGINT UNSIGNED, k BIGINT)");
    world.sql(
        "INSERT INTO t VALUES
           ('2024-01-01T00:00:01', 'a', 9223372036854775807, 18446744073709551615, 1),
           ('2024-01-01T00:00:02', 'a', 5, NULL, 1),
           ('2024-01-01T00:00:03', 'a', -10, 0, 2),
           ('2024-01-01T00:00:04', 'b', 9223372036854775807, 18446744073709551615, 2),
           ('2024-01-01T00:00:05', 'b', 1, 1, 2),
           ('2024-01-01T00:00:06', 'c', NULL, NULL, 3)",
    );
    world
}

fn answer(world: &World, sql: &str, folds: Folds) -> String {
    match world.ask(SqlRequest { folds, ..SqlRequest::new("default", sql) }) {
        Ok((batches, _)) => table(&batches),
        Err(error) => text_of(&error),
    }
}

#[test]
fn sums_outside_their_type_are_errors_on_every_path() {
    let world = world();
    let outside = |column: &str, sum: &str| {
        format!(
            "sql_invalid: the sum of column \"{column}\" is {sum}, outside the range of 64-bit \
             integers; cast the column to a float first"
        )
    };
    for (sql, expected) in [
        ("SELECT sum(i) AS s FROM t WHERE g = 'a'", "s\n9223372036854775802".to_owned()),
        (
            "SELECT g, sum(i) AS s FROM t WHERE g IN ('a', 'c') GROUP BY g ORDER BY g",
            "g | s\na | 9223372036854775802\nc |".into(),
        ),
        ("SELECT sum(i) FROM t WHERE g = 'b'", outside("i", "9223372036854775808")),
        ("SELECT g, sum(i) FROM t GROUP BY g", outside("i", "9223372036854775808")),
        ("SELECT sum(u) AS s FROM t WHERE g = 'a'", "s\n18446744073709551615".into()),
        ("SELECT sum(u) FROM t WHERE g = 'b'", outside("u", "18446744073709551616")),
        ("SELECT avg(i) AS m FROM t WHERE g = 'c'", "m\n".into()),
    ] {
        for folds in [Folds::Found, Folds::Off] {
            assert_eq!(
                answer(&world, sql, folds).trim_end(),
                expected.trim_end(),
                "{sql} {folds:?}"
            );
        }
    }
    let error = world.error("SELECT sum(i + 0) FROM t WHERE g = 'b'");
    assert!(error.contains("9223372036854775808, outside the range"), "{error}");
}

#[test]
fn other_sums_are_the_planners() {
    let world = World::with_readings();
    for (sql, expected) in [
        ("SELECT sum(temperature) AS s FROM sensor", "s\n17.5"),
        ("SELECT sum(state) FROM sensor", "sum(sensor.state)\n15"),
        ("SELECT sum(DISTINCT state % 2) AS s, sum(state) AS t FROM sensor", "s | t\n1 | 15"),
        (
            "SELECT sum(DISTINCT state % 2) AS s, count(DISTINCT host) AS n FROM sensor",
            "s | n\n1 | 3",
        ),
        ("SELECT sum(state) FILTER (WHERE state > 2) AS s FROM sensor", "s\n12"),
        ("SELECT sum(1) AS s FROM sensor", "s\n5"),
        ("SELECT sum(CAST(state AS DECIMAL(10, 2))) AS s FROM sensor", "s\n15.00"),
        ("SELECT sum(state) + sum(temperature) AS s FROM sensor WHERE false", "s\n"),
    ] {
        world.check(sql, expected);
    }
}

#[test]
fn sums_slide_over_windows() {
    let world = world();
    world.check(
        "SELECT k, sum(k) OVER (ORDER BY time ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s,
                sum(k) OVER (ORDER BY time) AS c,
                sum(DISTINCT k) OVER (ORDER BY time ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS d
         FROM t ORDER BY time",
        "k | s | c | d
         1 | 1 | 1 | 1
         1 | 2 | 2 | 1
         2 | 3 | 4 | 3
         2 | 4 | 6 | 3
         2 | 4 | 8 | 2
         3 | 5 | 11 | 5",
    );
    // The sum of all is outside, that of each frame inside.
    world.check(
        "SELECT sum(i) OVER (PARTITION BY g ORDER BY time ROWS CURRENT ROW) AS s FROM t WHERE g = 'b' ORDER BY s",
        "s\n1\n9223372036854775807",
    );
    let error =
        world.error("SELECT sum(i) OVER (ORDER BY time ROWS 1 PRECEDING) FROM t WHERE g = 'b'");
    assert!(error.contains("9223372036854775808, outside the range"), "{error}");
}

#[test]
fn sums_of_many_groups_agree_over_partitions() {
    let world = World::new();
    for _ in 0..3 {
        world.write_numbers("numbers", 20_000);
        world.flush();
    }
    world.check(
        "SELECT sum(s) AS s, count(*) AS n FROM (SELECT value % 7000 AS g, sum(value) AS s FROM numbers GROUP BY g)",
        "s | n\n599970000 | 7000",
    );
}
