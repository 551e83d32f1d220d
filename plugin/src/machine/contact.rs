//! The worker attribute `contact_uri`: where Twilio sends the agent's calls.
//!
//! It is set when it differs and never restored on unload: the extension goes on taking calls while the page
//! is gone.

use protocol::{IdentityPrefix, Timestamp};

use super::Command;

/// Attempts before giving up until the voice client has been away and come back.
pub const ATTEMPTS: u32 = 5;

/// After a failed attempt, before the next, doubled each time. In milliseconds.
pub const RETRY_MS: u64 = 2_000;

/// After a successful attempt, how long Flex's store may take to show it.
pub const SHOW_MS: u64 = 5_000;

/// After this long in peace, earlier attempts are forgotten: somebody may set the attribute by hand now and
/// then.
pub const PEACE_MS: u64 = 300_000;

/// After this long without an answer an attempt counts as failed.
pub const ANSWER_MS: u64 = 15_000;

/// Keeps `contact_uri` as it should be.
#[derive(Clone, Debug, Default)]
pub struct ContactKeeper {
    /// What to set when the voice client is not enabled for this worker.
    give_back: Option<String>,
    attempts: u32,
    attempted_at: Option<Timestamp>,
    /// No attempt before this instant.
    not_before: Option<Timestamp>,
}

impl ContactKeeper {
    /// For a worker for whom the voice client is not enabled: `client:ext_alice` becomes `client:alice`
    /// again.
    #[must_use]
    pub fn give_back(actual: Option<&str>, prefix: &IdentityPrefix) -> Self {
        let own = actual.and_then(|uri| uri.strip_prefix("client:")?.strip_prefix(prefix.as_str()));
        Self {
            give_back: own.filter(|own| !own.is_empty()).map(|own| format!("client:{own}")),
            ..Self::default()
        }
    }

    /// New attempts for a voice client that has come back.
    pub const fn replenish(&mut self) {
        if self.give_back.is_none() {
            self.attempts = 0;
        }
    }

    /// True when it could not be set.
    #[must_use]
    pub const fn gave_up(&self) -> bool {
        self.attempts >= ATTEMPTS && self.not_before.is_none()
    }

    /// An attempt was answered.
    pub fn answered(&mut self, ok: bool, now: Timestamp) {
        let wait = if ok { SHOW_MS } else { RETRY_MS << self.attempts.saturating_sub(1).min(5) };
        self.not_before = Some(now.plus(wait));
    }

    /// Orders `wanted`, or what is to be given back, where it is not what `actual` is.
    pub fn step(
        &mut self,
        wanted: Option<&str>,
        actual: Option<&str>,
        now: Timestamp,
        out: &mut Vec<Command>,
    ) {
        let Some(wanted) = wanted.or(self.give_back.as_deref()) else { return };
        if actual == Some(wanted) {
            self.not_before = None;
            self.give_back = None; // Once: what is set later is not ours to judge.
            if self.attempted_at.is_some_and(|at| now.since(at) >= PEACE_MS) {
                self.attempts = 0;
            }
            return;
        }
        if self.not_before.is_some_and(|until| now < until) {
            return;
        }
        if self.attempts >= ATTEMPTS {
            self.not_before = None;
            return;
        }
        self.attempts += 1;
        self.attempted_at = Some(now);
        self.not_before = Some(now.plus(ANSWER_MS));
        out.push(Command::SetContactUri(wanted.to_owned()));
    }
}
