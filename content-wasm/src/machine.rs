//! What the proxy decides.
//!
//! The page is hostile, the worker is mortal, and the extension may be replaced under a living page. So: a page's
//! message is judged by its type, parsed, and rebuilt; the last CONFIGURE is kept and said again to a restarted
//! worker, because the replaced extension's plugin never repeats it; and DISCONNECTED, which that plugin takes for
//! good, is said only once the extension really is gone.
//!
//! All scripts of a page hear what is posted in its window. A plugin that offers a `MessagePort` with its CONFIGURE is
//! therefore spoken to over that port alone, and only what comes over it is believed from then on. The first port stays
//! until its plugin has left it or no longer answers: whoever offers another one meanwhile is not heard, and is counted. So
//! a script that only listens, or comes later, gets nothing; a script that offers a port before the plugin does owns the
//! page. The replaced plugin offers none and is answered in the window.

use std::collections::VecDeque;

use kernel::{Bucket, Monotonic};
use protocol::{
    ProblemCode,
    page::{Configure, ErrorReply, Kind, ToExtension, ToPage, kind_of, line},
    token::MAX_FLEX_TOKEN,
};
use sansio::{Backoff, Timers};
use wire::{FromTree as _, Tree};

/// The one type that may bring a port.
const CONFIGURE: &str = "VOICE_CLIENT_EXTENSION_CONFIGURE";

/// The one type that is heard over the plugin's port alone: it may bring a link, which is a secret, and takes the screen.
const SHOW_VIDEO: &str = "VOICE_CLIENT_EXTENSION_SHOW_VIDEO";

/// The longest message that is read, in characters of JSON: the longest Flex token, and what else its message says.
pub const MAX_BODY: usize = MAX_FLEX_TOKEN + 512;

/// What is taken of each type: a burst, and a sustained rate per second. More than any plugin says, and one type's
/// flood does not keep another's messages out.
const PER_TYPE: Bucket<Monotonic> = Bucket::new(40, 20);

/// How many ports are looked at of a page that has one already. A bucket of their own: who offers them must not keep the
/// plugin's CONFIGURE out.
const OFFERS: Bucket<Monotonic> = Bucket::new(10, 1);

/// At which look, [`WATCH_MS`] apart, a plugin that was asked and has not answered is gone. Two, because the first may come
/// right after the question, or together with the answer in a page that was busy for long.
const LOOKS: u8 = 2;

/// How many connections are made: a burst, and a sustained rate per second. A worker that is killed over and over
/// needs fewer. It is one document's, however often the page hides and shows it; the worker has one for each tab.
const CONNECTIONS: Bucket<Monotonic> = Bucket::new(20, 1);

/// The pause when that is used up, in milliseconds.
const CROWDED_MS: u64 = 1_000;

/// How often a page that says too much is told so, in milliseconds.
const TELL_FLOOD_MS: u64 = 10_000;

/// The pause before a page that was refused connects again, in milliseconds. It does so because the agent may have
/// started over meanwhile, which changes the answer and must not need a reload.
const REFUSED_MS: u64 = 5_000;

/// The deepest message that is read, in levels of objects and arrays. The contract needs two.
pub const MAX_DEPTH: usize = 16;

/// How many messages wait for a worker that is away. More than a person can click in the meantime.
const MAX_WAITING: usize = 32;

/// How long a message may wait, in milliseconds. What is older must not be carried out: a hang-up that comes late
/// would end another call than the one it was meant for.
const MAX_WAIT_MS: u64 = 5_000;

/// Pauses before connecting again: 0, 250, 1000, 2000 ms. The replaced plugin gives up on the voice client after 5 s without
/// a heartbeat.
const RECONNECT: Backoff = Backoff::new(250, 2_000).growing_by(4).first_at_once();

/// How often to look whether the extension still is there, in milliseconds. When it is replaced, Chrome first reports
/// the connection's end, lets the page connect again, and then cuts it off without a word.
const WATCH_MS: u64 = 2_000;

/// A connection that stood this long, in milliseconds, was a good one: the next one is tried without a pause.
const GOOD_MS: u64 = 5_000;

/// What a page's message turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Another script's message, or one of ours heard back.
    NotForUs,
    /// Understood, and rebuilt from what was understood.
    Understood(ToExtension),
    /// Has the named type of the contract, and not its form.
    Malformed(&'static str),
    /// In our namespace, and unknown.
    Unknown,
}

/// Reads a page's message. `body` gives all of it, `None` where it cannot be told (a `BigInt`, a getter that throws,
/// too long, too deep), and is called only for the types of the contract: a page's other messages cost one comparison.
pub fn read(message_type: Option<&str>, body: impl FnOnce() -> Option<Tree>) -> Reading {
    match kind_of(message_type) {
        Kind::Foreign | Kind::Echo => Reading::NotForUs,
        Kind::Unknown => Reading::Unknown,
        Kind::Known(name) => body()
            .and_then(|mut tree| ToExtension::from_tree(&mut tree))
            .map_or(Reading::Malformed(name), Reading::Understood),
    }
}

/// What matters here of the worker's messages; all else of them is the page's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerSays {
    /// CONFIG_REJECTED: the kept CONFIGURE is of no use.
    Rejected,
    /// Any other message of the contract.
    Other,
}

impl WorkerSays {
    /// Judges a message of the worker's by its `type`; `None` when it is none for the page.
    #[must_use]
    pub fn of(message_type: &str) -> Option<Self> {
        if message_type == "VOICE_CLIENT_EXTENSION_CONFIG_REJECTED" {
            return Some(Self::Rejected);
        }
        ToPage::NAMES.contains(&message_type).then_some(Self::Other)
    }
}

/// An older plugin knows no question: its newest port is taken, as it always was.
fn can_be_asked(hello: &Configure) -> bool {
    hello.protocol_version.is_some_and(|version| version >= line::SINCE)
}

/// Numbers the connections of this page, so that news of an old one is not taken for news of the present one.
pub type PortId = u32;

/// How a message of the page came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Posted in the page's window, where all its scripts speak and hear.
    Window,
    /// The same, with a `MessagePort`.
    WindowWithPort,
    /// Over the port that [`Command::TakePort`] took.
    Port,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The page sent a message.
    Page(Channel, Reading),
    /// The page sent too many messages of a type: [`Machine::turns_away`].
    Flooded,
    /// The plugin leaves the port that [`Command::TakePort`] or [`Command::TakeKeptPort`] took.
    LineLeft,
    /// The plugin's answer to [`Command::Ask`].
    LineHere,
    /// A message of our namespace that is not the plugin's: another window, another origin, or, once there is a port,
    /// another script of the page.
    Foreign,
    /// The worker sent a message over this connection.
    Worker(PortId, WorkerSays),
    /// The connection could not be made, or is gone.
    Closed {
        port: PortId,
        /// False when the extension itself is gone from this page and will not come back.
        alive: bool,
    },
    /// A message could not be sent over this connection, so it is gone.
    NotSent {
        port: PortId,
        message: ToExtension,
        /// As in [`Event::Closed`].
        alive: bool,
    },
    /// The answer to [`Command::Look`].
    Looked {
        /// As in [`Event::Closed`].
        alive: bool,
    },
    /// `pagehide`: the page is left. It may come back out of the back/forward cache.
    Hidden,
    /// `pageshow`: also at the first showing, and of a page that is prerendered.
    Shown,
    /// The page is being prerendered: nobody has opened it, and perhaps nobody will.
    Prerendering,
    /// `prerenderingchange`: somebody has.
    Activated,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made a few times a second at most, and never kept")]
