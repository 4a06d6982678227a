//! Plans that are used again: planning a statement costs more than answering a small one, and what
//! dashboards ask again differs only in the bounds of its conditions.
//!
//! `key.rs` reads a statement's tokens without the literals that it is compared with · `terms.rs` says
//! which rows the conditions of a statement select for given literals · `template.rs` is a physical
//! plan with a hole for its one leaf · `cache.rs` keeps templates by key.
//!
//! Invariants
//! - A template is kept only if the selection that its terms give for the literals of the statement
//!   that was planned is the one that the planner gave to the leaf, and every literal that the key
//!   leaves out is one of a term. So nothing else in the plan can depend on those literals.
//! - A template holds no snapshot and belongs to one catalog; with another it is not used.
//! - Literals that change the shape of a plan (nothing selected, a value twice in a list, another
//!   type) do not use a template.

mod cache;
mod key;
mod template;
mod terms;
#[cfg(test)]
mod tests;

pub use cache::PlanStats;
pub(crate) use cache::Plans;
pub(crate) use key::{Key, write_token};
pub(crate) use template::{Template, is_fold};
pub(crate) use terms::Terms;
