//! All decisions of the plugin: a pure state machine, without browser, clock or promises.
//!
//! What any page needs to keep hold of the extension is [`lifeline`]'s. What only Flex knows has a module each: the agent's
//! [`session`], the worker's [`contact`] address, the agent's [`activity`], the [`call`]'s proxy in Flex's store, the calls that
//! are to come ([`expect`]), and what the agent is about to do ([`outbound`]). All meet in [`Machine`], which is level-triggered:
//! after every [`event`] and timeout each of them compares what is with what should be and orders the difference
//! ([`command`]), so that no order of events can leave them apart for longer than the next event.

use kernel::{Identity, IdentityPrefix, Monotonic};
use lifeline::{Held, Lifeline, MAX_DIGITS, Page, Presence, Refusal, Report};
use protocol::page::{SignOutReason, ToPage};
use protocol::{CallPhase, Status};

use self::activity::ActivityController;
use self::call::CallController;
pub use self::command::{CallProxy, Command, Severity};
use self::contact::{Addresses, ContactController, Goal, same_client};
pub use self::event::Event;
use self::expect::ExpectController;
pub use self::flex_view::{ActiveCall, Activity, FlexView, VoiceReservation, VoiceTask};
use self::i18n::{Text, Words};
pub use self::intent::{ActivityChoice, Control, Intent};
use self::notices::NoticeController;
pub use self::outbound::Dial;
use self::session::{Busy, SessionController};
pub use self::settings::{Boot, DEFAULT_OFFLINE_ACTIVITY, Settings};
use self::settings::{Config, prefix};
pub use self::view::{StatusLine, Tone};
pub use self::voice::{Voice, Why};

pub mod activity;
pub mod attribute;
pub mod call;
pub mod command;
pub mod contact;
pub mod event;
pub mod expect;
pub mod flex_view;
pub mod grade;
pub mod i18n;
pub mod intent;
pub mod notices;
pub mod outbound;
pub mod session;
pub mod settings;
pub mod view;
pub mod voice;

#[cfg(test)]
mod tests;

/// An extension that has been away for this long is gone for good: calls go to Flex's own client again. An update of the
/// extension takes a few seconds.
pub const GONE_MS: u64 = 10_000;

/// A hang-up before the call has come waits for it this long.
const HANG_UP_WAITS_MS: u64 = 10_000;

/// The plugin's state machine.
#[derive(Debug)]
pub struct Machine {
    config: Result<Config, Why>,
    /// The prefix alone, which giving an address back needs also while nothing else is configured.
    prefix: Option<IdentityPrefix>,
    words: Words,
    /// The voice client is enabled for this worker, or was when the live call came.
    active: bool,
    session: SessionController,
    lifeline: Lifeline,
    /// The beginnings of the lifeline that were seen.
    beginnings: u32,
    /// In a frame: the address was seen to be another's than the extension's. Who sets it after that is a Flex in a tab.
    given_back: bool,
    expect: ExpectController,
    /// What was said in the console of the worker attribute.
    unclear_said: Option<String>,
    flex: FlexView,
    contact: ContactController,
    activity: ActivityController,
    call: CallController,
    /// The agent hung up before the call had come.
    hang_up_until: Option<Monotonic>,
    /// Since when the voice client has not been ready; `None` while it is.
    not_ready_since: Option<Monotonic>,
    /// Since when nobody is there to take calls; `None` while somebody is.
    gone_since: Option<Monotonic>,
    /// Calls cannot be taken, and that is not a passing matter.
    unavailable: bool,
    notices: NoticeController,
    shown: Option<StatusLine>,
    /// When it last looked at everything.
    looked_at: Monotonic,
}

