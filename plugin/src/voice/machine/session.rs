//! Whether the agent is signed in to Flex, as far as voice is concerned.
//!
//! The voice client outlives the page, so somebody has to say when the agent goes: Flex's logout, a session that ended, or
//! the switch to the workspace's *Offline*. It is the *switch* that counts: who opens Flex while Offline, as everybody does
//! in the morning, gets a voice client that is ready before the first activity is chosen.

use kernel::Monotonic;
use protocol::page::SignOutReason;

use super::flex_view::{FlexSession, FlexView};

/// How long a logout may take. An agent who is still there after it, and not Offline, was not logged out.
pub const LOGOUT_MS: u64 = 15_000;

/// Decides whether the agent is signed in.
#[derive(Clone, Debug, Default)]
pub struct SessionController {
    signed_out: Option<SignOutReason>,
    /// Flex's logout has begun, and is over by then.
    logging_out: Option<Monotonic>,
    /// The agent was seen in another activity than *Offline*.
    was_elsewhere: bool,
    /// The agent went to *Offline* before our eyes, and is there still.
    went_offline: bool,
}

/// What is going on, while which nobody is signed out.
#[derive(Clone, Copy, Debug)]
pub struct Busy {
    /// There is no extension to sign out of.
    pub nobody: bool,
    /// A call is live in the extension.
    pub call: bool,
    /// Flex shows a voice task, or a reservation waits.
    pub task: bool,
    /// The workspace's *Offline* is also where the plugin puts an agent without voice.
    pub offline_is_ours: bool,
}

impl SessionController {
    /// Why the agent is signed out; `None` while they are not.
    #[must_use]
    pub const fn signed_out(&self) -> Option<SignOutReason> {
        self.signed_out
    }

    /// Flex's logout has begun.
    pub const fn logging_out(&mut self, now: Monotonic) {
        self.logging_out = Some(now.plus(LOGOUT_MS));
    }

    /// Flex's logout failed: the agent is still there.
    pub const fn logout_failed(&mut self) {
        self.logging_out = None;
    }

    /// The agent wants to do something that needs the voice client: listen to a colleague while Offline.
    pub const fn wanted(&mut self) {
        if matches!(self.signed_out, Some(SignOutReason::Offline)) {
            self.went_offline = false;
        }
    }

    /// When a logout that came to nothing counts as none.
    #[must_use]
    pub const fn deadline(&self) -> Option<Monotonic> {
        self.logging_out
    }

    /// Looks at Flex.
    pub fn step(&mut self, flex: &FlexView, busy: Busy, now: Monotonic) {
        if flex.offline {
            self.went_offline |= std::mem::take(&mut self.was_elsewhere);
        } else {
            self.went_offline = false;
            self.was_elsewhere = flex.activity.is_some();
        }
        if self.logging_out.is_some_and(|until| now >= until) {
            self.logging_out = None;
        }
        self.signed_out = self.due(flex, busy);
    }

    fn due(&self, flex: &FlexView, busy: Busy) -> Option<SignOutReason> {
        if self.logging_out.is_some() || flex.session == FlexSession::LoggedOut {
            return Some(SignOutReason::Logout);
        }
        // A customer is not cut off because a token ran out.
        if flex.session == FlexSession::Ended && !busy.call {
            return Some(SignOutReason::SessionEnded);
        }
        // An agent who had no voice client before has none to come back to either.
        let nobody = busy.nobody && self.signed_out.is_none();
        (self.went_offline && !busy.offline_is_ours && !busy.call && !busy.task && !nobody)
            .then_some(SignOutReason::Offline)
    }
}
