//! When to ask Twilio, and when to tell clients to come back: pure decisions about time, no clock and no network.
//!
//! [`Breaker`] keeps questions away from a Twilio that does not answer; [`RetryAfter`] keeps the clients that were sent away
//! from coming back all at once.

use std::time::Duration;

/// So many failures in a row open the breaker.
const FAILURES: u32 = 5;

/// How long the breaker stays open the first time; each failed probe doubles it.
const FIRST_OPEN: Duration = Duration::from_secs(1);

/// The longest that the breaker stays open between two probes.
const LONGEST_OPEN: Duration = Duration::from_secs(15);

/// A probe that was never told about is given up; longer than a question can take.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// The longest pause that Twilio may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whether Twilio may be asked. Time is time since any fixed moment.
#[derive(Debug)]
pub struct Breaker {
    failures: u32,
    state: State,
    paused_until: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Duration, lasted: Duration },
    Probing { since: Duration, lasted: Duration },
}

/// Why Twilio may not be asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Twilio does not answer; in so much time, it may be tried again.
    Broken(Duration),
    /// Twilio wants fewer questions; it is worth waiting for so long.
    Paused(Duration),
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 0, state: State::Closed, paused_until: Duration::ZERO }
    }
}

impl Breaker {
    /// May Twilio be asked now? Whoever is told yes must say how it went.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn ask(&mut self, now: Duration) -> Result<(), Closed> {
        match self.state {
            State::Open { until, .. } if now < until => return Err(Closed::Broken(until - now)),
            State::Probing { since, .. } if now < since + PROBE_LIMIT => {
                return Err(Closed::Broken(FIRST_OPEN));
            }
            _ if now < self.paused_until => return Err(Closed::Paused(self.paused_until - now)),
            State::Open { lasted, .. } | State::Probing { lasted, .. } => {
                self.state = State::Probing { since: now, lasted };
            }
            State::Closed => {}
        }
        Ok(())
    }

    /// Twilio answered, whatever it said.
    pub const fn answered(&mut self) {
        self.failures = 0;
        self.state = State::Closed;
    }

    /// Twilio did not answer, or not sensibly.
    pub fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        match self.state {
            State::Probing { lasted, .. } => {
                let lasted = (lasted * 2).min(LONGEST_OPEN);
                self.state = State::Open { until: now + lasted, lasted };
            }
            State::Closed if self.failures >= FAILURES => {
                self.state = State::Open { until: now + FIRST_OPEN, lasted: FIRST_OPEN };
            }
            // Questions that were on their way when it opened say nothing new.
            State::Closed | State::Open { .. } => {}
        }
    }

    /// Twilio answered that it is asked too often.
    pub fn pause(&mut self, now: Duration, pause: Duration) {
        self.answered();
        self.paused_until = self.paused_until.max(now + pause.min(LONGEST_PAUSE));
    }

    /// True while questions are kept away from a Twilio that does not answer.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed)
    }
}

/// The span over which [`RetryAfter`] counts.
const WINDOW: Duration = Duration::from_secs(5);

/// So many in a [`WINDOW`] can be sent away without any need to spread them.
const FEW: u32 = 100;

/// The shortest time after which a client is told to come back, in seconds.
const SHORTEST: u32 = 2;

/// The longest, in seconds.
const LONGEST: u32 = 60;

/// For how long to send clients away, so that those who come back are about as many as can be served.
///
/// Of those who were told to come back in `r` seconds, `sent away / r` come each second; if only one in `n` of those who
/// come is served, they must come `n` times more rarely.
#[derive(Debug)]
pub struct RetryAfter {
    since: Duration,
    served: u32,
    sent_away: u32,
    seconds: u32,
}

impl Default for RetryAfter {
    fn default() -> Self {
        Self { since: Duration::ZERO, served: 0, sent_away: 0, seconds: SHORTEST }
    }
}

impl RetryAfter {
    /// A client was served.
    pub fn served(&mut self, now: Duration) {
        self.turn(now);
        self.served = self.served.saturating_add(1);
    }

    /// A client is sent away: for how many seconds? `random` is anything from 0 to 255, and spreads them by a half.
    pub fn sent_away(&mut self, now: Duration, random: u8) -> u64 {
        self.turn(now);
        self.sent_away = self.sent_away.saturating_add(1);
        u64::from(self.seconds) + u64::from(self.seconds) * u64::from(random) / 512
    }

