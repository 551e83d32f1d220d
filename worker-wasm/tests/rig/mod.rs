//! A worker machine with the world around it: what a test says happens, happens, and what the machine
//! commanded is at hand.

#![expect(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a test's tools may panic")]

use kernel::{AccountSid, CallSid, Secret, Timestamp};
use protocol::{
    CallPhase, Problem,
    offscreen::{FromOffscreen, OffscreenCall, ToOffscreen},
    page::{
        Configure, ExpectCalls, ExpectReason, ExpectedCall, FlexToken, Heartbeat, SignOut, SignOutReason,
        ToExtension, ToPage,
    },
    popup::{FromPopup, ToPopup},
    state::{ClientState, UiState},
};
use sansio::Machine as _;
use worker_wasm::machine::{
    Boot, Command, DeviceEvent, DeviceId, Event, FetchOutcome, Machine, MicrophonePermission, OfferId,
    PageMessage, Persisted, PortId, Preferences, Sender, TokenRequest, config::PolicyValues,
    consent::Agreement, ports::Trust,
};

pub const AC: &str = "AC11111111111111111111111111111111";
pub const OTHER_AC: &str = "AC22222222222222222222222222222222";
pub const CA: &str = "CA11111111111111111111111111111111";
pub const OTHER_CA: &str = "CA22222222222222222222222222222222";
pub const URL: &str = "https://tokens.acme.test/v1/voice/token";
pub const LEGACY_URL: &str = "https://x.twil.io/generateToken";
pub const IDENTITY: &str = "ext_agent_40acme_2Etest";
pub const FLEX_ORIGIN: &str = "https://flex.twilio.com";
/// In every secret of these tests, and nowhere else.
pub const CANARY: &str = "canary";
/// One hour.
pub const HOUR: u64 = 3_600_000;
pub const PAGE: PortId = PortId(1);
pub const OFFSCREEN: PortId = PortId(2);
pub const POPUP: PortId = PortId(3);
pub const PAGE_2: PortId = PortId(4);

pub struct Rig {
    pub machine: Machine,
    pub now: Timestamp,
    /// Since [`Rig::take`].
    pub commands: Vec<Command>,
    /// What was saved last.
    pub saved: Option<Box<Persisted>>,
    /// What is on the disk.
    pub preferences: Box<Preferences>,
    /// The Device that was created last and not destroyed.
    pub device: Option<DeviceId>,
    /// The request to the token service that was made last.
    pub request: Option<(u32, TokenRequest)>,
    next_offer: u32,
}

pub fn boot(now: Timestamp) -> Boot {
    Boot {
        trust: Trust {
            own_id: "holdfastid".into(),
            base_url: "chrome-extension://holdfastid/".into(),
            page_patterns: vec![format!("{FLEX_ORIGIN}/*")],
        },
        version: "0.1.0".into(),
        started_at: now,
        seed: 7,
    }
}

/// An agent who has agreed to the token services of these tests.
pub fn agreed() -> Preferences {
    let agree = |(account, url): (&str, &str)| Agreement {
        account: AccountSid::new(account).unwrap(),
        token_url: url.parse().unwrap(),
    };
    let agreements = [(AC, URL), (AC, LEGACY_URL), (OTHER_AC, URL)].map(agree).to_vec();
    Preferences { agreements, ..Preferences::default() }
}

pub fn flex_tab() -> Sender {
    Sender {
        id: Some("holdfastid".into()),
        url: Some(format!("{FLEX_ORIGIN}/agent-desktop")),
        origin: Some(FLEX_ORIGIN.into()),
        tab: Some(1),
        window: None,
        frame_id: Some(0),
        document: None,
    }
}

pub fn own_page(path: &str) -> Sender {
    Sender {
        id: Some("holdfastid".into()),
        url: Some(format!("chrome-extension://holdfastid/{path}")),
        origin: Some("chrome-extension://holdfastid".into()),
        tab: None,
        window: None,
        frame_id: None,
        document: None,
    }
}

pub fn sid(text: &str) -> CallSid {
    CallSid::new(text).unwrap()
}

pub fn held(call: &str, state: CallPhase) -> OffscreenCall {
    OffscreenCall { sid: sid(call), state, muted: false }
}

pub fn flex_token(text: &str, expires_at: Timestamp) -> PageMessage {
    PageMessage::Parsed {
        message: Box::new(ToExtension::FlexToken {
            payload: FlexToken {
                token: Secret::new(text),
                account_sid: AccountSid::new(AC).unwrap(),
                expiration: "read by the shell".into(),
                agent_identity: None,
            },
        }),
        flex_token_expires_at: Some(expires_at),
    }
}

