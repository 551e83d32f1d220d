//! The agent's own mute: shown at once, and held against reports of the extension that were already on their way.

use kernel::{CallSid, Monotonic};
use protocol::CallView;

/// How long an older report may still say the opposite, in milliseconds.
pub const HOLD_MS: u64 = 1_500;

/// What the agent chose last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chosen {
    call: CallSid,
    muted: bool,
    until: Monotonic,
}

/// Whether the live call counts as muted.
#[derive(Clone, Debug, Default)]
pub struct Mute(Option<Chosen>);

impl Mute {
    /// The agent muted or unmuted.
    pub fn choose(&mut self, call: &CallView, muted: bool, now: Monotonic) {
        self.0 = Some(Chosen { call: call.sid.clone(), muted, until: now.plus(HOLD_MS) });
    }

    /// What the agent chose counts no longer.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// The extension speaks of its call: a report that agrees ends the wait, and so does another call.
    pub fn reported(&mut self, call: Option<&CallView>) {
        let Some(chosen) = &self.0 else { return };
        if call.is_none_or(|call| call.sid != chosen.call || call.muted == chosen.muted) {
            self.0 = None;
        }
    }

    /// Whether this call counts as muted now.
    #[must_use]
    pub fn is_muted(&self, call: &CallView, now: Monotonic) -> bool {
        let held = self.0.as_ref().filter(|chosen| now < chosen.until && chosen.call == call.sid);
        held.map_or(call.muted, |chosen| chosen.muted)
    }

    /// When what the extension says counts again.
    #[must_use]
    pub fn until(&self) -> Option<Monotonic> {
        self.0.as_ref().map(|chosen| chosen.until)
    }
}