pub enum Command {
    /// Connect to the worker. Failure is reported as [`Event::Closed`].
    Connect(PortId),
    /// Close the connection.
    Close(PortId),
    /// Send to the worker.
    Send(PortId, ToExtension),
    /// Tell the worker that a message of the page was refused. Lost if the connection is: it is for a person's eyes.
    Report(PortId, ProblemCode),
    /// Tell the worker how much was dropped.
    ReportDropped {
        /// Over this connection.
        port: PortId,
        /// Messages that were not the plugin's.
        foreign: u32,
        /// Messages that came too fast.
        flooded: u32,
        /// Ports that were offered while another one was in use.
        contested: u32,
    },
    /// From now on hear and speak to the page over the port that this event's message brought.
    TakePort,
    /// Ask over the port that was taken whether the plugin is there.
    Ask,
    /// Keep the port that this event's message brought, in place of one that is kept already.
    KeepPort,
    /// As [`Command::TakePort`], with the port that is kept.
    TakeKeptPort,
    /// Close the port that is kept.
    DropKeptPort,
    /// Hand the worker's message of this event on to the page as it came.
    Relay,
    /// Send to the page: over the port that was taken, else in its window.
    Post(ToPage),
    /// Look whether the extension still is there, and report [`Event::Looked`].
    Look,
    /// Stop listening; never started again.
    Retire,
}

/// What waits for its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Until then nothing is connected.
    Pause,
    /// The next look at whether the extension still is there.
    Watch,
}

#[derive(Debug)]
struct Open {
    id: PortId,
    since: Monotonic,
    heard: bool,
    /// The refusal that the worker knows of: a page that goes on and on is reported once, until it says something good.
    reported: Option<ProblemCode>,
}

/// The proxy of one page.
#[derive(Debug)]
pub struct Machine {
    configure: Option<Configure>,
    /// The last CONFIGURE was refused.
    rejected: bool,
    /// The page is spoken to over a port. No way leads back: the page has a plugin that offers ports.
    private: bool,
    /// A plugin that can be asked is at the other end of that port, as far as is known.
    held: bool,
    /// What was said with the port that is kept, and how often was looked since.
    offered: Option<(u8, Configure)>,
    offers: Bucket<Monotonic>,
    /// How much of each type is still taken; the last one is for unknown types.
    buckets: [Bucket<Monotonic>; ToExtension::NAMES.len() + 1],
    /// What was dropped and the worker does not know of.
    foreign: u32,
    flooded: u32,
    contested: u32,
    /// When the page was told that it says too much.
    told_flood: Option<Monotonic>,
    port: Option<Open>,
    ports: PortId,
    connections: Bucket<Monotonic>,
    failures: u32,
    waiting: VecDeque<(Monotonic, ToExtension)>,
    /// A refusal that the worker is to hear of.
    refused: Option<ProblemCode>,
    hidden: bool,
    prerendering: bool,
    retired: bool,
    timers: Timers<Timer, Monotonic>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            configure: None,
            rejected: false,
            private: false,
            held: false,
            offered: None,
            offers: OFFERS,
            buckets: [PER_TYPE; ToExtension::NAMES.len() + 1],
            foreign: 0,
            flooded: 0,
            contested: 0,
            told_flood: None,
            port: None,
            ports: 0,
            connections: CONNECTIONS,
            failures: 0,
            waiting: VecDeque::new(),
            refused: None,
            hidden: false,
            prerendering: false,
            retired: false,
            timers: Timers::default(),
        }
    }
}

impl Machine {
    /// Judges a message before it is read, because a flood must cost the page more than us: what to report in place of it,
    /// `None` when it is to be read. Messages that are not for us cost nothing.
    pub fn turns_away(
        &mut self,
        channel: Channel,
        message_type: Option<&str>,
        now: Monotonic,
    ) -> Option<Event> {
        let known = match kind_of(message_type) {
            Kind::Foreign | Kind::Echo => return None,
            Kind::Known(name) => Some(name),
            Kind::Unknown => None,
        };
        let offer = channel == Channel::WindowWithPort && known == Some(CONFIGURE);
        if known == Some(SHOW_VIDEO) && channel != Channel::Port {
            return Some(Event::Foreign);
        }
        if self.private && channel != Channel::Port {
            return (!offer || !self.offers.take(1, now)).then_some(Event::Foreign);
        }
        let index = known.and_then(|name| ToExtension::NAMES.iter().position(|known| *known == name));
        let bucket = self.buckets.get_mut(index.unwrap_or(ToExtension::NAMES.len()));
        bucket.is_some_and(|bucket| !bucket.take(1, now)).then_some(Event::Flooded)
    }

    fn handle_event(&mut self, event: Event, now: Monotonic, out: &mut Vec<Command>) {
        match event {
            Event::Page(_, Reading::NotForUs) => {}
            Event::Foreign => self.foreign = self.foreign.saturating_add(1),
            Event::Flooded => self.flood(now, out),
            Event::Page(Channel::WindowWithPort, Reading::Understood(ToExtension::Configure { payload }))
                if self.held =>
            {
                self.contest(payload, out);
            }
            Event::Page(channel, Reading::Understood(message)) => self.pass_on(channel, message, now, out),
            Event::LineLeft => self.line_left(now, out),
            Event::LineHere => self.turn_offer_down(out),
            Event::Page(_, Reading::Malformed(name)) => {
                let words = "The message does not have the form that the contract gives this type.";
                self.refuse(ErrorReply::new(Some(name), ProblemCode::MalformedMessage, words), now, out);
            }
            Event::Page(_, Reading::Unknown) => {
                let words = "The voice client does not know this type of message.";
                self.refuse(ErrorReply::new(None, ProblemCode::UnknownType, words), now, out);
            }
            Event::Worker(id, says) => self.on_worker_message(id, says, out),
            Event::Closed { alive: false, .. }
            | Event::NotSent { alive: false, .. }
            | Event::Looked { alive: false } => {
                self.retire(out);
            }
            Event::Looked { alive: true } => {
                self.doubt_line(now, out);
                self.report_dropped(out);
            }
            Event::Closed { port, .. } => self.closed(port, now, out),
            Event::NotSent { port, message, .. } => self.not_sent(port, message, now, out),
            Event::Hidden => {
                self.hidden = true;
                self.timers.disarm(Timer::Pause);
                if let Some(open) = self.port.take() {
                    out.push(Command::Close(open.id));
                }
            }
            Event::Shown => {
                self.hidden = false;
                self.failures = 0;
                self.connect_if_wanted(now, out);
            }
            Event::Prerendering => self.prerendering = true,
            Event::Activated => {
                self.prerendering = false;
                self.connect_if_wanted(now, out);
            }
        }
    }