impl Rig {
    /// A process that has not yet read its state.
    pub fn asleep() -> Self {
        let now = Timestamp::from_millis(1_800_000_000_000);
        Self {
            machine: Machine::new(boot(now)),
            now,
            commands: Vec::new(),
            saved: None,
            preferences: Box::new(agreed()),
            device: None,
            request: None,
            next_offer: 0,
        }
    }

    /// A cold start.
    pub fn started() -> Self {
        Self::with_policy(PolicyValues::default())
    }

    pub fn with_policy(policy: PolicyValues) -> Self {
        let mut rig = Self::asleep();
        rig.starts(policy);
        rig.happens(Event::Microphone(MicrophonePermission::Granted));
        rig
    }

    /// A cold start of a browser whose agent was never asked anything.
    pub fn unasked() -> Self {
        let mut rig = Self::asleep();
        rig.preferences = Box::default();
        rig.starts(PolicyValues::default());
        rig
    }

    fn starts(&mut self, policy: PolicyValues) {
        let (persisted, preferences) = (self.saved.clone(), self.preferences.clone());
        self.happens(Event::Started { persisted, preferences, policy });
    }

    /// A Flex page is accepted.
    pub fn configured() -> Self {
        let mut rig = Self::started();
        rig.page_opens(PAGE);
        rig.configure(PAGE, AC, URL, "ext_");
        rig
    }

    /// A Device is being registered, with a Voice token of one hour.
    pub fn registering() -> Self {
        let mut rig = Self::configured();
        rig.flex_token(PAGE, "canary-flex-1", 8 * HOUR);
        rig.voice_token("canary-voice-1", 3_600);
        rig
    }

    /// Calls arrive, and the offscreen document is warm.
    pub fn registered() -> Self {
        let mut rig = Self::registering();
        rig.device_says(DeviceEvent::Registered { edge: Some("ashburn".into()) });
        rig.offscreen_opens(None);
        rig.take();
        rig
    }

    /// A call is open.
    pub fn on_call() -> Self {
        let mut rig = Self::registered();
        rig.incoming(CA);
        rig.offscreen_says(FromOffscreen::Call { call: held(CA, CallPhase::Open) });
        rig.take();
        rig
    }

    /// Something happens now.
    pub fn happens(&mut self, event: Event) {
        let commands = self.machine.handle(event, self.now);
        self.note(commands);
    }

    /// The time that the machine named has come, or some other.
    pub fn wakes(&mut self) {
        let commands = self.machine.handle_timeout(self.now);
        self.note(commands);
    }

    fn note(&mut self, commands: Vec<Command>) {
        for command in &commands {
            match command {
                Command::Save(state) => self.saved = Some(state.clone()),
                Command::SavePreferences(preferences) => self.preferences = preferences.clone(),
                Command::CreateDevice { device, .. } => self.device = Some(*device),
                Command::DestroyDevice { .. } => self.device = None,
                Command::FetchToken { attempt, request } => self.request = Some((*attempt, request.clone())),
                _ => {}
            }
        }
        self.commands.extend(commands);
    }

    /// Time goes by, and the shell wakes the machine whenever it asked to be.
    pub fn passes(&mut self, millis: u64) {
        let end = self.now.plus(millis);
        while let Some(wake) = self.machine.poll_timeout().filter(|wake| *wake <= end) {
            if wake > self.now {
                self.now = wake;
            }
            self.wakes();
        }
        self.now = end;
    }

    /// The process is killed and another one starts from what was saved. Ports are gone.
    pub fn is_killed(&mut self) {
        self.machine = Machine::new(boot(self.now));
        self.commands.clear();
        self.device = None;
        self.request = None;
        self.starts(PolicyValues::default());
    }

