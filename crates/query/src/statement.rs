//! Answers one statement in its slot.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Volatility};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SQLOptions;
use datafusion::sql::parser::Statement as PlannerStatement;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;
use futures::StreamExt;
use pulsora_model::{Code, Error, Name, Result, Sequence, TableOptions, TableSchema, TableWrite};
use pulsora_storage::{Command, Engine, Snapshot, WriteRequest};
use tokio::time::Instant;

use crate::alter::{not_a_database, plain_ident};
use crate::answers;
use crate::cache::{Answer, Answers, Fill, keep, key};
use crate::catalog::Moment;
use crate::error::from_datafusion;
use crate::insert::InsertTarget;
use crate::options::INSERT_ROWS;
use crate::plans::{Key, Plans, Template, Terms, is_fold};
use crate::queries::{CacheUse, Query};
use crate::request::{Caching, Planning, SqlRequest, SqlResult, StatementKind};
use crate::run::{BatchStream, READY_BATCHES, Slot, Threads, drive, ready, watched};
use crate::session::Sessions;
use crate::sql::{INFORMATION_SCHEMA, Names, Statement, bind, calls, find_column, parse};

/// What every statement needs.
pub(crate) struct Core {
    pub(crate) engine: Engine,
    pub(crate) sessions: Sessions,
    pub(crate) plans: Plans,
    pub(crate) answers: Arc<Answers>,
    pub(crate) rows_max: Option<usize>,
}

/// What one statement needs beyond [`Core`].
pub(crate) struct Call {
    pub(crate) request: SqlRequest,
    pub(crate) query: Arc<Query>,
    pub(crate) slot: Slot,
    pub(crate) threads: Threads,
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// Where the answer may be kept.
    pub(crate) cache_key: Option<String>,
}

/// A plan over one moment, ready to run.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    moment: Arc<Moment>,
    /// Whether it is the same at any time.
    timeless: bool,
}

impl Core {
    /// Where the answer of a statement is kept, if it may be.
    pub(crate) fn cache_key(
        &self,
        request: &SqlRequest,
        tokens: &[TokenWithSpan],
    ) -> Option<String> {
        let wanted = self.answers.is_on() && request.caching == Caching::Used;
        wanted.then(|| key(request, self.limit(request), tokens)).flatten()
    }

    /// The answer that is kept under a key, if it is what the statement would answer now.
    pub(crate) fn answered_before(&self, query: &Arc<Query>, key: &str) -> Option<SqlResult> {
        let snapshot = self.engine.snapshot();
        let answer = self.answers.find(key, &snapshot)?;
        query.set_cache(CacheUse::Hit);
        query.needs_no_slot();
        let Answer { schema, batches, .. } = answer.as_ref();
        let batches = batches.clone().into_iter().map(Ok);
        Some(SqlResult {
            schema: Arc::clone(schema),
            batches: Box::pin(futures::stream::iter(batches)),
            visible: snapshot.sequence(),
            counters: Arc::clone(query.counters()),
            kind: StatementKind::Query,
            query: Arc::clone(query),
        })
    }

    /// Throws out kept answers of tables that have changed.
    pub(crate) fn drop_outdated(&self) {
        if self.answers.is_on() {
            self.answers.drop_outdated(&self.engine.snapshot());
        }
    }

