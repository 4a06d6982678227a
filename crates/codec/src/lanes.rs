//! Kernels over whole vectors: packing in lanes and running sums.
//!
//! Responsible for the loops that decide how fast a column decodes, compiled once for every kind of
//! processor worth it ([`dispatch`]). Not responsible for choosing widths or for any header.
//!
//! [`pack`] puts 1,024 integers of one width into 16 interleaved lanes; [`scan`] undoes differences.

pub(crate) mod dispatch;
pub(crate) mod pack;
pub(crate) mod scan;
