//! DELETE, ERASE, UPDATE, TRUNCATE, ALTER.

use std::time::Duration;

use fastrand::Rng;
use futures::StreamExt;
use pulsora_query::{SqlParam, SqlRequest};

use crate::world::World;

const ALL: &str = "SELECT * FROM sensor ORDER BY time, host";

#[test]
fn rows_are_deleted_by_any_condition() {
    let world = World::with_readings();
    world.check(
        "DELETE FROM sensor WHERE host = 'a' AND time >= '2024-01-01T00:01:00Z'",
        "count\n1",
    );
    world.check("delete from Sensor where Temperature > 4 and state % 2 = 0", "count\n1");
    world.check("DELETE FROM sensor WHERE region IS NULL OR host LIKE 'x%'", "count\n1");
    world.check("DELETE FROM sensor WHERE false", "count\n0");
    world.check("DELETE FROM sensor WHERE NULL", "count\n0");
    world.check("DELETE FROM default.sensor WHERE time < now() - INTERVAL '100 years'", "count\n0");
    world.check(
        ALL,
        "time | host | region | temperature | state
         2024-01-01T00:00:00Z | a | north | 1.5 | 1
         2024-01-01T00:00:30Z | b | south | 3.5 | 3",
    );
    let request = SqlRequest {
        params: vec![SqlParam::Text("b".into()), SqlParam::F64(3.5)],
        ..SqlRequest::from("DELETE FROM sensor WHERE host = ? AND temperature = ?")
    };
    world.ask(request).unwrap();
    world.check("SELECT count(*) AS n FROM sensor", "n\n1");
    world.check("DELETE FROM sensor", "count\n1");
    world.check("SELECT count(*) AS n FROM sensor", "n\n0");
}

#[test]
fn fields_take_other_values() {
    let world = World::with_readings();
    world.check(
        "UPDATE sensor SET temperature = temperature * 10 + state, state = NULL WHERE host IN ('a', 'c')",
        "count\n3",
    );
    world.check("UPDATE Sensor SET State = 7", "count\n5");
    world.check("UPDATE sensor SET temperature = 1 WHERE host = 'nobody'", "count\n0");
    world.check(
        ALL,
        "time | host | region | temperature | state
         2024-01-01T00:00:00Z | a | north | 16.0 | 7
         2024-01-01T00:00:30Z | b | south | 3.5 | 7
         2024-01-01T00:01:00Z | a | north | 27.0 | 7
         2024-01-01T01:00:00Z | b | south | 4.5 | 7
         2024-02-01T00:00:00Z | c |  | 60.0 | 7",
    );
}

#[test]
fn conditions_and_values_may_repeat_and_call_what_they_like() {
    let world = World::with_readings();
    world.check(
        "UPDATE sensor SET temperature = coalesce(temperature, 0) + 1, state = nvl(state, 0)",
        "count\n5",
    );
    world.check(
        "UPDATE sensor SET state = extract(year FROM now()) - extract(year FROM now())",
        "count\n5",
    );
    world.check(
        "UPDATE sensor SET temperature = temperature - 1 WHERE abs(temperature) BETWEEN 1 AND 50",
        "count\n5",
    );
    world.check("DELETE FROM sensor WHERE lower(host) = 'a' AND (temperature > 2 OR temperature < 1 OR temperature > 2)", "count\n1");
    world.check("DELETE FROM sensor WHERE upper(host) = 'C' OR upper(host) = 'D'", "count\n1");
    world.check("DELETE FROM sensor WHERE state > 9.5 OR state < -1.5", "count\n0");
    world.check(
        ALL,
        "time | host | region | temperature | state
         2024-01-01T00:00:00Z | a | north | 1.5 | 0
         2024-01-01T00:00:30Z | b | south | 3.5 | 0
         2024-01-01T01:00:00Z | b | south | 4.5 | 0",
    );
    world.sql("CREATE TABLE tag (time TIMESTAMP, u BIGINT UNSIGNED)");
    world.sql("INSERT INTO tag VALUES ('2024-01-01', 7)");
    world.check("UPDATE tag SET u = u + 1", "count\n1");
    world.check("ALTER TABLE tag RENAME COLUMN u TO tag", "status\naltered");
    world.check("ALTER TABLE tag ADD COLUMN shelf TEXT TAG", "status\naltered");
    world.check("SELECT tag, shelf FROM tag", "tag | shelf\n8 | ");
    world.check("ALTER TABLE tag RENAME TO tagged", "status\naltered");
}

