//! What the pages show: words by key, buttons, tones. Pure functions of the [`Machine`].

use protocol::{
    AccountSid, CallPhase, IdentityPrefix, PROTOCOL_VERSION, ProblemCode, Status, Timestamp, TokenUrl,
    state::{CallView, LogLevel, UiState},
};

use crate::{
    machine::{Action, Machine, MicFailure, Permission},
    text::{Key, Text, plain},
};

/// How something stands. Drawn as colour and as an icon, and always said in words too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say yet.
    Quiet,
    /// All is well.
    Ready,
    /// A call is live.
    Call,
    /// A call is live and the caller does not hear the agent.
    Muted,
    /// Not yet; working on it by itself.
    Busy,
    /// Somebody must do something that is not a fault.
    Waiting,
    /// A fault.
    Problem,
}

impl Tone {
    /// The value of `data-tone`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Ready => "ready",
            Self::Call => "call",
            Self::Muted => "muted",
            Self::Busy => "busy",
            Self::Waiting => "waiting",
            Self::Problem => "problem",
        }
    }
}

/// A button whose label or action changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What it does.
    pub action: Action,
    /// What it says.
    pub label: Key,
    /// False: shown, and does nothing.
    pub enabled: bool,
}

impl Button {
    const fn new(action: Action, label: Key) -> Self {
        Self { action, label, enabled: true }
    }
}

/// A heading, a sentence, and perhaps a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// How it stands.
    pub tone: Tone,
    /// A few words; none while there is nothing to say.
    pub title: Option<Text>,
    /// What it means or what to do.
    pub help: Option<Text>,
    /// What to press.
    pub button: Option<Button>,
}

impl Card {
    fn new(tone: Tone, title: Key, help: Key) -> Self {
        Self { tone, title: Some(title.into()), help: Some(help.into()), button: None }
    }

    fn with(mut self, action: Action, label: Key) -> Self {
        self.button = Some(Button::new(action, label));
        self
    }
}

/// The live call's controls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallCard {
    /// `mm:ss` or `h:mm:ss` since the call was answered.
    pub timer: Option<String>,
    /// Mute or unmute.
    pub mute: Button,
    /// True while muted.
    pub muted: bool,
    /// False while there is no audio yet.
    pub keypad_enabled: bool,
    /// True while the keypad is shown.
    pub keypad_open: bool,
    /// What was pressed on it.
    pub digits: String,
    /// Hang up.
    pub hang_up: Button,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What happened, what to do, and perhaps what to press.
    pub card: Card,
    /// "Trying again…", while the extension does.
    pub retrying: Option<Key>,
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The name.
    pub label: Key,
    /// The value.
    pub value: Text,
    /// True for identifiers, which are set in a fixed-width face.
    pub code: bool,
}

impl Row {
    fn words(label: Key, value: impl Into<Text>) -> Self {
        Self { label, value: value.into(), code: false }
    }

    fn code(label: Key, value: Option<&str>) -> Self {
        match value {
            Some(value) => Self { label, value: Text::Plain(plain(value)), code: true },
            None => Self::words(label, Key::NotKnownYet),
        }
    }
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// What happened.
    pub message: String,
}

/// Everything on the pages. Each page shows the parts that its HTML has elements for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The status in plain words.
    pub status: Card,
    /// The live call.
    pub call: Option<CallCard>,
    /// What is wrong.
    pub problem: Option<Problem>,
    /// A short note that goes away.
    pub notice: Option<Text>,
    /// The microphone, on the pages that can ask for it.
    pub microphone: Card,
    /// The welcome page's second step.
    pub flex: Card,
    /// What the administrator has set.
    pub policy: Vec<Row>,
    /// Whether the administrator has set anything.
    pub policy_note: Key,
    /// For who wants to know more.
    pub details: Vec<Row>,
    /// What happened lately, newest first.
    pub log: Vec<LogLine>,
    /// True when restarting is possible now.
    pub restart_enabled: bool,
    /// What restarting does, or why it is not possible now.
    pub restart_hint: Key,
    /// True while the restart question is shown.
    pub confirming: bool,
    /// True when the administrator decides account or token service.
    pub managed: bool,
    /// The extension's version.
    pub version: String,
}

