//! The machine: what a page says to the extension, when, and what it makes of the answers.

use kernel::{AccountSid, DtmfDigits, Identity, IdentityPrefix, Monotonic};
use protocol::page::{
    CallRef, Configure, ExpectCalls, ExpectedCall, Heartbeat, SelectAudioDevice, SendDigits, SetMute,
    SetVolume, ShowVideo, SignOut, SignOutReason, ToExtension, ToPage,
};
use protocol::state::ClientState;
use protocol::{AudioKind, CallView, PROTOCOL_VERSION, Problem, ProblemCode, Status};
use sansio::Machine;

use crate::hold::{self, Held, HoldNotice};
use crate::link::{Link, Trouble};
use crate::mute::Mute;
use crate::repeat::Repeated;
use crate::report::{Report, agent_of};

/// How many digits the agent may send in one go; as many as one message to the extension carries.
pub const MAX_DIGITS: usize = 256;

/// How many digits one message to an extension of before version 3 carries.
const MAX_DIGITS_BEFORE_3: usize = 32;

/// How often an extension that goes on as if nothing had been said is told that the agent has signed out.
pub const SIGN_OUT_ATTEMPTS: u32 = 5;

/// The type of the message that shows a window of video: what an answer names.
const SHOW_VIDEO: &str = "VOICE_CLIENT_EXTENSION_SHOW_VIDEO";

/// How often the same list of expected calls is said.
pub const EXPECT_ATTEMPTS: u32 = 3;

/// How a page introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The account that the page belongs to.
    pub account: AccountSid,
    /// Where its tokens are exchanged for Voice tokens.
    pub token_url: String,
    /// What the extension's identities begin with.
    pub prefix: IdentityPrefix,
}

/// Whether the page wants a voice client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// It does not, and nothing is said to the extension or heard of it.
    #[default]
    Away,
    /// The agent has signed out: the extension is told so.
    SignedOut(SignOutReason),
    /// It does.
    Here,
}

/// Whose page it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The agent, as the page's own session names them.
    pub agent: Option<Identity>,
    /// Whether they want a voice client.
    pub presence: Presence,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made a few times a second at most, and never kept")]
pub enum Event {
    /// The extension sent a message.
    Message(ToPage),
    /// Whose page it is now.
    Page(Page),
    /// The calls that the agent expects now, all of them.
    Expect(Vec<ExpectedCall>),
    /// What is known of the customer now.
    Hold(Option<Held>),
    /// The page has a new token.
    TokenUpdated,
    /// The agent hangs up.
    HangUp,
    /// The agent mutes or unmutes.
    SetMute(bool),
    /// The agent sends digits.
    Digits(String),
    /// The agent chose a microphone or speaker; `None` for the system's choice.
    ChooseDevice(AudioKind, Option<String>),
    /// The agent chose a volume, in percent.
    ChooseVolume(u8),
    /// The extension is to show the agent's window of a video session, or that window's link has come.
    ShowVideo(ShowVideo),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Post to the extension, where [`crate::channel::ChannelChoice`] says.
    Post(ToExtension),
    /// Post the page's own token, as it is at that moment, for this account.
    PostToken(AccountSid),
    /// Put the page's own token into the port that the CONFIGURE before it offered, if it did: after F5 the extension then
    /// knows in one step whose page this is. Never in the window, where every script would read it.
    OfferToken(AccountSid),
    /// Post this into the port that the extension has taken, and never in the window: it is a secret.
    PostPrivately(ToExtension),
    /// The extension did not show the window of a video session.
    VideoRefused,
    /// Tell the agent what the extension says of something that it could not do.
    Tell(Problem),
    /// Tell the agent why nothing was done.
    Refuse(Refusal),
}

/// Why what the agent wanted is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The replaced extension cannot mute.
    CannotMute,
    /// More than [`MAX_DIGITS`] digits: half of a number is worse than none.
    TooManyDigits,
}

