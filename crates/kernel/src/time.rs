//! Our own instants, because std's clocks do not exist in WASM and machines take time as a parameter.
//!
//! There are two clocks, and two types that cannot be compared with each other: [`Timestamp`] is the wall clock, which means
//! the same in every process and may be set back or forth; [`Monotonic`] only goes forward, and means nothing outside of the
//! page or process that read it.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, as `Date.now()` gives them.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From `Date.now()` or `Date.parse()`: `None` for NaN, infinities and times before 1970.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked on the line before"
    )]
    pub fn from_js(millis: f64) -> Option<Self> {
        (millis.is_finite() && (0.0..9.0e15).contains(&millis)).then_some(Self(millis as u64))
    }
}

/// Milliseconds since an origin that only the page or process knows, as `performance.now()` gives them. It never goes back.
/// Not for storage or messages: the next page counts from another origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(u64);

impl Monotonic {
    /// From `performance.now()` or an event's `timeStamp`: the origin itself for NaN, infinities and what is negative.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked on the line before"
    )]
    pub fn from_js(millis: f64) -> Self {
        if millis.is_finite() && (0.0..9.0e15).contains(&millis) { Self(millis as u64) } else { Self(0) }
    }
}

/// An instant of one of the two clocks.
pub trait Moment: Copy + Ord + core::fmt::Debug {
    /// This instant plus a number of milliseconds.
    #[must_use]
    fn plus(self, millis: u64) -> Self;

    /// This instant less a number of milliseconds, and not before the clock's origin.
    #[must_use]
    fn minus(self, millis: u64) -> Self;

    /// Milliseconds from `earlier` to this instant; 0 if `earlier` is later.
    #[must_use]
    fn since(self, earlier: Self) -> u64;
}

/// What both clocks can: once as methods that a constant may use, once as a [`Moment`].
macro_rules! moments {
    ($($clock:ty),*) => {$(
        impl $clock {
            /// From milliseconds since the clock's origin.
            #[must_use]
            pub const fn from_millis(millis: u64) -> Self {
                Self(millis)
            }

            /// Milliseconds since the clock's origin.
            #[must_use]
            pub const fn as_millis(self) -> u64 {
                self.0
            }

            /// This instant plus a number of milliseconds.
            #[must_use]
            pub const fn plus(self, millis: u64) -> Self {
                Self(self.0.saturating_add(millis))
            }

            /// Milliseconds from `earlier` to this instant; 0 if `earlier` is later.
            #[must_use]
            pub const fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }

            /// Milliseconds from this instant to `later`; 0 if it has passed.
            #[must_use]
            pub const fn until(self, later: Self) -> u64 {
                later.0.saturating_sub(self.0)
            }
        }

        impl Moment for $clock {
            fn plus(self, millis: u64) -> Self {
                self.plus(millis)
            }

            fn minus(self, millis: u64) -> Self {
                Self::from_millis(self.as_millis().saturating_sub(millis))
            }

            fn since(self, earlier: Self) -> u64 {
                self.since(earlier)
            }
        }
    )*};
}

moments!(Monotonic, Timestamp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_javascript_calls_a_time_is_checked() {
        assert_eq!(Timestamp::from_js(1_700_000_000_000.5).unwrap().as_millis(), 1_700_000_000_000);
        for bad in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert!(Timestamp::from_js(bad).is_none());
            assert_eq!(Monotonic::from_js(bad), Monotonic::default());
        }
    }

    #[test]
    fn differences_never_wrap() {
        let (a, b) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
        assert_eq!((b.since(a), a.since(b), a.until(b), b.until(a)), (4, 0, 4, 0));
    }
}
