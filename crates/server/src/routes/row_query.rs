//! §2: rows of a table, straight from a scan.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures::StreamExt;
use pulsora_model::limits::ROWS_DEFAULT;
use pulsora_model::name::nearest;
use pulsora_model::{Code, ColumnId, ColumnKind, Error, Result, TableSchema};
use pulsora_query::{CancelFlag, Ticket};
use pulsora_storage::{Order, Scan, ScanCounters, Snapshot, TagPredicate};
use pulsora_wire::results::{
    Nonfinite, ResultFormat, ResultOptions, Summary, TimeStyle, rows_writer,
};

use crate::answer::{MORE, NEXT, VISIBLE, of_query, with_query, with_sequence};
use crate::context::{Context, Figures, PathName};
use crate::error::HttpResult;
use crate::metrics::QueryKind;
use crate::params::Params;
use crate::row_pages::{Cursor, Page};
use crate::stream::{Answer, HELD_BYTES, hold, queried, respond, took};
use crate::time_param::time_range;

const PARAMETERS: &[&str] = &[
    "start",
    "end",
    "limit",
    "offset",
    "order",
    "columns",
    "tags",
    "cursor",
    "format",
    "times",
    "nonfinite",
    "priority",
];

/// Rows up to which a page is made in one go on a thread of the pool: two thread changes in all.
/// More rows stream.
const ONE_GO_ROWS: usize = 20_000;

/// A page as it was asked for.
#[derive(Clone)]
struct Query {
    scan: Scan,
    skip: u64,
    limit: u64,
    /// Columns of the answer: the first of the scanned ones.
    columns: usize,
    /// Position of the time column among the scanned ones.
    time_column: usize,
}

impl Query {
    fn page(&self) -> Page {
        Page::new(self.skip, self.limit, self.time_column, self.scan.order)
    }
}

/// `GET /tables/{t}/query`.
pub async fn query(context: Context, PathName(table): PathName) -> HttpResult {
    context.params.only(PARAMETERS)?;
    let (format, options) = (format_of(&context)?, result_options(&context)?);
    let snapshot = context.running.engine.snapshot();
    let schema = snapshot.table(&context.database()?, &table)?;
    let query = read(&context.params, &schema, context.app.config.query.max_rows)?;
    let visible = snapshot.sequence();
    let about = context.about("rows", &context.uri.to_string(), None)?;
    let ticket = context.running.queries.open(about);
    let listed = Arc::clone(ticket.query());
    let outcome = page(&context, ticket, snapshot, query, Form { format, options }).await;
    let outcome = outcome.map(|response| with_sequence(response, VISIBLE, visible));
    Ok(of_query(outcome, &listed))
}

/// What an answer looks like.
#[derive(Clone, Copy)]
struct Form {
    format: ResultFormat,
    options: ResultOptions,
}

async fn page(
    context: &Context,
    ticket: Ticket,
    snapshot: Snapshot,
    query: Query,
    form: Form,
) -> HttpResult {
    if query.page().wanted() <= ONE_GO_ROWS
        && let Some(response) = in_one_go(context, &ticket, &snapshot, &query, form).await?
    {
        return Ok(response);
    }
    Ok(streamed(context, ticket, snapshot, query, form).await?)
}

/// The whole page made by one piece of work; `None` when it is too large to be held.
async fn in_one_go(
    context: &Context,
    ticket: &Ticket,
    snapshot: &Snapshot,
    query: &Query,
    Form { format, options }: Form,
) -> Result<Option<Response>> {
    let (snapshot, query) = (snapshot.clone(), query.clone());
    let counters = Arc::clone(ticket.query().counters());
    let (app, arrived_ns) = (context.app.clone(), context.arrived_ns);
    let work = move |cancel: &CancelFlag| {
        let mut page = query.page();
        let plan = snapshot.scan(&query.scan)?;
        counters.add_scan(Arc::clone(&plan.counters));
        let mut writer = rows_writer(format, options);
        let (mut out, mut rows) = (Vec::new(), 0);
        writer.begin(&first_columns(&plan.schema, query.columns), &mut out)?;
        for batch in plan.streams.into_iter().flatten() {
            cancel.check()?;
            if let Some(cut) = cut(&mut page, &batch?, query.columns)? {
                rows += cut.num_rows() as u64;
                writer.batch(&cut, &mut out)?;
            }
            if out.len() > HELD_BYTES {
                return Ok(None);
            }
        }
        let execution_time_ms = took(&app, arrived_ns).as_micros() as f64 / 1_000.0;
        let timestamp_ns = app.env.clock.wall_ns();
        writer.end(&Summary { row_count: rows, execution_time_ms, timestamp_ns }, &mut out)?;
        let scanned = ScanCounters::value(&plan.counters.rows_read);
        queried(&app, QueryKind::Rows, rows, scanned, took(&app, arrived_ns));
        Ok(Some((out, rows, page.next())))
    };
    let queries = &context.running.queries;
    let Some((out, rows, next)) = queries.run_blocking(ticket, work).await? else {
        return Ok(None);
    };
    ticket.done(rows);
    Figures::add(&context.figures.rows, rows);
    let mut response = Response::new(axum::body::Body::from(out));
    let content_type = HeaderValue::from_static(format.content_type());
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    let took = took(&context.app, context.arrived_ns);
    let response = with_query(response, ticket.query(), took);
    Ok(Some(with_cursor(response, next)))
}

