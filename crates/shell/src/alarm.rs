//! When the one timer has to be set.

use sansio::Moment;

/// The longest that the browser is asked to wait, in milliseconds. `setTimeout` takes 31 bits; and where the computer was
/// asleep or the clock was set, the browser goes on counting what was left while the machine's clock has jumped. A machine
/// that is woken too early does nothing, so this is how late it is woken after such a jump, at most.
const LONGEST_MS: u64 = 60_000;

/// What is to be done about the browser's timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It is right as it is.
    Keep,
    /// It is not wanted any more.
    Stop,
    /// It is to be set again, to this many milliseconds.
    Start(u32),
}

/// What the browser's timer is set to.
#[derive(Debug)]
pub(crate) struct Alarm<T> {
    /// The time that the machine asked for, and whether it was over already, so that the timer is about to fire.
    set: Option<(T, bool)>,
}

impl<T> Default for Alarm<T> {
    fn default() -> Self {
        Self { set: None }
    }
}

impl<T: Moment> Alarm<T> {
    /// The timer has fired.
    pub(crate) fn rang(&mut self) {
        self.set = None;
    }

    /// Compares what is set with what the machine wants.
    ///
    /// One that is about to fire is left alone: set again with each event it would come after all of them, and never while
    /// they come one after the other.
    pub(crate) fn plan(&mut self, wanted: Option<T>, now: T) -> Plan {
        let Some(at) = wanted else {
            return if self.set.take().is_some() { Plan::Stop } else { Plan::Keep };
        };
        let is_due = at <= now;
        if self.set.is_some_and(|(set, was_due)| was_due && is_due || set == at && !is_due) {
            return Plan::Keep;
        }
        self.set = Some((at, is_due));
        Plan::Start(u32::try_from(at.since(now).min(LONGEST_MS)).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn alarm() -> Alarm<Timestamp> {
        Alarm::default()
    }

    #[test]
    fn the_timer_is_set_when_something_else_is_wanted_and_not_with_each_event() {
        let mut alarm = alarm();
        assert_eq!(alarm.plan(None, at(0)), Plan::Keep);
        assert_eq!(alarm.plan(Some(at(500)), at(0)), Plan::Start(500));
        assert_eq!(alarm.plan(Some(at(500)), at(300)), Plan::Keep);
        assert_eq!(alarm.plan(Some(at(400)), at(300)), Plan::Start(100), "something comes before it");
        assert_eq!(alarm.plan(Some(at(900)), at(300)), Plan::Start(600), "it is not wanted any more");
        assert_eq!(alarm.plan(None, at(310)), Plan::Stop);
        assert_eq!(alarm.plan(None, at(320)), Plan::Keep);
        assert_eq!(alarm.plan(Some(at(900)), at(330)), Plan::Start(570));
        alarm.rang();
        assert_eq!(alarm.plan(Some(at(900)), at(899)), Plan::Start(1), "it rang too early");
    }

    #[test]
    fn events_one_after_the_other_do_not_keep_putting_off_what_is_due() {
        let mut alarm = alarm();
        assert_eq!(alarm.plan(Some(at(10)), at(10)), Plan::Start(0));
        for now in 11..50 {
            assert_eq!(alarm.plan(Some(at(10)), at(now)), Plan::Keep);
        }
        assert_eq!(alarm.plan(Some(at(5)), at(50)), Plan::Keep, "that is due as well");
        alarm.rang();
        assert_eq!(alarm.plan(Some(at(10)), at(60)), Plan::Start(0));
    }

    #[test]
    fn after_a_sleep_what_has_become_due_is_woken_at_the_next_event_and_within_a_minute_without_one() {
        let mut alarm = alarm();
        assert_eq!(alarm.plan(Some(at(30_000)), at(0)), Plan::Start(30_000));
        assert_eq!(alarm.plan(Some(at(30_000)), at(3_600_000)), Plan::Start(0));
        let mut alarm = self::alarm();
        assert_eq!(alarm.plan(Some(at(u64::MAX)), at(0)), Plan::Start(60_000), "setTimeout takes 31 bits");
    }

    #[test]
    fn a_clock_that_was_set_back_takes_the_timer_along_with_the_deadline() {
        let mut alarm = alarm();
        assert_eq!(alarm.plan(Some(at(3_600_500)), at(3_600_000)), Plan::Start(500));
        assert_eq!(alarm.plan(Some(at(500)), at(100)), Plan::Start(400), "the machine has shifted it");
        alarm.rang();
        assert_eq!(alarm.plan(Some(at(3_600_500)), at(400)), Plan::Start(60_000), "a machine that has not");
    }
}
