//! The real binary as a user runs it: arguments and files in, output and exit codes out.

mod check;
mod data;
mod information;
mod run;