/// A page that is made while it is sent. Headers go before the last row is known, so where the next
/// page begins is found out first; together with the plan, since a request that held one slot of the
/// pool and waited for another could wait for ever.
async fn streamed(
    context: &Context,
    ticket: Ticket,
    snapshot: Snapshot,
    query: Query,
    Form { format, options }: Form,
) -> Result<Response> {
    let queries = &context.running.queries;
    let listed = Arc::clone(ticket.query());
    let (asked, columns) = (query.clone(), query.columns);
    let prepare = move |cancel: &CancelFlag| {
        let next = look_ahead(&snapshot, asked.clone(), cancel)?;
        Ok((snapshot.scan(&asked.scan)?, next))
    };
    let (plan, next) = queries.run_blocking(&ticket, prepare).await?;
    let schema = first_columns(&plan.schema, columns);
    let mut page = query.page();
    let batches = queries.scan_stream(ticket, plan).filter_map(move |batch| {
        let cut = batch.and_then(|batch| cut(&mut page, &batch, columns));
        std::future::ready(cut.transpose())
    });
    let answer = Answer {
        app: context.app.clone(),
        figures: Arc::clone(&context.figures),
        kind: QueryKind::Rows,
        arrived_ns: context.arrived_ns,
        format,
        writer: rows_writer(format, options),
        schema,
        batches: batches.boxed(),
        query: listed,
    };
    Ok(with_cursor(respond(hold(answer).await?), next))
}

/// Where the page after `query` begins: by metadata if it says that there is none, else from the
/// times alone.
fn look_ahead(
    snapshot: &Snapshot,
    mut query: Query,
    cancel: &CancelFlag,
) -> Result<Option<Cursor>> {
    let all = Scan { limit: None, ..query.scan.clone() };
    let rows = snapshot.statistics(&all)?.rows;
    if rows.is_some_and(|rows| rows <= query.skip.saturating_add(query.limit)) {
        return Ok(None);
    }
    let time = query.scan.columns.and_then(|columns| columns.get(query.time_column).copied());
    query.scan.columns = time.map(|time| vec![time]);
    query.time_column = 0;
    let mut page = query.page();
    for batch in snapshot.scan(&query.scan)?.streams.into_iter().flatten() {
        cancel.check()?;
        page.cut(&batch?)?;
    }
    Ok(page.next())
}

fn cut(page: &mut Page, batch: &RecordBatch, columns: usize) -> Result<Option<RecordBatch>> {
    let Some(cut) = page.cut(batch)? else {
        return Ok(None);
    };
    let first: Vec<usize> = (0..columns).collect();
    Ok(Some(cut.project(&first)?))
}

fn first_columns(schema: &SchemaRef, columns: usize) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().take(columns).cloned().collect::<Vec<_>>()))
}

fn with_cursor(mut response: Response, next: Option<Cursor>) -> Response {
    if let Some(cursor) = next
        && let Ok(text) = HeaderValue::from_str(&cursor.text())
    {
        response.headers_mut().insert(MORE, HeaderValue::from_static("true"));
        response.headers_mut().insert(NEXT, text);
    }
    response
}

/// `format=` > `Accept` > JSON.
///
/// # Errors
/// `unsupported_format`.
pub fn format_of(context: &Context) -> Result<ResultFormat> {
    if let Some(name) = context.params.text("format") {
        return ResultFormat::parse(name);
    }
    let accept = context.header(&header::ACCEPT)?.unwrap_or("");
    Ok(ResultFormat::from_accept(accept).unwrap_or_default())
}

/// `times=` and `nonfinite=`.
///
/// # Errors
/// `invalid_request`.
pub fn result_options(context: &Context) -> Result<ResultOptions> {
    let (times, nonfinite) = (context.params.text("times"), context.params.text("nonfinite"));
    Ok(ResultOptions {
        times: times.map(TimeStyle::parse).transpose()?.unwrap_or_default(),
        nonfinite: nonfinite.map(Nonfinite::parse).transpose()?.unwrap_or_default(),
    })
}

