//! The agent's windows of video sessions: pages of the extension, each in a window of its own, so that reloading, closing
//! or losing Flex ends nothing.
//!
//! A click in Flex opens a window, or brings the one to the front that is there. Once the service has answered, the plugin
//! says what to join; that is kept until the window has taken it, a minute at most, and never written anywhere. Whoever has
//! once joined needs it no more: the page comes back by itself.
//!
//! A window in the room is work, as a call is: no update, no sign-out for absence, and it outlives its agent's sign-out.

use super::{
    command::Command,
    context::Context,
    event::PortId,
    persisted::Persisted,
    video_window::{Address, VideoWindow},
};
use kernel::{Bucket, Identity, Moment as _, Secret, Timestamp};
use messages::english::{self, Cause};
use protocol::{
    page::ShowVideo,
    video_window::{FromVideoWindow, ToVideoWindow},
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

/// What the window is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Parcel {
    Link(Secret),
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    number: Number,
    kept: VideoWindow,
    /// What its page is to be told, and until when that is of use.
    parcel: Option<(Parcel, Timestamp)>,
    /// Until then its page is about to say something; after that it is taken for gone.
    word_by: Option<Timestamp>,
    /// The page that asked for it, while Chrome opens it.
    asked_by: Option<PortId>,
}

/// A page that has connected.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Visitor {
    port: PortId,
    /// Chrome's number of the window that it sits in.
    window: Option<i64>,
    /// Which of ours it is, once it has said its address.
    number: Option<Number>,
    /// What it was told of the agent's call.
    told: Option<bool>,
}

/// The windows, and the pages in them. Lists, because there are a handful of each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Videos {
    /// The oldest first.
    windows: Vec<Window>,
    last: Number,
    /// The oldest first.
    visitors: Vec<Visitor>,
    clicks: Bucket,
}

impl Default for Videos {
    fn default() -> Self {
        Self { windows: Vec::new(), last: 0, visitors: Vec::new(), clicks: CLICKS }
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
        let parcel = match (wish.link, wish.failed) {
            (Some(link), _) if !is_link(&link) => return Err(english::WRONG_PAYLOAD),
            (Some(link), _) => Parcel::Link(link),
            (None, Some(words)) => Parcel::Failed(words.chars().take(MAX_WORDS).collect()),
            (None, None) => return self.clicked(page, address, cx),
        };
        // Closed meanwhile: then that is what the agent wants. In the room already: then it needs no link.
        let window = self.windows.iter_mut().find(|window| window.is_at(&address) && !window.kept.over);
        if let Some(window) = window.filter(|window| !window.kept.in_room) {
            window.parcel = Some((parcel, cx.now.plus(PARCEL_MS)));
        }
        Ok(())
    }

    fn clicked(&mut self, page: PortId, address: Address, cx: &mut Context) -> Result<(), Cause> {
        if !self.clicks.take(1, cx.now) {
            return Err(english::VIDEO_TOO_MANY);
        }
        // A page that says nothing has crashed: its window is of no use any more, as one whose session is over.
        let is_alive = |window: &&Window| {
            let is_heard_of = window.word_by.is_some() || self.page_of(window.number).is_some();
            window.is_at(&address) && !window.kept.over && is_heard_of
        };
        if let Some(window) = self.windows.iter().find(is_alive) {
            if let Some(window) = window.kept.window {
                cx.push(Command::FocusVideo { window });
            }
            return Ok(());
        }
        self.close_all(|window| window.is_at(&address), cx);
        if self.windows.len() >= MAX_WINDOWS {
            return Err(english::VIDEO_TOO_MANY);
        }
        cx.count("video_windows_opened");
        cx.info("A video window is opened.");
        let window = self.add(address.clone(), cx.now);
        window.asked_by = Some(page);
        let number = window.number;
        cx.push(Command::OpenVideo { number, address });
        Ok(())
    }

    fn add(&mut self, address: Address, now: Timestamp) -> &mut Window {
        self.last += 1;
        let kept = VideoWindow { address, window: None, in_room: false, over: false };
        let word_by = Some(now.plus(WORD_MS));
        self.windows.push(Window { number: self.last, kept, parcel: None, word_by, asked_by: None });
        let at = self.windows.len() - 1;
        &mut self.windows[at]
    }

