//! Bytes that texts of tags may take which many rows share in the body, and each row has of its own
//! in a batch.

use pulsora_model::{Code, Error, Result};

/// Bytes that every request may take: 64 MiB, a million series of seven short tags.
const ALWAYS_BYTES: usize = 64 << 20;

/// Beyond, a request may take so many times the bytes of its body.
const FACTOR: usize = 4;

/// What is left.
#[derive(Debug)]
pub(crate) struct TagBudget {
    left: usize,
    max: usize,
}

impl TagBudget {
    /// The budget of a request with a body of `body_bytes`.
    pub(crate) fn new(body_bytes: usize) -> TagBudget {
        let max = body_bytes.saturating_mul(FACTOR).max(ALWAYS_BYTES);
        TagBudget { left: max, max }
    }

    /// Takes `bytes` for the tags of one row.
    ///
    /// # Errors
    /// `limit_exceeded`.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            let message =
                format!("the tags of this request would take more than {} bytes", self.max);
            Error::new(Code::LimitExceeded, message)
                .hint("send fewer series in one request, or shorter tags")
        })?;
        Ok(())
    }
}