#[test]
fn values_that_do_not_fit_are_refused_and_nothing_changes() {
    let world = World::with_readings();
    let before = world.sql(ALL);
    for (sql, error) in [
        ("UPDATE sensor SET state = 1.5", "type_conflict: column \"state\" holds integer"),
        ("UPDATE sensor SET state = 'x'", "type_conflict: column \"state\" holds integer"),
        ("UPDATE sensor SET temperature = true", "type_conflict: column \"temperature\" holds"),
        ("UPDATE sensor SET host = 'z'", "sql_invalid: column \"host\" tells rows apart"),
        ("UPDATE sensor SET time = now()", "sql_invalid: column \"time\" tells rows apart"),
        ("UPDATE sensor SET nothing = 1", "sql_invalid: "),
        ("UPDATE nowhere SET state = 1", "table_not_found: "),
        ("DELETE FROM sensor WHERE nothing = 1", "sql_invalid: "),
        (
            "DELETE FROM sensor WHERE host IN (SELECT host FROM sensor)",
            "statement_refused: a subquery",
        ),
        ("DELETE FROM sensor WHERE random() < 0.5", "statement_refused: random()"),
        ("DELETE FROM sensor AS s WHERE s.state = 1", "statement_refused: this DELETE"),
        ("DELETE FROM sensor USING other WHERE true", "statement_refused: this DELETE"),
        ("UPDATE sensor SET state = 1 FROM other", "statement_refused: this UPDATE"),
        ("UPDATE sensor SET state = sum(state)", ""),
        ("UPDATE sensor SET state = row_number() OVER ()", "sql_invalid: "),
        ("UPDATE sensor SET state = 1, state = 2", "duplicate_column: "),
        ("DELETE FROM sensor TABLESAMPLE (10)", "statement_refused: this DELETE"),
        ("UPDATE sensor TABLESAMPLE (10) SET state = 1", ""),
        ("UPDATE sensor SET state = 1 / 0 WHERE state > 0", ""),
        ("DELETE FROM sensor WHERE", "sql_syntax: "),
        ("DELETE FROM sensor; DELETE FROM sensor", "sql_invalid: "),
        (
            "MERGE INTO sensor USING other ON true WHEN MATCHED THEN DELETE",
            "statement_refused: MERGE",
        ),
    ] {
        let answer = world.error(sql);
        assert!(answer.starts_with(error), "{sql}: {answer}");
    }
    assert_eq!(world.sql(ALL), before);
}

#[test]
fn erased_rows_are_on_no_disk() {
    let world = World::new();
    world.sql("CREATE TABLE t (time TIMESTAMP, host TAG, note TEXT)");
    for n in 0..20 {
        let host = if n % 4 == 0 { "secret-host" } else { "plain-host" };
        world.sql(&format!(
            "INSERT INTO t VALUES ('2024-01-01T00:00:{n:02}Z', '{host}', 'secret note {}')",
            if n % 4 == 0 { "of somebody" } else { "" }
        ));
        if n % 5 == 0 {
            world.flush();
        }
    }
    assert!(world.is_on_disk("secret-host") && world.is_on_disk("of somebody"));
    world.check("ERASE FROM t WHERE host = 'secret-host'", "count\n5");
    assert!(!world.is_on_disk("secret-host"), "tags are in bounds of the manifest too");
    assert!(!world.is_on_disk("of somebody"));
    assert!(world.is_on_disk("plain-host"));
    world.check("SELECT count(*) AS n FROM t", "n\n15");
    world.check("ERASE FROM t WHERE host = 'secret-host'", "count\n0");
}