    pub(crate) async fn answer(&self, mut call: Call) -> Result<SqlResult> {
        let tokens = std::mem::take(&mut call.tokens);
        let key = match call.request.planning {
            Planning::Reused => Key::of(&call.request, self.limit(&call.request), &tokens),
            Planning::Fresh => None,
        };
        if let Some(planned) = key.as_ref().and_then(|key| self.planned_before(&call, key)) {
            return self.run(call, planned).await;
        }
        let statement = parse(&call.request.sql, tokens)?;
        if !matches!(statement, Statement::Query(_) | Statement::Insert(_) | Statement::Rows(_))
            && !call.request.params.is_empty()
        {
            return Err(Error::new(Code::SqlInvalid, "this statement takes no params"));
        }
        match statement {
            Statement::Query(query) => self.query(call, query, key).await,
            Statement::Insert(insert) => self.insert(call, *insert).await,
            Statement::ShowDatabases | Statement::ShowTables(_) | Statement::Describe(_) => {
                self.show(&call, &statement)
            }
            Statement::CreateDatabase { name, if_not_exists } => {
                let name = database_name(&name)?;
                let command = Command::CreateDatabase { name, if_not_exists };
                self.change(call, command, "created", "exists already").await
            }
            Statement::CreateTable(create) => {
                let (database, name) = self.new_names(&call.request.database, &create.name)?;
                let table = crate::sql::new_table(&create, name)?;
                let if_not_exists = create.if_not_exists;
                let command = Command::CreateTable { database, table, if_not_exists };
                self.change(call, command, "created", "exists already").await
            }
            Statement::DropTable { name, if_exists } => {
                self.drop_table(call, &name, if_exists).await
            }
            Statement::DropDatabase { name, if_exists } => {
                self.drop_database(call, &name, if_exists).await
            }
            Statement::Rows(statement) => self.correct(call, &statement).await,
            Statement::Truncate { name, if_exists } => self.truncate(call, &name, if_exists).await,
            Statement::AlterTable(alter) => self.alter_table(call, &alter).await,
            Statement::AlterDatabase(alter) => self.alter_database(call, &alter).await,
        }
    }

    /// The plan of a statement like an earlier one, over this moment's rows.
    fn planned_before(&self, call: &Call, key: &Key) -> Option<Planned> {
        let planned = self.plans.find(key).and_then(|template| {
            let moment = Arc::new(Moment::new(self.engine.snapshot(), &call.query));
            let plan = template.fill(key, Arc::clone(&moment))?;
            Some(Planned { plan, moment, timeless: true })
        });
        self.plans.count(planned.is_some());
        planned
    }

    async fn query(
        &self,
        call: Call,
        mut query: Box<ast::Statement>,
        key: Option<Key>,
    ) -> Result<SqlResult> {
        let snapshot = self.engine.snapshot();
        let mut names = Names::new(snapshot.catalog(), &call.request.database);
        let terms = key.and_then(|key| Some((Terms::of(&query, &key, &names)?, key)));
        bind(&mut *query, &call.request.params)?;
        names.resolve_statement(&mut query)?;
        let catalog = Arc::clone(snapshot.catalog());
        let planned = self.plan(&call, snapshot, *query, self.limit(&call.request)).await?;
        if let (Some((terms, key)), true) = (terms, planned.timeless)
            && let Some(template) = Template::of(&planned.plan, &key, terms, &catalog)
        {
            self.plans.keep(key, template);
        }
        self.run(call, planned).await
    }

    /// Starts a plan. A fold has its rows all at once: if they are few, they are the answer.
    async fn run(&self, mut call: Call, planned: Planned) -> Result<SqlResult> {
        let Planned { plan, moment, timeless } = planned;
        let fill = call.cache_key.take().filter(|_| timeless);
        let fill = fill.and_then(|key| self.fill(&call.query, key, &moment));
        let at_once = is_fold(&plan);
        let plan = watched(plan, moment.flag()).map_err(|error| from_datafusion(&error))?;
        let stream = execute_stream(plan, self.sessions.running(&call.query));
        let stream = stream.map_err(|error| from_datafusion(&error))?;
        let schema = stream.schema();
        let batches = stream.map(|batch| batch.map_err(|error| from_datafusion(&error)));
        let mut batches: BatchStream = match fill {
            Some(fill) => keep(fill, &schema, Box::pin(batches)),
            None => Box::pin(batches),
        };
        let mut first = Vec::new();
        let mut ended = false;
        while at_once && !ended && first.len() < READY_BATCHES {
            match batches.next().await {
                Some(batch) => first.push(batch?),
                None => ended = true,
            }
        }
        first.retain(|batch| batch.num_rows() > 0);
        let first = futures::stream::iter(first.into_iter().map(Ok));
        let batches: BatchStream = match ended {
            true => Box::pin(first),
            false => drive(&call.threads, call.slot, &call.query, first.chain(batches)),
        };
        let (visible, kind) = (moment.snapshot.sequence(), StatementKind::Query);
        let (counters, query) = (Arc::clone(call.query.counters()), call.query);
        Ok(SqlResult { schema, batches, visible, counters, kind, query })
    }

