//! The sandbox's clock, and how Twilio writes a time.

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
    #[expect(clippy::disallowed_methods, reason = "the one place where voice and video read the wall clock")]
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
    #[expect(clippy::disallowed_methods, reason = "the one place where voice and video read their clock")]
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

/// As Twilio writes it in most places: milliseconds, and `Z`.
#[must_use]
pub fn iso(at: Timestamp) -> String {
    let at = i64::try_from(at.as_millis()).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    format!("{:.3}", at.unwrap_or_default())
}

/// As Twilio's REST writes it for rooms: whole seconds.
#[must_use]
pub fn iso_seconds(at: Timestamp) -> String {
    let at = i64::try_from(at.as_millis() / 1000).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
    at.unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_twilio_writes_them() {
        let at = Timestamp::from_millis(1_700_000_000_050);
        assert_eq!(iso_seconds(at), "2023-11-14T22:13:20Z");
        assert_eq!(iso(at), "2023-11-14T22:13:20.050Z");
    }
}
