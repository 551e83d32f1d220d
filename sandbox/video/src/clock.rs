//! The clock of the sandbox's video side.

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
        reason = "the one place where the sandbox's video side reads the wall clock"
    )]
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self {
            started: Instant::now(),
            wall_started: Timestamp::from_millis(u64::try_from(wall).unwrap_or(0)),
        }
    }

    /// The present.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the sandbox's video side reads its clock"
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
}

/// The time as Twilio's REST writes it: whole seconds.
pub(crate) fn iso(at: Timestamp) -> String {
    let seconds = i64::try_from(at.as_millis() / 1000).unwrap_or(0);
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

/// The time as Twilio's callbacks write it: milliseconds.
pub(crate) fn iso_millis(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(0);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_twilio_writes_them() {
        let at = Timestamp::from_millis(1_700_000_000_050);
        assert_eq!(iso(at), "2023-11-14T22:13:20Z");
        assert_eq!(iso_millis(at), "2023-11-14T22:13:20.050Z");
    }
}