/// A page's hold of the extension.
///
/// It is level-triggered: [`Self::apply`] takes what happened, [`Self::settle`] compares what the extension should have heard with
/// what it was told, and says the difference. [`Machine::handle`] does one after the other; a page that has to look at what an
/// event changed before it says more calls them itself.
#[derive(Debug)]
pub struct Lifeline {
    hello: Option<Hello>,
    page: Page,
    link: Link,
    report: Report,
    mute: Mute,
    /// Whom the last CONFIGURE named.
    introduced: Option<Identity>,
    /// The agent, as a good heartbeat last named them, for a page that does not know.
    heard_agent: Option<Identity>,
    beginnings: u32,
    expected: Vec<ExpectedCall>,
    expected_said: Repeated<Vec<ExpectedCall>>,
    held: Option<Held>,
    hold: HoldNotice,
    sign_out_sent: Repeated<()>,
    /// The extension goes on though the agent has signed out.
    goes_on: bool,
    /// The extension last heard speaks version 3: it knows SIGN_OUT.
    knows_sign_out: bool,
    looked_at: Monotonic,
}

impl Lifeline {
    /// Of a page that wants no voice client yet. Without a hello it never introduces itself and believes nobody.
    #[must_use]
    pub fn new(hello: Option<Hello>, now: Monotonic) -> Self {
        Self {
            hello,
            page: Page::default(),
            link: Link::new(now),
            report: Report::default(),
            mute: Mute::default(),
            introduced: None,
            heard_agent: None,
            beginnings: 0,
            expected: Vec::new(),
            expected_said: Repeated::at_most(EXPECT_ATTEMPTS),
            held: None,
            hold: HoldNotice::default(),
            sign_out_sent: Repeated::at_most(SIGN_OUT_ATTEMPTS),
            goes_on: false,
            knows_sign_out: false,
            looked_at: now,
        }
    }

    /// What the extension said last.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// The extension has accepted this page and is not silent.
    #[must_use]
    pub fn is_up(&self, now: Monotonic) -> bool {
        self.link.is_up(now)
    }

    /// What is wrong between page and extension, `None` when they speak or are still about to.
    #[must_use]
    pub fn trouble(&self, now: Monotonic) -> Option<Trouble> {
        self.link.trouble(now)
    }

    /// Whether this call of the extension's counts as muted: the agent's own choice goes before a report that is older.
    #[must_use]
    pub fn is_muted(&self, call: &CallView, now: Monotonic) -> bool {
        self.mute.is_muted(call, now)
    }

    /// The agent: as the page names them, or else as the extension last did.
    #[must_use]
    pub fn agent(&self) -> Option<&Identity> {
        self.page.agent.as_ref().or(self.heard_agent.as_ref())
    }

    /// Whether the extension can hold the agent's window of a video session: it knows how, and this page is its agent's.
    #[must_use]
    pub fn shows_video(&self, now: Monotonic) -> bool {
        let is_ours = self.report.beating && self.report.identity.is_some();
        self.page.presence == Presence::Here && self.is_up(now) && is_ours && self.report.speaks(4)
    }

    /// How often all has started over: the agent signed in or out, is another one, or the page changed its mind. What was
    /// concluded from the extension's words before is void then.
    #[must_use]
    pub const fn beginnings(&self) -> u32 {
        self.beginnings
    }

    /// Looks at the clock. To be done before anything is asked about an instant that no event has reached yet.
    pub fn look(&mut self, now: Monotonic) {
        self.link.look(now);
    }