impl Machine {
    /// A machine at rest. It begins with [`Event::Started`].
    #[must_use]
    pub fn new(boot: Boot, now: Monotonic) -> Self {
        let config = Config::new(&boot);
        let actions_only = config.as_ref().is_ok_and(|config| config.actions_only);
        Self {
            prefix: prefix(&boot.settings),
            words: boot.words,
            active: boot.flex.enabled && !boot.flex.in_frame,
            session: SessionController::default(),
            lifeline: Lifeline::new(config.as_ref().ok().map(|config| config.hello.clone()), now),
            beginnings: 0,
            given_back: false,
            expect: ExpectController::new(boot.flex.opened_at),
            unclear_said: None,
            contact: ContactController::default(),
            activity: ActivityController::default(),
            flex: boot.flex,
            call: if actions_only { CallController::by_actions() } else { CallController::default() },
            hang_up_until: None,
            not_ready_since: Some(now),
            gone_since: None,
            unavailable: false,
            notices: NoticeController::default(),
            shown: None,
            looked_at: now,
            config,
        }
    }

    /// What this event itself brings about, before everything is compared. True when the extension was heard beating.
    fn take(&mut self, event: Event, now: Monotonic, out: &mut Vec<Command>) -> bool {
        let mut heartbeat = false;
        match event {
            Event::Started => {}
            Event::Flex(view) => self.flex = view,
            Event::ContactUriSet { ok } => self.contact.answered(ok, now),
            Event::ShowVideo(_) if !self.active => out.push(Command::VideoRefused),
            _ if !self.active => {}
            Event::Message(message) => {
                heartbeat = matches!(message, ToPage::Heartbeat { .. });
                self.apply(lifeline::Event::Message(message), now, out);
            }
            Event::TokenUpdated => self.apply(lifeline::Event::TokenUpdated, now, out),
            Event::CallInstalled { took } => self.call.installed(took, out),
            Event::HangUp => self.hang_up(now, out),
            Event::Mute(muted) => self.button(lifeline::Event::SetMute(muted), now, out),
            Event::ToggleMute => self.button(lifeline::Event::SetMute(!self.call.is_muted()), now, out),
            Event::Digits(digits) => self.button(lifeline::Event::Digits(digits), now, out),
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
            Event::ChooseDevice(kind, id) => self.apply(lifeline::Event::ChooseDevice(kind, id), now, out),
            Event::ChooseVolume(percent) => self.apply(lifeline::Event::ChooseVolume(percent), now, out),
            Event::ShowVideo(window) => self.apply(lifeline::Event::ShowVideo(window), now, out),
        }
        heartbeat
    }

    /// Compares everything that is with what should be.
    fn compare(&mut self, heartbeat: bool, now: Monotonic, out: &mut Vec<Command>) {
        self.looked_at = now;
        self.switch(now, out);
        self.say_unclear(out);
        if self.active {
            self.sign_in_or_out(now, out);
            self.step(heartbeat, now, out);
        } else {
            self.rest(now, out);
        }
        self.notices.ordered(out);
    }

    /// Lets the lifeline know, and takes its answers.
    fn apply(&mut self, event: lifeline::Event, now: Monotonic, out: &mut Vec<Command>) {
        let mut answers = Vec::new();
        self.lifeline.apply(event, now, &mut answers);
        self.pass_on(answers, out);
    }

    /// What the lifeline wants done, in this plugin's terms.
    fn pass_on(&self, commands: Vec<lifeline::Command>, out: &mut Vec<Command>) {
        out.extend(commands.into_iter().map(|command| match command {
            lifeline::Command::Post(message) => Command::Post(message),
            lifeline::Command::PostPrivately(message) => Command::PostPrivately(message),
            lifeline::Command::VideoRefused => Command::VideoRefused,
            lifeline::Command::PostToken(account) => Command::PostToken(account),
            lifeline::Command::OfferToken(account) => Command::OfferToken(account),
            lifeline::Command::Tell(problem) => {
                Command::Notify(Severity::Warning, i18n::sentence(&self.words.problem(&problem)))
            }
            lifeline::Command::Refuse(Refusal::CannotMute) => {
                Command::Notify(Severity::Warning, self.words.plain(Text::CannotMute))
            }
            lifeline::Command::Refuse(Refusal::TooManyDigits) => {
                let most = MAX_DIGITS.to_string();
                Command::Notify(Severity::Warning, self.words.say(Text::TooManyDigits, &[("most", &most)]))
            }
        }));
    }

