//! What a run met, so that a suite that meets too little fails.

use std::collections::BTreeMap;
use std::path::Path;

use pulsora_env::sim::OpKind;
use pulsora_storage::{
    CompactionReport, CompactionWork, EngineStats, JobReport, JobStatus, Reason,
};

use super::model::Met;
use super::run::place;

/// Counts.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    pub crashes: BTreeMap<&'static str, u64>,
    pub recovery: u64,
    pub opens: u64,
    pub torn_groups: u64,
    pub closed: u64,
    pub unfit: u64,
    pub held: u64,
    pub compared: u64,
    pub drops: u64,
    pub disk_full: u64,
    pub space_returned: u64,
    pub poisoned: u64,
    pub widened: u64,
    pub replaced: u64,
    pub folded: u64,
    pub corrections: u64,
    pub corrected: u64,
    pub open_corrections: u64,
    pub async_lost: u64,
    pub merges: u64,
    pub expired: u64,
    pub conversions: u64,
    /// Completed jobs by their reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Requests for everything to be compact that were done.
    pub compacted: u64,
    pub overtaken: u64,
    pub caught_up: u64,
    pub repeated: u64,
    pub repeated_after_loss: u64,
}

impl Coverage {
    pub fn crash(&mut self, kind: OpKind, path: &Path, stats: &EngineStats) {
        *self.crashes.entry(place(kind, path, stats)).or_default() += 1;
    }

    /// What an engine has done in its life.
    pub fn lived(&mut self, stats: &EngineStats, compaction: &CompactionReport) {
        let done = |job: &&JobReport| job.status == JobStatus::Completed;
        for job in compaction.history.iter().filter(done) {
            let reason = match (job.reason, job.work) {
                (Reason::Rest, CompactionWork::Parquet) => "late rows",
                (reason, _) => reason.name(),
            };
            *self.reasons.entry(reason).or_default() += 1;
        }
        self.merges += stats.merges;
        self.conversions += stats.conversions;
        self.overtaken += stats.compactions_overtaken;
        self.caught_up += stats.compactions_caught_up;
    }

    pub fn opened(&mut self, stats: &EngineStats) {
        self.opens += 1;
        self.torn_groups += stats.torn_groups;
    }

    pub fn met(&mut self, met: Met) {
        self.widened += met.widened;
        self.replaced += met.replaced;
        self.folded += met.folded;
        self.corrected += met.corrected;
    }

    pub fn add(&mut self, other: &Coverage) {
        for (place, count) in &other.crashes {
            *self.crashes.entry(place).or_default() += count;
        }
        for (reason, count) in &other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        let all = [
            (&mut self.compacted, other.compacted),
            (&mut self.recovery, other.recovery),
            (&mut self.opens, other.opens),
            (&mut self.torn_groups, other.torn_groups),
            (&mut self.closed, other.closed),
            (&mut self.unfit, other.unfit),
            (&mut self.held, other.held),
            (&mut self.compared, other.compared),
            (&mut self.drops, other.drops),
            (&mut self.disk_full, other.disk_full),
            (&mut self.space_returned, other.space_returned),
            (&mut self.poisoned, other.poisoned),
            (&mut self.widened, other.widened),
            (&mut self.replaced, other.replaced),
            (&mut self.folded, other.folded),
            (&mut self.corrections, other.corrections),
            (&mut self.corrected, other.corrected),
            (&mut self.open_corrections, other.open_corrections),
            (&mut self.async_lost, other.async_lost),
            (&mut self.merges, other.merges),
            (&mut self.expired, other.expired),
            (&mut self.conversions, other.conversions),
            (&mut self.overtaken, other.overtaken),
            (&mut self.caught_up, other.caught_up),
            (&mut self.repeated, other.repeated),
            (&mut self.repeated_after_loss, other.repeated_after_loss),
        ];
        for (sum, count) in all {
            *sum += count;
        }
    }

    /// What is missing of that without which a passing suite says little.
    pub fn missing(&self) -> Vec<&'static str> {
        let places = [
            "group",
            "log file",
            "flush",
            "merge",
            "conversion",
            "removal of an object",
            "edit",
            "checkpoint",
        ];
        let crashes = places.map(|place| (place, self.crashes.get(place).copied().unwrap_or(0)));
        let reasons = ["cold", "deleted", "demanded", "empty", "late rows", "overlap", "rest"];
        let reasons = reasons.map(|name| (name, self.reasons.get(name).copied().unwrap_or(0)));
        let met = [
            ("requests to compact", self.compacted),
            ("recovery", self.recovery),
            ("torn groups", self.torn_groups),
            ("widenings", self.widened),
            ("replaced ids", self.replaced),
            ("folded rows", self.folded),
            ("corrections", self.corrections),
            ("corrected rows", self.corrected),
            ("corrections that a crash met", self.open_corrections),
            ("drops", self.drops),
            ("clean ends", self.closed),
            ("refused requests", self.unfit),
            ("held snapshots", self.held),
            ("full disks", self.disk_full),
            ("space that returned", self.space_returned),
            ("failed syncs", self.poisoned),
            ("lost asynchronous requests", self.async_lost),
            ("merges", self.merges),
            ("expired segments", self.expired),
            ("conversions", self.conversions),
            ("overtaken rewrites", self.overtaken),
            ("rewrites that caught up", self.caught_up),
            ("repeated requests", self.repeated),
            ("repeats of lost requests", self.repeated_after_loss),
        ];
        let missing =
            crashes.into_iter().chain(reasons).chain(met).filter(|(_, count)| *count == 0);
        missing.map(|(what, _)| what).collect()
    }
}