    /// Where the answer of a query is to be kept, which was not there; `None` where it depends on more than can be
    /// stamped.
    fn fill(&self, query: &Query, key: String, moment: &Moment) -> Option<Fill> {
        let stamps = moment.stamps()?;
        self.answers.missed();
        query.set_cache(CacheUse::Miss);
        Some(Fill { answers: Arc::clone(&self.answers), key, stamps })
    }

    fn limit(&self, request: &SqlRequest) -> Option<usize> {
        [request.limit, self.rows_max].into_iter().flatten().min()
    }

    /// Plans a query whose names are resolved.
    async fn plan(
        &self,
        call: &Call,
        snapshot: Snapshot,
        query: ast::Statement,
        limit: Option<usize>,
    ) -> Result<Planned> {
        let began = Instant::now();
        let moment = Arc::new(Moment::new(snapshot, &call.query));
        let (database, folds) = (&call.request.database, call.request.folds);
        let state = self.sessions.open(Arc::clone(&moment), database, folds);
        let planned = plan_query(&state, query, limit).await;
        let (plan, timeless) = planned.map_err(|error| from_datafusion(&error))?;
        call.query.was_planned(began.elapsed());
        Ok(Planned { plan, moment, timeless })
    }

    fn show(&self, call: &Call, statement: &Statement) -> Result<SqlResult> {
        let snapshot = self.engine.snapshot();
        let catalog = snapshot.catalog();
        let names = Names::new(catalog, &call.request.database);
        let batch = match statement {
            Statement::ShowTables(database) => {
                let database = match database {
                    Some(ident) => names.database(ident)?,
                    None => catalog.database(&call.request.database)?.name.clone(),
                };
                answers::tables(&self.engine, catalog.database(&database)?)?
            }
            Statement::Describe(table) => answers::describe(&names.table(table)?.1)?,
            _ => answers::databases(catalog.databases())?,
        };
        Ok(answer(batch, snapshot.sequence(), call, StatementKind::Show))
    }

    pub(crate) async fn change(
        &self,
        call: Call,
        command: Command,
        done: &str,
        not_done: &str,
    ) -> Result<SqlResult> {
        let receipt = self.engine.execute(command).await?;
        let status = answers::status(if receipt.changed { done } else { not_done })?;
        Ok(answer(status, receipt.sequence, &call, StatementKind::Change))
    }

    async fn drop_table(
        &self,
        call: Call,
        name: &ast::ObjectName,
        if_exists: bool,
    ) -> Result<SqlResult> {
        let Some((database, schema)) = self.named(&call, name, if_exists)? else {
            return self.nothing_to_do(&call, "does not exist");
        };
        let command = Command::DropTable { database, table: schema.name.clone(), if_exists };
        self.change(call, command, "dropped", "does not exist").await
    }

    /// Database and name of a table that may not exist yet. A database that does not exist is made
    /// with its table.
    fn new_names(&self, database: &str, name: &ast::ObjectName) -> Result<(Name, Name)> {
        let idents: Vec<&ast::Ident> =
            name.0.iter().filter_map(ast::ObjectNamePart::as_ident).collect();
        let catalog = self.engine.catalog();
        let names = Names::new(&catalog, database);
        let (owner, table) = match idents.as_slice() {
            [table] => (Name::new(database)?, table),
            [owner, table] => match names.database(owner) {
                Ok(owner) => (owner, table),
                Err(_) => (Name::new(&owner.value)?, table),
            },
            _ => {
                return Err(Error::new(
                    Code::SqlInvalid,
                    format!("{name} is not the name of a table"),
                )
                .hint("write table or database.table"));
            }
        };
        Ok((reserved(owner)?, Name::new(&table.value)?))
    }

