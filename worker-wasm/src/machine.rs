//! The worker's state machine: every decision of the extension is made here, without a browser, a clock or a
//! network.
//!
//! It is made of *concerns*, each of which owns its fields, and knows of the others only what it is told as plain values.
//! [`Machine`] routes: it takes in what happened, then what time did, and then has each concern *settle*, in a fixed order:
//! compare what is with what should be (a fresh Voice token, a registered `Device`, a warm offscreen document, informed
//! pages) and command the difference. So no decision depends on the order in which things happened.
//!
//! | concern | is about |
//! |---|---|
//! | `service` | account and token service: policy first, else first use, with the agent's word |
//! | [`session`] | whose page is whose, sign-in and sign-out |
//! | `tokens` | Flex tokens in, Voice tokens out |
//! | `registration` | the `Device` |
//! | `call` | the one call, with the one that waits (`waiting`), which are answered by themselves ([`expected`]), and how it sounds (`quality`) |
//! | `offscreen` | the document that carries it |
//! | `audio` | microphone, speaker, volume |
//! | `pages`, `popups` | what Flex pages and the extension's own say and are told |
//! | `videos` | the agent's windows of video sessions |
//! | [`notices`] | notifications, and the toolbar button |
//! | `update` | when a new version takes over |
//! | `journal` | the flight recorder and the counters |
//!
//! Beside them: [`config`], the administrator's policy; [`ports`], who may connect; `view`, what is shown, derived from
//! the facts; [`persisted`], what outlives a killed worker; `context`, what every concern is given.

mod audio;
mod call;
pub mod command;
pub mod config;
pub mod consent;
mod context;
pub mod event;
mod exchange;
pub mod expected;
mod journal;
mod keypad;
pub mod live;
pub mod notice;
pub mod notices;
mod offscreen;
mod pages;
pub mod persisted;
mod popups;
pub mod ports;
pub mod quality;
mod registration;
mod service;
pub mod session;
pub mod sign_in;
pub mod token;
mod tokens;
mod update;
pub mod video_window;
mod videos;
mod view;
mod waiting;

use std::collections::BTreeMap;

pub use command::{Badge, Command, TokenRequest};
pub use event::{
    DeviceEvent, DeviceId, Event, FetchOutcome, MicrophonePermission, OfferId, PageMessage, PortId, Sender,
};
use kernel::Timestamp;
use messages::{
    english::{self, Cause},
    problems,
};
pub use persisted::{Persisted, Preferences};
use protocol::{
    offscreen::{FromOffscreen, ToOffscreen},
    page::{Configure, FlexToken, ShowVideo, SignOutReason, ToExtension},
    popup::{FromPopup, Refused},
    state::{ClientState, UiState},
};

use self::{
    audio::Audio,
    call::{Around, Call, CallCommand},
    config::{Policy, PolicyValues},
    consent::Agreement,
    context::Context,
    expected::Desk,
    notices::{Notice, NoticeController, NoticeId, Said as Notices, Shortcut},
    offscreen::{Offscreen, Wanted},
    pages::{News, Pages},
    popups::Popups,
    ports::{Peer, Trust},
    registration::{Offering, Registration, TokenNews},
    service::{Service, consent_needed},
    session::{Held, Said, Sessions, Standing, Verdict},
    sign_in::{Claim, Session, TokenDigest},
    token::HeldFlexToken,
    tokens::{Answer, Tokens},
    update::Update,
    videos::Videos,
    view::{Facts, badge},
};

/// A clock that is set back by more than this takes the deadlines along.
const CLOCK_TOLERANCE_MS: u64 = 1_000;
/// The longest note of the offscreen document that goes to the log.
const MAX_NOTE_CHARS: usize = 200;

/// What a worker process knows when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// Who may connect.
    pub trust: Trust,
    /// The extension's version.
    pub version: String,
    pub started_at: Timestamp,
    /// Any number; another in each process. For jitter only.
    pub seed: u64,
}
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    trust: Trust,
    version: String,
    started_at: Timestamp,
    /// Events that came before the saved state was read; `None` once it was.
    backlog: Option<Vec<Event>>,
    saved: Persisted,
    written: Preferences,
    watchdog: Option<bool>,

    cx: Context,
    service: Service,
    sessions: Sessions,
    tokens: Tokens,
    registration: Registration,
    call: Call,
    offscreen: Offscreen,
    audio: Audio,
    pages: Pages,
    popups: Popups,
    videos: Videos,
    notices: NoticeController,
    update: Update,
}

impl sansio::Machine for Machine {
    type Time = Timestamp;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        self.follow_clock(now);
        if let Some(backlog) = &mut self.backlog {
            let Event::Started { persisted, preferences, policy } = event else {
                backlog.push(event);
                return Vec::new();
            };
            let backlog = self.backlog.take();
            self.started(persisted, *preferences, &policy);
            for event in backlog.into_iter().flatten() {
                self.handle_event(event);
            }
        } else {
            self.handle_event(event);
        }
        self.go_on()
    }

    fn handle_timeout(&mut self, now: Timestamp) -> Vec<Command> {
        self.follow_clock(now);
        if self.backlog.is_some() { Vec::new() } else { self.go_on() }
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        sansio::earliest([
            self.sessions.next(),
            self.tokens.next(),
            self.registration.next(),
            self.call.next(),
            self.offscreen.next(),
            self.pages.next(),
            self.videos.next(),
            self.notices.next(),
        ])
    }
}

