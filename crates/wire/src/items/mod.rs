//! What the formats of independent lines, points and items share.
//!
//! Such a body may mix any number of tables, and a bad item must not lose the good ones. [`Items`]
//! stores or rejects one item after the other, with [`Tables`] (the batch of each table), [`TagSet`]
//! and [`Row`] (the item at hand, before any of it enters a batch), [`Clock`] (the unit of times) and
//! [`Fault`] (why an item is not stored).

mod budget;
mod clock;
mod fault;
mod label;
mod row;
mod store;
mod tables;
mod tag_set;

pub(crate) use budget::TagBudget;
pub(crate) use clock::{Clock, Time};
pub(crate) use fault::Fault;
pub(crate) use label::tag_name;
pub(crate) use row::Row;
pub(crate) use store::Items;
pub(crate) use tables::{TableIndex, Tables};
pub(crate) use tag_set::TagSet;