    /// One of Flex's buttons, which act on the live call.
    fn button(&mut self, event: lifeline::Event, now: Monotonic, out: &mut Vec<Command>) {
        if self.call.is_live() {
            self.apply(event, now, out);
        }
    }

    /// Whether the extension can hold the agent's window of a video session.
    #[must_use]
    pub fn shows_video(&self, now: Monotonic) -> bool {
        self.active && self.lifeline.shows_video(now)
    }

    /// What the extension said last.
    const fn report(&self) -> &Report {
        self.lifeline.report()
    }

    /// The voice client is for this worker, and can be used in this page.
    const fn serves(&self) -> bool {
        self.flex.enabled && !self.flex.in_frame
    }

    /// Follows the worker attribute, at once and without a reload. A live call keeps its controls until it is over.
    fn switch(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        let active = self.serves() || self.active && self.is_on_call(now);
        if active == self.active {
            return;
        }
        self.active = active;
        self.present(now, out);
        self.contact.replenish();
        if !active {
            self.call.step(None, self.flex.active_call, false, out);
            self.shown = None;
            out.push(Command::ShowStatus(None));
        }
    }

    /// A call is live in the extension.
    fn is_on_call(&self, now: Monotonic) -> bool {
        self.lifeline.is_up(now) && self.report().state.call.is_some()
    }

