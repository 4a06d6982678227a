//! Pulsora as a library: open a directory, write, ask, close.
//!
//! ```sh
//! cargo run -p pulsora --example embedded
//! ```

use arrow::util::pretty::pretty_format_batches;
use pulsora::{Database, Precision, Result};

fn main() -> Result<()> {
    let database = Database::open("./embedded-data")?;
    let lines =
        "cpu,host=a usage=0.64,cores=8i 1700000000\ncpu,host=b usage=0.31,cores=16i 1700000000";
    let written = database.write_lines("default", lines, Precision::Second)?;
    println!("{} rows are on disk and visible", written.rows);
    let rows = database.sql("SELECT host, usage, cores FROM cpu ORDER BY host")?;
    println!("{}", pretty_format_batches(&rows.batches)?);
    database.close()
}
