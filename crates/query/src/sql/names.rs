//! Whose tables and columns the names of a statement mean: an unquoted name matches exactly, else
//! without regard to case if only one does (as in DuckDB); a quoted name matches exactly.
//!
//! The statement's tree is walked scope by scope before it is planned, and every unquoted name that
//! matches only without regard to case is replaced by the name as it is stored, in quotes. Names that
//! match nothing are left for the planner to report.
//!
//! Invariant: a scope sees its own FROM first, then the queries around it; within one scope an exact
//! match anywhere wins.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{BinaryOperator, ExcludeSelectItem};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableAlias, TableFactor,
    TableWithJoins, VisitMut, VisitorMut, WildcardAdditionalOptions,
};
use pulsora_model::{Code, Error, Name, Result, TableSchema};
use pulsora_storage::Catalog;

use crate::catalog::{information_schema_columns, information_schema_views};

/// The schema of the catalogue's own views.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// Columns of a relation; `None` = not known before planning.
type Columns = Option<Vec<String>>;

/// Resolves names against one catalog, from one database.
pub(crate) struct Names<'a> {
    catalog: &'a Catalog,
    database: &'a str,
    scopes: Vec<Scope>,
    /// Names of WITH that are in sight, innermost last.
    ctes: Vec<(String, Columns)>,
}

/// What one SELECT sees.
#[derive(Clone, Default)]
struct Scope {
    relations: Vec<Relation>,
    /// Names the SELECT gives to its results; ORDER BY and GROUP BY may use them.
    aliases: Vec<String>,
}

#[derive(Clone)]
struct Relation {
    database: Option<String>,
    /// Alias or table name; empty for results without a name.
    name: String,
    columns: Columns,
}

