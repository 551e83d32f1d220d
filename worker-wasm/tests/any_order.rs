//! Whatever happens, in whatever order: what must never be, is not.

#![expect(clippy::unwrap_used, reason = "a test's tools may panic")]

mod rig;

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Bucket, CallSid, Secret, Timestamp};
use proptest::prelude::*;
use protocol::{
    AudioDevice, AudioKind, AudioState, CallPhase, Problem, ProblemCode, QualitySample, QualityWarning,
    offscreen::{FromOffscreen, OffscreenCall, ToOffscreen},
    page::{
        ExpectCalls, ExpectReason, ExpectedCall, Kind, SelectAudioDevice, SendDigits, SetMute, ShowVideo,
        SignOut, SignOutReason, ToExtension, ToPage,
    },
    popup::{FromPopup, ToPopup},
    state::{ClientState, ConsentRequest},
    video_window::{FromVideoWindow, ToVideoWindow, VideoKey},
};
use rig::*;
use sansio::Machine as _;
use serde_json::json;
use worker_wasm::machine::{
    Command, DeviceEvent, DeviceId, Event, FetchOutcome, MicrophonePermission, OfferId, PageMessage,
    Persisted, PortId, Sender,
    notices::{NoticeId, Shortcut},
    video_window::Address,
};

/// Who may sit at a page.
const AGENTS: [&str; 3] = ["agent_40acme_2Etest", "bob_40acme_2Etest", "cy_40acme_2Etest"];

/// What a test lets happen. Numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
enum Step {
    Passes(u64),
    Killed,
    PageOpens(u8),
    PageCloses(u8),
    Configure(u8, u8),
    ConfigureAs(u8, u8, bool),
    FlexToken(u8, u64),
    Expects(u8, u8),
    SignsOut(u8, u8),
    Malformed(u8),
    PageHangsUp(u8),
    PageMutes(u8, bool),
    PageSendsDigits(u8),
    Popup(u8),
    Answer(u8, u64),
    Device(u8),
    Incoming,
    OfferedAgain,
    OfferGone(u8),
    OffscreenOpened(bool),
    OffscreenClosed,
    OffscreenConnects(u8),
    OffscreenCloses,
    OffscreenReports(u8, bool),
    OffscreenEnds(u8),
    Ping,
    Policy(u8),
    Microphone(u8),
    Alarm,
    Confirmed,
    Audio(u8),
    Quality(u8, u16),
    AnswersConsent(bool),
    Waiting(bool),
    Notice(u8, u32),
    Flood(u8),
    ShowsVideo(u8, u8, u8),
    VideoOpened(bool),
    VideoConnects(u8, bool),
    VideoSays(u8, u8),
    VideoCloses(u8),
    VideoNotFound(u8),
    WindowCloses(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![0..2_000_u64, 0..40_000_u64, 0..7_200_000_u64].prop_map(Step::Passes),
        1 => Just(Step::Killed),
        2 => (0..3_u8).prop_map(Step::PageOpens),
        1 => (0..3_u8).prop_map(Step::PageCloses),
        3 => (0..3_u8, 0..8_u8).prop_map(|(page, what)| Step::Configure(page, what)),
        3 => (0..3_u8, 0..3_u8, any::<bool>()).prop_map(|(page, agent, named)| Step::ConfigureAs(page, agent, named)),
        3 => (0..3_u8, 0..HOUR).prop_map(|(page, life)| Step::FlexToken(page, life)),
        2 => (0..3_u8, 0..16_u8).prop_map(|(page, ids)| Step::Expects(page, ids)),
        1 => (0..3_u8, 0..3_u8).prop_map(|(page, how)| Step::SignsOut(page, how)),
        1 => (0..3_u8).prop_map(Step::Malformed),
        1 => (0..3_u8).prop_map(Step::PageHangsUp),
        1 => (0..3_u8, any::<bool>()).prop_map(|(page, on)| Step::PageMutes(page, on)),
        1 => (0..3_u8).prop_map(Step::PageSendsDigits),
        1 => (0..8_u8).prop_map(Step::Popup),
        5 => (0..16_u8, 1..8_000_u64).prop_map(|(what, life)| Step::Answer(what, life)),
        5 => (0..8_u8).prop_map(Step::Device),
        4 => Just(Step::Incoming),
        1 => Just(Step::OfferedAgain),
        2 => (0..3_u8).prop_map(Step::OfferGone),
        2 => (0..4_u8).prop_map(|n| Step::OffscreenOpened(n != 0)),
        2 => Just(Step::OffscreenClosed),
        3 => (0..4_u8).prop_map(Step::OffscreenConnects),
        1 => Just(Step::OffscreenCloses),
        4 => (0..4_u8, any::<bool>()).prop_map(|(phase, muted)| Step::OffscreenReports(phase, muted)),
        2 => (0..3_u8).prop_map(Step::OffscreenEnds),
        1 => Just(Step::Ping),
        1 => (0..8_u8).prop_map(Step::Policy),
        1 => (0..3_u8).prop_map(Step::Microphone),
        1 => Just(Step::Alarm),
        2 => Just(Step::Confirmed),
        1 => (0..8_u8).prop_map(Step::Audio),
        2 => (0..4_u8, any::<u16>()).prop_map(|(call, mos)| Step::Quality(call, mos)),
        2 => any::<bool>().prop_map(Step::AnswersConsent),
        2 => any::<bool>().prop_map(Step::Waiting),
        1 => (0..4_u8, 0..3_u32).prop_map(|(id, button)| Step::Notice(id, button)),
        1 => (0..3_u8).prop_map(Step::Flood),
        4 => (0..3_u8, 0..3_u8, 0..4_u8).prop_map(|(page, key, what)| Step::ShowsVideo(page, key, what)),
        3 => prop::bool::weighted(0.8).prop_map(Step::VideoOpened),
        3 => (0..4_u8, any::<bool>()).prop_map(|(window, numbered)| Step::VideoConnects(window, numbered)),
        3 => (0..4_u8, 0..4_u8).prop_map(|(port, what)| Step::VideoSays(port, what)),
        1 => (0..4_u8).prop_map(Step::VideoCloses),
        1 => (0..4_u8).prop_map(Step::VideoNotFound),
        1 => (0..4_u8).prop_map(Step::WindowCloses),
    ]
}

