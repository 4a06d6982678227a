//! The statement as it is asked, and the query that stands for it: `SELECT *, value, … FROM table WHERE
//! condition`.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::sql::sqlparser::ast::{
    self, AssignmentTarget, FromTable, Ident, ObjectName, SelectItem, SetExpr, TableFactor,
    TableWithJoins,
};
use datafusion::sql::sqlparser::dialect::DuckDbDialect;
use datafusion::sql::sqlparser::parser::Parser;
use pulsora_model::{Code, Error, Result};

use crate::error::from_datafusion;

/// What becomes of the rows.
#[derive(Debug)]
pub(crate) enum RowChanges {
    Delete,
    Erase,
    /// Columns take values.
    Update(Vec<(Ident, ast::Expr)>),
}

/// A DELETE, ERASE or UPDATE.
#[derive(Debug)]
pub(crate) struct RowStatement {
    pub table: ObjectName,
    pub condition: Option<ast::Expr>,
    pub changes: RowChanges,
}

fn refused(what: &str, hint: &str) -> Error {
    Error::new(Code::StatementRefused, format!("{what} is not allowed here")).hint(hint)
}

impl RowStatement {
    /// A DELETE of the planner's grammar; `erases` says that it was written as ERASE.
    ///
    /// # Errors
    /// `statement_refused` for what goes beyond one table and a condition.
    pub fn delete(delete: ast::Delete, erases: bool) -> Result<RowStatement> {
        let plain = delete.tables.is_empty()
            && delete.using.is_none()
            && delete.returning.is_none()
            && delete.output.is_none()
            && delete.order_by.is_empty()
            && delete.limit.is_none();
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = delete.from;
        let table = <[TableWithJoins; 1]>::try_from(from).ok().filter(|_| plain);
        let table = table.and_then(|[table]| plain_table(table));
        let hint = "use DELETE FROM table [WHERE condition]";
        Ok(RowStatement {
            table: table.ok_or_else(|| refused("this DELETE", hint))?,
            condition: delete.selection,
            changes: if erases { RowChanges::Erase } else { RowChanges::Delete },
        })
    }

    /// An UPDATE of the planner's grammar.
    ///
    /// # Errors
    /// `statement_refused` for what goes beyond one table, values and a condition.
    pub fn update(update: ast::Update) -> Result<RowStatement> {
        let hint = "use UPDATE table SET column = value, … [WHERE condition]";
        let plain = update.from.is_none()
            && update.returning.is_none()
            && update.output.is_none()
            && update.or.is_none()
            && update.order_by.is_empty()
            && update.limit.is_none();
        let table = plain_table(update.table).filter(|_| plain);
        let mut values = Vec::with_capacity(update.assignments.len());
        for assignment in update.assignments {
            let column = match assignment.target {
                AssignmentTarget::ColumnName(name) => match name.0.last() {
                    Some(ast::ObjectNamePart::Identifier(ident)) => ident.clone(),
                    _ => return Err(refused("this target of SET", hint)),
                },
                AssignmentTarget::Tuple(_) => return Err(refused("SET of a tuple", hint)),
            };
            values.push((column, assignment.value));
        }
        Ok(RowStatement {
            table: table.ok_or_else(|| refused("this UPDATE", hint))?,
            condition: update.selection,
            changes: RowChanges::Update(values),
        })
    }

    /// The query that selects its rows with their columns, and then its values.
    ///
    /// # Errors
    /// `internal`, never in practice.
    pub fn query(&self) -> Result<ast::Statement> {
        let template = Parser::parse_sql(&DuckDbDialect, "SELECT * FROM t");
        let statement = template.ok().and_then(|mut statements| statements.pop());
        let broken = || Error::internal("a query of our own cannot be read");
        let mut statement = statement.ok_or_else(broken)?;
        let ast::Statement::Query(query) = &mut statement else { return Err(broken()) };
        let SetExpr::Select(select) = query.body.as_mut() else { return Err(broken()) };
        if let Some(TableWithJoins { relation: TableFactor::Table { name, .. }, .. }) =
            select.from.first_mut()
        {
            name.clone_from(&self.table);
        }
        select.selection.clone_from(&self.condition);
        if let RowChanges::Update(values) = &self.changes {
            select.projection.extend(values.iter().enumerate().map(|(at, (_, value))| {
                let alias = Ident::with_quote('"', format!("pulsora:value {at}"));
                SelectItem::ExprWithAlias { expr: value.clone(), alias }
            }));
        }
        Ok(statement)
    }
}

/// The name of a table that stands alone, without alias and joins.
fn plain_table(table: TableWithJoins) -> Option<ObjectName> {
    match table.relation {
        TableFactor::Table {
            name,
            alias: None,
            args: None,
            with_hints,
            version: None,
            with_ordinality: false,
            partitions,
            json_path: None,
            sample: None,
            index_hints,
        } if table.joins.is_empty()
            && with_hints.is_empty()
            && partitions.is_empty()
            && index_hints.is_empty() =>
        {
            Some(name)
        }
        _ => None,
    }
}

/// Refuses what the engine cannot compute row by row, or not twice with the same outcome.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    let mut refusal = None;
    let walked = plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                match expr {
                    Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_) => {
                        let hint = "ask the inner query first, and write its values";
                        refusal = Some(refused("a subquery in DELETE or UPDATE", hint));
                    }
                    Expr::ScalarFunction(call)
                        if call.func.signature().volatility == Volatility::Volatile =>
                    {
                        let what = format!("{}() in DELETE or UPDATE", call.func.name());
                        let hint = "it gives another value each time it is looked at";
                        refusal = Some(refused(&what, hint));
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    walked.map_err(|error| from_datafusion(&error))?;
    refusal.map_or(Ok(()), Err)
}