    async fn insert(&self, call: Call, insert: ast::Insert) -> Result<SqlResult> {
        let snapshot = self.engine.snapshot();
        let (table, columns, mut query) = insert_parts(insert)?;
        bind(&mut query, &call.request.params)?;
        let mut names = Names::new(snapshot.catalog(), &call.request.database);
        let (database, schema) = names.table(&table)?;
        names.resolve_query(&mut query)?;
        let named = columns.iter().map(|ident| find_column(&schema, ident));
        let named = named.collect::<Result<Vec<_>>>()?;
        InsertTarget::keep_unsigned(&schema, &named, &mut query);
        let statement = ast::Statement::Query(Box::new(query));
        let sequence = snapshot.sequence();
        let Planned { plan, moment, .. } = self.plan(&call, snapshot, statement, None).await?;
        let plan = watched(plan, moment.flag()).map_err(|error| from_datafusion(&error))?;
        drop(moment);
        let rows = execute_stream(plan, self.sessions.running(&call.query));
        let mut rows = rows.map_err(|error| from_datafusion(&error))?;
        let target = InsertTarget::new(Arc::clone(&schema), &named, rows.schema().fields().len())?;
        let mut insertion = Insertion {
            core: self,
            call: &call,
            database,
            schema: &schema,
            target,
            pending: Vec::new(),
            pending_rows: 0,
            stored: 0,
            sequence,
        };
        while let Some(batch) = rows.next().await {
            let stored = insertion.stored;
            let added = match batch {
                Ok(batch) => insertion.add(batch).await,
                Err(error) => Err(from_datafusion(&error)),
            };
            added.map_err(|error| with_stored(error, stored))?;
        }
        let stored = insertion.stored;
        insertion.store().await.map_err(|error| with_stored(error, stored))?;
        let (stored, sequence) = (insertion.stored, insertion.sequence);
        Ok(answer(answers::count(stored)?, sequence, &call, StatementKind::Insert))
    }
}

/// Rows of an INSERT on their way into the table.
struct Insertion<'a> {
    core: &'a Core,
    call: &'a Call,
    database: Name,
    schema: &'a Arc<TableSchema>,
    target: InsertTarget,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    stored: u64,
    sequence: Sequence,
}

impl Insertion<'_> {
    async fn add(&mut self, batch: RecordBatch) -> Result<()> {
        let mut offset = 0;
        while offset < batch.num_rows() {
            let rows = (batch.num_rows() - offset).min(INSERT_ROWS - self.pending_rows);
            self.pending.push(batch.slice(offset, rows));
            self.pending_rows += rows;
            offset += rows;
            if self.pending_rows == INSERT_ROWS {
                self.store().await?;
            }
        }
        Ok(())
    }

    /// Stores the pending rows in one request.
    async fn store(&mut self) -> Result<()> {
        if self.pending_rows == 0 {
            return Ok(());
        }
        let batch = self.target.batch(&self.pending, self.stored + 1)?;
        self.pending.clear();
        self.pending_rows = 0;
        let _room = self.core.engine.room(batch.size_bytes() as u64).await?;
        let request = WriteRequest {
            key: None,
            database: self.database.clone(),
            tables: vec![TableWrite {
                table: self.schema.name.clone(),
                options: TableOptions::default(),
                schema_version: Some(self.schema.version),
                batch,
            }],
            durability: self.call.request.durability,
        };
        let receipt = self.core.engine.write(request).await?;
        self.stored += receipt.rows;
        self.sequence = receipt.sequence;
        Ok(())
    }
}

/// Says how many rows of the statement are stored all the same, if some are.
fn with_stored(error: Error, rows: u64) -> Error {
    if rows == 0 { error } else { error.written(rows) }
}

