//! What the pages know, and what happens when something happens. No browser, no clock: see [`crate::shell`].

use kernel::{CallSid, DtmfDigits, Timestamp};
use protocol::{
    AudioKind, CallPhase,
    page::SelectAudioDevice,
    popup::{FromPopup, ToPopup},
    state::{ConsentRequest, UiState},
};
use sansio::{Backoff, Timers};

use crate::text::{Key, Text};

/// Where agents log in.
pub const FLEX_URL: &str = "https://flex.twilio.com/";

/// A page that is still without news after this many milliseconds says so; a shorter wait would only flicker.
pub const PATIENCE_MS: u64 = 300;
/// A connection that lasted this long was a good one: the next reconnect is immediate again.
const GOOD_CONNECTION_MS: u64 = 1_000;
/// Pauses before connecting again: 0, 100, 200, 400, … 5000 ms.
const RECONNECT: Backoff = Backoff::new(100, 5_000).first_at_once();
/// A clock that is set back by more than this takes the deadlines along.
const CLOCK_TOLERANCE_MS: u64 = 1_000;
/// A hang-up that the worker has not confirmed by then may be pressed again.
const HANG_UP_MS: u64 = 4_000;
/// An answer to a question that the worker has not taken by then may be given again.
const ANSWER_MS: u64 = 4_000;
/// How long a short note stays.
const NOTICE_MS: u64 = 6_000;
/// So long a question is on the screen before its answer is taken: a click that was meant for what stood there before,
/// or that a page provoked, agrees to nothing. Browsers do the same with their permission prompts.
const ARMING_MS: u64 = 500;
/// A microphone's test ends by itself after this long: nobody shall find the microphone open an hour later.
const TEST_MS: u64 = 30_000;
/// A level that is older than this says nothing.
const LEVEL_MS: u64 = 1_000;
/// While the volume's slider is dragged, the worker hears of it this often.
const VOLUME_MS: u64 = 100;
/// So long the slider shows what the agent chose, whatever older news says.
const VOLUME_OWN_MS: u64 = 1_500;
/// As many digits as the keypad's display has room for.
const DIGITS_SHOWN: usize = 18;

/// What the browser says about the microphone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permission {
    /// Not asked yet.
    #[default]
    Unknown,
    /// Chrome will ask the person.
    Prompt,
    /// Allowed.
    Granted,
    /// Blocked, by the person or by policy: Chrome no longer asks.
    Denied,
}

/// Why `getUserMedia` gave no microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MicFailure {
    /// `NotAllowedError`: the question was answered with no, or closed.
    NotAllowed,
    /// `NotFoundError`: there is none.
    NotFound,
    /// `NotReadableError`: another program holds it, or the system refuses.
    Busy,
    /// Anything else.
    Other,
}

impl MicFailure {
    /// From the name of the `DOMException`.
    pub fn from_name(name: &str) -> Self {
        match name {
            "NotAllowedError" | "SecurityError" => Self::NotAllowed,
            "NotFoundError" | "OverconstrainedError" => Self::NotFound,
            "NotReadableError" | "AbortError" => Self::Busy,
            _ => Self::Other,
        }
    }
}

/// A button, by the name in the HTML's `data-action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, wire::Named)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Mute or unmute.
    Mute,
    /// Show or hide the keypad.
    Keypad,
    /// A key of the keypad.
    Digit(char),
    /// End the call.
    HangUp,
    /// Ask whether to restart.
    Restart,
    /// Yes, restart.
    RestartYes,
    /// No, do not restart.
    RestartNo,
    /// Copy the report for support.
    CopyReport,
    /// Save the report for support as a file.
    SaveReport,
    /// Start or stop the microphone's test.
    TestMicrophone,
    /// Play a tone.
    TestSpeaker,
    /// Show the devices.
    Sound,
    /// Open Chrome's page of keyboard shortcuts.
    Shortcuts,
    /// Open the page that helps with the microphone.
    FixMicrophone,
    /// Ask for the microphone, here.
    AllowMicrophone,
    /// Open Chrome's settings for this extension's microphone.
    MicrophoneSettings,
    /// Open Flex.
    OpenFlex,
    /// Open the options page.
    Settings,
    /// Yes, this token service may have my Flex login.
    ConsentAllow,
    /// No, it may not.
    ConsentDecline,
    /// Hang up and answer the call that waits.
    WaitingAnswer,
    /// Decline the call that waits.
    WaitingDecline,
}

impl Action {
    /// Of a button.
    #[must_use]
    pub fn of_button(name: &str) -> Option<Self> {
        let Some(digit) = name.strip_prefix("digit-") else { return Self::from_name(name) };
        let mut digit = digit.chars();
        digit.next().filter(|&c| is_dtmf(c) && digit.next().is_none()).map(Self::Digit)
    }
}

/// A keyboard shortcut, as `chrome.commands` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// The command's name in the manifest.
    pub name: String,
    /// What it does, in the person's language.
    pub description: String,
    /// The keys; empty while none are set.
    pub keys: String,
}

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The page is loaded.
    Started {
        /// The manifest's version, for while the worker has not answered.
        version: String,
    },
    /// The worker's end of the port is gone.
    Disconnected,
    /// Connecting failed: this page belongs to a version of the extension that was replaced.
    Replaced,
    /// The worker said something.
    Message(Box<ToPopup>),
    /// The page came to the front, or went behind another tab.
    Visible(bool),
    /// The browser's word on the microphone, at first and after every change.
    Permission(Permission),
    /// `getUserMedia` ended.
    MicrophoneAnswer(Result<(), MicFailure>),
    /// A button was pressed.
    Pressed(Action),
    /// A key was typed that no button took.
    Typed(char),
    /// Copying the report ended.
    Copied(bool),
    /// Another device was chosen; `None` is the system's choice.
    DeviceChosen(AudioKind, Option<String>),
    /// The volume's slider was moved.
    VolumeMoved(u8),
    /// The keyboard shortcuts, at first and when the page is looked at again.
    Shortcuts(Vec<Shortcut>),
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Open a port to the worker.
    Connect,
    /// Post to the worker.
    Send(FromPopup),
    /// Call `getUserMedia` for audio, stop its tracks at once, and tell how it went.
    AskMicrophone,
    /// Open a page of the extension.
    OpenPage(&'static str),
    /// Open Chrome's page of this extension's permissions.
    OpenPermissions,
    /// Open a web page.
    OpenUrl(&'static str),
    /// Put the report into the clipboard.
    CopyReport,
    /// Save the report as a file.
    SaveReport,
    /// Read the keyboard shortcuts.
    ReadShortcuts,
    /// Open the part of the page that has the devices.
    ShowSound,
    /// Move the keyboard's focus to the button with this action.
    Focus(Action),
}

/// What waits for its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The next attempt to connect.
    Retry,
    /// Without news for long enough to say so.
    Stale,
    /// A hang-up may be pressed again.
    HangUp,
    /// The short note has stayed long enough.
    Notice,
    /// The question of consent has been on the screen long enough.
    ConsentShown,
    /// Its answer may be given again.
    ConsentAnswered,
    /// The same of the call that waits.
    WaitingShown,
    WaitingAnswered,
    /// A microphone's test has lasted long enough.
    Test,
    /// The level says nothing any more.
    Level,
    /// The worker may hear of the volume again.
    VolumePause,
    /// The slider shows the news again.
    VolumeOwn,
    /// The call's timer shows another second.
    Second,
}