    /// The agent who was signed in has gone: windows that are not in a room go too. The others stay until their session is
    /// over, as a call does.
    pub(super) fn agent_leaves(&mut self, cx: &mut Context) {
        self.close_all(|window| !window.kept.in_room, cx);
    }

    fn close_all(&mut self, which: impl Fn(&Window) -> bool, cx: &mut Context) {
        self.windows.retain(|window| {
            let goes = which(window);
            if let Some(window) = window.kept.window.filter(|_| goes) {
                cx.push(Command::CloseVideo { window });
            }
            !goes
        });
    }
}

/// What Chrome says.
impl Videos {
    /// Chrome has opened a window, or not. The page to tell that it has not.
    pub(super) fn opened(&mut self, number: Number, id: Option<i64>, cx: &mut Context) -> Option<PortId> {
        let Some(at) = self.windows.iter().position(|window| window.number == number) else {
            // Nobody wants it any more.
            if let Some(window) = id {
                cx.push(Command::CloseVideo { window });
            }
            return None;
        };
        if id.is_some() {
            if let Some(window) = self.windows.get_mut(at) {
                window.kept.window = id;
            }
            return None;
        }
        cx.warn("Chrome did not open the video window.");
        self.windows.remove(at).asked_by
    }

    /// Chrome knows no window of this number any more, and its agent has just asked for it.
    pub(super) fn not_found(&mut self, id: i64, cx: &mut Context) {
        if let Some(at) = self.windows.iter().position(|window| window.kept.window == Some(id)) {
            let address = self.windows.remove(at).kept.address;
            let number = self.add(address.clone(), cx.now).number;
            cx.push(Command::OpenVideo { number, address });
        }
    }

    /// A window of the browser was closed, ours or another.
    pub(super) fn window_closed(&mut self, id: i64) {
        self.windows.retain(|window| window.kept.window != Some(id));
    }
}

/// What the windows' pages say, and are told.
impl Videos {
    pub(super) fn port_opened(&mut self, port: PortId, window: Option<i64>) {
        self.visitors.push(Visitor { port, window, number: None, told: None });
    }

    /// A page is gone, or about to connect again: reloaded, or its worker was killed.
    pub(super) fn port_closed(&mut self, port: PortId, now: Timestamp) {
        let Some(at) = self.visitors.iter().position(|visitor| visitor.port == port) else { return };
        let Some(number) = self.visitors.remove(at).number else { return };
        if self.page_of(number).is_none()
            && let Some(window) = self.window(number)
        {
            window.word_by = Some(now.plus(WORD_MS));
        }
    }

    pub(super) fn on_message(&mut self, port: PortId, message: Option<FromVideoWindow>, cx: &mut Context) {
        let Some(at) = self.visitors.iter().position(|visitor| visitor.port == port) else { return };
        let Some(message) = message else {
            return cx.warn("A message of a video window was not understood.");
        };
        if let FromVideoWindow::Hello { key } = message {
            let Some(address) = Address::read(key) else {
                return cx.complain("A video window has an address that is none.");
            };
            let id = self.visitors.get(at).and_then(|visitor| visitor.window);
            let number = self.said_hello(address, id, cx.now);
            if let Some(visitor) = self.visitors.get_mut(at) {
                visitor.number = Some(number);
            }
            return;
        }
        // The word of a page that was replaced by a newer one in the same window counts no more.
        let number = self.visitors.get(at).and_then(|visitor| visitor.number);
        let Some(number) = number.filter(|number| self.page_of(*number) == Some(port)) else { return };
        let Some(window) = self.window(number) else { return };
        match message {
            FromVideoWindow::Hello { .. } => {}
            FromVideoWindow::InRoom { on } => {
                window.kept.in_room = on && !window.kept.over;
                if on {
                    window.parcel = None;
                }
            }
            FromVideoWindow::Over => {
                (window.kept.in_room, window.kept.over, window.parcel) = (false, true, None);
            }
        }
        window.word_by = None;
    }

