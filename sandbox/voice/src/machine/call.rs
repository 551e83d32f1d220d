//! What the gateway remembers of one call.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{CallSid, Identity, Secret, Timestamp};

use super::event::{CallFacts, SocketId};
use crate::api::types::{CallState, EndReason, EndedBy, Line};

#[derive(Debug)]
pub(super) struct Call {
    /// The client's own name for an outgoing call.
    pub temporary: Option<String>,
    pub identity: Identity,
    pub from: String,
    pub params: BTreeMap<String, String>,
    pub stage: Stage,
    /// What gives the right to the call.
    pub token: Secret,
    /// What gave it before: the client may have lost the message with the new one.
    pub previous_token: Option<Secret>,
    /// The newest answer given.
    pub answer_sdp: String,
    /// The order that the media session works on.
    pub pending: Option<Pending>,
    /// For how long the call is kept once its socket is gone, as that socket asked.
    pub keep_ms: u64,
    pub created: Timestamp,
    /// Who hears whom.
    pub line: Line,
}

/// How far a call is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The offer for `invite` is being made.
    Preparing { ring_ms: u64 },
    /// `invite` is out.
    Ringing { rung: BTreeSet<SocketId> },
    /// A client has taken it, its SDP is being answered.
    Answering { socket: SocketId },
    /// It is up. The socket may be gone; then a timer of the machine ends the call.
    Answered { socket: SocketId },
    /// It is over.
    Ended { at: Timestamp, by: EndedBy, reason: EndReason, holder: Option<SocketId> },
}

/// An order to the media session that has not been carried out.
#[derive(Debug)]
pub(super) struct Pending {
    pub ticket: u64,
    pub socket: SocketId,
    pub purpose: Purpose,
}

/// What an answer is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A client takes the call with its own offer.
    Take,
    /// A client accepts the offer in `invite`.
    AcceptHere,
    /// ICE restart.
    Restart,
}

impl Call {
    pub fn is_ringing(&self) -> bool {
        matches!(self.stage, Stage::Preparing { .. } | Stage::Ringing { .. })
    }

    pub fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Answered { .. })
    }

    /// The socket that holds the call, be it open or gone.
    pub fn holder(&self) -> Option<SocketId> {
        match self.stage {
            Stage::Answering { socket } | Stage::Answered { socket } => Some(socket),
            Stage::Preparing { .. } | Stage::Ringing { .. } | Stage::Ended { .. } => None,
        }
    }

    /// Whether a token gives the right to the call. Inferred: the one before the newest does so only to the holder itself, or
    /// when the holder is gone: then the message with the newest may never have arrived.
    pub fn accepts(&self, token: &Secret, socket: SocketId, holder_is_gone: bool) -> bool {
        let known = self.token == *token
            || (self.previous_token.as_ref() == Some(token)
                && (holder_is_gone || self.holder() == Some(socket)));
        known && !matches!(self.stage, Stage::Ended { .. } | Stage::Preparing { .. })
    }

    pub fn rotate(&mut self, fresh: Secret) {
        self.previous_token = Some(std::mem::replace(&mut self.token, fresh));
    }

    pub fn facts(&self, call_sid: CallSid) -> CallFacts {
        let (state, ended, socket) = match self.stage {
            Stage::Preparing { .. } | Stage::Ringing { .. } => (CallState::Ringing, None, None),
            Stage::Answering { socket } => (CallState::Ringing, None, Some(socket)),
            Stage::Answered { socket } => (CallState::Answered, None, Some(socket)),
            Stage::Ended { at, by, reason, holder } => (CallState::Ended, Some((at, by, reason)), holder),
        };
        CallFacts {
            call_sid,
            state,
            identity: self.identity.clone(),
            from: self.from.clone(),
            created: self.created,
            ended,
            socket,
            line: self.line,
        }
    }
}
