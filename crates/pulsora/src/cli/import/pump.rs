//! Pieces from the threads that read to those that send.
//!
//! Invariants: with one sender, pieces are stored in the order of the file; after an error no further
//! piece is begun; what waits between the threads is bounded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use pulsora_model::Result;

use super::feed::Feed;
use super::pieces::Piece;
use super::sink::{Sent, Sink};

/// Sends all pieces of `feeds` with `senders` at once; `done` is told of each that was stored.
///
/// # Errors
/// The first of a feed or of the sink, with the lines of the file.
pub(super) fn pump(
    feeds: Vec<Feed>,
    sink: &Sink<'_>,
    senders: usize,
    mut done: impl FnMut(&Piece, Sent),
) -> Result<()> {
    let stop = &AtomicBool::new(false);
    let (give, take) = sync_channel(senders);
    let (tell, told) = channel();
    let take = Arc::new(Mutex::new(take));
    std::thread::scope(|scope| {
        for feed in feeds {
            let give = give.clone();
            scope.spawn(move || read(feed, &give, stop));
        }
        for _ in 0..senders {
            let (take, tell) = (Arc::clone(&take), tell.clone());
            scope.spawn(move || send(sink, &take, &tell, stop));
        }
        // Their threads hold the rest: the last one to end ends the others.
        drop((give, take, tell));
        let mut outcome = Ok(());
        for told in told {
            match told {
                Ok((piece, sent)) => done(&piece, sent),
                Err(error) if outcome.is_ok() => outcome = Err(error),
                Err(_) => {}
            }
        }
        outcome
    })
}

fn read(mut feed: Feed, give: &SyncSender<Result<Piece>>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Some(piece) = feed.next().transpose() else { return };
        let ends = piece.is_err();
        if give.send(piece).is_err() || ends {
            return;
        }
    }
}

fn send(
    sink: &Sink<'_>,
    take: &Mutex<Receiver<Result<Piece>>>,
    tell: &Sender<Result<(Piece, Sent)>>,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        let piece = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(piece) = piece else { return };
        let sent = piece.and_then(|piece| sink.store(piece));
        stop.fetch_or(sent.is_err(), Ordering::Relaxed);
        if tell.send(sent).is_err() {
            return;
        }
    }
}
