//! Streams of batches put together: opened late, one after the other.

use pulsora_model::Result;

use super::scan::ScanStream;

/// A stream that is opened when its first batch is asked for.
pub(super) fn lazy(open: impl FnOnce() -> Result<ScanStream> + Send + 'static) -> ScanStream {
    let mut open = Some(open);
    let mut stream: Option<ScanStream> = None;
    Box::new(std::iter::from_fn(move || {
        if let Some(open) = open.take() {
            match open() {
                Ok(opened) => stream = Some(opened),
                Err(error) => return Some(Err(error)),
            }
        }
        stream.as_mut()?.next()
    }))
}

/// The batches of all `streams`, one stream after the other, up to the first error.
pub(super) fn chained(streams: impl Iterator<Item = ScanStream> + Send + 'static) -> ScanStream {
    let mut batches = streams.flatten();
    let mut failed = false;
    Box::new(std::iter::from_fn(move || {
        let next = if failed { None } else { batches.next() };
        failed = matches!(next, Some(Err(_)));
        next
    }))
}