/// What happens to an agent who is registered and is called.
fn call_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![0..2_000_u64, 0..40_000_u64].prop_map(Step::Passes),
        1 => Just(Step::Killed),
        1 => (0..2_u8).prop_map(Step::PageOpens),
        1 => (0..2_u8).prop_map(Step::PageCloses),
        3 => (0..2_u8, 4..8_u8).prop_map(|(page, what)| Step::Configure(page, what)),
        6 => (0..2_u8, 0..4_u8).prop_map(|(page, ids)| Step::Expects(page, ids)),
        8 => Just(Step::Incoming),
        1 => (0..2_u8).prop_map(Step::OfferGone),
        6 => Just(Step::OffscreenReports(1, false)),
        4 => Just(Step::OffscreenEnds(0)),
        1 => any::<bool>().prop_map(Step::Waiting),
        2 => Just(Step::Device(7)),
        2 => Just(Step::OffscreenConnects(0)),
        1 => (3..8_u8).prop_map(Step::Policy),
    ]
}

/// What happens to an agent who is registered and shows video.
fn video_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![0..2_000_u64, 0..40_000_u64].prop_map(Step::Passes),
        8 => (0..2_u8, 0..4_u8).prop_map(|(key, what)| Step::ShowsVideo(0, key, what)),
        6 => prop::bool::weighted(0.9).prop_map(Step::VideoOpened),
        6 => (0..4_u8, any::<bool>()).prop_map(|(window, numbered)| Step::VideoConnects(window, numbered)),
        6 => (0..4_u8, 0..4_u8).prop_map(|(port, what)| Step::VideoSays(port, what)),
        2 => (0..4_u8).prop_map(Step::VideoCloses),
        1 => (0..4_u8).prop_map(Step::VideoNotFound),
        2 => (0..4_u8).prop_map(Step::WindowCloses),
        1 => Just(Step::Incoming),
    ]
}

/// The world's own account of which calls may be answered by themselves.
#[derive(Default)]
struct PagesExpect {
    /// The pages of a version that says which calls it expects, and those of an older one.
    says_itself: BTreeMap<PortId, bool>,
    /// What each page lists.
    lists: BTreeMap<PortId, BTreeSet<u8>>,
    /// Until when each expectation may hold: a minute after it was last listed.
    until: BTreeMap<u8, Timestamp>,
    /// Until when an older page, or any, counts as open: for a moment after the worker was killed.
    older_until: Timestamp,
    any_until: Timestamp,
    /// The calls that were answered by themselves for an expectation: one each, unless they never became open.
    for_expectation: BTreeSet<CallSid>,
    /// The call that the agent has clicked on.
    clicked: Option<CallSid>,
    /// Policy answers what nobody expects.
    by_policy: bool,
    /// Until then a page may find that its messages are dropped.
    flooded_until: Timestamp,
}

impl PagesExpect {
    fn older_open(&self, accepted: &BTreeSet<PortId>) -> bool {
        accepted.iter().any(|port| self.says_itself.get(port) == Some(&false))
    }

    /// Before an event.
    fn looks(&mut self, accepted: &BTreeSet<PortId>, now: Timestamp) {
        for port in accepted {
            for id in self.lists.get(port).into_iter().flatten() {
                self.until.insert(*id, now.plus(60_000));
            }
        }
    }

    /// A call is answered by itself, while these pages are accepted.
    fn answered_by_itself(&mut self, call: &CallSid, accepted: &BTreeSet<PortId>, now: Timestamp) {
        let is_older = self.older_open(accepted) || now <= self.older_until;
        let by_policy = self.by_policy && (!accepted.is_empty() || now <= self.any_until);
        if is_older || by_policy {
            return;
        }
        self.for_expectation.insert(call.clone());
        assert!(self.until.values().any(|until| *until > now), "answered, and nobody expected a call");
        assert!(self.for_expectation.len() <= self.until.len(), "more calls than expectations");
    }
}

/// The world, which keeps its own account of what the machine may do.
struct World {
    rig: Rig,
    pages: [Option<PortId>; 3],
    offscreen: Option<PortId>,
    next_port: u64,
    calls: u32,
    offers: Vec<OfferId>,
    accepted: BTreeSet<PortId>,
    /// Who sits at a page since its last CONFIGURE, and the agent whom it names, if any.
    sits: BTreeMap<PortId, (u8, Option<String>)>,
    /// The identities that the token service has minted for each agent's Flex tokens.
    minted: BTreeSet<(u8, String)>,
    /// Whether each page was told last that calls arrive for its agent.
    told_registered: BTreeMap<PortId, bool>,
    /// Whose Flex token the service was asked about last.
    asked_about: Option<u8>,
    /// What the machine still hears of each page: a CONFIGURE in a flood begins no session.
    heard: BTreeMap<PortId, Bucket>,
    connects: BTreeMap<CallSid, u32>,
    /// What the pages say of the calls that they expect.
    pages_expect: PagesExpect,
    /// The token service that policy names.
    vouched: Option<String>,
    /// What the popup shows that the agent is asked.
    asked: Option<ConsentRequest>,
    videos: Desktop,
}

