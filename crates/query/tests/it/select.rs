//! Queries: what comes out, in which types and order.

use arrow::datatypes::DataType;
use pulsora_query::{SqlParam, SqlRequest};

use crate::world::{World, table};

#[test]
fn a_star_gives_the_columns_of_the_table_in_their_order() {
    let world = World::with_readings();
    world.check(
        "SELECT * FROM sensor ORDER BY time, host",
        "time | host | region | temperature | state
         2024-01-01T00:00:00Z | a | north | 1.5 | 1
         2024-01-01T00:00:30Z | b | south | 3.5 | 3
         2024-01-01T00:01:00Z | a | north | 2.5 | 2
         2024-01-01T01:00:00Z | b | south | 4.5 | 4
         2024-02-01T00:00:00Z | c |  | 5.5 | 5",
    );
    let (batches, _) = world.ask(SqlRequest::new("default", "SELECT * FROM sensor")).unwrap();
    let schema = batches[0].schema();
    assert_eq!(*schema.field(0).data_type(), pulsora_model::types::timestamp_type());
    assert!(matches!(schema.field(1).data_type(), DataType::Dictionary(_, _)));
}

#[test]
fn groups_ctes_windows_unions_and_values_work() {
    let world = World::with_readings();
    world.check(
        "SELECT host, count(*) AS n, avg(temperature) AS mean FROM sensor GROUP BY host ORDER BY host",
        "host | n | mean
         a | 2 | 2.0
         b | 2 | 4.0
         c | 1 | 5.5",
    );
    world.check(
        "WITH hot AS (SELECT host, temperature t FROM sensor WHERE temperature > 2)
         SELECT host, max(t) AS top FROM hot GROUP BY host HAVING max(t) > 3 ORDER BY top DESC",
        "host | top
         c | 5.5
         b | 4.5",
    );
    world.check(
        "SELECT host, state, sum(state) OVER (PARTITION BY host ORDER BY time) AS running
         FROM sensor WHERE region IS NOT NULL ORDER BY host, time",
        "host | state | running
         a | 1 | 1
         a | 2 | 3
         b | 3 | 3
         b | 4 | 7",
    );
    world.check(
        "SELECT 1 AS n UNION ALL SELECT 2 UNION ALL (VALUES (3)) ORDER BY n",
        "n
         1
         2
         3",
    );
    world.check("SELECT 1 + 1 AS two", "two\n2");
    world.check(
        "SELECT cast(state AS DOUBLE), State::TEXT, state, try_cast(host AS INT) FROM sensor WHERE state < 3 ORDER BY state",
        "CAST(state AS DOUBLE) | State::TEXT | state | TRY_CAST(host AS INT)
         1.0 | 1 | 1 |
         2.0 | 2 | 2 | ",
    );
    world.check(
        "SELECT DISTINCT CAST(temperature AS BIGINT) FROM sensor ORDER BY 1 LIMIT 2",
        "CAST(temperature AS BIGINT)\n1\n2",
    );
    world.check(
        "SELECT CAST(temperature AS BIGINT) % 2 AS odd, CAST(max(state) AS DOUBLE) FROM sensor GROUP BY odd ORDER BY odd",
        "odd | CAST(max(state) AS DOUBLE)\n0 | 4.0\n1 | 5.0",
    );
}

#[test]
fn tables_of_several_databases_join() {
    let world = World::with_readings();
    world.sql("CREATE DATABASE plant");
    world.sql("CREATE TABLE plant.sites (time TIMESTAMP, host TAG, city TEXT)");
    world.sql(
        "INSERT INTO plant.sites VALUES ('2024-01-01', 'a', 'Oslo'), ('2024-01-01', 'b', 'Rome')",
    );
    world.check(
        "SELECT s.host, p.city, count(*) AS n FROM sensor s JOIN plant.sites p ON s.host = p.host
         GROUP BY s.host, p.city ORDER BY s.host",
        "host | city | n
         a | Oslo | 2
         b | Rome | 2",
    );
    let mut request = SqlRequest::new("plant", "SELECT count(*) AS n FROM sites, default.sensor");
    request.limit = Some(10);
    assert_eq!(table(&world.ask(request).unwrap().0), "n\n10");
}