/// Events in, and what follows from them.
impl Machine {
    /// A machine that waits for [`Event::Started`].
    #[must_use]
    pub fn new(boot: Boot) -> Self {
        Self {
            trust: boot.trust,
            version: boot.version,
            started_at: boot.started_at,
            backlog: Some(Vec::new()),
            saved: Persisted::default(),
            written: Preferences::default(),
            watchdog: None,
            cx: Context::new(boot.started_at, boot.seed),
            service: Service::default(),
            sessions: Sessions::default(),
            tokens: Tokens::default(),
            registration: Registration::default(),
            call: Call::default(),
            offscreen: Offscreen::default(),
            audio: Audio::default(),
            pages: Pages::default(),
            popups: Popups::default(),
            videos: Videos::default(),
            notices: NoticeController::default(),
            update: Update::default(),
        }
    }

    /// The state as pages see it.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> ClientState {
        self.facts(now).client()
    }

    /// The deadlines keep their distance when the clock is set back; set forward, they are due at once, which
    /// is harmless.
    fn follow_clock(&mut self, now: Timestamp) {
        let back = self.cx.now.since(now);
        if back > CLOCK_TOLERANCE_MS {
            self.sessions.shift_back(back);
            self.tokens.shift_back(back);
            self.registration.shift_back(back);
            self.call.shift_back(back);
            self.offscreen.shift_back(back);
            self.pages.shift_back(back);
            self.videos.shift_back(back);
        }
        self.cx.now = now;
    }

    fn started(
        &mut self,
        persisted: Option<Box<Persisted>>,
        preferences: Preferences,
        policy: &PolicyValues,
    ) {
        let now = self.cx.now;
        self.service.remember(&preferences);
        self.audio.remember(&preferences);
        self.written = preferences;
        if let Some(persisted) = persisted {
            self.cx.journal.restore(&persisted);
            self.cx.info("The worker was started again and goes on from its saved state.");
            self.service.restore(&persisted);
            self.sessions.restore(&persisted, now);
            self.tokens.restore(&persisted, now);
            self.registration.restore(&persisted, now);
            self.call.restore(&persisted, now);
            self.offscreen.restore(&persisted, now);
            self.audio.restore(&persisted);
            self.pages.restore(&persisted);
            self.videos.restore(&persisted, now);
            self.notices.restore(&persisted);
            self.update.restore(&persisted, &self.version);
            self.saved = *persisted;
        } else {
            self.cx.info(format!("Version {} has started.", self.version));
            // Installed, updated or enabled while Flex was open: Chrome puts content scripts only into pages that
            // are loaded from now on.
            self.cx.push(Command::EnterOpenPages);
        }
        self.cx.count("workers_started");
        self.cx.push(Command::CheckMicrophone);
        self.policy_changed(policy);
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            // The saved state was read once; there is no second start.
            Event::Started { .. } => {}
            Event::PolicyChanged { policy } => self.policy_changed(&policy),
            Event::Installed { first } => {
                if first {
                    self.audio.installed();
                }
                self.cx.push(Command::CheckMicrophone);
            }
            Event::UpdateAvailable { version } => self.update.available(version, &mut self.cx),
            Event::BrowserStarted => self.cx.info("The browser has started."),
            // Waking the worker to look at its deadlines is what the alarm is for; a permission can be taken
            // back at any time.
            Event::Alarm => self.cx.push(Command::CheckMicrophone),
            Event::PortOpened { port, name, sender } => self.port_opened(port, &name, &sender),
            Event::PortClosed { port } => self.port_closed(port),
            Event::FromPage { port, message } => self.on_page_message(port, message),
            Event::FromPopup { port, message } => self.on_popup_message(port, message),
            Event::FromOffscreen { port, message } => self.on_offscreen_message(port, message),
            Event::FromVideo { port, message } => self.videos.on_message(port, message, &mut self.cx),
            Event::VideoOpened { number, window } => {
                if let Some(page) = self.videos.opened(number, window, &mut self.cx) {
                    Pages::refuse_video(page, english::VIDEO_NOT_OPENED, &mut self.cx);
                }
            }
            Event::VideoNotFound { window } => self.videos.not_found(window, &mut self.cx),
            Event::WindowClosed { window } => self.videos.window_closed(window),
            Event::Microphone(permission) => self.audio.permission_read(permission, &mut self.cx),
            Event::Fetched { attempt, outcome } => self.fetched(attempt, &outcome),
            Event::Device { device, event } => self.on_device_event(device, event),
            Event::OffscreenOpened { ok } => self.offscreen.opened(ok, &mut self.cx),
            Event::OffscreenClosed => self.offscreen.closed(),
            Event::Shortcut(shortcut) => {
                let done = match shortcut {
                    Shortcut::Mute => self.toggle_mute(),
                    Shortcut::HangUp => self.hang_up(),
                    Shortcut::AnswerWaiting => self.answer_waiting(),
                };
                if let Err(refused) = done {
                    self.cx.info(format!("A key did nothing: {}", problems::refusal(refused)));
                }
            }
            Event::NoticeClicked(id) => self.notices.clicked(id, &mut self.cx),
            Event::NoticeButton { id, button } => {
                let done = match (id, button) {
                    (NoticeId::Call, 0) => self.toggle_mute(),
                    (NoticeId::Call, 1) => self.hang_up(),
                    (NoticeId::Waiting, 0) => self.answer_waiting(),
                    (NoticeId::Waiting, 1) => self.with_call(|call, _, cx| call.decline_waiting(None, cx)),
                    _ => Ok(()),
                };
                // What cannot be done any more is no longer shown either.
                if let Err(refused) = done {
                    let why = problems::refusal(refused);
                    self.cx.info(format!("A notification's button came too late: {why}"));
                }
            }
            Event::NoticeClosed(id) => self.notices.closed(id),
        }
    }

    /// What time has done, and what is to be done.
    fn go_on(&mut self) -> Vec<Command> {
        self.time_passes();
        self.settle();
        self.cx.take_commands()
    }

    fn time_passes(&mut self) {
        let now = self.cx.now;
        self.sessions.time_passes(now);
        if let Some(attempt) = self.tokens.time_passes(now) {
            self.fetched(attempt, &FetchOutcome::TimedOut);
        }
        self.registration.time_passes(&mut self.cx);
        self.with_call(Call::time_passes);
        let is_in_use = self.call.is_busy() || self.audio.is_tested();
        self.offscreen.time_passes(is_in_use, &mut self.cx);
        self.pages.time_passes(now);
        self.videos.time_passes(now);
        self.notices.time_passes(now);
    }

    fn settle(&mut self) {
        self.settle_agent();
        self.with_call(Call::settle);
        if self.tokens.settle(self.service.agreed(&self.cx.policy), &mut self.cx) {
            self.pages.ask_for_flex_token(self.cx.now);
        }
        let live = self.call.is_offering();
        let offering = Offering { any: live || self.call.waiting().is_some(), live };
        let voice = self.tokens.voice().filter(|_| !self.sessions.has_leftover());
        if self.registration.settle(voice, offering, &mut self.cx) {
            self.call.offers_gone();
        }
        self.settle_audio();
        self.offscreen.settle(
            Wanted {
                has_call: self.call.live().is_some(),
                for_devices: self.audio.is_tested() || self.popups.is_options_open(),
                voice: self.tokens.voice(),
                is_registered: is_registered(&self.registration, &self.tokens, &self.sessions),
                edge: self.registration.edge(),
            },
            &mut self.cx,
        );
        self.with_call(|call, around, cx| call.settle_document(around, cx.now));
        let service = self.service.agreed(&self.cx.policy).map(|config| config.token_url.origin());
        self.videos.settle(self.call.live().is_some(), service, &mut self.cx);
        self.settle_views();
        let watchdog = self.service.config().is_some();
        if self.watchdog != Some(watchdog) {
            self.watchdog = Some(watchdog);
            self.cx.push(Command::Watchdog { on: watchdog });
        }
        let has_call = self.call.is_busy() || self.call.has_offer() || self.videos.is_in_room();
        self.update.settle(has_call, self.pages.count().1 > 0, &mut self.cx);
        self.save();
    }

    /// Who is signed in, and whether that may stay so.
    fn settle_agent(&mut self) {
        // Lets go of a configuration that policy no longer allows; of a live call only when it has ended.
        let is_allowed = self
            .service
            .config()
            .is_none_or(|config| self.cx.policy.allows(&config.account, &config.token_url, &config.prefix));
        if !is_allowed && !self.call.is_busy() {
            self.cx.warn("The administrator's policy names another account or token service: starting over.");
            self.forget();
        }
        if self.sessions.settle_leftover(self.call.sid(), self.tokens.identity()) {
            self.call.forget_agent();
        }
        // A live call keeps its agent signed in, and so does a room.
        let is_signed_in = self.tokens.voice().is_some() || self.tokens.flex().is_some();
        let is_absent = is_signed_in
            && self.call.live().is_none()
            && !self.videos.is_in_room()
            && !self.standings().values().any(|standing| standing.is_present);
        if self.sessions.settle_absence(is_absent, &mut self.cx) {
            self.leave(false);
        }
    }

    fn settle_audio(&mut self) {
        let is_open = self.call.live().is_some_and(|call| call.view.answered_at.is_some());
        self.audio.settle(self.offscreen.port(), is_open, &mut self.cx);
    }

    /// Tells pages and people what is new to them.
    fn settle_views(&mut self) {
        for (document, session) in self.pages.documents() {
            self.sessions.save_session(document, session.clone());
        }
        let news = self.news();
        self.pages.settle(&news, &mut self.cx);
        if self.popups.is_any_open() {
            self.popups.settle(&self.ui_state(), &mut self.cx);
        }
        let state = self.state(self.cx.now);
        let is_asked = self.pages.consent_request().is_some();
        let problem = state.problem.as_ref().filter(|_| self.service.config().is_some());
        let said = Notices {
            call: self
                .call
                .live()
                .filter(|call| call.view.answered_at.is_some())
                .map(|call| Notice::Call { from: call.view.from.clone(), muted: call.view.muted }),
            waiting: self.call.waiting().filter(|waiting| !waiting.answered).map(|waiting| Notice::Waiting {
                from: waiting.view.from.clone(),
                hangs_up: self.call.live().is_some(),
                unexpected: waiting.view.unexpected,
            }),
            problem: if is_asked {
                Some((consent_needed().code, false))
            } else {
                problem.map(|problem| (problem.code, problem.retrying))
            },
        };
        self.notices.settle(said, badge(&state, is_asked), &mut self.cx);
    }

    fn save(&mut self) {
        let saved = &mut self.saved;
        let is_news = self.service.save(saved)
            | self.sessions.save(saved)
            | self.tokens.save(saved)
            | self.registration.save(saved)
            | self.call.save(saved)
            | self.offscreen.save(saved)
            | self.audio.save(saved)
            | self.pages.save(saved)
            | self.videos.save(saved)
            | self.notices.save(saved)
            | self.update.save(saved)
            | self.cx.journal.save(saved);
        if is_news {
            self.cx.push(Command::Save(Box::new(self.saved.clone())));
        }
        if self.service.write(&mut self.written) | self.audio.write(&mut self.written) {
            self.cx.push(Command::SavePreferences(Box::new(self.written.clone())));
        }
    }
}