    fn turn(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.since);
        if passed < WINDOW {
            return;
        }
        let wanted = u64::from(self.seconds) * u64::from(self.sent_away) / u64::from(self.served.max(FEW));
        // A quiet time says that those who were sent away have been served, or will be as they come.
        let seconds = if passed >= WINDOW * 12 { 0 } else { u32::try_from(wanted).unwrap_or(LONGEST) };
        *self = Self { since: now, served: 0, sent_away: 0, seconds: seconds.clamp(SHORTEST, LONGEST) };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened_at(now: Duration) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert_eq!(breaker.ask(now), Ok(()));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_any_answer_between_starts_the_count_anew() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            for _ in 0..FAILURES - 1 {
                breaker.failed(s(0));
            }
            breaker.answered();
        }
        assert_eq!((breaker.ask(s(0)), breaker.is_open()), (Ok(()), false));
        let mut breaker = opened_at(s(0));
        assert_eq!((breaker.ask(s(0)), breaker.is_open()), (Err(Closed::Broken(s(1))), true));
    }

    #[test]
    fn after_its_time_one_question_goes_through_and_decides() {
        let mut breaker = opened_at(s(0));
        assert_eq!(breaker.ask(s(1)), Ok(()));
        assert_eq!(breaker.ask(s(1)), Err(Closed::Broken(s(1))), "one probe at a time");
        breaker.answered();
        assert_eq!(breaker.ask(s(1)), Ok(()));
        assert_eq!(breaker.ask(s(1)), Ok(()));
    }

    #[test]
    fn each_failed_probe_doubles_the_time_up_to_fifteen_seconds() {
        let (mut breaker, mut now, mut waits) = (opened_at(s(0)), s(0), Vec::new());
        for _ in 0..6 {
            let Err(Closed::Broken(wait)) = breaker.ask(now) else { panic!("open") };
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(breaker.ask(now), Ok(()));
            breaker.failed(now);
        }
        assert_eq!(waits, [1, 2, 4, 8, 15, 15]);
    }

    #[test]
    fn a_probe_that_never_came_back_does_not_hold_the_door() {
        let mut breaker = opened_at(s(0));
        assert_eq!(breaker.ask(s(1)), Ok(()));
        assert!(breaker.ask(s(10)).is_err());
        assert_eq!(breaker.ask(s(11)), Ok(()));
    }

    #[test]
    fn a_pause_that_twilio_asks_for_is_kept_but_not_for_longer_than_half_a_minute() {
        let mut breaker = Breaker::default();
        breaker.pause(s(10), s(3));
        assert_eq!(breaker.ask(s(11)), Err(Closed::Paused(s(2))));
        assert_eq!(breaker.ask(s(13)), Ok(()));
        breaker.pause(s(20), s(3600));
        assert_eq!(breaker.ask(s(20)), Err(Closed::Paused(s(30))));
    }

    #[test]
    fn a_few_who_are_sent_away_come_back_soon() {
        let mut retry_after = RetryAfter::default();
        for now in 0..100 {
            for _ in 0..10 {
                assert_eq!(retry_after.sent_away(s(now), 0), 2);
            }
        }
        assert_eq!(retry_after.sent_away(s(100), 255), 2, "half of two, at most, and less than one more");
    }

    #[test]
    fn many_are_sent_away_for_ever_longer_and_after_a_quiet_time_not_any_more() {
        let mut retry_after = RetryAfter::default();
        let mut told = Vec::new();
        for window in 0..4 {
            for _ in 0..1000 {
                told.push(retry_after.sent_away(s(window * 5), 0));
            }
            (0..250).for_each(|_| retry_after.served(s(window * 5)));
        }
        assert_eq!((told[0], told[1000], told[2000], told[3000]), (2, 8, 32, 60));
        assert_eq!(retry_after.sent_away(s(300), 0), 2);
    }

    /// Twenty thousand agents within a minute, fifty answers a second: how many questions reach us, and until when?
    #[test]
    fn a_storm_is_served_at_the_pace_of_twilio_and_nobody_is_sent_away_for_good() {
        let (mut retry_after, mut random) = (RetryAfter::default(), 0_u8);
        let mut coming: Vec<Vec<u32>> = vec![Vec::new(); 3000];
        for agent in 0..20_000_u32 {
            coming[usize::try_from(agent % 60).unwrap()].push(0);
        }
        let (mut served, mut tries, mut last) = (0, 0_u32, 0);
        for second in 0..3000_usize {
            let now = s(u64::try_from(second).unwrap());
            for (place, tried) in std::mem::take(&mut coming[second]).into_iter().enumerate() {
                tries += 1;
                if place < 50 {
                    retry_after.served(now);
                    (served, last) = (served + 1, second);
                } else {
                    random = random.wrapping_mul(5).wrapping_add(17);
                    let later = usize::try_from(retry_after.sent_away(now, random)).unwrap();
                    coming[second + later].push(tried + 1);
                }
            }
        }
        assert_eq!(served, 20_000);
        // 400 s is what it takes at 50 a second.
        assert!(last < 800, "{last}");
        assert!(tries < 20_000 * 12, "{tries}");
    }

    proptest! {
        #[test]
        fn the_breaker_never_stays_shut_for_longer_than_it_may(
            steps in proptest::collection::vec((0..4_u8, 0..20_u64), 0..200),
        ) {
            let (mut breaker, mut now) = (Breaker::default(), s(0));
            for (step, wait) in steps {
                now += s(wait);
                match step {
                    0 => breaker.failed(now),
                    1 => breaker.answered(),
                    2 => breaker.pause(now, s(wait)),
                    _ => { breaker.ask(now).ok(); }
                }
            }
            prop_assert!(breaker.ask(now + LONGEST_PAUSE).is_ok());
        }
    }
}
