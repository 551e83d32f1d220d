//! What is said a few times, because a message may be lost and a worker be killed before it has read one.

use kernel::Monotonic;

/// Between two times, in milliseconds.
pub const REPEAT_MS: u64 = 2_000;

/// One thing that the extension has to hear.
#[derive(Clone, Debug)]
pub struct Repeated<T> {
    said: Option<T>,
    times: u32,
    most: u32,
    next: Option<Monotonic>,
}

impl<T: Clone + PartialEq> Repeated<T> {
    /// Nothing yet. The same thing is sent at most this often.
    #[must_use]
    pub const fn at_most(times: u32) -> Self {
        Self { said: None, times: 0, most: times, next: None }
    }

    /// What was said counts for nothing: nobody has heard it, or whoever did has forgotten it.
    pub fn forget(&mut self) {
        (self.said, self.times, self.next) = (None, 0, None);
    }

    /// Something was said since it was last forgotten.
    #[must_use]
    pub const fn was_sent(&self) -> bool {
        self.said.is_some()
    }

    /// True when this is to be said now. Something else than the last time is said at once.
    pub fn is_due(&mut self, what: &T, now: Monotonic) -> bool {
        if self.said.as_ref() != Some(what) {
            (self.said, self.times, self.next) = (Some(what.clone()), 0, None);
        }
        if self.times >= self.most || self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.times += 1;
        self.next = Some(now.plus(REPEAT_MS));
        true
    }

    /// When it may be said again.
    #[must_use]
    pub fn next(&self) -> Option<Monotonic> {
        self.next.filter(|_| self.times < self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_millis(millis)
    }

    #[test]
    fn the_same_is_said_a_few_times_with_pauses_and_something_else_at_once() {
        let mut repeated = Repeated::at_most(2);
        assert!(repeated.is_due(&"a", at(0)));
        assert_eq!((repeated.is_due(&"a", at(1_999)), repeated.next()), (false, Some(at(2_000))));
        assert!(repeated.is_due(&"a", at(2_000)));
        assert_eq!((repeated.is_due(&"a", at(9_000)), repeated.next()), (false, None));
        assert!(repeated.is_due(&"b", at(9_000)));
        repeated.forget();
        assert!(!repeated.was_sent());
        assert!(repeated.is_due(&"b", at(9_000)));
    }
}
