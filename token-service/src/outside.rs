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

/// The kernel's cryptographic generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandomness;

impl SystemRandomness {
    /// Makes sure that there is randomness.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn checked() -> Result<Self, NoRandomness> {
        Self.fill(&mut [0; 12])?;
        Ok(Self)
    }
}

impl Random for SystemRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        getrandom::fill(bytes).map_err(|_unspecified| NoRandomness)
    }
}

/// Seeds the generator of aws-lc, which TLS uses, on a thread of its own: it takes 50 to 120 ms of processor time the first
/// time, unless it was built without its measurement of jitter. The service need not wait for it to be ready, and the
/// first agent's question to Twilio, as a rule, need not either.
pub fn prewarm_tls() {
    let seed = || {
        // TLS itself says so if there is none.
        SystemRandom::new().fill(&mut [0; 12]).unwrap_or_default();
    };
    if let Err(error) = std::thread::Builder::new().name("seed".into()).spawn(seed) {
        tracing::debug!(%error, "cannot seed TLS ahead of time");
    }
}
