//! What the page shows, with all texts: a pure function of the [`Machine`] and the time.
//!
//! Never in here: a token, a seat, a code, an identity or a SID. What is drawn may be read by anybody who looks over a shoulder,
//! and by every tool that looks at pages.

use kernel::Monotonic;
use messages::Language;

use crate::machine::{
    Machine,
    event::Action,
    track::{DeviceKind, TrackId},
};

/// Everything on the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// For the page's `lang`.
    pub language: Language,
    /// The page's title.
    pub title: &'static str,
    /// What fills the page.
    pub screen: Screen,
    /// What happened lately. Each is said once to a screen reader, by its number.
    pub notes: Vec<Note>,
}

/// What fills the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screen {
    /// Something is under way, and there is nothing to press.
    Busy(Busy),
    /// Before joining.
    Check(Box<Check>),
    /// May it be recorded? For who has no check before it, such as the agent.
    Consent(ConsentView),
    /// Somebody has to let us in.
    Waiting(WaitingView),
    /// In the room, or on the way back there.
    Room(Box<Room>),
    /// An end, a trouble, or another place where it goes on.
    Notice(Notice),
}

impl Screen {
    /// Its name, for `data-screen`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Busy(_) => "busy",
            Self::Check(_) => "check",
            Self::Consent(_) => "consent",
            Self::Waiting(_) => "waiting",
            Self::Room(_) => "room",
            Self::Notice(notice) => notice.kind.name(),
        }
    }
}

/// Something is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// What.
    pub heading: &'static str,
    /// Where it takes longer than it should.
    pub sentence: Option<&'static str>,
    /// Our own picture, where it is there already.
    pub own: Option<Video>,
}

/// Something to press.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// What it does.
    pub action: Action,
    /// What it says.
    pub label: &'static str,
    /// How it looks.
    pub tone: Tone,
    /// False: shown, and does nothing.
    pub enabled: bool,
    /// What it does is under way.
    pub busy: bool,
}

/// How a button looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What most people want.
    Primary,
    /// One of several.
    Plain,
    /// Leaves or ends.
    Danger,
}

/// Something that is on or off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toggle {
    /// What it does.
    pub action: Action,
    /// What pressing it does now: "Mute", "Unmute".
    pub label: &'static str,
    /// Whether it is on: the microphone is heard, the camera is seen, the screen is shared.
    pub on: bool,
    /// False: shown, and does nothing.
    pub enabled: bool,
    /// It is being switched.
    pub busy: bool,
    /// Why it is off, or why it cannot be switched.
    pub note: Option<&'static str>,
}

/// A list of devices to choose from. Choosing is [`Action::Choose`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// Which devices.
    pub kind: DeviceKind,
    /// What it is called.
    pub label: &'static str,
    /// Ids and names; the system's choice, without an id, first.
    pub options: Vec<(Option<String>, String)>,
    /// Which of them is chosen.
    pub chosen: usize,
}

/// A picture. The element is a `<video>` with this id; the shell puts the track on it once it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Video {
    /// What it shows; [`TrackId::element`] is the element's id. The same for as long as it is the same track: keep the element then.
    pub track: TrackId,
    /// Whether it is drawn mirrored, as people know their own face.
    pub mirrored: bool,
}

/// Before joining: what one looks and sounds like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Who invites: "Ada of Acme invites you to a video call".
    pub heading: String,
    /// What this is for.
    pub sentence: &'static str,
    /// Our own picture.
    pub own: Option<Video>,
    /// In place of the picture: why there is none.
    pub no_picture: Option<&'static str>,
    /// Camera on or off.
    pub camera: Toggle,
    /// Microphone on or off.
    pub microphone: Toggle,
    /// What the level is called.
    pub level_label: &'static str,
    /// How loud the microphone is, 0 to 100; absent while it is off.
    pub level: Option<u8>,
    /// What was refused or is missing, and what to do.
    pub trouble: Option<Trouble>,
    /// Cameras, microphones and speakers, where there is a choice.
    pub menus: Vec<Menu>,
    /// A tone.
    pub test_speaker: Option<Button>,
    /// Whether it may be recorded.
    pub consent: Option<ConsentView>,
    /// Into the room.
    pub join: Button,
}

/// What went wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What happened.
    pub sentence: &'static str,
    /// What to do.
    pub help: Option<&'static str>,
    /// What to press.
    pub buttons: Vec<Button>,
}

/// Whether it may be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentView {
    /// What is asked.
    pub question: &'static str,
    /// What it means, and that one may join either way.
    pub help: &'static str,
    /// Agree; [`Button::action`] is [`Action::Consent`].
    pub yes: &'static str,
    /// Do not agree.
    pub no: &'static str,
    /// What was answered.
    pub answer: Option<bool>,
}

/// Somebody has to let us in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingView {
    /// That one waits.
    pub heading: &'static str,
    /// What for.
    pub sentence: &'static str,
    /// The service does not answer just now.
    pub trouble: Option<&'static str>,
    /// Our own picture.
    pub own: Option<Video>,
    /// Give up.
    pub leave: Button,
}

/// An end, a trouble, or another place where it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which.
    pub kind: NoticeKind,
    /// What happened.
    pub heading: &'static str,
    /// What that means and what to do. A paragraph each.
    pub sentences: Vec<String>,
    /// What to press.
    pub buttons: Vec<Button>,
}

/// What kind of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// The call is over, for all or for us.
    Over,
    /// It did not work.
    Trouble,
    /// It goes on in another tab, window or browser.
    Elsewhere,
    /// The app around this page has no camera for it.
    InApp,
}