    /// Takes what happened. Answers go out at once; all else with [`Self::settle`].
    pub fn apply(&mut self, event: Event, now: Monotonic, out: &mut Vec<Command>) {
        self.look(now);
        match event {
            Event::Page(page) => self.take_page(page, now),
            Event::Expect(calls) => self.expected = calls,
            Event::Hold(held) => self.held = held,
            _ if self.page.presence == Presence::Away => {}
            Event::Message(message) => self.on_message(message, now, out),
            Event::TokenUpdated => {
                if self.link.is_up(now) {
                    self.post_token(now, out);
                }
            }
            Event::HangUp => {
                // The old extension has one call and takes no name.
                let payload = self.report.state.call.as_ref().filter(|_| !self.report.is_old());
                let payload = payload.map(|call| CallRef { call_sid: call.sid.clone() });
                out.push(Command::Post(ToExtension::HangUp { payload }));
            }
            Event::SetMute(muted) => self.set_mute(muted, now, out),
            Event::Digits(digits) => self.digits(&digits, out),
            Event::ChooseDevice(kind, device_id) => {
                self.show_choice(kind, device_id.as_deref());
                let payload = SelectAudioDevice { kind, device_id };
                self.choose(ToExtension::SelectAudioDevice { payload }, now, out);
            }
            Event::ChooseVolume(percent) => {
                let payload = SetVolume { percent: percent.min(100) };
                if let Some(audio) = &mut self.report.state.audio {
                    audio.wanted.volume = payload.percent;
                }
                self.choose(ToExtension::SetVolume { payload }, now, out);
            }
            Event::ShowVideo(payload) if self.shows_video(now) => {
                out.push(Command::PostPrivately(ToExtension::ShowVideo { payload }));
            }
            Event::ShowVideo(_) => out.push(Command::VideoRefused),
        }
    }

    /// Says what the extension has not heard yet.
    pub fn settle(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        self.look(now);
        self.looked_at = now;
        let goes_on = std::mem::take(&mut self.goes_on);
        match self.page.presence {
            Presence::Away => {}
            Presence::SignedOut(reason) => {
                let again = goes_on || !self.sign_out_sent.was_sent();
                if self.knows_sign_out && again && self.sign_out_sent.is_due(&(), now) {
                    out.push(Command::Post(ToExtension::SignOut { payload: SignOut { reason } }));
                }
            }
            Presence::Here => self.introduce(now, out),
        }
        if self.page.presence == Presence::Away {
            return;
        }
        let is_up = self.link.is_up(now);
        let call = self.report.state.call.as_ref().filter(|_| is_up && !self.report.is_old());
        if let Some(payload) = self.hold.due(call, self.held.as_ref(), now) {
            out.push(Command::Post(ToExtension::CallContext { payload }));
        }
        if !is_up || !self.report.speaks(3) {
            self.expected_said.forget();
        } else if self.expected_said.is_due(&self.expected, now) {
            let payload = ExpectCalls { calls: self.expected.clone() };
            out.push(Command::Post(ToExtension::ExpectCalls { payload }));
        }
    }

    fn take_page(&mut self, page: Page, now: Monotonic) {
        let (before, after) = (self.page.presence, page.presence);
        let same_kind = core::mem::discriminant(&before) == core::mem::discriminant(&after);
        let other_agent = page.agent.is_some() && self.introduced.is_some() && page.agent != self.introduced;
        // A logout of who was Offline is said too: it means more. That a logged out agent is Offline does not.
        let means_more = before != after && after != Presence::SignedOut(SignOutReason::Offline);
        if !same_kind || means_more {
            self.sign_out_sent.forget();
        }
        self.page = page;
        if !same_kind || other_agent {
            self.start_over(now);
        }
    }

    /// Nothing that the extension said counts any more, and it is to be greeted again.
    fn start_over(&mut self, now: Monotonic) {
        self.beginnings = self.beginnings.wrapping_add(1);
        self.link = Link::new(now);
        self.introduced = None;
        self.forget_report();
    }

    fn forget_report(&mut self) {
        self.report = Report::default();
        self.mute.forget();
    }

    /// Says hello to the extension whenever that is due.
    fn introduce(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        let Some(hello) = &self.hello else { return };
        if self.link.hello_is_due(now) {
            self.link.hello_sent(now);
            self.introduced.clone_from(&self.page.agent);
            out.push(Command::Post(ToExtension::Configure {
                payload: Configure {
                    voice_client_token_generator_url: hello.token_url.clone(),
                    account_sid: hello.account.clone(),
                    extension_voice_client_prefix: hello.prefix.clone(),
                    protocol_version: Some(PROTOCOL_VERSION),
                    agent_identity: self.page.agent.clone(),
                },
            }));
            out.push(Command::OfferToken(hello.account.clone()));
        }
    }

