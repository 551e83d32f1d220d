//! The extension's machines, told anything in any order. A line is one event: its first letter says which, the rest is what
//! comes with it.

use content_wasm::machine::{self as content, Reading, WorkerSays};
use kernel::{Monotonic, Secret, Timestamp};
use protocol::{ProblemCode, port};
use sansio::{Machine as _, rig::Rig};
use serde_json::Value;
use worker_wasm::{
    machine::{
        self as worker, Boot, Command, DeviceEvent, DeviceId, Event, FetchOutcome, MicrophonePermission,
        OfferId, PageMessage, Persisted, PortId, Preferences, Sender, config::PolicyValues, ports::Trust,
    },
    reading,
};

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// More would only take longer.
const MAX_LINES: usize = 200;
/// The most that one event may make a machine do.
const MAX_COMMANDS: usize = 300;

/// A page's and a worker's messages for the content script's machine.
pub fn content_machine(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut rig = Rig::new(content::Machine::default(), Monotonic::default());
    let (mut port, mut retired) = (0, false);
    for line in text.lines().take(MAX_LINES) {
        let mut letters = line.chars();
        let (letter, rest) = (letters.next().unwrap_or(' '), letters.as_str());
        let number: u32 = rest.trim().parse().unwrap_or(port);
        let alive = !rest.starts_with('!');
        if letter == 't' {
            rig.pass(number.min(60_000).into());
        } else {
            let event = match letter {
                'p' => content::Event::Page(content::Channel::Window, read_page(rest)),
                'q' => content::Event::Page(content::Channel::WindowWithPort, read_page(rest)),
                'l' => content::Event::Page(content::Channel::Port, read_page(rest)),
                'w' => match WorkerSays::of(rest) {
                    Some(says) => content::Event::Worker(port, says),
                    None => continue,
                },
                'c' => content::Event::Closed { port: number, alive },
                'n' => match read_page(rest) {
                    Reading::Understood(message) => content::Event::NotSent { port, message, alive },
                    _ => continue,
                },
                'a' => content::Event::Looked { alive },
                'h' => content::Event::Hidden,
                's' => content::Event::Shown,
                _ => continue,
            };
            rig.event(event);
        }
        let commands = rig.take();
        assert!(!retired || commands.is_empty(), "a retired proxy says no more: {commands:?}");
        assert!(commands.len() <= MAX_COMMANDS, "{} commands", commands.len());
        for command in &commands {
            match command {
                content::Command::Connect(id) => {
                    assert!(*id > port || port == 0, "connection {id} after {port}");
                    port = *id;
                }
                content::Command::Send(id, _) => {
                    assert_eq!(*id, port, "a message for a connection of the past")
                }
                content::Command::Retire => retired = true,
                _ => {}
            }
        }
    }
}

fn read_page(text: &str) -> Reading {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    content::read(value["type"].as_str(), || serde_json::from_str(text).ok())
}

/// Everybody's messages for the worker's machine.
pub fn worker_machine(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut world = World::new();
    for line in text.lines().take(MAX_LINES) {
        let mut letters = line.chars();
        let (letter, rest) = (letters.next().unwrap_or(' '), letters.as_str());
        world.line(letter, rest);
    }
    world.passes(60_000);
}

struct World {
    machine: worker::Machine,
    now: Timestamp,
    device: DeviceId,
    attempt: u32,
    offers: u32,
    saved: Option<Box<Persisted>>,
    preferences: Box<Preferences>,
}

impl World {
    fn new() -> Self {
        let machine = worker::Machine::new(boot(START));
        let preferences = Box::default();
        Self { machine, now: START, device: DeviceId(0), attempt: 0, offers: 0, saved: None, preferences }
    }

    fn line(&mut self, letter: char, rest: &str) {
        let digit = u64::from(rest.chars().next().and_then(|c| c.to_digit(10)).unwrap_or(0));
        let json = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let port = PortId(digit);
        let event = match letter {
            't' => return self.passes(rest.trim().parse().unwrap_or(1_000).min(120_000)),
            's' => {
                // Another process, from what the last one saved, or from anything that can be read as that.
                let persisted = serde_json::from_str(rest).ok().map(Box::new).or_else(|| self.saved.clone());
                self.machine = worker::Machine::new(boot(self.now));
                let preferences = self.preferences.clone();
                Event::Started { persisted, preferences, policy: PolicyValues::default() }
            }
            'g' => Event::PolicyChanged {
                policy: PolicyValues::from(serde_json::from_str::<Value>(rest).unwrap_or_default()),
            },
            'o' => Event::PortOpened { port, name: port::PAGE.into(), sender: flex_tab() },
            'O' => Event::PortOpened { port, name: port::OFFSCREEN.into(), sender: own("offscreen.html") },
            'U' => Event::PortOpened { port, name: port::POPUP.into(), sender: own("popup.html") },
            'E' => Event::PortOpened { port, name: json.into(), sender: own(json) },
            'x' => Event::PortClosed { port },
            'p' => Event::FromPage { port, message: page_message(json, self.now) },
            'r' => Event::FromPage { port, message: PageMessage::Refused(ProblemCode::UnknownType) },
            'u' => Event::FromPopup { port, message: serde_json::from_str(json).ok() },
            'f' => Event::FromOffscreen { port, message: serde_json::from_str(json).ok() },
            'm' => Event::Microphone(match digit {
                0 => MicrophonePermission::Granted,
                1 => MicrophonePermission::Prompt,
                _ => MicrophonePermission::Denied,
            }),
            'a' => Event::Fetched { attempt: self.attempt, outcome: outcome(rest) },
            'd' => Event::Device { device: self.device, event: self.device_event(digit, json) },
            'e' => Event::OffscreenOpened { ok: digit == 0 },
            'z' => Event::OffscreenClosed,
            'l' => Event::Alarm,
            'b' => Event::BrowserStarted,
            _ => return,
        };
        self.happens(event);
    }