/// The connection to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    /// No port; to be opened after [`Timer::Retry`].
    Down,
    /// A port, and no news yet.
    Waking,
    /// News came over this port, first at `since`.
    Up { since: Timestamp },
    /// Never again: the extension was replaced under this page.
    Replaced,
}

/// Something that the agent is asked.
#[derive(Clone, Debug)]
struct Question<T> {
    about: Option<T>,
    /// Until then it has only just appeared.
    shown: Timer,
    /// Until then its answer was given a moment ago.
    answered: Timer,
}

impl<T: Clone + PartialEq> Question<T> {
    const fn new(shown: Timer, answered: Timer) -> Self {
        Self { about: None, shown, answered }
    }

    /// What is asked now. A new question starts over.
    fn ask(&mut self, about: Option<&T>, now: Timestamp, timers: &mut Timers<Timer, Timestamp>) {
        if self.about.as_ref() == about {
            return;
        }
        self.about = about.cloned();
        timers.disarm(self.answered);
        if self.about.is_some() {
            timers.arm(self.shown, now.plus(ARMING_MS));
        } else {
            timers.disarm(self.shown);
        }
    }

    /// True when an answer would be taken: not just now appeared, and not answered a moment ago.
    fn is_open(&self, now: Timestamp, timers: &Timers<Timer, Timestamp>) -> bool {
        self.about.is_some() && !timers.is_ahead(self.shown, now) && !timers.is_ahead(self.answered, now)
    }

    /// Takes an answer, once.
    fn answer(&self, now: Timestamp, timers: &mut Timers<Timer, Timestamp>) -> Option<T> {
        if !self.is_open(now, timers) {
            return None;
        }
        timers.arm(self.answered, now.plus(ANSWER_MS));
        self.about.clone()
    }
}

/// The volume as the agent has just set it.
#[derive(Clone, Copy, Debug)]
struct Volume {
    percent: u8,
    is_sent: bool,
}

/// What the pages know. [`crate::view::view`] reads it.
#[derive(Clone, Debug)]
pub struct Machine {
    connection: Connection,
    visible: bool,
    failures: u32,
    /// What was asked while no worker could hear it, with the call that it was meant for.
    unsent: Vec<(Option<CallSid>, FromPopup)>,
    hanging_up: Option<CallSid>,
    notice: Option<Text>,
    consent: Question<ConsentRequest>,
    waiting: Question<CallSid>,
    testing: bool,
    level: u8,
    volume: Option<Volume>,
    timers: Timers<Timer, Timestamp>,
    last_now: Timestamp,
    /// Counts what the worker refused: controls that show the agent's choice are then redrawn.
    pub refusals: u32,
    pub shortcuts: Vec<Shortcut>,
    /// The last news from the worker.
    pub state: Option<UiState>,
    /// The browser's word on the microphone.
    pub permission: Permission,
    /// True while Chrome's question about the microphone is open.
    pub asking: bool,
    /// How the last question ended, if it ended badly.
    pub mic_failure: Option<MicFailure>,
    /// True while the keypad is shown.
    pub keypad_open: bool,
    /// What was pressed on the keypad in this call, its end.
    pub digits: String,
    /// True while the restart question is shown.
    pub confirming: bool,
    /// The manifest's version.
    pub version: String,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            connection: Connection::Waking,
            visible: true,
            failures: 0,
            unsent: Vec::new(),
            hanging_up: None,
            notice: None,
            consent: Question::new(Timer::ConsentShown, Timer::ConsentAnswered),
            waiting: Question::new(Timer::WaitingShown, Timer::WaitingAnswered),
            testing: false,
            level: 0,
            volume: None,
            timers: Timers::default(),
            last_now: Timestamp::default(),
            refusals: 0,
            shortcuts: Vec::new(),
            state: None,
            permission: Permission::default(),
            asking: false,
            mic_failure: None,
            keypad_open: false,
            digits: String::new(),
            confirming: false,
            version: String::new(),
        }
    }
}

impl Machine {
    fn handle_event(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        match event {
            Event::Started { version } => {
                self.version = version;
                self.connection = Connection::Waking;
                self.timers.arm(Timer::Stale, now.plus(PATIENCE_MS));
                vec![Command::Connect, Command::ReadShortcuts]
            }
            Event::Disconnected => self.disconnected(now),
            Event::Replaced => {
                self.connection = Connection::Replaced;
                self.timers.disarm(Timer::Stale);
                vec![]
            }
            Event::Message(message) => match *message {
                ToPopup::State { state } => self.news(state, now),
                ToPopup::Refused { reason } => {
                    self.hanging_up = None;
                    self.volume = None;
                    self.stop_showing_levels();
                    for timer in [
                        Timer::HangUp,
                        Timer::ConsentAnswered,
                        Timer::WaitingAnswered,
                        Timer::VolumePause,
                        Timer::VolumeOwn,
                    ] {
                        self.timers.disarm(timer);
                    }
                    self.refusals = self.refusals.wrapping_add(1);
                    self.note(Key::Refused(reason).into(), now);
                    vec![]
                }
                ToPopup::Level { percent } => {
                    if self.testing {
                        self.level = percent.min(100);
                        self.timers.arm(Timer::Level, now.plus(LEVEL_MS));
                    }
                    vec![]
                }
            },
            Event::Visible(visible) => {
                self.visible = visible;
                if visible {
                    let mut commands = self.reconnect();
                    commands.push(Command::ReadShortcuts);
                    commands
                } else {
                    self.stop_testing()
                }
            }
            Event::Permission(permission) => self.permission_is(permission),
            Event::MicrophoneAnswer(answer) => {
                self.asking = false;
                self.mic_failure = answer.err();
                self.send(FromPopup::MicrophoneChanged)
            }
            Event::Pressed(action) => self.pressed(action, now),
            Event::Typed(c) if self.keypad_open && is_dtmf(c) => self.digit(c),
            Event::Typed(_) => vec![],
            Event::Copied(done) => {
                self.note(if done { Key::ReportCopied } else { Key::ReportNotCopied }.into(), now);
                vec![]
            }
            Event::DeviceChosen(..) | Event::VolumeMoved(_) if !self.may_change_sound() => {
                self.refusals = self.refusals.wrapping_add(1);
                vec![]
            }
            Event::DeviceChosen(kind, device_id) => {
                self.send(FromPopup::SelectAudioDevice(SelectAudioDevice { kind, device_id }))
            }
            Event::VolumeMoved(percent) => self.volume_moved(percent.min(100), now),
            Event::Shortcuts(shortcuts) => {
                self.shortcuts = shortcuts;
                vec![]
            }
        }
    }

