//! `pulsora bench ingest`: rows in, until all of them are flushed and read back.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use pulsora::Durability;
use pulsora_load::send::Run;
use pulsora_load::sums::Sums;
use pulsora_model::{Code, Error, Result};

use super::args::IngestArgs;
use super::loading::Loading;
use super::outcome::{Crash, IngestOutcome, Times};
use super::place::{Place, Stored};
use super::settings::{Amount, Settings};
use super::text;
use super::usage::Watch;
use crate::cli::command::Outcome;
use crate::cli::progress::{grouped, rows_bar};
use crate::cli::report;

/// Longest wait until acknowledged rows are counted: they ought to be visible at once.
const VISIBLE_WITHIN: Duration = Duration::from_secs(30);

/// Part of the load that is sent again before the server is killed.
const BURST_PART: u32 = 10;

/// Shortest time of that.
const BURST_MIN: Duration = Duration::from_secs(1);

pub(super) fn run(args: &IngestArgs) -> Result<Outcome> {
    let mut settings = Settings::of(args)?;
    let mut place = Place::open(&args.place, settings.durability)?;
    if let (Place::Server(url), Some(path)) = (&place, &args.path) {
        place = Place::Other { url: url.clone(), path: path.clone() };
    }
    // Rows with the keys of others would replace them in an upsert table.
    if let (false, Some(newest)) = (settings.exact, place.newest(&settings.table)?) {
        let workload = &mut settings.workload;
        workload.start_ns = workload.start_ns.max(newest + workload.step_ns);
    }
    let bar = rows_bar(match settings.amount {
        Amount::Rows(rows) => Some(rows as u64),
        Amount::Time(_) => None,
    });
    bar.set_message("(making bodies)");
    let outcome = measure(&settings, &mut place, args.verify_crash, &bar);
    bar.finish_and_clear();
    let outcome = outcome?;
    let text = if args.json { outcome.json().to_string() + "\n" } else { text::ingest(&outcome) };
    report::print(text.as_bytes())?;
    if let Err(difference) = &outcome.check {
        report::show(
            &Error::new(
                Code::Internal,
                format!("what is stored is not what was sent: {difference}"),
            )
            .hint("did anything else write to this table, or were rows with these keys there before (--exact)?"),
        );
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}

fn measure(
    settings: &Settings,
    place: &mut Place,
    verify_crash: bool,
    bar: &ProgressBar,
) -> Result<IngestOutcome> {
    let mut loading = Loading::new(settings);
    let mut check = Check::begin(settings, place)?;
    let before = place.stored(&settings.table).unwrap_or_default();
    if !settings.warm_up.is_zero() {
        bar.set_message("(warming up)");
        let warm_up = loading.send(place, Amount::Time(settings.warm_up), |_| {})?;
        check.accepted.add(&warm_up.accepted);
    }
    let warm_up_rows = check.accepted.rows;
    let mut watch = Watch::begin(place);
    let since = Instant::now();
    let mut load = loading.send(place, settings.amount, |rows| {
        show(bar, rows, since.elapsed());
        watch.look();
    })?;
    check.accepted.add(&load.accepted);
    let times = settle(settings, place, &check, &load, bar)?;
    let usage = watch.end();
    let mut verdict = check.run(place)?;
    let stored = place.stored(&settings.table).map(|now| grown(now, before));
    let mut crash = None;
    if let (true, Place::Own(_), Ok(())) = (verify_crash, &*place, &verdict) {
        let (outcome, found) = kill(settings, place, &mut loading, &mut check, bar)?;
        (crash, verdict) = (Some(outcome), found);
    }
    load.times.elapsed = load.times.elapsed.max(Duration::from_nanos(1));
    Ok(IngestOutcome {
        settings: settings.clone(),
        place: place.name(),
        checked: check.reads_back,
        check: verdict,
        load,
        warm_up_rows,
        times,
        usage,
        stored,
        crash,
    })
}

fn show(bar: &ProgressBar, rows: u64, time: Duration) {
    let speed = (rows as f64 / time.as_secs_f64().max(1e-3)) as u64;
    bar.set_position(rows);
    bar.set_message(format!("{} rows/s", grouped(speed)));
}

/// Waits until all rows are visible, then until they are flushed.
fn settle(
    settings: &Settings,
    place: &Place,
    check: &Check,
    load: &Run,
    bar: &ProgressBar,
) -> Result<Times> {
    let accepted = load.times.elapsed;
    if !check.reads_back {
        return Ok(Times { accepted, fsynced: None, visible: None, flushed: None });
    }
    let since = Instant::now();
    bar.set_message("(reading back)");
    let expected = check.before.rows + check.accepted.rows;
    while place.count(&settings.table)? < expected && since.elapsed() < VISIBLE_WITHIN {}
    let visible = accepted + since.elapsed();
    bar.set_message("(flushing)");
    place.flush()?;
    let flushed = accepted + since.elapsed();
    let fsynced = match settings.durability {
        Durability::Fsync => accepted,
        Durability::Async | Durability::Off => flushed,
    };
    Ok(Times { accepted, fsynced: Some(fsynced), visible: Some(visible), flushed: Some(flushed) })
}

/// What a table gained.
fn grown(now: Stored, before: Stored) -> Stored {
    Stored {
        rows: now.rows.saturating_sub(before.rows),
        bytes: now.bytes.saturating_sub(before.bytes),
        wal_bytes: now.wal_bytes,
    }
}

/// What was accepted, to be compared with what is stored.
struct Check<'a> {
    settings: &'a Settings,
    /// Whether the place can be asked.
    reads_back: bool,
    /// Rows of the table that were there.
    before: Sums,
    accepted: Sums,
}

impl<'a> Check<'a> {
    fn begin(settings: &'a Settings, place: &Place) -> Result<Check<'a>> {
        let reads_back = !matches!(place, Place::Other { .. });
        let mut check =
            Check { settings, reads_back, before: Sums::default(), accepted: Sums::default() };
        check.before = check.stored(place)?;
        Ok(check)
    }

    fn stored(&self, place: &Place) -> Result<Sums> {
        if !self.reads_back {
            return Ok(Sums::default());
        }
        place.sums(&self.settings.table, self.settings.shape.layout())
    }

    /// Reads all rows back; the inner error says what differs.
    fn run(&self, place: &Place) -> Result<std::result::Result<(), String>> {
        if !self.reads_back {
            return Ok(Ok(()));
        }
        let stored = self.stored(place)?.since(&self.before);
        Ok(self.accepted.check(&stored, self.settings.shape.layout()))
    }
}

/// Sends some more, kills the server with the last answer, and reads everything back.
fn kill(
    settings: &Settings,
    place: &mut Place,
    loading: &mut Loading<'_>,
    check: &mut Check<'_>,
    bar: &ProgressBar,
) -> Result<(Crash, std::result::Result<(), String>)> {
    bar.set_message("(before the crash)");
    let amount = match settings.amount {
        Amount::Rows(rows) => Amount::Rows((rows / BURST_PART as usize).max(settings.batch)),
        Amount::Time(time) => Amount::Time((time / BURST_PART).max(BURST_MIN)),
    };
    let burst = loading.send(place, amount, |_| {})?;
    let ready = match place {
        Place::Own(server) => server.kill_and_start()?,
        _ => return Err(Error::internal("only a server of its own is killed")),
    };
    check.accepted.add(&burst.accepted);
    bar.set_message("(reading back after the crash)");
    let verdict = check.run(place)?;
    Ok((Crash { rows: burst.accepted.rows, ready }, verdict))
}
