//! Retention, when it is time or somebody asks → the manifest.

use std::time::Duration;

use super::Flusher;
use crate::engine::{FlushFilter, Receipt};
use crate::manifest::Edit;
use crate::retention;

impl Flusher {
    /// Drops what has expired when it is time, or when somebody asks; says whether something was.
    pub(super) fn expire(&mut self) -> bool {
        let now_ns = self.shared.env.clock.monotonic_ns();
        let interval_ns = self.shared.options.retention_interval.as_nanos() as u64;
        let asked = self.shared.retention.take_asked();
        if asked.is_none() && now_ns.saturating_sub(self.expired_at_ns) < interval_ns {
            return false;
        }
        let everything = FlushFilter::default();
        let filter = asked.as_ref().map_or(&everything, |asked| &asked.filter);
        let published = self.shared.published.load_full();
        let at_ns = self.shared.env.clock.wall_ns();
        let expired = retention::plan(&published.version, &published.catalog, filter, at_ns);
        if asked.is_none() {
            self.expired_at_ns = now_ns;
        }
        let outcome = match expired.is_empty() {
            true => Ok(()),
            false => {
                let removed = expired.iter().flat_map(|e| e.segments.iter().copied()).collect();
                let last = published.visible;
                self.commit(&Edit { last, removed, ..Edit::default() }, &[])
            }
        };
        match &outcome {
            Ok(()) => self.shared.retention.note(&expired, at_ns),
            Err(error) => {
                tracing::warn!(%error, "expired segments stay until the next try");
                if self.shared.flush_failed(error) {
                    // There is room again.
                    self.expired_at_ns = now_ns.saturating_sub(interval_ns);
                }
            }
        }
        if let Some(asked) = asked {
            let receipt = Receipt {
                sequence: published.visible,
                rows: expired.iter().map(|expired| expired.rows).sum(),
                changed: !expired.is_empty(),
                duplicate: false,
            };
            // A caller that has left needs no answer.
            let _left = asked.reply.send(outcome.map(|()| receipt));
            return true;
        }
        !expired.is_empty() && outcome.is_ok()
    }

    /// How long to wait for the next look of retention; without any there is none.
    pub(super) fn until_expired(&self) -> Option<Duration> {
        let published = self.shared.published.load();
        let catalog = &published.catalog;
        let expires = catalog.tables().any(|table| catalog.retention_ns(table).is_some());
        expires.then_some(self.shared.options.retention_interval)
    }
}