fn read(params: &Params, schema: &TableSchema, rows_max: usize) -> Result<Query> {
    let mut order = order(params.text("order"))?;
    let cursor = params.text("cursor").map(Cursor::parse).transpose()?;
    let mut time = time_range(params)?;
    if let Some(cursor) = cursor {
        let of_cursor =
            if cursor.descending { Order::TimeDescending } else { Order::TimeAscending };
        if params.text("order").is_some() && order != of_cursor {
            return Err(Error::new(Code::InvalidRequest, "the cursor is of the other order")
                .hint("use the order of the first page, or none"));
        }
        order = of_cursor;
        time = cursor.rest(time);
    }
    let limit = params.count("limit")?.unwrap_or(ROWS_DEFAULT).min(rows_max) as u64;
    let offset = params.count("offset")?.unwrap_or(0) as u64;
    let mut columns = columns(&params.list("columns"), schema)?;
    let asked = columns.len();
    let time_id = schema.time().id;
    let time_column = columns.iter().position(|id| *id == time_id).unwrap_or_else(|| {
        columns.push(time_id);
        asked
    });
    let tags = tag_predicates(&params.list("tags"), schema)?;
    let mut query = Query {
        scan: Scan { columns: Some(columns), time, tags, order, ..Scan::all(schema.id) },
        skip: cursor.map_or(0, |cursor| cursor.passed).saturating_add(offset),
        limit,
        columns: asked,
        time_column,
    };
    query.scan.limit = Some(query.page().wanted());
    Ok(query)
}

fn order(text: Option<&str>) -> Result<Order> {
    match text {
        None | Some("asc") => Ok(Order::TimeAscending),
        Some("desc") => Ok(Order::TimeDescending),
        Some(text) => Err(Error::new(Code::InvalidRequest, format!("{text:?} is not an order"))
            .hint("use order=asc or order=desc")),
    }
}

/// The columns of the answer; all when none is named.
fn columns(names: &[&str], schema: &TableSchema) -> Result<Vec<ColumnId>> {
    if names.is_empty() {
        return Ok(schema.columns.iter().map(|column| column.id).collect());
    }
    let mut ids = Vec::with_capacity(names.len());
    for name in names {
        let id = column(name, schema)?.id;
        if ids.contains(&id) {
            let message = format!("column {name:?} is asked for twice");
            return Err(Error::new(Code::DuplicateColumn, message));
        }
        ids.push(id);
    }
    Ok(ids)
}

/// The column with this name.
///
/// # Errors
/// `column_not_found`, with the nearest names.
pub fn column<'a>(name: &str, schema: &'a TableSchema) -> Result<&'a pulsora_model::Column> {
    schema.column(name).ok_or_else(|| {
        let near = nearest(name, schema.columns.iter().map(|column| column.name.as_str()));
        let message = format!("table {:?} has no column {name:?}", &*schema.name);
        let error = Error::new(Code::ColumnNotFound, message);
        match near.is_empty() {
            true => error,
            false => error.hint(format!("did you mean {}?", near.join(", "))),
        }
    })
}

/// `host:a,region:b`; the same tag again adds a value, an empty value is "without this tag".
///
/// # Errors
/// `column_not_found`, `invalid_request`.
pub(super) fn tag_predicates(pairs: &[&str], schema: &TableSchema) -> Result<Vec<TagPredicate>> {
    let mut predicates: Vec<TagPredicate> = Vec::new();
    for pair in pairs {
        let (name, value) = pair.split_once(':').ok_or_else(|| {
            Error::new(Code::InvalidRequest, format!("tags: {pair:?} is not name:value"))
                .hint("write tags=host:a,region:b")
        })?;
        let id = tag(name, schema)?;
        let value = Some(value.to_owned()).filter(|value| !value.is_empty());
        match predicates.iter_mut().find(|predicate| predicate.column == id) {
            Some(predicate) => predicate.values.push(value),
            None => predicates.push(TagPredicate { column: id, values: vec![value] }),
        }
    }
    Ok(predicates)
}

/// The id of the tag with this name.
///
/// # Errors
/// `column_not_found`; `invalid_request` when the column is no tag.
pub fn tag(name: &str, schema: &TableSchema) -> Result<ColumnId> {
    let column = column(name, schema)?;
    if column.kind == ColumnKind::Tag {
        return Ok(column.id);
    }
    let tags: Vec<&str> = schema.tags().map(|tag| tag.name.as_str()).collect();
    let hint = match tags.is_empty() {
        true => "this table has no tags; use SQL to filter by other columns".to_owned(),
        false => format!("its tags are {}; use SQL to filter by other columns", tags.join(", ")),
    };
    Err(Error::new(Code::InvalidRequest, format!("column {name:?} is not a tag")).hint(hint))
}