impl<'a> Names<'a> {
    pub(crate) fn new(catalog: &'a Catalog, database: &'a str) -> Names<'a> {
        Names { catalog, database, scopes: Vec::new(), ctes: Vec::new() }
    }

    /// Replaces the names of a query or an EXPLAIN.
    ///
    /// # Errors
    /// `database_not_found` or `table_not_found`, with the nearest names as hint.
    pub(crate) fn resolve_statement(&mut self, statement: &mut Statement) -> Result<()> {
        match statement {
            Statement::Query(query) => self.resolve_query(query),
            Statement::Explain { statement, .. } => self.resolve_statement(statement),
            _ => Ok(()),
        }
    }

    /// Replaces the names of a query.
    ///
    /// # Errors
    /// `database_not_found` or `table_not_found`, with the nearest names as hint.
    pub(crate) fn resolve_query(&mut self, query: &mut Query) -> Result<()> {
        self.query(query).map(drop)
    }

    /// The database an identifier means.
    ///
    /// # Errors
    /// `database_not_found`, with the nearest names as hint.
    pub(crate) fn database(&self, ident: &Ident) -> Result<Name> {
        let names: Vec<&Name> = self.catalog.databases().map(|database| &database.name).collect();
        match find_name(names.iter().map(|name| name.as_str()), ident) {
            Some(index) => Ok(names[index].clone()),
            None => self.catalog.database(&ident.value).map(|database| database.name.clone()),
        }
    }

    /// The table a name of one or two parts means, with its database.
    ///
    /// # Errors
    /// `database_not_found` or `table_not_found`, with the nearest names as hint.
    pub(crate) fn table(&self, name: &ObjectName) -> Result<(Name, Arc<TableSchema>)> {
        let (database, table) = split(name)?;
        let database = match database {
            Some(ident) => self.database(ident)?,
            None => self.catalog.database(self.database)?.name.clone(),
        };
        let tables = &self.catalog.database(&database)?.tables;
        let schema = match find_name(tables.keys().map(Name::as_str), table) {
            Some(index) => {
                let exact = tables.keys().nth(index).map_or("", Name::as_str);
                self.catalog.table(&database, exact)?
            }
            None => self.catalog.table(&database, &table.value)?,
        };
        Ok((database, schema))
    }

    fn query(&mut self, query: &mut Query) -> Result<Columns> {
        let outer_ctes = self.ctes.len();
        if let Some(with) = &mut query.with {
            let recursive = with.recursive;
            for cte in &mut with.cte_tables {
                let name = cte.alias.name.value.clone();
                if recursive {
                    self.ctes.push((name.clone(), alias_columns(&cte.alias)));
                }
                let columns = self.query(&mut cte.query)?;
                let columns = alias_columns(&cte.alias).or(columns);
                self.ctes.push((name, columns));
            }
        }
        let (columns, scope) = self.set_expr(&mut query.body)?;
        self.scopes.push(scope);
        let rest = self
            .expressions(&mut query.order_by)
            .and_then(|()| self.expressions(&mut query.limit_clause))
            .and_then(|()| self.expressions(&mut query.fetch));
        self.scopes.pop();
        self.ctes.truncate(outer_ctes);
        rest.map(|()| columns)
    }

    fn set_expr(&mut self, body: &mut SetExpr) -> Result<(Columns, Scope)> {
        let columns = match body {
            SetExpr::Select(select) => return self.select(select),
            SetExpr::Query(query) => self.query(query)?,
            SetExpr::SetOperation { left, right, .. } => {
                let (columns, _) = self.set_expr(left)?;
                self.set_expr(right)?;
                columns
            }
            SetExpr::Values(values) => {
                self.expressions(values)?;
                let width = values.rows.first().map_or(0, |row| row.content.len());
                Some((1..=width).map(|i| format!("column{i}")).collect())
            }
            _ => None,
        };
        let result = Relation { database: None, name: String::new(), columns: columns.clone() };
        Ok((columns, Scope { relations: vec![result], aliases: Vec::new() }))
    }

    fn select(&mut self, select: &mut Select) -> Result<(Columns, Scope)> {
        self.scopes.push(Scope::default());
        let outcome = self.select_inside(select);
        let scope = self.scopes.pop().unwrap_or_default();
        outcome.map(|columns| (columns, scope))
    }

    /// The parts of a SELECT, with its scope on top of the stack.
    fn select_inside(&mut self, select: &mut Select) -> Result<Columns> {
        for table in &mut select.from {
            self.joined(table)?;
        }
        for item in &mut select.projection {
            self.wildcard(item);
            name_cast(item);
        }
        self.expressions(&mut select.projection)?;
        self.expressions(&mut select.distinct)?;
        self.expressions(&mut select.selection)?;
        // Only what follows may use the names that the SELECT gives.
        let aliases = select.projection.iter().filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        });
        let aliases = aliases.collect();
        if let Some(scope) = self.scopes.last_mut() {
            scope.aliases = aliases;
        }
        self.expressions(&mut select.group_by)?;
        self.expressions(&mut select.having)?;
        self.expressions(&mut select.named_window)?;
        self.expressions(&mut select.qualify)?;
        self.expressions(&mut select.sort_by)?;
        Ok(self.result_columns(&select.projection))
    }

    fn joined(&mut self, table: &mut TableWithJoins) -> Result<()> {
        self.factor(&mut table.relation)?;
        for join in &mut table.joins {
            self.factor(&mut join.relation)?;
            if let Some(JoinConstraint::Using(names)) = constraint(&mut join.join_operator) {
                names.iter_mut().for_each(|name| self.column_of_object(name));
            }
            self.expressions(&mut join.join_operator)?;
        }
        Ok(())
    }

    /// Adds what a table factor brings to the scope on top of the stack.
    fn factor(&mut self, factor: &mut TableFactor) -> Result<()> {
        let relation = match factor {
            TableFactor::Table { name, alias, args: None, .. } => self.plain_table(name, alias)?,
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                self.expressions(args)?;
                let name = name.0.last().and_then(ObjectNamePart::as_ident);
                let name = name.map(|ident| ident.value.clone()).unwrap_or_default();
                aliased(alias, Relation { database: None, name, columns: None })
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let columns = self.query(subquery)?;
                aliased(alias, Relation { database: None, name: String::new(), columns })
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                self.joined(table_with_joins)?;
                let Some(alias) = alias else { return Ok(()) };
                Relation { database: None, name: alias.name.value.clone(), columns: None }
            }
            TableFactor::UNNEST { alias, array_exprs, .. } => {
                self.expressions(array_exprs)?;
                aliased(alias, Relation { database: None, name: String::new(), columns: None })
            }
            other => {
                self.expressions(other)?;
                Relation { database: None, name: String::new(), columns: None }
            }
        };
        if let Some(scope) = self.scopes.last_mut() {
            scope.relations.push(relation);
        }
        Ok(())
    }

    fn plain_table(&self, name: &mut ObjectName, alias: &Option<TableAlias>) -> Result<Relation> {
        if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() {
            let found = find_name(self.ctes.iter().rev().map(|(name, _)| name.as_str()), ident);
            if let Some((cte, columns)) = found.and_then(|i| self.ctes.iter().rev().nth(i)) {
                replace(ident, cte);
                let relation =
                    Relation { database: None, name: cte.clone(), columns: columns.clone() };
                return Ok(aliased(alias, relation));
            }
        }
        if let Some(relation) = information_schema(name)? {
            return Ok(aliased(alias, relation));
        }
        let (database, schema) = self.table(name)?;
        let parts: Vec<&mut Ident> = name
            .0
            .iter_mut()
            .filter_map(|part| match part {
                ObjectNamePart::Identifier(ident) => Some(ident),
                ObjectNamePart::Function(_) => None,
            })
            .collect();
        match parts.into_iter().rev().collect::<Vec<_>>().as_mut_slice() {
            [table] => replace(table, &schema.name),
            [table, owner, ..] => {
                replace(table, &schema.name);
                replace(owner, &database);
            }
            [] => {}
        }
        let columns = schema.columns.iter().map(|column| column.name.to_string()).collect();
        let name = schema.name.to_string();
        let relation =
            Relation { database: Some(database.to_string()), name, columns: Some(columns) };
        Ok(aliased(alias, relation))
    }

    /// Names inside `T.*` and `* EXCLUDE (…)`.
    fn wildcard(&self, item: &mut SelectItem) {
        let options = match item {
            SelectItem::Wildcard(options) => options,
            SelectItem::QualifiedWildcard(kind, options) => {
                if let SelectItemQualifiedWildcardKind::ObjectName(name) = kind
                    && let Some(ObjectNamePart::Identifier(ident)) = name.0.last_mut()
                    && let Some(relation) = self.relation(ident)
                {
                    let name = relation.name.clone();
                    replace(ident, &name);
                }
                options
            }
            _ => return,
        };
        let WildcardAdditionalOptions { opt_exclude, opt_except, .. } = options;
        match opt_exclude {
            Some(ExcludeSelectItem::Single(name)) => self.column_of_object(name),
            Some(ExcludeSelectItem::Multiple(names)) => {
                names.iter_mut().for_each(|name| self.column_of_object(name));
            }
            None => {}
        }
        if let Some(except) = opt_except {
            self.column(&mut except.first_element);
            except.additional_elements.iter_mut().for_each(|ident| self.column(ident));
        }
    }

    fn column_of_object(&self, name: &mut ObjectName) {
        if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() {
            self.column(ident);
        }
    }

    fn result_columns(&self, projection: &[SelectItem]) -> Columns {
        let mut columns = Vec::new();
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(Expr::Identifier(ident)) => {
                    columns.push(ident.value.clone())
                }
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                    columns.extend(parts.last().map(|ident| ident.value.clone()));
                }
                SelectItem::UnnamedExpr(other) => columns.push(other.to_string()),
                SelectItem::ExprWithAlias { alias, .. } => columns.push(alias.value.clone()),
                SelectItem::ExprWithAliases { .. } => return None,
                SelectItem::QualifiedWildcard(_, _) | SelectItem::Wildcard(_) => {
                    for relation in &self.scopes.last()?.relations {
                        columns.extend(relation.columns.clone()?);
                    }
                }
            }
        }
        Some(columns)
    }

    /// Replaces the names in every expression of a part of the tree.
    fn expressions<P: VisitMut>(&mut self, part: &mut P) -> Result<()> {
        match part.visit(&mut Expressions { names: self, depth: 0 }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }

    /// The relation that `ident` qualifies with, innermost scope first.
    fn relation(&self, ident: &Ident) -> Option<&Relation> {
        self.scopes.iter().rev().find_map(|scope| {
            let names = scope.relations.iter().map(|relation| relation.name.as_str());
            find_name(names, ident).map(|index| &scope.relations[index])
        })
    }

    /// Replaces an unqualified column name.
    fn column(&self, ident: &mut Ident) {
        if ident.quote_style.is_some() {
            return;
        }
        for scope in self.scopes.iter().rev() {
            let columns = scope.relations.iter().filter_map(|r| r.columns.as_ref()).flatten();
            let columns: Vec<&str> = columns.map(String::as_str).collect();
            if columns.contains(&ident.value.as_str()) {
                return;
            }
            let aliases: Vec<&str> = scope.aliases.iter().map(String::as_str).collect();
            for names in [aliases, columns] {
                if let Some(index) = find_name(names.iter().copied(), ident) {
                    return replace(ident, names[index]);
                }
            }
        }
    }

    /// Replaces `relation.column`, `database.table.column` or `column.member`.
    fn qualified(&self, parts: &mut [Ident]) {
        let (qualifier, rest) = match parts {
            [database, table, column, ..] if self.is_database_of(database, table) => {
                if let Ok(name) = self.database(database) {
                    replace(database, &name);
                }
                (table, column)
            }
            [table, column, ..] => (table, column),
            _ => return,
        };
        let Some(relation) = self.relation(qualifier) else { return self.column(qualifier) };
        let (name, columns) = (relation.name.clone(), relation.columns.clone());
        replace(qualifier, &name);
        if let Some(columns) = columns
            && let Some(index) = find_name(columns.iter().map(String::as_str), rest)
        {
            replace(rest, &columns[index]);
        }
    }

    fn is_database_of(&self, database: &Ident, table: &Ident) -> bool {
        let owner = self.relation(table).and_then(|relation| relation.database.as_deref());
        owner.is_some_and(|owner| find_name(std::iter::once(owner), database).is_some())
    }
}