impl NoticeKind {
    /// Its name, for `data-screen`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Trouble => "trouble",
            Self::Elsewhere => "elsewhere",
            Self::InApp => "in-app",
        }
    }
}

/// In the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Everybody, ourselves first.
    pub people: Vec<PersonView>,
    /// Their pictures, the most important first: a shared screen, who speaks, the others. A person without a picture has a tile too.
    pub tiles: Vec<Tile>,
    /// Our own picture, drawn small.
    pub own: Tile,
    /// In place of the tiles, while nobody else is there.
    pub alone: Option<&'static str>,
    /// How our own connection is, where it is not well, or something else that stays until it is done.
    pub banners: Vec<Banner>,
    /// Microphone.
    pub microphone: Toggle,
    /// Camera.
    pub camera: Toggle,
    /// The other side of the phone.
    pub flip: Option<Button>,
    /// The screen, where the browser can share it.
    pub share: Option<Toggle>,
    /// Cameras, microphones and speakers, where there is a choice.
    pub menus: Vec<Menu>,
    /// What the menus' button is called.
    pub menus_label: &'static str,
    /// Out of the room.
    pub leave: Button,
    /// For all; the agent's.
    pub end: Option<Button>,
    /// Who waits; the agent's.
    pub waiting: Vec<Knock>,
    /// It is recorded, or that will not be.
    pub recording: Option<RecordingView>,
    /// For how many seconds customer and agent have met.
    pub seconds: Option<u64>,
    /// What the clock is called.
    pub seconds_label: &'static str,
    /// Something is asked before it is done.
    pub question: Option<Question>,
}

/// Somebody in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonView {
    /// The same for as long as they are there.
    pub key: u32,
    /// What they are called: a name, or "Customer", "Agent", "Guest", "You".
    pub name: String,
    /// Whether it is ourselves.
    pub you: bool,
    /// Whether their camera is on.
    pub camera: bool,
    /// Whether their microphone is on.
    pub microphone: bool,
    /// Whether it is they who speak.
    pub speaking: bool,
    /// How they are there.
    pub presence: Presence,
    /// That in words, where they are not simply there: "Connection lost, trying again".
    pub presence_words: Option<&'static str>,
    /// How their connection is.
    pub quality: Option<QualityWord>,
    /// That in words.
    pub quality_words: Option<&'static str>,
    /// All this in one sentence, for who does not see it: "Ada: microphone off, camera on, good connection".
    pub described: String,
}

/// How somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// In the room.
    Here,
    /// Their connection is lost, and Twilio tries to reach them.
    Lost,
    /// Their page was closed or reloaded.
    Gone,
    /// They left by hand.
    Left,
}

/// How a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QualityWord {
    /// 4 and 5.
    Good,
    /// 3.
    Fair,
    /// 1 and 2.
    Poor,
    /// 0.
    Broken,
}

/// A picture with its person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Whose: [`PersonView::key`].
    pub person: u32,
    /// The same for as long as it is the same tile.
    pub key: TileKey,
    /// The picture; absent while the camera is off or the person is away.
    pub video: Option<Video>,
    /// What stands on it: the name, and "(screen)" with a screen.
    pub label: String,
    /// In place of a picture, and above a frozen one: "Camera is off", "Connection lost, trying again".
    pub caption: Option<&'static str>,
    /// Whether it is a screen: drawn whole, never cut.
    pub screen: bool,
    /// Whether it fills the page.
    pub large: bool,
}

/// Names a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKey {
    /// Of a person's camera.
    Person(u32),
    /// Of a person's screen.
    Screen(u32),
}

/// A line above the pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// How much it matters.
    pub urgent: bool,
    /// What it says.
    pub sentence: &'static str,
    /// What to press.
    pub button: Option<Button>,
}

/// Somebody waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// Who and why.
    pub sentence: &'static str,
    /// Let them in.
    pub admit: Button,
    /// Do not.
    pub refuse: Button,
}

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingView {
    /// Whether it is.
    pub on: bool,
    /// In words.
    pub words: &'static str,
}

/// Something is asked before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub heading: &'static str,
    /// What it means.
    pub sentence: &'static str,
    /// Do it.
    pub yes: Button,
    /// Do not.
    pub no: Button,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Grows with each; a screen reader is told once of each.
    pub number: u64,
    /// What.
    pub text: String,
    /// Interrupts what a screen reader says.
    pub urgent: bool,
    /// Also drawn, for some seconds; else for screen readers alone.
    pub drawn: bool,
}

impl View {
    /// Every picture that is on the page now.
    #[must_use]
    pub fn videos(&self) -> Vec<&Video> {
        match &self.screen {
            Screen::Busy(busy) => busy.own.iter().collect(),
            Screen::Check(check) => check.own.iter().collect(),
            Screen::Waiting(waiting) => waiting.own.iter().collect(),
            Screen::Room(room) => {
                room.tiles.iter().chain([&room.own]).filter_map(|tile| tile.video.as_ref()).collect()
            }
            Screen::Consent(_) | Screen::Notice(_) => Vec::new(),
        }
    }
}

/// Everything to show at this moment.
#[must_use]
pub fn view(machine: &Machine, _now: Monotonic) -> View {
    View {
        language: machine.setup().language,
        title: "Video call",
        screen: Screen::Busy(Busy { heading: "One moment", sentence: None, own: None }),
        notes: Vec::new(),
    }
}
