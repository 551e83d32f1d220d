//! What the pages show: words by key, buttons, tones. Pure functions of the [`Machine`].

use kernel::{AccountSid, Timestamp};
use protocol::{
    AudioDevice, AudioKind, AudioState, CallPhase, CallSummary, PROTOCOL_VERSION, ProblemCode, Status,
    state::{CallView, LogLevel, PolicyComplaint, PolicyForm, PolicyItem, UiState},
};

use crate::{
    machine::{Action, Machine, MicFailure, Permission},
    quality::{QualityCard, quality, summary},
    text::{Key, Text, plain},
    tone::Tone,
};

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
    pub digits: String,
    /// Hang up.
    pub hang_up: Button,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemCard {
    /// What happened, what to do, and perhaps what to press.
    pub card: Card,
    /// "Trying again…", while the extension does.
    pub retrying: Option<Key>,
}

/// Something that the agent is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub title: Key,
    /// Whom or what it is about: never cut short, because what is cut away may be what matters.
    pub about: Text,
    /// What it means.
    pub help: Key,
    /// What belongs to it.
    pub rows: Vec<Row>,
    /// What the button says that agrees.
    pub yes: Key,
    /// False for the moment after it appeared, and after it was answered.
    pub enabled: bool,
}

/// A name and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub label: Text,
    pub value: Text,
    /// True for identifiers, which are set in a fixed-width face.
    pub code: bool,
}

impl Row {
    fn words(label: impl Into<Text>, value: impl Into<Text>) -> Self {
        Self { label: label.into(), value: value.into(), code: false }
    }

    fn code(label: impl Into<Text>, value: Option<&str>) -> Self {
        match value {
            Some(value) => Self { label: label.into(), value: Text::Plain(plain(value)), code: true },
            None => Self::words(label, Key::NotKnownYet),
        }
    }
}

/// A list of devices to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// The devices' ids and names, the system's choice (no id) first.
    pub options: Vec<(Option<String>, Text)>,
    /// Which of them is wanted.
    pub chosen: usize,
}

/// Microphone, speaker and volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    /// Microphones.
    pub microphone: Select,
    pub speaker: Select,
    /// How loud the customer is, in percent.
    pub volume: u8,
    /// False when policy fixes all this.
    pub enabled: bool,
    /// A wanted device that is not there, and what is in use instead.
    pub missing: Vec<Text>,
    /// Starts or stops the microphone's test.
    pub test: Button,
    /// True while the microphone is tested.
    pub testing: bool,
    /// How loud the tested microphone is, in percent.
    pub level: u8,
    /// Counts refusals: then the lists are redrawn.
    pub refusals: u32,
}

/// A call that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLine {
    /// When it was offered.
    pub at: Timestamp,
    /// Who called.
    pub caller: Text,
    /// How long it was, or that it was not answered.
    pub length: Text,
    /// How it stood.
    pub tone: Tone,
    /// How it sounded, or what was wrong.
    pub outcome: Key,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
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
    pub call: Option<CallCard>,
    /// A second call, which waits.
    pub waiting: Option<Question>,
    /// Whether a token service may have the agent's Flex login.
    pub consent: Option<Question>,
    /// How the live call sounds.
    pub quality: Option<QualityCard>,
    /// Microphone and speaker; none until the worker knows them.
    pub sound: Option<Sound>,
    /// The last calls, newest first.
    pub calls: Vec<CallLine>,
    /// Keyboard shortcuts.
    pub shortcuts: Vec<Row>,
    /// How often what happened, for support.
    pub counters: Vec<Row>,
    /// What is wrong with the administrator's policy.
    pub complaints: Vec<Text>,
    /// What is wrong.
    pub problem: Option<ProblemCard>,
    /// A short note that goes away.
    pub notice: Option<Text>,
    /// The microphone, on the pages that can ask for it.
    pub microphone: Card,
    /// The welcome page's second step.
    pub flex: Card,
    /// What the administrator has set.
    pub policy: Vec<Row>,
    /// Whether the administrator has set anything.
    pub policy_note: Option<Key>,
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
        waiting: state.filter(|_| !machine.is_replaced()).and_then(|state| waiting(machine, state, now)),
        consent: state.filter(|_| !machine.is_replaced()).and_then(|state| consent(machine, state, now)),
        problem: state.filter(|_| !machine.is_replaced()).and_then(|state| problem(state, machine)),
        notice: if call.is_some() && machine.is_stale(now) {
            Some(Key::Connecting.into())
        } else {
            machine.notice().cloned()
        },
        microphone: microphone(machine),
        flex: flex_step(machine, state),
        policy: state.map(policy).unwrap_or_default(),
        policy_note: state.map(|state| if is_managed(state) { Key::PolicySome } else { Key::PolicyNone }),
        quality: state.filter(|_| !machine.is_replaced()).and_then(|state| quality(state, now)),
        sound: state.and_then(|state| sound(machine, state)),
        calls: state.map(calls).unwrap_or_default(),
        shortcuts: shortcuts(machine),
        counters: state.map(counters).unwrap_or_default(),
        complaints: state
            .map(|state| state.policy_complaints.iter().map(complaint).collect())
            .unwrap_or_default(),
        details: details(machine, state),
        log: state.map(log_lines).unwrap_or_default(),
        restart_enabled: machine.restart_forbidden().is_none(),
        restart_hint: machine.restart_forbidden().unwrap_or(Key::RestartHint),
        confirming: machine.confirming && call.is_none(),
        managed: state.is_some_and(is_managed),
        version: plain(machine.shown_version()),
    }
}

fn is_managed(state: &UiState) -> bool {
    state.managed || !state.policy.is_empty() || !state.policy_complaints.is_empty()
}

