//! Processor time and memory while something is measured.

use std::time::{Duration, Instant};

use pulsora_load::figures::{Figures, of_this_process};

use super::place::Place;

/// How often memory is looked at: often enough for a peak of a flush, seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Looks now and then.
pub(super) struct Watch<'a> {
    place: &'a Place,
    begun: Figures,
    client_begun: Figures,
    peak: Figures,
    looked: Instant,
}

/// What was used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Processor time of the process that stores the rows, seconds.
    pub server_cpu_seconds: Option<f64>,
    /// Most memory of that process with mapped files, bytes.
    pub resident_peak: Option<f64>,
    /// Most anonymous memory of that process, bytes.
    pub anonymous_peak: Option<f64>,
    /// Syncs of the log and the mean of their times, milliseconds.
    pub syncs: Option<(f64, f64)>,
    /// Processor time of this process, seconds; `None` where it stores the rows itself.
    pub client_cpu_seconds: Option<f64>,
}

impl<'a> Watch<'a> {
    /// Begins now.
    pub fn begin(place: &'a Place) -> Watch<'a> {
        let begun = place.figures();
        let client_begun = of_this_process();
        Watch { place, begun, client_begun, peak: begun, looked: Instant::now() }
    }

    /// Looks at the memory, if it is time to.
    pub fn look(&mut self) {
        if self.looked.elapsed() >= LOOK_EVERY {
            self.note(self.place.figures());
            self.looked = Instant::now();
        }
    }

    fn note(&mut self, now: Figures) {
        let most = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::max);
        self.peak.resident = most(self.peak.resident, now.resident);
        self.peak.anonymous = most(self.peak.anonymous, now.anonymous);
    }

    /// Ends now.
    pub fn end(mut self) -> Usage {
        let now = self.place.figures();
        self.note(now);
        let since = |now: Option<f64>, before: Option<f64>| Some(now? - before?);
        let client = since(of_this_process().cpu_seconds, self.client_begun.cpu_seconds);
        let syncs = now.syncs.zip(self.begun.syncs).map(|((count, seconds), before)| {
            let count = count - before.0;
            (count, (seconds - before.1) * 1e3 / count.max(1.0))
        });
        Usage {
            server_cpu_seconds: since(now.cpu_seconds, self.begun.cpu_seconds),
            resident_peak: self.peak.resident,
            anonymous_peak: self.peak.anonymous,
            syncs,
            client_cpu_seconds: client.filter(|_| self.place.url().is_some()),
        }
    }
}
