//! A cache of two generations, for what is remembered for a short while: pure, no clock.
//!
//! Two generations: what is new goes into the younger one, and when that is full, or old, the elder one is forgotten as a
//! whole and the younger one takes its place. So memory is bounded, nothing is searched for what has expired, and
//! remembering costs one place in a table.

use std::{collections::HashMap, time::Duration};

use aws_lc_rs::digest::{Context, SHA256};

/// SHA-256 of what must not be kept itself.
pub type Key = [u8; 32];

/// By what something is known that has these parts, none of which has a NUL in it.
#[must_use]
pub fn key(parts: &[&str]) -> Key {
    let mut digest = Context::new(&SHA256);
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            digest.update(&[0]);
        }
        digest.update(part.as_bytes());
    }
    let mut key = Key::default();
    key.copy_from_slice(digest.finish().as_ref());
    key
}

/// At most twice this many are remembered.
pub const GENERATION: usize = 5_000;

/// Values by key, each for at least the time of one generation, unless there are too many.
#[derive(Debug)]
pub struct TwoGenerationCache<V> {
    young: HashMap<Key, V>,
    old: HashMap<Key, V>,
    lasts: Duration,
    since: Duration,
}

impl<V> TwoGenerationCache<V> {
    /// Empty, with generations that last this long.
    #[must_use]
    pub fn new(lasts: Duration) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), lasts, since: Duration::ZERO }
    }

    /// What is remembered.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Remembers, from `now` on, which is time since any fixed moment.
    pub fn insert(&mut self, key: Key, value: V, now: Duration) {
        if self.young.len() >= GENERATION {
            self.turn(now);
        }
        self.forget_old(now);
        self.young.insert(key, value);
    }

    /// How many values are held; one that has a newer value counts twice.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// True when nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets this one.
    pub fn remove(&mut self, key: &Key) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Forgets those of whom this is not true.
    pub fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.young.retain(|_key, value| keep(value));
        self.old.retain(|_key, value| keep(value));
    }

    /// Forgets what is older than two generations. To be called every minute or so, or what nobody asks for is kept.
    pub fn forget_old(&mut self, now: Duration) {
        if now.saturating_sub(self.since) >= self.lasts {
            self.turn(now);
        }
    }

    fn turn(&mut self, now: Duration) {
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        let mut key = Key::default();
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_remembered_lasts_for_one_generation_and_no_longer_than_two() {
        let mut cache = TwoGenerationCache::new(s(60));
        for at in [0, 59, 61] {
            let mut cache = TwoGenerationCache::new(s(60));
            cache.insert(key(1), "one", s(at));
            cache.forget_old(s(at + 59));
            assert_eq!(cache.get(&key(1)), Some(&"one"), "{at}");
            cache.forget_old(s(at + 60));
            cache.forget_old(s(at + 121));
            assert_eq!(cache.get(&key(1)), None, "{at}");
        }
        cache.insert(key(1), "one", s(1));
        cache.insert(key(1), "another", s(2));
        assert_eq!(cache.get(&key(1)), Some(&"another"));
    }

    #[test]
    fn a_newer_value_hides_an_older_one() {
        let mut cache = TwoGenerationCache::new(s(60));
        cache.insert(key(1), "one", s(0));
        cache.insert(key(1), "another", s(60));
        assert_eq!(cache.get(&key(1)), Some(&"another"));
    }

    #[test]
    fn what_is_taken_out_is_gone_from_both_generations() {
        let mut cache = TwoGenerationCache::new(s(60));
        for (number, at) in [(1, 0), (2, 60), (3, 61)] {
            cache.insert(key(number), number, s(at));
        }
        cache.insert(key(1), 10, s(62));
        cache.remove(&key(1));
        assert_eq!(cache.get(&key(1)), None);
        cache.retain(|number| *number != 2);
        assert_eq!((cache.get(&key(2)), cache.get(&key(3))), (None, Some(&3)));
    }

    #[test]
    fn however_many_there_are_only_so_many_are_kept_and_the_newest_of_them() {
        let mut cache = TwoGenerationCache::new(s(60));
        for number in 0..10 * GENERATION {
            cache.insert(key(number), number, s(0));
            assert!(cache.young.len() + cache.old.len() <= 2 * GENERATION);
            assert_eq!(cache.get(&key(number)), Some(&number));
            let before = number.saturating_sub(GENERATION - 1);
            assert_eq!(cache.get(&key(before)), Some(&before));
        }
    }
}