/// A log level as a word, also the value of `data-level`.
pub const fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Info => "info",
        LogLevel::Warning => "warning",
        LogLevel::Error => "error",
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
    if state.consent.is_some() {
        return Card::new(Tone::Waiting, Key::ConsentStatus, Key::ConsentStatusHelp);
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
        // Its pages have signed out, or wait until somebody else has.
        Status::WaitingForFlex if state.pages_connected > 0 => {
            Card::new(Tone::Waiting, Key::SignedOut, Key::SignedOutHelp)
        }
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
    let on_hold = call.on_hold == Some(true);
    let (tone, title) = match (call.state, call.muted) {
        (CallPhase::Connecting, _) => (Tone::Busy, Key::CallConnecting),
        (CallPhase::Reconnecting, _) => (Tone::Busy, Key::CallReconnecting),
        (CallPhase::Open, true) if on_hold => (Tone::Hold, Key::CallHoldMuted),
        (CallPhase::Open, false) if on_hold => (Tone::Hold, Key::CallHold),
        (CallPhase::Open, true) => (Tone::Muted, Key::CallMuted),
        (CallPhase::Open, false) => (Tone::Call, Key::CallOpen),
    };
    Card { tone, title: Some(title.into()), help: Some(caller(call.from.as_deref())), button: None }
}

/// Who calls.
fn caller(from: Option<&str>) -> Text {
    let from = from.map(plain).filter(|from| !from.is_empty());
    from.map_or(Text::Key(Key::CallerUnknown), Text::Plain)
}

fn waiting(machine: &Machine, state: &UiState, now: Timestamp) -> Option<Question> {
    let waiting = state.client.waiting.as_ref()?;
    let is_live = state.client.call.is_some();
    Some(Question {
        title: if waiting.unexpected { Key::UnexpectedTitle } else { Key::WaitingTitle },
        about: caller(waiting.from.as_deref()),
        help: match (waiting.unexpected, is_live) {
            (false, true) => Key::WaitingHelp,
            (false, false) => Key::WaitingFreeHelp,
            (true, true) => Key::UnexpectedHelp,
            (true, false) => Key::UnexpectedFreeHelp,
        },
        rows: vec![],
        yes: if is_live { Key::WaitingAnswer } else { Key::WaitingAnswerFree },
        enabled: machine.may_answer(now),
    })
}

fn consent(machine: &Machine, state: &UiState, now: Timestamp) -> Option<Question> {
    let request = state.consent.as_ref()?;
    Some(Question {
        title: Key::ConsentTitle,
        // The whole of it: what is agreed to is this address and no other. It is ASCII throughout, so that nothing in it turns
        // direction or looks like another letter, and the page breaks it anywhere but never shortens it.
        about: Text::Plain(plain(request.token_url.as_str())),
        help: Key::ConsentHelp,
        rows: vec![
            // By itself, because a long address may be broken where a line begins like another host's name.
            Row::code(Key::ConsentHost, Some(request.token_url.host())),
            Row::code(Key::ConsentPage, Some(&request.page_origin)),
            Row::code(Key::DetailAccount, Some(request.account_sid.as_str())),
        ],
        yes: Key::ConsentAllow,
        enabled: machine.may_consent(now),
    })
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
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

fn problem(state: &UiState, machine: &Machine) -> Option<ProblemCard> {
    let problem = state.client.problem.as_ref()?;
    if problem.code == ProblemCode::ConsentNeeded && state.consent.is_some() {
        return None; // The question itself is on the screen.
    }
    let about_microphone = problem.code == ProblemCode::MicrophoneUnavailable;
    if about_microphone && microphone_blocks(machine) && state.client.call.is_none() {
        return None; // The status says it already, and has the button.
    }
    let card = Card::new(Tone::Problem, Key::Problem(problem.code), Key::ProblemHelp(problem.code));
    let card = match problem.code {
        ProblemCode::MicrophoneUnavailable => card.with(Action::FixMicrophone, Key::FixMicrophone),
        ProblemCode::AudioDeviceMissing if state.client.audio.is_some() => {
            card.with(Action::Sound, Key::ChooseDevice)
        }
        ProblemCode::ConsentDeclined | ProblemCode::WrongAccount
            if machine.restart_forbidden().is_none() && !machine.confirming =>
        {
            card.with(Action::Restart, Key::Restart)
        }
        _ => card,
    };
    Some(ProblemCard { card, retrying: problem.retrying.then_some(Key::Retrying) })
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
        (_, Some(MicFailure::NotAllowed)) => {
            Card::new(Tone::Waiting, Key::MicDismissed, Key::MicDismissedHelp)
                .with(Action::AllowMicrophone, Key::AllowMicrophone)
        }
        (Permission::Granted, None) => Card::new(Tone::Ready, Key::MicGranted, Key::MicGrantedHelp),
        (Permission::Prompt, None) => Card::new(Tone::Waiting, Key::MicPrompt, Key::MicPromptHelp)
            .with(Action::AllowMicrophone, Key::AllowMicrophone),
        (Permission::Unknown, None) => {
            Card { tone: Tone::Quiet, title: Some(Key::MicChecking.into()), help: None, button: None }
        }
    }
}

fn flex_step(machine: &Machine, state: Option<&UiState>) -> Card {
    let done = state.is_some_and(|state| state.client.status.is_available() && state.pages_connected > 0);
    if done && microphone_blocks(machine) {
        Card::new(Tone::Ready, Key::FlexStepDone, Key::FlexStepMicrophone)
    } else if done {
        Card::new(Tone::Ready, Key::FlexStepDone, Key::FlexStepDoneHelp)
    } else {
        Card::new(Tone::Waiting, Key::FlexStep, Key::FlexStepHelp).with(Action::OpenFlex, Key::OpenFlex)
    }
}

/// The system's own names for its choice: Chrome lists them as devices, we list them as one.
const SYSTEM_CHOICES: [&str; 2] = ["default", "communications"];

