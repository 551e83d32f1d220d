//! All decisions of the plugin: a pure state machine, without browser, clock or promises.
//!
//! Four concerns, each in a module of its own, meet in [`Machine::handle`]: the [`link`] to the extension,
//! the worker's [`contact`] address, the agent's [`activity`], and the [`call`] that stands in for the
//! extension's in Flex's store. After every event each of them is *stepped*: it compares what is with what
//! should be and orders the difference, so that no order of events can leave them apart for longer than the
//! next event.

use protocol::page::{CallRef, Configure, Heartbeat, SendDigits, SetMute, ToExtension, ToPage};
use protocol::state::ClientState;
use protocol::{
    AccountSid, CallPhase, CallSid, DEFAULT_IDENTITY_PREFIX, DtmfDigits, Identity, IdentityPrefix,
    PROTOCOL_VERSION, ProblemCode, Status, Timestamp,
};
use serde::Deserialize;

use self::activity::ActivityKeeper;
use self::call::CallKeeper;
use self::contact::ContactKeeper;
use self::link::Link;
pub use self::voice::{Voice, Why};

pub mod activity;
pub mod call;
pub mod contact;
pub mod link;
pub mod voice;
pub mod words;

#[cfg(test)]
mod tests;

/// How often the shell sends [`Event::Tick`], in milliseconds.
pub const TICK_MS: u32 = 500;

/// The activity for an agent whose voice client cannot take calls, when the Flex configuration names no
/// other.
pub const DEFAULT_OFFLINE_ACTIVITY: &str = "Voice Client Offline";

/// `ui_attributes.holdfast` of the Flex configuration, as it was found there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Where the extension exchanges Flex tokens for Voice tokens. Required; judged by the extension.
    pub token_service_url: Option<String>,
    /// What the extension's identities start with; [`DEFAULT_IDENTITY_PREFIX`] when absent.
    pub identity_prefix: Option<String>,
    /// The activity's name; [`DEFAULT_OFFLINE_ACTIVITY`] when absent.
    pub offline_activity: Option<String>,
}

/// What is known when the plugin starts, and does not change until the page is reloaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// The worker attribute `extensionVoiceClientEnabled` is `true`.
    pub enabled: bool,
    /// The account's SID, as Flex names it.
    pub account_sid: String,
    /// The plugin's settings.
    pub settings: Settings,
    /// The activity to go back to, remembered by this tab before it was reloaded.
    pub remembered_activity: Option<String>,
    /// What Flex's store holds now.
    pub flex: FlexView,
}

/// One of the workspace's activities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// The activity's SID (`WA…`).
    pub sid: String,
    /// Its name, as agents see it.
    pub name: String,
    /// True when a worker in it is given tasks.
    pub available: bool,
}

/// An accepted voice task in Flex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoiceTask {
    /// The agent leg's call SID, where Flex already knows it.
    pub worker_call_sid: Option<String>,
    /// The customer, as the task names it.
    pub from: Option<String>,
}

/// Whose call is `flex.phone.activeCall` in Flex's store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActiveCall {
    /// There is none.
    #[default]
    None,
    /// The stand-in that this plugin put there.
    Ours,
    /// Somebody else's: Flex's own softphone, or another plugin.
    Foreign,
}

/// What the machine needs to see of Flex's store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlexView {
    /// The agent's activity.
    pub activity: Option<Activity>,
    /// All the workspace's activities.
    pub activities: Vec<Activity>,
    /// The worker attribute `contact_uri`.
    pub contact_uri: Option<String>,
    /// The live voice task, if any.
    pub voice_task: Option<VoiceTask>,
    /// A reservation waits to be accepted. TaskRouter refuses to make a worker unavailable meanwhile.
    pub reservation_pending: bool,
    /// Whose call is in the store.
    pub active_call: ActiveCall,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made a few times a second at most, and never kept")]