/// The windows of video sessions, as the browser has them.
#[derive(Default)]
struct Desktop {
    /// What Chrome is about to open: the worker's number of it, and its address.
    opening: Vec<(u32, Address)>,
    /// What is open, with Chrome's numbers.
    windows: Vec<(i64, Address)>,
    last: i64,
    /// The pages that have connected, each with its address, whether it is in the room, and its window.
    ports: Vec<(PortId, Address, bool, i64)>,
    /// The windows that are gone, whose pages the worker has not heard the end of.
    gone: Vec<i64>,
    /// When the last link of each was given.
    links: BTreeMap<Address, Timestamp>,
    /// What was commanded since the last look.
    new: Vec<(u32, Address)>,
    /// How often a window was opened or brought to the front.
    shown: u32,
    /// How often a link was passed on.
    links_passed: u32,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            rig: Rig::unasked(),
            pages: [None; 3],
            offscreen: None,
            next_port: 100,
            calls: 0,
            offers: Vec::new(),
            accepted: BTreeSet::new(),
            sits: BTreeMap::new(),
            minted: BTreeSet::new(),
            told_registered: BTreeMap::new(),
            asked_about: None,
            heard: BTreeMap::new(),
            connects: BTreeMap::new(),
            pages_expect: PagesExpect::default(),
            vouched: None,
            asked: None,
            videos: Desktop::default(),
        };
        world.rig.popup_opens();
        world
    }

    fn port(&mut self) -> PortId {
        self.next_port += 1;
        PortId(self.next_port)
    }

    fn happens(&mut self, event: Event) {
        self.may_be(Some(event));
    }

    fn wakes(&mut self) {
        self.may_be(None);
    }

    /// Something happens, or time alone, and what the machine makes of it keeps every promise.
    fn may_be(&mut self, event: Option<Event>) {
        if let Some(Event::PortClosed { port }) = event {
            self.accepted.remove(&port);
            self.sits.remove(&port);
        }
        if let Some(Event::FromPage { port, .. }) = event {
            self.heard.entry(port).or_insert(Bucket::new(200, 100)).take(1, self.rig.now);
        }
        let before = self.rig.saved.as_ref().and_then(|saved| saved.call.clone());
        let mut accepted = self.accepted.clone();
        self.pages_expect.looks(&accepted, self.rig.now);
        match event {
            Some(event) => self.rig.happens(event),
            None => self.rig.wakes(),
        }
        let commands = self.rig.take();
        let saved: &Persisted = self.rig.saved.as_ref().expect("the log alone makes something to save");

        for command in &commands {
            let seen = format!("{command:?}");
            assert!(!seen.contains(CANARY), "a secret is seen in {seen}");
            match command {
                Command::ToPage { port, message } => match message.as_ref() {
                    ToPage::Configured { payload } => {
                        self.accepted.insert(*port);
                        let state = payload.as_ref().unwrap();
                        self.told_registered.insert(*port, state.registered);
                        self.tells_of_its_own(*port, state, None);
                    }
                    ToPage::ConfigRejected { .. } => {
                        self.accepted.remove(port);
                    }
                    ToPage::Heartbeat { payload } => {
                        assert!(self.accepted.contains(port), "a heartbeat to a page that is not accepted");
                        let identity = Some(payload.voice_client_identity.as_str());
                        self.told_registered.insert(*port, payload.state.registered);
                        self.tells_of_its_own(*port, &payload.state, identity);
                        assert!(
                            payload.error != Some(payload.state.registered),
                            "error contradicts registered"
                        );
                        assert!(payload.error.is_some() || payload.state.registered, "silent about an error");
                    }
                    ToPage::State { payload } => {
                        assert!(self.accepted.contains(port));
                        self.told_registered.insert(*port, payload.registered);
                        self.tells_of_its_own(*port, payload, None);
                    }
                    ToPage::Disconnected => panic!("terminal for the replaced plugin"),
                    ToPage::Error { .. } => {}
                },
                Command::ClosePort { port } => {
                    self.accepted.remove(port);
                    for page in &mut self.pages {
                        if *page == Some(*port) {
                            *page = None;
                        }
                    }
                }
                Command::ToOffscreen { message, .. } => {
                    if let ToOffscreen::Connect { call_sid, tone, .. } = message.as_ref() {
                        let is_clicked = self.pages_expect.clicked.as_ref() == Some(call_sid);
                        assert!(*tone || is_clicked, "answered without a tone and without a click");
                        *self.connects.entry(call_sid.clone()).or_default() += 1;
                        assert_eq!(self.connects[call_sid], 1, "a second Connect for one call");
                        let live = saved.call.as_ref().map(|call| &call.view.sid);
                        assert_eq!(live, Some(call_sid), "a Connect while another call lives");
                    }
                }
                Command::ToPopup { message, .. } => {
                    if let ToPopup::State { state } = message.as_ref() {
                        self.asked.clone_from(&state.consent);
                    }
                }
                Command::OpenVideo { number, address } => {
                    self.videos.new.push((*number, address.clone()));
                    self.videos.shown += 1;
                    let open = self.videos.opening.iter().filter(|(_, known)| known == address).count();
                    assert!(open < 3, "clicks open one window after the other");
                }
                Command::CloseVideo { window } => {
                    self.videos.windows.retain(|(id, _)| id != window);
                    self.videos.gone.push(*window);
                }
                Command::FocusVideo { window } => {
                    assert!(*window <= self.videos.last, "a window that never was");
                    self.videos.shown += 1;
                }
                Command::ToVideo { port, message } => {
                    let known = self.videos.ports.iter().find(|(known, ..)| known == port);
                    let (_, address, in_room, window) = known.expect("said to a page that has said Hello");
                    if let ToVideoWindow::Link { service, .. } = message.as_ref() {
                        assert_eq!(
                            Some(service.as_str()),
                            saved.config.as_ref().map(|it| it.token_url.origin())
                        );
                        let given =
                            self.videos.links.remove(address).expect("a link that nobody gave, or twice");
                        assert!(self.rig.now.since(given) <= 60_000, "a link that is too old");
                        assert!(!in_room, "a link for a page that is in the room");
                        assert!(!self.videos.gone.contains(window), "a link for a page that is gone");
                        self.videos.links_passed += 1;
                    }
                }
                Command::FetchToken { request, .. } => {
                    let text = request.bearer.as_ref().map_or(request.body.expose(), |token| token.expose());
                    self.asked_about =
                        text.split("canary-flex-").nth(1).and_then(|rest| rest[..1].parse().ok());
                    let is_agreed =
                        self.rig.preferences.agreements.iter().any(|agreed| agreed.token_url == request.url)
                            || self.vouched.as_deref() == Some(request.url.as_str());
                    assert!(is_agreed, "a Flex token for a host that nobody agreed to");
                }
                Command::DestroyDevice { .. } => {
                    let spares = before.as_ref().is_none_or(|before| {
                        before.handed_over
                            || saved
                                .call
                                .as_ref()
                                .is_none_or(|call| call.view.sid != before.view.sid || call.handed_over)
                    });
                    assert!(spares, "destroyed a Device that was offering a call");
                }
                _ => {}
            }
        }
        accepted.extend(&self.accepted);
        let (old, new) = (before.as_ref(), saved.call.as_ref());
        if old.map(|call| &call.view.sid) != new.map(|call| &call.view.sid) {
            // One that never became open was nobody's.
            if let Some(call) = old.filter(|call| call.view.answered_at.is_none()) {
                self.pages_expect.for_expectation.remove(&call.view.sid);
            }
            if let Some(call) = new.filter(|call| call.by_itself) {
                self.pages_expect.answered_by_itself(&call.view.sid, &accepted, self.rig.now);
            }
        }
        if saved.config.is_none() {
            self.pages_expect.for_expectation.clear();
        }
        assert!(saved.log.len() <= 200);
        assert!(saved.log.iter().all(|line| !line.message.contains(CANARY)), "a secret in the log");
        let now = self.rig.now;
        assert!(self.rig.machine.poll_timeout().is_none_or(|wake| wake > now), "busy waiting");

        let state = self.rig.state();
        // How it sounds is saved now and then only.
        let mut call = state.call.clone();
        if let Some(call) = &mut call {
            call.quality = None;
            call.warnings.clear();
        }
        assert_eq!(call, saved.call.as_ref().map(|call| call.view.clone()));
        let is_apart = saved
            .waiting
            .as_ref()
            .is_none_or(|waiting| saved.call.as_ref().is_none_or(|call| call.view.sid != waiting.view.sid));
        assert!(is_apart, "one call in two places");
        assert!(saved.calls.len() <= 20 && saved.declined.len() <= 32);
        assert!(self.rig.preferences.agreements.len() <= 32);
        assert_eq!(state.registered, state.status.is_available());
    }

    /// Who is signed in: whose windows a click is about.
    fn address_of(&self, key: &VideoKey) -> Option<Address> {
        let voice = self.rig.saved.as_ref()?.voice.as_ref()?;
        Some(Address::of(key, &voice.identity))
    }

    fn video_port(&self, which: u8) -> Option<PortId> {
        let ports = &self.videos.ports;
        ports.get(usize::from(which) % ports.len().max(1)).map(|(port, ..)| *port)
    }

    fn video_window(&self, which: u8) -> Option<(i64, Address)> {
        let windows = &self.videos.windows;
        windows.get(usize::from(which) % windows.len().max(1)).cloned()
    }

    /// Somebody sits down at a page, if the machine hears its CONFIGURE.
    fn sits_down(&mut self, port: PortId, agent: u8, named: Option<String>) {
        let mut bucket = self.heard.get(&port).cloned().unwrap_or(Bucket::new(200, 100));
        if bucket.take(1, self.rig.now) {
            self.sits.insert(port, (agent, named));
        }
    }

    /// A page is told of an identity, a registration or a call only when the service has minted that identity for a Flex
    /// token of the agent who sits there, and it is the one that the page names.
    fn tells_of_its_own(&self, port: PortId, state: &ClientState, identity: Option<&str>) {
        let whose = self.rig.saved.as_ref().and_then(|saved| saved.voice.as_ref());
        let whose = identity.or(whose.map(|voice| voice.identity.as_str()));
        if identity.is_none() && !state.registered && state.call.is_none() && state.waiting.is_none() {
            return;
        }
        let whose = whose.expect("told of a registration or a call while nobody is signed in");
        let (agent, named) = self.sits.get(&port).expect("a page that nobody sits at");
        assert!(
            self.minted.contains(&(*agent, whose.to_owned())),
            "{whose} was never minted for agent {agent}: {state:?}"
        );
        assert!(
            named.as_ref().is_none_or(|named| whose == format!("ext_{named}")),
            "{named:?} is told of {whose}"
        );
    }

    fn passes(&mut self, millis: u64) {
        let end = self.rig.now.plus(millis);
        // A night of heartbeats says no more than two minutes of them.
        for _ in 0..200 {
            let Some(wake) = self.rig.machine.poll_timeout().filter(|wake| *wake <= end) else { break };
            self.rig.now = wake;
            self.wakes();
        }
        self.rig.now = end;
        self.wakes();
    }

    /// What was saved, as another process reads it.
    fn reread(&self) -> Box<Persisted> {
        let text = wire::json::write(self.rig.saved.as_ref().unwrap());
        wire::json::read(&text).unwrap()
    }

    fn is_killed(&mut self) {
        let mut before = self.rig.state();
        let saved = self.reread();
        assert_eq!(Some(&saved), self.rig.saved.as_ref());
        self.rig.saved = Some(saved);
        self.vouched = None;
        self.pages_expect.looks(&self.accepted, self.rig.now);
        let back = self.rig.now.plus(3_000);
        if self.pages_expect.older_open(&self.accepted) || self.rig.now <= self.pages_expect.older_until {
            self.pages_expect.older_until = back;
        }
        if !self.accepted.is_empty() || self.rig.now <= self.pages_expect.any_until {
            self.pages_expect.any_until = back;
        }
        self.pages_expect.by_policy = false;
        self.rig.is_killed();
        let mut after = self.rig.state();
        for call in [&mut before.call, &mut after.call].into_iter().flatten() {
            call.quality = None;
        }
        assert_eq!(before.waiting, after.waiting, "a restart changes what waits");
        assert_eq!(
            (&before.call, before.flex_token_expires_at),
            (&after.call, after.flex_token_expires_at),
            "a restart changes what is"
        );
        // And once more: what is saved of what was restored restores the same.
        let commands = self.rig.take();
        self.rig.is_killed();
        let mut again = self.rig.state();
        for call in again.call.iter_mut() {
            call.quality = None;
        }
        assert_eq!(again, after);
        drop(commands);
        self.rig.take();
        self.pages = [None; 3];
        self.accepted.clear();
        self.sits.clear();
        self.asked_about = None;
        self.offers.clear();
        self.offscreen = None;
        self.videos.opening.clear();
        self.videos.ports.clear();
        self.videos.gone.clear();
        self.videos.links.clear();
        self.rig.popup_opens();
        self.rig.take();
    }

    fn page(&self, page: u8) -> PortId {
        self.pages[usize::from(page)].unwrap_or(PortId(99_999))
    }

    fn page_says(&mut self, page: u8, message: ToExtension) {
        let message = PageMessage::Parsed { message: Box::new(message), flex_token_expires_at: None };
        self.happens(Event::FromPage { port: self.page(page), message });
    }

    fn live(&self) -> Option<CallSid> {
        self.rig.state().call.map(|call| call.sid)
    }

    fn some_call(&self, choice: u8) -> CallSid {
        match choice {
            0 => self.live().unwrap_or_else(|| sid(CA)),
            1 => sid(OTHER_CA),
            _ => sid(&format!("CA{:032x}", self.calls)),
        }
    }

    fn offscreen_says(&mut self, message: FromOffscreen) {
        let port = self.offscreen.unwrap_or(PortId(99_998));
        self.happens(Event::FromOffscreen { port, message: Some(message) });
    }

    fn device_says(&mut self, event: DeviceEvent) {
        let device = self.rig.device.unwrap_or(DeviceId(9_999));
        self.happens(Event::Device { device, event });
    }

    fn asked(&self) -> Option<ConsentRequest> {
        self.asked.clone()
    }

    fn audio(&mut self, what: u8) {
        let device = |id: &str| AudioDevice { id: id.into(), label: id.into() };
        let choose = |id: &str| SelectAudioDevice { kind: AudioKind::Speaker, device_id: Some(id.into()) };
        let message = match what {
            0 => FromPopup::SelectAudioDevice(choose("s1")),
            1 => FromPopup::SetVolume { percent: 30 },
            2 => FromPopup::TestMicrophone { on: true },
            3 => FromPopup::TestMicrophone { on: false },
            4 => FromPopup::TestSpeaker,
            5 => return self.offscreen_says(FromOffscreen::Level { percent: 50 }),
            _ => {
                let state = AudioState {
                    speakers: vec![device("default"), device("s1")],
                    missing: vec![AudioKind::Speaker],
                    microphone_open: what == 7,
                    microphone_muted: what == 7,
                    ..AudioState::default()
                };
                return self.offscreen_says(FromOffscreen::Audio { state: Box::new(state) });
            }
        };
        self.happens(Event::FromPopup { port: POPUP, message: Some(message) });
    }

    fn offered(&mut self, call: CallSid) {
        self.next_port += 1;
        let offer = OfferId(u32::try_from(self.next_port).unwrap());
        self.offers.push(offer);
        self.device_says(DeviceEvent::Incoming {
            offer,
            call_sid: call.to_string(),
            connect_token: Some(Secret::new("canary-connect")),
            from: Some("+15550100".into()),
        });
    }

    fn takes(&mut self, step: Step) {
        match step {
            Step::Passes(millis) => self.passes(millis),
            Step::Killed => self.is_killed(),
            Step::PageOpens(page) => {
                let port = self.port();
                if let Some(old) = self.pages[usize::from(page)].replace(port) {
                    self.happens(Event::PortClosed { port: old });
                }
                self.happens(Event::PortOpened { port, name: "flexUI".into(), sender: flex_tab() });
            }
            Step::PageCloses(page) => {
                if let Some(port) = self.pages[usize::from(page)].take() {
                    self.happens(Event::PortClosed { port });
                }
            }
            Step::Configure(..) | Step::ConfigureAs(..) | Step::Expects(..)
                if self.rig.now < self.pages_expect.flooded_until => {}
            Step::Configure(page, what) => {
                let (account, url, prefix) = match what {
                    0 => (OTHER_AC, URL, "ext_"),
                    1 => (AC, "http://evil.test/", "ext_"),
                    2 => (AC, URL, "ja_"),
                    3 => (AC, LEGACY_URL, "ext_"),
                    _ => (AC, URL, "ext_"),
                };
                let payload = protocol::page::Configure {
                    voice_client_token_generator_url: url.into(),
                    account_sid: account.parse().unwrap(),
                    extension_voice_client_prefix: prefix.parse().unwrap(),
                    protocol_version: Some(if matches!(what, 4..=6) { 3 } else { 2 }),
                    agent_identity: None,
                };
                let port = self.page(page);
                self.pages_expect.says_itself.insert(port, matches!(what, 4..=6));
                self.pages_expect.lists.remove(&port);
                self.sits_down(port, 0, None);
                self.page_says(page, ToExtension::Configure { payload });
            }
            Step::Expects(page, ids) => {
                let port = self.page(page);
                let ids: BTreeSet<u8> = (0..4).filter(|bit| ids & (1 << bit) != 0).collect();
                let calls = ids
                    .iter()
                    .map(|id| ExpectedCall {
                        id: format!("WR{id}").parse().unwrap(),
                        reason: ExpectReason::Task,
                    })
                    .collect();
                if self.accepted.contains(&port) {
                    self.pages_expect.lists.insert(port, ids);
                    self.pages_expect.looks(&self.accepted, self.rig.now);
                }
                self.page_says(page, ToExtension::ExpectCalls { payload: ExpectCalls { calls } });
            }
            Step::ConfigureAs(page, agent, named) => {
                let port = self.page(page);
                let named = named.then(|| AGENTS[usize::from(agent)].to_owned());
                self.sits_down(port, agent, named.clone());
                self.pages_expect.says_itself.insert(port, true);
                self.pages_expect.lists.remove(&port);
                let payload = protocol::page::Configure {
                    voice_client_token_generator_url: URL.into(),
                    account_sid: AC.parse().unwrap(),
                    extension_voice_client_prefix: "ext_".parse().unwrap(),
                    protocol_version: Some(3),
                    agent_identity: named.map(|named| named.parse().unwrap()),
                };
                self.page_says(page, ToExtension::Configure { payload });
            }
            Step::SignsOut(page, how) => {
                let reason = [SignOutReason::Logout, SignOutReason::SessionEnded, SignOutReason::Offline]
                    [usize::from(how)];
                self.page_says(page, ToExtension::SignOut { payload: SignOut { reason } });
            }
            Step::FlexToken(page, life) => {
                let agent = self.sits.get(&self.page(page)).map_or(0, |(agent, _)| *agent);
                let text = format!("canary-flex-{agent}-{}", life % 7);
                let message = flex_token(&text, self.rig.now.plus(life));
                self.happens(Event::FromPage { port: self.page(page), message });
            }
            Step::Malformed(page) => {
                self.happens(Event::FromPage {
                    port: self.page(page),
                    message: PageMessage::Malformed(Kind::Unknown),
                });
            }
            Step::PageHangsUp(page) => self.page_says(page, ToExtension::HangUp { payload: None }),
            Step::PageMutes(page, muted) => {
                self.page_says(page, ToExtension::SetMute { payload: SetMute { muted } });
            }
            Step::PageSendsDigits(page) => {
                let payload = SendDigits { digits: "1#".parse().unwrap() };
                self.page_says(page, ToExtension::SendDigits { payload });
            }
            Step::Popup(what) => {
                let message = match what {
                    0 => Some(FromPopup::Restart),
                    1 => Some(FromPopup::HangUp { sid: None }),
                    2 => Some(FromPopup::SetMute { sid: None, muted: true }),
                    3 => Some(FromPopup::MicrophoneChanged),
                    4 => Some(FromPopup::SendDigits { sid: None, digits: "5".parse().unwrap() }),
                    _ => None,
                };
                self.happens(Event::FromPopup { port: POPUP, message });
            }
            Step::Answer(what, life) => {
                let Some((attempt, _)) = self.rig.request.take() else { return };
                let answer = |status, body: String| FetchOutcome::Answer {
                    status,
                    body: Secret::new(body),
                    retry_after: Some(life % 100),
                };
                let outcome = match what {
                    0 => FetchOutcome::TimedOut,
                    1 => FetchOutcome::Unreachable,
                    2 => FetchOutcome::TooLong,
                    3 => answer(401, error_body("invalid_flex_token")),
                    4 => answer(503, "canary".into()),
                    5 => {
                        self.minted.extend(self.asked_about.map(|agent| (agent, "ext_other".into())));
                        answer(200, voice_token_body("ext_other", AC, "canary-voice-o", life))
                    }
                    6 => answer(200, voice_token_body("nobody", AC, "canary-voice-n", life)),
                    _ => {
                        let agent = self.asked_about.unwrap_or_default();
                        let identity = format!("ext_{}", AGENTS[usize::from(agent)]);
                        self.minted.insert((agent, identity.clone()));
                        answer(200, voice_token_body(&identity, AC, &format!("canary-voice-{life}"), life))
                    }
                };
                self.happens(Event::Fetched { attempt, outcome });
            }
            Step::Device(what) => self.device_says(match what {
                0 => DeviceEvent::Unregistered,
                1 => DeviceEvent::Error { code: Some(20_101) },
                2 => DeviceEvent::Error { code: Some(31_005) },
                3 => DeviceEvent::TokenWillExpire,
                4 => DeviceEvent::Closed,
                _ => DeviceEvent::Registered { edge: Some("ashburn".into()) },
            }),
            Step::Incoming => {
                self.calls += 1;
                let call = sid(&format!("CA{:032x}", self.calls));
                self.offered(call);
            }
            Step::OfferedAgain => {
                if let Some(call) = self.live() {
                    self.offered(call);
                }
            }
            Step::OfferGone(which) => {
                if let Some(offer) = self.offers.iter().rev().nth(usize::from(which)).copied() {
                    self.device_says(DeviceEvent::OfferGone { offer });
                }
            }
            Step::OffscreenOpened(ok) => self.happens(Event::OffscreenOpened { ok }),
            Step::OffscreenClosed => {
                if let Some(port) = self.offscreen.take() {
                    self.happens(Event::PortClosed { port });
                }
                self.happens(Event::OffscreenClosed);
            }
            Step::OffscreenConnects(holds) => {
                let port = self.port();
                self.offscreen = Some(port);
                self.happens(Event::PortOpened {
                    port,
                    name: "offscreen".into(),
                    sender: own_page("offscreen.html"),
                });
                let call = (holds > 0).then(|| OffscreenCall {
                    sid: self.some_call(holds - 1),
                    state: CallPhase::Open,
                    muted: false,
                });
                self.offscreen_says(FromOffscreen::Hello { call });
            }
            Step::OffscreenCloses => {
                if let Some(port) = self.offscreen.take() {
                    self.happens(Event::PortClosed { port });
                }
            }
            Step::OffscreenReports(phase, muted) => {
                let state =
                    [CallPhase::Connecting, CallPhase::Open, CallPhase::Reconnecting][usize::from(phase % 3)];
                let call = OffscreenCall { sid: self.some_call(u8::from(phase == 3)), state, muted };
                self.offscreen_says(FromOffscreen::Call { call });
            }
            Step::OffscreenEnds(which) => {
                let problem = (which == 1).then(|| Problem {
                    code: ProblemCode::CallFailed,
                    message: "It broke.".into(),
                    retrying: false,
                });
                self.offscreen_says(FromOffscreen::Ended { call_sid: self.some_call(which / 2), problem });
            }
            Step::Ping => self.offscreen_says(FromOffscreen::Ping),
            Step::Policy(what) => {
                let policy = match what {
                    0 => json!({"accountSids": [OTHER_AC]}),
                    1 => json!({"accountSids": [AC]}),
                    2 => json!({"tokenServiceUrls": [URL], "secondCall": "offer"}),
                    3 | 4 => json!({"secondCall": "offer"}),
                    5 => json!({"unexpectedCalls": "answer", "secondCall": "offer"}),
                    6 => json!({"unexpectedCalls": "refuse"}),
                    _ => json!({}),
                };
                self.pages_expect.by_policy = what == 5;
                self.vouched = (what == 2).then(|| URL.to_owned());
                self.happens(Event::PolicyChanged { policy: policy.into() });
            }
            Step::Microphone(what) => self.happens(Event::Microphone(
                [MicrophonePermission::Granted, MicrophonePermission::Prompt, MicrophonePermission::Denied]
                    [usize::from(what)],
            )),
            Step::Alarm => self.happens(Event::Alarm),
            Step::Confirmed => self.device_says(DeviceEvent::Confirmed { edge: Some("ashburn".into()) }),
            Step::Audio(what) => self.audio(what),
            Step::Quality(call, mos) => {
                let call_sid = self.some_call(call);
                let sample = QualitySample {
                    at: self.rig.now,
                    rtt_ms: Some(mos.into()),
                    jitter_ms: None,
                    loss_permille: Some(mos),
                    mos_hundredths: Some(mos),
                };
                self.offscreen_says(FromOffscreen::Quality { call_sid: call_sid.clone(), sample });
                let warning = QualityWarning::LowMos;
                self.offscreen_says(FromOffscreen::Warning { call_sid, warning, raised: mos % 2 == 0 });
            }
            Step::AnswersConsent(allow) => {
                let Some(asked) = self.asked() else { return };
                let message =
                    FromPopup::Consent { account_sid: asked.account_sid, token_url: asked.token_url, allow };
                self.happens(Event::FromPopup { port: POPUP, message: Some(message) });
            }
            Step::Waiting(answer) => {
                let Some(waiting) = self.rig.state().waiting else { return };
                let sid = waiting.sid;
                if answer {
                    self.pages_expect.clicked = Some(sid.clone());
                }
                let message =
                    if answer { FromPopup::AnswerWaiting { sid } } else { FromPopup::DeclineWaiting { sid } };
                self.happens(Event::FromPopup { port: POPUP, message: Some(message) });
            }
            Step::Notice(id, button) => {
                let id = [NoticeId::Call, NoticeId::Waiting, NoticeId::Trouble][usize::from(id % 3)];
                if let (NoticeId::Waiting, 0, Some(waiting)) = (id, button, self.rig.state().waiting) {
                    self.pages_expect.clicked = Some(waiting.sid);
                }
                self.happens(match button {
                    2 => Event::NoticeClosed(id),
                    button => Event::NoticeButton { id, button },
                });
                self.happens(Event::Shortcut(Shortcut::Mute));
            }
            Step::ShowsVideo(page, key, what) => {
                let key = VideoKey::new(format!("CH{key}")).unwrap();
                let link = matches!(what, 1 | 2).then(|| Secret::new(format!("{CANARY}{what}")));
                let failed = (what == 3).then(|| "No.".to_owned());
                if let Some(address) = self.address_of(&key)
                    && link.is_some()
                {
                    // Given to somebody whose page this is, or refused; the newest counts.
                    self.videos.links.insert(address, self.rig.now);
                }
                self.page_says(page, ToExtension::ShowVideo { payload: ShowVideo { key, link, failed } });
                let new = std::mem::take(&mut self.videos.new);
                self.videos.opening.extend(new);
            }
            Step::VideoOpened(ok) => {
                if self.videos.opening.is_empty() {
                    return;
                }
                let (number, address) = self.videos.opening.remove(0);
                let window = ok.then(|| {
                    self.videos.last += 1;
                    self.videos.windows.push((self.videos.last, address));
                    self.videos.last
                });
                self.happens(Event::VideoOpened { number, window });
            }
            Step::VideoConnects(which, numbered) => {
                let Some((id, address)) = self.video_window(which) else { return };
                let port = self.port();
                let page = own_page("video.html");
                let sender = Sender { tab: Some(id), window: numbered.then_some(id), ..page };
                self.happens(Event::PortOpened { port, name: "video".into(), sender });
                self.videos.ports.push((port, address.clone(), false, id));
                let key = address.as_str().to_owned();
                self.happens(Event::FromVideo { port, message: Some(FromVideoWindow::Hello { key }) });
            }
            Step::VideoSays(which, what) => {
                let Some(port) = self.video_port(which) else { return };
                let message = match what {
                    0 => Some(FromVideoWindow::InRoom { on: true }),
                    1 => Some(FromVideoWindow::InRoom { on: false }),
                    2 => Some(FromVideoWindow::Over),
                    _ => None,
                };
                for known in self.videos.ports.iter_mut().filter(|(known, ..)| *known == port) {
                    known.2 = what == 0;
                }
                self.happens(Event::FromVideo { port, message });
            }
            Step::VideoCloses(_) if !self.videos.gone.is_empty() => {
                let gone = std::mem::take(&mut self.videos.gone);
                let ends = self.videos.ports.iter().filter(|(.., window)| gone.contains(window));
                for port in ends.map(|(port, ..)| *port).collect::<Vec<_>>() {
                    self.videos.ports.retain(|(known, ..)| *known != port);
                    self.happens(Event::PortClosed { port });
                }
            }
            Step::VideoCloses(which) => {
                let Some(port) = self.video_port(which) else { return };
                self.videos.ports.retain(|(known, ..)| *known != port);
                self.happens(Event::PortClosed { port });
            }
            Step::VideoNotFound(which) => {
                let Some((window, _)) = self.video_window(which) else { return };
                self.videos.windows.retain(|(id, _)| *id != window);
                self.videos.gone.push(window);
                self.happens(Event::VideoNotFound { window });
                let new = std::mem::take(&mut self.videos.new);
                self.videos.opening.extend(new);
            }
            Step::WindowCloses(which) => {
                let window = self.video_window(which).map_or(999, |(window, _)| window);
                self.videos.windows.retain(|(id, _)| *id != window);
                self.videos.gone.push(window);
                self.happens(Event::WindowClosed { window });
            }
            Step::Flood(page) => {
                self.pages_expect.flooded_until = self.rig.now.plus(5_000);
                let port = self.page(page);
                self.happens(Event::FromPage {
                    port,
                    message: PageMessage::Dropped { foreign: 3, flooded: 7, contested: 1 },
                });
                for _ in 0..300 {
                    self.page_says(page, ToExtension::HangUp { payload: None });
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_events_keeps_every_promise(steps in prop::collection::vec(step(), 1..200)) {
        let mut world = World::new();
        for step in steps {
            world.takes(step);
        }
    }

    /// The same for an agent who is registered and is called again and again.
    #[test]
    fn whatever_rings_is_answered_only_by_a_click_by_policy_or_because_it_was_expected(
        steps in prop::collection::vec(call_step(), 1..120),
    ) {
        let mut world = World::new();
        for step in [
            Step::PageOpens(0),
            Step::Configure(0, 4),
            Step::AnswersConsent(true),
            Step::FlexToken(0, 40 * HOUR),
            Step::Answer(11, 7_000),
            Step::Device(7),
            Step::OffscreenOpened(true),
            Step::OffscreenConnects(0),
        ] {
            world.takes(step);
        }
        prop_assert!(world.rig.state().registered);
        for step in steps {
            world.takes(step);
        }
    }

    /// Whatever has become of the windows, the next click shows one, and a link finds a page that waits for it.
    #[test]
    fn a_click_always_shows_a_window_and_its_link_reaches_it(
        steps in prop::collection::vec(video_step(), 1..80),
    ) {
        let mut world = World::new();
        for step in [
            Step::PageOpens(0),
            Step::Configure(0, 4),
            Step::AnswersConsent(true),
            Step::FlexToken(0, 40 * HOUR),
            Step::Answer(11, 7_000),
            Step::Device(7),
        ] {
            world.takes(step);
        }
        prop_assert!(world.rig.state().registered);
        for step in steps {
            world.takes(step);
        }
        while !world.videos.opening.is_empty() {
            world.takes(Step::VideoOpened(true));
        }
        world.takes(Step::Passes(40_000));
        let before = world.videos.shown;
        world.takes(Step::ShowsVideo(0, 9, 0));
        prop_assert_eq!(world.videos.shown, before + 1);
        world.takes(Step::VideoOpened(true));
        let newest = u8::try_from(world.videos.windows.len() - 1).unwrap();
        world.takes(Step::VideoConnects(newest, true));
        let before = world.videos.links_passed;
        world.takes(Step::ShowsVideo(0, 9, 1));
        prop_assert_eq!(world.videos.links_passed, before + 1);
        // And the windows that were there already: the same agent, the same sessions.
        for key in 0..2 {
            let before = world.videos.shown;
            world.takes(Step::ShowsVideo(0, key, 0));
            prop_assert_eq!(world.videos.shown, before + 1);
        }
    }

    /// From any state, once the world behaves, the worker is registered again and takes a call.
    #[test]
    fn every_state_is_one_to_recover_from(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.takes(step);
        }
        world.takes(Step::Policy(7));
        for round in 0..40 {
            if world.pages[0].is_none() {
                world.takes(Step::PageOpens(0));
            }
            // A call that hangs about is ended as an agent would, and the extension restarted by hand if it
            // serves another account.
            world.takes(Step::Popup(1));
            world.takes(Step::OffscreenEnds(0));
            world.takes(Step::Waiting(false));
            world.takes(Step::Configure(0, 7));
            world.takes(Step::AnswersConsent(true));
            if !world.accepted.contains(&world.page(0)) {
                world.takes(Step::Popup(0));
                world.takes(Step::Passes(15_000));
                continue;
            }
            world.takes(Step::FlexToken(0, 40 * HOUR + round));
            world.takes(Step::Answer(11, 7_000));
            world.takes(Step::OffscreenClosed);
            world.takes(Step::OffscreenOpened(true));
            world.takes(Step::OffscreenConnects(0));
            if world.rig.device.is_some() {
                world.takes(Step::Device(7));
            }
            let state = world.rig.state();
            // Also the page's own session: before that, its agent may be another than the registered one.
            let page = world.page(0);
            let is_told = world.told_registered.get(&page) == Some(&true);
            // In a flood its CONFIGURE was not heard.
            let expects_all = world.pages_expect.says_itself.get(&page) == Some(&false);
            if is_told && expects_all && state.registered && state.call.is_none() && state.problem.is_none_or(|p| p.code != ProblemCode::InvalidFlexToken) {
                break;
            }
            world.takes(Step::Passes(15_000));
        }
        let state = world.rig.state();
        prop_assert!(state.registered && state.call.is_none(), "{state:?}");
        prop_assert_eq!(world.told_registered.get(&world.page(0)), Some(&true), "{:?}", state);
        world.takes(Step::OffscreenConnects(0));
        let before: u32 = world.connects.values().sum();
        world.takes(Step::Incoming);
        prop_assert_eq!(world.connects.values().sum::<u32>(), before + 1);
    }
}
