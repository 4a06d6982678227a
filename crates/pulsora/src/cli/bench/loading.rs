//! Rows of a workload into a place, as much as is asked for and then some more.

use std::time::Duration;

use pulsora_load::clients::{Plan, Until};
use pulsora_load::ring::Ring;
use pulsora_load::rows::Source;
use pulsora_load::send::Run;
use pulsora_model::Result;

use super::place::Place;
use super::settings::{Amount, Settings};

/// Rows that are made at once where none is sent twice.
const ROUND_ROWS: usize = 1_000_000;

/// Rows of a turn for each second of a run, and fewest: bodies are made about as long as a fifth of the
/// time that they are sent.
const TURN_ROWS_PER_SECOND: f64 = 1e6;
const TURN_ROWS_MIN: usize = 100_000;

/// Rows of whole requests that are made for a run of so much time.
fn turn_rows(time: Duration, batch: usize) -> usize {
    let rows = (time.as_secs_f64() * TURN_ROWS_PER_SECOND) as usize;
    rows.max(TURN_ROWS_MIN).div_ceil(batch).saturating_mul(batch)
}

/// A workload and how far it is.
pub(super) struct Loading<'a> {
    settings: &'a Settings,
    source: Source,
    /// The bodies that are used again, and the number of the next request.
    ring: Option<Ring>,
    next: u64,
}

impl<'a> Loading<'a> {
    /// Before the first row; bodies that are used again are made here.
    pub fn new(settings: &'a Settings) -> Loading<'a> {
        let mut source = Source::new(settings.shape, settings.workload);
        let mut skip = settings.skip;
        while skip > 0 {
            skip -= source.rows(skip.min(ROUND_ROWS)).len();
        }
        let mut loading = Loading { settings, source, ring: None, next: 0 };
        if !settings.exact {
            let rows = match settings.amount {
                Amount::Rows(rows) => rows,
                Amount::Time(time) => turn_rows(time + settings.warm_up, settings.batch),
            };
            loading.ring = Some(loading.make(rows));
        }
        loading
    }

    /// Sends the next rows to `place`; `watch` is told how many are accepted now and then.
    ///
    /// # Errors
    /// What the first refused or lost request says.
    pub fn send(
        &mut self,
        place: &Place,
        amount: Amount,
        mut watch: impl FnMut(u64),
    ) -> Result<Run> {
        let Settings { clients, batch, .. } = *self.settings;
        if let Some(ring) = &self.ring {
            let until = match amount {
                Amount::Time(time) => Until::Time(time),
                Amount::Rows(rows) if rows == ring.rows() => {
                    Until::Requests(ring.requests() as u64)
                }
                Amount::Rows(rows) => Until::Requests(rows.div_ceil(batch) as u64),
            };
            let plan = Plan { clients, first: self.next, until };
            let run = place.send(self.settings, ring, plan, watch)?;
            // A client that ends has taken a number without a request: leave those out.
            self.next += run.times.requests() + clients as u64;
            return Ok(run);
        }
        let (mut sent, mut all) = (0, Run::default());
        let Amount::Rows(rows) = amount else { return Ok(all) };
        while sent < rows {
            let ring = self.make((rows - sent).min(ROUND_ROWS));
            let requests = Until::Requests(ring.requests() as u64);
            let plan = Plan { clients, first: 0, until: requests };
            let run = place.send(self.settings, &ring, plan, |round| watch(sent as u64 + round))?;
            all.add(&run);
            sent += ring.rows();
        }
        Ok(all)
    }

    fn make(&mut self, rows: usize) -> Ring {
        let Settings { protocol, batch, clients, .. } = *self.settings;
        Ring::make(protocol, &self.settings.table, &mut self.source, rows, batch, clients)
    }
}
