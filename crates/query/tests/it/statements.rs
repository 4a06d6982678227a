//! SHOW, DESCRIBE, CREATE, DROP and the catalogue's views.

use pulsora_query::{SqlRequest, StatementKind};

use crate::world::World;

#[test]
fn databases_and_tables_are_shown() {
    let world = World::with_readings();
    world.sql("CREATE DATABASE Plant");
    world.sql("CREATE TABLE Plant.t (time TIMESTAMP, v DOUBLE)");
    world.check("SHOW DATABASES", "database\nPlant\ndefault");
    for sql in [
        "SHOW TABLES",
        "show measurements;",
        "SHOW TABLES FROM default",
        "SHOW TABLES IN \"default\"",
    ] {
        let shown = world.sql(sql);
        let (head, row) = shown.split_once('\n').unwrap();
        assert_eq!(head, "database | table_name | storage_path | file_count | total_size_mb");
        assert!(row.starts_with("default | sensor | default/sensor | 1 | 0.0"), "{row}");
    }
    world.check(
        "SHOW TABLES FROM plant",
        "database | table_name | storage_path | file_count | total_size_mb
         Plant | t | Plant/t | 0 | 0.0",
    );
    assert_eq!(
        world.error("SHOW TABLES FROM plan"),
        "database_not_found: database \"plan\" does not exist; did you mean Plant?"
    );
}

#[test]
fn columns_are_described() {
    let world = World::with_readings();
    let expected = "column_name | data_type | kind | nullable
         time | Timestamp | time | false
         host | String | tag | true
         region | String | tag | true
         temperature | Float | field | true
         state | Integer | field | true";
    for sql in [
        "DESCRIBE sensor",
        "desc default.Sensor",
        "DESCRIBE TABLE sensor",
        "SHOW COLUMNS FROM sensor",
    ] {
        world.check(sql, expected);
    }
}

#[test]
fn tables_are_created_and_dropped() {
    let world = World::new();
    world.check(
        "CREATE TABLE m (ts TIMESTAMP NOT NULL, host TAG, region VARCHAR(20) TAG, a BIGINT, b INT UNSIGNED,
         c REAL, d BOOLEAN, e TEXT, at TIMESTAMP) WITH (mode = 'upsert', partition = 'day', tags = 'e')",
        "status\ncreated",
    );
    world.check(
        "DESCRIBE m",
        "column_name | data_type | kind | nullable
         ts | Timestamp | time | false
         host | String | tag | true
         region | String | tag | true
         a | Integer | field | true
         b | UnsignedInteger | field | true
         c | Float | field | true
         d | Boolean | field | true
         e | String | tag | true
         at | Timestamp | field | true",
    );
    let schema = world.engine.catalog().table("default", "m").unwrap();
    assert_eq!((schema.mode.name(), schema.partition.name()), ("upsert", "day"));
    world.check("CREATE TABLE IF NOT EXISTS m (ts TIMESTAMP)", "status\nexists already");
    assert!(world.error("CREATE TABLE m (ts TIMESTAMP)").starts_with("already_exists: "));
    world.check("DROP TABLE M", "status\ndropped");
    world.check("DROP TABLE IF EXISTS m", "status\ndoes not exist");
    assert!(world.error("DROP TABLE m").starts_with("table_not_found: "));
    world.sql("CREATE TABLE r (at TIMESTAMP, time TIMESTAMP, v DOUBLE) WITH (row_ids = true, time_column = 'at')");
    let schema = world.engine.catalog().table("default", "r").unwrap();
    assert_eq!((&*schema.time().name, &*schema.row_id().unwrap().name), ("at", "id"));
    world.check("CREATE DATABASE IF NOT EXISTS default", "status\nexists already");
    assert!(world.error("CREATE DATABASE default").starts_with("already_exists: "));
    assert!(world.error("CREATE DATABASE information_schema").starts_with("already_exists: "));
    world.check("CREATE TABLE fresh.t (time TIMESTAMP)", "status\ncreated");
    world.check("SELECT count(*) AS n FROM fresh.t", "n\n0");
}

#[test]
fn impossible_tables_are_refused() {
    let world = World::new();
    for (sql, expected) in [
        (
            "CREATE TABLE t (v DOUBLE)",
            "missing_time: the table has no time column; add one, for example: time TIMESTAMP",
        ),
        (
            "CREATE TABLE t (time TIMESTAMP, v JSON)",
            "sql_invalid: column \"v\": the type JSON is not known; use BIGINT, BIGINT UNSIGNED, DOUBLE, TEXT, BOOLEAN, TIMESTAMP or TAG",
        ),
        (
            "CREATE TABLE t (time TIMESTAMP, v INT, v INT)",
            "duplicate_column: column \"v\" is named twice",
        ),
        (
            "CREATE TABLE t (time TIMESTAMP, v INT TAG)",
            "sql_invalid: column \"v\" cannot be a tag: tags are text, this one is integer",
        ),
        (
            "CREATE TABLE t (time TIMESTAMP) WITH (color = 'red')",
            "sql_invalid: the table option color is not known; use mode, partition, time_column, tags, row_ids, codec or retention",
        ),
        (
            "CREATE TABLE t (time TIMESTAMP, PRIMARY KEY (time))",
            "sql_invalid: tables have no constraints; mode = 'upsert' keeps one row per tags and time",
        ),
    ] {
        assert_eq!(world.error(sql), expected, "{sql}");
    }
}

#[test]
fn the_catalogue_views_answer() {
    let world = World::with_readings();
    world.check(
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema = 'default'",
        "table_schema | table_name\ndefault | sensor",
    );
    world.check(
        "SELECT Column_Name, data_type, is_nullable FROM Information_Schema.COLUMNS WHERE table_name = 'sensor' AND ordinal_position < 2",
        "column_name | data_type | is_nullable
         time | Timestamp(ns, \"UTC\") | NO
         host | Dictionary(UInt32, Utf8) | YES",
    );
    world.check(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name = 'default'",
        "schema_name\ndefault",
    );
    assert_eq!(
        world.error("SELECT * FROM information_schema.df_settings"),
        "table_not_found: table \"df_settings\" does not exist in information_schema; there are tables, columns, schemata, views, routines"
    );
}

#[test]
fn answers_say_what_they_are_and_what_they_saw() {
    let world = World::with_readings();
    let visible = world.engine.snapshot().sequence();
    for (sql, kind) in [
        ("SELECT 1", StatementKind::Query),
        ("EXPLAIN SELECT 1", StatementKind::Query),
        ("SHOW DATABASES", StatementKind::Show),
        ("INSERT INTO sensor (time) VALUES ('2024-03-01')", StatementKind::Insert),
        ("DROP TABLE sensor", StatementKind::Change),
    ] {
        let answer =
            world.runtime.block_on(world.query.sql(SqlRequest::new("default", sql))).unwrap();
        assert_eq!(answer.kind, kind, "{sql}");
        assert!(answer.visible >= visible, "{sql}");
    }
}