#[test]
fn params_take_the_place_of_placeholders() {
    let world = World::with_readings();
    let ask = |sql: &str, params: Vec<SqlParam>| {
        let request = SqlRequest { params, ..SqlRequest::new("default", sql) };
        world.ask(request).map(|(batches, _)| table(&batches))
    };
    let text = |text: &str| SqlParam::Text(text.into());
    let sql = "SELECT state FROM sensor WHERE host = $1 AND time >= $2";
    assert_eq!(ask(sql, vec![text("b"), text("2024-01-01T00:30:00Z")]).unwrap(), "state\n4");
    let sql = "SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e, ? AS f";
    let values = vec![
        SqlParam::Null,
        SqlParam::Bool(true),
        SqlParam::I64(i64::MIN),
        SqlParam::U64(u64::MAX),
        SqlParam::F64(-1.0),
        text("it's $1 ?"),
    ];
    assert_eq!(
        ask(sql, values).unwrap(),
        "a | b | c | d | e | f\n | true | -9223372036854775808 | 18446744073709551615 | -1.0 | it's $1 ?"
    );
    let sql = "SELECT temperature FROM sensor WHERE state > ? ORDER BY time LIMIT ?";
    assert_eq!(ask(sql, vec![SqlParam::I64(-1), SqlParam::I64(1)]).unwrap(), "temperature\n1.5");
    let too_few = ask("SELECT $2", vec![SqlParam::Null]).unwrap_err();
    assert_eq!(too_few.message(), "no value for $2: 1 params were given");
    let too_many = ask("SELECT ?", vec![SqlParam::Null, SqlParam::Null]).unwrap_err();
    assert_eq!(too_many.message(), "2 params were given, the statement uses 1");
}

#[test]
fn an_empty_tag_is_an_absent_one() {
    let world = World::with_readings();
    world.check("SELECT host FROM sensor WHERE region IS NULL", "host\nc");
    world.check("SELECT host FROM sensor WHERE region = ''", "host");
    world.check("SELECT host FROM sensor WHERE region IN ('', 'south') AND state > 3", "host\nb");
    world.check("SELECT host FROM sensor WHERE region != 'north' ORDER BY state", "host\nb\nb");
    world.check(
        "SELECT host FROM sensor WHERE region = 'north' OR region IS NULL ORDER BY state",
        "host\na\na\nc",
    );
}

#[test]
fn an_empty_table_answers() {
    let world = World::new();
    world.sql("CREATE TABLE t (time TIMESTAMP, v DOUBLE)");
    world.check("SELECT count(*) AS n, min(time) AS a, sum(v) AS s FROM t", "n | a | s\n0 |  |");
    world.check("SELECT * FROM t ORDER BY time LIMIT 3", "time | v");
}

#[test]
fn rows_of_overlapping_sources_come_once() {
    let world = World::new();
    for value in ["1.5", "2.5"] {
        world.sql("CREATE TABLE IF NOT EXISTS u (time TIMESTAMP, host TAG, v DOUBLE, w DOUBLE) WITH (mode = 'upsert')");
        world.sql(&format!("INSERT INTO u (time, host, v) VALUES ('2024-01-01', 'a', {value})"));
        world.flush();
    }
    world.sql("INSERT INTO u (time, host, w) VALUES ('2024-01-01', 'a', 7)");
    world.check("SELECT * FROM u", "time | host | v | w\n2024-01-01T00:00:00Z | a | 2.5 | 7.0");
    world.check("SELECT count(*) AS n FROM u WHERE v > 2", "n\n1");
    world.check("SELECT count(*) AS n FROM u WHERE v < 2", "n\n0");
}
