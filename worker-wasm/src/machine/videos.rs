//! The agent's windows of video sessions: pages of the extension, each in a window of its own, so that reloading, closing
//! or losing Flex ends nothing.
//!
//! A click in Flex opens a window, or brings the one to the front that is there. Once the service has answered, the plugin
//! says what to join; that is kept until the window has taken it, a minute at most, and never written anywhere. Whoever has
//! once joined needs it no more: the page comes back by itself.
//!
//! A window in the room is work, as a call is: no update, no sign-out for absence, and it outlives its agent's sign-out.

use std::collections::BTreeMap;

use kernel::{Bucket, Identity, Secret, Timestamp};
use messages::english::{self, Cause};
use protocol::{
    page::ShowVideo,
    video_window::{FromVideoWindow, ToVideoWindow},
};
use sansio::Timers;

use super::{
    command::Command,
    context::Context,
    event::PortId,
    persisted::{Persisted, renew},
    video_window::{Address, VideoWindow},
};

/// How long a link is good for at the service, and so how long it is kept here.
const PARCEL_MS: u64 = 60_000;
/// A page that was opened, reloaded, or lost its worker says something within this time.
const WORD_MS: u64 = 30_000;
/// More than an agent has sessions at a time.
const MAX_WINDOWS: usize = 8;
/// Clicks: a burst, and a sustained rate per second. Each takes the screen.
const CLICKS: Bucket = Bucket::new(10, 1);
/// The longest link and the longest words that are passed on.
const MAX_LINK: usize = 64;
const MAX_WORDS: usize = 300;

/// Numbers the windows of this process.
pub(super) type Number = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// What is kept for a window is of no use any more.
    Parcel,
    /// Its page is about to say something; after that it is taken for gone.
    Word,
}

/// What the window is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Parcel {
    Link(Secret),
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    kept: VideoWindow,
    parcel: Option<Parcel>,
    /// The page that asked for it, while Chrome opens it.
    asked_by: Option<PortId>,
}

/// A page that has connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Visitor {
    /// Chrome's number of the window that it sits in.
    window: Option<i64>,
    /// Which of ours it is, once it has said its address.
    number: Option<Number>,
    /// What it was told of the agent's call.
    told: Option<bool>,
}

/// The windows, and the pages in them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Videos {
    windows: BTreeMap<Number, Window>,
    last: Number,
    ports: BTreeMap<PortId, Visitor>,
    clicks: Bucket,
    timers: Timers<(Number, Timer), Timestamp>,
}

impl Default for Videos {
    fn default() -> Self {
        Self {
            windows: BTreeMap::new(),
            last: 0,
            ports: BTreeMap::new(),
            clicks: CLICKS,
            timers: Timers::default(),
        }
    }
}

/// What Flex says.
impl Videos {
    /// The agent whose page this is wants to see a session's window, or there is something to tell it.
    ///
    /// # Errors
    /// Why that is not done.
    pub(super) fn show(
        &mut self,
        page: PortId,
        agent: &Identity,
        wish: ShowVideo,
        cx: &mut Context,
    ) -> Result<(), Cause> {
        let address = Address::of(&wish.key, agent);
        let known = self.numbers(&address).find(|(_, window)| !window.kept.over).map(|(number, _)| number);
        let parcel = match (wish.link, wish.failed) {
            (Some(link), _) if !is_link(&link) => return Err(english::WRONG_PAYLOAD),
            (Some(link), _) => Parcel::Link(link),
            (None, Some(words)) => Parcel::Failed(words.chars().take(MAX_WORDS).collect()),
            (None, None) => return self.clicked(page, known, address, cx),
        };
        // Closed meanwhile: then that is what the agent wants. In the room already: then it needs no link.
        let Some((number, window)) = known.and_then(|number| Some((number, self.windows.get_mut(&number)?)))
        else {
            return Ok(());
        };
        if !window.kept.in_room {
            window.parcel = Some(parcel);
            self.timers.arm((number, Timer::Parcel), cx.now.plus(PARCEL_MS));
        }
        Ok(())
    }

    fn clicked(
        &mut self,
        page: PortId,
        known: Option<Number>,
        address: Address,
        cx: &mut Context,
    ) -> Result<(), Cause> {
        if !self.clicks.take(1, cx.now) {
            return Err(english::VIDEO_TOO_MANY);
        }
        // A page that says nothing has crashed: its window is of no use any more.
        let alive = known.filter(|number| self.is_heard_of(*number));
        let Some(window) = alive.and_then(|number| self.windows.get(&number)) else {
            let useless: Vec<Number> = self.numbers(&address).map(|(number, _)| number).collect();
            for number in useless {
                self.close(number, cx);
            }
            return self.open(page, address, cx);
        };
        if let Some(window) = window.kept.window {
            cx.push(Command::FocusVideo { window });
        }
        Ok(())
    }

