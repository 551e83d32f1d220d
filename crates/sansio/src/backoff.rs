//! How long to wait before something that failed is tried again.

/// A rule of growing pauses, in milliseconds.
///
/// ```
/// let rule = sansio::Backoff::new(250, 2_000).growing_by(4).first_at_once();
/// let pauses: Vec<u64> = (1..=5).map(|failures| rule.pause_ms(failures)).collect();
/// assert_eq!(pauses, [0, 250, 1_000, 2_000, 2_000]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: u64,
    most: u64,
    growth: u64,
    at_once: bool,
}

impl Backoff {
    /// The first pause, and the longest; each is twice the one before.
    #[must_use]
    pub const fn new(first: u64, most: u64) -> Self {
        Self { first, most, growth: 2, at_once: false }
    }

    /// The factor from one pause to the next.
    #[must_use]
    pub const fn growing_by(self, growth: u64) -> Self {
        Self { growth, ..self }
    }

    /// After the first failure there is no pause; the first pause comes after the second.
    #[must_use]
    pub const fn first_at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// The pause after this many failures in a row; none after none.
    #[must_use]
    pub fn pause_ms(&self, failures: u32) -> u64 {
        let Some(steps) = failures.checked_sub(1 + u32::from(self.at_once)) else { return 0 };
        let factor = self.growth.checked_pow(steps).unwrap_or(u64::MAX);
        self.first.saturating_mul(factor).min(self.most)
    }

    /// As [`Self::pause_ms`], less up to a random half, so that a thousand agents do not come back in the same second.
    #[must_use]
    pub fn jittered_ms(&self, failures: u32, random: u64) -> u64 {
        let full = self.pause_ms(failures);
        full / 2 + random % (full / 2 + 1)
    }

    /// The next pause when the last one was `previous`: anything from the first pause to three times as long, up to the
    /// longest. It grows like the others, and spreads a thousand agents better whose service fails for minutes.
    /// Source: "decorrelated jitter", <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.
    #[must_use]
    pub fn decorrelated_ms(&self, previous: u64, random: u64) -> u64 {
        let least = 2 * self.first;
        let most = previous.saturating_mul(3).clamp(least, self.most.max(least));
        self.first + random % (most - self.first + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Jitter;

    const MINUTE: Backoff = Backoff::new(1_000, 60_000);

    #[test]
    fn the_pause_doubles_up_to_its_limit_and_jitter_takes_off_at_most_half() {
        assert_eq!((MINUTE.pause_ms(0), MINUTE.jittered_ms(0, 7)), (0, 0));
        for (failures, full) in [
            (1, 1_000),
            (2, 2_000),
            (3, 4_000),
            (6, 32_000),
            (7, 60_000),
            (4_000_000, 60_000),
            (u32::MAX, 60_000),
        ] {
            assert_eq!(MINUTE.pause_ms(failures), full);
            for random in [0, 1, 499, 12_345, u64::MAX] {
                let pause = MINUTE.jittered_ms(failures, random);
                assert!((full / 2..=full).contains(&pause), "{failures} {random} {pause}");
            }
        }
    }

    #[test]
    fn a_first_try_at_once_moves_the_pauses_by_one() {
        let rule = Backoff::new(100, 5_000).first_at_once();
        assert_eq!([0, 1, 2, 3, 4].map(|failures| rule.pause_ms(failures)), [0, 0, 100, 200, 400]);
    }

    #[test]
    fn a_decorrelated_pause_stays_between_the_first_and_its_limit_and_reaches_both() {
        let mut jitter = Jitter::new(3);
        let (mut pause, mut longest, mut shortest) = (0, 0, u64::MAX);
        for _ in 0..10_000 {
            let next = MINUTE.decorrelated_ms(pause, jitter.draw());
            assert!((1_000..=60_000).contains(&next) && next <= (3 * pause).max(2_000), "{pause} {next}");
            (longest, shortest) = (longest.max(next), shortest.min(next));
            pause = next;
        }
        assert!(longest > 50_000 && shortest < 1_500, "{shortest} {longest}");
    }
}