/// What one concern is told of the others.
impl Machine {
    fn held(&self) -> Held<'_> {
        held(&self.tokens, &self.service)
    }

    /// How the accepted pages' sessions stand.
    fn standings(&self) -> BTreeMap<PortId, Standing> {
        let held = self.held();
        let sessions = self.pages.sessions();
        sessions.map(|(port, session)| (port, self.sessions.standing(session, held))).collect()
    }

    fn facts(&self, now: Timestamp) -> Facts<'_> {
        let has_call = self.call.live().is_some();
        Facts {
            is_configured: self.service.config().is_some(),
            is_registered: is_registered(&self.registration, &self.tokens, &self.sessions),
            was_registered: self.registration.confirmed().is_some(),
            has_leftover: self.sessions.has_leftover(),
            may_sign_in: self.pages.may_sign_in(),
            has_voice: self.tokens.voice().is_some(),
            has_good_voice: self.tokens.voice().is_some_and(|voice| voice.is_good(now)),
            flex_expires_at: self.tokens.flex().map(|flex| flex.expires_at),
            has_usable_flex: self.tokens.usable_flex(now).is_some(),
            waits_for_flex: self.tokens.waits_for_flex(now),
            token_problem: self.tokens.problem(),
            gateway_problem: self.registration.problem(),
            call_problem: self.call.problem(),
            microphone_problem: self.audio.problem(),
            device_problem: self.audio.missing_in_call(has_call),
            call: self.call.view(has_call && self.audio.is_muted()),
            waiting: self.call.waiting().map(|waiting| &waiting.view),
            audio: self.audio.state(&self.cx.policy),
            version: &self.version,
        }
    }

    fn news(&self) -> News {
        let facts = self.facts(self.cx.now);
        let held = self.held();
        let states = self.pages.sessions().map(|(port, session)| {
            let standing = self.sessions.standing(session, held);
            (port, (facts.page(session, standing), standing.is_confirmed))
        });
        let is_restoring = self.registration.is_restoring();
        let is_new = facts.is_configured && (facts.is_registered || !is_restoring);
        News {
            states: states.collect(),
            identity: self.registration.confirmed().filter(|_| is_new).cloned(),
            is_registered: facts.is_registered,
            has_error: facts.is_configured && !is_restoring && facts.has_error(),
        }
    }

    /// The view of popup, options and welcome pages.
    fn ui_state(&self) -> UiState {
        let (config, policy) = (self.service.config(), &self.cx.policy);
        let (pages_open, pages_connected) = self.pages.count();
        let voice = self.tokens.voice();
        // Whose session the newest one is, the service has not said yet: perhaps somebody else looks at this.
        let is_undecided = self.sessions.is_undecided();
        let mut client = self.state(self.cx.now);
        client.problem = client.problem.or_else(|| self.pages.problem().cloned());
        UiState {
            client,
            account_sid: config.map(|config| &config.account).or(only(&policy.accounts)).cloned(),
            identity: voice.filter(|_| !is_undecided).map(|voice| voice.identity.clone()),
            token_service: config
                .map(|config| &config.token_url)
                .or(only(&policy.token_urls))
                .map(|url| url.origin().to_owned()),
            managed: policy.is_managed(),
            pages_open,
            pages_connected,
            voice_token_expires_at: voice.and_then(|voice| voice.expires_at),
            worker_started_at: self.started_at,
            version: self.version.clone(),
            log: self.cx.journal.log().iter().cloned().collect(),
            policy: policy.items.clone(),
            policy_complaints: policy.complaints.clone(),
            may_restart: policy.may_restart,
            may_change_settings: policy.may_change_settings,
            consent: self.pages.consent_request(),
            quality: self.call.samples().iter().copied().collect(),
            calls: if is_undecided { Vec::new() } else { self.call.ended().iter().cloned().collect() },
            counters: self.cx.journal.counters().clone(),
        }
    }

    fn around(&self) -> Around {
        let held = self.held();
        let confirmed = self
            .pages
            .sessions()
            .filter(|(_, session)| self.sessions.standing(session, held).is_confirmed)
            .filter_map(|(port, session)| Some((session.agent.clone(), self.pages.expects(port)?.clone())));
        Around {
            document: self.offscreen.port(),
            voice: self.tokens.voice().map(|voice| voice.token.clone()),
            edge: self.registration.edge().map(str::to_owned),
            desk: Desk { pages: confirmed.collect(), agent: held.voice.cloned().zip(held.prefix.cloned()) },
        }
    }

    /// Has something done to the calls, and then what they need of others.
    fn with_call<T>(&mut self, what: impl FnOnce(&mut Call, &Around, &mut Context) -> T) -> T {
        let around = self.around();
        let done = what(&mut self.call, &around, &mut self.cx);
        let needs = self.call.take_needs();
        for _ in 0..needs.carried {
            self.offscreen.call_carried(self.cx.now);
        }
        if needs.no_document {
            self.offscreen.close(&mut self.cx);
        }
        if needs.new_notice {
            self.notices.is_over(NoticeId::Waiting);
        }
        done
    }
}

