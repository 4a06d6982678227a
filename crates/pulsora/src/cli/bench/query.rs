//! `pulsora bench query`: the sixteen TSBS queries, one type after the other.

use std::io::Cursor;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use pulsora::Durability;
use pulsora_load::clients::{Plan, Until, perform};
use pulsora_load::cpu::Workload;
use pulsora_load::http::Client;
use pulsora_load::protocol::Protocol;
use pulsora_load::rows::Shape;
use pulsora_load::statements::{QueryType, chosen, questions};
use pulsora_model::{Error, Result};
use serde_json::{Value, json};

use super::args::QueryArgs;
use super::failed;
use super::loading::Loading;
use super::place::Place;
use super::settings::{Amount, Settings, table};
use crate::cli::command::Outcome;
use crate::cli::progress::{grouped, rows_bar};
use crate::cli::report::{self, usage};

/// Rows of a request that loads, and clients that do.
const LOAD_BATCH: usize = 10_000;
const LOAD_CLIENTS: usize = 4;

/// What the questions of a type took.
struct Asked {
    of: QueryType,
    median_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    per_second: f64,
    /// Rows and bytes of the answer to the first question.
    rows: usize,
    bytes: usize,
}

pub(super) fn run(args: &QueryArgs) -> Result<Outcome> {
    let types = chosen(&args.types)
        .map_err(|message| usage(message).hint("--type all, or single-groupby, lastpoint, …"))?;
    if args.hosts == 0 || args.runs == 0 || args.clients == 0 || !args.hours.is_finite() {
        return Err(usage("--hosts, --runs and --clients must be at least 1"));
    }
    let table = table(&args.table)?;
    let place = Place::open(&args.place, Durability::Fsync)?;
    if args.load || matches!(place, Place::Own(_)) {
        load(args, &table, &place)?;
    }
    if !args.json {
        let place = place.name();
        report::print(
            format!("{place}; {} questions of each type\n\n{HEAD}", args.runs).as_bytes(),
        )?;
    }
    let mut all = Vec::new();
    for of in types {
        let asked = ask(args, &table, &place, of)?;
        if !args.json {
            report::print(asked.line().as_bytes())?;
        }
        all.push(asked.json());
    }
    if args.json {
        let (hosts, hours, runs) = (args.hosts, args.hours, args.runs);
        let json = json!({
            "place": place.name(), "hosts": hosts, "hours": hours, "runs": runs,
            "clients": args.clients, "types": all,
        });
        report::print(format!("{json}\n").as_bytes())?;
    }
    Ok(Outcome::Done)
}

fn load(args: &QueryArgs, table: &str, place: &Place) -> Result<()> {
    let workload = Workload::of_hosts(args.hosts);
    let rows = workload.rows_of_hours(args.hours).max(1);
    let settings = Settings {
        protocol: Protocol::Msgpack,
        shape: Shape::Tsbs,
        workload,
        table: table.to_owned(),
        amount: Amount::Rows(rows),
        warm_up: std::time::Duration::ZERO,
        batch: LOAD_BATCH,
        clients: LOAD_CLIENTS,
        durability: Durability::Fsync,
        exact: true,
        skip: 0,
        rate: None,
    };
    let bar = rows_bar(Some(rows as u64));
    let loaded =
        Loading::new(&settings).send(place, settings.amount, |rows| bar.set_position(rows));
    bar.finish_and_clear();
    loaded?;
    place.flush()
}

fn ask(args: &QueryArgs, table: &str, place: &Place, of: QueryType) -> Result<Asked> {
    let questions = questions(of, Workload::of_hosts(args.hosts), args.hours, args.runs);
    let statements: Vec<String> =
        questions.iter().map(|question| question.sql(table, false)).collect();
    let first = answer(place, place.client().as_ref(), &statements[0])?;
    let (rows, bytes) = first.size()?;
    let plan =
        Plan { clients: args.clients, first: 0, until: Until::Requests(statements.len() as u64) };
    let client = || Ok(place.client());
    let request = |client: &mut Option<Client>, number| {
        let statement = &statements[number as usize];
        answer(place, client.as_ref(), statement).map(drop).map_err(|error| error.to_string())
    };
    let (times, _) = perform(plan, client, request, || {}).map_err(failed)?;
    Ok(Asked {
        of,
        median_ms: times.quantile_ms(0.5),
        p99_ms: times.quantile_ms(0.99),
        max_ms: times.quantile_ms(1.0),
        per_second: times.requests() as f64 / times.elapsed.as_secs_f64().max(1e-9),
        rows,
        bytes,
    })
}

/// A whole answer, as it lies in the memory of this process.
enum Answer {
    Stream(Vec<u8>),
    Batches(Vec<RecordBatch>),
}

impl Answer {
    /// Rows and bytes.
    fn size(&self) -> Result<(usize, usize)> {
        match self {
            Answer::Batches(batches) => Ok((
                batches.iter().map(RecordBatch::num_rows).sum(),
                batches.iter().map(RecordBatch::get_array_memory_size).sum(),
            )),
            Answer::Stream(bytes) => {
                let strange = |error| Error::internal(format!("the answer is not Arrow: {error}"));
                let mut rows = 0;
                for batch in StreamReader::try_new(Cursor::new(bytes), None).map_err(strange)? {
                    rows += batch.map_err(strange)?.num_rows();
                }
                Ok((rows, bytes.len()))
            }
        }
    }
}

fn answer(place: &Place, client: Option<&Client>, statement: &str) -> Result<Answer> {
    if let Place::Directory(database) = place {
        return Ok(Answer::Batches(database.sql(statement)?.batches));
    }
    let Some(client) = client else { return Err(Error::internal("a server has an address")) };
    let body = json!({ "sql": statement }).to_string();
    let answer = client.post("/api/v1/query/arrow", "application/json", body.as_bytes());
    let answer = answer.map_err(failed)?;
    match answer.status {
        200 => Ok(Answer::Stream(answer.body)),
        _ => Err(failed(format!("{statement}: {}", answer.text()))
            .hint("are the rows there? --load sends them")),
    }
}

const HEAD: &str = "\
| type | median ms | p99 ms | max ms | a second | rows | bytes |
|---|---|---|---|---|---|---|
";

impl Asked {
    fn line(&self) -> String {
        format!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.0} | {} | {} |\n",
            self.of.name,
            self.median_ms,
            self.p99_ms,
            self.max_ms,
            self.per_second,
            grouped(self.rows as u64),
            grouped(self.bytes as u64)
        )
    }

    fn json(&self) -> Value {
        json!({
            "type": self.of.name,
            "median_ms": self.median_ms,
            "p99_ms": self.p99_ms,
            "max_ms": self.max_ms,
            "per_second": self.per_second,
            "rows": self.rows,
            "bytes": self.bytes,
        })
    }
}
