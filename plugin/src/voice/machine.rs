//! All decisions of the plugin: a pure state machine, without browser, clock or promises.
//!
//! Seven concerns, each in a module of its own, meet in [`Machine::handle`]: the agent's [`session`], the [`link`] to the
//! extension, the worker's [`contact`] address, the agent's [`activity`], the [`call`] that stands in for the
//! extension's in Flex's store, what only Flex knows of it ([`hold`]), and the calls that are to come ([`expect`]). After every event each of them is *stepped*: it compares what is with what
//! should be and orders the difference, so that no order of events can leave them apart for longer than the
//! next event.

use kernel::{AccountSid, CallSid, DtmfDigits, Identity, IdentityPrefix, Timestamp, TokenUrl};
use protocol::page::{
    CallRef, Configure, ExpectReason, Heartbeat, SelectAudioDevice, SendDigits, SetMute, SetVolume, SignOut,
    SignOutReason, ToExtension, ToPage,
};
use protocol::state::ClientState;
use protocol::{AudioKind, CallPhase, DEFAULT_IDENTITY_PREFIX, PROTOCOL_VERSION, ProblemCode, Status};

use self::activity::ActivityKeeper;
use self::call::CallKeeper;
use self::contact::{Addresses, ContactKeeper, Goal, same_client};
use self::expect::{Coming, ExpectKeeper};
use self::hold::HoldTeller;
use self::link::Link;
use self::session::{Busy, FlexSession, SessionKeeper};
pub use self::view::StatusLine;
pub use self::voice::{Voice, Why};
use self::words::{Text, Words};

pub mod activity;
pub mod attribute;
pub mod call;
pub mod contact;
pub mod expect;
pub mod hold;
pub mod line;
pub mod link;
pub mod session;
pub mod view;
pub mod voice;
pub mod words;

#[cfg(test)]
mod tests;

/// How often the shell sends [`Event::Tick`], in milliseconds.
pub const TICK_MS: u32 = 500;

/// The activity for an agent whose voice client cannot take calls, when the Flex configuration names no
/// other.
pub const DEFAULT_OFFLINE_ACTIVITY: &str = "Voice Client Offline";

/// An extension that has been away for this long is gone for good: calls go to Flex's own client again. An update of the
/// extension takes a few seconds.
pub const GONE_MS: u64 = 10_000;

/// How many digits the agent may send in one go; as many as one message to the extension carries.
pub const MAX_DIGITS: usize = 256;

/// How many digits one message to an extension of before version 3 carries.
const MAX_DIGITS_BEFORE_3: usize = 32;

/// A hang-up before the call has come waits for it this long.
const HANG_UP_WAITS_MS: u64 = 10_000;

/// `ui_attributes.holdfast` of the Flex configuration, as it was found there, completed by the build's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `token_service_url`: where the extension exchanges Flex tokens for Voice tokens. Required.
    pub token_service_url: Option<String>,
    /// `identity_prefix`: what the extension's identities start with; [`DEFAULT_IDENTITY_PREFIX`] when absent.
    pub identity_prefix: Option<String>,
    /// `offline_activity`: the activity's name; [`DEFAULT_OFFLINE_ACTIVITY`] when absent.
    pub offline_activity: Option<String>,
    /// `call_controls`: `store` (the default) to put the extension's call into Flex's store, `actions` to replace Flex's
    /// documented actions instead, for a Flex in which the former does not work.
    pub call_controls: Option<String>,
    /// The settings that are there and are no text.
    pub not_text: Vec<&'static str>,
}

impl Settings {
    /// The names of all settings.
    pub const NAMES: [&'static str; 4] =
        ["token_service_url", "identity_prefix", "offline_activity", "call_controls"];

    /// A setting by its name.
    pub fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "token_service_url" => Some(&mut self.token_service_url),
            "identity_prefix" => Some(&mut self.identity_prefix),
            "offline_activity" => Some(&mut self.offline_activity),
            "call_controls" => Some(&mut self.call_controls),
            _ => None,
        }
    }
}

/// What is known when the plugin starts, and does not change until the page is reloaded.
#[derive(Clone, Debug, Default)]
pub struct Boot {
    /// The account's SID, as Flex names it.
    pub account_sid: String,
    /// The plugin's settings.
    pub settings: Settings,
    /// How to speak to the agent.
    pub words: Words,
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
    /// Flex holds the customer; `None` while it does not know.
    pub on_hold: Option<bool>,
}