    /// Says whose page this is, and whether they want a voice client.
    fn present(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        let presence = match self.session.signed_out() {
            _ if !self.active => Presence::Away,
            Some(reason) => Presence::SignedOut(reason),
            None => Presence::Here,
        };
        let page = Page { agent: self.flex.agent.clone(), presence };
        self.apply(lifeline::Event::Page(page), now, out);
        let beginnings = self.lifeline.beginnings();
        if std::mem::replace(&mut self.beginnings, beginnings) != beginnings {
            (self.not_ready_since, self.gone_since, self.unavailable) = (Some(now), None, false);
            self.hang_up_until = None;
            self.notices.start_over();
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

    /// Follows the agent's session: signed out, there is no voice client; signed in again, it starts over.
    fn sign_in_or_out(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        let busy = Busy {
            nobody: !self.lifeline.is_up(now),
            call: self.is_on_call(now),
            task: self.flex.voice_task.is_some() || self.flex.reservation_pending,
            offline_is_ours: self
                .flex
                .activity
                .as_ref()
                .is_some_and(|activity| activity.name == self.offline_name()),
        };
        self.session.step(&self.flex, busy, now);
        self.present(now, out);
    }

    /// The voice client is not for this page: the agent takes calls in Flex itself again, from where they were.
    fn rest(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        self.present(now, out);
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
        Addresses::of(self.lifeline.agent()?, self.prefix.as_ref()?)
    }

    fn offline_name(&self) -> &str {
        self.config.as_ref().map_or(DEFAULT_OFFLINE_ACTIVITY, |config| &config.offline_activity)
    }

    /// Whether what the agent is about to do must be stopped, because it could not reach the voice client. The shell asks
    /// from within Flex's `before…` listeners, which need the answer at once, and then reports [`Event::Refused`].
    #[must_use]
    pub fn refuses(&self, intent: &Intent, now: Monotonic) -> bool {
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
        outbound::intent_of(choice, &self.flex, self.activity.moving_to(), self.offline_name())
    }

    /// Who starts an outbound call. Asked in place of Flex's `StartOutboundCall`.
    #[must_use]
    pub fn dial(&self, now: Monotonic) -> Dial {
        outbound::dial(&self.flex, self.serves() && (self.can_take_calls(now) || self.is_offline()))
    }

    /// The agent is signed out because they are Offline.
    fn is_offline(&self) -> bool {
        self.session.signed_out() == Some(SignOutReason::Offline)
    }

    /// Whether one of Flex's call actions is for the extension though the store does not hold our call. Asked for
    /// each use after [`Command::TakeOverActions`], and for `HangupCall` always.
    #[must_use]
    pub fn takes_over(&self, control: Control, now: Monotonic) -> bool {
        self.flex.active_call == ActiveCall::None
            && (self.call.is_live() || control == Control::HangUp && self.expects_call(now))
    }

    /// A call is on its way to the extension: Flex has its task, and for a moment not more.
    fn expects_call(&self, now: Monotonic) -> bool {
        self.can_take_calls(now)
            && !self.report().is_old()
            && self.report().state.call.is_none()
            && self.flex.voice_task.is_some()
    }

    /// How the voice client stands, for the header and for decisions.
    #[must_use]
    pub fn voice(&self, now: Monotonic) -> Voice {
        if let Err(why) = &self.config {
            return Voice::Unavailable(why.clone());
        }
        if let Some(reason) = self.session.signed_out() {
            return Voice::SignedOut(reason);
        }
        if let Some(trouble) = self.lifeline.trouble(now) {
            return Voice::Unavailable(trouble.into());
        }
        if !self.lifeline.is_up(now) {
            return Voice::Connecting;
        }
        if let Some((phase, muted)) = self.call_shown() {
            return Voice::OnCall { phase, muted };
        }
        if self.report().is_available() {
            return match self.flex.contact_uri.as_deref() {
                Some(uri) if self.addresses().is_some_and(|addresses| addresses.is_ours(uri)) => Voice::Ready,
                _ if self.contact.gave_up() => Voice::Unavailable(Why::ContactUri),
                _ => Voice::Connecting,
            };
        }
        let report = self.report();
        if let Some(wrong) = &report.wrong_identity {
            return match Why::from(wrong.clone()) {
                Why::OtherAgent if !self.settled(now) => Voice::Connecting,
                why => Voice::Unavailable(why),
            };
        }
        if let Some(problem) = &report.state.problem {
            return Voice::Unavailable(Why::Problem(problem.clone()));
        }
        if report.error {
            return Voice::Unavailable(Why::Error);
        }
        match report.state.status {
            _ if !self.settled(now) => Voice::Connecting,
            Status::WaitingForFlex | Status::WaitingForToken if !report.is_old() => {
                Voice::Unavailable(Why::NoToken)
            }
            _ => Voice::Unavailable(Why::NotRegistered),
        }
    }

    /// True when a call that Twilio sends to the extension now would arrive there.
    fn can_take_calls(&self, now: Monotonic) -> bool {
        self.config.is_ok()
            && self.session.signed_out().is_none()
            && self.lifeline.is_up(now)
            && self.report().is_available()
    }

    /// The live call's phase and mute state: as Flex shows it, or as the extension says it while Flex cannot.
    fn call_shown(&self) -> Option<(CallPhase, bool)> {
        self.call.shown().or_else(|| self.report().state.call.as_ref().map(|call| (call.state, call.muted)))
    }

    /// The voice client has not been ready for so long that it is not a passing matter.
    fn settled(&self, now: Monotonic) -> bool {
        self.not_ready_since.is_some_and(|since| now.since(since) >= voice::SETTLE_MS)
    }

    fn hang_up(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        if self.call.is_live() {
            self.hang_up_until = None;
            self.apply(lifeline::Event::HangUp, now, out);
        } else {
            // The agent was faster than the call.
            self.hang_up_until = self.expects_call(now).then(|| now.plus(HANG_UP_WAITS_MS));
        }
    }

    /// Nobody is there to take calls, and it is not known that this will change.
    fn is_gone(&self, now: Monotonic) -> bool {
        let given_up = self.report().state.problem.as_ref().is_some_and(|problem| !problem.retrying);
        self.config.is_err()
            || self.lifeline.trouble(now).is_some()
            || self.report().wrong_identity.is_some()
            || (given_up && !self.report().is_available() && self.report().state.call.is_none())
    }

    /// Where calls should go.
    fn goal(&mut self, now: Monotonic) -> Goal {
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
        let arrives = self.report().is_available() && self.lifeline.is_up(now);
        if arrives { Goal::Extension(addresses) } else { Goal::Leave }
    }

    /// Compares what is with what should be, for every concern.
    fn step(&mut self, heartbeat: bool, now: Monotonic, out: &mut Vec<Command>) {
        self.speak(now, out);

        let was_ready = self.not_ready_since.is_none();
        let goal = self.goal(now);
        if goal == Goal::Leave {
            self.contact.replenish();
        }
        self.contact.step(&goal, &self.flex, now, out);

        let call = self.wanted_call(now);
        self.call.step(call, self.flex.active_call, heartbeat, out);
        if self.hang_up_until.is_some_and(|until| now < until) && self.call.is_live() {
            self.hang_up(now, out);
        }

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
        let is_up = self.lifeline.is_up(now);
        self.notices.clear(ready && !was_ready, self.flex.reservation_pending, out);
        self.notices.look_for_the_call(is_up.then(|| self.lifeline.report()), ready, &self.words, out);
        let on_call = is_up && self.call_shown().is_some();
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
        match &voice {
            Voice::Unavailable(why) if unavailable => {
                self.notices.notify(why, told_by_move, &self.words, out)
            }
            Voice::Ready if was_ready => self.notices.all_is_well(),
            _ => {}
        }

        let line = view::compose(&voice, self.report(), is_up, &self.words);
        self.show(Some(line), out);
    }

    /// Says what the extension has to hear of Flex and has not heard yet.
    fn speak(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        let live = self.is_on_call(now);
        let reservations = &self.flex.voice_reservations;
        self.expect.look(reservations, live, now);
        let expected = self.expect.list(reservations);
        let task = self.flex.voice_task.as_ref();
        let held = task
            .and_then(|task| Some(Held { call_sid: task.worker_call_sid.clone(), on_hold: task.on_hold? }));
        self.apply(lifeline::Event::Expect(expected), now, out);
        self.apply(lifeline::Event::Hold(held), now, out);
        let mut said = Vec::new();
        self.lifeline.settle(now, &mut said);
        self.pass_on(said, out);
    }

    /// The call that should be in Flex's store.
    fn wanted_call(&self, now: Monotonic) -> Option<CallProxy> {
        if !self.lifeline.is_up(now) {
            // Nobody would hear its buttons. Without it Flex's hang-up wraps the task up through TaskRouter.
            // Inferred: that this also ends the agent's leg; the store keeps `lastCallSid`, so no *Join Call*
            // shows.
            return None;
        }
        let report = self.report();
        if let Some(call) = &report.state.call {
            return Some(CallProxy {
                sid: call.sid.as_str().to_owned(),
                from: call.from.clone(),
                muted: self.lifeline.is_muted(call, now),
                phase: call.state,
            });
        }
        // The old extension does not speak of calls: an accepted voice task, and calls coming to it, must do.
        let ours = report.identity.as_ref().map(Identity::contact_uri);
        let task = self.flex.voice_task.as_ref()?;
        (report.is_old()
            && report.beating
            && ours.zip(self.flex.contact_uri.as_ref()).is_some_and(|(ours, is)| same_client(&ours, is)))
        .then_some(())?;
        Some(CallProxy {
            sid: task.worker_call_sid.clone()?,
            from: task.from.clone(),
            muted: false,
            phase: CallPhase::Open,
        })
    }
}

impl sansio::Machine for Machine {
    type Time = Monotonic;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        self.lifeline.look(now);
        let heartbeat = self.take(event, now, &mut out);
        self.compare(heartbeat, now, &mut out);
        out
    }

    fn handle_timeout(&mut self, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        self.lifeline.look(now);
        self.compare(false, now, &mut out);
        out
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        let own = [
            self.not_ready_since.map(|since| since.plus(voice::SETTLE_MS)),
            self.gone_since.map(|since| since.plus(GONE_MS)),
            self.session.deadline(),
            self.expect.deadline(),
        ];
        let kept = self.contact.deadlines().into_iter().chain(self.activity.deadlines());
        let own = sansio::next_after(self.looked_at, own.into_iter().chain(kept));
        sansio::earliest([self.lifeline.poll_timeout(), own])
    }
}
