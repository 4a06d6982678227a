//! SQL text to one of the statements that are answered here.
//!
//! `statement.rs` what there is and how text becomes it · `guard.rs` bounds on the text · `refuse.rs`
//! what is not answered and what to do instead · `show.rs` SHOW and DESCRIBE · `params.rs` values for
//! placeholders · `calls.rs` the functions that are called · `names.rs` whose columns and tables the names mean · `create.rs` CREATE TABLE ·
//! `alter.rs` ALTER.

mod alter;
mod calls;
mod create;
mod guard;
mod names;
mod params;
mod refuse;
mod show;
mod statement;

pub(crate) use alter::{database_retention, table_change};
pub(crate) use calls::calls;
pub(crate) use create::new_table;
pub(crate) use names::{INFORMATION_SCHEMA, Names, find_column};
pub use params::SqlParam;
pub(crate) use params::bind;
pub(crate) use statement::{Statement, parse, tokens};
