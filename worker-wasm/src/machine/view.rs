//! What is shown: derived from the facts each time, so that it cannot contradict them.

use kernel::Timestamp;
use protocol::{
    AudioState, CallPhase, CallView, PROTOCOL_VERSION, Problem, ProblemCode, Status, WaitingCall,
    state::ClientState,
};

use super::{command::Badge, exchange::wrong_identity, session::Standing, sign_in::Session};

/// How things stand, as each concern says it.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// The browser is pinned to an account and a token service.
    pub(super) is_configured: bool,
    /// The gateway confirms the registration of the agent who is signed in.
    pub(super) is_registered: bool,
    /// It has, at least once.
    pub(super) was_registered: bool,
    /// The live call is of somebody who has gone.
    pub(super) has_leftover: bool,
    /// A page is open that has not signed out.
    pub(super) may_sign_in: bool,
    /// There is a Voice token,
    pub(super) has_voice: bool,
    /// which the gateway should take.
    pub(super) has_good_voice: bool,
    /// There is a Flex token, and this is when it expires.
    pub(super) flex_expires_at: Option<Timestamp>,
    /// It may be sent to the token service.
    pub(super) has_usable_flex: bool,
    /// Nothing but a page's Flex token helps.
    pub(super) waits_for_flex: bool,
    pub(super) token_problem: Option<&'a Problem>,
    pub(super) gateway_problem: Option<&'a Problem>,
    pub(super) call_problem: Option<&'a Problem>,
    pub(super) microphone_problem: Option<Problem>,
    /// A wanted device is missing in the live call.
    pub(super) device_problem: Option<Problem>,
    pub(super) call: Option<CallView>,
    pub(super) waiting: Option<&'a WaitingCall>,
    pub(super) audio: Option<AudioState>,
    pub(super) version: &'a str,
}

impl Facts<'_> {
    fn status(&self) -> Status {
        if !self.is_configured {
            Status::WaitingForFlex
        } else if self.is_registered {
            Status::Registered
        } else if !self.has_voice && self.flex_expires_at.is_none() && !self.may_sign_in {
            Status::WaitingForFlex
        } else if !self.has_good_voice {
            if self.token_problem.is_some() {
                Status::Failed
            } else if self.waits_for_flex {
                Status::WaitingForToken
            } else {
                Status::FetchingToken
            }
        } else if self.was_registered {
            Status::Reconnecting
        } else if self.gateway_problem.is_some() {
            Status::Failed
        } else {
            Status::Registering
        }
    }

    /// The one problem to show: what keeps calls away first, then what went wrong with the last call, then
    /// what will.
    fn problem(&self) -> Option<Problem> {
        let (gateway, token) = (self.gateway_problem, self.token_problem);
        let (call, microphone) = (self.call_problem, self.microphone_problem.as_ref());
        let one = if self.is_registered {
            call.or(microphone).or(token).or(self.device_problem.as_ref())
        } else {
            token.or(gateway).or(call).or(microphone)
        };
        one.cloned()
    }

    /// The agent's own view.
    pub(super) fn client(&self) -> ClientState {
        ClientState {
            protocol_version: PROTOCOL_VERSION,
            status: self.status(),
            registered: self.is_registered,
            call: self.call.clone(),
            problem: self.problem(),
            flex_token_expires_at: self.flex_expires_at,
            extension_version: self.version.to_owned(),
            waiting: self.waiting.cloned(),
            audio: self.audio.clone(),
        }
    }

    /// A page's view. Who is registered, and what they do, is told to pages of that agent alone.
    pub(super) fn page(&self, session: &Session, standing: Standing) -> ClientState {
        if standing.is_confirmed {
            let mut state = self.client();
            if self.has_leftover {
                (state.call, state.waiting) = (None, None);
            }
            return state;
        }
        let Standing { is_newest, is_contradicted, .. } = standing;
        let problem = if is_contradicted {
            Some(wrong_identity())
        } else {
            self.token_problem.filter(|_| is_newest).cloned()
        };
        let status = if !self.is_configured || session.signed_out {
            Status::WaitingForFlex
        } else if problem.is_some() {
            Status::Failed
        } else if is_newest {
            Status::FetchingToken
        } else if session.token.is_some() && self.has_usable_flex {
            // Somebody else is signed in; this page's token would change nothing.
            Status::WaitingForFlex
        } else {
            Status::WaitingForToken
        };
        ClientState {
            protocol_version: PROTOCOL_VERSION,
            status,
            registered: false,
            call: None,
            problem: problem.or_else(|| self.microphone_problem.clone()),
            flex_token_expires_at: self.flex_expires_at.filter(|_| is_newest),
            extension_version: self.version.to_owned(),
            waiting: None,
            audio: self.audio.clone(),
        }
    }

    /// True when something is wrong that a heartbeat's `error` speaks of.
    pub(super) fn has_error(&self) -> bool {
        self.gateway_problem.is_some()
            || self.token_problem.is_some()
            || self.call_problem.is_some_and(|problem| problem.code != ProblemCode::MicrophoneUnavailable)
    }
}

/// What the toolbar button shows of the agent's own view; `is_asked` while the agent's word is waited for.
pub(super) fn badge(state: &ClientState, is_asked: bool) -> Badge {
    match (&state.call, &state.problem) {
        (Some(call), _) if call.muted && call.state != CallPhase::Connecting => Badge::Muted,
        (Some(_), _) => Badge::OnCall,
        (None, _) if state.waiting.is_some() => Badge::Ringing,
        (None, _) if is_asked => Badge::Problem,
        // A refresh that is being tried again is nobody's business while calls arrive.
        (None, Some(problem)) if !(state.registered && problem.retrying) => Badge::Problem,
        (None, _) => match state.status {
            Status::Registered => Badge::Ready,
            Status::WaitingForFlex => Badge::Off,
            _ => Badge::Connecting,
        },
    }
}