/// What the administrator and the agent decide.
impl Machine {
    fn policy_changed(&mut self, values: &PolicyValues) {
        let policy = Policy::read(values);
        if policy == self.cx.policy {
            return;
        }
        if policy.edges != self.cx.policy.edges {
            self.registration.edges_changed();
        }
        self.cx.policy = policy;
        self.cx.info("The administrator's policy was read.");
        for complaint in self.cx.policy.complaints.clone() {
            self.cx.complain(complaint.to_string());
        }
        // A page that was refused under the old policy may be welcome now, and the other way round.
        let is_agreed = self.service.config().is_none() || self.service.agreed(&self.cx.policy).is_some();
        self.pages.policy_changed(is_agreed, &mut self.cx);
        self.reconsider_pages();
    }

    /// Judges the pages that wait for the agent's word once more.
    fn reconsider_pages(&mut self) {
        for (port, wish) in self.pages.undecided() {
            self.configure(port, &wish);
        }
    }

    /// The agent's answer to what they were asked.
    ///
    /// # Errors
    /// When that is not what was asked: another page may have asked meanwhile.
    fn consented(&mut self, agreement: Agreement, allow: bool) -> Result<(), Refused> {
        let asked = self.pages.consent_request();
        if asked.is_none_or(|asked| {
            asked.account_sid != agreement.account || asked.token_url != agreement.token_url
        }) {
            return Err(Refused::QuestionChanged);
        }
        self.service.answer(agreement, allow, &mut self.cx);
        self.reconsider_pages();
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Refused> {
        if !self.cx.policy.may_restart {
            return Err(Refused::RestartFixed);
        }
        if self.call.live().is_some() {
            return Err(Refused::RestartInCall);
        }
        self.cx.info("Restarted by hand: waiting for Flex.");
        self.forget();
        Ok(())
    }

    /// Forgets account, tokens and registration. Pages are told, and reconnect.
    fn forget(&mut self) {
        self.call.reset(&mut self.cx);
        self.registration.reset(&mut self.cx);
        self.service.reset();
        self.sessions.reset();
        self.tokens.reset();
        self.offscreen.reset(&mut self.cx);
        self.videos.agent_leaves(&mut self.cx);
        let news = self.news();
        self.pages.dismiss(&news, &mut self.cx);
    }

    fn toggle_mute(&mut self) -> Result<(), Refused> {
        self.with_call(Call::toggle_mute)
    }

    fn hang_up(&mut self) -> Result<(), Refused> {
        self.with_call(|call, around, cx| call.command(None, CallCommand::HangUp, around, cx))
    }

    fn answer_waiting(&mut self) -> Result<(), Refused> {
        self.with_call(|call, around, cx| call.answer_waiting(None, around, cx))
    }
}

/// Who signs in, and who is signed out.
impl Machine {
    /// A FLEX_TOKEN of an accepted page.
    fn flex_token(&mut self, port: PortId, message: FlexToken, expires_at: Option<Timestamp>) {
        let now = self.cx.now;
        let Some(config) = self.service.config() else { return };
        let expires_at = match Tokens::judge(&message, expires_at, config, now) {
            Ok(expires_at) => expires_at,
            Err(cause) => return Pages::refuse_token(port, cause, &mut self.cx),
        };
        let Some(before) = self.pages.before_token(port) else { return };
        let digest = TokenDigest::of(&message.token);
        let said = Said {
            token: digest.clone(),
            agent: message.agent_identity,
            expires_at,
            before: before.session,
            begins: before.begins,
            is_answer: before.is_answer,
        };
        let is_wrong = self.tokens.is_wrong_identity();
        match self.sessions.judge(said, held(&self.tokens, &self.service), is_wrong, now) {
            Verdict::Ignored => {}
            Verdict::Noted(session) => self.pages.set_session(port, session),
            Verdict::Taken { session, of } => {
                let agent = session.agent.clone();
                self.pages.set_session(port, session);
                if of == Some(Claim::Another) {
                    self.take_down();
                }
                let flex = HeldFlexToken { token: message.token, digest, agent, expires_at, refused: false };
                self.tokens.hold(flex, of.is_some(), now);
            }
        }
    }