/// Everything to show at this moment.
pub fn view(machine: &Machine, now: Timestamp) -> View {
    let state = machine.state.as_ref();
    let call = state.and_then(|state| state.client.call.as_ref());
    View {
        status: status(machine, now),
        call: call.filter(|_| !machine.is_replaced()).map(|call| call_card(machine, call, now)),
        problem: state.filter(|_| !machine.is_replaced()).and_then(|state| problem(state, machine)),
        notice: match machine.notice() {
            None if call.is_some() && machine.is_stale(now) => Some(Key::Connecting.into()),
            notice => notice.cloned(),
        },
        microphone: microphone(machine),
        flex: flex_step(state),
        policy: policy(machine),
        policy_note: if machine.policy == Default::default() { Key::PolicyNone } else { Key::PolicySome },
        details: details(machine, state),
        log: state.map(log_lines).unwrap_or_default(),
        restart_enabled: state.is_some() && call.is_none(),
        restart_hint: if call.is_some() { Key::RestartHintCall } else { Key::RestartHint },
        confirming: machine.confirming && call.is_none(),
        managed: state.is_some_and(|state| state.managed) || machine.policy != Default::default(),
        version: version(machine).to_owned(),
    }
}

/// The log and what belongs to it, as text for support. `instant` writes a time, `browser` names the browser.
pub fn log_text(machine: &Machine, browser: &str, instant: impl Fn(Timestamp) -> String) -> String {
    let Some(state) = &machine.state else { return String::new() };
    let known = |value: Option<&str>| value.map_or_else(|| "-".to_owned(), plain);
    let client = &state.client;
    let mut text = format!(
        "Holdfast {} (protocol {})\n{}\nstatus: {:?}\naccount: {}\nidentity: {}\ntoken service: {}\n\
         managed: {}\nmicrophone: {:?}\npages: {} open, {} connected\nworker started: {}\n",
        plain(version(machine)),
        PROTOCOL_VERSION,
        plain(browser),
        client.status,
        known(state.account_sid.as_ref().map(AccountSid::as_str)),
        known(state.identity.as_ref().map(|identity| identity.as_str())),
        known(state.token_service.as_deref()),
        state.managed,
        machine.permission,
        state.pages_open,
        state.pages_connected,
        instant(state.worker_started_at),
    );
    if let Some(call) = &client.call {
        text += &format!(
            "call: {} {:?}, muted: {}, since {}\n",
            call.sid,
            call.state,
            call.muted,
            instant(call.since)
        );
    }
    if let Some(problem) = &client.problem {
        text += &format!("problem: {:?}: {}\n", problem.code, plain(&problem.message));
    }
    text.push('\n');
    for entry in &state.log {
        text += &format!("{} {:<7} {}\n", instant(entry.at), level_name(entry.level), plain(&entry.message));
    }
    text
}

/// A log level as a word, also the value of `data-level`.
pub const fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Info => "info",
        LogLevel::Warning => "warning",
        LogLevel::Error => "error",
    }
}

fn version(machine: &Machine) -> &str {
    match &machine.state {
        Some(state) if !state.version.is_empty() => &state.version,
        _ => &machine.version,
    }
}

/// True when a call would find no microphone: better said before the call than after it.
fn microphone_blocks(machine: &Machine) -> bool {
    matches!(machine.permission, Permission::Denied | Permission::Prompt)
}

