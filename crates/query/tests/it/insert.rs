//! INSERT.

use crate::world::World;

fn world() -> World {
    let world = World::new();
    world.sql("CREATE TABLE t (time TIMESTAMP, host TAG, v DOUBLE, n BIGINT, u BIGINT UNSIGNED, ok BOOLEAN, s TEXT, at TIMESTAMP)");
    world
}

#[test]
fn values_of_every_type_are_stored() {
    let world = world();
    world.check(
        "INSERT INTO t VALUES
         ('2024-01-01T00:00:00Z', 'a', 1, -5, 5, true, 'x', '2024-05-05 05:05:05'),
         ('2024-01-02', NULL, 2.5, NULL, 18446744073709551615, false, '', NULL)",
        "count\n2",
    );
    world.check(
        "SELECT * FROM t ORDER BY time",
        "time | host | v | n | u | ok | s | at
         2024-01-01T00:00:00Z | a | 1.0 | -5 | 5 | true | x | 2024-05-05T05:05:05Z
         2024-01-02T00:00:00Z |  | 2.5 |  | 18446744073709551615 | false |  |",
    );
    world.check("INSERT INTO T (TIME, V) VALUES (1704067200, 9), (1704153600, 8)", "count\n2");
    world.check(
        "SELECT time FROM t WHERE v IN (8, 9) ORDER BY v",
        "time\n2024-01-02T00:00:00Z\n2024-01-01T00:00:00Z",
    );
    world.check("INSERT INTO t (v, time) VALUES (1.25, now() - INTERVAL '1 hour')", "count\n1");
    world.check("SELECT count(*) AS n FROM t WHERE time > now() - INTERVAL '2 hours'", "n\n1");
}

#[test]
fn rows_of_a_query_are_stored_in_pieces() {
    let world = World::new();
    world.write_numbers("numbers", 120_000);
    world.sql("CREATE TABLE copy (time TIMESTAMP, parity TAG, value BIGINT)");
    world.check(
        "INSERT INTO copy (time, value, parity) SELECT time, value, CASE WHEN value % 2 = 0 THEN 'even' ELSE 'odd' END FROM numbers
         UNION ALL SELECT time + INTERVAL '1 year', value, 'even' FROM numbers WHERE value < 90000",
        "count\n210000",
    );
    world.check(
        "SELECT parity, count(*) AS n, sum(value) AS s FROM copy GROUP BY parity ORDER BY parity",
        "parity | n | s\neven | 150000 | 7649895000\nodd | 60000 | 3600000000",
    );
    world.check("INSERT INTO copy SELECT * FROM copy", "count\n210000");
    world.check("SELECT count(*) AS n FROM copy", "n\n420000");
}

#[test]
fn row_ids_are_given_or_taken() {
    let world = World::new();
    world.sql("CREATE TABLE r (time TIMESTAMP, v BIGINT) WITH (row_ids = true)");
    world.check("INSERT INTO r VALUES ('2024-01-01', 1), ('2024-01-02', 2)", "count\n2");
    world.check(
        "INSERT INTO r (id, time, v) VALUES (2, '2024-01-02', 20), (9, '2024-01-03', 3)",
        "count\n2",
    );
    world.check("SELECT id, v FROM r ORDER BY id", "id | v\n1 | 1\n2 | 20\n9 | 3");
    assert_eq!(
        world.error("INSERT INTO r (id, time) VALUES (0, '2024-01-01')"),
        "invalid_row_id: row 1, column \"id\": a row id is a whole number above zero"
    );
}

#[test]
fn bad_rows_are_named_and_nothing_is_stored() {
    let world = world();
    for (sql, expected) in [
        (
            "INSERT INTO t (host, v) VALUES ('a', 1)",
            "invalid_time: the time column \"time\" is not filled; name it in the column list; now() is the present time",
        ),
        (
            "INSERT INTO t (time, v) VALUES ('2024-01-01', 1), (NULL, 2)",
            "invalid_time: row 2, column \"time\": the time is null",
        ),
        (
            "INSERT INTO t (time, v) VALUES ('yesterday', 1)",
            "invalid_time: row 1, column \"time\": \"yesterday\" is not a time; use RFC 3339 (2024-01-31T12:00:00Z), 2024-01-31 12:00:00, 2024-01-31, or a number with a precision",
        ),
        (
            "INSERT INTO t (time, n) VALUES ('2024-01-01', 'x')",
            "type_conflict: row 1, column \"n\": the column holds integer, this value is text; send integer, or use another column name",
        ),
        (
            "INSERT INTO t (time, nn) VALUES ('2024-01-01', 1)",
            "sql_invalid: column \"nn\" does not exist; did you mean n?",
        ),
        (
            "INSERT INTO t (time, v, V) VALUES ('2024-01-01', 1, 2)",
            "sql_invalid: column \"v\" is named twice",
        ),
        (
            "INSERT INTO t (time) VALUES ('2024-01-01', 1)",
            "sql_invalid: 1 columns are filled with 2 values; name the columns: INSERT INTO t (a, b) …",
        ),
        (
            "INSERT INTO missing VALUES (1)",
            "table_not_found: table \"missing\" does not exist in database \"default\"",
        ),
    ] {
        assert_eq!(world.error(sql), expected, "{sql}");
    }
    world.check("SELECT count(*) AS n FROM t", "n\n0");
}
