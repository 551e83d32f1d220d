//! What is shown: derived from the facts each time, so that it cannot contradict them.

use kernel::Timestamp;
use protocol::{
    CallPhase, PROTOCOL_VERSION, Problem, ProblemCode, Status,
    state::{ClientState, UiState},
};

use super::{
    Command, Machine, command::Badge, event::MicrophonePermission, ports::microphone_unavailable,
    session::Session, token::wrong_identity,
};

impl Machine {
    fn status(&self, now: Timestamp) -> Status {
        let is_registering = self.durable.voice.as_ref().is_some_and(|voice| voice.is_good(now));
        if self.durable.config.is_none() {
            Status::WaitingForFlex
        } else if self.is_registered() {
            Status::Registered
        } else if self.durable.voice.is_none() && self.durable.flex.is_none() && !self.may_sign_in() {
            Status::WaitingForFlex
        } else if !is_registering {
            if self.tokens.problem.is_some() {
                Status::Failed
            } else if self.waits_for_flex_token(now) {
                Status::WaitingForToken
            } else {
                Status::FetchingToken
            }
        } else if self.durable.confirmed.is_some() {
            Status::Reconnecting
        } else if self.registration.problem.is_some() {
            Status::Failed
        } else {
            Status::Registering
        }
    }

    /// The one problem to show: what keeps calls away first, then what went wrong with the last call, then
    /// what will.
    fn problem(&self) -> Option<Problem> {
        let gateway = self.registration.problem.as_ref();
        let token = self.tokens.problem.as_ref();
        let microphone = self.microphone_problem();
        let call = self.call_problem.clone();
        if self.is_registered() {
            call.or(microphone).or_else(|| token.cloned()).or_else(|| self.device_missing_in_call())
        } else {
            token.or(gateway).cloned().or(call).or(microphone)
        }
    }

    fn microphone_problem(&self) -> Option<Problem> {
        match self.microphone {
            Some(MicrophonePermission::Denied) => Some(microphone_unavailable()),
            Some(MicrophonePermission::Prompt) if !self.durable.microphone_proven => {
                Some(microphone_unavailable())
            }
            _ => None,
        }
    }

    /// True when this session is told of calls and may act on them.
    pub(super) fn sees_calls(&self, session: &Session) -> bool {
        self.is_confirmed(session) && !self.has_leftover()
    }

    /// A page's view. Who is registered, and what they do, is told to pages of that agent alone.
    pub(super) fn page_state(&self, session: &Session, now: Timestamp) -> ClientState {
        if self.is_confirmed(session) {
            let mut state = self.client_state(now);
            if self.has_leftover() {
                (state.call, state.waiting) = (None, None);
            }
            return state;
        }
        let is_newest = self.is_newest(session);
        let problem = if self.is_contradicted(session) {
            Some(wrong_identity())
        } else {
            self.tokens.problem.clone().filter(|_| is_newest)
        };
        let is_taken = self.usable_flex_token(now).is_some();
        let status = if self.durable.config.is_none() || session.signed_out {
            Status::WaitingForFlex
        } else if problem.is_some() {
            Status::Failed
        } else if is_newest {
            Status::FetchingToken
        } else if session.token.is_some() && is_taken {
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
            problem: problem.or_else(|| self.microphone_problem()),
            flex_token_expires_at: self
                .durable
                .flex
                .as_ref()
                .filter(|_| is_newest)
                .map(|flex| flex.expires_at),
            extension_version: self.version.clone(),
            waiting: None,
            audio: self.audio_state(),
        }
    }

    /// The agent's own view.
    pub(super) fn client_state(&self, now: Timestamp) -> ClientState {
        ClientState {
            protocol_version: PROTOCOL_VERSION,
            status: self.status(now),
            registered: self.is_registered(),
            call: self.call_view(),
            problem: self.problem(),
            flex_token_expires_at: self.durable.flex.as_ref().map(|flex| flex.expires_at),
            extension_version: self.version.clone(),
            waiting: self.durable.waiting.as_ref().map(|waiting| waiting.view.clone()),
            audio: self.audio_state(),
        }
    }

    /// The view of popup, options and welcome pages.
    pub(super) fn ui_state(&self, now: Timestamp) -> UiState {
        let config = self.durable.config.as_ref();
        let (pages_open, pages_connected) = self.count_pages();
        let voice = self.durable.voice.as_ref();
        // Whose session the newest one is, the service has not said yet: perhaps somebody else looks at this.
        let is_undecided = self.durable.sign_in.undecided;
        let mut client = self.client_state(now);
        client.problem = client.problem.or_else(|| self.page_problem().cloned());
        UiState {
            client,
            account_sid: config.map(|config| &config.account).or(only(&self.policy.accounts)).cloned(),
            identity: voice.filter(|_| !is_undecided).map(|voice| voice.identity.clone()),
            token_service: config
                .map(|config| &config.token_url)
                .or(only(&self.policy.token_urls))
                .map(|url| url.origin().to_owned()),
            managed: self.policy.is_managed(),
            pages_open,
            pages_connected,
            voice_token_expires_at: voice.and_then(|voice| voice.expires_at),
            worker_started_at: self.started_at,
            version: self.version.clone(),
            log: self.durable.log.iter().cloned().collect(),
            policy: self.policy.items.clone(),
            policy_complaints: self.policy.complaints.clone(),
            may_restart: self.policy.may_restart,
            may_change_settings: self.policy.may_change_settings,
            consent: self.consent_request(),
            quality: self.sound.samples.iter().copied().collect(),
            calls: if is_undecided { Vec::new() } else { self.durable.calls.iter().cloned().collect() },
            counters: self.durable.counters.clone(),
        }
    }

    /// Shows the state on the toolbar button.
    pub(super) fn settle_badge(&mut self, now: Timestamp) {
        let state = self.client_state(now);
        let badge = match (&state.call, &state.problem) {
            (Some(call), _) if call.muted && call.state != CallPhase::Connecting => Badge::Muted,
            (Some(_), _) => Badge::OnCall,
            (None, _) if state.waiting.is_some() => Badge::Ringing,
            (None, _) if self.consent_request().is_some() => Badge::Problem,
            // A refresh that is being tried again is nobody's business while calls arrive.
            (None, Some(problem)) if !(state.registered && problem.retrying) => Badge::Problem,
            (None, _) => match state.status {
                Status::Registered => Badge::Ready,
                Status::WaitingForFlex => Badge::Off,
                _ => Badge::Connecting,
            },
        };
        if self.badge != Some(badge) {
            self.badge = Some(badge);
            self.out.push(Command::Badge(badge));
        }
    }

    /// True when something is wrong that a heartbeat's `error` speaks of.
    pub(super) fn has_error(&self) -> bool {
        self.registration.problem.is_some()
            || self.tokens.problem.is_some()
            || self
                .call_problem
                .as_ref()
                .is_some_and(|problem| problem.code != ProblemCode::MicrophoneUnavailable)
    }
}

/// What there is no choice about.
fn only<T>(choices: &[T]) -> Option<&T> {
    match choices {
        [only] => Some(only),
        _ => None,
    }
}