    /// The token service has answered, or not.
    fn fetched(&mut self, attempt: u32, outcome: &FetchOutcome) {
        let config = self.service.config();
        match self.tokens.answered(attempt, outcome, config, &self.cx) {
            None => {}
            Some(Answer::Minted(voice, digest)) => {
                let old = self.tokens.identity();
                let is_same_agent = old == Some(&voice.identity);
                if old.is_some() && !is_same_agent {
                    self.cx.warn("The token service names another identity than before: registering anew.");
                    self.take_down();
                }
                self.sessions.minted(digest, is_same_agent);
                self.tokens.take(voice, &mut self.cx);
            }
            Some(Answer::Failed(failure)) => {
                if let Some(token) = self.tokens.failed(failure, &mut self.cx) {
                    // The newest session is not one that calls may arrive for: nothing of the agent before is left
                    // either.
                    self.sessions.note_refusal(&token, self.cx.now);
                    self.take_down();
                } else if self.sessions.is_undecided() {
                    // Perhaps another agent sits here, and nobody can say.
                    self.take_down();
                }
            }
        }
    }

    /// The agent of a page signs out. A page that is not theirs who is signed in signs out for itself alone.
    fn sign_out(&mut self, port: PortId, reason: SignOutReason) {
        let for_good = reason != SignOutReason::Offline;
        let standings = self.standings();
        let Some(standing) = standings.get(&port) else { return };
        let is_present = standing.is_confirmed || standing.is_newest;
        self.pages.mark_signed_out(|at| {
            // An activity is the agent's, in all of their tabs; a login ends in the tab that says so, and the others are
            // asked whether theirs stands.
            let is_theirs = standings.get(&at).is_some_and(|standing| standing.is_present);
            at == port || (is_present && !for_good && is_theirs)
        });
        if !is_present {
            if let Some(token) = self.pages.session(port).and_then(|session| session.token.clone()) {
                self.sessions.leave_page(token, for_good);
            }
            return;
        }
        self.cx.count("signed_out");
        self.cx.info(match reason {
            SignOutReason::Logout => "The agent has logged out.",
            SignOutReason::SessionEnded => "The agent's Flex session has ended.",
            SignOutReason::Offline => "The agent has gone offline.",
        });
        self.leave(for_good);
        if for_good {
            self.pages.ask_at_once(self.cx.now);
        }
    }

