//! Bounds what one request can cost: how many at once, how long, and what a panic takes with it. A request has a place here
//! once its body is here; until then see [`crate::arriving`].

use std::{num::NonZeroU32, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;

/// Counts the requests in progress.
pub struct ConcurrencyLimit {
    in_flight: Semaphore,
    longest: Duration,
}

/// What went wrong with a request as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// As many requests as may be are in progress.
    #[error("the service has too much to do")]
    Busy,
    /// It has taken as long as it may.
    #[error("the request took too long")]
    TooSlow,
    /// The handler panicked; the panic hook has logged where.
    #[error("the service failed")]
    Panicked,
}

impl ConcurrencyLimit {
    /// Lets this many in at once, each for at most this long.
    #[must_use]
    pub fn new(max_in_flight: NonZeroU32, longest: Duration) -> Self {
        let permits = usize::try_from(max_in_flight.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { in_flight: Semaphore::new(permits), longest }
    }

    /// The answer of a route, within bounds; see the module's documentation.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn run<A: Future>(&self, answer: A) -> Result<A::Output, Failure> {
        let _permit = self.in_flight.try_acquire().map_err(|_none_left| Failure::Busy)?;
        match tokio::time::timeout(self.longest, AssertUnwindSafe(answer).catch_unwind()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_panic)) => Err(Failure::Panicked),
            Err(_elapsed) => Err(Failure::TooSlow),
        }
    }
}