fn status(machine: &Machine, now: Timestamp) -> Card {
    if machine.is_replaced() {
        return Card::new(Tone::Waiting, Key::Replaced, Key::ReplacedHelp);
    }
    let Some(state) = &machine.state else {
        return if machine.is_stale(now) {
            Card::new(Tone::Busy, Key::Connecting, Key::ConnectingHelp)
        } else {
            Card { tone: Tone::Quiet, title: None, help: None, button: None }
        };
    };
    if let Some(call) = &state.client.call {
        return call_status(call);
    }
    if machine.is_stale(now) {
        return Card::new(Tone::Busy, Key::Connecting, Key::ConnectingHelp);
    }
    match machine.permission {
        Permission::Denied => {
            return Card::new(Tone::Problem, Key::MicBlocked, Key::MicBlockedPopupHelp)
                .with(Action::FixMicrophone, Key::FixMicrophone);
        }
        Permission::Prompt => {
            return Card::new(Tone::Waiting, Key::MicPrompt, Key::MicPromptPopupHelp)
                .with(Action::FixMicrophone, Key::AllowMicrophone);
        }
        Permission::Granted | Permission::Unknown => {}
    }
    match state.client.status {
        Status::WaitingForFlex if state.pages_open > 0 => {
            Card::new(Tone::Waiting, Key::WaitingForFlex, Key::WaitingForFlexPageHelp)
        }
        Status::WaitingForFlex => Card::new(Tone::Waiting, Key::WaitingForFlex, Key::WaitingForFlexHelp)
            .with(Action::OpenFlex, Key::OpenFlex),
        Status::WaitingForToken => Card::new(Tone::Waiting, Key::WaitingForToken, Key::WaitingForTokenHelp),
        Status::FetchingToken => Card::new(Tone::Busy, Key::FetchingToken, Key::FetchingTokenHelp),
        Status::Registering => Card::new(Tone::Busy, Key::Registering, Key::RegisteringHelp),
        Status::Registered if state.pages_connected == 0 => {
            Card::new(Tone::Ready, Key::Registered, Key::RegisteredNoPageHelp)
                .with(Action::OpenFlex, Key::OpenFlex)
        }
        Status::Registered => Card::new(Tone::Ready, Key::Registered, Key::RegisteredHelp),
        Status::Reconnecting => Card::new(Tone::Busy, Key::Reconnecting, Key::ReconnectingHelp),
        Status::Failed if state.client.problem.is_some() => {
            Card { help: None, ..Card::new(Tone::Problem, Key::Failed, Key::FailedHelp) }
        }
        Status::Failed => Card::new(Tone::Problem, Key::Failed, Key::FailedHelp),
    }
}

fn call_status(call: &CallView) -> Card {
    let (tone, title) = match (call.state, call.muted) {
        (CallPhase::Connecting, _) => (Tone::Busy, Key::CallConnecting),
        (CallPhase::Reconnecting, _) => (Tone::Busy, Key::CallReconnecting),
        (CallPhase::Open, true) => (Tone::Muted, Key::CallMuted),
        (CallPhase::Open, false) => (Tone::Call, Key::CallOpen),
    };
    let caller = call.from.as_deref().map(plain).filter(|from| !from.trim().is_empty());
    Card {
        tone,
        title: Some(title.into()),
        help: Some(caller.map_or(Text::Key(Key::CallerUnknown), Text::Plain)),
        button: None,
    }
}

fn call_card(machine: &Machine, call: &CallView, now: Timestamp) -> CallCard {
    let has_media = call.state != CallPhase::Connecting;
    let hanging_up = machine.is_hanging_up();
    CallCard {
        timer: call.answered_at.map(|start| duration(now.since(start))),
        mute: Button {
            enabled: has_media,
            ..Button::new(Action::Mute, if call.muted { Key::Unmute } else { Key::Mute })
        },
        muted: call.muted,
        keypad_enabled: has_media,
        keypad_open: machine.keypad_open && has_media,
        digits: machine.digits.clone(),
        hang_up: Button {
            enabled: !hanging_up,
            ..Button::new(Action::HangUp, if hanging_up { Key::HangingUp } else { Key::HangUp })
        },
    }
}

/// `mm:ss`, from one hour on `h:mm:ss`.
fn duration(millis: u64) -> String {
    let seconds = millis / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") }
}

