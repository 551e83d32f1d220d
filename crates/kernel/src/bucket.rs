//! How much is taken from somebody at a time: content script and worker guard themselves in the same way.

use crate::time::{Moment, Timestamp};

/// A token bucket: a burst, and a sustained rate per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket<T = Timestamp> {
    burst: u32,
    per_second: u32,
    /// In thousandths.
    left: u64,
    /// When it was last looked into; never, when it is full.
    seen: Option<T>,
}

impl<T> Bucket<T> {
    /// A full one.
    #[must_use]
    pub const fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second, left: burst as u64 * 1_000, seen: None }
    }
}

impl<T: Moment> Bucket<T> {
    fn left_at(&self, now: T) -> u64 {
        let passed = self.seen.map_or(0, |seen| now.since(seen));
        let gained = passed.saturating_mul(self.per_second.into());
        self.left.saturating_add(gained).min(self.most())
    }

    fn most(&self) -> u64 {
        u64::from(self.burst) * 1_000
    }

    /// True when all that was taken has come back.
    #[must_use]
    pub fn is_full(&self, now: T) -> bool {
        self.left_at(now) == self.most()
    }

    /// Takes `amount` out, or nothing when there is not enough.
    pub fn take(&mut self, amount: u32, now: T) -> bool {
        self.left = self.left_at(now);
        self.seen = Some(now);
        let wanted = u64::from(amount) * 1_000;
        if wanted > self.left {
            return false;
        }
        self.left -= wanted;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_so_many_a_second() {
        let at = |millis: u64| Timestamp::from_millis(1_000_000 + millis);
        let mut bucket = Bucket::new(5, 10);
        assert!((0..5).all(|_| bucket.take(1, at(0))));
        assert!(!bucket.take(1, at(0)));
        assert!(bucket.take(1, at(100)));
        assert!(!bucket.take(2, at(200)), "half a batch is not taken");
        assert!(bucket.take(1, at(200)));
        assert!(!bucket.is_full(at(600)) && bucket.is_full(at(700)));
        assert_eq!(
            (0..1_000).filter(|_| bucket.take(1, at(10_000))).count(),
            5,
            "what was not used is not saved up"
        );
    }

    #[test]
    fn a_clock_that_is_set_back_gives_nothing_away_and_takes_nothing() {
        let mut bucket = Bucket::new(2, 1);
        assert!(bucket.take(2, Timestamp::from_millis(10_000)));
        assert!(!bucket.take(1, Timestamp::from_millis(1_000)));
        assert!(bucket.take(1, Timestamp::from_millis(2_000)));
    }
}