    /// The deadlines keep their distance when the clock is set back; set forward, they are due at once, which is harmless.
    fn follow_clock(&mut self, now: Timestamp) {
        let back = now.until(self.last_now);
        if back > CLOCK_TOLERANCE_MS {
            self.timers.shift_back(back);
        }
        self.last_now = now;
    }

    /// Arms what follows from how things stand now.
    fn settle(&mut self, now: Timestamp) {
        if self.connection != Connection::Down || !self.may_reconnect() {
            self.timers.disarm(Timer::Retry);
        }
        let call = self.state.as_ref().and_then(|state| state.client.call.as_ref());
        match call.and_then(|call| call.answered_at) {
            Some(start) => self.timers.arm(Timer::Second, now.plus(1_000 - now.since(start) % 1_000)),
            None => self.timers.disarm(Timer::Second),
        }
    }

    /// True when the page has been without news for long enough to say so.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        matches!(self.connection, Connection::Down | Connection::Waking)
            && !self.timers.is_ahead(Timer::Stale, now)
    }

    /// True when the extension was replaced under this page.
    pub fn is_replaced(&self) -> bool {
        self.connection == Connection::Replaced
    }

    /// The version that the worker says, or until then the manifest's.
    pub fn shown_version(&self) -> &str {
        self.state
            .as_ref()
            .map(|state| state.version.as_str())
            .filter(|it| !it.is_empty())
            .unwrap_or(&self.version)
    }

    /// The short note to show.
    pub fn notice(&self) -> Option<&Text> {
        self.notice.as_ref()
    }

    /// True while a pressed hang-up waits for the worker.
    pub fn is_hanging_up(&self) -> bool {
        self.hanging_up.is_some()
    }

    /// True when the agent's answer to the question of consent would be taken now.
    pub fn may_consent(&self, now: Timestamp) -> bool {
        self.consent.is_open(now, &self.timers)
    }

    /// True when the agent's answer about the call that waits would be taken now.
    pub fn may_answer(&self, now: Timestamp) -> bool {
        self.waiting.is_open(now, &self.timers)
    }

    /// True while the microphone is tested.
    pub fn is_testing(&self) -> bool {
        self.testing
    }

    /// How loud the tested microphone is, in percent.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// The volume to show: the agent's own choice until the worker has had time to take it.
    pub fn volume(&self) -> Option<u8> {
        self.volume.map(|volume| volume.percent)
    }

    /// True when devices and volume can be changed: they are known, and policy does not forbid it.
    pub fn may_change_sound(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.client.audio.is_some() && state.may_change_settings)
    }

    fn stop_showing_levels(&mut self) {
        self.testing = false;
        self.level = 0;
        self.timers.disarm(Timer::Test);
        self.timers.disarm(Timer::Level);
    }

    fn stop_testing(&mut self) -> Vec<Command> {
        let was_testing = self.testing;
        self.stop_showing_levels();
        if !was_testing || !matches!(self.connection, Connection::Up { .. }) {
            return vec![]; // A test ends with its port.
        }
        vec![Command::Send(FromPopup::TestMicrophone { on: false })]
    }

    fn volume_moved(&mut self, percent: u8, now: Timestamp) -> Vec<Command> {
        let is_sent = !self.timers.is_ahead(Timer::VolumePause, now);
        self.volume = Some(Volume { percent, is_sent });
        self.timers.arm(Timer::VolumeOwn, now.plus(VOLUME_OWN_MS));
        if is_sent { self.send_volume(percent, now) } else { vec![] }
    }

    fn send_volume(&mut self, percent: u8, now: Timestamp) -> Vec<Command> {
        self.timers.arm(Timer::VolumePause, now.plus(VOLUME_MS));
        self.send(FromPopup::SetVolume { percent })
    }

    fn note(&mut self, text: Text, now: Timestamp) {
        self.notice = Some(text);
        self.timers.arm(Timer::Notice, now.plus(NOTICE_MS));
    }

    fn live_call(&self) -> Option<(&CallSid, CallPhase, bool)> {
        let call = self.state.as_ref()?.client.call.as_ref()?;
        Some((&call.sid, call.state, call.muted))
    }

    fn news(&mut self, state: UiState, now: Timestamp) -> Vec<Command> {
        let before = self.live_call().map(|(sid, ..)| sid.clone());
        let call = state.client.call.as_ref().map(|call| call.sid.clone());
        if before != call {
            self.keypad_open = false;
            self.digits.clear();
        }
        if self.hanging_up.is_some() && self.hanging_up != call {
            self.hanging_up = None;
            self.timers.disarm(Timer::HangUp);
        }
        if call.is_some() {
            self.confirming = false;
        }
        if before != call {
            self.stop_showing_levels(); // A call that begins or ends takes the microphone.
        }
        if !matches!(self.connection, Connection::Up { .. }) {
            self.connection = Connection::Up { since: now };
            self.timers.disarm(Timer::Stale);
        }
        let waiting = state.client.waiting.as_ref().map(|waiting| &waiting.sid);
        self.consent.ask(state.consent.as_ref(), now, &mut self.timers);
        self.waiting.ask(waiting, now, &mut self.timers);
        self.state = Some(state);
        self.unsent
            .drain(..)
            .filter(|(meant, _)| meant.is_none() || *meant == call)
            .map(|(_, message)| Command::Send(message))
            .collect()
    }

    fn disconnected(&mut self, now: Timestamp) -> Vec<Command> {
        self.stop_showing_levels();
        match self.connection {
            Connection::Up { since } => {
                if now.since(since) >= GOOD_CONNECTION_MS {
                    self.failures = 0;
                }
                self.timers.arm(Timer::Stale, now.plus(PATIENCE_MS));
            }
            Connection::Waking | Connection::Down => {}
            Connection::Replaced => return vec![],
        }
        self.failures = self.failures.saturating_add(1);
        self.connection = Connection::Down;
        let pause = RECONNECT.pause_ms(self.failures);
        if pause == 0 && self.may_reconnect() {
            return self.reconnect();
        }
        self.timers.arm(Timer::Retry, now.plus(pause));
        vec![]
    }

    /// A page that nobody sees lets the worker sleep, unless it has something to say.
    fn may_reconnect(&self) -> bool {
        self.visible || !self.unsent.is_empty()
    }

    fn reconnect(&mut self) -> Vec<Command> {
        match self.connection {
            Connection::Down => {
                self.connection = Connection::Waking;
                vec![Command::Connect]
            }
            _ => vec![],
        }
    }

    fn on_timer(&mut self, timer: Timer, now: Timestamp) -> Vec<Command> {
        match timer {
            Timer::Retry if self.may_reconnect() => return self.reconnect(),
            Timer::HangUp => self.hanging_up = None,
            Timer::Notice => self.notice = None,
            Timer::Test => return self.stop_testing(),
            Timer::Level => self.level = 0,
            Timer::VolumePause => {
                if let Some(volume) = self.volume.as_mut().filter(|volume| !volume.is_sent) {
                    volume.is_sent = true;
                    let percent = volume.percent;
                    return self.send_volume(percent, now);
                }
            }
            Timer::VolumeOwn => self.volume = None,
            // These only held something back, or the page is redrawn.
            Timer::Retry
            | Timer::Stale
            | Timer::ConsentShown
            | Timer::ConsentAnswered
            | Timer::WaitingShown
            | Timer::WaitingAnswered
            | Timer::Second => {}
        }
        vec![]
    }

    fn permission_is(&mut self, permission: Permission) -> Vec<Command> {
        let before = std::mem::replace(&mut self.permission, permission);
        if permission == before {
            return vec![];
        }
        if permission == Permission::Granted && self.mic_failure == Some(MicFailure::NotAllowed) {
            self.mic_failure = None;
        }
        if before == Permission::Unknown { vec![] } else { self.send(FromPopup::MicrophoneChanged) }
    }

    /// Posts now, or as soon as a worker hears.
    fn send(&mut self, message: FromPopup) -> Vec<Command> {
        if matches!(self.connection, Connection::Up { .. }) {
            return vec![Command::Send(message)];
        }
        let meant = match message {
            FromPopup::Restart
            | FromPopup::MicrophoneChanged
            | FromPopup::AnswerWaiting { .. }
            | FromPopup::DeclineWaiting { .. }
            | FromPopup::SelectAudioDevice(_)
            | FromPopup::SetVolume { .. }
            | FromPopup::TestMicrophone { .. }
            | FromPopup::TestSpeaker
            | FromPopup::Consent { .. } => None,
            FromPopup::HangUp { ref sid }
            | FromPopup::SetMute { ref sid, .. }
            | FromPopup::SendDigits { ref sid, .. } => sid.clone(),
        };
        self.unsent.push((meant, message));
        self.reconnect()
    }

    fn pressed(&mut self, action: Action, now: Timestamp) -> Vec<Command> {
        match action {
            Action::Mute => match self.live_call() {
                Some((sid, CallPhase::Open | CallPhase::Reconnecting, muted)) => {
                    let sid = Some(sid.clone());
                    self.send(FromPopup::SetMute { sid, muted: !muted })
                }
                _ => vec![],
            },
            Action::Keypad => {
                let has_media = self.live_call().is_some_and(|(_, phase, _)| phase != CallPhase::Connecting);
                self.keypad_open = has_media && !self.keypad_open;
                vec![]
            }
            Action::Digit(c) => self.digit(c),
            Action::HangUp => match self.live_call() {
                Some((sid, ..)) if self.hanging_up.is_none() => {
                    let sid = sid.clone();
                    self.hanging_up = Some(sid.clone());
                    self.timers.arm(Timer::HangUp, now.plus(HANG_UP_MS));
                    self.send(FromPopup::HangUp { sid: Some(sid) })
                }
                _ => vec![],
            },
            Action::Restart => match self.restart_forbidden() {
                None => {
                    self.confirming = true;
                    vec![Command::Focus(Action::RestartNo)]
                }
                Some(reason) => {
                    self.note(reason.into(), now);
                    vec![]
                }
            },
            Action::RestartYes if self.confirming => {
                self.confirming = false;
                self.note(Key::Restarting.into(), now);
                let mut commands = self.send(FromPopup::Restart);
                commands.push(Command::Focus(Action::Restart));
                commands
            }
            Action::RestartYes => vec![],
            Action::RestartNo => {
                self.confirming = false;
                vec![Command::Focus(Action::Restart)]
            }
            Action::CopyReport => vec![Command::CopyReport],
            Action::SaveReport => vec![Command::SaveReport],
            Action::TestMicrophone if self.testing => self.stop_testing(),
            Action::TestMicrophone if self.knows_sound() => {
                self.testing = true;
                self.timers.arm(Timer::Test, now.plus(TEST_MS));
                self.send(FromPopup::TestMicrophone { on: true })
            }
            Action::TestSpeaker if self.knows_sound() => {
                self.note(Key::TonePlayed.into(), now);
                self.send(FromPopup::TestSpeaker)
            }
            Action::TestMicrophone | Action::TestSpeaker => vec![],
            Action::Sound => vec![Command::ShowSound],
            Action::Shortcuts => vec![Command::OpenUrl("chrome://extensions/shortcuts")],
            Action::AllowMicrophone if !self.asking => {
                self.asking = true;
                self.mic_failure = None;
                vec![Command::AskMicrophone]
            }
            Action::AllowMicrophone => vec![],
            Action::FixMicrophone => vec![Command::OpenPage("welcome.html")],
            Action::Settings => vec![Command::OpenPage("options.html")],
            Action::MicrophoneSettings => vec![Command::OpenPermissions],
            Action::OpenFlex => vec![Command::OpenUrl(FLEX_URL)],
            Action::ConsentAllow => self.consent(true, now),
            Action::ConsentDecline => self.consent(false, now),
            Action::WaitingAnswer => match self.waiting.answer(now, &mut self.timers) {
                Some(sid) => self.send(FromPopup::AnswerWaiting { sid }),
                None => vec![],
            },
            Action::WaitingDecline => match self.waiting.answer(now, &mut self.timers) {
                Some(sid) => self.send(FromPopup::DeclineWaiting { sid }),
                None => vec![],
            },
        }
    }

    fn knows_sound(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.client.audio.is_some())
    }

    /// Why restarting is not possible now, if it is not.
    pub fn restart_forbidden(&self) -> Option<Key> {
        match &self.state {
            None => Some(Key::ConnectingHelp),
            Some(_) if self.live_call().is_some() => Some(Key::RestartHintCall),
            Some(state) if !state.may_restart => Some(Key::RestartHintPolicy),
            Some(_) => None,
        }
    }

    fn consent(&mut self, allow: bool, now: Timestamp) -> Vec<Command> {
        match self.consent.answer(now, &mut self.timers) {
            Some(ConsentRequest { account_sid, token_url, .. }) => {
                self.send(FromPopup::Consent { account_sid, token_url, allow })
            }
            None => vec![],
        }
    }

    fn digit(&mut self, c: char) -> Vec<Command> {
        let with_media = self.live_call().filter(|(_, phase, _)| *phase != CallPhase::Connecting);
        let sid = with_media.map(|(sid, ..)| sid.clone());
        match DtmfDigits::new(c.to_string()) {
            Ok(digits) if sid.is_some() => {
                self.digits.push(c);
                let surplus = self.digits.len().saturating_sub(DIGITS_SHOWN);
                self.digits.drain(..surplus);
                self.send(FromPopup::SendDigits { sid, digits })
            }
            _ => vec![],
        }
    }
}

