//! A page around the machine: a Flex that does what it is told, an extension's words, and a clock.

use super::*;

pub const ACCOUNT: &str = "AC5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
pub const SID: &str = "CA11111111111111111111111111111111";
pub const OTHER_SID: &str = "CA22222222222222222222222222222222";
pub const OURS: &str = "client:ext_agent";

pub fn activity(name: &str) -> Activity {
    let (sid, available) = match name {
        "Available" => ("WA1", true),
        "Break" => ("WA2", false),
        "Voice Client Offline" => ("WA3", false),
        "Training" => ("WA4", true),
        _ => panic!("{name}"),
    };
    Activity { sid: sid.into(), name: name.into(), available }
}

pub fn flex(name: &str) -> FlexView {
    FlexView {
        enabled: true,
        agent: Some(Identity::new("agent").unwrap()),
        other_attributes: r#"{"skills":[]}"#.into(),
        activity: Some(activity(name)),
        activities: ["Available", "Break", "Voice Client Offline", "Training"].map(activity).into(),
        contact_uri: Some("client:agent".into()),
        opened_at: 7,
        ..FlexView::default()
    }
}

pub fn boot() -> Boot {
    Boot {
        account_sid: ACCOUNT.into(),
        settings: Settings {
            token_service_url: Some("https://t.example.com/v1".into()),
            ..Settings::default()
        },
        words: Words::default(),
        flex: flex("Available"),
    }
}

pub fn words() -> Words {
    Words::default()
}

pub fn call(sid: &str) -> CallView {
    CallView {
        sid: CallSid::new(sid).unwrap(),
        state: CallPhase::Open,
        since: Timestamp::from_millis(5),
        answered_at: None,
        muted: false,
        from: Some("+15550100".into()),
        on_hold: None,
        quality: None,
        warnings: Vec::new(),
    }
}

pub fn state(call: Option<CallView>) -> ClientState {
    ClientState {
        protocol_version: 2,
        status: Status::Registered,
        registered: true,
        call,
        ..ClientState::default()
    }
}

/// As an extension that knows SIGN_OUT and EXPECT_CALLS.
pub fn newest(call: Option<CallView>) -> ClientState {
    ClientState { protocol_version: PROTOCOL_VERSION, ..state(call) }
}

pub fn heartbeat(state: ClientState) -> Event {
    Event::Message(ToPage::Heartbeat {
        payload: Heartbeat { voice_client_identity: "ext_agent".into(), error: None, state },
    })
}

pub fn old_heartbeat(error: Option<bool>) -> Event {
    Event::Message(ToPage::Heartbeat {
        payload: Heartbeat {
            voice_client_identity: "ext_agent".into(),
            error,
            state: ClientState::default(),
        },
    })
}

pub fn configured() -> Event {
    Event::Message(ToPage::Configured { payload: None })
}

pub fn problem(code: ProblemCode, retrying: bool) -> Problem {
    Problem { code, message: "it broke. Do this.".into(), retrying }
}

/// A page around a machine: a Flex whose store takes what it is told, and a clock.
pub struct Rig {
    pub machine: Machine,
    pub now: Monotonic,
    pub flex: FlexView,
    /// Everything ordered since the last look.
    pub ordered: Vec<Command>,
    /// TaskRouter carries out what it is asked.
    pub obeys: bool,
    /// TaskRouter has not answered yet.
    pub slow: bool,
    /// The store takes calls.
    pub takes_calls: bool,
}

impl Rig {
    pub fn new(boot: Boot) -> Self {
        let now = Monotonic::from_millis(1_000_000);
        let flex = boot.flex.clone();
        let mut page = Self {
            machine: Machine::new(boot, now),
            now,
            flex,
            ordered: Vec::new(),
            obeys: true,
            slow: false,
            takes_calls: true,
        };
        page.send(Event::Started);
        page
    }

    pub fn send(&mut self, event: Event) {
        let commands = self.machine.handle(event, self.now);
        self.obey(commands);
    }

    /// The machine is woken, at the instant that it named or late.
    pub fn wake(&mut self) {
        let commands = self.machine.handle_timeout(self.now);
        self.obey(commands);
    }

    /// Does what the machine wants done, and tells it how that went.
    pub fn obey(&mut self, commands: Vec<Command>) {
        let mut events = VecDeque::new();
        self.carry_out(commands, &mut events);
        while let Some(event) = events.pop_front() {
            let commands = self.machine.handle(event, self.now);
            self.carry_out(commands, &mut events);
        }
    }