    fn device_event(&mut self, which: u64, rest: &str) -> DeviceEvent {
        match which {
            0 => DeviceEvent::Registered { edge: Some(rest.into()) },
            1 => DeviceEvent::Unregistered,
            2 => DeviceEvent::Error { code: rest.trim().parse().ok() },
            3 => DeviceEvent::TokenWillExpire,
            4 | 5 => {
                self.offers += 1;
                DeviceEvent::Incoming {
                    offer: OfferId(self.offers),
                    call_sid: rest.trim().into(),
                    connect_token: (which == 4).then(|| Secret::new("connect")),
                    from: Some(rest.into()),
                }
            }
            _ => DeviceEvent::OfferGone { offer: OfferId(self.offers) },
        }
    }

    fn happens(&mut self, event: Event) {
        let commands = self.machine.handle(event, self.now);
        self.note(commands);
    }

    fn wakes(&mut self) {
        let commands = self.machine.handle_timeout(self.now);
        self.note(commands);
    }

    fn note(&mut self, commands: Vec<Command>) {
        assert!(commands.len() <= MAX_COMMANDS, "{} commands at once", commands.len());
        for command in commands {
            match command {
                Command::Save(state) => {
                    let written = serde_json::to_string(&state).unwrap_or_else(|error| panic!("{error}"));
                    let read = serde_json::from_str::<Persisted>(&written);
                    assert!(read.is_ok(), "what was saved cannot be read: {:?}", read.err());
                    self.saved = Some(state);
                }
                Command::SavePreferences(preferences) => self.preferences = preferences,
                Command::CreateDevice { device, .. } => self.device = device,
                Command::FetchToken { attempt, .. } => self.attempt = attempt,
                _ => {}
            }
        }
        let state = self.machine.state(self.now);
        let written = serde_json::to_string(&state);
        assert!(written.is_ok(), "the state cannot be shown");
    }

    /// Time goes by, and the machine is woken whenever it asked to be: which must not be all the time.
    fn passes(&mut self, millis: u64) {
        let end = self.now.plus(millis);
        let mut wakes = 0;
        while let Some(wake) = self.machine.poll_timeout().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            self.wakes();
            wakes += 1;
            assert!(wakes <= 100 + millis / 50, "{wakes} wakes in {millis} ms");
        }
        self.now = end;
    }
}

fn boot(now: Timestamp) -> Boot {
    Boot {
        trust: Trust {
            own_id: "holdfastid".into(),
            base_url: "chrome-extension://holdfastid/".into(),
            page_patterns: vec!["https://flex.twilio.com/*".into()],
        },
        version: "0.1.0".into(),
        started_at: now,
        seed: 7,
    }
}

fn flex_tab() -> Sender {
    Sender {
        id: Some("holdfastid".into()),
        url: Some("https://flex.twilio.com/agent-desktop".into()),
        origin: Some("https://flex.twilio.com".into()),
        tab: Some(1),
        window: Some(1),
        frame_id: Some(0),
        document: None,
    }
}

fn own(path: &str) -> Sender {
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

/// As the worker's shell reads a content script's message; a Flex token's date is taken for an hour from now.
fn page_message(json: &str, now: Timestamp) -> PageMessage {
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    let date =
        |_: &str| if json.contains("never") { f64::NAN } else { now.plus(3_600_000).as_millis() as f64 };
    let message = || serde_json::from_str(json).ok();
    reading::page_message(value["type"].as_str(), serde_json::from_str(json).ok(), message, date)
}

/// `200 {"identity": …}`, `503;7 …`, or `t`, `l`, `u` for what came of a request without an answer.
fn outcome(text: &str) -> FetchOutcome {
    match text.trim() {
        "t" => return FetchOutcome::TimedOut,
        "l" => return FetchOutcome::TooLong,
        "u" => return FetchOutcome::Unreachable,
        _ => {}
    }
    let (head, body) = text.split_once(' ').unwrap_or((text, ""));
    let (status, retry_after) = head.split_once(';').unwrap_or((head, ""));
    FetchOutcome::Answer {
        status: status.trim().parse().unwrap_or(500),
        body: Secret::new(body),
        retry_after: retry_after.parse().ok(),
    }
}
