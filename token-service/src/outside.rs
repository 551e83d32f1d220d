//! The clock and the source of randomness, as parameters: tests bring their own and can say what must come out.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use protocol::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The time of day: what stands in tokens.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, which nobody can set back: what rate limits count by.
    fn elapsed(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts counting.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the service reads the clock")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the service reads the clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Makes up what nobody can guess.
pub trait Random: Send + Sync + 'static {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`NoRandomness`] when the system has none to give.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The system gives no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no randomness")]
pub struct NoRandomness;

/// The cryptographic generator of aws-lc.
#[derive(Debug)]
pub struct SystemRandomness(SystemRandom);

impl SystemRandomness {
    /// Seeds the generator, which takes aws-lc 50 to 120 ms the first time: before the service says that it is ready,
    /// rather than during the first agent's request.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn prewarmed() -> Result<Self, NoRandomness> {
        let random = Self(SystemRandom::new());
        random.fill(&mut [0; 12])?;
        Ok(random)
    }
}

impl Random for SystemRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.0.fill(bytes).map_err(|_unspecified| NoRandomness)
    }
}
