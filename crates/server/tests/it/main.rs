//! The contract over HTTP, against a server in this process.

mod client;
mod connections;
mod health;
mod leaving;
mod line;
mod metric;
mod operations;
mod queries;
mod rows;
mod sql;
mod tcp;
mod transport;