    /// A page says what its address is. It may be of a window that this worker does not know: opened by one that was killed
    /// meanwhile, or brought back by the browser.
    fn said_hello(&mut self, address: Address, id: Option<i64>, now: Timestamp) -> Number {
        let is_it = |window: &Window| {
            let known = window.kept.window;
            window.is_at(&address) && (known.is_none() || id.is_none() || known == id)
        };
        let window = match self.windows.iter().position(is_it) {
            Some(at) => &mut self.windows[at],
            None => self.add(address, now),
        };
        window.kept.window = window.kept.window.or(id);
        // A page that was reloaded begins anew.
        window.kept.over = false;
        window.word_by = window.kept.in_room.then(|| now.plus(WORD_MS));
        window.number
    }

    /// True while a window is in the room.
    pub(super) fn is_in_room(&self) -> bool {
        self.windows.iter().any(|window| window.kept.in_room)
    }

    /// Tells each page what is new to it; `service`: where the agent has agreed to send their Flex token.
    pub(super) fn settle(&mut self, call_live: bool, service: Option<&str>, cx: &mut Context) {
        for visitor in self.visitors.iter_mut().filter(|visitor| visitor.number.is_some()) {
            if visitor.told != Some(call_live) {
                visitor.told = Some(call_live);
                send(visitor.port, ToVideoWindow::Call { live: call_live }, cx);
            }
        }
        for window in &mut self.windows {
            let Some(port) = page_of(&self.visitors, window.number) else { continue };
            let message = match (&window.parcel, service) {
                (Some((Parcel::Link(link), _)), Some(service)) => {
                    ToVideoWindow::Link { service: service.to_owned(), link: link.expose().to_owned() }
                }
                (Some((Parcel::Failed(message), _)), _) => ToVideoWindow::Failed { message: message.clone() },
                _ => continue,
            };
            window.parcel = None;
            send(port, message, cx);
        }
    }
}

/// Time, and what is kept.
impl Videos {
    /// Goes on from what was saved. A window that Chrome was about to open says by itself that it is there.
    pub(super) fn restore(&mut self, persisted: &Persisted, now: Timestamp) {
        for kept in persisted.videos.iter().filter(|kept| kept.window.is_some()) {
            self.add(kept.address.clone(), now).kept.clone_from(kept);
        }
    }

    pub(super) fn save(&self, saved: &mut Persisted) -> bool {
        let is_news = !self.windows.iter().map(|window| &window.kept).eq(&saved.videos);
        if is_news {
            saved.videos = self.windows.iter().map(|window| window.kept.clone()).collect();
        }
        is_news
    }

    /// Time has gone on.
    pub(super) fn time_passes(&mut self, now: Timestamp) {
        for window in &mut self.windows {
            window.parcel.take_if(|(_, until)| *until <= now);
            if window.word_by.take_if(|by| *by <= now).is_some() {
                window.kept.in_room = false;
            }
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        let parcels = self.windows.iter().filter_map(|window| Some(window.parcel.as_ref()?.1));
        parcels.chain(self.windows.iter().filter_map(|window| window.word_by)).min()
    }

    /// The clock was set back.
    pub(super) fn shift_back(&mut self, millis: u64) {
        for window in &mut self.windows {
            let parcel = window.parcel.as_mut().map(|(_, until)| until);
            for at in parcel.into_iter().chain(&mut window.word_by) {
                *at = at.minus(millis);
            }
        }
    }

    fn window(&mut self, number: Number) -> Option<&mut Window> {
        self.windows.iter_mut().find(|window| window.number == number)
    }

    /// The newest page in a window.
    fn page_of(&self, number: Number) -> Option<PortId> {
        page_of(&self.visitors, number)
    }
}

impl Window {
    fn is_at(&self, address: &Address) -> bool {
        self.kept.address == *address
    }
}

fn page_of(visitors: &[Visitor], number: Number) -> Option<PortId> {
    visitors.iter().rev().find(|visitor| visitor.number == Some(number)).map(|visitor| visitor.port)
}

fn send(port: PortId, message: ToVideoWindow, cx: &mut Context) {
    cx.push(Command::ToVideo { port, message: Box::new(message) });
}

/// A link is a code of letters and digits: nothing that could lead elsewhere.
fn is_link(link: &Secret) -> bool {
    let text = link.expose();
    (1..=MAX_LINK).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
