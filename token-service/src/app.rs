//! What all routes have in common: the configured service, and what a request may cost.
//!
//! From the outside in: [`service_kit::front`] (request id, log line, counters, security headers, the shape of errors),
//! [`crate::origin`] and CORS (only `/v1`), the route, the body ([`service_kit::arriving`]), and around what there is to do
//! [`service_kit::concurrency_limit`] (requests at once, total time, panics).

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::body::{Body, Bytes};
use service_kit::{
    arriving::{Arriving, NoBody},
    concurrency_limit::{ConcurrencyLimit, Failure},
};

use crate::{problems::GuardError, service::Service};

/// The largest request body, in bytes. A real one has about 100.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// The longest that a request may take once its body is here: two seconds for its turn, three for Twilio, and a margin.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(6);

/// Seconds after which a client may come again whose request made the service panic.
const AFTER_PANIC_SECONDS: u64 = 2;

/// What the routes share.
#[derive(Clone)]
pub struct AppState {
    /// The configured service.
    pub service: Arc<Service>,
    limit: Arc<ConcurrencyLimit>,
    arriving: Arc<Arriving>,
}

impl AppState {
    /// For one configured service.
    #[must_use]
    pub fn new(service: Arc<Service>) -> Self {
        let (settings, metrics) = (&service.config.server, Arc::clone(&service.metrics.kit));
        Self {
            limit: Arc::new(ConcurrencyLimit::new(settings.max_in_flight, TOTAL_TIMEOUT)),
            arriving: Arc::new(Arriving::new(settings, MAX_BODY_BYTES, metrics)),
            service,
        }
    }

    /// All of a body that `client` sends.
    ///
    /// # Errors
    /// [`NoBody`].
    pub async fn body(&self, client: IpAddr, body: Body) -> Result<Bytes, NoBody> {
        self.arriving.body(client, body).await
    }

    /// The answer of a route, within bounds; see [`service_kit::concurrency_limit`].
    ///
    /// # Errors
    /// [`GuardError`].
    pub async fn guarded<A: Future>(&self, answer: A) -> Result<A::Output, GuardError> {
        self.limit.run(answer).await.map_err(|failure| {
            let retry_after = match failure {
                Failure::Busy | Failure::TooSlow => self.service.retry_after(Duration::ZERO),
                // Whatever panicked might do so again: nothing of it is asked for how long to wait.
                Failure::Panicked => AFTER_PANIC_SECONDS,
            };
            GuardError { failure, retry_after }
        })
    }
}
