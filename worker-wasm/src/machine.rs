//! The worker's state machine: every decision of the extension is made here, without a browser, a clock or a
//! network.
//!
//! `Machine::handle` first takes in what happened, then what time did, and then *settles*: it compares what
//! is with what should be (a fresh Voice token, a registered `Device`, a warm offscreen document, informed
//! pages) and commands the difference. So no decision depends on the order in which things happened.
//!
//! | module | is about |
//! |---|---|
//! | [`config`] | the administrator's policy; account and token service: policy first, else first use |
//! | [`ports`] | who is connected, who is believed, pages and popups |
//! | [`session`] | whose page is whose, sign-in and sign-out |
//! | [`token`] | Flex tokens in, Voice tokens out |
//! | `registration` | the `Device` |
//! | [`call`] | the one call |
//! | [`waiting`] | one that waits for the agent's word |
//! | [`expected`] | which calls are answered by themselves |
//! | [`quality`] | how it sounds |
//! | `audio` | microphone, speaker, volume |
//! | [`consent`] | the agent's word on a token service that no policy names |
//! | [`notices`] | notifications and keys |
//! | `offscreen` | the document that carries it |
//! | `view` | what is shown |
//! | [`persisted`] | what outlives a killed worker |
//! | `update` | when a new version takes over |

mod audio;
pub mod call;
pub mod command;
pub mod config;
pub mod consent;
pub mod event;
pub mod expected;
pub mod notices;
mod offscreen;
pub mod persisted;
pub mod ports;
pub mod quality;
mod registration;
pub mod session;
mod timers;
pub mod token;
mod update;
mod view;
pub mod waiting;

use std::collections::BTreeMap;

pub use command::{Badge, Command, TokenRequest};
pub use event::{
    DeviceEvent, DeviceId, Event, FetchOutcome, MicrophonePermission, OfferId, PageMessage, PortId, Sender,
};
use kernel::{Bucket, Timestamp};
pub use persisted::{Persisted, Remembered};
use protocol::{
    Problem, ProblemCode,
    offscreen::ToOffscreen,
    popup::Refused,
    state::{LogEntry, LogLevel},
};
use sansio::Jitter;

use self::{
    audio::AudioTests,
    config::{Policy, PolicyValues},
    consent::Consent,
    offscreen::Offscreen,
    ports::{Keypad, Peer, Trust},
    quality::Sound,
    registration::Registration,
    timers::{Timer, Timers},
    token::TokenWork,
};

/// After a restart the pages hear of a lost registration only if it does not come back within this time: less
/// than the five seconds after which a plugin misses heartbeats.
const RESTORE_GRACE_MS: u64 = 3_000;
/// A clock that is set back by more than this takes the deadlines along.
const CLOCK_TOLERANCE_MS: u64 = 1_000;

/// What a worker process knows when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// Who may connect.
    pub trust: Trust,
    /// The extension's version.
    pub version: String,
    /// Now.
    pub started_at: Timestamp,
    /// Any number; another in each process. For jitter only.
    pub seed: u64,
}

/// The machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    trust: Trust,
    version: String,
    started_at: Timestamp,
    jitter: Jitter,

    /// Events that came before the saved state was read; `None` once it was.
    backlog: Option<Vec<Event>>,
    policy: Policy,
    durable: Persisted,
    saved: Persisted,
    remembered: Remembered,
    written: Remembered,

    peers: BTreeMap<PortId, Peer>,
    /// How many connections each tab may still make.
    tab_connections: BTreeMap<i64, Bucket>,
    tokens: TokenWork,
    registration: Registration,
    /// The worker's own object of the live call, while it is on offer.
    offer: Option<OfferId>,
    /// The same of the call that waits.
    waiting_offer: Option<OfferId>,
    /// How the live call sounds. The saved state has it up to some seconds ago.
    sound: Sound,
    audio_tests: AudioTests,
    keypad: Keypad,
    /// The call comes from the saved state, and the offscreen document has not yet confirmed it.
    restored_call: bool,
    /// What waits for the offscreen document to carry the call.
    call_commands: Vec<ToOffscreen>,
    /// What was wrong with the last call.
    call_problem: Option<Problem>,
    offscreen: Offscreen,
    microphone: Option<MicrophonePermission>,
    /// Just installed: the welcome page is due unless the microphone is granted.
    owes_welcome: bool,
    /// Chrome was told to start the new version.
    applying_update: bool,
    watchdog: Option<bool>,
    badge: Option<Badge>,
    /// What is wrong, and since when.
    trouble: Option<(ProblemCode, Timestamp)>,
    timers: Timers,
    last_now: Timestamp,
    out: Vec<Command>,
}