    /// What was commanded since the last time.
    pub fn take(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    pub fn page_opens(&mut self, port: PortId) {
        let document = Some(format!("document-{}", port.0));
        self.opens(port, protocol::port::PAGE, Sender { document, ..flex_tab() });
    }

    pub fn opens(&mut self, port: PortId, name: &str, sender: Sender) {
        self.happens(Event::PortOpened { port, name: name.into(), sender });
    }

    pub fn closes(&mut self, port: PortId) {
        self.happens(Event::PortClosed { port });
    }

    pub fn page_says(&mut self, port: PortId, message: ToExtension) {
        let message = PageMessage::Parsed { message: Box::new(message), flex_token_expires_at: None };
        self.happens(Event::FromPage { port, message });
    }

    pub fn configure(&mut self, port: PortId, account: &str, url: &str, prefix: &str) {
        let payload = Configure {
            voice_client_token_generator_url: url.into(),
            account_sid: AccountSid::new(account).unwrap(),
            extension_voice_client_prefix: prefix.parse().unwrap(),
            protocol_version: None,
            agent_identity: None,
        };
        self.page_says(port, ToExtension::Configure { payload });
    }

    /// A Flex token that lives that many milliseconds from now.
    pub fn flex_token(&mut self, port: PortId, text: &str, life: u64) {
        self.happens(Event::FromPage { port, message: flex_token(text, self.now.plus(life)) });
    }

    /// As a plugin of version 3 says it: with the agent's name.
    pub fn configure_as(&mut self, port: PortId, agent: Option<&str>) {
        let payload = Configure {
            voice_client_token_generator_url: URL.into(),
            account_sid: AccountSid::new(AC).unwrap(),
            extension_voice_client_prefix: "ext_".parse().unwrap(),
            protocol_version: agent.map(|_| 3),
            agent_identity: agent.map(|agent| agent.parse().unwrap()),
        };
        self.page_says(port, ToExtension::Configure { payload });
    }

    /// A page of this agent opens, says hello, and sends its Flex token of eight hours.
    pub fn page_of(&mut self, port: PortId, agent: Option<&str>, token: &str) {
        self.page_opens(port);
        self.configure_as(port, agent);
        self.flex_token(port, token, 8 * HOUR);
    }

    /// A page of version 3 says that its agent expects this one call.
    pub fn expects(&mut self, port: PortId, id: &str) {
        let calls = vec![ExpectedCall { id: id.parse().unwrap(), reason: ExpectReason::Reservation }];
        self.page_says(port, ToExtension::ExpectCalls { payload: ExpectCalls { calls } });
    }

    pub fn signs_out(&mut self, port: PortId, reason: SignOutReason) {
        self.page_says(port, ToExtension::SignOut { payload: SignOut { reason } });
    }

    /// What the token service mints for this agent.
    pub fn minted_for(&mut self, agent: &str, token: &str) {
        self.answer(200, &voice_token_body(&format!("ext_{agent}"), AC, token, 3_600));
    }

    /// The identities and the `registered` that a page was told since [`Rig::take`], by whatever message.
    pub fn told(&self, to: PortId) -> Vec<(Option<String>, bool, bool)> {
        self.to_page(to)
            .into_iter()
            .filter_map(|message| match message {
                ToPage::Heartbeat { payload } => Some((
                    Some(payload.voice_client_identity.clone()),
                    payload.state.registered,
                    payload.state.call.is_some(),
                )),
                ToPage::Configured { payload: Some(state) } | ToPage::State { payload: state } => {
                    Some((None, state.registered, state.call.is_some() || state.waiting.is_some()))
                }
                _ => None,
            })
            .collect()
    }

    /// What a page was told last of the state.
    pub fn page_state(&self, to: PortId) -> Option<&ClientState> {
        self.to_page(to).into_iter().rev().find_map(|message| match message {
            ToPage::Heartbeat { payload } => Some(&payload.state),
            ToPage::Configured { payload } => payload.as_ref(),
            ToPage::State { payload } => Some(payload),
            _ => None,
        })
    }

    pub fn destroys(&self) -> bool {
        self.did(|command| matches!(command, Command::DestroyDevice { .. }))
    }

    pub fn answer(&mut self, status: u16, body: &str) {
        let (attempt, _) = self.request.take().expect("the token service was asked");
        let outcome = FetchOutcome::Answer { status, body: Secret::new(body), retry_after: None };
        self.happens(Event::Fetched { attempt, outcome });
    }

    pub fn fetch_fails(&mut self, outcome: FetchOutcome) {
        let (attempt, _) = self.request.take().expect("the token service was asked");
        self.happens(Event::Fetched { attempt, outcome });
    }

    pub fn voice_token(&mut self, token: &str, expires_in: u64) {
        self.answer(200, &voice_token_body(IDENTITY, AC, token, expires_in));
    }

    pub fn device_says(&mut self, event: DeviceEvent) {
        let device = self.device.expect("there is a Device");
        self.happens(Event::Device { device, event });
    }

    pub fn is_registered(&mut self) {
        self.device_says(DeviceEvent::Registered { edge: Some("ashburn".into()) });
    }

    pub fn incoming(&mut self, call: &str) -> OfferId {
        self.next_offer += 1;
        let offer = OfferId(self.next_offer);
        self.device_says(DeviceEvent::Incoming {
            offer,
            call_sid: call.into(),
            connect_token: Some(Secret::new(format!("canary-connect-{}", self.next_offer))),
            from: Some("+15550100".into()),
        });
        offer
    }

    pub fn offer_gone(&mut self, offer: OfferId) {
        self.device_says(DeviceEvent::OfferGone { offer });
    }

    /// The offscreen document connects and says Hello.
    pub fn offscreen_opens(&mut self, call: Option<OffscreenCall>) {
        self.happens(Event::OffscreenOpened { ok: true });
        self.opens(OFFSCREEN, protocol::port::OFFSCREEN, own_page("offscreen.html"));
        self.offscreen_says(FromOffscreen::Hello { call });
    }

    pub fn offscreen_says(&mut self, message: FromOffscreen) {
        self.happens(Event::FromOffscreen { port: OFFSCREEN, message: Some(message) });
    }

    pub fn ended(&mut self, call: &str, problem: Option<Problem>) {
        self.offscreen_says(FromOffscreen::Ended { call_sid: sid(call), problem });
    }

    pub fn popup_opens(&mut self) {
        self.opens(POPUP, protocol::port::POPUP, own_page("popup.html"));
    }

    pub fn popup_says(&mut self, message: FromPopup) {
        self.happens(Event::FromPopup { port: POPUP, message: Some(message) });
    }

    pub fn state(&self) -> ClientState {
        self.machine.state(self.now)
    }

    /// Messages to a page since [`Rig::take`].
    pub fn to_page(&self, to: PortId) -> Vec<&ToPage> {
        self.commands
            .iter()
            .filter_map(|command| match command {
                Command::ToPage { port, message } if *port == to => Some(message.as_ref()),
                _ => None,
            })
            .collect()
    }

    pub fn heartbeats(&self, to: PortId) -> Vec<&Heartbeat> {
        self.to_page(to)
            .into_iter()
            .filter_map(|message| match message {
                ToPage::Heartbeat { payload } => Some(payload),
                _ => None,
            })
            .collect()
    }

    /// How often a page was told CONFIGURED.
    pub fn configureds(&self, to: PortId) -> usize {
        self.to_page(to).iter().filter(|message| matches!(message, ToPage::Configured { .. })).count()
    }

    /// The ERROR that a page was sent last.
    pub fn error(&self, to: PortId) -> Option<protocol::ProblemCode> {
        self.to_page(to).iter().rev().find_map(|message| match message {
            ToPage::Error { payload } => Some(payload.problem.code),
            _ => None,
        })
    }

    pub fn all_to_offscreen(&self) -> Vec<&ToOffscreen> {
        self.commands
            .iter()
            .filter_map(|command| match command {
                Command::ToOffscreen { message, .. } => Some(message.as_ref()),
                _ => None,
            })
            .collect()
    }

    /// Without the devices, which it is told after every Hello.
    pub fn to_offscreen(&self) -> Vec<&ToOffscreen> {
        let is_audio = |message: &&ToOffscreen| {
            matches!(message, ToOffscreen::SetAudio { .. } | ToOffscreen::ListDevices)
        };
        self.all_to_offscreen().into_iter().filter(|message| !is_audio(message)).collect()
    }

    pub fn connects(&self) -> Vec<&ToOffscreen> {
        self.to_offscreen()
            .into_iter()
            .filter(|message| matches!(message, ToOffscreen::Connect { .. }))
            .collect()
    }

    pub fn did(&self, what: impl Fn(&Command) -> bool) -> bool {
        self.commands.iter().any(what)
    }

    pub fn fetched(&self) -> bool {
        self.did(|command| matches!(command, Command::FetchToken { .. }))
    }

    pub fn rejected(&self, offer: OfferId) -> bool {
        self.did(|command| *command == Command::RejectOffer { offer })
    }

    /// What an extension page was told why its command was not carried out, last.
    pub fn refusal(&self) -> Option<&str> {
        self.commands.iter().rev().find_map(|command| match command {
            Command::ToPopup { message, .. } => match message.as_ref() {
                ToPopup::Refused { reason } => Some(messages::problems::refusal(*reason)),
                ToPopup::State { .. } | ToPopup::Level { .. } => None,
            },
            _ => None,
        })
    }

    /// What the popup was shown last.
    pub fn shown(&self) -> Option<&UiState> {
        self.commands.iter().rev().find_map(|command| match command {
            Command::ToPopup { message, .. } => match message.as_ref() {
                ToPopup::State { state } => Some(state),
                ToPopup::Refused { .. } | ToPopup::Level { .. } => None,
            },
            _ => None,
        })
    }
}

pub fn voice_token_body(identity: &str, account: &str, token: &str, expires_in: u64) -> String {
    serde_json::json!({"identity": identity, "account_sid": account, "token": token, "expires_in": expires_in})
        .to_string()
}

pub fn error_body(code: &str) -> String {
    serde_json::json!({"code": code, "message": "said the service", "request_id": "r-1"}).to_string()
}