#[test]
fn an_erasure_waits_for_queries_of_its_table_alone() {
    let world = World::with(|options| options.cache_bytes = 8 << 20);
    world.sql("CREATE TABLE t (time TIMESTAMP, host TAG)");
    world.sql("INSERT INTO t VALUES ('2024-01-01', 'secret-host'), ('2024-01-01', 'plain-host')");
    world.flush();
    world.write_numbers("numbers", 300_000);
    world.flush();
    let select = SqlRequest::new("default", "SELECT value, noise FROM numbers");
    let mut slow = world.runtime.block_on(world.query.sql(select.clone())).unwrap().batches;
    let first = world.runtime.block_on(slow.next()).unwrap().unwrap();
    world.check("ERASE FROM t WHERE host = 'secret-host'", "count\n1");
    assert!(!world.is_on_disk("secret-host"));
    let rest =
        world.runtime.block_on(slow.map(|batch| batch.unwrap().num_rows()).collect::<Vec<_>>());
    assert_eq!(first.num_rows() + rest.iter().sum::<usize>(), 300_000);

    let slow = world.runtime.block_on(world.query.sql(select)).unwrap();
    let erase = SqlRequest::new("default", "ERASE FROM numbers WHERE value = 5");
    let erase = world.runtime.block_on(async {
        let mut erase = Box::pin(world.query.sql(erase));
        let soon = tokio::time::timeout(Duration::from_millis(500), &mut erase).await;
        assert!(soon.is_err(), "somebody still reads it");
        drop(slow);
        erase.await
    });
    assert!(erase.is_ok());
    world.check("SELECT count(*) AS n FROM numbers", "n\n299999");
}

#[test]
fn tables_are_truncated_and_altered() {
    let world = World::with_readings();
    world.check("ALTER TABLE sensor ADD COLUMN humidity DOUBLE", "status\naltered");
    world.check(
        "ALTER TABLE sensor ADD COLUMN IF NOT EXISTS humidity DOUBLE",
        "status\nis so already",
    );
    world.check("ALTER TABLE sensor ADD COLUMN rack TAG", "status\naltered");
    world.check("ALTER TABLE sensor ADD shelf TEXT TAG", "status\naltered");
    world.check("ALTER TABLE sensor RENAME COLUMN Temperature TO degrees", "status\naltered");
    world.check("ALTER TABLE sensor DROP COLUMN state", "status\naltered");
    world.check("ALTER TABLE sensor DROP COLUMN IF EXISTS state", "status\nis so already");
    world.check("UPDATE sensor SET humidity = degrees / 2 WHERE host = 'c'", "count\n1");
    world.check(
        "SELECT host, degrees, humidity, rack, shelf FROM sensor ORDER BY time DESC LIMIT 2",
        "host | degrees | humidity | rack | shelf
         c | 5.5 | 2.75 |  |
         b | 4.5 |  |  | ",
    );
    world.check("ALTER TABLE sensor RENAME TO probes", "status\naltered");
    assert!(world.error("SELECT * FROM sensor").starts_with("table_not_found: "));
    let set = "ALTER TABLE probes SET (retention = '30d', partition = 'day', codec = 'gorilla')";
    world.check(set, "status\naltered");
    world.check(set, "status\nis so already");
    let schema = world.engine.catalog().table("default", "probes").unwrap();
    assert_eq!(schema.retention_ns, Some(30 * 86_400_000_000_000));
    assert_eq!(schema.codec.as_deref(), Some("gorilla"));
    world.check("SELECT count(*) AS n FROM probes", "n\n0");
    world.check("ALTER TABLE probes SET (retention = 'none')", "status\naltered");
    world.check("SELECT count(*) AS n FROM probes", "n\n5");
    world.check("ALTER DATABASE default SET (retention = '1h')", "status\naltered");
    world.check("SELECT count(*) AS n, max(degrees) AS most FROM probes", "n | most\n0 | ");
    world.check("ALTER DATABASE default SET (retention = none)", "status\naltered");
    world.check("TRUNCATE TABLE probes", "status\ntruncated");
    world.check("TRUNCATE probes", "status\ntruncated");
    world.check("SELECT count(*) AS n FROM probes", "n\n0");
    world.check("CREATE DATABASE plant", "status\ncreated");
    world.check("DROP DATABASE plant", "status\ndropped");
    world.check("DROP DATABASE IF EXISTS plant", "status\ndoes not exist");
    for (sql, error) in [
        ("ALTER TABLE probes DROP COLUMN time", "schema_conflict: "),
        ("ALTER TABLE probes DROP COLUMN nothing", "sql_invalid: "),
        ("ALTER TABLE probes ADD COLUMN host TAG", "already_exists: "),
        (
            "ALTER TABLE probes ALTER COLUMN degrees TYPE TEXT",
            "statement_refused: this ALTER TABLE",
        ),
        ("ALTER TABLE probes SET (colour = 'red')", "sql_invalid: "),
        ("ALTER TABLE probes SET (retention = 'soon')", "sql_invalid: \"soon\" is not a retention"),
        ("ALTER DATABASE nowhere SET (retention = '1h')", "database_not_found: "),
        ("ALTER DATABASE default SET (codec = 'gorilla')", "statement_refused: "),
        ("ALTER VIEW v AS SELECT 1", "statement_refused: ALTER VIEW"),
        ("DROP DATABASE default", "statement_refused: "),
        ("TRUNCATE a, b", "statement_refused: this TRUNCATE"),
    ] {
        let answer = world.error(sql);
        assert!(answer.starts_with(error), "{sql}: {answer}");
    }
}