/// The column of a table that an identifier means.
///
/// # Errors
/// `sql_invalid`, with the nearest names as hint.
pub(crate) fn find_column<'s>(
    schema: &'s TableSchema,
    ident: &Ident,
) -> Result<&'s pulsora_model::Column> {
    let names = || schema.columns.iter().map(|column| column.name.as_str());
    match find_name(names(), ident) {
        Some(index) => Ok(&schema.columns[index]),
        None => Err(crate::error::unknown_column(&ident.value, names())),
    }
}

/// The index of the name that an identifier means: exactly, else without regard to case if it is not
/// quoted and all such names are one.
fn find_name<'n>(names: impl Iterator<Item = &'n str> + Clone, ident: &Ident) -> Option<usize> {
    if let Some(exact) = names.clone().position(|name| name == ident.value) {
        return Some(exact);
    }
    if ident.quote_style.is_some() {
        return None;
    }
    let wanted = ident.value.to_lowercase();
    let mut near = names.enumerate().filter(|(_, name)| name.to_lowercase() == wanted);
    let (index, first) = near.next()?;
    near.all(|(_, name)| name == first).then_some(index)
}

fn replace(ident: &mut Ident, name: &str) {
    if ident.value != name {
        ident.value = name.to_owned();
        ident.quote_style = Some('"');
    }
}

