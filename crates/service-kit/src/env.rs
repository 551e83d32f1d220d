//! The clock and the source of randomness, as parameters: tests bring their own and can say what must come out.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use kernel::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The time of day: what stands in tokens.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, which nobody can set back: what rate limits count by.
    fn elapsed(&self) -> Duration;
}

/// The two, for whatever needs both.
#[derive(Clone)]
pub struct Env {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes up names.
    pub random: Arc<dyn Random>,
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

/// The kernel's cryptographic generator, asked for several names' worth at once.
#[derive(Debug)]
pub struct SystemRandomness(Mutex<Store>);

/// Bytes that have not been given out yet; those that have are zero.
struct Store {
    bytes: [u8; STORE],
    used: usize,
}

/// So many bytes are fetched at once.
const STORE: usize = 512;

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl SystemRandomness {
    /// Makes sure that there is randomness.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn checked() -> Result<Self, NoRandomness> {
        let randomness = Self(Mutex::new(Store { bytes: [0; STORE], used: STORE }));
        randomness.fill(&mut [0; 12])?;
        Ok(randomness)
    }
}

impl Random for SystemRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        if bytes.len() > STORE {
            return getrandom::fill(bytes).map_err(|_unspecified| NoRandomness);
        }
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if store.used + bytes.len() > STORE {
            getrandom::fill(&mut store.bytes).map_err(|_unspecified| NoRandomness)?;
            store.used = 0;
        }
        let (from, to) = (store.used, store.used + bytes.len());
        bytes.copy_from_slice(&store.bytes[from..to]);
        store.bytes[from..to].fill(0);
        store.used = to;
        Ok(())
    }
}

/// Bytes as hexadecimal digits, two each, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Seeds the generator of aws-lc, which TLS uses, on a thread of its own: it takes 50 to 120 ms of processor time the first
/// time, unless it was built without its measurement of jitter. The service need not wait for it to be ready, and the
/// first question that it asks somebody else over TLS, as a rule, need not either.
pub fn prewarm_tls() {
    let seed = || {
        // TLS itself says so if there is none.
        SystemRandom::new().fill(&mut [0; 12]).unwrap_or_default();
    };
    if let Err(error) = std::thread::Builder::new().name("seed".into()).spawn(seed) {
        tracing::debug!(%error, "cannot seed TLS ahead of time");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_random_byte_is_given_out_twice_and_any_number_is() {
        let randomness = SystemRandomness::checked().unwrap();
        let mut seen = BTreeSet::new();
        for _ in 0..1_000 {
            let mut name = [0; 12];
            randomness.fill(&mut name).unwrap();
            assert!(seen.insert(name));
        }
        for length in [0, 1, STORE - 1, STORE, STORE + 1, 3 * STORE] {
            let mut bytes = vec![0; length];
            randomness.fill(&mut bytes).unwrap();
            assert!(length < 16 || bytes.iter().any(|byte| *byte != 0), "{length}");
        }
    }
}
