//! What is said of a query before it runs.

use std::sync::Arc;
use std::time::Duration;

use pulsora_model::name::prefix;
use pulsora_model::{Code, Error, Result};

use crate::options::STATEMENT_SHOWN_BYTES;

/// How urgent a query is: which goes first when all slots are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// People wait for it and nothing else will do.
    Critical,
    /// Sooner than most.
    High,
    /// As most are.
    #[default]
    Normal,
    /// It can wait.
    Low,
}

impl Priority {
    /// Every priority, the most urgent first.
    pub const ALL: [Priority; 4] =
        [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];

    /// The word in requests, answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Priority::Critical => "critical",
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        }
    }

    /// Reads a word, in any case.
    ///
    /// # Errors
    /// `invalid_request`, with the list of words.
    pub fn parse(text: &str) -> Result<Priority> {
        let found = Priority::ALL.into_iter().find(|p| p.name().eq_ignore_ascii_case(text.trim()));
        found.ok_or_else(|| {
            let message = format!("{:?} is not a priority", prefix(text, 64));
            Error::new(Code::InvalidRequest, message).hint("use critical, high, normal or low")
        })
    }

    /// How much later than a critical query that came at the same moment it counts as come. So a query waits for
    /// more urgent ones only as long as they came less than the difference after it: nothing starves.
    pub(crate) fn handicap(self) -> Duration {
        Duration::from_secs(match self {
            Priority::Critical => 0,
            Priority::High => 2,
            Priority::Normal => 10,
            Priority::Low => 30,
        })
    }

    /// Its place in arrays by priority.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// What came of the result cache for a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheUse {
    /// Not looked into: the request or the configuration says so, or the answer is not one that can be kept.
    #[default]
    Off,
    /// Not there; the answer was computed.
    Miss,
    /// The answer was there.
    Hit,
}

impl CacheUse {
    /// The word in answers.
    pub fn name(self) -> &'static str {
        match self {
            CacheUse::Off => "off",
            CacheUse::Miss => "miss",
            CacheUse::Hit => "hit",
        }
    }
}

/// A query before it runs.
#[derive(Clone, Debug)]
pub struct About {
    /// By which way it came: `sql`, `rows`, `metric` …
    pub kind: &'static str,
    /// What is asked, cut to 2 KiB.
    pub statement: Arc<str>,
    /// The database of names without one.
    pub database: Arc<str>,
    /// Who asks; `None` = nobody whose share of the queue is bounded.
    pub client: Option<Arc<str>>,
    /// How urgent it is.
    pub priority: Priority,
    /// Deadline from its arrival; `None` = the configured one.
    pub timeout: Option<Duration>,
}

impl About {
    /// A query of normal priority, of nobody in particular.
    pub fn new(kind: &'static str, statement: &str, database: &str) -> About {
        About {
            kind,
            statement: prefix(statement, STATEMENT_SHOWN_BYTES).into(),
            database: database.into(),
            client: None,
            priority: Priority::default(),
            timeout: None,
        }
    }
}
