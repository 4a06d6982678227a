//! Hot segments: what is written is read, by every kind of read as from Parquet; sums of blocks and
//! hours are those of a plain fold; damage is an error and never a panic.

mod cache;
mod damage;
mod golden;
mod reads;
mod sums;
mod world;
