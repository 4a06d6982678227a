//! The functions that a statement calls, wherever: also as arguments of functions that give tables, which the planner
//! evaluates at once.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, ObjectNamePart, Visit, Visitor};

/// The names of all functions that a statement calls, in lower case.
pub(crate) fn calls(statement: &impl Visit) -> Vec<String> {
    let mut calls = Calls(Vec::new());
    // It never breaks off.
    let _all_seen = statement.visit(&mut calls);
    calls.0
}

struct Calls(Vec<String>);

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let Some(name) = function.name.0.last().and_then(ObjectNamePart::as_ident)
        {
            self.0.push(name.value.to_ascii_lowercase());
        }
        ControlFlow::Continue(())
    }
}