    fn open(&mut self, page: PortId, address: Address, cx: &mut Context) -> Result<(), Cause> {
        if self.windows.len() >= MAX_WINDOWS {
            return Err(english::VIDEO_TOO_MANY);
        }
        cx.count("video_windows_opened");
        cx.info("A video window is opened.");
        let number = self.add(address.clone(), Some(page), cx.now);
        cx.push(Command::OpenVideo { number, address });
        Ok(())
    }

    fn add(&mut self, address: Address, asked_by: Option<PortId>, now: Timestamp) -> Number {
        self.last += 1;
        let kept = VideoWindow { address, window: None, in_room: false, over: false };
        self.windows.insert(self.last, Window { kept, parcel: None, asked_by });
        self.timers.arm((self.last, Timer::Word), now.plus(WORD_MS));
        self.last
    }

    /// The agent who was signed in has gone: windows that are not in a room go too. The others stay until their session is
    /// over, as a call does.
    pub(super) fn agent_leaves(&mut self, cx: &mut Context) {
        let idle: Vec<Number> = self
            .windows
            .iter()
            .filter(|(_, window)| !window.kept.in_room)
            .map(|(number, _)| *number)
            .collect();
        for number in idle {
            self.close(number, cx);
        }
    }

    fn close(&mut self, number: Number, cx: &mut Context) {
        if let Some(window) = self.forget(number).and_then(|window| window.kept.window) {
            cx.push(Command::CloseVideo { window });
        }
    }

    fn forget(&mut self, number: Number) -> Option<Window> {
        self.timers.disarm((number, Timer::Parcel));
        self.timers.disarm((number, Timer::Word));
        self.windows.remove(&number)
    }
}

/// What Chrome says.
impl Videos {
    /// Chrome has opened a window, or not. The page to tell that it has not.
    pub(super) fn opened(&mut self, number: Number, id: Option<i64>, cx: &mut Context) -> Option<PortId> {
        let Some(window) = self.windows.get_mut(&number) else {
            // Nobody wants it any more.
            if let Some(window) = id {
                cx.push(Command::CloseVideo { window });
            }
            return None;
        };
        let asked_by = window.asked_by.take();
        if id.is_some() {
            window.kept.window = id;
            return None;
        }
        cx.warn("Chrome did not open the video window.");
        self.forget(number);
        asked_by
    }

    /// Chrome knows no window of this number any more, and its agent has just asked for it.
    pub(super) fn not_found(&mut self, id: i64, cx: &mut Context) {
        let known = self.windows.iter().find(|(_, window)| window.kept.window == Some(id));
        let number = known.map(|(number, _)| *number);
        if let Some(gone) = number.and_then(|number| self.forget(number)) {
            let number = self.add(gone.kept.address.clone(), None, cx.now);
            cx.push(Command::OpenVideo { number, address: gone.kept.address });
        }
    }

    /// A window of the browser was closed, ours or another.
    pub(super) fn window_closed(&mut self, id: i64) {
        let closed = self.windows.iter().find(|(_, window)| window.kept.window == Some(id));
        if let Some(number) = closed.map(|(number, _)| *number) {
            self.forget(number);
        }
    }
}

/// What the windows' pages say, and are told.
impl Videos {
    pub(super) fn port_opened(&mut self, port: PortId, window: Option<i64>) {
        self.ports.insert(port, Visitor { window, ..Visitor::default() });
    }

    /// A page is gone, or about to connect again: reloaded, or its worker was killed.
    pub(super) fn port_closed(&mut self, port: PortId, now: Timestamp) {
        let number = self.number_of(port);
        self.ports.remove(&port);
        if let Some(number) = number.filter(|number| self.page_of(*number).is_none()) {
            self.timers.arm((number, Timer::Word), now.plus(WORD_MS));
        }
    }

    pub(super) fn on_message(&mut self, port: PortId, message: Option<FromVideoWindow>, cx: &mut Context) {
        let Some(visitor) = self.ports.get_mut(&port) else { return };
        let message = match message {
            None => return cx.warn("A message of a video window was not understood."),
            Some(FromVideoWindow::Hello { key }) => {
                let Some(address) = Address::read(key) else {
                    return cx.complain("A video window has an address that is none.");
                };
                let window = visitor.window;
                let number = self.said_hello(address, window, cx.now);
                if let Some(visitor) = self.ports.get_mut(&port) {
                    visitor.number = Some(number);
                }
                return;
            }
            Some(message) => message,
        };
        // The word of a page that was replaced by a newer one in the same window counts no more.
        let Some(number) = self.number_of(port).filter(|number| self.page_of(*number) == Some(port)) else {
            return;
        };
        let Some(window) = self.windows.get_mut(&number) else { return };
        match message {
            FromVideoWindow::Hello { .. } => {}
            FromVideoWindow::InRoom { on } => {
                window.kept.in_room = on && !window.kept.over;
                self.timers.disarm((number, Timer::Word));
                if on {
                    window.parcel = None;
                    self.timers.disarm((number, Timer::Parcel));
                }
            }
            FromVideoWindow::Over => {
                (window.kept.in_room, window.kept.over, window.parcel) = (false, true, None);
                self.timers.disarm((number, Timer::Word));
                self.timers.disarm((number, Timer::Parcel));
            }
        }
    }