    /// Nobody is signed in any more.
    fn leave(&mut self, for_good: bool) {
        let flex = self.tokens.drop_flex();
        self.sessions.leave(flex, for_good);
        self.take_down();
    }

    /// Takes the registration down, with all that was the agent's whose it was. The `Device` goes as soon as it is not
    /// offering a call that the offscreen document is about to take.
    fn take_down(&mut self) {
        let identity = self.tokens.drop_voice();
        self.registration.take_down();
        self.pages.forget_errors();
        self.with_call(|call, _, cx| call.agent_leaves(cx));
        self.videos.agent_leaves(&mut self.cx);
        self.sessions.take_down(self.call.sid(), identity.as_ref());
        if let Some(identity) = identity {
            self.cx.journal.forget(&identity);
            self.cx.info("Nobody is registered any more.");
        }
    }

    /// Something happened to a `Device`.
    fn on_device_event(&mut self, device: DeviceId, event: DeviceEvent) {
        match event {
            // A call is told apart by its offer, also when its Device was replaced meanwhile.
            DeviceEvent::OfferGone { offer } => self.with_call(|call, _, cx| call.offer_gone(offer, cx)),
            DeviceEvent::Incoming { offer, .. } if !self.registration.is_current(device) => {
                self.cx.push(Command::IgnoreOffer { offer });
            }
            // For somebody who has gone: its caller is routed on.
            DeviceEvent::Incoming { offer, call_sid, .. }
                if (self.tokens.voice().is_none() || self.sessions.has_leftover())
                    && self.call.sid().is_none_or(|sid| sid.as_str() != call_sid) =>
            {
                self.cx.push(Command::RejectOffer { offer });
            }
            DeviceEvent::Incoming { offer, call_sid, connect_token, from } => {
                self.with_call(|call, around, cx| {
                    call.incoming(offer, call_sid, connect_token, from.as_deref(), around, cx);
                });
            }
            event => {
                match self.registration.on_device_event(device, event, self.tokens.identity(), &mut self.cx) {
                    Some(TokenNews::Accepted) => self.tokens.accepted(),
                    Some(TokenNews::Refused) => self.tokens.refused(&mut self.cx),
                    Some(TokenNews::Expiring) => self.tokens.expiring(self.cx.now),
                    None => {}
                }
            }
        }
    }
}

/// Who connects, and what they say.
impl Machine {
    fn port_opened(&mut self, port: PortId, name: &str, sender: &Sender) {
        let is_welcome = match self.trust.judge(name, sender) {
            Some(Peer::Page { tab, origin, document }) => {
                self.pages.port_opened(port, tab, origin, document, &mut self.cx)
            }
            Some(Peer::Popup { is_options }) => {
                // Whoever looks sees what is plugged in now: not every plug comes with an event.
                self.cx.send_to_offscreen(self.offscreen.port(), ToOffscreen::ListDevices);
                self.popups.port_opened(port, is_options);
                true
            }
            Some(Peer::Offscreen) => {
                self.offscreen.port_opened(port);
                true
            }
            Some(Peer::Video { window }) => {
                self.videos.port_opened(port, window);
                true
            }
            None => {
                self.cx.count("connections_refused");
                self.cx.complain("Refused a connection from somebody that may not connect.");
                false
            }
        };
        if !is_welcome {
            self.cx.push(Command::ClosePort { port });
        }
    }

