//! Names keep their case; an unquoted one also matches another case if only one does.

use crate::world::World;

fn world() -> World {
    let world = World::new();
    world.sql(
        "CREATE TABLE Prices (time TIMESTAMP, Ticker TAG, Open DOUBLE, open DOUBLE, Close DOUBLE)",
    );
    world.sql("INSERT INTO prices VALUES ('2024-01-01', 'X', 1, 2, 3)");
    world
}

#[test]
fn columns_match_exactly_or_uniquely() {
    let world = world();
    world.check("SELECT ticker, CLOSE FROM Prices", "Ticker | Close\nX | 3.0");
    world.check("SELECT Open, open FROM prices", "Open | open\n1.0 | 2.0");
    world.check(
        "SELECT p.close, PRICES.* EXCLUDE (TIME, open) FROM prices p, prices",
        "Close | Ticker | Open | Close\n3.0 | X | 1.0 | 3.0",
    );
    world.check("SELECT P.TICKER FROM default.PRICES AS p WHERE P.Close = 3", "Ticker\nX");
    assert!(
        world
            .error("SELECT OPEN FROM prices")
            .starts_with("sql_invalid: column \"OPEN\" does not exist")
    );
    assert!(
        world
            .error("SELECT \"close\" FROM prices")
            .starts_with("sql_invalid: column \"close\" does not exist")
    );
    world.check("SELECT \"Close\" FROM \"Prices\"", "Close\n3.0");
}

#[test]
fn names_resolve_in_the_scope_they_stand_in() {
    let world = world();
    world.check(
        "SELECT CLOSE FROM (SELECT CLOSE, ticker FROM prices) sub WHERE TICKER = 'X'",
        "Close\n3.0",
    );
    world.check(
        "WITH Q AS (SELECT close AS Peak FROM prices) SELECT peak FROM q ORDER BY PEAK",
        "Peak\n3.0",
    );
    world.check(
        "SELECT ticker FROM prices WHERE close = (SELECT MAX(CLOSE) FROM prices)",
        "Ticker\nX",
    );
    world.check(
        "SELECT a.TICKER FROM prices a WHERE EXISTS (SELECT 1 FROM prices b WHERE b.CLOSE = A.close)",
        "Ticker\nX",
    );
    world.check(
        "SELECT Ticker, COUNT(*) AS N FROM prices GROUP BY TICKER HAVING COUNT(*) > 0 ORDER BY n",
        "Ticker | N\nX | 1",
    );
    world.check("SELECT x.close FROM prices x JOIN prices y USING (TICKER)", "Close\n3.0");
    world.check("SELECT close AS close FROM prices ORDER BY CLOSE LIMIT 1", "close\n3.0");
    world.check(
        "SELECT SUM(close) OVER (PARTITION BY ticker ORDER BY TIME) AS s FROM prices",
        "s\n3.0",
    );
    world.check("SELECT CASE WHEN close > 1 THEN 'up' END AS c FROM prices", "c\nup");
    world.check(
        "SELECT close FROM prices UNION ALL SELECT CLOSE + 1 FROM prices ORDER BY close",
        "Close\n3.0\n4.0",
    );
}

#[test]
fn unknown_names_come_with_the_nearest_ones() {
    let world = world();
    assert_eq!(
        world.error("SELECT * FROM price"),
        "table_not_found: table \"price\" does not exist in database \"default\"; did you mean Prices?"
    );
    assert_eq!(
        world.error("SELECT * FROM defaul.prices"),
        "database_not_found: database \"defaul\" does not exist; did you mean default?"
    );
    assert_eq!(
        world.error("SELECT tickr FROM prices"),
        "sql_invalid: column \"tickr\" does not exist; did you mean Ticker?"
    );
    let error = world.error("SELECT media(close) FROM prices");
    assert!(
        error.starts_with("sql_invalid: invalid function 'media'; did you mean 'median'"),
        "{error}"
    );
    assert_eq!(
        world.error("SELECT time FROM prices a, prices b"),
        "sql_invalid: column \"time\" is in more than one table of the query; write table.column"
    );
}

#[test]
fn odd_names_are_names() {
    let world = World::new();
    world.sql("CREATE TABLE \"../x y\" (time TIMESTAMP, \"a \"\"b\"\"\" DOUBLE, \"ключ\" TAG)");
    world.sql("INSERT INTO \"../x y\" VALUES ('2024-01-01', 1, 'é')");
    world.check("SELECT \"a \"\"b\"\"\", КЛЮЧ FROM \"../x y\"", "a \"b\" | ключ\n1.0 | é");
}
