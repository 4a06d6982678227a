//! The name that a client gives to a write, so that sending it again stores nothing.
//!
//! Not responsible for what is remembered of keys: that is `dedup.rs`.

use std::sync::Arc;

use pulsora_model::name::prefix;
use pulsora_model::{Code, Error, Result};

/// Longest name of a client: a host name, a process and a random part fit.
pub const CLIENT_BYTES_MAX: usize = 128;

/// `<client>/<number>`, and the piece of the body that a request is.
///
/// A client uses each of its numbers for one body, and gives rising ones to new bodies. The client is
/// 1 to 128 bytes of visible ASCII without `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    pub(crate) client: Arc<str>,
    pub(crate) number: u64,
    pub(crate) piece: u32,
}

impl IdempotencyKey {
    /// The key of a whole body (or of the first piece of one).
    ///
    /// # Errors
    /// `invalid_request` when `client` is no such name.
    pub fn new(client: &str, number: u64) -> Result<IdempotencyKey> {
        let good = (1..=CLIENT_BYTES_MAX).contains(&client.len())
            && client.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
        if !good {
            return Err(invalid(client));
        }
        Ok(IdempotencyKey { client: client.into(), number, piece: 0 })
    }

    /// Reads `<client>/<number>`.
    ///
    /// # Errors
    /// `invalid_request`.
    pub fn parse(text: &str) -> Result<IdempotencyKey> {
        let (client, number) = text.split_once('/').ok_or_else(|| invalid(text))?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid(text));
        }
        IdempotencyKey::new(client, number.parse().map_err(|_| invalid(text))?)
    }

    /// The key of a piece of the same body, counted from 0.
    #[must_use]
    pub fn piece(&self, piece: u32) -> IdempotencyKey {
        IdempotencyKey { piece, ..self.clone() }
    }

    /// The name of the client.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The number of the body.
    pub fn number(&self) -> u64 {
        self.number
    }
}

fn invalid(text: &str) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!("{:?} is not an idempotency key", prefix(text, CLIENT_BYTES_MAX)),
    )
    .hint(
        "send <client>/<number>: 1 to 128 visible ASCII characters without a slash, and a number below \
         2^64 that rises from body to body",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_a_client_and_a_number() {
        let key = IdempotencyKey::parse("agent-7:a.b/18446744073709551615").unwrap();
        assert_eq!((key.client(), key.number()), ("agent-7:a.b", u64::MAX));
        assert_eq!(key.piece(3).piece, 3);
        let long = format!("{}/1", "x".repeat(CLIENT_BYTES_MAX + 1));
        for bad in [
            "",
            "/",
            "a",
            "a/",
            "/1",
            "a/b/1",
            "a b/1",
            "ä/1",
            "a/-1",
            "a/+1",
            "a/18446744073709551616",
            &long,
        ] {
            assert_eq!(
                IdempotencyKey::parse(bad).unwrap_err().code(),
                Code::InvalidRequest,
                "{bad}"
            );
        }
    }
}