impl sansio::Machine for Machine {
    type Time = Timestamp;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        self.follow_clock(now);
        if let Some(backlog) = &mut self.backlog {
            let Event::Started { persisted, remembered, policy } = event else {
                backlog.push(event);
                return Vec::new();
            };
            let backlog = std::mem::take(backlog);
            self.backlog = None;
            self.remembered = *remembered;
            self.written.clone_from(&self.remembered);
            self.started(persisted, &policy, now);
            for event in backlog {
                self.take_in(event, now);
            }
        } else {
            self.take_in(event, now);
        }
        self.go_on(now)
    }

    fn handle_timeout(&mut self, now: Timestamp) -> Vec<Command> {
        if self.backlog.is_some() {
            return Vec::new();
        }
        self.follow_clock(now);
        self.go_on(now)
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}

impl Machine {
    /// A machine that waits for [`Event::Started`].
    #[must_use]
    pub fn new(boot: Boot) -> Self {
        Self {
            trust: boot.trust,
            version: boot.version,
            started_at: boot.started_at,
            jitter: Jitter::new(boot.seed),
            backlog: Some(Vec::new()),
            policy: Policy::default(),
            durable: Persisted::default(),
            saved: Persisted::default(),
            remembered: Remembered::default(),
            written: Remembered::default(),
            peers: BTreeMap::new(),
            tab_connections: BTreeMap::new(),
            tokens: TokenWork::default(),
            registration: Registration::default(),
            offer: None,
            waiting_offer: None,
            sound: Sound::default(),
            audio_tests: AudioTests::default(),
            keypad: Keypad::FULL,
            restored_call: false,
            call_commands: Vec::new(),
            call_problem: None,
            offscreen: Offscreen::default(),
            microphone: None,
            owes_welcome: false,
            applying_update: false,
            watchdog: None,
            badge: None,
            trouble: None,
            timers: Timers::default(),
            last_now: boot.started_at,
            out: Vec::new(),
        }
    }