/// A call that TaskRouter has reserved for this agent, or that they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceReservation {
    /// The reservation's SID (`WR…`).
    pub sid: String,
    /// Its task's SID (`WT…`).
    pub task_sid: String,
    /// It is accepted, whoever did it. Otherwise it is pending.
    pub accepted: bool,
    /// What its call is expected for.
    pub reason: ExpectReason,
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
    /// The worker attribute `extensionVoiceClientEnabled` says that the voice client is for this worker.
    pub enabled: bool,
    /// What that attribute says instead, where it is neither true nor false.
    pub unclear: Option<String>,
    /// The agent, as Flex's session names them.
    pub agent: Option<Identity>,
    /// Flex's session.
    pub session: FlexSession,
    /// The agent's activity.
    pub activity: Option<Activity>,
    /// All the workspace's activities.
    pub activities: Vec<Activity>,
    /// The worker attribute `contact_uri`.
    pub contact_uri: Option<String>,
    /// The worker attribute [`contact::PREVIOUS`].
    pub previous_contact: Option<String>,
    /// All other worker attributes, as JSON. Compared and given back, never read.
    pub other_attributes: String,
    /// The activity to go back to, as this browser remembers it for this worker.
    pub remembered_activity: Option<String>,
    /// The live voice task, if any.
    pub voice_task: Option<VoiceTask>,
    /// All voice reservations, pending and accepted.
    pub voice_reservations: Vec<VoiceReservation>,
    /// A reservation waits to be accepted. TaskRouter refuses to make a worker unavailable meanwhile.
    pub reservation_pending: bool,
    /// Whose call is in the store.
    pub active_call: ActiveCall,
    /// Flex's own softphone is degraded or has no microphone: Flex would not start an outbound call, without a word.
    pub own_voice_impaired: bool,
    /// The agent is in the workspace's own *Offline*, in which Flex starts no calls.
    pub offline: bool,
    /// Flex is shown in a frame of another page, where the extension does not come.
    pub in_frame: bool,
    /// When the page was opened, in milliseconds since 1970: a number that no earlier page of this agent had.
    pub opened_at: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(clippy::large_enum_variant, reason = "made a few times a second at most, and never kept")
)]
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
    /// What the agent is about to do goes on, and a call follows from it.
    Expect(Coming),
    /// Flex's logout begins.
    LogOut,
    /// It failed: the agent is still there.
    LogOutFailed,
    /// An outbound call was not started, and this says why.
    NotDialed(Text),
    /// The agent chose a microphone or speaker; `None` for the system's choice.
    ChooseDevice(AudioKind, Option<String>),
    /// The agent chose a volume, in percent.
    ChooseVolume(u8),
}

/// What is to be done. The shell carries these out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Post to the extension, where [`line::Line`] says.
    Post(ToExtension),
    /// Post FLEX_TOKEN with the token that Flex's store holds at that moment.
    PostToken(AccountSid),
    /// Set the worker attribute `contact_uri`, keeping all others. Answer with [`Event::ContactUriSet`].
    SetContactUri {
        /// What to set.
        uri: String,
        /// What [`contact::PREVIOUS`] is to be from now on; `None`: it is to go.
        previous: Option<String>,
        /// The other attributes as JSON, where they are known better than from what Flex holds now.
        others: Option<String>,
    },
    /// Invoke Flex's `SetActivity` with this SID.
    SetActivity(String),
    /// Keep the SID of the activity to go back to, in this browser and for this worker, or forget it.
    Remember(Option<String>),
    /// Put a call-like object into Flex's store (`PHONE_ADD_CALL`). Answer with [`Event::CallInstalled`].
    InstallCall(StandIn),
    /// Our call's mute state is now this; redraw (`PHONE_TOGGLE_MUTE`).
    ShowMute(bool),
    /// Our call's phase is now this.
    ShowPhase(CallPhase),
    /// Our call is over: take it out of Flex's store (`PHONE_REMOVE_CALL`) if it is there.
    RemoveCall,
    /// Replace the actions that act on the store's call ([`Control`]), because the store does not take ours. Ordered once;
    /// from then on [`Machine::takes_over`] says for each use whether it is for us.
    TakeOverActions,
    /// Show a short notification.
    Notify(Severity, String),
    /// Say this in the console, for who looks after the agent.
    Console(String),
    /// Take what was notified away before its time.
    Dismiss,
    /// Show this in the header; `None`: nothing.
    ShowStatus(Option<Box<StatusLine>>),
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

