//! What `pulsora bench ingest` was asked for, checked.

use std::time::Duration;

use pulsora::Durability;
use pulsora_load::cpu::Workload;
use pulsora_load::protocol::Protocol;
use pulsora_load::rows::Shape;
use pulsora_model::{Name, Result};

use super::args::IngestArgs;
use crate::cli::report::usage;

/// How long rows are sent when nobody says how many or how long.
const SECONDS: f64 = 10.0;

/// How much is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Amount {
    Rows(usize),
    Time(Duration),
}

/// What is sent, and how.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub protocol: Protocol,
    pub shape: Shape,
    pub workload: Workload,
    pub table: String,
    pub amount: Amount,
    pub warm_up: Duration,
    pub batch: usize,
    pub clients: usize,
    pub durability: Durability,
    pub exact: bool,
    pub skip: usize,
    pub rate: Option<f64>,
}

impl Settings {
    /// # Errors
    /// `invalid_request`, `invalid_name`.
    pub fn of(args: &IngestArgs) -> Result<Settings> {
        // Words that the parser of arguments let through.
        let protocol = args.protocol.parse().unwrap_or(Protocol::Line);
        let shape = match args.shape.as_deref().and_then(|word| word.parse().ok()) {
            Some(shape) => shape,
            None if protocol == Protocol::Csv => Shape::Trades,
            None => Shape::Tsbs,
        };
        for (flag, number) in
            [("hosts", args.hosts), ("batch", args.batch), ("clients", args.clients)]
        {
            if number == 0 {
                return Err(usage(format!("--{flag} must be at least 1")));
            }
        }
        let time = |flag: &str, seconds: f64| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| usage(format!("--{flag} {seconds} is not a time")))
        };
        let amount = match args.rows {
            Some(0) => return Err(usage("--rows must be at least 1")),
            Some(rows) => Amount::Rows(rows),
            None => Amount::Time(time("seconds", args.seconds.unwrap_or(SECONDS))?),
        };
        if args.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err(usage("--rate must be more than 0"));
        }
        Ok(Settings {
            protocol,
            shape,
            workload: Workload { seed: args.seed, ..Workload::of_hosts(args.hosts) },
            table: table(args.table.as_deref().unwrap_or(shape.layout().table))?,
            amount,
            warm_up: time("warm-up", args.warm_up)?,
            batch: args.batch,
            clients: args.clients,
            durability: Durability::parse(&args.durability)?,
            exact: args.exact,
            skip: args.skip,
            rate: args.rate,
        })
    }
}

/// A name that every protocol and SQL take without escapes.
///
/// # Errors
/// `invalid_name`, `invalid_request`.
pub(super) fn table(name: &str) -> Result<String> {
    Name::new(name)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.bytes().all(plain) && !name.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(name.to_owned());
    }
    Err(usage(format!("--table {name:?} is more than lower-case letters, digits and _")))
}