/// A random condition over the columns of `sensor`.
fn condition(rng: &mut Rng, depth: usize) -> String {
    let time = |rng: &mut Rng| format!("'2024-01-01T00:{:02}:00Z'", rng.u8(0..60));
    match rng.u8(0..if depth == 0 { 8 } else { 11 }) {
        0 => format!("time >= {}", time(rng)),
        1 => format!("time < {}", time(rng)),
        2 => format!("host = '{}'", ["a", "b", "c"][rng.usize(0..3)]),
        3 => "region IS NULL".to_owned(),
        4 => format!("temperature > {}", rng.i8(..)),
        5 => format!("state BETWEEN {} AND 100", rng.i8(..)),
        6 => format!("abs(state) % 3 = {}", rng.u8(0..3)),
        7 => "region LIKE 'n%'".to_owned(),
        8 => format!("NOT ({})", condition(rng, depth - 1)),
        9 => format!("({} AND {})", condition(rng, depth - 1), condition(rng, depth - 1)),
        _ => format!("({} OR {})", condition(rng, depth - 1), condition(rng, depth - 1)),
    }
}

#[test]
fn a_delete_leaves_what_a_query_for_the_rest_shows() {
    let mut rng = Rng::with_seed(11);
    for mode in ["append", "upsert"] {
        let world = World::new();
        world.sql(&format!(
            "CREATE TABLE sensor (time TIMESTAMP, host TAG, region TAG, temperature DOUBLE, state BIGINT) \
             WITH (mode = '{mode}')"
        ));
        for round in 0..30 {
            let values: Vec<String> = (0..rng.usize(1..40))
                .map(|_| {
                    format!(
                        "('2024-01-01T00:{:02}:00Z', '{}', {}, {}, {})",
                        rng.u8(0..60),
                        ["a", "b", "c"][rng.usize(0..3)],
                        ["'north'", "'south'", "NULL"][rng.usize(0..3)],
                        ["NULL".to_owned(), format!("{}", rng.i8(..))][rng.usize(0..2)],
                        ["NULL".to_owned(), format!("{}", rng.i8(..))][rng.usize(0..2)],
                    )
                })
                .collect();
            world.sql(&format!("INSERT INTO sensor VALUES {}", values.join(", ")));
            if rng.bool() {
                world.flush();
            }
            let sorted = "ORDER BY time, host, region, temperature, state";
            let condition = condition(&mut rng, 2);
            if rng.u8(0..3) == 0 {
                let changed = world.sql(&format!(
                    "SELECT time, host, region, CASE WHEN {condition} THEN 0.5 ELSE temperature END AS temperature, \
                     CASE WHEN {condition} THEN NULL ELSE state END AS state FROM sensor {sorted}"
                ));
                world.sql(&format!(
                    "UPDATE sensor SET temperature = 0.5, state = NULL WHERE {condition}"
                ));
                assert_eq!(
                    world.sql(&format!("SELECT * FROM sensor {sorted}")),
                    changed,
                    "{condition}"
                );
            } else {
                let rest = world
                    .sql(&format!("SELECT * FROM sensor WHERE ({condition}) IS NOT TRUE {sorted}"));
                let hit =
                    world.sql(&format!("SELECT count(*) AS count FROM sensor WHERE {condition}"));
                let deleted = world.sql(&format!("DELETE FROM sensor WHERE {condition}"));
                assert_eq!(deleted, hit, "round {round}, {mode}: {condition}");
                assert_eq!(
                    world.sql(&format!("SELECT * FROM sensor {sorted}")),
                    rest,
                    "{condition}"
                );
            }
            let counted = world.sql("SELECT host, count(*) AS n, max(state) AS most FROM sensor GROUP BY host ORDER BY host");
            let folded = world.sql(
                "SELECT host, count(*) AS n, max(state) AS most FROM (SELECT * FROM sensor WHERE 1 = 1 LIMIT 100000) \
                 GROUP BY host ORDER BY host",
            );
            assert_eq!(counted, folded, "folds see the same rows");
        }
    }
}