/// What a status line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Ready for calls.
    Ready,
    /// A call is live.
    Call,
    /// Not yet ready, and nothing is wrong.
    Connecting,
    /// There is no voice client now, and nothing is wrong.
    Off,
    /// Calls cannot be taken.
    Problem,
}

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

/// The plugin's settings, checked.
#[derive(Clone, Debug)]
struct Config {
    account: AccountSid,
    token_url: String,
    prefix: IdentityPrefix,
    offline_activity: String,
    actions_only: bool,
}

impl Config {
    /// # Errors
    /// Which setting is missing or wrong.
    fn new(boot: &Boot) -> Result<Self, Why> {
        let settings = &boot.settings;
        if let Some(setting) = settings.not_text.first() {
            return Err(Why::Misconfigured(setting));
        }
        let token_url =
            filled(settings.token_service_url.as_ref()).ok_or(Why::Missing("token_service_url"))?;
        // Whether this service may have Flex tokens is for the extension to say; that it cannot be one, for us.
        TokenUrl::new(&*token_url).ok().ok_or(Why::Misconfigured("token_service_url"))?;
        Ok(Self {
            account: AccountSid::new(&*boot.account_sid).ok().ok_or(Why::Missing("account_sid"))?,
            token_url,
            prefix: prefix(settings).ok_or(Why::Misconfigured("identity_prefix"))?,
            offline_activity: filled(settings.offline_activity.as_ref())
                .unwrap_or_else(|| DEFAULT_OFFLINE_ACTIVITY.to_owned()),
            actions_only: match filled(settings.call_controls.as_ref()).as_deref() {
                None | Some("store") => false,
                Some("actions") => true,
                Some(_) => return Err(Why::Misconfigured("call_controls")),
            },
        })
    }
}