impl sansio::Machine for Machine {
    type Time = Timestamp;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        self.follow_clock(now);
        let out = self.handle_event(event, now);
        self.settle(now);
        out
    }

    fn handle_timeout(&mut self, now: Timestamp) -> Vec<Command> {
        self.follow_clock(now);
        let mut out = Vec::new();
        while let Some((timer, _)) = self.timers.take_due(now) {
            out.extend(self.on_timer(timer, now));
        }
        self.settle(now);
        out
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}

/// A key of a telephone. The Voice SDK also takes `w`, a pause, which has no key.
const fn is_dtmf(c: char) -> bool {
    matches!(c, '0'..='9' | '*' | '#')
}

#[cfg(test)]
pub mod tests {
    use kernel::{AccountSid, TokenUrl};
    use proptest::prelude::*;
    use protocol::{
        AudioDevice, AudioSettings, AudioState, Status, WaitingCall,
        popup::Refused,
        state::{CallView, ClientState},
    };
    use sansio::{Machine as _, rig::Rig};

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// What a worker says that is registered for one connected page.
    pub fn registered() -> UiState {
        UiState {
            client: ClientState { status: Status::Registered, registered: true, ..ClientState::default() },
            pages_open: 1,
            pages_connected: 1,
            version: "1.2.3".into(),
            may_restart: true,
            may_change_settings: true,
            ..UiState::default()
        }
    }