    /// Somebody offers a port while there is a plugin: the plugin itself, which leaves its old one, or another script. The
    /// plugin says which.
    fn contest(&mut self, payload: Configure, out: &mut Vec<Command>) {
        out.push(Command::KeepPort);
        if let Some((_, newest)) = &mut self.offered {
            *newest = payload;
            self.contested = self.contested.saturating_add(1);
        } else {
            self.offered = Some((0, payload));
            out.push(Command::Ask);
        }
    }

    /// Whoever offered a port rightly takes the place of the plugin that is gone.
    fn line_left(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        self.held = false;
        if let Some((_, payload)) = self.offered.take() {
            self.held = can_be_asked(&payload);
            out.push(Command::TakeKeptPort);
            self.pass_on(Channel::Port, ToExtension::Configure { payload }, now, out);
        }
    }

    /// The plugin is there: the offer was another script's.
    fn turn_offer_down(&mut self, out: &mut Vec<Command>) {
        if self.offered.take().is_some() {
            self.contested = self.contested.saturating_add(1);
            out.push(Command::DropKeptPort);
        }
    }

    /// A plugin that does not answer is gone. That is counted too: nobody may take its place unseen.
    fn doubt_line(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        let Some((looks, _)) = &mut self.offered else { return };
        *looks += 1;
        if *looks >= LOOKS {
            self.contested = self.contested.saturating_add(1);
            self.line_left(now, out);
        }
    }

    /// Answers a message that is not passed on, and lets the worker know, so that the popup can say it.
    fn refuse(&mut self, payload: ErrorReply, now: Monotonic, out: &mut Vec<Command>) {
        let code = payload.problem.code;
        out.push(Command::Post(ToPage::Error { payload }));
        match &mut self.port {
            Some(open) if open.reported == Some(code) => {}
            Some(open) => {
                open.reported = Some(code);
                out.push(Command::Report(open.id, code));
            }
            None => {
                self.refused = Some(code);
                self.connect_if_wanted(now, out);
            }
        }
    }

    /// The page says too much. Said now and then, because whoever does that does not listen.
    fn flood(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        self.flooded = self.flooded.saturating_add(1);
        if self.told_flood.is_some_and(|at| now.since(at) < TELL_FLOOD_MS) {
            return;
        }
        self.told_flood = Some(now);
        let words = "Too many messages: some were dropped.";
        let payload = ErrorReply::new(None, ProblemCode::TooManyMessages, words);
        out.push(Command::Post(ToPage::Error { payload }));
    }

    /// Nobody is woken for it: it waits for a connection that is there anyway.
    fn report_dropped(&mut self, out: &mut Vec<Command>) {
        let Some(open) = &self.port else { return };
        let [foreign, flooded, contested] =
            [&mut self.foreign, &mut self.flooded, &mut self.contested].map(std::mem::take);
        if foreign > 0 || flooded > 0 || contested > 0 {
            out.push(Command::ReportDropped { port: open.id, foreign, flooded, contested });
        }
    }

    fn pass_on(&mut self, channel: Channel, message: ToExtension, now: Monotonic, out: &mut Vec<Command>) {
        self.refused = None;
        if let Some(open) = &mut self.port {
            open.reported = None;
        }
        if let ToExtension::Configure { payload } = &message {
            self.configure = Some(payload.clone());
            self.rejected = false;
            if channel == Channel::WindowWithPort {
                self.private = true;
                self.held = can_be_asked(payload);
                out.push(Command::TakePort);
            }
        }
        match &self.port {
            Some(open) => out.push(Command::Send(open.id, message)),
            None => {
                self.keep(message, now);
                self.connect_if_wanted(now, out);
            }
        }
    }

    fn not_sent(&mut self, id: PortId, message: ToExtension, now: Monotonic, out: &mut Vec<Command>) {
        match &self.port {
            // A newer connection has been made meanwhile; it began with the CONFIGURE.
            Some(open) if open.id != id => {
                if !matches!(message, ToExtension::Configure { .. }) {
                    out.push(Command::Send(open.id, message));
                }
            }
            _ => {
                self.keep(message, now);
                self.closed(id, now, out);
            }
        }
    }

    /// Keeps a message for the next connection. CONFIGURE is kept apart and goes first.
    fn keep(&mut self, message: ToExtension, now: Monotonic) {
        if !matches!(message, ToExtension::Configure { .. }) && self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((now, message));
        }
    }

    fn connect_if_wanted(&mut self, now: Monotonic, out: &mut Vec<Command>) {
        self.waiting.retain(|(since, _)| now.since(*since) <= MAX_WAIT_MS);
        let wanted = self.configure.is_some() || !self.waiting.is_empty() || self.refused.is_some();
        let is_pausing = self.timers.is_armed(Timer::Pause);
        if !wanted || self.hidden || self.prerendering || is_pausing || self.port.is_some() {
            return;
        }
        if !self.connections.take(1, now) {
            self.timers.arm(Timer::Pause, now.plus(CROWDED_MS));
            return;
        }
        self.ports += 1;
        let id = self.ports;
        let refused = self.refused.take();
        self.port = Some(Open { id, since: now, heard: false, reported: refused });
        out.push(Command::Connect(id));
        self.timers.arm_once(Timer::Watch, now.plus(WATCH_MS));
        if let Some(payload) = self.configure.clone() {
            out.push(Command::Send(id, ToExtension::Configure { payload }));
        }
        out.extend(self.waiting.drain(..).map(|(_, message)| Command::Send(id, message)));
        out.extend(refused.map(|code| Command::Report(id, code)));
    }

    fn on_worker_message(&mut self, id: PortId, says: WorkerSays, out: &mut Vec<Command>) {
        let Some(open) = self.port.as_mut().filter(|open| open.id == id) else { return };
        open.heard = true;
        if says == WorkerSays::Rejected {
            self.rejected = true;
        }
        out.push(Command::Relay);
    }

    fn retire(&mut self, out: &mut Vec<Command>) {
        *self = Self { retired: true, ..Self::default() };
        out.extend([Command::Post(ToPage::Disconnected), Command::Retire]);
    }

    fn closed(&mut self, id: PortId, now: Monotonic, out: &mut Vec<Command>) {
        let Some(open) = self.port.take_if(|open| open.id == id) else { return };
        if open.heard || now.since(open.since) >= GOOD_MS {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let pause = if self.rejected { REFUSED_MS } else { RECONNECT.pause_ms(self.failures) };
        if pause > 0 {
            self.timers.arm(Timer::Pause, now.plus(pause));
        } else {
            // Without a timer, which a hidden tab would delay by up to a second.
            self.connect_if_wanted(now, out);
        }
    }
}