pub enum Event {
    /// The plugin started. Once, first.
    Started,
    /// Time passed. Every [`TICK_MS`], later when the browser throttles the tab.
    Tick,
    /// The extension sent a message.
    Message(ToPage),
    /// Flex's store changed. The shell looks before every other event too, so the machine never decides on an
    /// old view.
    Flex(FlexView),
    /// Flex has a new token (`tokenUpdated`).
    TokenUpdated,
    /// [`Command::SetContactUri`] was carried out, or failed.
    ContactUriSet {
        /// TaskRouter took it.
        ok: bool,
    },
    /// [`Command::InstallCall`] was carried out.
    CallInstalled {
        /// Flex's store now holds our call. False when the store's internal action type has changed.
        took: bool,
    },
    /// Flex's hang-up was used on our call.
    HangUp,
    /// Flex's mute was used on our call: what it asks for.
    Mute(bool),
    /// Flex's mute was used while the store does not hold our call: the other of what it is now.
    ToggleMute,
    /// Flex's keypad was used on our call.
    Digits(String),
    /// What the agent was about to do was stopped, because [`Machine::refuses`] said so.
    Refused(Intent),
}

/// What is to be done. The shell carries these out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Post to the extension, to our own origin only.
    Post(ToExtension),
    /// Post FLEX_TOKEN with the token that Flex's store holds at that moment.
    PostToken(AccountSid),
    /// Set the worker attribute `contact_uri`, keeping all others. Answer with [`Event::ContactUriSet`].
    SetContactUri(String),
    /// Invoke Flex's `SetActivity` with this SID.
    SetActivity(String),
    /// Keep the SID of the activity to go back to over a reload of this tab, or forget it.
    Remember(Option<String>),
    /// Put a call-like object into Flex's store (`PHONE_ADD_CALL`). Answer with [`Event::CallInstalled`].
    InstallCall(StandIn),
    /// Our call's mute state is now this; redraw (`PHONE_TOGGLE_MUTE`).
    ShowMute(bool),
    /// Our call's phase is now this.
    ShowPhase(CallPhase),
    /// Our call is over: take it out of Flex's store (`PHONE_REMOVE_CALL`) if it is there.
    RemoveCall,
    /// Replace the actions `HangupCall`, `ToggleMute`, `SendDTMFDigits` and, for live calls, `WrapupTask`,
    /// because the store does not take our call. Ordered once; from then on [`Machine::takes_over`] says for
    /// each use whether it is for us.
    TakeOverActions,
    /// Show a short notification.
    Notify(Severity, String),
    /// Show this in the header.
    ShowStatus(StatusLine),
}

/// The call that stands in for the extension's in Flex's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// `parameters.CallSid`: the agent leg.
    pub sid: String,
    /// `parameters.From`: the caller.
    pub from: Option<String>,
    /// Whether the microphone is muted.
    pub muted: bool,
    /// The phase, for `status()`.
    pub phase: CallPhase,
}

/// How a notification looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// All is well.
    Info,
    /// The agent should do something.
    Warning,
}

/// The item in Flex's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusLine {
    /// What it is about, for colour and symbol.
    pub tone: Tone,
    /// The line itself. Says everything that the colour says.
    pub text: String,
    /// More, for the tooltip.
    pub title: String,
}

/// What a status line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Ready for calls.
    Ready,
    /// A call is live.
    Call,
    /// Not yet ready, and nothing is wrong.
    Connecting,
    /// Calls cannot be taken.
    Problem,
}

/// What the agent is about to do that needs the voice client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Accept a voice task (`AcceptTask`).
    AcceptCall,
    /// Call somebody (`StartOutboundCall`).
    DialOut,
}

/// The plugin's settings, checked.
#[derive(Clone, Debug)]
struct Config {
    account: AccountSid,
    token_url: String,
    prefix: IdentityPrefix,
    offline_activity: String,
}