async fn plan_query(
    state: &SessionState,
    query: ast::Statement,
    limit: Option<usize>,
) -> datafusion::common::Result<(Arc<dyn ExecutionPlan>, bool)> {
    let certain = calls(&query).iter().all(|name| is_certain(state, name));
    let plan = state.statement_to_plan(PlannerStatement::Statement(Box::new(query))).await?;
    // The statement was allowed by its kind; this guards against what might hide inside.
    let allowed =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    allowed.verify_plan(&plan)?;
    let is_query = !matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
    let plan = match limit {
        Some(limit) if is_query => LogicalPlanBuilder::from(plan).limit(0, Some(limit))?.build()?,
        _ => plan,
    };
    let timeless = certain && is_timeless(&plan)?;
    Ok((state.create_physical_plan(&plan).await?, timeless))
}

/// Whether a function of this name, if it is one of values, depends on nothing but its arguments.
fn is_certain(state: &SessionState, name: &str) -> bool {
    let function = state.scalar_functions().get(name);
    function.is_none_or(|function| function.signature().volatility == Volatility::Immutable)
}

/// Whether planning evaluates no function whose value depends on the moment, such as `now()`.
fn is_timeless(plan: &LogicalPlan) -> datafusion::common::Result<bool> {
    let mut timeless = true;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(call) = expr {
                    timeless &= call.func.signature().volatility == Volatility::Immutable;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(timeless)
}

pub(crate) fn answer(
    batch: RecordBatch,
    visible: Sequence,
    call: &Call,
    kind: StatementKind,
) -> SqlResult {
    let (schema, query) = (batch.schema(), Arc::clone(&call.query));
    let counters = Arc::clone(query.counters());
    SqlResult { schema, batches: ready(batch), visible, counters, kind, query }
}

fn database_name(name: &ast::ObjectName) -> Result<Name> {
    let ident = plain_ident(name).ok_or_else(|| not_a_database(name))?;
    reserved(Name::new(&ident.value)?)
}

/// The catalogue's own views have a name that no database can have.
fn reserved(name: Name) -> Result<Name> {
    if name.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
        let message = format!("the name {INFORMATION_SCHEMA} is taken by the catalogue's views");
        return Err(Error::new(Code::AlreadyExists, message).hint("use another name"));
    }
    Ok(name)
}

/// Table, columns and rows of a plain INSERT.
fn insert_parts(insert: ast::Insert) -> Result<(ast::ObjectName, Vec<ast::Ident>, ast::Query)> {
    let refuse = |what: &str, hint: &str| {
        Error::new(Code::StatementRefused, format!("{what} is not allowed here")).hint(hint)
    };
    if insert.on.is_some() || insert.or.is_some() || insert.replace_into || insert.ignore {
        return Err(refuse(
            "INSERT with ON CONFLICT, OR or IGNORE",
            "upsert tables keep the last value per tags and time: CREATE TABLE … WITH (mode = 'upsert')",
        ));
    }
    if insert.overwrite || insert.partitioned.is_some() || insert.returning.is_some() {
        return Err(refuse(
            "INSERT with OVERWRITE, PARTITION or RETURNING",
            "use INSERT INTO table (columns) VALUES … or SELECT …",
        ));
    }
    let ast::TableObject::TableName(table) = insert.table else {
        return Err(refuse("INSERT into a function", "name a table"));
    };
    let query = insert.source.ok_or_else(|| {
        Error::new(Code::SqlInvalid, "the INSERT has no rows").hint("add VALUES … or SELECT …")
    })?;
    let mut columns = Vec::new();
    for column in insert.columns {
        match column.0.as_slice() {
            [ast::ObjectNamePart::Identifier(ident)] => columns.push(ident.clone()),
            _ => {
                let message = format!("{column} is not the name of a column");
                return Err(Error::new(Code::SqlInvalid, message));
            }
        }
    }
    Ok((table, columns, *query))
}