    fn on_message(&mut self, message: ToPage, now: Monotonic, out: &mut Vec<Command>) {
        if matches!(self.page.presence, Presence::SignedOut(_)) {
            self.goes_on = matches!(message, ToPage::Heartbeat { .. });
            return;
        }
        match message {
            ToPage::Configured { payload } => {
                if self.link.accepted(now) {
                    self.forget_report();
                }
                self.take_state(payload.unwrap_or_default());
                self.post_token(now, out);
                self.expected_said.forget();
            }
            ToPage::ConfigRejected { payload } => {
                self.link.rejected(payload, now);
                self.forget_report();
            }
            ToPage::Disconnected => {
                self.link.disconnected(now);
                self.forget_report();
            }
            ToPage::Heartbeat { payload } => {
                if self.link.on_message(true, now) {
                    self.on_heartbeat(payload, now, out);
                }
            }
            ToPage::State { payload } => {
                if self.link.on_message(false, now) {
                    self.take_state(payload);
                    self.answer_token_request(now, out);
                }
            }
            ToPage::Error { payload } if payload.in_reply_to.as_deref() == Some(SHOW_VIDEO) => {
                if payload.problem.code == ProblemCode::NotConfigured {
                    self.link.forgotten(now);
                }
                out.push(Command::VideoRefused);
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
                _ => out.push(Command::Tell(payload.problem)),
            },
        }
    }

    fn on_heartbeat(&mut self, heartbeat: Heartbeat, now: Monotonic, out: &mut Vec<Command>) {
        let Some(hello) = &self.hello else { return };
        self.report = Report::of(&heartbeat, &hello.prefix, self.page.agent.as_ref());
        if let Some(identity) = &self.report.identity {
            self.heard_agent = agent_of(identity, &hello.prefix).and_then(|agent| Identity::new(agent).ok());
        }
        self.take_state(heartbeat.state);
        self.answer_token_request(now, out);
    }

    fn take_state(&mut self, state: ClientState) {
        self.report.take(state);
        self.mute.reported(self.report.state.call.as_ref());
        self.knows_sign_out = self.report.speaks(3);
    }

    /// An extension that waits for a token gets the current one, in case the first was lost or has expired.
    fn answer_token_request(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        if self.report.state.status == Status::WaitingForToken && self.link.may_repeat_token(now) {
            self.post_token(now, out);
        }
    }

    fn post_token(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        if let Some(hello) = &self.hello {
            self.link.token_posted(now);
            out.push(Command::PostToken(hello.account.clone()));
        }
    }

    fn set_mute(&mut self, muted: bool, now: Monotonic, out: &mut Vec<Command>) {
        if self.report.is_old() {
            out.push(Command::Refuse(Refusal::CannotMute));
            return;
        }
        if let Some(call) = &self.report.state.call {
            self.mute.choose(call, muted, now);
            out.push(Command::Post(ToExtension::SetMute { payload: SetMute { muted } }));
        }
    }

    /// A keypad sends one digit at a time; a script may send an account number and a PIN with pauses.
    fn digits(&self, digits: &str, out: &mut Vec<Command>) {
        if digits.chars().count() > MAX_DIGITS {
            out.push(Command::Refuse(Refusal::TooManyDigits));
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
    fn choose(&self, message: ToExtension, now: Monotonic, out: &mut Vec<Command>) {
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
}

impl Machine for Lifeline {
    type Time = Monotonic;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        self.apply(event, now, &mut out);
        self.settle(now, &mut out);
        out
    }

    fn handle_timeout(&mut self, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        self.settle(now, &mut out);
        out
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        if self.page.presence != Presence::Here {
            return None;
        }
        let said = [self.mute.until(), self.hold.next(), self.expected_said.next()];
        sansio::next_after(self.looked_at, self.link.deadlines().into_iter().chain(said))
    }
}