fn sound(machine: &Machine, state: &UiState) -> Option<Sound> {
    let audio = state.client.audio.as_ref()?;
    let testing = machine.is_testing();
    let label = if testing { Key::TestMicrophoneStop } else { Key::TestMicrophone };
    Some(Sound {
        microphone: select(&audio.microphones, audio.wanted.microphone.as_ref(), AudioKind::Microphone),
        speaker: select(&audio.speakers, audio.wanted.speaker.as_ref(), AudioKind::Speaker),
        volume: machine.volume().unwrap_or(audio.wanted.volume.min(100)),
        enabled: machine.may_change_sound(),
        missing: missing(state, audio),
        test: Button::new(Action::TestMicrophone, label),
        testing,
        level: machine.level(),
        refusals: machine.refusals,
    })
}

fn select(devices: &[AudioDevice], wanted: Option<&AudioDevice>, kind: AudioKind) -> Select {
    let wanted = wanted.filter(|device| !SYSTEM_CHOICES.contains(&device.id.as_str()));
    let mut options = vec![(None, Text::Key(Key::DeviceSystem))];
    for device in devices.iter().filter(|device| !SYSTEM_CHOICES.contains(&device.id.as_str())) {
        let name = match plain(&device.label) {
            label if !label.is_empty() => Text::Plain(label),
            _ => Text::With(unnamed(kind), vec![options.len().to_string()]),
        };
        options.push((Some(device.id.clone()), name));
    }
    let chosen = wanted.map_or(0, |wanted| {
        let same_id = |(id, _): &(Option<String>, Text)| id.as_ref() == Some(&wanted.id);
        // Chrome gives new ids when site data is cleared; the name still tells which one is meant.
        let same_name = |(id, name): &(Option<String>, Text)| {
            id.is_some() && !wanted.label.is_empty() && *name == Text::Plain(plain(&wanted.label))
        };
        options.iter().position(same_id).or_else(|| options.iter().position(same_name)).unwrap_or_else(|| {
            options.push((
                Some(wanted.id.clone()),
                Text::With(Key::DeviceNotConnected, vec![plain(&wanted.label)]),
            ));
            options.len() - 1
        })
    });
    Select { options, chosen }
}

const fn unnamed(kind: AudioKind) -> Key {
    match kind {
        AudioKind::Microphone => Key::DeviceMicrophone,
        AudioKind::Speaker => Key::DeviceSpeaker,
    }
}

/// What is wanted and not there, and what is in use instead.
fn missing(state: &UiState, audio: &AudioState) -> Vec<Text> {
    if state.client.problem.as_ref().is_some_and(|problem| problem.code == ProblemCode::AudioDeviceMissing) {
        return vec![]; // The problem is on the screen already.
    }
    let line = |kind: &AudioKind| {
        let (wanted, used, there) = match kind {
            AudioKind::Microphone => (&audio.wanted.microphone, &audio.microphone, &audio.microphones),
            AudioKind::Speaker => (&audio.wanted.speaker, &audio.speaker, &audio.speakers),
        };
        let is_there = wanted.as_ref().is_some_and(|wanted| there.iter().any(|one| one.id == wanted.id));
        let name = |device: &Option<AudioDevice>| {
            device.as_ref().map(|device| plain(&device.label)).filter(|label| !label.is_empty())
        };
        let (alone, with_other) = if is_there {
            (Key::DeviceBusy, Key::DeviceBusyOther)
        } else {
            (Key::DeviceMissing, Key::DeviceMissingOther)
        };
        match (name(wanted), name(used)) {
            (Some(wanted), Some(used)) => Text::With(with_other, vec![wanted, used]),
            (Some(wanted), None) => Text::With(alone, vec![wanted]),
            (None, _) => Key::Problem(ProblemCode::AudioDeviceMissing).into(),
        }
    };
    let mut lines: Vec<Text> = audio.missing.iter().map(line).collect();
    lines.dedup();
    // In a call the quality says it.
    if audio.microphone_muted && state.client.call.is_none() {
        lines.push(Key::WarningMicrophoneMuted.into());
    }
    lines
}

/// As many calls as an agent looks back at.
const CALLS_SHOWN: usize = 10;

fn calls(state: &UiState) -> Vec<CallLine> {
    let line = |call: &CallSummary| {
        let (tone, outcome) = match &call.problem {
            Some(problem) => (Tone::Problem, Key::Problem(problem.code)),
            None if call.answered_at.is_none() => (Tone::Quiet, Key::CallMissed),
            None => summary(&call.quality),
        };
        CallLine {
            at: call.since,
            caller: caller(call.from.as_deref()),
            length: call.answered_at.map_or_else(
                || Text::Plain("–".into()),
                |start| Text::Plain(duration(call.ended_at.since(start))),
            ),
            tone,
            outcome,
        }
    };
    state.calls.iter().rev().take(CALLS_SHOWN).map(line).collect()
}

fn shortcuts(machine: &Machine) -> Vec<Row> {
    let row = |shortcut: &crate::machine::Shortcut| {
        let label = match plain(&shortcut.description) {
            // Chrome has no words for the command that opens the popup.
            words if words.is_empty() => Text::Key(Key::ShortcutOpen),
            words => Text::Plain(words),
        };
        match plain(&shortcut.keys) {
            keys if keys.is_empty() => Row::words(label, Key::ShortcutNone),
            keys => Row::code(label, Some(&keys)),
        }
    };
    machine.shortcuts.iter().map(row).collect()
}

fn counters(state: &UiState) -> Vec<Row> {
    let row = |(name, count): (&String, &u32)| Row::code(Text::Plain(plain(name)), Some(&count.to_string()));
    state.counters.iter().map(row).collect()
}

fn policy(state: &UiState) -> Vec<Row> {
    let row = |item: &PolicyItem| Row::code(Text::Plain(plain(&item.key)), Some(&item.value));
    state.policy.iter().map(row).collect()
}