    /// The same with a call, answered at `START`.
    pub fn with_call(sid_digit: char, phase: CallPhase, muted: bool) -> UiState {
        let mut state = registered();
        state.client.call = Some(CallView {
            sid: CallSid::new(format!("CA{}", sid_digit.to_string().repeat(32))).unwrap(),
            state: phase,
            since: START,
            answered_at: (phase != CallPhase::Connecting).then_some(START),
            muted,
            from: Some("+15550100".into()),
            on_hold: None,
            quality: None,
            warnings: Vec::new(),
        });
        state
    }

    fn news(state: UiState) -> Event {
        Event::Message(Box::new(ToPopup::State { state }))
    }

    fn started() -> Machine {
        let mut machine = Machine::default();
        let commands = machine.handle(Event::Started { version: "1.2.3".into() }, START);
        assert_eq!(commands, [Command::Connect, Command::ReadShortcuts]);
        machine
    }

    /// A machine that was told this state at `START`.
    pub fn told(state: UiState) -> Machine {
        let mut machine = started();
        assert_eq!(machine.handle(news(state), START), []);
        machine
    }

    /// The call that is shown.
    fn shown(sid_digit: char) -> Option<CallSid> {
        with_call(sid_digit, CallPhase::Open, false).client.call.map(|call| call.sid)
    }

    #[test]
    fn a_click_during_a_call_asks_the_worker_and_changes_nothing_by_itself() {
        let mut machine = told(with_call('a', CallPhase::Open, false));
        let before = machine.state.clone();
        assert_eq!(
            machine.handle(Event::Pressed(Action::Mute), START),
            [Command::Send(FromPopup::SetMute { sid: shown('a'), muted: true })]
        );
        assert_eq!(machine.state, before);
        machine.handle(news(with_call('a', CallPhase::Open, true)), START);
        assert_eq!(
            machine.handle(Event::Pressed(Action::Mute), START),
            [Command::Send(FromPopup::SetMute { sid: shown('a'), muted: false })]
        );
    }

    #[test]
    fn hang_up_is_sent_once_and_can_be_pressed_again_when_nothing_came_of_it() {
        let mut machine = told(with_call('a', CallPhase::Connecting, false));
        let press = Event::Pressed(Action::HangUp);
        assert_eq!(
            machine.handle(press.clone(), START),
            [Command::Send(FromPopup::HangUp { sid: shown('a') })]
        );
        assert_eq!(machine.handle(press.clone(), START.plus(1)), []);
        let later = machine.poll_timeout().unwrap();
        machine.handle_timeout(later);
        assert_eq!(
            machine.handle(press.clone(), later),
            [Command::Send(FromPopup::HangUp { sid: shown('a') })]
        );

        machine.handle(news(registered()), later);
        machine.handle(news(with_call('b', CallPhase::Open, false)), later);
        assert!(!machine.is_hanging_up(), "the next call is another one");
    }

