//! The calls that there are: the live one, and one that waits for the agent's word.

use kernel::{CallSid, Secret, Timestamp};
use protocol::{CallPhase, CallView, WaitingCall};
use serde::{Deserialize, Serialize};

use super::quality::Sound;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct LiveCall {
    /// What popup and page see, without how it sounds.
    pub view: CallView,
    /// How far the hand-over is.
    pub stage: Stage,
    /// True once the gateway has let go of the worker's offer: before, destroying the `Device` would reject
    /// the call.
    pub handed_over: bool,
    /// True once somebody asked to end it.
    pub hang_up: bool,
    /// True when no click has answered it: the agent is told by a tone.
    #[serde(default)]
    pub by_itself: bool,
    /// How it has sounded, up to some seconds ago.
    #[serde(default)]
    pub sound: Sound,
}

impl LiveCall {
    pub(super) fn new(sid: CallSid, stage: Stage, now: Timestamp) -> Self {
        Self {
            view: CallView {
                sid,
                state: CallPhase::Connecting,
                since: now,
                answered_at: None,
                muted: false,
                from: None,
                on_hold: None,
                quality: None,
                warnings: Vec::new(),
            },
            stage,
            handed_over: false,
            hang_up: false,
            by_itself: false,
            sound: Sound::default(),
        }
    }

    /// A call that the gateway offers; `by_itself` when it is answered without a click.
    pub(super) fn offered(
        sid: CallSid,
        connect_token: Secret,
        from: Option<String>,
        by_itself: bool,
        now: Timestamp,
    ) -> Self {
        let mut call = Self::new(sid, Stage::Waiting { connect_token }, now);
        call.view.from = from;
        call.by_itself = by_itself;
        call
    }

    /// True while the offscreen document has not yet been told to accept it.
    pub(super) const fn is_offered(&self) -> bool {
        matches!(self.stage, Stage::Waiting { .. })
    }
}

/// How far the hand-over of a call is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub enum Stage {
    /// Offered; the offscreen document is not there yet.
    Waiting {
        /// What it needs to accept the call.
        connect_token: Secret,
    },
    /// The offscreen document was told to accept it. It is told once: the connect token is good for one use.
    Accepting,
    /// The offscreen document has said that it holds the call.
    Carried,
}

/// A call that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct Waiting {
    /// What popup and page see.
    pub view: WaitingCall,
    /// What the offscreen document needs to accept it.
    pub connect_token: Secret,
    /// True once the agent has said yes: it is answered as soon as the live call has ended.
    pub answered: bool,
}
