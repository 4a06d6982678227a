//! SQL over a real engine in a temporary directory: statements in, tables of text out.

mod functions;
mod insert;
mod limits;
mod names;
mod pushdown;
mod refused;
mod select;
mod statements;
mod world;