    fn port_closed(&mut self, port: PortId) {
        self.offscreen.port_closed(port);
        self.popups.port_closed(port);
        self.videos.port_closed(port, self.cx.now);
        // The page of the extension is gone, and with it the test that it started.
        self.audio.test_microphone(port, false);
        if let Some(document) = self.pages.port_closed(port) {
            self.sessions.forget_session(&document);
        }
    }

    fn configure(&mut self, port: PortId, wish: &Configure) {
        let document = self.pages.new_document(port);
        let known = document.and_then(|document| self.sessions.saved_session(document));
        let Some(origin) = self.pages.start_over(port, wish, known) else { return };
        match self.service.judge(wish, origin, &self.cx.policy) {
            Ok((config, true)) => {
                self.service.pin(config, &mut self.cx);
                self.cx.push(Command::CheckMicrophone);
                self.pages.accept(port);
            }
            Ok((config, false)) => {
                self.pages.wait_for_consent(port, wish, config, consent_needed(), &mut self.cx);
            }
            Err(problem) => self.pages.reject(port, problem, &mut self.cx),
        }
    }

    /// A message of a page. Of somebody else's call a page knows nothing, and does nothing to it.
    fn on_page_message(&mut self, port: PortId, message: PageMessage) {
        let Some((message, expires_at)) = self.pages.on_message(port, message, &mut self.cx) else { return };
        let name = message.name();
        let done = match message {
            ToExtension::Configure { payload } => return self.configure(port, &payload),
            ToExtension::FlexToken { payload } => return self.flex_token(port, payload, expires_at),
            ToExtension::SignOut { payload } => return self.sign_out(port, payload.reason),
            ToExtension::ExpectCalls { payload } => {
                if let Some(relisted) = self.pages.say_expected(port, payload) {
                    self.with_call(|call, around, cx| call.expect(&relisted, around, cx.now));
                }
                return;
            }
            ToExtension::ShowVideo { payload } => {
                if let Err(cause) = self.show_video(port, payload) {
                    Pages::refuse_video(port, cause, &mut self.cx);
                }
                return;
            }
            ToExtension::CallContext { payload } => {
                if self.sees_calls(port) {
                    self.call.context(&payload);
                }
                return;
            }
            ToExtension::HangUp { payload } => {
                self.page_commands(port, payload.map(|call| call.call_sid).as_ref(), CallCommand::HangUp)
            }
            ToExtension::SetMute { payload } => {
                self.page_commands(port, None, CallCommand::SetMute(payload.muted))
            }
            ToExtension::SendDigits { payload } => {
                let admitted = self.call.admit(&payload.digits, &mut self.cx);
                admitted
                    .and_then(|()| self.page_commands(port, None, CallCommand::SendDigits(payload.digits)))
            }
            ToExtension::SelectAudioDevice { payload } => self.audio.select(&payload, &self.cx.policy),
            ToExtension::SetVolume { payload } => self.audio.set_volume(payload.percent, &self.cx.policy),
        };
        if let Err(refused) = done {
            Pages::refuse(port, name, refused, &mut self.cx);
        }
    }

    /// Whoever is signed in has windows of their own; nobody else's click opens any.
    fn show_video(&mut self, port: PortId, wish: ShowVideo) -> Result<(), Cause> {
        let agent = self.tokens.identity().filter(|_| self.sees_calls(port));
        self.videos.show(port, agent.ok_or(english::VIDEO_NOT_SIGNED_IN)?, wish, &mut self.cx)
    }

    /// True when this page is told of calls and may act on them.
    fn sees_calls(&self, port: PortId) -> bool {
        let is_confirmed = |session: &Session| self.sessions.standing(session, self.held()).is_confirmed;
        !self.sessions.has_leftover() && self.pages.session(port).is_some_and(is_confirmed)
    }

