//! Files one after the other: progress while they go, sums at the end.
//!
//! Pieces of one file are sent several at once where neither the table nor the rows tell them apart by their
//! order: append tables, and formats whose columns are known to hold no row ids.

use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use pulsora_model::{Detail, Result};

use super::args::ImportArgs;
use super::feed::Feed;
use super::format::Format;
use super::pieces::Piece;
use super::pump::pump;
use super::sink::{Sent, Sink};
use super::source::Source;
use crate::cli::command::Outcome;
use crate::cli::place::{Missing, Place};
use crate::cli::progress::{bytes_bar, grouped, rows, span};
use crate::cli::report::{self, DETAILS_SHOWN, details_text};

/// Pieces that are sent at once where their order does not matter: while one is synced to disk, others
/// are parsed.
const SENDERS: usize = 4;

/// Sums over all files.
struct Progress {
    bar: ProgressBar,
    begun: Instant,
    /// Bytes of the files that are done.
    bytes_before: u64,
    rows: u64,
    rejected: u64,
    /// The first bad rows, with their file.
    details: Vec<(String, Detail)>,
}

pub(in crate::cli) fn run(args: &ImportArgs) -> Result<Outcome> {
    let sizes = args.files.iter().map(|path| Source::size(path));
    let mut progress = Progress {
        bar: bytes_bar(sizes.sum()),
        begun: Instant::now(),
        bytes_before: 0,
        rows: 0,
        rejected: 0,
        details: Vec::new(),
    };
    let place = args.place.open(Missing::Made)?;
    let imported = args.files.iter().try_for_each(|path| {
        import_file(&place, args, path, &mut progress).map_err(|error| error.context(shown(path)))
    });
    if matches!(place, Place::Directory(_)) {
        progress.bar.set_message("writing everything out");
    }
    let closed = place.close();
    progress.bar.finish_and_clear();
    report::print(progress.summary().as_bytes())?;
    report_rejected(&progress);
    imported.and(closed)?;
    let sound = progress.rejected == 0 || args.skips();
    Ok(if sound { Outcome::Done } else { Outcome::Failed })
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

fn import_file(
    place: &Place,
    args: &ImportArgs,
    path: &Path,
    progress: &mut Progress,
) -> Result<()> {
    let mut feed = Feed::open(args, path, &progress.bar, progress.bytes_before)?;
    let sink = Sink::new(place, args, feed.format)?;
    let name = shown(path);
    // The first piece makes the table.
    if let Some(piece) = feed.next()? {
        let (piece, sent) = sink.store(piece)?;
        progress.add(&name, &piece, sent);
    }
    let any_order = matches!(feed.format, Format::Csv | Format::Tsv | Format::Arrow)
        && !feed.has_ids
        && !args.names_row_id()
        && sink.keeps_all();
    let senders = if any_order { SENDERS } else { 1 };
    let size = feed.size();
    let mut feeds = vec![feed];
    for _ in 1..if any_order { cores() } else { 1 } {
        feeds.extend(feeds[0].another());
    }
    pump(feeds, &sink, senders, |piece, sent| progress.add(&name, piece, sent))?;
    progress.bytes_before += Source::size(path).unwrap_or(size);
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn report_rejected(progress: &Progress) {
    if progress.rejected == 0 {
        return;
    }
    let mut shown = 0;
    let verb = if progress.rejected == 1 { "was" } else { "were" };
    report::say(&format!("{} {verb} not stored:", rows(progress.rejected)));
    for files in progress.details.chunk_by(|a, b| a.0 == b.0) {
        let details: Vec<Detail> = files.iter().map(|(_, detail)| detail.clone()).collect();
        shown += details.len() as u64;
        report::say(&files[0].0);
        report::say(details_text(&details, details.len() as u64).trim_end());
    }
    if progress.rejected > shown {
        report::say(&format!("  and {} more", grouped(progress.rejected - shown)));
    }
}

impl Progress {
    /// Adds what became of a piece.
    fn add(&mut self, name: &str, piece: &Piece, sent: Sent) {
        self.rows += sent.rows;
        self.rejected += sent.rejected;
        let room = DETAILS_SHOWN.saturating_sub(self.details.len());
        let details = piece.in_file(&sent.details).into_iter().take(room);
        self.details.extend(details.map(|detail| (name.to_owned(), detail)));
        self.show();
    }

    fn rows_per_second(&self, time: Duration) -> String {
        grouped((self.rows as f64 / time.as_secs_f64().max(1e-3)) as u64)
    }

    fn show(&self) {
        let speed = self.rows_per_second(self.begun.elapsed());
        self.bar.set_message(format!("{}, {speed} rows/s", rows(self.rows)));
    }

    fn summary(&self) -> String {
        let time = self.begun.elapsed();
        let speed = self.rows_per_second(time);
        let rejected = match self.rejected {
            0 => String::new(),
            n => format!(", {} rejected", grouped(n)),
        };
        format!("{} inserted{rejected} in {} ({speed} rows/s)\n", rows(self.rows), span(time))
    }
}
