//! Scans over random tables against a model, and figures that show that push-downs read less.
//!
//! `world.rs` builds tables out of real memtables and segments and keeps the model beside them.

mod folds;
mod pushdown;
mod scans;
mod world;
