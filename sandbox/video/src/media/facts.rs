//! What went through a room's media server: counted, so that a test can say who sees and hears whom.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::ids::{ParticipantSid, TrackSid};

/// Over how long a rate is counted.
const WINDOW: Duration = Duration::from_secs(2);

/// Frames that went one way.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    frames: u64,
    bytes: u64,
    recent: VecDeque<Instant>,
    longest_gap: Duration,
    last: Option<Instant>,
}

impl Counter {
    pub fn count(&mut self, bytes: usize, now: Instant) {
        self.frames += 1;
        self.bytes += bytes as u64;
        if let Some(last) = self.last.replace(now) {
            self.longest_gap = self.longest_gap.max(now.saturating_duration_since(last));
        }
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|at| now.saturating_duration_since(*at) > WINDOW) {
            self.recent.pop_front();
        }
    }

    fn view(&self, now: Instant) -> Flow {
        let recent = self.recent.iter().filter(|at| now.saturating_duration_since(**at) <= WINDOW).count();
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Flow {
            frames: self.frames,
            bytes: self.bytes,
            frames_per_second: recent as f64 / WINDOW.as_secs_f64(),
            longest_gap_ms: millis(self.longest_gap),
            silent_ms: self.last.map(|last| millis(now.saturating_duration_since(last))),
        }
    }
}

/// What is known of a track.
#[derive(Debug, Default)]
pub(crate) struct TrackFacts {
    pub from_publisher: Counter,
    pub to: BTreeMap<ParticipantSid, (Counter, bool)>,
    pub size: Option<(u16, u16)>,
    pub level_dbov: Option<i8>,
}

/// Frames that went one way, as others see them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flow {
    /// All of them.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of the last two seconds.
    pub frames_per_second: f64,
    /// Between two of them, ever.
    pub longest_gap_ms: u64,
    /// Since the last.
    pub silent_ms: Option<u64>,
}

/// A track, as others see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrackView {
    /// The track.
    pub sid: TrackSid,
    /// From its publisher.
    pub from_publisher: Flow,
    /// To each who gets it.
    pub to: Vec<SubscriberView>,
    /// Of the picture, once there was a keyframe.
    pub width: Option<u16>,
    /// Of the picture.
    pub height: Option<u16>,
    /// The loudness of the newest sound: 0 is the loudest that there is, -127 silence.
    pub level_dbov: Option<i8>,
}

/// A track on its way to one who gets it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubscriberView {
    /// Who.
    pub participant: ParticipantSid,
    /// What went there.
    pub flow: Flow,
    /// True while nothing goes there, because nobody looks.
    pub switched_off: bool,
}

impl TrackFacts {
    pub fn view(&self, sid: &TrackSid, now: Instant) -> TrackView {
        let to = self.to.iter().map(|(participant, (counter, switched_off))| SubscriberView {
            participant: participant.clone(),
            flow: counter.view(now),
            switched_off: *switched_off,
        });
        TrackView {
            sid: sid.clone(),
            from_publisher: self.from_publisher.view(now),
            to: to.collect(),
            width: self.size.map(|(width, _)| width),
            height: self.size.map(|(_, height)| height),
            level_dbov: self.level_dbov,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
    fn a_rate_is_that_of_the_last_two_seconds_and_a_gap_is_kept() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut counter = Counter::default();
        for ms in [0, 100, 200, 1_200, 1_300] {
            counter.count(10, at(ms));
        }
        let flow = counter.view(at(1_300));
        assert_eq!((flow.frames, flow.bytes, flow.longest_gap_ms), (5, 50, 1_000));
        assert!((flow.frames_per_second - 2.5).abs() < 1e-9);
        let later = counter.view(at(5_000));
        assert_eq!((later.frames_per_second, later.silent_ms), (0.0, Some(3_700)));
    }
}
