//! The one place where this crate reads the clock, and how Twilio writes an instant.

use jiff::Timestamp as Instant;
use kernel::Timestamp;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(u64::try_from(Instant::now().as_millisecond()).unwrap_or(0))
}

/// As Twilio writes it in Sync and Conversations: milliseconds, and `Z`.
#[must_use]
pub fn iso(at: Timestamp) -> String {
    let at = i64::try_from(at.as_millis()).ok().and_then(|at| Instant::from_millisecond(at).ok());
    format!("{:.3}", at.unwrap_or_default())
}