/// A setting that says something.
fn filled(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The prefix of the extension's identities, `None` when the configured one is not a prefix.
fn prefix(settings: &Settings) -> Option<IdentityPrefix> {
    let text = filled(settings.identity_prefix.as_ref());
    IdentityPrefix::new(text.as_deref().unwrap_or(DEFAULT_IDENTITY_PREFIX)).ok()
}

/// What the extension said last.
#[derive(Clone, Debug, Default)]
struct Report {
    /// At least one heartbeat has come since the extension accepted the page.
    beating: bool,
    /// The identity that the heartbeat names; `None` while there is none, or it is not one that can be ours.
    identity: Option<Identity>,
    /// The heartbeat names an identity that cannot be ours, and what is wrong with it.
    wrong_identity: Option<Why>,
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

    /// The extension understands what this version of the contract has brought.
    const fn speaks(&self, version: u32) -> bool {
        self.state.protocol_version >= version
    }

    /// Calls arrive. The old extension cannot say more than that it has an identity and no error.
    const fn is_available(&self) -> bool {
        self.beating && !self.error && self.identity.is_some() && (self.is_old() || self.state.registered)
    }
}

/// The plugin's state machine.
#[derive(Debug)]
pub struct Machine {
    config: Result<Config, Why>,
    /// The prefix alone, which giving an address back needs also while nothing else is configured.
    prefix: Option<IdentityPrefix>,
    words: Words,
    /// The voice client is enabled for this worker, or was when the live call came.
    active: bool,
    session: SessionKeeper,
    /// The extension goes on though the agent has signed out.
    goes_on: bool,
    /// The extension last heard speaks version 3: it knows SIGN_OUT.
    knows_sign_out: bool,
    /// The agent, as a good heartbeat last named them, for a Flex that does not say.
    heard_agent: Option<Identity>,
    /// Whom the last CONFIGURE named.
    introduced: Option<Identity>,
    /// In a frame: the address was seen to be another's than the extension's. Who sets it after that is a Flex in a tab.
    given_back: bool,
    expect: ExpectKeeper,
    /// What was said in the console of the worker attribute.
    unclear_said: Option<String>,
    link: Link,
    report: Report,
    flex: FlexView,
    contact: ContactKeeper,
    activity: ActivityKeeper,
    call: CallKeeper,
    hold: HoldTeller,
    /// The agent hung up before the call had come.
    hang_up_until: Option<Timestamp>,
    /// Since when the voice client has not been ready; `None` while it is.
    not_ready_since: Option<Timestamp>,
    /// Since when nobody is there to take calls; `None` while somebody is.
    gone_since: Option<Timestamp>,
    /// Calls cannot be taken, and that is not a passing matter.
    unavailable: bool,
    /// The reason for unavailability that the agent was told of.
    told: Option<Why>,
    /// The extension carried a call when it was last heard.
    carried: bool,
    /// It was away since, so that nobody knows how that call fared.
    lost_sight: bool,
    /// Something was notified since the last [`Command::Dismiss`].
    notified: bool,
    /// A reservation was pending when last looked.
    rang: bool,
    shown: Option<StatusLine>,
}

impl Machine {
    /// A machine at rest. It begins with [`Event::Started`].
    #[must_use]
    pub fn new(boot: Boot, now: Timestamp) -> Self {
        let config = Config::new(&boot);
        let actions_only = config.as_ref().is_ok_and(|config| config.actions_only);
        Self {
            prefix: prefix(&boot.settings),
            words: boot.words,
            active: boot.flex.enabled && !boot.flex.in_frame,
            session: SessionKeeper::default(),
            goes_on: false,
            knows_sign_out: false,
            heard_agent: None,
            introduced: None,
            given_back: false,
            expect: ExpectKeeper::new(boot.flex.opened_at),
            unclear_said: None,
            link: Link::new(now),
            report: Report::default(),
            contact: ContactKeeper::default(),
            activity: ActivityKeeper::default(),
            flex: boot.flex,
            call: if actions_only { CallKeeper::by_actions() } else { CallKeeper::default() },
            hold: HoldTeller::default(),
            hang_up_until: None,
            not_ready_since: Some(now),
            gone_since: None,
            unavailable: false,
            told: None,
            carried: false,
            lost_sight: false,
            notified: false,
            rang: false,
            shown: None,
            config,
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
            _ if !self.active => {}
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
            Event::HangUp => self.hang_up(now, &mut out),
            Event::Mute(muted) => self.mute(muted, now, &mut out),
            Event::ToggleMute => self.mute(!self.call.is_muted(), now, &mut out),
            Event::Digits(digits) => self.digits(&digits, &mut out),
            Event::Expect(coming) => self.expect.announce(coming, now),
            Event::LogOut => self.session.logging_out(now),
            Event::LogOutFailed => self.session.logout_failed(),
            Event::Refused(intent) => {
                if matches!(intent, Intent::AcceptCall | Intent::Monitor) {
                    self.session.wanted();
                }
                let text = match (&intent, self.is_offline()) {
                    (Intent::DialOut, true) => self.words.plain(Text::DialOffline),
                    _ => self.words.refusal(&intent, &self.voice(now)),
                };
                out.push(Command::Notify(Severity::Warning, text));
            }
            Event::NotDialed(text) => {
                out.push(Command::Notify(Severity::Warning, self.words.plain(text)));
            }
            Event::ChooseDevice(kind, device_id) => {
                self.show_choice(kind, device_id.as_deref());
                let payload = SelectAudioDevice { kind, device_id };
                self.choose(ToExtension::SelectAudioDevice { payload }, now, &mut out);
            }
            Event::ChooseVolume(percent) => {
                let payload = SetVolume { percent: percent.min(100) };
                if let Some(audio) = &mut self.report.state.audio {
                    audio.wanted.volume = payload.percent;
                }
                self.choose(ToExtension::SetVolume { payload }, now, &mut out);
            }
        }
        self.switch(now, &mut out);
        self.say_unclear(&mut out);
        if self.active {
            self.sign_in_or_out(now, &mut out);
            self.step(heartbeat, now, &mut out);
        } else {
            self.rest(now, &mut out);
        }
        self.notified |= out.iter().any(|command| matches!(command, Command::Notify(..)));
        out
    }

    /// The voice client is for this worker, and can be used in this page.
    const fn serves(&self) -> bool {
        self.flex.enabled && !self.flex.in_frame
    }

    /// Follows the worker attribute, at once and without a reload. A live call keeps its controls until it is over.
    fn switch(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        let on_call = self.active && self.link.is_up(now) && self.report.state.call.is_some();
        let active = self.serves() || on_call;
        if active == self.active {
            return;
        }
        self.active = active;
        self.report = Report::default();
        self.link = Link::new(now);
        (self.not_ready_since, self.gone_since, self.unavailable) = (Some(now), None, false);
        (self.told, self.hang_up_until) = (None, None);
        (self.carried, self.lost_sight) = (false, false);
        self.contact.replenish();
        if !active {
            self.call.step(None, self.flex.active_call, false, now, out);
            self.shown = None;
            out.push(Command::ShowStatus(None));
        }
    }

    /// An attribute that is neither true nor false is told to whoever can put it right.
    fn say_unclear(&mut self, out: &mut Vec<Command>) {
        if self.unclear_said == self.flex.unclear {
            return;
        }
        self.unclear_said.clone_from(&self.flex.unclear);
        if let Some(value) = &self.flex.unclear {
            let (_, text) = self.words.status(&Voice::Unclear(value.clone()));
            out.push(Command::Console(text));
        }
    }

    /// Follows the agent's session: signed out, there is no voice client; signed in again, it begins anew.
    fn sign_in_or_out(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        let busy = Busy {
            nobody: !self.link.is_up(now),
            call: self.link.is_up(now) && self.report.state.call.is_some(),
            task: self.flex.voice_task.is_some() || self.flex.reservation_pending,
            offline_is_ours: self
                .flex
                .activity
                .as_ref()
                .is_some_and(|activity| activity.name == self.offline_name()),
        };
        if self.session.step(&self.flex, busy, now) || self.is_another_agent() {
            self.begin_anew(now);
        }
        let goes_on = std::mem::take(&mut self.goes_on);
        if self.knows_sign_out
            && let Some(reason) = self.session.says(goes_on, now)
        {
            out.push(Command::Post(ToExtension::SignOut { payload: SignOut { reason } }));
        }
    }

    /// Flex has another agent than the one who was introduced to the extension.
    fn is_another_agent(&self) -> bool {
        self.flex.agent.is_some() && self.introduced.is_some() && self.flex.agent != self.introduced
    }

    /// Nothing that the extension said counts any more, and it is to be greeted again.
    fn begin_anew(&mut self, now: Timestamp) {
        self.report = Report::default();
        self.link = Link::new(now);
        self.introduced = None;
        (self.not_ready_since, self.gone_since, self.unavailable) = (Some(now), None, false);
        (self.told, self.hang_up_until) = (None, None);
        (self.carried, self.lost_sight) = (false, false);
    }

    /// The voice client is not for this page: the agent takes calls in Flex itself again, from where they were.
    fn rest(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        let addresses = self.addresses();
        let is_ours = |uri: &String| addresses.as_ref().is_some_and(|addresses| addresses.is_ours(uri));
        let given_back = !self.flex.contact_uri.as_ref().is_some_and(is_ours);
        // A Flex in a tab of its own may serve the same agent: in a frame nothing is taken from it twice.
        self.given_back |= given_back && self.flex.in_frame;
        let goal = addresses.filter(|_| !self.given_back).map_or(Goal::Leave, Goal::Back);
        self.contact.step(&goal, &self.flex, now, out);
        let offline_name = self.offline_name().to_owned();
        let situation = activity::Situation {
            ready: given_back,
            unavailable: false,
            live_call: self.flex.voice_task.is_some(),
            offline_name: &offline_name,
            reason: &Voice::Connecting,
            asks: false,
            words: &self.words,
        };
        self.activity.step(&situation, &self.flex, now, out);
        let voice = if self.flex.enabled {
            Some(Voice::InFrame)
        } else {
            self.flex.unclear.clone().map(Voice::Unclear)
        };
        let line = voice.map(|voice| view::compose(&voice, &Report::default(), false, &self.words));
        self.show(line, out);
    }

    fn show(&mut self, line: Option<StatusLine>, out: &mut Vec<Command>) {
        if self.shown != line {
            self.shown.clone_from(&line);
            out.push(Command::ShowStatus(line.map(Box::new)));
        }
    }

    /// The agent's addresses, as far as it is known who they are.
    fn addresses(&self) -> Option<Addresses> {
        let agent = self.flex.agent.as_ref().or(self.heard_agent.as_ref())?;
        Addresses::of(agent, self.prefix.as_ref()?)
    }

    fn offline_name(&self) -> &str {
        self.config.as_ref().map_or(DEFAULT_OFFLINE_ACTIVITY, |config| &config.offline_activity)
    }

    /// Whether what the agent is about to do must be stopped, because it could not reach the voice client. The shell asks
    /// from within Flex's `before…` listeners, which need the answer at once, and then reports [`Event::Refused`].
    #[must_use]
    pub fn refuses(&self, intent: &Intent, now: Timestamp) -> bool {
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
    pub fn dial(&self, now: Timestamp) -> Dial {
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
    fn is_offline(&self) -> bool {
        self.session.signed_out() == Some(SignOutReason::Offline)
    }

    /// Whether one of Flex's call actions is for the extension though the store does not hold our call. Asked for
    /// each use after [`Command::TakeOverActions`], and for `HangupCall` always.
    #[must_use]
    pub fn takes_over(&self, control: Control, now: Timestamp) -> bool {
        self.flex.active_call == ActiveCall::None
            && (self.call.is_live() || control == Control::HangUp && self.expects_call(now))
    }

    /// A call is on its way to the extension: Flex has its task, and for a moment not more.
    fn expects_call(&self, now: Timestamp) -> bool {
        self.can_take_calls(now)
            && !self.report.is_old()
            && self.report.state.call.is_none()
            && self.flex.voice_task.is_some()
    }

    /// How the voice client stands, for the header and for decisions.
    #[must_use]
    pub fn voice(&self, now: Timestamp) -> Voice {
        if let Err(why) = &self.config {
            return Voice::Unavailable(why.clone());
        }
        if let Some(reason) = self.session.signed_out() {
            return Voice::SignedOut(reason);
        }
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
                Some(uri) if self.addresses().is_some_and(|addresses| addresses.is_ours(uri)) => Voice::Ready,
                _ if self.contact.gave_up() => Voice::Unavailable(Why::ContactUri),
                _ => Voice::Connecting,
            };
        }
        if let Some(why) = &self.report.wrong_identity {
            return Voice::Unavailable(match why {
                Why::OtherAgent if !self.settled(now) => return Voice::Connecting,
                why => why.clone(),
            });
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
        self.config.is_ok()
            && self.session.signed_out().is_none()
            && self.link.is_up(now)
            && self.report.is_available()
    }

    /// The live call's phase and mute state: as Flex shows it, or as the extension says it while Flex cannot.
    fn call_shown(&self) -> Option<(CallPhase, bool)> {
        self.call.shown().or_else(|| self.report.state.call.as_ref().map(|call| (call.state, call.muted)))
    }

    /// The voice client has not been ready for so long that it is not a passing matter.
    fn settled(&self, now: Timestamp) -> bool {
        self.not_ready_since.is_some_and(|since| now.since(since) >= voice::SETTLE_MS)
    }

    fn hear(&mut self, message: ToPage, now: Timestamp, out: &mut Vec<Command>) {
        if self.session.signed_out().is_some() {
            self.goes_on = matches!(message, ToPage::Heartbeat { .. });
            return;
        }
        match message {
            ToPage::Configured { payload } => {
                if self.link.accepted(now) {
                    self.report = Report::default();
                }
                self.take_state(payload.unwrap_or_default());
                self.post_token(now, out);
                self.expect.unheard();
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
                    self.take_state(payload);
                    self.answer_token_request(now, out);
                }
            }
            ToPage::Error { payload } => match payload.problem.code {
                ProblemCode::UnknownType if payload.in_reply_to.as_deref() == Some(hold::MESSAGE) => {
                    self.hold.not_understood();
                }
                // The worker lost its state, and with it this page.
                ProblemCode::NotConfigured => self.link.forgotten(now),
                // A command crossed the end of the call; the next report takes the call away.
                ProblemCode::NoCall => {}
                // Said by a newer page script or a foreign one; nothing an agent could do about it.
                ProblemCode::MalformedMessage | ProblemCode::UnknownType => {}
                _ => {
                    let text = words::sentence(&self.words.problem(&payload.problem));
                    out.push(Command::Notify(Severity::Warning, text));
                }
            },
        }
    }

    fn report_heartbeat(&mut self, heartbeat: Heartbeat, now: Timestamp, out: &mut Vec<Command>) {
        let Ok(config) = &self.config else { return };
        // Any script in the page can say this, and a browser may still have the agent of the last shift. A name that is not
        // this agent's own is not believed, so that calls cannot be sent to a colleague's softphone.
        let prefix = config.prefix.as_str();
        let named = Identity::new(heartbeat.voice_client_identity)
            .ok()
            .filter(|id| id.as_str().len() > prefix.len() && id.as_str().starts_with(prefix));
        let wrong_identity = match (&named, &self.flex.agent) {
            (None, _) => Some(Why::WrongIdentity(config.prefix.clone())),
            (Some(named), Some(agent)) if named.as_str()[prefix.len()..] != *agent.as_str() => {
                Some(Why::OtherAgent)
            }
            _ => None,
        };
        let identity = named.filter(|_| wrong_identity.is_none());
        if let Some(identity) = &identity {
            self.heard_agent = Identity::new(&identity.as_str()[prefix.len()..]).ok();
        }
        self.report = Report {
            beating: true,
            wrong_identity,
            identity,
            error: heartbeat.error == Some(true),
            state: ClientState::default(),
        };
        self.take_state(heartbeat.state);
        self.answer_token_request(now, out);
    }

    /// What the extension says of itself. The call of another agent, who had this browser before, is none of this agent's.
    fn take_state(&mut self, state: ClientState) {
        self.report.state = state;
        self.knows_sign_out = self.report.speaks(3);
        if self.report.wrong_identity == Some(Why::OtherAgent) {
            (self.report.state.call, self.report.state.waiting) = (None, None);
        }
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

    fn hang_up(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        if !self.call.is_live() {
            // The agent was faster than the call.
            self.hang_up_until = self.expects_call(now).then(|| now.plus(HANG_UP_WAITS_MS));
            return;
        }
        self.hang_up_until = None;
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
            out.push(Command::Notify(Severity::Warning, self.words.plain(Text::CannotMute)));
            return;
        }
        out.push(Command::Post(ToExtension::SetMute { payload: SetMute { muted } }));
        self.call.asked_to_mute(muted, now, out);
    }

    fn digits(&self, digits: &str, out: &mut Vec<Command>) {
        if !self.call.is_live() {
            return;
        }
        // Flex's keypad sends one digit at a time; a script may send an account number and a PIN with pauses. All or nothing:
        // half of a number is worse than none.
        if digits.chars().count() > MAX_DIGITS {
            let most = MAX_DIGITS.to_string();
            let text = self.words.say(Text::TooManyDigits, &[("most", &most)]);
            out.push(Command::Notify(Severity::Warning, text));
            return;
        }
        let carries = if self.report.speaks(3) { MAX_DIGITS } else { MAX_DIGITS_BEFORE_3 };
        let mut messages = Vec::new();
        let mut rest = digits;
        while !rest.is_empty() {
            let (chunk, tail) = rest.split_at(rest.floor_char_boundary(carries));
            rest = tail;
            let Ok(digits) = DtmfDigits::new(chunk) else { return };
            messages.push(ToExtension::SendDigits { payload: SendDigits { digits } });
        }
        out.extend(messages.into_iter().map(Command::Post));
    }

    /// The agent chose something that the extension is to do.
    fn choose(&self, message: ToExtension, now: Timestamp, out: &mut Vec<Command>) {
        if self.link.is_up(now) && !self.report.is_old() {
            out.push(Command::Post(message));
        }
    }

    /// Shows the agent's choice at once; the extension's next word is what counts.
    fn show_choice(&mut self, kind: AudioKind, id: Option<&str>) {
        let Some(audio) = &mut self.report.state.audio else { return };
        let (devices, wanted) = match kind {
            AudioKind::Microphone => (&audio.microphones, &mut audio.wanted.microphone),
            AudioKind::Speaker => (&audio.speakers, &mut audio.wanted.speaker),
        };
        *wanted = devices.iter().find(|device| Some(device.id.as_str()) == id).cloned();
    }

    /// Nobody is there to take calls, and it is not known that this will change.
    fn is_gone(&self, now: Timestamp) -> bool {
        let given_up = self.report.state.problem.as_ref().is_some_and(|problem| !problem.retrying);
        self.config.is_err()
            || self.link.trouble(now).is_some()
            || self.report.wrong_identity.is_some()
            || (given_up && !self.report.is_available() && self.report.state.call.is_none())
    }

    /// Where calls should go.
    fn goal(&mut self, now: Timestamp) -> Goal {
        let Some(addresses) = self.addresses() else { return Goal::Leave };
        if !self.flex.enabled {
            return Goal::Back(addresses);
        }
        // Nobody is given calls now, and who comes back should find things as they were.
        if self.session.signed_out().is_some() {
            return Goal::Leave;
        }
        if self.is_gone(now) {
            let since = *self.gone_since.get_or_insert(now);
            return if now.since(since) >= GONE_MS { Goal::Back(addresses) } else { Goal::Leave };
        }
        self.gone_since = None;
        let arrives = self.report.is_available() && self.link.is_up(now);
        if arrives { Goal::Extension(addresses) } else { Goal::Leave }
    }

    /// Compares what is with what should be, for every concern.
    fn step(&mut self, heartbeat: bool, now: Timestamp, out: &mut Vec<Command>) {
        self.introduce(now, out);

        let was_ready = self.not_ready_since.is_none();
        let goal = self.goal(now);
        if goal == Goal::Leave {
            self.contact.replenish();
        }
        self.contact.step(&goal, &self.flex, now, out);

        let call = self.wanted_call(now);
        self.call.step(call, self.flex.active_call, heartbeat, now, out);
        if self.hang_up_until.is_some_and(|until| now < until) && self.call.is_live() {
            self.hang_up(now, out);
        }
        let told = self.report.state.call.as_ref().filter(|_| self.link.is_up(now) && !self.report.is_old());
        if let Some(payload) = self.hold.step(told, self.flex.voice_task.as_ref(), now) {
            out.push(Command::Post(ToExtension::CallContext { payload }));
        }

        self.tell_expected(now, out);

        let voice = self.voice(now);
        let arrived = self
            .flex
            .contact_uri
            .as_deref()
            .is_some_and(|uri| matches!(&goal, Goal::Extension(addresses) if addresses.is_ours(uri)));
        let ready = self.can_take_calls(now) && arrived;
        self.not_ready_since = match self.not_ready_since {
            _ if ready => None,
            None => Some(now),
            since => since,
        };
        self.clear_view(ready && !was_ready, out);
        self.look_for_the_call(ready, now, out);
        let on_call = self.link.is_up(now) && self.call_shown().is_some();
        let signed_out = self.session.signed_out().is_some();
        let unavailable = !ready && !on_call && !signed_out && (voice.is_final() || self.settled(now));
        self.unavailable = unavailable;

        let offline_name = self.offline_name().to_owned();
        let situation = activity::Situation {
            ready,
            unavailable: unavailable && self.flex.enabled,
            live_call: on_call || self.flex.voice_task.is_some(),
            offline_name: &offline_name,
            reason: &voice,
            asks: true,
            words: &self.words,
        };
        let told_by_move = self.activity.step(&situation, &self.flex, now, out);
        self.tell(&voice, unavailable, told_by_move, was_ready, out);

        let line = view::compose(&voice, &self.report, self.link.is_up(now), &self.words);
        self.show(Some(line), out);
    }

    /// Says which calls are expected, to an extension that asks for it.
    fn tell_expected(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        let up = self.link.is_up(now);
        let reservations = &self.flex.voice_reservations;
        self.expect.look(reservations, up && self.report.state.call.is_some(), now);
        if !up || !self.report.speaks(3) {
            self.expect.unheard();
        } else if let Some(payload) = self.expect.says(reservations, now) {
            out.push(Command::Post(ToExtension::ExpectCalls { payload }));
        }
    }

    /// An extension that is back without the call that it carried: Flex's page shows no reason for its end.
    fn look_for_the_call(&mut self, ready: bool, now: Timestamp, out: &mut Vec<Command>) {
        if !self.link.is_up(now) {
            self.lost_sight |= std::mem::take(&mut self.carried);
        } else if self.report.state.call.is_some() {
            (self.carried, self.lost_sight) = (true, false);
        } else if self.report.beating {
            self.carried = false;
            // Not before voice is ready, which takes away what was notified.
            if ready && std::mem::take(&mut self.lost_sight) {
                out.push(Command::Notify(Severity::Warning, self.words.plain(Text::CallOver)));
            }
        }
    }

    /// Flex's bar of notifications covers the first task's buttons. So what was said goes when it is no longer true, and
    /// when a call rings.
    fn clear_view(&mut self, recovered: bool, out: &mut Vec<Command>) {
        let rings = self.flex.reservation_pending;
        let rang = std::mem::replace(&mut self.rang, rings);
        if (recovered || rings && !rang) && std::mem::take(&mut self.notified) {
            out.push(Command::Dismiss);
        }
    }

    /// Says hello to the extension whenever that is due.
    fn introduce(&mut self, now: Timestamp, out: &mut Vec<Command>) {
        let Ok(config) = &self.config else { return };
        if self.session.signed_out().is_none() && self.link.hello_is_due(now) {
            self.link.hello_said(now);
            self.introduced.clone_from(&self.flex.agent);
            out.push(Command::Post(ToExtension::Configure {
                payload: Configure {
                    voice_client_token_generator_url: config.token_url.clone(),
                    account_sid: config.account.clone(),
                    extension_voice_client_prefix: config.prefix.clone(),
                    protocol_version: Some(PROTOCOL_VERSION),
                    agent_identity: self.flex.agent.clone(),
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
        (self.report.is_old()
            && self.report.beating
            && ours.zip(self.flex.contact_uri.as_ref()).is_some_and(|(ours, is)| same_client(&ours, is)))
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
                    out.push(Command::Notify(Severity::Warning, self.words.unavailable(why)));
                }
            }
            Voice::Ready if was_ready => self.told = None,
            _ => {}
        }
    }
}