impl Config {
    /// # Errors
    /// Which setting is missing or wrong.
    fn new(boot: &Boot) -> Result<Self, &'static str> {
        let settings = &boot.settings;
        let filled = |text: &Option<String>| {
            text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
        };
        Ok(Self {
            account: AccountSid::new(&*boot.account_sid).ok().ok_or("account_sid")?,
            token_url: filled(&settings.token_service_url).ok_or("token_service_url")?,
            prefix: prefix(settings).ok_or("identity_prefix")?,
            offline_activity: filled(&settings.offline_activity)
                .unwrap_or_else(|| DEFAULT_OFFLINE_ACTIVITY.to_owned()),
        })
    }
}

/// The prefix of the extension's identities, `None` when the configured one is not a prefix.
fn prefix(settings: &Settings) -> Option<IdentityPrefix> {
    IdentityPrefix::new(settings.identity_prefix.as_deref().unwrap_or(DEFAULT_IDENTITY_PREFIX)).ok()
}

/// What the extension said last.
#[derive(Clone, Debug, Default)]
struct Report {
    /// At least one heartbeat has come since the extension accepted the page.
    beating: bool,
    /// The identity that the heartbeat names; `None` while there is none, or it is not one that can be ours.
    identity: Option<Identity>,
    /// The heartbeat names an identity that cannot be ours.
    wrong_identity: bool,
    /// The heartbeat's error flag.
    error: bool,
    /// Everything else. Of a replaced extension: the default, whose `protocol_version` is 0.
    state: ClientState,
}

impl Report {
    /// The extension is the one that Holdfast replaces: it says nothing about registration, calls or
    /// problems.
    const fn is_old(&self) -> bool {
        self.state.protocol_version < 2
    }

    /// Calls arrive. The old extension cannot say more than that it has an identity and no error.
    const fn is_available(&self) -> bool {
        self.beating && !self.error && self.identity.is_some() && (self.is_old() || self.state.registered)
    }
}

/// The plugin's state machine.
#[derive(Debug)]
pub struct Machine {
    enabled: bool,
    config: Result<Config, &'static str>,
    link: Link,
    report: Report,
    flex: FlexView,
    contact: ContactKeeper,
    activity: ActivityKeeper,
    call: CallKeeper,
    /// Since when the voice client has not been ready; `None` while it is.
    not_ready_since: Option<Timestamp>,
    /// The reason for unavailability that the agent was told of.
    told: Option<Why>,
    shown: Option<StatusLine>,
}

impl Machine {
    /// A machine at rest. It begins with [`Event::Started`].
    #[must_use]
    pub fn new(boot: Boot, now: Timestamp) -> Self {
        Self {
            enabled: boot.enabled,
            config: Config::new(&boot),
            link: Link::new(now),
            report: Report::default(),
            contact: match prefix(&boot.settings) {
                // Not enabled: the agent takes calls in Flex itself again.
                Some(prefix) if !boot.enabled => {
                    ContactKeeper::give_back(boot.flex.contact_uri.as_deref(), &prefix)
                }
                _ => ContactKeeper::default(),
            },
            activity: ActivityKeeper::new(boot.remembered_activity.clone()),
            flex: boot.flex,
            call: CallKeeper::default(),
            not_ready_since: Some(now),
            told: None,
            shown: None,
        }
    }

