//! Deadlines: one instant per purpose, so that "is this waiting?" and "when next?" have one answer.

use std::collections::BTreeMap;

use crate::Moment;

/// The armed deadlines of a machine: at most one for each purpose `K`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timers<K, T>(BTreeMap<K, T>);

impl<K, T> Default for Timers<K, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone, T: Moment> Timers<K, T> {
    /// Arms, in place of a deadline that is armed already.
    pub fn arm(&mut self, purpose: K, at: T) {
        self.0.insert(purpose, at);
    }

    /// Arms unless armed.
    pub fn arm_once(&mut self, purpose: K, at: T) {
        self.0.entry(purpose).or_insert(at);
    }

    /// Forgets a deadline.
    pub fn disarm(&mut self, purpose: K) {
        self.0.remove(&purpose);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether a deadline is armed.
    #[must_use]
    pub fn is_armed(&self, purpose: K) -> bool {
        self.0.contains_key(&purpose)
    }

    /// Whether a deadline is armed and still to come.
    #[must_use]
    pub fn is_ahead(&self, purpose: K, now: T) -> bool {
        self.at(purpose).is_some_and(|at| at > now)
    }

    /// When a deadline is, if it is armed.
    #[must_use]
    pub fn at(&self, purpose: K) -> Option<T> {
        self.0.get(&purpose).copied()
    }

    /// The earliest of all.
    #[must_use]
    pub fn next(&self) -> Option<T> {
        self.0.values().min().copied()
    }

    /// Takes out one deadline that has passed, the earliest first.
    pub fn take_due(&mut self, now: T) -> Option<(K, T)> {
        let due = self.0.iter().filter(|(_, at)| **at <= now);
        let (purpose, at) = due.min_by_key(|(_, at)| **at).map(|(purpose, at)| (purpose.clone(), *at))?;
        self.0.remove(&purpose);
        Some((purpose, at))
    }

    /// The wall clock was set back: all deadlines keep their distance.
    pub fn shift_back(&mut self, millis: u64) {
        for at in self.0.values_mut() {
            *at = at.minus(millis);
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;

    use super::*;

    #[test]
    fn deadlines_come_due_in_their_order_and_once() {
        let at = Timestamp::from_millis;
        let mut timers = Timers::default();
        timers.arm("refresh", at(20));
        timers.arm("heartbeat", at(30));
        timers.arm_once("refresh", at(5));
        assert_eq!((timers.next(), timers.at("refresh")), (Some(at(20)), Some(at(20))));
        assert_eq!(timers.take_due(at(19)), None);
        assert!(timers.is_ahead("refresh", at(19)) && !timers.is_ahead("refresh", at(20)));
        assert_eq!(timers.take_due(at(30)), Some(("refresh", at(20))));
        assert_eq!(timers.take_due(at(30)), Some(("heartbeat", at(30))));
        assert_eq!((timers.take_due(at(30)), timers.is_armed("refresh")), (None, false));
    }

    #[test]
    fn deadlines_keep_their_distance_when_the_clock_is_set_back() {
        let at = Timestamp::from_millis;
        let mut timers = Timers::default();
        timers.arm(1, at(1_000));
        timers.arm(2, at(100));
        timers.shift_back(400);
        assert_eq!((timers.at(1), timers.at(2)), (Some(at(600)), Some(at(0))));
    }
}
