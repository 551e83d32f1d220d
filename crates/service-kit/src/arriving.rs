//! Bodies that are still arriving. They take none of the places of [`crate::concurrency_limit`], so that nobody who only begins to ask
//! keeps out those who have asked.
//!
//! How long a body may take is bounded, and how many one address may be sending: over its share the oldest one is given
//! up, see [`crate::shares`]. How many there are in all is bounded by the connections.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use ipnet::IpNet;
use tokio::{sync::Notify, time::timeout};

use crate::{
    client::is_trusted,
    metrics::Metrics,
    server_settings::ServerSettings,
    shares::{Shares, Ticket},
};

/// The longest that a request's body may take.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Seconds after which a client may come again whose body was given up for newer ones.
pub const AFTER_CROWD_SECONDS: u64 = 2;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBody {
    /// It is too large, or its connection broke.
    #[error("the body cannot be read")]
    Unreadable,
    /// [`BODY_TIMEOUT`] has passed.
    #[error("the body took too long")]
    TooSlow,
    /// Its address is sending too many at once, and this was the oldest.
    #[error("too many requests of this address are still arriving")]
    GivenUp,
}

/// Who is sending a body.
pub struct Arriving {
    shares: Mutex<Shares<Arc<Notify>>>,
    trusted: Vec<IpNet>,
    most_bytes: usize,
    metrics: Arc<Metrics>,
}

impl Arriving {
    /// As configured, for bodies of at most this many bytes.
    #[must_use]
    pub fn new(settings: &ServerSettings, most_bytes: usize, metrics: Arc<Metrics>) -> Self {
        let shares = Shares::new(settings.max_in_flight.get(), settings.address_share);
        Self { shares: Mutex::new(shares), trusted: settings.trusted_proxies.clone(), most_bytes, metrics }
    }

    /// All of a body that `client` sends.
    ///
    /// # Errors
    /// [`NoBody`].
    pub async fn body(&self, client: IpAddr, body: Body) -> Result<Bytes, NoBody> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let given_up = Arc::new(Notify::new());
        let _until_it_is_here = self.enter(client, &given_up);
        tokio::select! {
            biased;
            read = timeout(BODY_TIMEOUT, to_bytes(body, self.most_bytes)) => match read {
                Ok(Ok(body)) => Ok(body),
                Ok(Err(_unreadable)) => Err(NoBody::Unreadable),
                Err(_elapsed) => Err(NoBody::TooSlow),
            },
            () = given_up.notified() => {
                self.metrics.limited("arriving");
                Err(NoBody::GivenUp)
            }
        }
    }

    /// A proxy that does not say for whom it asks may ask for anybody, and has no share of its own.
    fn enter(&self, client: IpAddr, given_up: &Arc<Notify>) -> Option<Place<'_>> {
        if is_trusted(client, &self.trusted) {
            return None;
        }
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        // All of them wait: the first is the oldest.
        let (ticket, oldest) = shares.take(client, Arc::clone(given_up), |_any| Some(0));
        if let Some(oldest) = oldest {
            oldest.notify_one();
        }
        Some(Place { arriving: self, ticket })
    }
}

/// Given back when it is dropped.
struct Place<'a> {
    arriving: &'a Arriving,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.arriving.shares.lock().unwrap_or_else(PoisonError::into_inner).give_back(self.ticket);
    }
}
