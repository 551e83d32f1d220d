//! The clock of the sandbox's voice side.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kernel::Timestamp;

/// One origin for all times of one sandbox: monotonic, and convertible to wall time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    wall_started: Timestamp,
}

impl Clock {
    /// Reads both clocks, once; from here on time only moves forward.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the sandbox's voice side reads the wall clock"
    )]
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self {
            started: Instant::now(),
            wall_started: Timestamp::from_millis(u64::try_from(wall).unwrap_or(0)),
        }
    }

    /// The instant at which it started.
    #[must_use]
    pub fn origin(&self) -> Instant {
        self.started
    }
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the sandbox's voice side reads its clock"
    )]
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// Wall time of an instant.
    #[must_use]
    pub fn wall(&self, at: Instant) -> Timestamp {
        self.wall_started
            .plus(u64::try_from(at.saturating_duration_since(self.started).as_millis()).unwrap_or(0))
    }

    /// The instant of a wall time that [`Clock::wall`] gave.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        self.started + Duration::from_millis(at.since(self.wall_started))
    }

    /// Milliseconds since the start of a wall time that [`Clock::wall`] gave.
    #[must_use]
    pub fn since_start(&self, at: Timestamp) -> u64 {
        at.since(self.wall_started)
    }
}
