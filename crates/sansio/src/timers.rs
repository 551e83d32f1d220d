//! Deadlines: one instant per purpose, so that "is this waiting?" and "when next?" have one answer.

use kernel::Moment;

/// The armed deadlines of a machine: at most one for each purpose `K`. A list in the order of their purposes: they are few, and
/// a tree's code would be written out for each machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timers<K, T>(Vec<(K, T)>);

impl<K, T> Default for Timers<K, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Clone, T: Moment> Timers<K, T> {
    /// Arms, in place of a deadline that is armed already.
    pub fn arm(&mut self, purpose: K, at: T) {
        match self.place(&purpose) {
            Ok(place) => {
                if let Some(armed) = self.0.get_mut(place) {
                    armed.1 = at;
                }
            }
            Err(place) => self.0.insert(place, (purpose, at)),
        }
    }

    /// Arms unless armed.
    pub fn arm_once(&mut self, purpose: K, at: T) {
        if let Err(place) = self.place(&purpose) {
            self.0.insert(place, (purpose, at));
        }
    }

    /// Forgets a deadline.
    pub fn disarm(&mut self, purpose: K) {
        self.0.retain(|(armed, _)| *armed != purpose);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether a deadline is armed.
    #[must_use]
    pub fn is_armed(&self, purpose: K) -> bool {
        self.place(&purpose).is_ok()
    }

    /// Whether a deadline is armed and still to come.
    #[must_use]
    pub fn is_ahead(&self, purpose: K, now: T) -> bool {
        self.at(purpose).is_some_and(|at| at > now)
    }

    /// When a deadline is, if it is armed.
    #[must_use]
    pub fn at(&self, purpose: K) -> Option<T> {
        self.place(&purpose).ok().and_then(|place| self.0.get(place)).map(|(_, at)| *at)
    }

    /// The earliest of all.
    #[must_use]
    pub fn next(&self) -> Option<T> {
        self.0.iter().map(|(_, at)| *at).min()
    }

    /// Takes out one deadline that has passed, the earliest first.
    pub fn take_due(&mut self, now: T) -> Option<(K, T)> {
        let due = self.0.iter().enumerate().filter(|(_, (_, at))| *at <= now);
        let (place, _) = due.min_by_key(|(_, (_, at))| *at)?;
        Some(self.0.remove(place))
    }

    fn place(&self, purpose: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(armed, _)| armed.cmp(purpose))
    }

    /// The wall clock was set back: all deadlines keep their distance.
    pub fn shift_back(&mut self, millis: u64) {
        for (_, at) in &mut self.0 {
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
