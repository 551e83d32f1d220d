//! How fast digits may be sent to a call.

use kernel::{Bucket, DtmfDigits, Timestamp};

/// As many digits as the longest message has, and then no faster than they sound: what is admitted is all sent.
const DIGITS: Bucket = Bucket::new(256, 3);
/// The same of pauses, which are no digits.
const PAUSES: Bucket = Bucket::new(256, 2);
const _: () = assert!(DtmfDigits::MAX == 256);

/// How many digits and pauses may still be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Keypad {
    digits: Bucket,
    pauses: Bucket,
}

impl Keypad {
    pub(super) const FULL: Self = Self { digits: DIGITS, pauses: PAUSES };

    /// Admits the whole of it or nothing.
    pub(super) fn admit(&mut self, digits: &DtmfDigits, now: Timestamp) -> bool {
        let mut after = *self;
        let pauses = digits.pauses();
        let keys = digits.as_str().len() - pauses;
        let count = |amount| u32::try_from(amount).unwrap_or(u32::MAX);
        let admitted = after.digits.take(count(keys), now) && after.pauses.take(count(pauses), now);
        if admitted {
            *self = after;
        }
        admitted
    }
}
