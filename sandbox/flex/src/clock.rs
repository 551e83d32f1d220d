//! The one place where this crate reads the clock.

use jiff::Timestamp;
use kernel::Timestamp as Millis;
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// The same instant as machines have it.
pub(crate) fn millis(at: Timestamp) -> Millis {
    Millis::from_millis(u64::try_from(at.as_millisecond()).unwrap_or(0))
}

/// The same instant as Twilio writes it.
pub(crate) fn iso(at: Millis) -> String {
    let at = i64::try_from(at.as_millis()).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    at.unwrap_or_default().to_string()
}