fn problem(state: &UiState, machine: &Machine) -> Option<Problem> {
    let problem = state.client.problem.as_ref()?;
    let (title, help) = problem_words(problem.code);
    let about_microphone = problem.code == ProblemCode::MicrophoneUnavailable;
    if about_microphone && microphone_blocks(machine) && state.client.call.is_none() {
        return None; // The status says it already, and has the button.
    }
    let card = Card::new(Tone::Problem, title, help);
    let card = if about_microphone { card.with(Action::FixMicrophone, Key::FixMicrophone) } else { card };
    Some(Problem { card, retrying: problem.retrying.then_some(Key::Retrying) })
}

const fn problem_words(code: ProblemCode) -> (Key, Key) {
    match code {
        ProblemCode::MalformedMessage => (Key::ProblemMalformedMessage, Key::ProblemMalformedMessageHelp),
        ProblemCode::UnknownType => (Key::ProblemUnknownType, Key::ProblemUnknownTypeHelp),
        ProblemCode::WrongAccount => (Key::ProblemWrongAccount, Key::ProblemWrongAccountHelp),
        ProblemCode::WrongTokenUrl => (Key::ProblemWrongTokenUrl, Key::ProblemWrongTokenUrlHelp),
        ProblemCode::WrongPrefix => (Key::ProblemWrongPrefix, Key::ProblemWrongPrefixHelp),
        ProblemCode::NotConfigured => (Key::ProblemNotConfigured, Key::ProblemNotConfiguredHelp),
        ProblemCode::NoCall => (Key::ProblemNoCall, Key::ProblemNoCallHelp),
        ProblemCode::InvalidFlexToken => (Key::ProblemInvalidFlexToken, Key::ProblemInvalidFlexTokenHelp),
        ProblemCode::TokenServiceUnavailable => {
            (Key::ProblemTokenServiceUnavailable, Key::ProblemTokenServiceUnavailableHelp)
        }
        ProblemCode::TokenServiceMisconfigured => {
            (Key::ProblemTokenServiceMisconfigured, Key::ProblemTokenServiceMisconfiguredHelp)
        }
        ProblemCode::VoiceTokenRefused => (Key::ProblemVoiceTokenRefused, Key::ProblemVoiceTokenRefusedHelp),
        ProblemCode::GatewayUnavailable => {
            (Key::ProblemGatewayUnavailable, Key::ProblemGatewayUnavailableHelp)
        }
        ProblemCode::MicrophoneUnavailable => {
            (Key::ProblemMicrophoneUnavailable, Key::ProblemMicrophoneUnavailableHelp)
        }
        ProblemCode::CallFailed => (Key::ProblemCallFailed, Key::ProblemCallFailedHelp),
        ProblemCode::Internal => (Key::ProblemInternal, Key::ProblemInternalHelp),
    }
}

fn microphone(machine: &Machine) -> Card {
    if machine.asking {
        return Card::new(Tone::Busy, Key::MicAsking, Key::MicAskingHelp);
    }
    match (machine.permission, machine.mic_failure) {
        (_, Some(MicFailure::NotFound)) => Card::new(Tone::Problem, Key::MicNone, Key::MicNoneHelp)
            .with(Action::AllowMicrophone, Key::TryAgain),
        (_, Some(MicFailure::Busy)) => Card::new(Tone::Problem, Key::MicBusy, Key::MicBusyHelp)
            .with(Action::AllowMicrophone, Key::TryAgain),
        (_, Some(MicFailure::Other)) => Card::new(Tone::Problem, Key::MicFailed, Key::MicFailedHelp)
            .with(Action::AllowMicrophone, Key::TryAgain),
        (Permission::Denied, _) => Card::new(Tone::Problem, Key::MicBlocked, Key::MicBlockedHelp)
            .with(Action::MicrophoneSettings, Key::MicrophoneSettings),
        (_, Some(MicFailure::NotAllowed)) => Card::new(Tone::Waiting, Key::MicDismissed, Key::MicDismissedHelp)
            .with(Action::AllowMicrophone, Key::AllowMicrophone),
        (Permission::Granted, None) => Card::new(Tone::Ready, Key::MicGranted, Key::MicGrantedHelp),
        (Permission::Prompt, None) => Card::new(Tone::Waiting, Key::MicPrompt, Key::MicPromptHelp)
            .with(Action::AllowMicrophone, Key::AllowMicrophone),
        (Permission::Unknown, None) => {
            Card { tone: Tone::Quiet, title: Some(Key::MicChecking.into()), help: None, button: None }
        }
    }
}

