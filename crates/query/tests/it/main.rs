//! SQL over a real engine in a temporary directory: statements in, tables of text out.

mod answers;
mod corrections;
mod differential;
mod folds;
mod functions;
mod insert;
mod limits;
mod names;
mod plans;
mod pushdown;
mod queries;
mod refused;
mod select;
mod statements;
mod sums;
mod world;
