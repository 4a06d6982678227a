//! Bytes that each client has on their way, so that one cannot take the room of all.
//!
//! A client is its name in an idempotency key, else its address.
//!
//! Invariant: a client is known while one of its requests is; there are never more entries than requests.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use pulsora_model::{Code, Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Bytes of one permit.
const UNIT: u64 = 1 << 10;

/// The address that a request came from, as the connection knows it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// By the client part of its idempotency key.
    Named(String),
    /// By its address.
    At(IpAddr),
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Client::Named(name) => f.write_str(name),
            Client::At(address) => address.fmt(f),
        }
    }
}

/// The clients with requests on their way.
pub struct Clients {
    units: u32,
    open: Mutex<HashMap<Client, Arc<Semaphore>>>,
}

impl Clients {
    /// Each may have `bytes` on their way.
    pub fn new(bytes: u64) -> Clients {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        Clients { units, open: Mutex::default() }
    }

    /// The share of one client, for one request.
    pub fn share(self: &Arc<Clients>, client: Client) -> Share {
        let room = {
            let mut open = self.open.lock();
            let new = || Arc::new(Semaphore::new(self.units as usize));
            Arc::clone(open.entry(client.clone()).or_insert_with(new))
        };
        Share { held: Vec::new(), room, clients: Arc::clone(self), client }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.open.lock().len()
    }
}

/// What one request holds of its client's share; given back when dropped.
pub struct Share {
    /// Dropped before the rest is looked at.
    held: Vec<OwnedSemaphorePermit>,
    room: Arc<Semaphore>,
    clients: Arc<Clients>,
    client: Client,
}

impl Share {
    /// Holds `bytes` more. A request that asks for more than the whole share gets the whole of it.
    ///
    /// # Errors
    /// `client_limit` when the client's other requests leave no room until `deadline`.
    pub async fn hold(&mut self, bytes: u64, deadline: Instant) -> Result<()> {
        let held: usize = self.held.iter().map(OwnedSemaphorePermit::num_permits).sum();
        let left = self.clients.units.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX));
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(left);
        let permit = Arc::clone(&self.room).acquire_many_owned(units);
        match timeout_at(deadline, permit).await {
            Ok(permit) => {
                // The semaphore is never closed.
                self.held.extend(permit.ok());
                Ok(())
            }
            Err(_) => Err(Error::new(
                Code::ClientLimit,
                format!(
                    "this client has {} bytes of writes on their way, which is the most for one",
                    u64::from(self.clients.units) * UNIT
                ),
            )
            .hint("send fewer or smaller requests at once, or raise ingest.client_bytes")),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.clear();
        let mut open = self.clients.open.lock();
        // This request and the map: nobody else has it.
        if Arc::strong_count(&self.room) == 2 {
            open.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(1)
    }

    #[tokio::test]
    async fn one_client_waits_for_itself_alone() {
        let clients = Arc::new(Clients::new(10 << 10));
        let at = |last: u8| Client::At(IpAddr::from([127, 0, 0, last]));
        let mut first = clients.share(at(1));
        first.hold(8 << 10, soon()).await.unwrap();
        let mut second = clients.share(at(1));
        second.hold(2 << 10, soon()).await.unwrap();
        let error = second.hold(1 << 10, soon()).await.unwrap_err();
        assert_eq!(error.code(), Code::ClientLimit);
        assert!(error.message().contains("10240"), "{error}");
        let mut other = clients.share(at(2));
        other.hold(10 << 10, soon()).await.unwrap();
        assert_eq!(clients.len(), 2);
        drop(first);
        second.hold(8 << 10, soon()).await.unwrap();
        drop(second);
        drop(other);
        assert_eq!(clients.len(), 0, "who is gone is forgotten");
    }

    #[tokio::test]
    async fn a_request_larger_than_the_share_gets_all_of_it() {
        let clients = Arc::new(Clients::new(10 << 10));
        let mut share = clients.share(Client::Named("a".into()));
        share.hold(6 << 10, soon()).await.unwrap();
        share.hold(1 << 30, soon()).await.unwrap();
        share.hold(1 << 30, soon()).await.unwrap();
        let mut other = clients.share(Client::Named("a".into()));
        assert!(other.hold(1, soon()).await.is_err());
    }
}