fn complaint(complaint: &PolicyComplaint) -> Text {
    let key = match &complaint.wants {
        PolicyForm::AccountSid => Key::ComplaintAccountSid,
        PolicyForm::TokenServiceUrl => Key::ComplaintTokenServiceUrl,
        PolicyForm::PageOrigin => Key::ComplaintPageOrigin,
        PolicyForm::IdentityPrefix => Key::ComplaintIdentityPrefix,
        PolicyForm::Edge => Key::ComplaintEdge,
        PolicyForm::Percentage => Key::ComplaintPercentage,
        PolicyForm::Minutes => Key::ComplaintMinutes,
        PolicyForm::DeviceName => Key::ComplaintDeviceName,
        PolicyForm::Text => Key::ComplaintText,
        PolicyForm::List => Key::ComplaintList,
        PolicyForm::TrueOrFalse => Key::ComplaintTrueOrFalse,
        PolicyForm::OneOf(words) => {
            return Text::With(Key::ComplaintOneOf, vec![plain(&complaint.key), plain(&words.join(", "))]);
        }
    };
    Text::With(key, vec![plain(&complaint.key)])
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
    rows.push(Row::code(Key::DetailVersion, Some(machine.shown_version())));
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

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, env, fs, path::Path};

    use insta::assert_snapshot;
    use kernel::{CallSid, TokenUrl};
    use proptest::prelude::*;
    use protocol::{
        AudioState, QualitySample, QualitySummary, QualityWarning,
        state::{LogEntry, Problem},
    };
    use sansio::Machine as _;
    use serde_json::Value;

    use super::*;
    use crate::machine::{
        Event, Shortcut,
        tests::{asking_consent, events, registered, told, with_call, with_sound, with_waiting},
    };

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const STATUSES: [Status; 7] = [
        Status::WaitingForFlex,
        Status::WaitingForToken,
        Status::FetchingToken,
        Status::Registering,
        Status::Registered,
        Status::Reconnecting,
        Status::Failed,
    ];
    /// What a person reads, with the words of the English locale.
    struct Screen(serde_json::Map<String, Value>);

    impl Screen {
        fn new() -> Self {
            let path = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap())
                .join("../extension/_locales/en/messages.json");
            let messages: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            Self(messages.as_object().unwrap().clone())
        }

        fn words(&self, text: &Text) -> String {
            let message = |key: &Key| self.0[key.name()]["message"].as_str().unwrap().to_owned();
            match text {
                Text::Key(key) => message(key),
                Text::With(key, values) => values
                    .iter()
                    .enumerate()
                    .fold(message(key), |text, (i, value)| text.replace(&format!("${}", i + 1), value)),
                Text::Plain(text) => text.clone(),
            }
        }

        fn button(&self, button: &Button) -> String {
            let label = self.words(&button.label.into());
            if button.enabled { format!("[{label}]") } else { format!("({label})") }
        }

        fn card(&self, card: &Card) -> String {
            let mut parts = vec![format!("{}:", card.tone.name())];
            parts.extend(card.title.iter().map(|title| self.words(title)));
            parts.extend(card.help.iter().map(|help| format!("| {}", self.words(help))));
            parts.extend(card.button.iter().map(|button| self.button(button)));
            parts.join(" ")
        }

        fn popup(&self, view: &View) -> String {
            let mut lines = vec![self.card(&view.status)];
            if let Some(call) = &view.call {
                lines.push(format!(
                    "{} {} {} {}",
                    call.timer.as_deref().unwrap_or("-"),
                    self.button(&call.mute),
                    if call.keypad_open { call.digits.as_str() } else { "keypad closed" },
                    self.button(&call.hang_up),
                ));
            }
            for question in [&view.waiting, &view.consent].into_iter().flatten() {
                lines.push(format!(
                    "{} | {} | {} {}",
                    self.words(&question.title.into()),
                    self.words(&question.about),
                    self.words(&question.help.into()),
                    self.button(&Button {
                        enabled: question.enabled,
                        ..Button::new(Action::ConsentAllow, question.yes)
                    }),
                ));
                lines.extend(question.rows.iter().map(|row| self.rows(std::slice::from_ref(row))));
            }
            if let Some(problem) = &view.problem {
                let retrying = problem.retrying.map(|key| format!(" {}", self.words(&key.into())));
                lines.push(self.card(&problem.card) + &retrying.unwrap_or_default());
            }
            lines.extend(view.notice.iter().map(|notice| self.words(notice)));
            lines.join("\n")
        }

        fn rows(&self, rows: &[Row]) -> String {
            let line = |row: &Row| format!("{}: {}", self.words(&row.label), self.words(&row.value));
            rows.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    }

    fn shown(machine: &Machine, now: Timestamp) -> String {
        Screen::new().popup(&view(machine, now))
    }

    fn failing(code: ProblemCode, retrying: bool) -> UiState {
        let mut state = registered();
        state.client.status = Status::Failed;
        state.client.problem = Some(Problem { code, message: "in the worker's words".into(), retrying });
        state
    }

    #[test]
    fn every_status_says_where_the_agent_stands_and_what_to_do() {
        let screen = Screen::new();
        let lines: Vec<String> = STATUSES
            .iter()
            .map(|&status| {
                let mut state = registered();
                state.client.status = status;
                screen.popup(&view(&told(state), START))
            })
            .collect();
        assert_snapshot!(lines.join("\n"), @"
        waiting: Signed out | You are offline or logged out in Flex, so no calls reach you. Go to another activity there, or log in.
        waiting: Waiting for your Flex login | Log in to Flex. If you are logged in already, refresh the page.
        busy: Signing in… | Asking your organization's token service. This takes a moment.
        busy: Connecting to Twilio… | Almost there: calls can reach you in a moment.
        ready: Ready for calls | Accept calls in Flex. A call goes on even when you refresh or close the tab.
        busy: Connection lost | Calls cannot reach you until it is back.
        problem: Not ready for calls | Restart Holdfast. If that does not help, send the report to support.
        ");
    }

    #[test]
    fn every_problem_has_words_of_its_own_and_says_what_to_do() {
        let screen = Screen::new();
        let mut seen = HashSet::new();
        for code in ProblemCode::ALL {
            let view = view(&told(failing(code, false)), START);
            let problem = view.problem.unwrap();
            assert!(
                seen.insert(screen.words(problem.card.title.as_ref().unwrap())),
                "{code:?} shares its title"
            );
            assert!(screen.words(&problem.card.help.unwrap()).len() > 15, "{code:?} does not say what to do");
            let details = screen.rows(&view.details);
            assert!(details.contains("Problem: in the worker's words"), "{details}");
        }
    }

    #[test]
    fn a_problem_that_is_tried_again_says_so() {
        let machine = told(failing(ProblemCode::TokenServiceUnavailable, true));
        assert_snapshot!(shown(&machine, START), @"
        problem: Not ready for calls
        problem: The token service does not answer | Check your network or VPN. If this stays, tell your administrator. Trying again…
        ");
    }

    #[test]
    fn an_agent_who_is_ready_without_a_flex_page_is_told_to_open_one() {
        let mut state = registered();
        state.pages_connected = 0;
        assert_snapshot!(shown(&told(state), START), @"ready: Ready for calls | No Flex page is connected. Open Flex to accept calls. [Open Flex]");
        let mut state = UiState { pages_open: 0, ..UiState::default() };
        assert_snapshot!(shown(&told(state.clone()), START), @"waiting: Waiting for Flex | Open Flex and log in. Then calls can reach you. [Open Flex]");
        state.pages_open = 1;
        assert_snapshot!(shown(&told(state), START), @"waiting: Waiting for Flex | Flex is open and has not answered yet. If this stays, log in there or refresh the page.");
    }

    #[test]
    fn a_call_shows_caller_timer_and_controls_in_every_phase() {
        let now = START.plus(133_999);
        let lines: Vec<String> = [
            (CallPhase::Connecting, false),
            (CallPhase::Open, false),
            (CallPhase::Open, true),
            (CallPhase::Reconnecting, false),
        ]
        .map(|(phase, muted)| shown(&told(with_call('a', phase, muted)), now))
        .into();
        assert_snapshot!(lines.join("\n"), @"
        busy: Connecting the call… | +15550100
        - (Mute) keypad closed [Hang up]
        call: On a call | +15550100
        02:13 [Mute] keypad closed [Hang up]
        muted: On a call, muted | +15550100
        02:13 [Unmute] keypad closed [Hang up]
        busy: Repairing the connection… | +15550100
        02:13 [Mute] keypad closed [Hang up]
        ");
    }

    #[test]
    fn a_problem_during_a_call_never_hides_the_controls() {
        let mut state = with_call('a', CallPhase::Open, false);
        state.client.problem = failing(ProblemCode::MicrophoneUnavailable, false).client.problem;
        let mut machine = told(state);
        machine.handle(Event::Permission(Permission::Denied), START);
        assert_snapshot!(shown(&machine, START), @"
        call: On a call | +15550100
        00:00 [Mute] keypad closed [Hang up]
        problem: No microphone for your call | Plug in your headset and close programs that use it. [Fix the microphone]
        ");
    }

    #[test]
    fn a_second_call_says_who_calls_and_that_answering_ends_the_first() {
        let machine = told(with_waiting('b'));
        assert_snapshot!(shown(&machine, START.plus(1_000)), @"
        call: On a call | +15550100
        00:01 [Mute] keypad closed [Hang up]
        A second call is waiting | +15550199 | If you answer it, your present call ends. [Hang up and answer]
        ");
        assert!(!view(&machine, START).waiting.unwrap().enabled, "it has only just appeared");
        let mut state = with_waiting('b');
        state.client.call = None;
        assert_snapshot!(shown(&told(state), START.plus(1_000)), @"
        ready: Ready for calls | Accept calls in Flex. A call goes on even when you refresh or close the tab.
        A second call is waiting | +15550199 | Your last call is over: you can answer this one. [Answer]
        ");
    }

    #[test]
    fn a_call_that_nobody_expects_says_that_flex_does_not_know_it_and_whether_answering_ends_another() {
        let mut state = with_waiting('b');
        let waiting = state.client.waiting.as_mut().unwrap();
        waiting.unexpected = true;
        waiting.from = None;
        assert_snapshot!(shown(&told(state.clone()), START.plus(1_000)), @"
        call: On a call | +15550100
        00:01 [Mute] keypad closed [Hang up]
        Unexpected call | Unknown caller | Flex does not know of this call. If you answer it, your present call ends. [Hang up and answer]
        ");
        state.client.call = None;
        assert_snapshot!(shown(&told(state), START.plus(1_000)), @"
        ready: Ready for calls | Accept calls in Flex. A call goes on even when you refresh or close the tab.
        Unexpected call | Unknown caller | Flex does not know of this call. [Answer]
        ");
    }

    #[test]
    fn consent_shows_the_whole_address_the_page_and_the_account_and_takes_the_place_of_the_problem() {
        let host = format!("{}.tokens.acme.test.evil.example:8443", "long".repeat(15));
        let mut state = asking_consent(&host);
        state.client.problem = failing(ProblemCode::ConsentNeeded, false).client.problem;
        let machine = told(state);
        assert_snapshot!(shown(&machine, START.plus(1_000)), @"
        waiting: Waiting for your answer | Calls can reach you once you have answered below.
        May this address receive your Flex login? | https://longlonglonglonglonglonglonglonglonglonglonglonglonglonglong.tokens.acme.test.evil.example:8443/v1/voice/token | A Flex page wants to send your Flex login there, to sign you in for calls. Allow it only if it is your company's token service. If you are not sure, choose Don't allow and ask your administrator. [Allow]
        Server: longlonglonglonglonglonglonglonglonglonglonglonglonglonglong.tokens.acme.test.evil.example:8443
        Asked by: https://flex.twilio.com
        Account: AC11111111111111111111111111111111
        ");
    }

    #[test]
    fn consent_shows_the_path_too_however_long_it_is_and_nothing_in_it_can_be_read_another_way() {
        let mut state = asking_consent("xn--tkens-jua.acme.test");
        let url = format!("https://xn--tkens-jua.acme.test/{}/%E2%80%AEnekot", "deep/".repeat(60));
        if let Some(asked) = &mut state.consent {
            asked.token_url = TokenUrl::new(&*url).unwrap();
        }
        let view = view(&told(state), START.plus(1_000));
        let Text::Plain(shown) = view.consent.unwrap().about else { panic!() };
        assert_eq!(shown, url, "all of it, as it is asked for: neither decoded nor shortened");
    }

    #[test]
    fn a_hang_up_that_was_pressed_says_that_it_is_on_its_way() {
        let mut machine = told(with_call('a', CallPhase::Open, false));
        machine.handle(Event::Pressed(Action::HangUp), START);
        let call = view(&machine, START).call.unwrap();
        assert_eq!((call.hang_up.label, call.hang_up.enabled), (Key::HangingUp, false));
    }

    #[test]
    fn the_timer_has_hours_only_when_there_are_any() {
        assert_eq!(duration(0), "00:00");
        assert_eq!(duration(59_999), "00:59");
        assert_eq!(duration(3_599_999), "59:59");
        assert_eq!(duration(3_600_000), "1:00:00");
        assert_eq!(duration(363_599_000), "100:59:59");
    }

    #[test]
    fn a_short_wait_shows_nothing_and_a_long_one_says_connecting() {
        let mut machine = Machine::default();
        machine.handle(Event::Started { version: "1.2.3".into() }, START);
        assert_eq!(view(&machine, START.plus(299)).status.title, None);
        assert_snapshot!(shown(&machine, START.plus(300)), @"busy: Connecting… | Waiting for the voice client to wake up.");
        assert_eq!(view(&machine, START).version, "1.2.3", "known from the manifest");
    }

    #[test]
    fn a_worker_that_restarts_during_a_call_leaves_the_call_on_the_screen() {
        let mut machine = told(with_call('a', CallPhase::Open, false));
        machine.handle(Event::Disconnected, START.plus(1_000));
        assert_snapshot!(shown(&machine, START.plus(1_100)), @"
        call: On a call | +15550100
        00:01 [Mute] keypad closed [Hang up]
        ");
        assert_snapshot!(shown(&machine, START.plus(1_300)), @"
        call: On a call | +15550100
        00:01 [Mute] keypad closed [Hang up]
        Connecting…
        ");
    }

    #[test]
    fn a_replaced_extension_shows_no_buttons_that_would_do_nothing() {
        let mut machine = told(with_call('a', CallPhase::Open, false));
        machine.handle(Event::Replaced, START);
        assert_snapshot!(shown(&machine, START), @"waiting: Holdfast was updated | Close this window and open it again.");
    }

    #[test]
    fn a_microphone_that_is_not_allowed_is_said_before_a_call_and_not_twice() {
        for (permission, title) in
            [(Permission::Denied, Key::MicBlocked), (Permission::Prompt, Key::MicPrompt)]
        {
            let mut machine = told(failing(ProblemCode::MicrophoneUnavailable, false));
            machine.handle(Event::Permission(permission), START);
            let view = view(&machine, START);
            assert_eq!(view.status.title, Some(title.into()));
            assert_eq!(view.status.button.unwrap().action, Action::FixMicrophone);
            assert_eq!(view.problem, None);
        }
    }

    #[test]
    fn the_welcome_page_promises_no_calls_while_the_microphone_is_missing() {
        let screen = Screen::new();
        let mut state = UiState { pages_connected: 1, ..UiState::default() };
        state.client.status = Status::Registered;
        let mut machine = told(state);
        let mut lines = Vec::new();
        for permission in [Permission::Prompt, Permission::Denied, Permission::Granted] {
            machine.handle(Event::Permission(permission), START);
            lines.push(screen.card(&view(&machine, START).flex));
        }
        assert_snapshot!(lines.join("\n"), @"
        ready: Flex is connected | Allow the microphone, and you are ready for calls.
        ready: Flex is connected | Allow the microphone, and you are ready for calls.
        ready: Flex is connected | You are ready for calls. You can close this page.
        ");
    }

    #[test]
    fn the_welcome_page_knows_every_way_a_microphone_can_be_missing() {
        let screen = Screen::new();
        let mut lines = Vec::new();
        for permission in [Permission::Unknown, Permission::Prompt, Permission::Granted, Permission::Denied] {
            let mut machine = told(UiState::default());
            machine.handle(Event::Permission(permission), START);
            lines.push(screen.card(&view(&machine, START).microphone));
        }
        let mut machine = told(UiState::default());
        machine.handle(Event::Permission(Permission::Prompt), START);
        machine.handle(Event::Pressed(Action::AllowMicrophone), START);
        lines.push(screen.card(&view(&machine, START).microphone));
        for name in ["NotAllowedError", "NotFoundError", "NotReadableError", "TypeError"] {
            machine.handle(Event::MicrophoneAnswer(Err(MicFailure::from_name(name))), START);
            lines.push(screen.card(&view(&machine, START).microphone));
        }
        assert_snapshot!(lines.join("\n"), @"
        quiet: Checking the microphone…
        waiting: Microphone not allowed yet | Chrome asks you once. Holdfast uses the microphone only while you are on a call. [Allow microphone]
        ready: Microphone allowed | There is nothing to do. Holdfast uses it only while you are on a call.
        problem: Microphone blocked | Open the settings, and next to Microphone choose Allow. If that is not possible, your organization decides: ask your administrator. [Open microphone settings]
        busy: Chrome is asking… | Choose Allow in the box at the top of the window.
        waiting: The question was closed | Press the button again and choose Allow in Chrome's box. [Allow microphone]
        problem: No microphone found | Plug in your headset, then try again. [Try again]
        problem: The microphone is in use | Another program holds it, or the system does not give it to Chrome. Close the other program, then try again. [Try again]
        problem: The microphone did not start | Unplug your headset and plug it in again, then try again. [Try again]
        ");
    }

    #[test]
    fn a_customer_on_hold_is_said_in_words_and_so_is_being_muted() {
        let mut state = with_call('a', CallPhase::Open, false);
        state.client.call.as_mut().unwrap().on_hold = Some(true);
        let held = view(&told(state.clone()), START).status;
        assert_eq!((held.tone, held.title), (Tone::Hold, Some(Key::CallHold.into())));
        state.client.call.as_mut().unwrap().muted = true;
        assert_eq!(view(&told(state), START).status.title, Some(Key::CallHoldMuted.into()));
    }

    #[test]
    fn devices_are_listed_once_and_one_that_is_unplugged_stays_chosen_and_says_so() {
        let screen = Screen::new();
        let list = |select: &Select| {
            let name = |(i, (_, name)): (usize, &(Option<String>, Text))| {
                format!("{}{}", if i == select.chosen { "*" } else { "" }, screen.words(name))
            };
            select.options.iter().enumerate().map(name).collect::<Vec<_>>().join(" | ")
        };
        let mut state = with_sound();
        let sound = view(&told(state.clone()), START).sound.unwrap();
        assert_snapshot!(list(&sound.microphone), @"*System default | Jabra Link");
        assert_snapshot!(list(&sound.speaker), @"System default | *Jabra Link");
        assert_eq!((sound.volume, sound.enabled, sound.missing), (80, true, vec![]));

        let audio = state.client.audio.as_mut().unwrap();
        audio.speakers = vec![AudioDevice { id: "pc".into(), label: String::new() }];
        audio.speaker = Some(AudioDevice { id: "pc".into(), label: "Built-in".into() });
        audio.missing = vec![AudioKind::Speaker];
        let sound = view(&told(state.clone()), START).sound.unwrap();
        assert_snapshot!(list(&sound.speaker), @"System default | Speaker 1 | *Jabra Link (not connected)");
        assert_snapshot!(screen.words(&sound.missing[0]), @"Jabra Link is not connected. Built-in is used instead.");
        let mut busy = state.clone();
        let audio = busy.client.audio.as_mut().unwrap();
        audio.speakers.push(audio.wanted.speaker.clone().unwrap());
        audio.microphone_muted = true;
        let sound = view(&told(busy), START).sound.unwrap();
        assert_snapshot!(screen.words(&sound.missing[0]), @"Jabra Link cannot be used: another program may have it. Built-in is used instead.");
        assert_snapshot!(screen.words(&sound.missing[1]), @"Your microphone is muted by the computer or the headset. Unmute it there.");
        state.client.problem = failing(ProblemCode::AudioDeviceMissing, false).client.problem;
        let view = view(&told(state), START);
        assert_eq!(view.sound.unwrap().missing, [], "not twice");
        assert_eq!(view.problem.unwrap().card.button.unwrap().action, Action::Sound);
    }

    #[test]
    fn a_device_whose_id_chrome_has_changed_is_known_by_its_name() {
        let mut state = with_sound();
        state.client.audio.as_mut().unwrap().speakers[1].id = "ear-2".into();
        assert_eq!(view(&told(state), START).sound.unwrap().speaker.chosen, 1);
    }

    #[test]
    fn the_call_card_says_how_the_call_sounds_and_a_warning_says_what_it_means() {
        let screen = Screen::new();
        let mut state = with_call('a', CallPhase::Open, false);
        let quality = |state: &UiState| view(&told(state.clone()), START.plus(9_000)).quality.unwrap();
        assert_snapshot!(screen.words(&quality(&state).verdict.into()), @"Measuring…");
        state.quality = vec![QualitySample {
            at: START,
            rtt_ms: Some(48),
            jitter_ms: None,
            loss_permille: Some(4),
            mos_hundredths: Some(425),
        }];
        let good = quality(&state);
        assert_snapshot!(screen.words(&good.verdict.into()), @"Sounds good");
        assert_snapshot!(screen.words(&good.figures), @"Delay 48 ms · Jitter – ms · Loss 0.4 %");
        assert_eq!((good.tone, good.warning), (Tone::Ready, None));
        let call = state.client.call.as_mut().unwrap();
        call.warnings = vec![QualityWarning::HighRtt, QualityWarning::LowBytesReceived];
        let bad = quality(&state);
        assert_eq!(
            (bad.tone, bad.warning),
            (Tone::Problem, Some(Key::Warning(QualityWarning::LowBytesReceived))),
            "the worst"
        );
        let call = state.client.call.as_mut().unwrap();
        call.warnings = vec![QualityWarning::ConstantAudioInput];
        assert_eq!(quality(&state).warning, Some(Key::Warning(QualityWarning::ConstantAudioInput)));
        state.client.audio = Some(AudioState { microphone_muted: true, ..AudioState::default() });
        let muted = quality(&state);
        assert_eq!((muted.tone, muted.warning), (Tone::Problem, Some(Key::WarningMicrophoneMuted)), "why");
        state.client.call.as_mut().unwrap().answered_at = None;
        assert_eq!(view(&told(state), START).quality, None, "no sound yet");
    }

    #[test]
    fn the_last_calls_say_who_how_long_and_how_it_went() {
        let screen = Screen::new();
        let call = |from: &str, seconds: Option<u64>, mos, problem: Option<ProblemCode>| CallSummary {
            sid: CallSid::new(format!("CA{}", "c".repeat(32))).unwrap(),
            from: Some(from.into()),
            since: START,
            answered_at: seconds.map(|_| START),
            ended_at: START.plus(seconds.unwrap_or(20) * 1_000),
            problem: problem.map(|code| Problem { code, message: String::new(), retrying: false }),
            quality: QualitySummary { mos_mean_hundredths: mos, ..QualitySummary::default() },
        };
        let mut state = registered();
        state.calls = vec![
            call("+15550100", Some(61), Some(412), None),
            call("", None, None, None),
            call("+15550102", Some(5), Some(200), Some(ProblemCode::CallFailed)),
        ];
        let lines: Vec<String> = view(&told(state), START)
            .calls
            .iter()
            .map(|line| {
                format!(
                    "{}: {} {} {}",
                    line.tone.name(),
                    screen.words(&line.caller),
                    screen.words(&line.length),
                    screen.words(&line.outcome.into())
                )
            })
            .collect();
        assert_snapshot!(lines.join("\n"), @"
        problem: +15550102 00:05 The call broke off
        quiet: Unknown caller – Not answered
        ready: +15550100 01:01 Sounds good
        ");
    }

    #[test]
    fn shortcuts_counters_and_what_is_wrong_with_the_policy_are_shown() {
        let screen = Screen::new();
        let mut state = registered();
        state.counters = [("messages_dropped".to_owned(), 2)].into();
        state.policy = vec![PolicyItem { key: "secondCall".into(), value: "offer".into() }];
        let complaint = |key: &str, wants| PolicyComplaint { key: key.into(), wants };
        state.policy_complaints = vec![
            complaint("edges", PolicyForm::Edge),
            complaint("secondCall", PolicyForm::OneOf(vec!["refuse".into(), "offer".into()])),
        ];
        let mut machine = told(state);
        let shortcut = |description: &str, keys: &str| Shortcut {
            name: "x".into(),
            description: description.into(),
            keys: keys.into(),
        };
        machine.handle(Event::Shortcuts(vec![shortcut("Mute", "Alt+M"), shortcut("", "")]), START);
        let view = view(&machine, START);
        assert_snapshot!(screen.rows(&view.shortcuts), @"
        Mute: Alt+M
        Open Holdfast: Not set
        ");
        assert_snapshot!(screen.rows(&view.counters), @"messages_dropped: 2");
        assert_snapshot!(screen.rows(&view.policy), @"secondCall: offer");
        assert!(view.managed);
        let complaints: Vec<String> = view.complaints.iter().map(|text| screen.words(text)).collect();
        assert_snapshot!(complaints.join("\n"), @"
        edges: a value that is no edge location (lower-case letters, digits and hyphens) is not used.
        secondCall: a value that is none of these is not used: refuse, offer.
        ");
    }

    #[test]
    fn restart_is_offered_only_outside_a_call_and_asks_first() {
        let idle = view(&told(registered()), START);
        assert!(idle.restart_enabled && !idle.confirming);
        let busy = view(&told(with_call('a', CallPhase::Open, false)), START);
        assert!(!busy.restart_enabled);
        assert_eq!(busy.restart_hint, Key::RestartHintCall);
        let mut machine = told(registered());
        machine.handle(Event::Pressed(Action::Restart), START);
        assert!(view(&machine, START).confirming);
    }

    #[test]
    fn the_options_page_shows_the_policy_and_never_a_value_that_is_not_valid() {
        let screen = Screen::new();
        assert_eq!(view(&Machine::default(), START).policy_note, None, "nobody has said yet");
        assert_eq!(view(&told(registered()), START).policy_note, Some(Key::PolicyNone));
        let mut state = registered();
        let account = format!("AC{}", "0".repeat(32));
        state.policy = vec![PolicyItem { key: "accountSids".into(), value: account }];
        state.policy_complaints =
            vec![PolicyComplaint { key: "tokenServiceUrls".into(), wants: PolicyForm::TokenServiceUrl }];
        let view = view(&told(state.clone()), START);
        assert!(view.managed);
        assert_eq!(view.policy_note, Some(Key::PolicySome));
        assert_snapshot!(screen.rows(&view.policy), @"accountSids: AC00000000000000000000000000000000");
        let complaints: Vec<String> = view.complaints.iter().map(|text| screen.words(text)).collect();
        assert_snapshot!(complaints.join("\n"), @"tokenServiceUrls: a value that is no token service URL (https://host/path, without a query) is not used.");
        // A policy in which nothing is right is a policy too.
        state.policy.clear();
        assert!(super::view(&told(state), START).managed);
    }

    #[test]
    fn what_came_from_outside_stays_text() {
        let mut state = with_call('a', CallPhase::Open, false);
        let markup = "<img src=x onerror=alert(1)>";
        state.client.call.as_mut().unwrap().from = Some(markup.into());
        state.token_service = Some(markup.into());
        let view = view(&told(state), START);
        assert_eq!(view.status.help, Some(Text::Plain(markup.into())));
        assert!(view.details.iter().any(|row| row.value == Text::Plain(markup.into())));
    }

    proptest! {
        #[test]
        fn no_token_is_ever_shown_or_copied(
            token in "eyJ[A-Za-z0-9_-]{20,60}\\.[A-Za-z0-9_-]{20,60}\\.[A-Za-z0-9_-]{20,60}",
        ) {
            let mut state = with_call('a', CallPhase::Open, false);
            state.client.call.as_mut().unwrap().from = Some(token.clone());
            state.client.problem = Some(Problem {
                code: ProblemCode::Internal,
                message: format!("token={token}"),
                retrying: false,
            });
            state.token_service = Some(format!("https://example.com/?t={token}"));
            state.version = token.clone();
            state.log =
                vec![LogEntry { at: START, level: LogLevel::Error, message: format!("got \"{token}\", bad") }];
            state.policy_complaints =
                vec![PolicyComplaint { key: token.clone(), wants: PolicyForm::OneOf(vec![token.clone()]) }];
            state.counters = [(token.clone(), 1)].into();
            let machine = told(state);
            let text = crate::report::tests::text(&machine, &token);
            let all = format!("{:?} {text}", view(&machine, START));
            for part in token.split('.') {
                prop_assert!(!all.contains(part), "{}", all);
            }
        }

        #[test]
        fn whatever_happens_there_is_something_to_read_and_a_live_call_can_be_ended(events in events()) {
            let mut machine = Machine::default();
            let mut now = START;
            machine.handle(Event::Started { version: String::new() }, now);
            for (event, pause) in events {
                now = now.plus(pause);
                if pause % 3 > 0 {
                    machine.handle_timeout(now);
                }
                machine.handle(event, now);
                let view = view(&machine, now);
                let known = machine.state.is_some();
                prop_assert!(view.status.title.is_some() || !known);
                let live = machine.state.as_ref().is_some_and(|state| state.client.call.is_some());
                prop_assert_eq!(view.call.is_some(), live);
                prop_assert!(!(view.confirming && live));
            }
        }
    }
}
