//! The real binary as a user runs it: arguments and files in, output and exit codes out; and the library as a
//! program uses it.

mod bench;
mod check;
mod compact;
mod data;
mod embedded;
mod information;
mod run;