fn flex_step(state: Option<&UiState>) -> Card {
    let done = state.is_some_and(|state| state.client.status.is_available() && state.pages_connected > 0);
    if done {
        Card::new(Tone::Ready, Key::FlexStepDone, Key::FlexStepDoneHelp)
    } else {
        Card::new(Tone::Waiting, Key::FlexStep, Key::FlexStepHelp).with(Action::OpenFlex, Key::OpenFlex)
    }
}

fn policy(machine: &Machine) -> Vec<Row> {
    let row = |label, value: Option<&String>, valid: fn(&str) -> bool| match value {
        None => Row::words(label, Key::PolicyNotSet),
        // A value that is not what it should be may be anything, also something secret.
        Some(value) if !valid(value) => Row::words(label, Key::PolicyInvalid),
        Some(value) => Row::code(label, Some(value)),
    };
    let policy = &machine.policy;
    vec![
        row(Key::PolicyAccount, policy.account_sid.as_ref(), |v| AccountSid::new(v).is_ok()),
        row(Key::PolicyTokenService, policy.token_service_url.as_ref(), |v| TokenUrl::new(v).is_ok()),
        row(Key::PolicyPrefix, policy.identity_prefix.as_ref(), |v| IdentityPrefix::new(v).is_ok()),
    ]
}

fn details(machine: &Machine, state: Option<&UiState>) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(state) = state {
        rows.push(Row::words(Key::DetailStatus, status_word(state.client.status)));
        if let Some(problem) = &state.client.problem {
            rows.push(Row::words(Key::DetailProblem, Text::Plain(plain(&problem.message))));
        }
        rows.push(Row::code(Key::DetailAccount, state.account_sid.as_ref().map(AccountSid::as_str)));
        rows.push(Row::code(Key::DetailIdentity, state.identity.as_ref().map(|identity| identity.as_str())));
        rows.push(Row::code(Key::DetailTokenService, state.token_service.as_deref()));
        let pages = vec![state.pages_connected.to_string(), state.pages_open.to_string()];
        rows.push(Row::words(Key::DetailPages, Text::With(Key::DetailPagesValue, pages)));
    }
    let microphone = match machine.permission {
        Permission::Unknown => Key::NotKnownYet,
        Permission::Granted => Key::MicGranted,
        Permission::Prompt => Key::MicPrompt,
        Permission::Denied => Key::MicBlocked,
    };
    rows.push(Row::words(Key::DetailMicrophone, microphone));
    rows.push(Row::code(Key::DetailVersion, Some(version(machine))));
    rows.push(Row::code(Key::DetailProtocol, Some(&PROTOCOL_VERSION.to_string())));
    rows
}

const fn status_word(status: Status) -> Key {
    match status {
        Status::WaitingForFlex => Key::WaitingForFlex,
        Status::WaitingForToken => Key::WaitingForToken,
        Status::FetchingToken => Key::FetchingToken,
        Status::Registering => Key::Registering,
        Status::Registered => Key::Registered,
        Status::Reconnecting => Key::Reconnecting,
        Status::Failed => Key::Failed,
    }
}

fn log_lines(state: &UiState) -> Vec<LogLine> {
    let line = |entry: &protocol::state::LogEntry| LogLine {
        at: entry.at,
        level: entry.level,
        message: plain(&entry.message),
    };
    state.log.iter().rev().map(line).collect()
}
