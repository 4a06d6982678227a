//! Tests of the engine at its border: requests in, rows and files out.
//!
//! `rows.rs` the language of the tests · `machine.rs` an engine in a simulated world that is stepped by
//! hand · the other modules a subject each · `sim/` the whole engine under a random world.

mod alter;
mod corrections;
mod disk;
mod drops;
mod ends;
mod golden;
mod growth;
mod keys;
mod limits;
mod log;
mod machine;
mod manifest;
mod partitions;
mod repeats;
mod retention;
mod rows;
mod series;
mod sim;
mod smoke;
mod stamps;
