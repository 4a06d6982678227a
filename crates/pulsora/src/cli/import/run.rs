//! Files one after the other: progress while they go, sums at the end.

use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use pulsora_model::{Detail, Result};

use super::args::ImportArgs;
use super::format::Format;
use super::pieces::Cutter;
use super::sink::Sink;
use super::source::Source;
use crate::cli::command::Outcome;
use crate::cli::place::{Missing, Place};
use crate::cli::progress::{bytes_bar, grouped, rows, span};
use crate::cli::report::{self, DETAILS_SHOWN, details_text};

/// Bytes of a piece: small enough for a server with little memory, large enough that its answer does
/// not matter beside its work.
const PIECE_BYTES: usize = 8 << 20;

/// Bytes that tell a format.
const HEAD_BYTES: usize = 4 << 10;

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
    let mut source = Source::open(path)?;
    let mut buffer = Vec::new();
    source.fill(&mut buffer, HEAD_BYTES, |_| {})?;
    let format = Format::decide(args.format, path, &buffer)?;
    let sink = Sink::new(place, args, format)?;
    let mut cutter = Cutter::new(format.boundary(args.delimiter(format)?));
    let target = if cutter.wants_all() { usize::MAX } else { PIECE_BYTES };
    let before = progress.bytes_before;
    loop {
        let bar = &progress.bar;
        source.fill(&mut buffer, target, |read| bar.set_position(before + read))?;
        let Some(mut piece) = cutter.cut(&mut buffer, source.ended())? else { break };
        let bytes = std::mem::take(&mut piece.bytes);
        let sent = sink.send(bytes).map_err(|error| piece.error_in_file(&error))?;
        progress.rows += sent.rows;
        progress.rejected += sent.rejected;
        let room = DETAILS_SHOWN.saturating_sub(progress.details.len());
        let details = piece.in_file(&sent.details).into_iter().take(room);
        progress.details.extend(details.map(|detail| (source.name.clone(), detail)));
        progress.show();
        if source.ended() && buffer.is_empty() {
            break;
        }
    }
    progress.bytes_before += source.bytes_read;
    Ok(())
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