    /// Takes an event; answers what is to be done.
    pub fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        let mut out = Vec::new();
        let mut heartbeat = false;
        match event {
            Event::Started => {}
            Event::Tick => self.link.tick(now),
            Event::Flex(view) => self.flex = view,
            Event::ContactUriSet { ok } => self.contact.answered(ok, now),
            _ if !self.enabled => {}
            Event::Message(message) => {
                heartbeat = matches!(message, ToPage::Heartbeat { .. });
                self.hear(message, now, &mut out);
            }
            Event::TokenUpdated => {
                if self.link.is_up(now) {
                    self.post_token(now, &mut out);
                }
            }
            Event::CallInstalled { took } => self.call.installed(took, &mut out),
            Event::HangUp => self.hang_up(&mut out),
            Event::Mute(muted) => self.mute(muted, now, &mut out),
            Event::ToggleMute => self.mute(!self.call.is_muted(), now, &mut out),
            Event::Digits(digits) => self.digits(&digits, &mut out),
            Event::Refused(intent) => {
                out.push(Command::Notify(Severity::Warning, words::refusal(intent, &self.voice(now))));
            }
        }
        if self.enabled {
            self.step(heartbeat, now, &mut out);
        } else {
            self.contact.step(None, self.flex.contact_uri.as_deref(), now, &mut out);
        }
        out
    }

    /// Whether a call that the agent is about to take or make must be stopped, because it could not reach the
    /// voice client. The shell asks from within Flex's `before…` listeners, which need the answer at once,
    /// and then reports [`Event::Refused`].
    #[must_use]
    pub fn refuses(&self, now: Timestamp) -> bool {
        self.enabled && !self.can_take_calls(now)
    }

    /// Whether Flex's call actions are for the extension though the store does not hold our call. Asked for
    /// each use after [`Command::TakeOverActions`].
    #[must_use]
    pub fn takes_over(&self) -> bool {
        self.call.is_live() && self.flex.active_call == ActiveCall::None
    }

    /// How the voice client stands, for the header and for decisions.
    #[must_use]
    pub fn voice(&self, now: Timestamp) -> Voice {
        let config = match &self.config {
            Err(setting) => return Voice::Unavailable(Why::Misconfigured(setting)),
            Ok(config) => config,
        };
        if let Some(why) = self.link.trouble(now) {
            return Voice::Unavailable(why);
        }
        if !self.link.is_up(now) {
            return Voice::Connecting;
        }
        if let Some((phase, muted)) = self.call_shown() {
            return Voice::OnCall { phase, muted };
        }
        if self.report.is_available() {
            return match self.flex.contact_uri.as_deref() {
                Some(uri) if self.wanted_contact().as_deref() == Some(uri) => Voice::Ready,
                _ if self.contact.gave_up() => Voice::Unavailable(Why::ContactUri),
                _ => Voice::Connecting,
            };
        }
        if self.report.wrong_identity {
            return Voice::Unavailable(Why::WrongIdentity(config.prefix.clone()));
        }
        if let Some(problem) = &self.report.state.problem {
            return Voice::Unavailable(Why::Problem(problem.clone()));
        }
        if self.report.error {
            return Voice::Unavailable(Why::Error);
        }
        match self.report.state.status {
            _ if !self.settled(now) => Voice::Connecting,
            Status::WaitingForFlex | Status::WaitingForToken if !self.report.is_old() => {
                Voice::Unavailable(Why::NoToken)
            }
            _ => Voice::Unavailable(Why::NotRegistered),
        }
    }

    /// True when a call that Twilio sends to the extension now would arrive there.
    fn can_take_calls(&self, now: Timestamp) -> bool {
        self.config.is_ok() && self.link.is_up(now) && self.report.is_available()
    }

    /// The live call's phase and mute state: as Flex shows it, or as the extension says it while Flex cannot.
    fn call_shown(&self) -> Option<(CallPhase, bool)> {
        self.call.shown().or_else(|| self.report.state.call.as_ref().map(|call| (call.state, call.muted)))
    }

    /// The voice client has not been ready for so long that it is not a passing matter.
    fn settled(&self, now: Timestamp) -> bool {
        self.not_ready_since.is_some_and(|since| now.since(since) >= voice::SETTLE_MS)
    }

    /// The `contact_uri` that sends calls to the extension; `None` while there is no reason to set one.
    fn wanted_contact(&self) -> Option<String> {
        self.report.identity.as_ref().filter(|_| self.report.is_available()).map(Identity::contact_uri)
    }

    fn hear(&mut self, message: ToPage, now: Timestamp, out: &mut Vec<Command>) {
        match message {
            ToPage::Configured { payload } => {
                if self.link.accepted(now) {
                    self.report = Report::default();
                }
                self.report.state = payload.unwrap_or_default();
                self.post_token(now, out);
            }
            ToPage::ConfigRejected { payload } => {
                self.link.rejected(payload, now);
                self.report = Report::default();
            }
            ToPage::Disconnected => {
                self.link.disconnected(now);
                self.report = Report::default();
            }
            ToPage::Heartbeat { payload } => {
                if self.link.heard(true, now) {
                    self.report_heartbeat(payload, now, out);
                }
            }
            ToPage::State { payload } => {
                if self.link.heard(false, now) {
                    self.report.state = payload;
                    self.answer_token_request(now, out);
                }
            }
            ToPage::Error { payload } => match payload.problem.code {
                // The worker lost its state, and with it this page.
                ProblemCode::NotConfigured => self.link.forgotten(now),
                // A command crossed the end of the call; the next report takes the call away.
                ProblemCode::NoCall => {}
                // Said by a newer page script or a foreign one; nothing an agent could do about it.
                ProblemCode::MalformedMessage | ProblemCode::UnknownType => {}
                _ => out.push(Command::Notify(Severity::Warning, words::sentence(&payload.problem.message))),
            },
        }
    }

    fn report_heartbeat(&mut self, heartbeat: Heartbeat, now: Timestamp, out: &mut Vec<Command>) {
        let Ok(config) = &self.config else { return };
        // Any script in the page can say this. A name outside the extension's own namespace is not believed,
        // so that the agent's calls cannot be sent to a colleague's softphone this way.
        let identity = Identity::new(heartbeat.voice_client_identity).ok().filter(|id| {
            id.as_str().len() > config.prefix.as_str().len()
                && id.as_str().starts_with(config.prefix.as_str())
        });
        self.report = Report {
            beating: true,
            wrong_identity: identity.is_none(),
            identity,
            error: heartbeat.error == Some(true),
            state: heartbeat.state,
        };
        self.answer_token_request(now, out);
    }

    /// An extension that waits for a token gets the current one, in case the first was lost or has expired.
    fn answer_token_request(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        if self.report.state.status == Status::WaitingForToken && self.link.may_repeat_token(now) {
            self.post_token(now, out);
        }
    }

    fn post_token(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        if let Ok(config) = &self.config {
            self.link.token_posted(now);
            out.push(Command::PostToken(config.account.clone()));
        }
    }

    fn hang_up(&self, out: &mut Vec<Command>) {
        if !self.call.is_live() {
            return;
        }
        // The old extension has one call and takes no name. A name that is no call SID would be refused.
        let named =
            (!self.report.is_old()).then(|| self.call.sid()).flatten().and_then(|sid| CallSid::new(sid).ok());
        let payload = named.map(|call_sid| CallRef { call_sid });
        out.push(Command::Post(ToExtension::HangUp { payload }));
    }

    fn mute(&mut self, muted: bool, now: Timestamp, out: &mut Vec<Command>) {
        if !self.call.is_live() {
            return;
        }
        if self.report.is_old() {
            out.push(Command::Notify(Severity::Warning, words::CANNOT_MUTE.to_owned()));
            return;
        }
        out.push(Command::Post(ToExtension::SetMute { payload: SetMute { muted } }));
        self.call.asked_to_mute(muted, now, out);
    }

    fn digits(&self, digits: &str, out: &mut Vec<Command>) {
        if !self.call.is_live() {
            return;
        }
        // Flex's keypad sends one digit at a time; a script may send more than one message can carry.
        let mut rest = digits;
        while !rest.is_empty() {
            let (chunk, tail) = rest.split_at(rest.floor_char_boundary(32));
            rest = tail;
            match DtmfDigits::new(chunk) {
                Ok(digits) => {
                    out.push(Command::Post(ToExtension::SendDigits { payload: SendDigits { digits } }))
                }
                Err(_) => return,
            }
        }
    }

    /// Compares what is with what should be, for every concern.
    fn step(&mut self, heartbeat: bool, now: Timestamp, out: &mut Vec<Command>) {
        self.introduce(now, out);

        let was_ready = self.not_ready_since.is_none();
        let wanted = self.wanted_contact().filter(|_| self.link.is_up(now));
        if wanted.is_none() {
            self.contact.replenish();
        }
        self.contact.step(wanted.as_deref(), self.flex.contact_uri.as_deref(), now, out);

        let call = self.wanted_call(now);
        self.call.step(call, self.flex.active_call, heartbeat, now, out);

        let voice = self.voice(now);
        let ready = self.can_take_calls(now) && self.flex.contact_uri == wanted && wanted.is_some();
        self.not_ready_since = match self.not_ready_since {
            _ if ready => None,
            None => Some(now),
            since => since,
        };
        let on_call = self.link.is_up(now) && self.call_shown().is_some();
        let unavailable = !ready && !on_call && (voice.is_final() || self.settled(now));

        let offline_name =
            self.config.as_ref().map_or(DEFAULT_OFFLINE_ACTIVITY, |c| &c.offline_activity).to_owned();
        let situation = activity::Situation {
            ready,
            unavailable,
            live_call: on_call || self.flex.voice_task.is_some(),
            offline_name: &offline_name,
            reason: &voice,
        };
        let told_by_move = self.activity.step(&situation, &self.flex, now, out);
        self.tell(&voice, unavailable, told_by_move, was_ready, out);

        let line = words::status_line(&voice);
        if self.shown.as_ref() != Some(&line) {
            self.shown = Some(line.clone());
            out.push(Command::ShowStatus(line));
        }
    }

    /// Says hello to the extension whenever that is due.
    fn introduce(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        let Ok(config) = &self.config else { return };
        if self.link.hello_is_due(now) {
            self.link.hello_said(now);
            out.push(Command::Post(ToExtension::Configure {
                payload: Configure {
                    voice_client_token_generator_url: config.token_url.clone(),
                    account_sid: config.account.clone(),
                    extension_voice_client_prefix: config.prefix.clone(),
                    protocol_version: Some(PROTOCOL_VERSION),
                },
            }));
        }
    }

    /// The call that should be in Flex's store.
    fn wanted_call(&self, now: Timestamp) -> Option<StandIn> {
        if !self.link.is_up(now) {
            // Nobody would hear its buttons. Without it Flex's hang-up wraps the task up through TaskRouter.
            // Inferred: that this also ends the agent's leg; the store keeps `lastCallSid`, so no *Join Call*
            // shows.
            return None;
        }
        if let Some(call) = &self.report.state.call {
            return Some(StandIn {
                sid: call.sid.as_str().to_owned(),
                from: call.from.clone(),
                muted: call.muted,
                phase: call.state,
            });
        }
        // The old extension does not speak of calls: an accepted voice task, and calls coming to it, must do.
        let ours = self.report.identity.as_ref().map(Identity::contact_uri);
        let task = self.flex.voice_task.as_ref()?;
        (self.report.is_old() && self.report.beating && ours.is_some() && ours == self.flex.contact_uri)
            .then_some(())?;
        Some(StandIn {
            sid: task.worker_call_sid.clone()?,
            from: task.from.clone(),
            muted: false,
            phase: CallPhase::Open,
        })
    }

    /// Tells the agent once about each reason why calls cannot be taken.
    fn tell(
        &mut self,
        voice: &Voice,
        unavailable: bool,
        by_move: bool,
        was_ready: bool,
        out: &mut Vec<Command>,
    ) {
        match voice {
            Voice::Unavailable(why) if unavailable && self.told.as_ref() != Some(why) => {
                self.told = Some(why.clone());
                // A client that recovers by itself is the header's business, not a notification's.
                if !by_move && why.needs_the_agent() {
                    out.push(Command::Notify(Severity::Warning, words::unavailable(why)));
                }
            }
            Voice::Ready if was_ready => self.told = None,
            _ => {}
        }
    }
}