    #[test]
    fn a_refusal_is_shown_for_some_seconds_and_hang_up_is_free_again() {
        let mut machine = told(with_call('a', CallPhase::Open, false));
        machine.handle(Event::Pressed(Action::HangUp), START);
        machine.handle(Event::Message(Box::new(ToPopup::Refused { reason: Refused::RestartInCall })), START);
        assert_eq!(machine.notice(), Some(&Text::Key(Key::Refused(Refused::RestartInCall))));
        assert!(!machine.is_hanging_up());
        machine.handle_timeout(START.plus(NOTICE_MS));
        assert_eq!(machine.notice(), None);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nothing_on_the_page_for_longer() {
        let mut rig = Rig::new(told(registered()), START);
        rig.event(Event::Copied(true));
        rig.event(Event::Disconnected);
        rig.event(Event::Disconnected);
        rig.take();
        rig.now = Timestamp::from_millis(START.as_millis() - 3_600_000);
        rig.event(Event::Typed('x'));
        rig.pass(100);
        assert_eq!(rig.take(), [Command::Connect], "the worker is tried again as soon");
        rig.pass(NOTICE_MS);
        assert_eq!(rig.machine.notice(), None);
    }

    #[test]
    fn what_was_pressed_while_the_worker_was_away_reaches_the_next_one_if_it_is_still_the_same_call() {
        for (then, expected) in [
            (
                with_call('a', CallPhase::Open, false),
                vec![Command::Send(FromPopup::HangUp { sid: shown('a') })],
            ),
            (with_call('b', CallPhase::Open, false), vec![]),
            (registered(), vec![]),
        ] {
            let mut machine = told(with_call('a', CallPhase::Open, false));
            assert_eq!(machine.handle(Event::Disconnected, START.plus(5)), [Command::Connect]);
            assert_eq!(machine.handle(Event::Pressed(Action::HangUp), START.plus(6)), []);
            assert_eq!(machine.handle(news(then), START.plus(9)), expected);
        }
    }

    #[test]
    fn a_worker_that_sleeps_is_woken_at_once_and_one_that_keeps_dying_ever_more_slowly() {
        let mut machine = told(registered());
        let mut now = START.plus(30_000);
        assert_eq!(machine.handle(Event::Disconnected, now), [Command::Connect]);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            assert_eq!(machine.handle(Event::Disconnected, now), []);
            let from = now;
            loop {
                now = machine.poll_timeout().unwrap();
                if machine.handle_timeout(now) == [Command::Connect] {
                    break;
                }
            }
            pauses.push(now.since(from));
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
        machine.handle(news(registered()), now);
        assert_eq!(machine.handle(Event::Disconnected, now.plus(30_000)), [Command::Connect]);
    }

    #[test]
    fn a_page_behind_another_tab_lets_the_worker_sleep_until_it_is_looked_at() {
        let mut machine = told(registered());
        machine.handle(Event::Visible(false), START);
        let later = START.plus(30_000);
        assert_eq!(machine.handle(Event::Disconnected, later), []);
        assert_eq!(machine.handle_timeout(later.plus(PATIENCE_MS)), []);
        assert_eq!(machine.poll_timeout(), None);
        assert_eq!(
            machine.handle(Event::Visible(true), later.plus(90_000)),
            [Command::Connect, Command::ReadShortcuts]
        );

        machine.handle(news(registered()), later.plus(90_001));
        machine.handle(Event::Visible(false), later.plus(90_002));
        machine.handle(Event::Permission(Permission::Prompt), later.plus(90_003));
        machine.handle(Event::Disconnected, later.plus(120_000));
        assert_eq!(
            machine.handle(Event::Permission(Permission::Granted), later.plus(120_001)),
            [Command::Connect],
            "but what it has to say, it says"
        );
        assert_eq!(
            machine.handle(news(registered()), later.plus(120_002)),
            [Command::Send(FromPopup::MicrophoneChanged)]
        );
    }

    #[test]
    fn an_extension_that_was_replaced_is_not_called_again() {
        let mut machine = told(registered());
        machine.handle(Event::Replaced, START);
        assert!(machine.is_replaced());
        assert_eq!(machine.handle(Event::Disconnected, START), []);
        assert_eq!(machine.handle(Event::Visible(true), START), [Command::ReadShortcuts]);
        assert_eq!(machine.poll_timeout(), None);
    }

    #[test]
    fn digits_come_from_the_keypad_and_while_it_is_open_from_the_keyboard() {
        let mut machine = told(with_call('a', CallPhase::Open, false));
        let sent = |c: &str| {
            vec![Command::Send(FromPopup::SendDigits {
                sid: shown('a'),
                digits: DtmfDigits::new(c).unwrap(),
            })]
        };
        assert_eq!(machine.handle(Event::Typed('5'), START), [], "closed: the keyboard is not a telephone");
        machine.handle(Event::Pressed(Action::Keypad), START);
        assert_eq!(machine.handle(Event::Typed('5'), START), sent("5"));
        assert_eq!(machine.handle(Event::Pressed(Action::Digit('#')), START), sent("#"));
        for other in ['w', 'a', ' ', '٣'] {
            assert_eq!(machine.handle(Event::Typed(other), START), []);
        }
        assert_eq!(machine.digits, "5#");
        for _ in 0..50 {
            machine.handle(Event::Typed('1'), START);
        }
        assert_eq!(machine.digits.len(), DIGITS_SHOWN);
        machine.handle(news(with_call('b', CallPhase::Open, false)), START);
        assert!(machine.digits.is_empty() && !machine.keypad_open, "another call, another keypad");
    }

    #[test]
    fn before_there_is_audio_there_is_nothing_to_mute_and_no_keypad() {
        let mut machine = told(with_call('a', CallPhase::Connecting, false));
        for action in [Action::Mute, Action::Keypad, Action::Digit('1')] {
            assert_eq!(machine.handle(Event::Pressed(action), START), []);
        }
        assert!(!machine.keypad_open);
    }

    /// A state in which the agent is asked about this token service.
    pub fn asking_consent(host: &str) -> UiState {
        UiState {
            consent: Some(ConsentRequest {
                account_sid: AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap(),
                token_url: TokenUrl::new(format!("https://{host}/v1/voice/token")).unwrap(),
                page_origin: "https://flex.twilio.com".into(),
            }),
            pages_open: 1,
            ..UiState::default()
        }
    }

    /// A live call and a second one that waits.
    pub fn with_waiting(sid_digit: char) -> UiState {
        let mut state = with_call('a', CallPhase::Open, false);
        state.client.waiting = Some(WaitingCall {
            sid: CallSid::new(format!("CA{}", sid_digit.to_string().repeat(32))).unwrap(),
            from: Some("+15550199".into()),
            since: START,
            unexpected: false,
        });
        state
    }

    #[test]
    fn consent_names_what_was_shown_and_is_given_once() {
        for (action, allow) in [(Action::ConsentAllow, true), (Action::ConsentDecline, false)] {
            let mut machine = told(asking_consent("tokens.acme.test"));
            let ConsentRequest { account_sid, token_url, .. } =
                machine.state.as_ref().unwrap().consent.clone().unwrap();
            let now = START.plus(ARMING_MS);
            assert_eq!(
                machine.handle(Event::Pressed(action), now),
                [Command::Send(FromPopup::Consent { account_sid, token_url, allow })]
            );
            assert_eq!(machine.handle(Event::Pressed(Action::ConsentAllow), now.plus(1)), [], "answered");
        }
    }

    #[test]
    fn a_question_that_has_only_just_appeared_takes_no_answer() {
        let mut machine = told(asking_consent("tokens.acme.test"));
        assert_eq!(machine.handle(Event::Pressed(Action::ConsentAllow), START.plus(ARMING_MS - 1)), []);
        let armed = machine.poll_timeout().unwrap();
        machine.handle(news(asking_consent("evil.test")), armed);
        assert_eq!(
            machine.handle(Event::Pressed(Action::ConsentAllow), armed),
            [],
            "another question took its place under the pointer"
        );
        machine.handle(news(registered()), armed);
        assert_eq!(machine.handle(Event::Pressed(Action::ConsentAllow), armed.plus(9_999)), []);
    }

    #[test]
    fn the_call_that_waits_is_answered_or_declined_by_its_sid() {
        let sid = CallSid::new(format!("CA{}", "b".repeat(32))).unwrap();
        for (action, message) in [
            (Action::WaitingAnswer, FromPopup::AnswerWaiting { sid: sid.clone() }),
            (Action::WaitingDecline, FromPopup::DeclineWaiting { sid: sid.clone() }),
        ] {
            let mut machine = told(with_waiting('b'));
            assert_eq!(machine.handle(Event::Pressed(action), START), [], "a click meant for something else");
            let now = START.plus(ARMING_MS);
            assert_eq!(machine.handle(Event::Pressed(action), now), [Command::Send(message)]);
            assert_eq!(machine.handle(Event::Pressed(action), now), []);
            machine.handle(news(with_waiting('c')), now);
            assert_eq!(machine.handle(Event::Pressed(action), now), [], "another caller");
        }
    }

    #[test]
    fn an_answer_that_was_refused_or_lost_can_be_given_again() {
        let mut machine = told(with_waiting('b'));
        let now = START.plus(ARMING_MS);
        let press = Event::Pressed(Action::WaitingAnswer);
        assert_eq!(machine.handle(press.clone(), now).len(), 1);
        machine.handle(Event::Message(Box::new(ToPopup::Refused { reason: Refused::WaitingGone })), now);
        assert_eq!(machine.handle(press.clone(), now).len(), 1);
        assert_eq!(machine.handle(press.clone(), now.plus(ANSWER_MS - 1)), []);
        assert_eq!(machine.handle(press, now.plus(ANSWER_MS)).len(), 1);
    }

    /// Registered, with two headsets to choose from.
    pub fn with_sound() -> UiState {
        let device = |id: &str, label: &str| AudioDevice { id: id.into(), label: label.into() };
        let mut state = registered();
        state.client.audio = Some(AudioState {
            microphones: vec![device("default", "Default - Jabra Link"), device("mic-1", "Jabra Link")],
            speakers: vec![device("default", "Default - Jabra Link"), device("ear-1", "Jabra Link")],
            wanted: AudioSettings {
                microphone: None,
                speaker: Some(device("ear-1", "Jabra Link")),
                volume: 80,
            },
            microphone: Some(device("mic-1", "Jabra Link")),
            speaker: Some(device("ear-1", "Jabra Link")),
            missing: vec![],
            ..AudioState::default()
        });
        state
    }

    #[test]
    fn a_chosen_device_is_told_to_the_worker_and_policy_can_forbid_it() {
        let chosen = Event::DeviceChosen(AudioKind::Microphone, Some("mic-1".into()));
        let mut machine = told(with_sound());
        let select = SelectAudioDevice { kind: AudioKind::Microphone, device_id: Some("mic-1".into()) };
        assert_eq!(
            machine.handle(chosen.clone(), START),
            [Command::Send(FromPopup::SelectAudioDevice(select))]
        );
        let mut managed = told(UiState { may_change_settings: false, ..with_sound() });
        let refusals = managed.refusals;
        assert_eq!(managed.handle(chosen, START), []);
        assert_ne!(managed.refusals, refusals, "the list is drawn anew, with what is really in use");
        assert_eq!(managed.handle(Event::VolumeMoved(5), START), []);
    }

    #[test]
    fn a_dragged_volume_is_sent_at_once_then_ten_times_a_second_and_its_last_value_always() {
        let mut machine = told(with_sound());
        let mut sent = Vec::new();
        let mut keep = |commands: Vec<Command>| {
            for command in commands {
                let Command::Send(FromPopup::SetVolume { percent }) = command else { panic!("{command:?}") };
                sent.push(percent);
            }
        };
        for step in 0..50_u8 {
            keep(machine.handle(Event::VolumeMoved(100 - step), START.plus(u64::from(step) * 10)));
            assert_eq!(machine.volume(), Some(100 - step), "the slider shows what the agent does");
        }
        while let Some(at) = machine.poll_timeout() {
            keep(machine.handle_timeout(at));
        }
        assert_eq!(sent, [100, 90, 80, 70, 60, 51]);
        assert_eq!(machine.volume(), None, "and later what the worker says");
    }

    #[test]
    fn a_microphone_test_shows_levels_and_never_lasts_longer_than_it_is_looked_at() {
        let start = [Command::Send(FromPopup::TestMicrophone { on: true })];
        let stop = [Command::Send(FromPopup::TestMicrophone { on: false })];
        let press = Event::Pressed(Action::TestMicrophone);
        let level = |percent| Event::Message(Box::new(ToPopup::Level { percent }));

        let mut machine = told(with_sound());
        machine.handle(level(50), START);
        assert_eq!(machine.level(), 0, "another page's test");
        assert_eq!(machine.handle(press.clone(), START), start);
        machine.handle(level(250), START);
        assert_eq!(machine.level(), 100);
        machine.handle_timeout(START.plus(LEVEL_MS));
        assert_eq!((machine.level(), machine.is_testing()), (0, true), "silence is not the last loud moment");
        assert_eq!(machine.handle(press.clone(), START.plus(2_000)), stop);

        machine.handle(press.clone(), START);
        assert_eq!(machine.handle_timeout(START.plus(TEST_MS)), stop);
        machine.handle(press.clone(), START);
        assert_eq!(machine.handle(Event::Visible(false), START), stop);
        machine.handle(Event::Visible(true), START);
        machine.handle(press.clone(), START);
        machine.handle(news(with_call('a', CallPhase::Connecting, false)), START);
        assert!(!machine.is_testing(), "the call has the microphone");

        let mut idle = told(registered());
        assert_eq!(idle.handle(press, START), [], "no devices are known");
    }

    #[test]
    fn restarting_is_asked_first_and_never_during_a_call() {
        let mut machine = told(registered());
        assert_eq!(machine.handle(Event::Pressed(Action::RestartYes), START), []);
        assert_eq!(
            machine.handle(Event::Pressed(Action::Restart), START),
            [Command::Focus(Action::RestartNo)]
        );
        assert_eq!(
            machine.handle(Event::Pressed(Action::RestartNo), START),
            [Command::Focus(Action::Restart)]
        );
        machine.handle(Event::Pressed(Action::Restart), START);
        assert_eq!(
            machine.handle(Event::Pressed(Action::RestartYes), START),
            [Command::Send(FromPopup::Restart), Command::Focus(Action::Restart)]
        );

        machine.handle(Event::Pressed(Action::Restart), START);
        machine.handle(news(with_call('a', CallPhase::Open, false)), START);
        assert_eq!(machine.handle(Event::Pressed(Action::RestartYes), START), []);
        assert_eq!(machine.handle(Event::Pressed(Action::Restart), START), []);
        assert_eq!(
            machine.notice(),
            Some(&Key::RestartHintCall.into()),
            "the button says why it does nothing"
        );
        let mut managed = told(UiState { may_restart: false, ..registered() });
        assert_eq!(managed.handle(Event::Pressed(Action::Restart), START), []);
        assert!(!managed.confirming);
        assert_eq!(managed.notice(), Some(&Key::RestartHintPolicy.into()));
    }

    #[test]
    fn the_worker_hears_of_every_change_of_the_microphone_and_of_every_answer() {
        let mut machine = told(registered());
        assert_eq!(
            machine.handle(Event::Permission(Permission::Prompt), START),
            [],
            "the first is no change"
        );
        let changed = [Command::Send(FromPopup::MicrophoneChanged)];
        assert_eq!(machine.handle(Event::Pressed(Action::AllowMicrophone), START), [Command::AskMicrophone]);
        assert_eq!(
            machine.handle(Event::Pressed(Action::AllowMicrophone), START),
            [],
            "one question at a time"
        );
        assert_eq!(machine.handle(Event::MicrophoneAnswer(Err(MicFailure::NotAllowed)), START), changed);
        assert_eq!(machine.handle(Event::Permission(Permission::Granted), START), changed);
        assert_eq!(machine.handle(Event::Permission(Permission::Granted), START), []);
        assert_eq!(machine.mic_failure, None, "allowed after all, in Chrome's settings");
    }

    #[test]
    fn every_action_that_a_button_can_be_given_is_understood_when_it_is_pressed() {
        for name in Action::NAMES {
            // Each of the keypad's buttons has its digit in its name.
            assert_eq!(
                Action::of_button(name).map(|action| action.name()),
                (name != "digit").then_some(name)
            );
        }
        assert_eq!(Action::of_button("digit-*"), Some(Action::Digit('*')));
        for unknown in ["", "digit-", "digit-w", "digit-12", "eval"] {
            assert_eq!(Action::of_button(unknown), None, "{unknown}");
        }
    }

    /// Anything that can happen, in any order.
    pub fn events() -> impl Strategy<Value = Vec<(Event, u64)>> {
        let action = prop_oneof![
            Just(Action::Mute),
            Just(Action::Keypad),
            Just(Action::Digit('3')),
            Just(Action::HangUp),
            Just(Action::Restart),
            Just(Action::RestartYes),
            Just(Action::RestartNo),
            Just(Action::AllowMicrophone),
            Just(Action::CopyReport),
            Just(Action::TestMicrophone),
            Just(Action::ConsentAllow),
            Just(Action::WaitingAnswer),
        ];
        let phase =
            prop_oneof![Just(CallPhase::Connecting), Just(CallPhase::Open), Just(CallPhase::Reconnecting)];
        let event = prop_oneof![
            3 => action.prop_map(Event::Pressed),
            2 => Just(Event::Disconnected),
            2 => Just(news(registered())),
            1 => prop_oneof![Just("a.test"), Just("b.test")].prop_map(|host| news(asking_consent(host))),
            1 => prop_oneof![Just('b'), Just('c')].prop_map(|sid| news(with_waiting(sid))),
            3 => (prop_oneof![Just('a'), Just('b')], phase, any::<bool>())
                .prop_map(|(sid, phase, muted)| news(with_call(sid, phase, muted))),
            1 => any::<bool>().prop_map(Event::Visible),
            1 => Just(Event::Permission(Permission::Denied)),
            1 => Just(Event::Permission(Permission::Granted)),
            1 => Just(Event::MicrophoneAnswer(Ok(()))),
            1 => Just(Event::Typed('7')),
            1 => Just(Event::Copied(true)),
            1 => Just(Event::VolumeMoved(30)),
            1 => Just(Event::Message(Box::new(ToPopup::Level { percent: 40 }))),
            1 => Just(news(with_sound())),
        ];
        proptest::collection::vec((event, 0_u64..3_000), 0..60)
    }

    proptest! {
        #[test]
        fn in_whatever_order_things_happen_commands_fit_the_call_and_the_page_never_spins(events in events()) {
            let mut machine = started();
            let mut now = START;
            let mut ports = 1_u32;
            for (event, pause) in events {
                now = now.plus(pause);
                if pause % 3 > 0 {
                    // Else the timer is late.
                    let commands = machine.handle_timeout(now);
                    ports += u32::from(commands.contains(&Command::Connect));
                }
                if event == Event::Disconnected {
                    if ports == 0 {
                        continue; // no port, nothing to lose
                    }
                    ports -= 1;
                }
                if matches!(event, Event::Message(_)) && ports == 0 {
                    continue;
                }
                let commands = machine.handle(event, now);
                let call = machine.live_call().is_some();
                for command in commands {
                    match command {
                        Command::Connect => ports += 1,
                        Command::Send(
                            FromPopup::HangUp { .. } | FromPopup::SetMute { .. } | FromPopup::SendDigits { .. },
                        ) => prop_assert!(call),
                        Command::Send(FromPopup::Restart) => prop_assert!(ports == 1),
                        _ => {}
                    }
                }
                prop_assert!(ports <= 1, "two ports");
                prop_assert!(!machine.visible || ports == 1 || machine.poll_timeout().is_some(), "gave up");
                if let Some(at) = machine.poll_timeout() {
                    let mut copy = machine.clone();
                    copy.handle_timeout(at.max(now));
                    prop_assert!(copy.poll_timeout().is_none_or(|next| next > at), "spins");
                }
            }
        }
    }
}