/// `table`, `database.table` or `pulsora.database.table`.
fn split(name: &ObjectName) -> Result<(Option<&Ident>, &Ident)> {
    let idents: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
    match idents.as_slice() {
        [table] => Ok((None, table)),
        [database, table] => Ok((Some(database), table)),
        [catalog, database, table] if catalog.value == crate::catalog::CATALOG => {
            Ok((Some(database), table))
        }
        _ => Err(Error::new(Code::SqlInvalid, format!("{name} is not the name of a table"))
            .hint("write table or database.table")),
    }
}

/// The catalogue's views have lower-case names and columns that the planner knows.
fn information_schema(name: &mut ObjectName) -> Result<Option<Relation>> {
    let [.., ObjectNamePart::Identifier(owner), ObjectNamePart::Identifier(view)] =
        name.0.as_mut_slice()
    else {
        return Ok(None);
    };
    if !owner.value.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
        return Ok(None);
    }
    let lower = view.value.to_lowercase();
    let Some(columns) = information_schema_columns(&lower) else {
        let message = format!("table {lower:?} does not exist in {INFORMATION_SCHEMA}");
        return Err(Error::new(Code::TableNotFound, message)
            .hint(format!("there are {}", information_schema_views().join(", "))));
    };
    replace(owner, INFORMATION_SCHEMA);
    replace(view, &lower);
    let columns = Some(columns.iter().map(|column| (*column).to_owned()).collect());
    Ok(Some(Relation { database: Some(INFORMATION_SCHEMA.into()), name: lower, columns }))
}

