//! Asks Twilio whose a Flex token is: with few questions at once, within three seconds, and, if the operator wants,
//! not twice within half a minute.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use moka::future::Cache;
use protocol::{Secret, Timestamp};
use tokio::sync::Semaphore;
use twilio::flex_token::{FlexTokenError, FlexUser, TOTAL_TIMEOUT, Unavailable, Validator};

use crate::outside::Clock;

/// Questions to Twilio at once. More wait for their turn, as part of their three seconds.
const MAX_AT_ONCE: usize = 64;

/// The longest that an answer may be remembered: how long a revoked Flex token could still be taken.
pub const MAX_CACHE: Duration = Duration::from_secs(30);

/// How long "not valid" is remembered, when answers are.
const REFUSAL_CACHE: Duration = Duration::from_secs(5);

/// Answers remembered at once.
const CACHE_ENTRIES: u64 = 10_000;

/// Validates Flex tokens.
pub struct FlexTokens {
    twilio: Validator,
    permits: Semaphore,
    memory: Option<Memory>,
    clock: Arc<dyn Clock>,
}

struct Memory {
    /// By SHA-256 of the token: no token is kept.
    answers: Cache<[u8; 32], Known>,
    keep: Duration,
}

#[derive(Clone)]
struct Known {
    answer: Result<FlexUser, FlexTokenError>,
    until: Timestamp,
}

/// Twilio's answer, and whether Twilio was asked for it just now.
#[derive(Debug)]
pub struct Answer {
    /// Whose token it is, or why that is not known.
    pub result: Result<FlexUser, FlexTokenError>,
    /// False when it was remembered, or when another request asked at the same time.
    pub fresh: bool,
}

impl FlexTokens {
    /// `keep` is how long a valid answer is remembered, at most [`MAX_CACHE`]; zero remembers nothing.
    #[must_use]
    pub fn new(twilio: Validator, keep: Duration, clock: Arc<dyn Clock>) -> Self {
        let keep = keep.min(MAX_CACHE);
        let memory = (!keep.is_zero()).then(|| Memory {
            // Whether an answer still counts is decided by `until`; the cache's own clock only frees memory.
            answers: Cache::builder().max_capacity(CACHE_ENTRIES).time_to_live(MAX_CACHE).build(),
            keep,
        });
        Self { twilio, permits: Semaphore::new(MAX_AT_ONCE), memory, clock }
    }

    /// Asks, or remembers.
    pub async fn validate(&self, token: &Secret) -> Answer {
        let Some(memory) = &self.memory else {
            return Answer { result: self.ask(token).await, fresh: true };
        };
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, token.expose().as_bytes()).as_ref());
        if let Some(known) = memory.answers.get(&key).await {
            if self.clock.now() < known.until {
                return Answer { result: known.answer, fresh: false };
            }
            memory.answers.invalidate(&key).await;
        }
        // One question for all who ask at the same time. Only what Twilio really said is remembered: not that it
        // could not be asked, nor that our own credentials are wrong.
        let asked = memory.answers.entry(key).or_try_insert_with(async {
            let answer = self.ask(token).await;
            let now = self.clock.now();
            let plus = |keep: Duration| now.plus(u64::try_from(keep.as_millis()).unwrap_or(0));
            match answer {
                Ok(user) => Ok(Known { until: plus(memory.keep).min(user.expires_at), answer: Ok(user) }),
                Err(FlexTokenError::Invalid { .. }) => {
                    Ok(Known { until: plus(memory.keep.min(REFUSAL_CACHE)), answer })
                }
                Err(other) => Err(other),
            }
        });
        match asked.await {
            Ok(entry) => {
                let fresh = entry.is_fresh();
                Answer { result: entry.into_value().answer, fresh }
            }
            Err(error) => Answer { result: Err(error.as_ref().clone()), fresh: true },
        }
    }

    async fn ask(&self, token: &Secret) -> Result<FlexUser, FlexTokenError> {
        tokio::time::timeout(TOTAL_TIMEOUT, async {
            // The semaphore is never closed; were it, Twilio could not be asked.
            let Ok(_permit) = self.permits.acquire().await else {
                return Err(FlexTokenError::Unavailable(Unavailable::Connect));
            };
            self.twilio.validate(token).await
        })
        .await
        .unwrap_or(Err(FlexTokenError::Unavailable(Unavailable::Timeout)))
    }
}