    /// The state as pages see it.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> protocol::state::ClientState {
        self.client_state(now)
    }

    /// What time has done, and what is to be done.
    fn go_on(&mut self, now: Timestamp) -> Vec<Command> {
        while let Some((timer, due)) = self.timers.take_due(now) {
            self.time_has_come(timer, due, now);
        }
        self.settle(now);
        std::mem::take(&mut self.out)
    }

    fn take_in(&mut self, event: Event, now: Timestamp) {
        match event {
            // The saved state was read once; there is no second start.
            Event::Started { .. } => {}
            Event::PolicyChanged { policy } => self.policy_changed(&policy, now),
            Event::Installed { first } => {
                self.owes_welcome |= first;
                self.out.push(Command::CheckMicrophone);
            }
            Event::UpdateAvailable { version } => self.update_available(&version, now),
            Event::BrowserStarted => self.info(now, "The browser has started."),
            // Waking the worker to look at its deadlines is what the alarm is for; a permission can be taken
            // back at any time.
            Event::Alarm => self.out.push(Command::CheckMicrophone),
            Event::PortOpened { port, name, sender } => self.port_opened(port, &name, &sender, now),
            Event::PortClosed { port } => self.port_closed(port),
            Event::FromPage { port, message } => self.page_says(port, message, now),
            Event::FromPopup { port, message } => self.popup_says(port, message, now),
            Event::FromOffscreen { port, message } => {
                if self.is_offscreen_port(port) {
                    self.offscreen_says(port, message, now);
                }
            }
            Event::Microphone(permission) => {
                self.microphone = Some(permission);
                if std::mem::take(&mut self.owes_welcome) && permission != MicrophonePermission::Granted {
                    self.out.push(Command::OpenWelcome);
                }
            }
            Event::Fetched { attempt, outcome } => self.fetched(attempt, &outcome, now),
            Event::Device { device, event } => self.device_event(device, event, now),
            Event::OffscreenOpened { ok } => self.offscreen_opened(ok, now),
            Event::OffscreenClosed => self.offscreen_closed(),
            Event::Shortcut(shortcut) => self.shortcut(shortcut, now),
            Event::NoticeClicked(id) => self.notice_clicked(id),
            Event::NoticeButton { id, button } => self.notice_button(id, button, now),
            Event::NoticeClosed(id) => self.notice_closed(id),
        }
    }

    fn time_has_come(&mut self, timer: Timer, due: Timestamp, now: Timestamp) {
        match timer {
            Timer::Heartbeat => self.heartbeat(due, now),
            Timer::FetchDeadline => self.fetch_overdue(now),
            Timer::Registration => self.registration_overdue(now),
            Timer::OffscreenHello => self.offscreen_overdue(now),
            Timer::RenewOffscreen => self.renew_offscreen(now),
            Timer::CallOffscreen => self.call_without_offscreen(now),
            Timer::Accept => self.accept_overdue(now),
            Timer::CallLost => self.call_lost(now),
            Timer::HangUp => self.hang_up_overdue(now),
            Timer::Waiting => self.waiting_overdue(now),
            Timer::Probe => self.probe(now),
            Timer::Silence => self.silence(due, now),
            Timer::ProblemFade => self.call_problem = None,
            // These only held something back; settling goes on from here.
            Timer::Refresh
            | Timer::FetchRetry
            | Timer::AskPages
            | Timer::OffscreenRetry
            | Timer::Rebuild
            | Timer::Trouble
            | Timer::PagesBack
            | Timer::RestoreGrace
            | Timer::Absence => {}
        }
    }

    fn settle(&mut self, now: Timestamp) {
        self.obey_policy(now);
        self.settle_leftover();
        self.settle_absence(now);
        self.settle_expected(now);
        self.settle_waiting(now);
        self.settle_token(now);
        self.settle_device(now);
        self.settle_audio();
        self.settle_offscreen(now);
        self.settle_call(now);
        let is_restoring = self.timers.is_armed(Timer::RestoreGrace);
        self.durable.error_seen |= self.durable.config.is_some() && !is_restoring && self.has_error();
        self.settle_sessions();
        self.settle_pages(now);
        self.settle_heartbeat(now);
        self.settle_popups(now);
        self.settle_badge(now);
        self.settle_notices(now);
        let watchdog = self.durable.config.is_some();
        if self.watchdog != Some(watchdog) {
            self.watchdog = Some(watchdog);
            self.out.push(Command::Watchdog { on: watchdog });
        }
        self.settle_update(now);
        if self.durable != self.saved {
            self.saved.clone_from(&self.durable);
            self.out.push(Command::Save(Box::new(self.saved.clone())));
        }
        if self.remembered != self.written {
            self.written.clone_from(&self.remembered);
            self.out.push(Command::Remember(Box::new(self.written.clone())));
        }
    }

    fn started(&mut self, persisted: Option<Box<Persisted>>, policy: &PolicyValues, now: Timestamp) {
        if let Some(persisted) = persisted {
            self.saved = (*persisted).clone();
            self.durable = *persisted;
            if self.durable.update.as_ref() == Some(&self.version) {
                self.durable.update = None;
            }
            self.info(now, "The worker was started again and goes on from its saved state.");
            if self.durable.confirmed.is_some() {
                self.timers.arm(Timer::RestoreGrace, now.plus(RESTORE_GRACE_MS));
            }
            self.restore_token(now);
            self.restore_sign_in(now);
            self.restore_call(now);
            self.restore_waiting(now);
            self.restore_expected(now);
            self.plan_renewal(now);
        } else {
            self.info(now, format!("Version {} has started.", self.version));
            // Installed, updated or enabled while Flex was open: Chrome puts content scripts only into pages that
            // are loaded from now on.
            self.out.push(Command::EnterOpenPages);
        }
        self.count("workers_started");
        self.out.push(Command::CheckMicrophone);
        self.policy_changed(policy, now);
    }

    fn policy_changed(&mut self, values: &PolicyValues, now: Timestamp) {
        let policy = Policy::read(values);
        if policy == self.policy {
            return;
        }
        if policy.edges != self.policy.edges {
            self.edges_changed();
        }
        self.policy = policy;
        self.info(now, "The administrator's policy was read.");
        for complaint in self.policy.complaints.clone() {
            self.complain(now, complaint.to_string());
        }
        // A page that was refused under the old policy may be welcome now, and the other way round.
        let policy = self.policy.clone();
        let is_agreed =
            self.durable.config.as_ref().is_none_or(|config| self.consent_to(config) == Consent::Given);
        self.close_pages(|page| page.rejected || !is_agreed || !policy.allows_page(&page.origin));
        self.reconsider_pages(now);
    }

    /// Lets go of a configuration that policy no longer allows; of a live call only when it has ended.
    fn obey_policy(&mut self, now: Timestamp) {
        let is_allowed = self.durable.config.as_ref().is_none_or(|config| self.policy.allows(config));
        if !is_allowed && !self.is_busy() {
            self.warn(
                now,
                "The administrator's policy names another account or token service: starting over.",
            );
            self.forget(now);
        }
    }

    /// Forgets account, tokens and registration. Pages are told, and connect anew.
    fn forget(&mut self, now: Timestamp) {
        self.drop_waiting();
        self.forget_registration();
        let old = std::mem::take(&mut self.durable);
        self.durable = Persisted {
            log: old.log,
            microphone_proven: old.microphone_proven,
            last_ended: old.last_ended,
            audio: old.audio,
            calls: old.calls,
            counters: old.counters,
            notices: old.notices,
            update: old.update,
            ..Persisted::default()
        };
        self.tokens = self.tokens.reset();
        self.call_problem = None;
        self.timers.clear();
        self.reset_offscreen(now);
        self.dismiss_pages(now);
    }

    fn microphone_changed(&mut self) {
        self.call_problem = None;
        self.out.push(Command::CheckMicrophone);
    }

    /// The deadlines keep their distance when the clock is set back; set forward, they are due at once, which
    /// is harmless.
    fn follow_clock(&mut self, now: Timestamp) {
        let back = now.until(self.last_now);
        if back > CLOCK_TOLERANCE_MS {
            self.timers.shift_back(back);
            self.shift_tokens_back(back);
            self.shift_sign_in_back(back);
        }
        self.last_now = now;
    }

    /// Counts something for support.
    fn count(&mut self, what: &'static str) {
        self.count_many(what, 1);
    }

    fn count_many(&mut self, what: &'static str, times: u32) {
        let count = self.durable.counters.entry(what.into()).or_default();
        *count = count.saturating_add(times);
    }

    fn info(&mut self, now: Timestamp, message: impl Into<String>) {
        self.log(now, LogLevel::Info, message.into());
    }

    fn warn(&mut self, now: Timestamp, message: impl Into<String>) {
        self.log(now, LogLevel::Warning, message.into());
    }

    /// A warning that somebody else can cause as often as they like: written once, as long as the record
    /// shows it.
    fn complain(&mut self, now: Timestamp, message: impl Into<String>) {
        let message = message.into();
        if !self.durable.log.iter().any(|entry| entry.message == message) {
            self.warn(now, message);
        }
    }

    /// Writes to the flight recorder. A line is not repeated at once: a worker without a registration is
    /// started every half minute.
    fn log(&mut self, at: Timestamp, level: LogLevel, message: String) {
        if !self.policy.records(level) {
            return;
        }
        let log = &mut self.durable.log;
        if log.back().is_some_and(|entry| entry.level == level && entry.message == message) {
            return;
        }
        if log.len() >= persisted::LOG_LINES {
            log.pop_front();
        }
        log.push_back(LogEntry { at, level, message });
    }
}