impl sansio::Machine for Machine {
    type Time = Monotonic;
    type Event = Event;
    type Command = Command;

    fn handle(&mut self, event: Event, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        if !self.retired {
            self.handle_event(event, now, &mut out);
        }
        out
    }

    fn handle_timeout(&mut self, now: Monotonic) -> Vec<Command> {
        let mut out = Vec::new();
        while let Some((timer, _)) = self.timers.take_due(now) {
            match timer {
                Timer::Pause => self.connect_if_wanted(now, &mut out),
                Timer::Watch => {
                    self.timers.arm(Timer::Watch, now.plus(WATCH_MS));
                    out.push(Command::Look);
                }
            }
        }
        out
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        self.timers.next()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::page::TYPE_PREFIX;
    use sansio::{Machine as _, rig::Rig};

    use super::*;

    const HELLO: &str = r#"{"type":"VOICE_CLIENT_EXTENSION_CONFIGURE","payload":{
        "voiceClientTokenGeneratorUrl":"https://tokens.example.com/v1/voice/token",
        "accountSid":"AC11111111111111111111111111111111","extensionVoiceClientPrefix":"ext_"}}"#;
    const HANG_UP: &str = r#"{"type":"VOICE_CLIENT_EXTENSION_HANGUP_CALL"}"#;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_millis(millis)
    }

    /// As the shell gives it.
    fn tree(value: &serde_json::Value) -> Tree {
        serde_json::from_value(value.clone()).unwrap()
    }

    /// How long is paused from `now` on.
    fn pause(machine: &Machine, now: u64) -> Option<u64> {
        machine.timers.at(Timer::Pause).map(|over| over.since(at(now)))
    }

    fn reading(json: &str) -> Reading {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        read(value["type"].as_str(), || Some(tree(&value)))
    }

    fn page(json: &str) -> Event {
        Event::Page(Channel::Window, reading(json))
    }

    fn message(json: &str) -> ToExtension {
        serde_json::from_str(json).unwrap()
    }

    fn lost(port: PortId) -> Event {
        Event::Closed { port, alive: true }
    }

    /// A page that has been accepted over connection 1.
    fn accepted() -> Machine {
        let mut machine = Machine::default();
        machine.handle(page(HELLO), at(0));
        machine.handle(Event::Worker(1, WorkerSays::Other), at(1));
        machine
    }

    #[test]
    fn nothing_is_connected_before_the_page_says_something_of_ours() {
        let mut machine = Machine::default();
        assert!(machine.handle(Event::Shown, at(0)).is_empty());
        for foreign in
            [r#"{"type":"webpackHotUpdate"}"#, r#"{"type":"VOICE_CLIENT_EXTENSION_HEARTBEAT"}"#, "{}", "null"]
        {
            assert!(machine.handle(page(foreign), at(0)).is_empty(), "{foreign}");
        }
    }

    #[test]
    fn the_first_message_connects_and_goes_through() {
        let mut machine = Machine::default();
        let out = machine.handle(page(HELLO), at(0));
        assert_eq!(out, [Command::Connect(1), Command::Send(1, message(HELLO))]);
        assert_eq!(machine.timers.at(Timer::Watch), Some(at(2_000)));
        assert_eq!(machine.handle(page(HANG_UP), at(1)), [Command::Send(1, message(HANG_UP))]);
    }

    #[test]
    fn a_message_is_built_anew_so_that_nothing_else_the_page_put_into_it_goes_on() {
        let Reading::Understood(message) = reading(
            r#"{"type":"VOICE_CLIENT_EXTENSION_SEND_DTMF_DIGITS","__proto__":{"a":1},"extra":"<b>",
                "payload":{"digits":"12#","constructor":{"prototype":{}}}}"#,
        ) else {
            panic!("not understood")
        };
        let sent = serde_json::to_string(&message).unwrap();
        assert_eq!(sent, r#"{"type":"VOICE_CLIENT_EXTENSION_SEND_DTMF_DIGITS","payload":{"digits":"12#"}}"#);
    }

    #[test]
    fn a_foreign_message_is_never_even_looked_into() {
        let looked = || -> Option<Tree> { panic!("looked into a foreign message") };
        for foreign in
            [None, Some("x"), Some("VOICE_CLIENT_EXTENSION_STATE"), Some("VOICE_CLIENT_EXTENSION_NEW")]
        {
            read(foreign, looked);
        }
    }

    #[test]
    fn an_unknown_type_of_our_namespace_is_answered_and_not_passed_on() {
        let mut machine = Machine::default();
        let out = machine.handle(page(r#"{"type":"VOICE_CLIENT_EXTENSION_<img>"}"#), at(0));
        let [Command::Post(ToPage::Error { payload }), told @ ..] = &out[..] else { panic!("{out:?}") };
        assert_eq!(told[0], Command::Connect(1));
        assert_eq!(told.last(), Some(&Command::Report(1, ProblemCode::UnknownType)));
        assert_eq!((payload.problem.code, &payload.in_reply_to), (ProblemCode::UnknownType, &None));
        assert!(!format!("{payload:?}").contains("img"));
    }

    #[test]
    fn a_malformed_message_is_answered_with_its_type_and_none_of_its_text() {
        for (name, payload) in [
            ("CONFIGURE", "null"),
            ("CONFIGURE", r#"{"accountSid":"canary"}"#),
            ("CONFIGURE", r#"["canary"]"#),
            ("FLEX_TOKEN", r#"{"token":["canary"],"accountSid":"AC11111111111111111111111111111111"}"#),
            ("SEND_DTMF_DIGITS", r#"{"digits":"canary"}"#),
            ("SEND_DTMF_DIGITS", r#"{"digits":1e300}"#),
            ("SET_MUTE", r#"{"muted":"canary"}"#),
            ("HANGUP_CALL", r#"{"callSid":"canary"}"#),
        ] {
            let name = format!("{}{name}", protocol::page::TYPE_PREFIX);
            let event = page(&format!(r#"{{"type":"{name}","payload":{payload}}}"#));
            let out = Machine::default().handle(event, at(0));
            let [Command::Post(ToPage::Error { payload }), told @ ..] = &out[..] else {
                panic!("{name}: {out:?}")
            };
            assert!(
                told.iter().all(|command| !matches!(command, Command::Send(..))),
                "nothing of it is passed on"
            );
            assert_eq!(payload.problem.code, ProblemCode::MalformedMessage);
            assert_eq!(payload.in_reply_to.as_deref(), Some(&*name));
            assert!(!format!("{payload:?}").contains("canary"));
        }
    }

    #[test]
    fn a_page_that_goes_on_with_nonsense_is_reported_once_until_it_says_something_good() {
        let nonsense = || page(r#"{"type":"VOICE_CLIENT_EXTENSION_CONFIGURE","payload":null}"#);
        let reports = |out: Vec<Command>| out.iter().filter(|c| matches!(c, Command::Report(..))).count();
        let mut machine = Machine::default();
        assert_eq!(reports(machine.handle(nonsense(), at(0))), 1);
        assert_eq!(reports(machine.handle(nonsense(), at(1))), 0);
        machine.handle(page(HELLO), at(2));
        assert_eq!(reports(machine.handle(nonsense(), at(3))), 1);
        machine.handle(Event::Closed { port: 1, alive: true }, at(4));
        assert_eq!(reports(machine.handle(nonsense(), at(5))), 1);
    }

    #[test]
    fn a_message_that_cannot_be_told_is_malformed() {
        let name = "VOICE_CLIENT_EXTENSION_HANGUP_CALL";
        assert_eq!(read(Some(name), || None), Reading::Malformed(name));
    }

    #[test]
    fn a_killed_worker_is_reached_again_at_once_and_told_the_configuration() {
        let mut machine = accepted();
        let out = machine.handle(lost(1), at(30_000));
        assert_eq!(out, [Command::Connect(2), Command::Send(2, message(HELLO))]);
    }

    #[test]
    fn a_worker_that_dies_over_and_over_is_tried_at_growing_intervals_up_to_two_seconds() {
        let mut machine = accepted();
        let mut now = 10;
        let mut pauses = Vec::new();
        for port in 1..=6 {
            machine.handle(lost(port), at(now));
            let pause = pause(&machine, now);
            pauses.push(pause.unwrap_or(0));
            now += pause.unwrap_or(0);
            if pause.is_some() {
                assert!(machine.handle_timeout(at(now)).contains(&Command::Connect(port + 1)));
            }
        }
        assert_eq!(pauses, [0, 250, 1_000, 2_000, 2_000, 2_000]);
        machine.handle(Event::Worker(7, WorkerSays::Other), at(now));
        assert!(
            machine.handle(lost(7), at(now + 1)).contains(&Command::Connect(8)),
            "an answer ends the series"
        );
    }

    #[test]
    fn what_the_page_says_while_the_worker_is_away_follows_the_configuration() {
        let mut machine = accepted();
        machine.handle(lost(1), at(0));
        assert!(machine.handle(lost(2), at(0)).is_empty());
        assert_eq!(pause(&machine, 0), Some(250));
        assert!(machine.handle(page(HANG_UP), at(10)).is_empty());
        let sent =
            [Command::Connect(3), Command::Send(3, message(HELLO)), Command::Send(3, message(HANG_UP))];
        assert_eq!(machine.handle_timeout(at(250)), sent);
    }

    #[test]
    fn a_command_that_waited_too_long_is_not_carried_out() {
        let mut machine = accepted();
        machine.handle(Event::Hidden, at(0));
        machine.handle(page(HANG_UP), at(0));
        let out = machine.handle(Event::Shown, at(MAX_WAIT_MS + 1));
        assert_eq!(out, [Command::Connect(2), Command::Send(2, message(HELLO))]);
    }

    #[test]
    fn a_message_that_met_a_closing_connection_is_sent_over_the_next_one() {
        let failed = Event::NotSent { port: 1, message: message(HANG_UP), alive: true };
        let mut machine = accepted();
        let out = machine.handle(failed.clone(), at(5));
        let again =
            [Command::Connect(2), Command::Send(2, message(HELLO)), Command::Send(2, message(HANG_UP))];
        assert_eq!(out, again);
        assert!(machine.handle(lost(1), at(5)).is_empty());

        let mut machine = accepted();
        machine.handle(lost(1), at(5));
        assert_eq!(machine.handle(failed, at(6)), [Command::Send(2, message(HANG_UP))]);
    }

    #[test]
    fn a_refused_page_asks_again_by_itself_and_without_haste_so_that_starting_over_needs_no_reload() {
        let mut machine = accepted();
        assert_eq!(machine.handle(Event::Worker(1, WorkerSays::Rejected), at(2)), [Command::Relay]);
        let mut rig = Rig::new(machine, at(30_000));
        rig.event(lost(1));
        rig.pass(4_999);
        assert!(rig.take().iter().all(|command| *command == Command::Look));
        rig.pass(1);
        assert_eq!(rig.take(), [Command::Connect(2), Command::Send(2, message(HELLO))]);
    }

    #[test]
    fn a_flood_of_one_type_is_cut_off_and_the_others_go_through() {
        let mut machine = accepted();
        let digits = Some("VOICE_CLIENT_EXTENSION_SEND_DTMF_DIGITS");
        let admitted = (0..1_000)
            .filter(|i| machine.turns_away(Channel::Window, digits, at(1_000 + i)).is_none())
            .count();
        assert!((40..=60).contains(&admitted), "{admitted} of a thousand in a second");
        assert!(
            machine
                .turns_away(Channel::Window, Some("VOICE_CLIENT_EXTENSION_HANGUP_CALL"), at(2_000))
                .is_none()
        );
        assert!(
            machine
                .turns_away(Channel::Window, Some("VOICE_CLIENT_EXTENSION_CONFIGURE"), at(2_000))
                .is_none()
        );
        assert!(
            (0..1_000)
                .all(|_| machine.turns_away(Channel::Window, Some("webpackHotUpdate"), at(2_000)).is_none()),
            "those cost nothing"
        );
        let unknown = (0..1_000)
            .filter(|i| {
                machine.turns_away(Channel::Window, Some("VOICE_CLIENT_EXTENSION_X"), at(1_000 + i)).is_none()
            })
            .count();
        assert!((40..=60).contains(&unknown), "{unknown} of a thousand in a second");
    }

    #[test]
    fn what_is_dropped_is_told_to_the_page_now_and_then_and_counted_for_the_worker() {
        let mut machine = accepted();
        let posts = |out: &[Command]| out.iter().filter(|c| matches!(c, Command::Post(_))).count();
        let told: usize = (0..100).map(|i| posts(&machine.handle(Event::Flooded, at(10 + i)))).sum();
        assert_eq!(told, 1);
        for _ in 0..3 {
            assert!(machine.handle(Event::Foreign, at(200)).is_empty(), "another window gets no answer");
        }
        let out = machine.handle(Event::Looked { alive: true }, at(2_000));
        assert_eq!(out, [Command::ReportDropped { port: 1, foreign: 3, flooded: 100, contested: 0 }]);
        assert!(machine.handle(Event::Looked { alive: true }, at(4_000)).is_empty());
        assert_eq!(posts(&machine.handle(Event::Flooded, at(20_000))), 1);
    }

    #[test]
    fn nobody_is_connected_for_a_flood() {
        let mut machine = Machine::default();
        for event in [Event::Foreign, Event::Flooded, Event::Looked { alive: true }] {
            let out = machine.handle(event, at(1));
            assert!(out.iter().all(|command| matches!(command, Command::Post(_))), "{out:?}");
        }
    }

    #[test]
    fn a_page_that_offers_a_port_is_spoken_to_over_it_and_its_other_scripts_are_passed_over_and_counted() {
        let mut machine = Machine::default();
        let all = ToExtension::NAMES.into_iter().chain(["VOICE_CLIENT_EXTENSION_X"]);
        let turned_away = |machine: &mut Machine, way, at_ms| {
            all.clone().filter(|name| machine.turns_away(way, Some(name), at(at_ms)).is_some()).count()
        };
        assert_eq!(
            turned_away(&mut machine, Channel::Window, 0),
            1,
            "without a port all speak in the window, but for SHOW_VIDEO"
        );
        let out = machine.handle(Event::Page(Channel::WindowWithPort, reading(HELLO)), at(1));
        assert_eq!(out.first(), Some(&Command::TakePort));
        let types = ToExtension::NAMES.len() + 1;
        assert_eq!(turned_away(&mut machine, Channel::Window, 2), types);
        assert_eq!(turned_away(&mut machine, Channel::WindowWithPort, 3), types - 1, "all but a new offer");
        assert_eq!(turned_away(&mut machine, Channel::Port, 4), 0);
        let hang_up = Some("VOICE_CLIENT_EXTENSION_HANGUP_CALL");
        assert_eq!(machine.turns_away(Channel::Window, hang_up, at(5)), Some(Event::Foreign));
        assert_eq!(machine.turns_away(Channel::Window, Some("webpackHotUpdate"), at(5)), None);
        let flood =
            (0..1_000).filter(|_| machine.turns_away(Channel::Window, hang_up, at(6)).is_some()).count();
        assert_eq!(
            (flood, machine.turns_away(Channel::Port, hang_up, at(6))),
            (1_000, None),
            "nobody's channel is blocked"
        );
    }

    /// As a plugin says it that can be asked.
    fn hello_of(account: char) -> String {
        let version = r#""protocolVersion":3,"accountSid":"AC"#;
        HELLO.replace(r#""accountSid":"AC1"#, &format!("{version}{account}"))
    }

    fn offer(account: char) -> Event {
        Event::Page(Channel::WindowWithPort, reading(&hello_of(account)))
    }

    fn sent(port: PortId, account: char) -> Command {
        Command::Send(port, message(&hello_of(account)))
    }

    /// A page with a plugin that offered a port, accepted over connection 1.
    fn over_a_port() -> Machine {
        let mut machine = Machine::default();
        assert_eq!(machine.handle(offer('1'), at(0)).first(), Some(&Command::TakePort));
        machine.handle(Event::Worker(1, WorkerSays::Other), at(1));
        machine
    }

    const LOOK: Event = Event::Looked { alive: true };

    const fn report(port: PortId, contested: u32) -> Command {
        Command::ReportDropped { port, foreign: 0, flooded: 0, contested }
    }

    #[test]
    fn a_second_port_is_not_taken_while_the_plugin_is_there_and_is_counted() {
        let mut machine = over_a_port();
        let asked = [Command::KeepPort, Command::Ask];
        assert_eq!(machine.handle(offer('6'), at(10)), asked, "nothing of it is passed on");
        assert!(machine.handle(LOOK, at(500)).is_empty(), "not decided yet");
        assert_eq!(machine.handle(Event::LineHere, at(501)), [Command::DropKeptPort]);
        assert_eq!(machine.handle(LOOK, at(2_500)), [report(1, 1)]);
        // The plugin is heard as before, and a worker that was killed hears of the plugin's account.
        let hang_up = || Event::Page(Channel::Port, reading(HANG_UP));
        assert_eq!(machine.handle(hang_up(), at(2_501)), [Command::Send(1, message(HANG_UP))]);
        assert_eq!(machine.handle(lost(1), at(2_502)), [Command::Connect(2), sent(2, '1')]);

        assert_eq!(machine.handle(offer('6'), at(3_000)), asked);
        for i in 1..3 {
            assert_eq!(machine.handle(offer('6'), at(3_000 + i)), [Command::KeepPort], "asked once");
        }
        assert_eq!(machine.handle(Event::LineHere, at(3_010)), [Command::DropKeptPort]);
        assert_eq!(machine.handle(LOOK, at(4_500)), [report(2, 3)]);
        assert!(machine.handle(Event::LineHere, at(4_501)).is_empty(), "an answer to nothing");
    }

    #[test]
    fn a_plugin_that_leaves_its_port_is_heard_over_its_next_one_at_once_in_whichever_order_the_two_come() {
        let mut machine = over_a_port();
        assert_eq!(machine.handle(offer('2'), at(10)), [Command::KeepPort, Command::Ask]);
        assert_eq!(machine.handle(Event::LineLeft, at(11)), [Command::TakeKeptPort, sent(1, '2')]);
        assert!(machine.handle(LOOK, at(4_000)).is_empty(), "nothing was contested");

        assert!(machine.handle(Event::LineLeft, at(5_000)).is_empty());
        assert_eq!(machine.handle(offer('3'), at(5_001)), [Command::TakePort, sent(1, '3')]);
        let again = machine.handle(offer('6'), at(5_002));
        assert_eq!(again, [Command::KeepPort, Command::Ask], "that one is kept as well");
    }

    #[test]
    fn a_plugin_that_does_not_answer_gives_way_after_two_looks_and_never_unseen() {
        let mut machine = over_a_port();
        machine.handle(offer('2'), at(10));
        assert!(machine.handle(LOOK, at(11)).is_empty());
        machine.handle(offer('3'), at(1_000));
        let out = machine.handle(LOOK, at(2_011));
        assert_eq!(out, [Command::TakeKeptPort, sent(1, '3'), report(1, 2)], "the newest, who waits still");
    }

    #[test]
    fn a_plugin_from_before_the_question_is_heard_over_its_newest_port_as_ever() {
        let mut machine = Machine::default();
        let older = || Event::Page(Channel::WindowWithPort, reading(HELLO));
        machine.handle(older(), at(0));
        assert_eq!(machine.handle(older(), at(1)), [Command::TakePort, Command::Send(1, message(HELLO))]);
    }

    #[test]
    fn a_line_that_was_left_does_not_open_the_window_to_other_scripts() {
        let mut machine = over_a_port();
        machine.handle(Event::LineLeft, at(5));
        let hang_up = Some("VOICE_CLIENT_EXTENSION_HANGUP_CALL");
        assert_eq!(machine.turns_away(Channel::Window, hang_up, at(6)), Some(Event::Foreign));
        assert_eq!(machine.turns_away(Channel::Window, Some(CONFIGURE), at(6)), Some(Event::Foreign));
        assert_eq!(machine.turns_away(Channel::WindowWithPort, Some(CONFIGURE), at(6)), None);
    }

    #[test]
    fn a_video_window_is_asked_for_over_the_plugins_port_alone() {
        let show = Some(SHOW_VIDEO);
        let mut machine = accepted();
        assert_eq!(machine.turns_away(Channel::Window, show, at(2)), Some(Event::Foreign), "without a port");
        let mut machine = over_a_port();
        assert_eq!(machine.turns_away(Channel::Window, show, at(2)), Some(Event::Foreign));
        assert_eq!(machine.turns_away(Channel::WindowWithPort, show, at(2)), Some(Event::Foreign));
        assert_eq!(machine.turns_away(Channel::Port, show, at(2)), None);
    }

    #[test]
    fn a_flood_of_offered_ports_is_cut_off_and_keeps_nothing_of_the_plugin_out() {
        let mut machine = over_a_port();
        let looked_at = (0..1_000)
            .filter(|i| machine.turns_away(Channel::WindowWithPort, Some(CONFIGURE), at(1_000 + i)).is_none())
            .count();
        assert!((10..=12).contains(&looked_at), "{looked_at} of a thousand in a second");
        assert_eq!(machine.turns_away(Channel::Port, Some(CONFIGURE), at(2_000)), None);
    }

    #[test]
    fn no_page_makes_connections_without_end_and_a_worker_that_is_killed_over_and_over_is_still_reached() {
        let mut machine = accepted();
        let connections = |out: &[Command]| out.iter().filter(|c| matches!(c, Command::Connect(_))).count();
        let mut made = 1;
        // Hidden and shown a thousand times a second, ten seconds long.
        for millis in 0..10_000 {
            machine.handle(Event::Hidden, at(millis));
            made += connections(&machine.handle(Event::Shown, at(millis)));
        }
        assert!((20..=31).contains(&made), "{made}");
        // It is connected again by itself, and soon.
        machine.handle(Event::Shown, at(10_000));
        assert!(machine.port.is_some() || machine.timers.is_armed(Timer::Pause));
        machine.handle_timeout(at(11_000));
        assert!(machine.port.is_some());
    }

    #[test]
    fn a_prerendered_page_is_connected_when_somebody_opens_it_and_not_before() {
        let mut machine = Machine::default();
        assert!(machine.handle(Event::Prerendering, at(0)).is_empty());
        assert!(machine.handle(Event::Shown, at(1)).is_empty());
        assert_eq!(machine.handle(offer('1'), at(2)), [Command::TakePort]);
        assert!(machine.handle(Event::Page(Channel::Port, reading(HANG_UP)), at(3)).is_empty());
        let out = machine.handle(Event::Activated, at(60_000));
        assert_eq!(out, [Command::Connect(1), sent(1, '1')]);
    }

    #[test]
    fn a_port_is_not_taken_from_a_message_that_is_no_hello() {
        for json in [HANG_UP, r#"{"type":"VOICE_CLIENT_EXTENSION_CONFIGURE","payload":null}"#, "{}"] {
            let out = Machine::default().handle(Event::Page(Channel::WindowWithPort, reading(json)), at(0));
            assert!(!out.contains(&Command::TakePort), "{json}");
        }
    }

    #[test]
    fn the_newest_configuration_is_the_one_that_is_said_again() {
        let mut machine = accepted();
        let newer = HELLO.replace("AC1111", "AC2222");
        assert_eq!(machine.handle(page(&newer), at(2)), [Command::Send(1, message(&newer))]);
        assert_eq!(machine.handle(lost(1), at(3)), [Command::Connect(2), Command::Send(2, message(&newer))]);
    }

    #[test]
    fn a_replaced_extension_is_announced_once_and_then_there_is_silence() {
        let said = [Command::Post(ToPage::Disconnected), Command::Retire];
        let signs = [
            Event::Closed { port: 1, alive: false },
            Event::NotSent { port: 1, message: message(HANG_UP), alive: false },
            Event::Looked { alive: false },
        ];
        for sign in &signs {
            let mut machine = accepted();
            assert!(machine.handle(Event::Looked { alive: true }, at(4)).is_empty());
            assert_eq!(machine.handle(sign.clone(), at(5)), said, "{sign:?}");
            assert_eq!(machine.poll_timeout(), None);
            let after = [page(HELLO), page(HANG_UP), Event::Shown, lost(1)];
            for event in signs.iter().cloned().chain(after) {
                assert!(machine.handle(event, at(6)).is_empty());
            }
        }
    }

    #[test]
    fn a_page_out_of_the_back_forward_cache_connects_anew() {
        let mut machine = accepted();
        assert_eq!(machine.handle(Event::Hidden, at(10)), [Command::Close(1)]);
        assert!(machine.handle(lost(1), at(11)).is_empty(), "a frozen page stays away");
        let out = machine.handle(Event::Shown, at(99_000));
        assert_eq!(out, [Command::Connect(2), Command::Send(2, message(HELLO))]);
    }

    #[test]
    fn news_of_an_old_connection_is_not_taken_for_news_of_the_present_one() {
        let mut machine = accepted();
        machine.handle(lost(1), at(10));
        assert!(machine.handle(lost(1), at(11)).is_empty());
        assert!(machine.handle(Event::Worker(1, WorkerSays::Rejected), at(11)).is_empty());
        assert_eq!(machine.handle(page(HANG_UP), at(12)), [Command::Send(2, message(HANG_UP))]);
    }

    #[test]
    fn only_messages_of_the_contract_are_relayed() {
        assert_eq!(WorkerSays::of("VOICE_CLIENT_EXTENSION_CONFIG_REJECTED"), Some(WorkerSays::Rejected));
        assert_eq!(WorkerSays::of("VOICE_CLIENT_EXTENSION_HEARTBEAT"), Some(WorkerSays::Other));
        assert_eq!(WorkerSays::of("VOICE_CLIENT_EXTENSION_CONFIGURE"), None);
        assert_eq!(WorkerSays::of(""), None);
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let port = 0..6_u32;
        prop_oneof![
            3 => Just(page(HELLO)),
            1 => Just(Event::Page(Channel::WindowWithPort, reading(HELLO))),
            3 => Just(page(HANG_UP)),
            1 => Just(Event::Page(Channel::Window, Reading::NotForUs)),
            1 => Just(Event::Page(Channel::Window, Reading::Unknown)),
            1 => Just(Event::Flooded),
            1 => Just(Event::Foreign),
            1 => Just(Event::Page(Channel::Window, Reading::Malformed("VOICE_CLIENT_EXTENSION_CONFIGURE"))),
            2 => port.clone().prop_map(|id| Event::Worker(id, WorkerSays::Other)),
            1 => port.clone().prop_map(|id| Event::Worker(id, WorkerSays::Rejected)),
            4 => (port.clone(), prop::bool::weighted(0.95)).prop_map(|(port, alive)| Event::Closed { port, alive }),
            2 => port.prop_map(|port| Event::NotSent { port, message: message(HANG_UP), alive: true }),
            1 => prop::bool::weighted(0.95).prop_map(|alive| Event::Looked { alive }),
            1 => Just(Event::Hidden),
            1 => Just(Event::Shown),
            1 => Just(Event::LineLeft),
            1 => Just(Event::LineHere),
            2 => Just(offer('1')),
            1 => Just(Event::Prerendering),
            1 => Just(Event::Activated),
        ]
    }

    proptest! {
        #[test]
        fn in_any_order_of_events_there_is_one_connection_and_it_begins_with_the_configuration(
            events in prop::collection::vec((any_event(), 0..3_000_u64), 0..80)
        ) {
            let mut rig = Rig::new(Machine::default(), at(0));
            let (mut open, mut said, mut gone) = (None, 0_u32, false);
            let mut kept = false;
            let mut configured: Option<Configure> = None;
            for (event, later) in events {
                for step in [None, Some(event)] {
                    match &step {
                        Some(Event::Page(_, Reading::Understood(ToExtension::Configure { payload }))) if !gone => {
                            configured = Some(payload.clone());
                        }
                        Some(Event::Closed { port, .. } | Event::NotSent { port, .. }) if Some(*port) == open => {
                            open = None;
                        }
                        _ => {}
                    }
                    match step {
                        Some(event) => rig.event(event),
                        None => rig.pass(later),
                    }
                    let commands = rig.take();
                    prop_assert!(!gone || commands.is_empty());
                    let mut first = false;
                    for command in commands {
                        match command {
                            Command::Connect(id) => {
                                prop_assert_eq!(open.replace(id), None);
                                first = configured.is_some();
                            }
                            Command::Send(id, message) => {
                                prop_assert_eq!(open, Some(id));
                                if std::mem::take(&mut first) {
                                    let is_configure = matches!(message, ToExtension::Configure { .. });
                                    prop_assert!(is_configure);
                                }
                            }
                            Command::Report(id, _) => prop_assert!(open == Some(id) && !first),
                            Command::ReportDropped { port, .. } => prop_assert_eq!(open, Some(port)),
                            Command::Close(id) => prop_assert_eq!(open.take(), Some(id)),
                            Command::Post(ToPage::Disconnected) => said += 1,
                            Command::KeepPort => kept = true,
                            Command::Ask => prop_assert!(kept),
                            Command::TakeKeptPort | Command::DropKeptPort => prop_assert!(std::mem::take(&mut kept)),
                            Command::Post(_) | Command::Relay | Command::TakePort | Command::Look => {}
                            Command::Retire => gone = true,
                        }
                    }
                    let machine = &rig.machine;
                    let pause = machine.timers.at(Timer::Pause);
                    prop_assert!(pause.is_none_or(|over| over.since(rig.now) <= 5_000 && open.is_none()));
                    prop_assert!(said <= 1 && machine.waiting.len() <= MAX_WAITING);
                    prop_assert!(gone || kept == machine.offered.is_some());
                    if configured.is_some() && !machine.hidden && !machine.prerendering && !gone {
                        prop_assert!(open.is_some() || pause.is_some(), "a configured page never stays unconnected");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_read_is_what_serde_json_reads() {
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        let cases = config.cases;
        let understood = std::cell::Cell::new(0);
        let all_types = (0..ToExtension::NAMES.len()).prop_flat_map(|index| {
            let name = ToExtension::NAMES[index];
            (Just(name), prop_oneof![3 => Just(good(name)), 3 => nearly_good(name), 2 => any_json()])
        });
        let outcome = prop::test_runner::TestRunner::new(config).run(&all_types, |(name, payload)| {
            let message = serde_json::json!({ "type": name, "payload": payload });
            let theirs = serde_json::from_value(message.clone());
            let expected = match theirs {
                // serde_json takes a list for a struct, field by field. No plugin says it so, and it is not taken.
                Ok(read) if !payload.is_array() => Reading::Understood(read),
                _ => Reading::Malformed(name),
            };
            if let Reading::Understood(_) = expected {
                understood.set(understood.get() + 1);
            }
            prop_assert_eq!(read(Some(name), || Some(tree(&message))), expected);
            Ok(())
        });
        outcome.unwrap();
        assert!(understood.get() > cases / 4, "only {} of {cases} messages were right", understood.get());
    }

    /// What a plugin says of this type.
    fn good(name: &str) -> serde_json::Value {
        let account = "AC11111111111111111111111111111111";
        let call = "CA22222222222222222222222222222222";
        match name.strip_prefix(TYPE_PREFIX).unwrap() {
            "CONFIGURE" => {
                serde_json::json!({"voiceClientTokenGeneratorUrl": "https://x.test/t", "accountSid": account,
                "extensionVoiceClientPrefix": "ext_", "protocolVersion": 3, "agentIdentity": "ann"})
            }
            "FLEX_TOKEN" => serde_json::json!({"token": "t", "accountSid": account,
                "expiration": "2026-01-01T00:00:00Z", "agentIdentity": "ann"}),
            "HANGUP_CALL" => serde_json::json!({"callSid": call}),
            "SEND_DTMF_DIGITS" => serde_json::json!({"digits": "1*#"}),
            "SET_MUTE" => serde_json::json!({"muted": true}),
            "SELECT_AUDIO_DEVICE" => serde_json::json!({"kind": "speaker", "deviceId": "default"}),
            "SET_VOLUME" => serde_json::json!({"percent": 40}),
            "CALL_CONTEXT" => serde_json::json!({"callSid": call, "onHold": false}),
            "SIGN_OUT" => serde_json::json!({"reason": "offline"}),
            "SHOW_VIDEO" => serde_json::json!({"key": "CH1", "link": "l", "failed": "No."}),
            "EXPECT_CALLS" => serde_json::json!({"calls": [{"id": "WR1", "reason": "reservation"}]}),
            new => panic!("what does a plugin say with {new}?"),
        }
    }

    /// The same with a field that is another value, or none.
    fn nearly_good(name: &str) -> impl Strategy<Value = serde_json::Value> {
        let payload = good(name);
        (any::<prop::sample::Index>(), prop::option::of(any_leaf())).prop_map(move |(index, by)| {
            let mut payload = payload.clone();
            let fields = payload.as_object_mut().unwrap();
            let name = fields.keys().nth(index.index(fields.len())).unwrap().clone();
            match by {
                Some(by) => fields.insert(name, by),
                None => fields.remove(&name),
            };
            payload
        })
    }

    fn any_leaf() -> impl Strategy<Value = serde_json::Value> {
        prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<u32>().prop_map(Into::into),
            Just(serde_json::json!(0.5)),
            prop_oneof![
                Just("AC11111111111111111111111111111111"),
                Just("CA22222222222222222222222222222222"),
                Just("ext_"),
                Just("1*#"),
                Just("<b>"),
            ]
            .prop_map(Into::into),
        ]
    }

    /// Anything, of the names that the contract has.
    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let key = prop_oneof![
            Just("payload"),
            Just("accountSid"),
            Just("callSid"),
            Just("digits"),
            Just("muted"),
            Just("token"),
            Just("expiration"),
            Just("protocolVersion"),
            Just("voiceClientTokenGeneratorUrl"),
            Just("extensionVoiceClientPrefix"),
            Just("x"),
        ];
        any_leaf().prop_recursive(3, 24, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
                prop::collection::hash_map(key.clone().prop_map(str::to_owned), inner, 0..8)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
