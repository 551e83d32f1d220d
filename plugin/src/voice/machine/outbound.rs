//! What the agent is about to do in Flex: whether it may go on, and who carries it out.

use kernel::Monotonic;
use protocol::page::SignOutReason;

use super::Machine;
use super::flex_view::ActiveCall;
use super::words::Text;

/// What the agent is about to do that needs the voice client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Accept a voice task (`AcceptTask`).
    AcceptCall,
    /// Call somebody (`StartOutboundCall`).
    DialOut,
    /// Listen to a colleague's call (`MonitorCall`).
    Monitor,
    /// Choose the activity that is for agents without voice (`SetActivity`).
    ChooseOffline {
        /// Its name.
        activity: String,
    },
    /// Choose an activity in which tasks come (`SetActivity`).
    ChooseAvailable {
        /// Its name.
        activity: String,
    },
}

/// An activity as `SetActivity` is given it: any one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityChoice {
    /// By SID.
    pub sid: Option<String>,
    /// By name.
    pub name: Option<String>,
    /// Any that is available, or is not.
    pub available: Option<bool>,
}

/// One of Flex's actions that act on the store's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `HangupCall`.
    HangUp,
    /// Any other.
    Other,
}

/// Who starts an outbound call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dial {
    /// Flex.
    ByFlex,
    /// We, because Flex would silently not: its own softphone, which the call does not need, is not well.
    ByUs,
    /// Nobody.
    Refused(Text),
}

impl Machine {
    /// Whether what the agent is about to do must be stopped, because it could not reach the voice client. The shell asks
    /// from within Flex's `before…` listeners, which need the answer at once, and then reports [`super::Event::Refused`].
    #[must_use]
    pub fn refuses(&self, intent: &Intent, now: Monotonic) -> bool {
        self.serves()
            && match intent {
                Intent::AcceptCall | Intent::DialOut | Intent::Monitor => !self.can_take_calls(now),
                Intent::ChooseOffline { .. } => true,
                Intent::ChooseAvailable { .. } => self.unavailable,
            }
    }

    /// What an agent who chooses this activity is about to do, where that is any of our business. Our own moves are not.
    #[must_use]
    pub fn intent_of(&self, choice: &ActivityChoice) -> Option<Intent> {
        let chosen = self.flex.activities.iter().find(|activity| match (&choice.sid, &choice.name) {
            (Some(sid), _) => activity.sid == *sid,
            (None, Some(name)) => activity.name == *name,
            (None, None) => Some(activity.available) == choice.available,
        })?;
        if self.activity.moving_to() == Some(&chosen.sid) {
            return None;
        }
        let activity = chosen.name.clone();
        if chosen.name == self.offline_name() {
            return Some(Intent::ChooseOffline { activity });
        }
        chosen.available.then_some(Intent::ChooseAvailable { activity })
    }

    /// Who starts an outbound call. Asked in place of Flex's `StartOutboundCall`.
    #[must_use]
    pub fn dial(&self, now: Monotonic) -> Dial {
        let flex = &self.flex;
        if !self.serves() || !flex.own_voice_impaired || !self.can_take_calls(now) && !self.is_offline() {
            return Dial::ByFlex;
        }
        // As Flex, which would throw for these.
        if flex.active_call != ActiveCall::None || flex.voice_task.is_some() || flex.reservation_pending {
            return Dial::Refused(Text::DialBusy);
        }
        if flex.offline { Dial::Refused(Text::DialOffline) } else { Dial::ByUs }
    }

    /// The agent is signed out because they are Offline.
    pub(super) fn is_offline(&self) -> bool {
        self.session.signed_out() == Some(SignOutReason::Offline)
    }

    /// Whether one of Flex's call actions is for the extension though the store does not hold our call. Asked for
    /// each use after [`super::Command::TakeOverActions`], and for `HangupCall` always.
    #[must_use]
    pub fn takes_over(&self, control: Control, now: Monotonic) -> bool {
        self.flex.active_call == ActiveCall::None
            && (self.call.is_live() || control == Control::HangUp && self.expects_call(now))
    }

    /// A call is on its way to the extension: Flex has its task, and for a moment not more.
    pub(super) fn expects_call(&self, now: Monotonic) -> bool {
        self.can_take_calls(now)
            && !self.report().is_old()
            && self.report().state.call.is_none()
            && self.flex.voice_task.is_some()
    }
}
