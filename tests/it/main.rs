//! Tests of the whole product, in one binary.
//!
//! - [`crash`]: SIGKILL at random moments, then every acknowledged row exactly once
//! - [`interleavings`]: everything that changes rows, in any order, against a plain model
//! - [`lifecycle`]: clean shutdown, the lock, the three durabilities
//! - [`disk_full`]: writes refused and taken again, reads all the time
//! - [`overload`]: more than the server can take
//! - [`contract`]: every route of the HTTP contract
//! - [`bad_input`]: what cannot be read, for each format
//! - [`attack`]: clients that are slow, endless, or too many
//! - [`floods`]: far too many tables, columns, series, and tags that are far too long
//! - [`soak`]: everything together, against models, and what it costs on disk
//! - [`queries`]: queries that run together: cancelled, out of memory, and answered from what is kept
//! - [`tcp_lines`]: line protocol over plain TCP, and a kill
//! - [`readme_tour`]: the tour of the README, as a newcomer pastes it

mod attack;
mod bad_input;
mod contract;
mod crash;
mod disk_full;
mod floods;
mod interleavings;
mod lifecycle;
mod overload;
mod queries;
mod readme_tour;
mod soak;
mod tcp_lines;