    /// A page says what its address is. It may be of a window that this worker does not know: opened by one that was killed
    /// meanwhile, or brought back by the browser.
    fn said_hello(&mut self, address: Address, id: Option<i64>, now: Timestamp) -> Number {
        let known = self.number_at(&address, id);
        let number = known.unwrap_or_else(|| self.add(address, None, now));
        let Some(window) = self.windows.get_mut(&number) else { return number };
        window.kept.window = window.kept.window.or(id);
        // A page that was reloaded begins anew.
        window.kept.over = false;
        if window.kept.in_room {
            self.timers.arm((number, Timer::Word), now.plus(WORD_MS));
        } else {
            self.timers.disarm((number, Timer::Word));
        }
        number
    }

    /// True while a window is in the room.
    pub(super) fn is_in_room(&self) -> bool {
        self.windows.values().any(|window| window.kept.in_room)
    }

    /// Tells each page what is new to it; `service`: where the agent has agreed to send their Flex token.
    pub(super) fn settle(&mut self, call_live: bool, service: Option<&str>, cx: &mut Context) {
        let heard = self.ports.iter().filter(|(_, visitor)| visitor.number.is_some());
        let heard: Vec<PortId> = heard.map(|(port, _)| *port).collect();
        for port in heard {
            if let Some(visitor) = self.ports.get_mut(&port).filter(|visitor| visitor.told != Some(call_live))
            {
                visitor.told = Some(call_live);
                send(port, ToVideoWindow::Call { live: call_live }, cx);
            }
            let newest = self.number_of(port).filter(|number| self.page_of(*number) == Some(port));
            let Some((number, window)) = newest.and_then(|it| Some((it, self.windows.get_mut(&it)?))) else {
                continue;
            };
            let message = match (window.parcel.take(), service) {
                (Some(Parcel::Link(link)), Some(service)) => {
                    ToVideoWindow::Link { service: service.to_owned(), link: link.expose().to_owned() }
                }
                (Some(Parcel::Failed(message)), _) => ToVideoWindow::Failed { message },
                (parcel, _) => {
                    window.parcel = parcel;
                    continue;
                }
            };
            self.timers.disarm((number, Timer::Parcel));
            send(port, message, cx);
        }
    }
}

/// Time, and what is kept.
impl Videos {
    /// Goes on from what was saved. A window that Chrome was about to open says by itself that it is there.
    pub(super) fn restore(&mut self, persisted: &Persisted, now: Timestamp) {
        for kept in persisted.videos.iter().filter(|kept| kept.window.is_some()) {
            let number = self.add(kept.address.clone(), None, now);
            if let Some(window) = self.windows.get_mut(&number) {
                window.kept.clone_from(kept);
            }
        }
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        let kept: Vec<VideoWindow> = self.windows.values().map(|window| window.kept.clone()).collect();
        renew(&mut saved.videos, &kept)
    }

    /// Time has gone on.
    pub(super) fn time_passes(&mut self, now: Timestamp) {
        while let Some(((number, timer), _)) = self.timers.take_due(now) {
            let Some(window) = self.windows.get_mut(&number) else { continue };
            match timer {
                Timer::Parcel => window.parcel = None,
                Timer::Word => window.kept.in_room = false,
            }
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// The clock was set back.
    pub(super) fn shift_back(&mut self, millis: u64) {
        self.timers.shift_back(millis);
    }
}

/// Which window is whose.
impl Videos {
    fn numbers(&self, address: &Address) -> impl Iterator<Item = (Number, &Window)> {
        let windows = self.windows.iter().filter(move |(_, window)| window.kept.address == *address);
        windows.map(|(number, window)| (*number, window))
    }

    /// The window of this address that Chrome gives this number, where it has given one.
    fn number_at(&self, address: &Address, id: Option<i64>) -> Option<Number> {
        let is_it =
            |window: &Window| window.kept.window.is_none() || id.is_none() || window.kept.window == id;
        self.numbers(address).find(|(_, window)| is_it(window)).map(|(number, _)| number)
    }

    /// The window that a page sits in, as long as it is one of ours.
    fn number_of(&self, port: PortId) -> Option<Number> {
        self.ports.get(&port)?.number.filter(|number| self.windows.contains_key(number))
    }

    /// The newest page in a window.
    fn page_of(&self, number: Number) -> Option<PortId> {
        self.ports.keys().rev().copied().find(|port| self.number_of(*port) == Some(number))
    }

    /// True when its page has connected, or may be about to.
    fn is_heard_of(&self, number: Number) -> bool {
        self.page_of(number).is_some() || self.timers.is_armed((number, Timer::Word))
    }
}

fn send(port: PortId, message: ToVideoWindow, cx: &mut Context) {
    cx.push(Command::ToVideo { port, message: Box::new(message) });
}

/// A link is a code of letters and digits: nothing that could lead elsewhere.
fn is_link(link: &Secret) -> bool {
    let text = link.expose();
    (1..=MAX_LINK).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
