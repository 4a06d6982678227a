//! What whole-product tests stand on: the real binary as a process, and plain HTTP.
//!
//! Responsible for starting, stopping and killing a server on a free port, for sending requests and
//! reading answers, and for writing the few foreign bytes that tests send. Knows nothing of the crates
//! of the product: a test sees what a user sees. Asserts nothing; the tests in `it/` do.
//!
//! - [`server`]: the binary under test and the process it runs in
//! - [`http`]: one request, one answer, never a retry
//! - [`pack`]: MessagePack values as bytes
//! - [`protobuf`]: protobuf messages and snappy blocks as bytes
//! - [`answers`]: answers as the rows and numbers that tests compare
//! - [`watch`]: health and memory of a server while something else is asked of it

pub mod answers;
pub mod http;
pub mod pack;
pub mod protobuf;
pub mod server;
pub mod watch;
