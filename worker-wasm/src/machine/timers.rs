//! Deadlines: one instant per purpose, so that "is this waiting?" and "when next?" have one answer.

use std::collections::BTreeMap;

use kernel::Timestamp;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// The next heartbeat.
    Heartbeat,
    /// The Voice token wants refreshing.
    Refresh,
    /// Until then the token service is not asked again.
    FetchRetry,
    /// The answer of the token service is overdue.
    FetchDeadline,
    /// Until then the pages are not asked for a Flex token again.
    AskPages,
    /// The gateway's confirmation is overdue.
    Registration,
    /// The offscreen document's Hello is overdue.
    OffscreenHello,
    /// Until then the offscreen document is not opened again.
    OffscreenRetry,
    /// The offscreen document has carried enough calls and has been idle: time for a fresh one.
    RenewOffscreen,
    /// A live call waits for the offscreen document.
    CallOffscreen,
    /// A call that is being accepted is not open yet.
    Accept,
    /// The offscreen document came back without the call; how it ended may follow at once.
    CallLost,
    /// The offscreen document has not ended a call that it was told to end.
    HangUp,
    /// The gateway is to be asked for another confirmation.
    Probe,
    /// The gateway's confirmation did not come.
    Silence,
    /// Until then a `Device` that does not come back is not rebuilt.
    Rebuild,
    /// Trouble has lasted long enough to say so.
    Trouble,
    /// A second call has waited long enough for the agent's word.
    Waiting,
    /// The last call's problem has been shown long enough.
    ProblemFade,
    /// After a restart, time for the pages that were open to connect again.
    PagesBack,
    /// No page of the agent has been open for long enough.
    Absence,
    /// After a restart, time to register again before the pages are told that calls do not arrive.
    RestoreGrace,
}

/// The armed deadlines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Timers(BTreeMap<Timer, Timestamp>);

impl Timers {
    pub(super) fn arm(&mut self, timer: Timer, at: Timestamp) {
        self.0.insert(timer, at);
    }

    /// Arms unless armed.
    pub(super) fn arm_once(&mut self, timer: Timer, at: Timestamp) {
        self.0.entry(timer).or_insert(at);
    }

    pub(super) fn disarm(&mut self, timer: Timer) {
        self.0.remove(&timer);
    }

    pub(super) fn is_armed(&self, timer: Timer) -> bool {
        self.0.contains_key(&timer)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.values().min().copied()
    }

    /// Takes out one deadline that has passed, the earliest first.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<(Timer, Timestamp)> {
        let (timer, at) = self
            .0
            .iter()
            .filter(|(_, at)| **at <= now)
            .min_by_key(|(_, at)| **at)
            .map(|(t, at)| (*t, *at))?;
        self.0.remove(&timer);
        Some((timer, at))
    }

    /// The clock was set back: all deadlines keep their distance.
    pub(super) fn shift_back(&mut self, millis: u64) {
        for at in self.0.values_mut() {
            *at = Timestamp::from_millis(at.as_millis().saturating_sub(millis));
        }
    }
}

/// The delay before try number `failures` + 1: 1, 2, 4, … seconds up to `max`, of which a random half is
/// taken off so that a thousand agents do not come back in the same second.
pub(super) fn backoff_ms(failures: u32, max: u64, random: u64) -> u64 {
    let full = 1_000_u64.checked_shl(failures.saturating_sub(1).min(20)).unwrap_or(max).min(max);
    full / 2 + random % (full / 2 + 1)
}

/// The delay before the next try when the last one was `previous`: anything from a second to three times as long, up to
/// `max`. It grows like [`backoff_ms`], and spreads a thousand agents better whose service fails for minutes.
pub(super) fn decorrelated_ms(previous: u64, max: u64, random: u64) -> u64 {
    let most = previous.saturating_mul(3).clamp(2_000, max.max(2_000));
    1_000 + random % (most - 1_000 + 1)
}

/// A small generator of jitter (xorshift64*). Nothing secret depends on it; its seed is a parameter, so a
/// test sees the same numbers every time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_its_limit_and_jitter_takes_off_at_most_half() {
        for (failures, full) in
            [(1, 1_000), (2, 2_000), (3, 4_000), (6, 32_000), (7, 60_000), (4_000_000, 60_000)]
        {
            for random in [0, 1, 499, 12_345, u64::MAX] {
                let delay = backoff_ms(failures, 60_000, random);
                assert!((full / 2..=full).contains(&delay), "{failures} {random} {delay}");
            }
        }
    }

    #[test]
    fn a_decorrelated_delay_stays_between_a_second_and_its_limit_and_reaches_both() {
        let mut jitter = Jitter::new(3);
        let (mut delay, mut longest) = (0, 0);
        for _ in 0..10_000 {
            let next = decorrelated_ms(delay, 60_000, jitter.next());
            assert!((1_000..=60_000).contains(&next) && next <= (3 * delay).max(2_000), "{delay} {next}");
            longest = longest.max(next);
            delay = next;
        }
        assert!(longest > 50_000, "{longest}");
    }

    #[test]
    fn deadlines_come_due_in_their_order_and_once() {
        let at = Timestamp::from_millis;
        let mut timers = Timers::default();
        timers.arm(Timer::Refresh, at(20));
        timers.arm(Timer::Heartbeat, at(30));
        timers.arm_once(Timer::Refresh, at(5));
        assert_eq!(timers.next(), Some(at(20)));
        assert_eq!(timers.take_due(at(30)), Some((Timer::Refresh, at(20))));
        assert_eq!(timers.take_due(at(30)), Some((Timer::Heartbeat, at(30))));
        assert_eq!(timers.take_due(at(30)), None);
    }
}