    fn page_commands(
        &mut self,
        port: PortId,
        sid: Option<&kernel::CallSid>,
        command: CallCommand,
    ) -> Result<(), Refused> {
        if !self.sees_calls(port) {
            return Err(Refused::NoCall);
        }
        self.with_call(|call, around, cx| call.command(sid, command, around, cx))
    }

    /// A message of the popup or another of the extension's own pages.
    fn on_popup_message(&mut self, port: PortId, message: Option<FromPopup>) {
        if !self.popups.has_port(port) {
            return;
        }
        let done = match message {
            None => Err(Refused::NotUnderstood),
            Some(FromPopup::HangUp { sid }) => {
                self.with_call(|call, around, cx| call.command(sid.as_ref(), CallCommand::HangUp, around, cx))
            }
            Some(FromPopup::SetMute { sid, muted }) => self.with_call(|call, around, cx| {
                call.command(sid.as_ref(), CallCommand::SetMute(muted), around, cx)
            }),
            Some(FromPopup::SendDigits { sid, digits }) => self.with_call(|call, around, cx| {
                call.admit(&digits, cx)?;
                call.command(sid.as_ref(), CallCommand::SendDigits(digits), around, cx)
            }),
            Some(FromPopup::AnswerWaiting { sid }) => {
                self.with_call(|call, around, cx| call.answer_waiting(Some(&sid), around, cx))
            }
            Some(FromPopup::DeclineWaiting { sid }) => {
                self.with_call(|call, _, cx| call.decline_waiting(Some(&sid), cx))
            }
            Some(FromPopup::SelectAudioDevice(wish)) => self.audio.select(&wish, &self.cx.policy),
            Some(FromPopup::SetVolume { percent }) => self.audio.set_volume(percent, &self.cx.policy),
            Some(FromPopup::TestMicrophone { on }) => {
                self.audio.test_microphone(port, on);
                Ok(())
            }
            Some(FromPopup::TestSpeaker) => {
                self.audio.test_speaker();
                Ok(())
            }
            Some(FromPopup::Consent { account_sid, token_url, allow }) => {
                self.consented(Agreement { account: account_sid, token_url }, allow)
            }
            Some(FromPopup::Restart) => self.restart(),
            Some(FromPopup::MicrophoneChanged) => {
                self.call.forget_problem();
                self.cx.push(Command::CheckMicrophone);
                Ok(())
            }
        };
        if let Err(refused) = done {
            Popups::refuse(port, refused, &mut self.cx);
        }
    }

    /// A message of the offscreen document.
    fn on_offscreen_message(&mut self, port: PortId, message: Option<FromOffscreen>) {
        if !self.offscreen.has_port(port) {
            return;
        }
        let Some(message) = message else {
            return self.cx.warn("A message of the offscreen document was not understood.");
        };
        if let FromOffscreen::Hello { call: held } = message {
            if self.offscreen.hello(port) {
                self.audio.document_is_new();
                // Before a call is handed over, so that it begins on the right devices.
                self.settle_audio();
                self.with_call(|call, around, cx| call.document_is_new(held, around, cx));
            }
            return;
        }
        if self.offscreen.port() != Some(port) {
            // The word of a port that was replaced: the new one's Hello says what is.
            return;
        }
        match message {
            FromOffscreen::Hello { .. } => {}
            FromOffscreen::Call { call: held } => {
                self.with_call(|call, around, cx| call.document_holds(held, around, cx));
            }
            FromOffscreen::Ended { call_sid, problem } => {
                self.with_call(|call, around, cx| call.document_ended(&call_sid, problem, around, cx));
            }
            FromOffscreen::Audio { state } => self.audio.changed(*state, &mut self.cx),
            FromOffscreen::Quality { call_sid, sample } => self.call.sampled(&call_sid, sample),
            FromOffscreen::Warning { call_sid, warning, raised } => {
                self.call.warned(&call_sid, warning, raised, &mut self.cx);
            }
            FromOffscreen::Level { percent } => self.audio.level(percent, &mut self.cx),
            FromOffscreen::Ping => self.cx.send_to_offscreen(Some(port), ToOffscreen::Pong),
            FromOffscreen::Note { message } => {
                let note: String = message.chars().take(MAX_NOTE_CHARS).collect();
                self.cx.info(format!("Offscreen document: {note}"));
            }
        }
    }
}

/// What there is of an agent, of the two that know it.
fn held<'a>(tokens: &'a Tokens, service: &'a Service) -> Held<'a> {
    let prefix = service.config().map(|config| &config.prefix);
    Held { voice: tokens.identity(), flex: tokens.flex(), prefix }
}

/// True while the gateway confirms the registration of the agent who is signed in.
fn is_registered(registration: &Registration, tokens: &Tokens, sessions: &Sessions) -> bool {
    !sessions.has_leftover() && registration.is_registered(tokens.identity())
}

/// What there is no choice about.
fn only<T>(choices: &[T]) -> Option<&T> {
    match choices {
        [only] => Some(only),
        _ => None,
    }
}
