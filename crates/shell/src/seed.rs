//! Where a machine's jitter begins.

/// A number for pauses, so that not all browsers come back at the same moment; for nothing that must not be guessed.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one source of randomness of every shell: the seed of its machine's jitter"
)]
pub fn seed() -> u64 {
    js_sys::Math::random().to_bits()
}
