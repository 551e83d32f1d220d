//! One of Twilio's APIs, asked with few questions at once, and not at all while it does not answer.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use service_kit::env::Clock;
use tokio::sync::Semaphore;
use twilio::rest::{RestError, Unavailable};

use crate::{
    metrics::Metrics,
    upstream::{Breaker, Closed},
};

/// Questions to one API at once. More wait for their turn.
const MAX_AT_ONCE: usize = 64;

/// The longest wait for a turn.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// How long an API is left alone that says "too many requests" without saying for how long.
const PAUSE: Duration = Duration::from_secs(1);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Twilio says so, or could not be asked.
    #[error("{api}: {error}")]
    Rest {
        /// Which API.
        api: &'static str,
        /// What it said.
        error: RestError,
    },
    /// It was not asked; in so much time it may be.
    #[error("{api} is not asked, because it does not answer, or too many are asking")]
    NotAsked {
        /// Which API.
        api: &'static str,
        /// For how long.
        wait: Duration,
    },
}

impl NoAnswer {
    /// For how long there will surely be none, where that is known.
    #[must_use]
    pub fn wait(&self) -> Duration {
        match self {
            Self::NotAsked { wait, .. } => *wait,
            Self::Rest {
                error: RestError::Unavailable(Unavailable::TooManyRequests { retry_after: Some(seconds) }),
                ..
            } => Duration::from_secs((*seconds).min(60)),
            Self::Rest { .. } => Duration::ZERO,
        }
    }
}

/// One API.
pub struct Upstream {
    api: &'static str,
    permits: Semaphore,
    breaker: Mutex<Breaker>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    count: Count,
}

/// How what is asked is counted: under the name of whom it is asked for.
pub type Count = fn(&Metrics, api: &'static str, outcome: &'static str, took: Duration);

impl Upstream {
    /// Called `api` in metrics and log.
    #[must_use]
    pub fn new(api: &'static str, clock: Arc<dyn Clock>, metrics: Arc<Metrics>, count: Count) -> Self {
        Self { api, permits: Semaphore::new(MAX_AT_ONCE), breaker: Mutex::default(), clock, metrics, count }
    }

    /// Asks, if it is sensible now.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn ask<T>(&self, question: impl Future<Output = Result<T, RestError>>) -> Result<T, NoAnswer> {
        let api = self.api;
        let not_asked = |wait| {
            (self.count)(&self.metrics, api, "not_asked", Duration::ZERO);
            NoAnswer::NotAsked { api, wait }
        };
        let turn = tokio::time::timeout(MAX_WAIT, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = turn else { return Err(not_asked(MAX_WAIT)) };
        let started = self.clock.elapsed();
        self.breaker().ask(started).map_err(|closed| match closed {
            Closed::Broken(wait) | Closed::Paused(wait) => not_asked(wait),
        })?;
        let answer = question.await;
        let now = self.clock.elapsed();
        let outcome = match &answer {
            Ok(_) => "answered",
            Err(RestError::NotFound) => "not_found",
            Err(RestError::BadRequest | RestError::Refused { .. }) => "bad_request",
            Err(RestError::CredentialsRefused { .. }) => "credentials_refused",
            Err(RestError::Unavailable(Unavailable::TooManyRequests { .. })) => "too_many_requests",
            Err(RestError::Unavailable(_)) => "unavailable",
        };
        (self.count)(&self.metrics, api, outcome, now.saturating_sub(started));
        let mut breaker = self.breaker();
        match &answer {
            Err(RestError::Unavailable(Unavailable::TooManyRequests { retry_after })) => {
                breaker.pause(now, retry_after.map_or(PAUSE, Duration::from_secs));
            }
            Err(RestError::Unavailable(_)) => breaker.failed(now),
            _ => breaker.answered(),
        }
        drop(breaker);
        answer.map_err(|error| NoAnswer::Rest { api, error })
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
