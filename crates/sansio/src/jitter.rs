//! Random numbers for delays.

/// Numbers that spread delays. Nothing secret depends on them; the seed is a parameter, so that a test sees the same ones
/// each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jitter(fastrand::Rng);

impl Jitter {
    /// From any number; a shell takes another one in each process.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// The next number; all 64 bits are random.
    pub fn draw(&mut self) -> u64 {
        self.0.u64(..)
    }
}