fn alias_columns(alias: &TableAlias) -> Columns {
    (!alias.columns.is_empty())
        .then(|| alias.columns.iter().map(|column| column.name.value.clone()).collect())
}

/// Gives a conversion its text as name: the planner would call it like what it converts, and refuse both in one SELECT.
fn name_cast(item: &mut SelectItem) {
    if let SelectItem::UnnamedExpr(expr @ Expr::Cast { .. }) = item {
        let alias = Ident::with_quote('"', expr.to_string());
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
}

fn aliased(alias: &Option<TableAlias>, relation: Relation) -> Relation {
    let Some(alias) = alias else { return relation };
    let columns = alias_columns(alias).or(relation.columns);
    Relation { database: None, name: alias.name.value.clone(), columns }
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(c)
        | JoinOperator::Inner(c)
        | JoinOperator::Left(c)
        | JoinOperator::LeftOuter(c)
        | JoinOperator::Right(c)
        | JoinOperator::RightOuter(c)
        | JoinOperator::FullOuter(c)
        | JoinOperator::CrossJoin(c)
        | JoinOperator::Semi(c)
        | JoinOperator::LeftSemi(c)
        | JoinOperator::RightSemi(c)
        | JoinOperator::Anti(c)
        | JoinOperator::LeftAnti(c)
        | JoinOperator::RightAnti(c) => Some(c),
        _ => None,
    }
}

/// Visits the expressions of one scope; queries inside them open scopes of their own.
struct Expressions<'n, 'a> {
    names: &'n mut Names<'a>,
    /// Queries the visitor is inside of; those were resolved when they were entered.
    depth: usize,
}

impl VisitorMut for Expressions<'_, '_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let outcome = if self.depth == 0 { self.names.resolve_query(query) } else { Ok(()) };
        self.depth += 1;
        match outcome {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if self.depth == 0 {
            match expr {
                Expr::Identifier(ident) => self.names.column(ident),
                Expr::CompoundIdentifier(parts) => self.names.qualified(parts),
                // The planner has no integer division of its own; `/` of integers is one.
                Expr::BinaryOp { op, .. } if *op == BinaryOperator::DuckIntegerDivide => {
                    *op = BinaryOperator::Divide;
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}
