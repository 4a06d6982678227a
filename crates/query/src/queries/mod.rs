//! What is known of every query: who asked what, where it stands, what it has cost, and how to end it.
//!
//! `about.rs` what is said of a query before it runs · `stop.rs` ends one from outside · `query.rs` one query from its
//! arrival to its end · `report.rs` its figures at one moment · `list.rs` all that wait and run, and the last that ended.

mod about;
mod list;
mod query;
mod report;
mod stop;

pub use about::{About, CacheUse, Priority};
pub(crate) use list::{Queries, QueriesOptions};
pub use list::{QueryListStats, Ticket};
pub use query::Query;
pub use report::{QueryReport, QueryState};
pub use stop::CancelFlag;