    pub fn carry_out(&mut self, commands: Vec<Command>, events: &mut VecDeque<Event>) {
        for command in commands {
            let before = self.flex.clone();
            match &command {
                Command::SetContactUri { .. } if self.slow => {}
                Command::SetContactUri { uri, previous, others } => {
                    if self.obeys {
                        self.flex.contact_uri = Some(uri.clone());
                        self.flex.previous_contact.clone_from(previous);
                        self.flex.other_attributes =
                            others.clone().unwrap_or_else(|| self.flex.other_attributes.clone());
                    }
                    events.push_back(Event::ContactUriSet { ok: self.obeys });
                }
                Command::Remember(sid) => self.flex.remembered_activity.clone_from(sid),
                Command::SetActivity(sid) if self.obeys => {
                    self.flex.activity = self.flex.activities.iter().find(|a| a.sid == *sid).cloned();
                    self.flex.offline &= self.activity() == "Offline";
                }
                Command::InstallCall(_) => {
                    assert_ne!(self.flex.active_call, ActiveCall::Foreign, "Flex's own call was replaced");
                    if self.takes_calls {
                        self.flex.active_call = ActiveCall::Ours;
                    }
                    events.push_back(Event::CallInstalled { took: self.takes_calls });
                }
                Command::RemoveCall if self.flex.active_call == ActiveCall::Ours => {
                    self.flex.active_call = ActiveCall::None;
                }
                _ => {}
            }
            if self.flex != before {
                events.push_back(Event::Flex(self.flex.clone()));
            }
            self.ordered.push(command);
        }
    }

    /// Time passes. The machine is woken when it has asked for it and at no other time; every second there is a heartbeat, if one
    /// is given.
    pub fn pass(&mut self, millis: u64, beat: Option<&Event>) {
        let start = self.now;
        for second in 1..=millis.div_ceil(1_000) {
            self.pass_until(start.plus(millis.min(second * 1_000)));
            if second * 1_000 <= millis
                && let Some(beat) = beat
            {
                self.send(beat.clone());
            }
        }
    }

    pub fn pass_until(&mut self, end: Monotonic) {
        let mut at_once = 0;
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= end) {
            at_once = if at > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 100, "a timeout does not go away at {:?}", self.now);
            self.now = self.now.max(at);
            self.wake();
        }
        self.now = end;
    }

    pub fn set_flex(&mut self, change: impl FnOnce(&mut FlexView)) {
        change(&mut self.flex);
        self.send(Event::Flex(self.flex.clone()));
    }

    pub fn ordered(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.ordered)
    }

    pub fn activity(&self) -> &str {
        &self.flex.activity.as_ref().unwrap().name
    }

    /// What the header shows.
    pub fn shown(&self) -> StatusLine {
        self.machine.shown.clone().unwrap()
    }

    /// The header's text and, where something is wrong, what to do.
    pub fn status(&self) -> String {
        let voice = self.machine.voice(self.now);
        let (text, _) = words().status(&voice);
        if let Voice::Unavailable(why) = &voice { format!("{text} – {}", words().todo(why)) } else { text }
    }

    pub fn notified(&mut self) -> Vec<String> {
        self.ordered()
            .into_iter()
            .filter_map(|c| if let Command::Notify(_, text) = c { Some(text) } else { None })
            .collect()
    }
}

/// A page whose extension is registered and beating.
pub fn ready() -> Rig {
    let mut page = Rig::new(boot());
    page.send(configured());
    page.send(heartbeat(state(None)));
    page.ordered();
    page
}

/// The same with a live call.
pub fn on_call() -> Rig {
    let mut page = ready();
    page.send(heartbeat(state(Some(call(SID)))));
    page.ordered();
    page
}

pub fn set_contact(uri: &str) -> Command {
    Command::SetContactUri { uri: uri.into(), previous: None, others: None }
}

pub fn posts(commands: &[Command]) -> Vec<&'static str> {
    commands
        .iter()
        .filter_map(|c| if let Command::Post(message) = c { Some(message.name()) } else { None })
        .collect()
}

pub const CONFIGURE: &str = "VOICE_CLIENT_EXTENSION_CONFIGURE";

pub fn disable(page: &mut Rig) {
    page.set_flex(|flex| flex.enabled = false);
}

pub fn choice(name: &str) -> ActivityChoice {
    ActivityChoice { name: Some(name.into()), ..ActivityChoice::default() }
}

pub fn holding(on_hold: bool) -> impl FnOnce(&mut FlexView) {
    move |flex| {
        flex.voice_task = Some(VoiceTask {
            worker_call_sid: Some(SID.into()),
            on_hold: Some(on_hold),
            ..VoiceTask::default()
        });
    }
}
