//! Market data, cell by cell, as one would work in a notebook: load daily prices, look at them, and
//! ask what a trader asks. SQL where a question is about many rows, points where a loop says it better.
//!
//! ```sh
//! cargo run --release -p pulsora --example market_data                    # examples/stocks.csv
//! cargo run --release -p pulsora --example market_data -- path/to/file.csv
//! ```

use std::path::PathBuf;

use pulsora::arrow::util::pretty::pretty_format_batches;
use pulsora::{Database, Error, Result, RowFormat, RowOptions, SeriesKey};

fn main() -> Result<()> {
    let database = Database::open("./market-data")?;
    load(&database)?;

    cell(
        &database,
        "What is there?",
        "SELECT \"Ticker\", count(*) AS days, min(\"Date\") AS first, max(\"Date\") AS last \
         FROM stocks GROUP BY \"Ticker\" ORDER BY \"Ticker\"",
    )?;
    cell(
        &database,
        "The return of each year, from the first to the last close of it",
        "SELECT \"Ticker\", extract(year FROM \"Date\") AS year, \
                round(100 * (last(\"Adj Close\", \"Date\") / first(\"Adj Close\", \"Date\") - 1), 1) AS percent \
         FROM stocks WHERE \"Ticker\" IN ('AAPL', 'IBM') AND \"Date\" >= '2008-01-01' \
         GROUP BY \"Ticker\", year ORDER BY year, \"Ticker\"",
    )?;
    cell(
        &database,
        "Weekly candles of one ticker",
        "SELECT time_bucket('7 days', \"Date\") AS week, first(\"Open\", \"Date\") AS open, \
                max(\"High\") AS high, min(\"Low\") AS low, last(\"Close\", \"Date\") AS close, \
                sum(\"Volume\") AS volume \
         FROM stocks WHERE \"Ticker\" = 'MSFT' AND \"Date\" >= '2012-11-01' \
         GROUP BY week ORDER BY week LIMIT 8",
    )?;
    cell(
        &database,
        "Days on which the 50-day average crossed above the 200-day one (a golden cross)",
        "WITH averages AS ( \
             SELECT \"Date\" AS day, \
                    avg(\"Adj Close\") OVER (ORDER BY \"Date\" ROWS 49 PRECEDING) AS fast, \
                    avg(\"Adj Close\") OVER (ORDER BY \"Date\" ROWS 199 PRECEDING) AS slow \
             FROM stocks WHERE \"Ticker\" = 'IBM'), \
         sides AS ( \
             SELECT day, fast > slow AS above, lag(fast > slow) OVER (ORDER BY day) AS before \
             FROM averages) \
         SELECT day FROM sides WHERE above AND NOT before AND day >= '2005-01-01' ORDER BY day",
    )?;
    cell(
        &database,
        "How alike the daily returns of two tickers are",
        "WITH returns AS ( \
             SELECT \"Ticker\", \"Date\", \
                    \"Adj Close\" / lag(\"Adj Close\") OVER (PARTITION BY \"Ticker\" ORDER BY \"Date\") - 1 AS r \
             FROM stocks) \
         SELECT round(corr(a.r, b.r), 2) AS correlation, count(*) AS days \
         FROM returns a JOIN returns b ON a.\"Date\" = b.\"Date\" \
         WHERE a.\"Ticker\" = 'AAPL' AND b.\"Ticker\" = 'MSFT'",
    )?;

    println!("## The deepest fall from a high, by a loop over points");
    for ticker in ["AAPL", "GOOG", "IBM", "MSFT"] {
        println!("{ticker}: {:.1} %", 100.0 * deepest_fall(&database, ticker)?);
    }
    database.close()
}

/// Loads the CSV file once; a second run finds it there.
fn load(database: &Database) -> Result<()> {
    if database.catalog().find_table("default", "stocks").is_some() {
        return Ok(());
    }
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/stocks.csv");
    let path = std::env::args_os().nth(1).map_or(PathBuf::from(examples), PathBuf::from);
    let failed = |error| Error::io(format!("read {}", path.display()), error);
    let bytes = std::fs::read(&path).map_err(failed)?;
    let options = RowOptions { tags: vec!["Ticker".into()], ..RowOptions::default() };
    let written =
        database.write_rows("default", "stocks", RowFormat::Csv, &bytes.into(), &options)?;
    println!("{} rows loaded\n", written.rows);
    Ok(())
}

/// Runs a statement and shows its answer, as a notebook does below a cell.
fn cell(database: &Database, title: &str, statement: &str) -> Result<()> {
    let rows = database.sql(statement)?;
    println!("## {title}\n{}\n", pretty_format_batches(&rows.batches)?);
    Ok(())
}

/// The largest loss from any high to a later close, as a fraction.
fn deepest_fall(database: &Database, ticker: &str) -> Result<f64> {
    let closes = SeriesKey::with_tags("stocks", &[("Ticker", ticker)])?.field("Adj Close")?;
    let (mut high, mut deepest) = (f64::MIN, 0.0f64);
    for point in database.query(&closes, ..)? {
        let close = point?.value;
        high = high.max(close);
        deepest = deepest.min(close / high - 1.0);
    }
    Ok(deepest)
}