#[test]
fn a_table_without_a_tag_that_it_had_is_one_that_never_had_it() {
    let world = World::new();
    let columns = "zone TEXT TAG, v BIGINT, w DOUBLE)";
    for (table, rack) in [("had", "rack TEXT TAG, "), ("never", "")] {
        let (name, tag) = if rack.is_empty() { ("", "") } else { ("rack, ", "rack") };
        world.sql(&format!(
            "CREATE TABLE {table} (time TIMESTAMP NOT NULL, host TEXT TAG, {rack}{columns}"
        ));
        for part in 0..6 {
            let row = |n: i64| {
                let rack = if tag.is_empty() { String::new() } else { format!("'r{}', ", n % 3) };
                let at = 1_700_000_000_000_000_000 + n * 1_000_000_000;
                format!("({at}, 'h{}', {rack}'z{}', {n}, {n}.5)", n * 7 % 5, n % 2)
            };
            let rows: Vec<String> = (part * 100..part * 100 + 100).map(row).collect();
            let rows = rows.join(", ");
            world.sql(&format!("INSERT INTO {table} (time, host, {name}zone, v, w) VALUES {rows}"));
            if part < 5 {
                world.flush();
            }
        }
    }
    world.check("ALTER TABLE had DROP COLUMN rack", "status\naltered");
    let statements = [
        "SELECT * FROM t ORDER BY time",
        "SELECT count(*) AS n, sum(v) AS s, min(w) AS l, max(time) AS m FROM t ",
        "SELECT host, zone, time, v FROM t ORDER BY host, zone, time",
        "SELECT host, zone, time, v FROM t ORDER BY host, zone, time DESC LIMIT 70",
        "SELECT host, count(*) AS n, avg(w) AS a FROM t GROUP BY host ORDER BY host",
        "SELECT host, zone, last(v, time) AS l, first(w, time) AS f FROM t GROUP BY host, zone ORDER BY host, zone",
        "SELECT host, time_bucket('1 minute', time) AS b, max(v) AS m FROM t GROUP BY host, b ORDER BY b, host",
        "SELECT DISTINCT host, zone FROM t ORDER BY host, zone",
        "SELECT time, v FROM t WHERE host = 'h3' AND zone = 'z1' ORDER BY time DESC LIMIT 9",
        "SELECT time, v FROM t WHERE host = 'h3' AND zone = 'z1' ORDER BY time",
        "SELECT host, time, lag(v) OVER (PARTITION BY host, zone ORDER BY time) AS l FROM t ORDER BY time",
        "SELECT a.time, b.v FROM t a JOIN t b ON a.host = b.host AND a.zone = b.zone AND a.v = b.v - 10 ORDER BY 1, 2",
        "UPDATE t SET w = v WHERE zone = 'z0' AND v % 3 = 1",
        "DELETE FROM t WHERE host = 'h2' AND v > 300",
        "SELECT * FROM t ORDER BY host, zone, time",
        "SELECT column_name FROM information_schema.columns WHERE table_name = 't'",
        "INSERT INTO t VALUES ('2024-01-01T00:00:00Z', 'h9', 'z9', 1, 2)",
        "SELECT host, zone, count(*) AS n, sum(w) AS s FROM t GROUP BY host, zone ORDER BY host, zone",
    ];
    for statement in statements {
        let answers = ["had", "never"].map(|table| {
            let statement = statement.replace("FROM t ", &format!("FROM {table} "));
            let statement = statement.replace("JOIN t ", &format!("JOIN {table} "));
            let statement = statement.replace("UPDATE t ", &format!("UPDATE {table} "));
            let statement = statement.replace("INTO t ", &format!("INTO {table} "));
            world.sql(&statement.replace("= 't'", &format!("= '{table}'")))
        });
        assert_eq!(answers[0], answers[1], "{statement}");
        assert!(answers[0].lines().count() > 1, "{statement}: {}", answers[0]);
    }
    let error = world.error("SELECT rack FROM had");
    assert!(error.starts_with("sql_invalid: "), "{error}");
    world
        .sql("CREATE TABLE keyed (time TIMESTAMP, host TEXT TAG, v BIGINT) WITH (mode = 'upsert')");
    let error = world.error("ALTER TABLE keyed DROP COLUMN host");
    assert!(error.starts_with("schema_conflict: rows of an upsert table"), "{error}");
}
