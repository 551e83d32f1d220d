//! Bounds what one request can cost: how many at once, how long, and what a panic takes with it. A request has a place here
//! once its body is here; until then see [`super::arriving`].

use std::{num::NonZeroU32, panic::AssertUnwindSafe, time::Duration};

use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use protocol::token::TokenErrorCode;
use tokio::sync::Semaphore;

use super::{AppState, problem::Problem};

/// The longest that a request may take once its body is here: two seconds for its turn, three for Twilio, and a margin.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(6);

/// Seconds after which a client may come again whose request made the service panic.
const AFTER_PANIC_SECONDS: u64 = 2;

/// Counts the requests in progress.
pub struct Guard {
    in_flight: Semaphore,
}

impl Guard {
    /// Lets so many in at once.
    #[must_use]
    pub fn new(max_in_flight: NonZeroU32) -> Self {
        let permits = usize::try_from(max_in_flight.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { in_flight: Semaphore::new(permits) }
    }
}

/// What went wrong with a request as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// As many requests as may be are in progress.
    #[error("the service has too much to do")]
    Busy,
    /// [`TOTAL_TIMEOUT`] has passed.
    #[error("the request took too long")]
    TooSlow,
    /// The handler panicked; the panic hook has logged where.
    #[error("the service failed")]
    Panicked,
}

/// What went wrong, and after how many seconds the client may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardError {
    failure: Failure,
    retry_after: u64,
}

impl IntoResponse for GuardError {
    fn into_response(self) -> Response {
        let code = match self.failure {
            Failure::Busy | Failure::TooSlow => TokenErrorCode::UpstreamUnavailable,
            Failure::Panicked => TokenErrorCode::Internal,
        };
        Problem::new(code, self.failure).retry_after(self.retry_after).into_response()
    }
}

impl AppState {
    /// The answer of a route, within bounds; see the module's documentation.
    ///
    /// # Errors
    /// [`GuardError`].
    pub async fn guarded<A: Future>(&self, answer: A) -> Result<A::Output, GuardError> {
        let fail = |failure| GuardError { failure, retry_after: self.service.retry_after(Duration::ZERO) };
        let _permit = self.guard.in_flight.try_acquire().map_err(|_none_left| fail(Failure::Busy))?;
        match tokio::time::timeout(TOTAL_TIMEOUT, AssertUnwindSafe(answer).catch_unwind()).await {
            Ok(Ok(answer)) => Ok(answer),
            // Whatever panicked might do so again: nothing of it is asked for how long to wait.
            Ok(Err(_panic)) => {
                Err(GuardError { failure: Failure::Panicked, retry_after: AFTER_PANIC_SECONDS })
            }
            Err(_elapsed) => Err(fail(Failure::TooSlow)),
        }
    }
}
