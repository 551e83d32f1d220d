//! What the page shows, with all texts: a pure function of the [`Machine`] and the time.
//!
//! Never in here: a token, a seat, a code, an identity or a SID. What is drawn may be read by anybody who looks over a shoulder,
//! and by every tool that looks at pages.

use kernel::Monotonic;
use messages::{Language, video::Text};
use protocol::video::{Recording, SeatRole, Waiting};

use crate::{
    machine::{
        Held, Machine, PATIENCE,
        event::{Action, Place, RemoteKind},
        media::Share,
        notes::Said,
        people::{self, News, Person},
        phase::{End, Link, Phase},
        track::{CaptureFault, DeviceInfo, DeviceKind, Facing, TrackId},
    },
    words,
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
    /// What to press, where it goes on for as long as nobody stops it.
    pub buttons: Vec<Button>,
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
pub fn view(machine: &Machine, now: Monotonic) -> View {
    let page = Page { machine, language: machine.setup().language };
    let name = |role| page.name_of(role);
    let notes = machine.notes().list.iter().map(|(number, said, _)| Note {
        number: *number,
        text: words::said(*said, page.language, name),
        urgent: matches!(said, Said::Reconnecting | Said::CallHasMicrophone | Said::Recording),
        // What stands on the page anyway is only read out.
        drawn: !matches!(said, Said::Reconnecting | Said::Reconnected | Said::Joined),
    });
    View {
        language: page.language,
        title: page.say(page.title()),
        screen: page.screen(now),
        notes: notes.collect(),
    }
}

/// Ourselves among the people.
const OWN_KEY: u32 = 0;

/// What the view is made of.
#[derive(Clone, Copy)]
struct Page<'a> {
    machine: &'a Machine,
    language: Language,
}

impl Page<'_> {
    const fn say(&self, text: Text) -> &'static str {
        text.say(self.language)
    }

    fn button(&self, action: Action, label: Text, tone: Tone) -> Button {
        Button { action, label: self.say(label), tone, enabled: true, busy: false }
    }

    fn is_agent(&self) -> bool {
        self.machine.role() == Some(SeatRole::Agent)
    }

    const fn title(&self) -> Text {
        match self.machine.phase() {
            Phase::End(end) if end.is_over() => Text::TitleOver,
            Phase::End(End::OtherTab | End::OtherBrowser) => Text::Title,
            Phase::End(_) => Text::TitleTrouble,
            _ => Text::Title,
        }
    }

    fn screen(&self, now: Monotonic) -> Screen {
        match self.machine.phase() {
            Phase::Idle | Phase::Locking | Phase::Looking => Screen::Busy(self.busy(Text::OneMoment)),
            Phase::AwaitingLink => Screen::Busy(self.busy(Text::AwaitingLink)),
            Phase::Check => Screen::Check(Box::new(self.check())),
            Phase::Consent => Screen::Consent(self.consent(self.machine.consent().flatten())),
            Phase::Joining => Screen::Busy(self.on_the_way()),
            Phase::Room(link) if !link.is_in() && !self.machine.was_in() => Screen::Busy(self.on_the_way()),
            Phase::Waiting(why) => Screen::Waiting(WaitingView {
                heading: self.say(Text::WaitingHeading),
                sentence: self.say(words::waiting(*why)),
                trouble: self.machine.is_out_of_touch().then(|| self.say(Text::ServiceSilent)),
                own: self.own_video(),
                leave: self.button(Action::Leave, Text::StopWaiting, Tone::Plain),
            }),
            Phase::Room(link) => Screen::Room(Box::new(self.room(*link, now))),
            Phase::End(end) => Screen::Notice(self.notice(end)),
        }
    }

    fn on_the_way(&self) -> Busy {
        self.busy(if self.machine.is_returning() { Text::GoingBack } else { Text::Joining })
    }

    fn busy(&self, heading: Text) -> Busy {
        let failing = self.machine.failures() > 0;
        let endless = failing && self.machine.is_returning();
        let mut buttons = Vec::new();
        if endless {
            buttons.push(self.button(Action::Retry, Text::TryNow, Tone::Primary));
            buttons.push(self.button(Action::Leave, Text::Leave, Tone::Plain));
        }
        let sentence =
            if self.machine.failures() >= PATIENCE { Text::NetworkBlocks } else { Text::StillTrying };
        Busy {
            heading: self.say(heading),
            sentence: failing.then(|| self.say(sentence)),
            own: self.own_video(),
            buttons,
        }
    }

    // Camera, microphone and speaker.

    fn own_video(&self) -> Option<Video> {
        let camera = &self.machine.media().camera;
        let track = camera.live().filter(|_| camera.on)?;
        Some(Video { track, mirrored: camera.facing != Some(Facing::Environment) })
    }

    fn no_picture(&self) -> &'static str {
        let camera = &self.machine.media().camera;
        self.say(match camera.fault {
            Some(CaptureFault::Missing) => Text::NoCamera,
            _ if camera.is_busy() => Text::CameraStarts,
            _ => Text::CameraIsOff,
        })
    }

    fn camera(&self) -> Toggle {
        let slot = &self.machine.media().camera;
        let on = slot.on && slot.live().is_some();
        Toggle {
            action: Action::ToggleCamera,
            label: self.say(if on { Text::CameraOff } else { Text::CameraOn }),
            on,
            enabled: self.machine.setup().features.capture,
            busy: slot.is_busy(),
            note: words::faults(slot.fault, None).map(|text| self.say(text)),
        }
    }

    fn microphone(&self) -> Toggle {
        let slot = &self.machine.media().microphone;
        let is_live = slot.live().is_some();
        let held = self.machine.held();
        let note = match held {
            Some(Held::Call | Held::CallOfOld) => Some(Text::CallHasMicrophone),
            Some(Held::Unknown) => Some(Text::CallUnknown),
            None => words::faults(None, slot.fault),
        };
        Toggle {
            action: Action::ToggleMicrophone,
            label: self.say(match (is_live, slot.on) {
                (true, true) => Text::Mute,
                (true, false) => Text::Unmute,
                (false, _) => Text::MicrophoneOn,
            }),
            on: is_live && slot.on,
            enabled: held.is_none() && self.machine.setup().features.capture,
            busy: slot.is_busy(),
            note: note.map(|text| self.say(text)),
        }
    }

    fn devices(&self, kind: DeviceKind) -> impl Iterator<Item = &DeviceInfo> {
        // Chrome lists the system's choices once more, under these names.
        let is_real = |id: &str| !matches!(id, "" | "default" | "communications");
        let devices = self.machine.media().devices.iter();
        devices.filter(move |device| device.kind == kind && is_real(&device.id))
    }

    fn menus(&self) -> Vec<Menu> {
        let media = self.machine.media();
        let chosen = [
            (DeviceKind::Camera, &media.camera.device, true),
            (DeviceKind::Microphone, &media.microphone.device, true),
            (DeviceKind::Speaker, &media.speaker, self.machine.setup().features.speaker),
        ];
        let menu = |(kind, device, possible): (DeviceKind, &Option<String>, bool)| {
            if !possible || self.devices(kind).count() < 2 {
                return None;
            }
            let mut options = vec![(None, self.say(Text::SystemDefault).to_owned())];
            for (at, one) in self.devices(kind).enumerate() {
                let label = if one.label.is_empty() {
                    Text::Device.with(self.language, &(at + 1).to_string())
                } else {
                    one.label.clone()
                };
                options.push((Some(one.id.clone()), label));
            }
            let chosen = options.iter().position(|(id, _)| id == device).unwrap_or_default();
            Some(Menu { kind, label: self.say(words::kind(kind)), options, chosen })
        };
        chosen.into_iter().filter_map(menu).collect()
    }

    /// What is wrong with camera and microphone, and what to do.
    fn trouble(&self) -> Option<Trouble> {
        let media = self.machine.media();
        let [camera, microphone] =
            [&media.camera, &media.microphone].map(|slot| slot.fault.filter(|_| slot.on));
        let sentence = words::faults(camera, microphone)?;
        let worst = [camera, microphone].into_iter().flatten().find(|fault| *fault == CaptureFault::Refused);
        let fault = worst.or(camera).or(microphone)?;
        let app = media.refused_at_once && fault == CaptureFault::Refused;
        let help = if app { Text::AppInTheWay } else { words::help(fault) };
        let mut buttons = vec![self.button(Action::AskAgain, Text::Retry, Tone::Plain)];
        if app {
            buttons.push(self.button(Action::CopyLink, Text::CopyLink, Tone::Plain));
        }
        if camera.is_some() && microphone.is_some() {
            if fault == CaptureFault::Refused {
                buttons.push(self.button(Action::SoundOnly, Text::SoundOnly, Tone::Plain));
            }
            buttons.push(self.button(Action::WatchOnly, Text::WatchOnly, Tone::Plain));
        }
        Some(Trouble { sentence: self.say(sentence), help: Some(self.say(help)), buttons })
    }

    // Before joining.

    fn heading(&self) -> String {
        let host = match self.machine.host() {
            ("", "") => return self.say(Text::InvitesNobody).to_owned(),
            (organisation, "") => organisation.to_owned(),
            ("", agent) => agent.to_owned(),
            (organisation, agent) => [agent, " (", organisation, ")"].concat(),
        };
        Text::Invites.with(self.language, &host)
    }

    fn consent(&self, answer: Option<bool>) -> ConsentView {
        ConsentView {
            question: self.say(Text::ConsentQuestion),
            help: self.say(Text::ConsentHelp),
            yes: self.say(Text::ConsentYes),
            no: self.say(Text::ConsentNo),
            answer,
        }
    }

    fn check(&self) -> Check {
        let media = self.machine.media();
        let consent = self.machine.consent();
        let own = self.own_video();
        let microphone = self.microphone();
        let mut join = self.button(Action::Join, Text::Join, Tone::Primary);
        join.enabled = consent != Some(None);
        let tone = self.machine.plays_tone();
        let label = if tone { Text::TonePlays } else { Text::TestSpeaker };
        let mut test = self.button(Action::TestSpeaker, label, Tone::Plain);
        test.busy = tone;
        Check {
            heading: self.heading(),
            sentence: self.say(Text::CheckSentence),
            no_picture: own.is_none().then(|| self.no_picture()),
            own,
            camera: self.camera(),
            level_label: self.say(Text::Level),
            level: microphone.on.then_some(media.level),
            microphone,
            trouble: self.trouble(),
            menus: self.menus(),
            test_speaker: Some(test),
            consent: consent.map(|answer| self.consent(answer)),
            join,
        }
    }

    // In the room.

    fn name_of(&self, role: SeatRole) -> String {
        match (role, self.machine.host().1) {
            // To an agent, the name that the service gives is their own.
            (SeatRole::Agent, agent) if !agent.is_empty() && !self.is_agent() => agent.to_owned(),
            _ => self.say(words::role(role)).to_owned(),
        }
    }

    /// A person's name, with a number from the second of a kind on.
    fn name(&self, person: &Person) -> String {
        let before = self.machine.people().list.iter().take_while(|other| other.key != person.key);
        let before = before.filter(|other| other.role == person.role).count();
        let name = self.name_of(person.role);
        if before == 0 { name } else { format!("{name} {}", before + 1) }
    }

    fn described(&self, person: &PersonView) -> String {
        let mut parts: Vec<&str> = Vec::new();
        match person.presence_words {
            Some(words) => parts.push(words),
            None => {
                parts.push(self.say(if person.camera { Text::SaidCameraOn } else { Text::SaidCameraOff }));
                parts.push(self.say(if person.microphone {
                    Text::SaidMicrophoneOn
                } else {
                    Text::SaidMicrophoneOff
                }));
                if person.speaking {
                    parts.push(self.say(Text::SaidSpeaking));
                }
                parts.extend(person.quality_words);
            }
        }
        [person.name.as_str(), ": ", &parts.join(", ")].concat()
    }

    fn quality(&self, level: Option<u8>) -> (Option<QualityWord>, Option<&'static str>) {
        let Some(level) = level else { return (None, None) };
        let (word, text) = match level {
            0 => (QualityWord::Broken, Text::QualityBroken),
            1 | 2 => (QualityWord::Poor, Text::QualityPoor),
            3 => (QualityWord::Fair, Text::QualityFair),
            _ => (QualityWord::Good, Text::QualityGood),
        };
        (Some(word), Some(self.say(text)))
    }

    fn presence(&self, presence: people::Presence) -> (Presence, Option<&'static str>) {
        match presence {
            people::Presence::Here => (Presence::Here, None),
            people::Presence::Lost => (Presence::Lost, Some(self.say(Text::IsLost))),
            people::Presence::Gone(_) => (Presence::Gone, Some(self.say(Text::IsGone))),
        }
    }

    fn person(&self, person: &Person) -> PersonView {
        let (presence, presence_words) = self.presence(person.presence);
        let (quality, quality_words) = self.quality(person.quality.filter(|_| presence == Presence::Here));
        let mut view = PersonView {
            key: person.key,
            name: self.name(person),
            you: false,
            camera: person.track(RemoteKind::Camera).is_some(),
            microphone: person.track(RemoteKind::Sound).is_some(),
            speaking: self.machine.people().speaker == Some(person.key),
            presence,
            presence_words,
            quality,
            quality_words,
            described: String::new(),
        };
        view.described = self.described(&view);
        view
    }

    fn ourselves(&self, link: Link) -> PersonView {
        let lost = !matches!(link, Link::Up(_));
        let (quality, quality_words) = self.quality(self.machine.quality().filter(|_| !lost));
        let mut view = PersonView {
            key: OWN_KEY,
            name: self.say(Text::You).to_owned(),
            you: true,
            camera: self.camera().on,
            microphone: self.microphone().on,
            speaking: false,
            presence: if lost { Presence::Lost } else { Presence::Here },
            presence_words: lost.then(|| self.say(Text::IsLost)),
            quality,
            quality_words,
            described: String::new(),
        };
        view.described = self.described(&view);
        view
    }

    fn tiles(&self) -> Vec<Tile> {
        let people = self.machine.people();
        // Not by a sort: its code would come along into the page.
        let speaks = |person: &&Person| Some(person.key) == people.speaker;
        let (mut speaker_first, others): (Vec<&Person>, Vec<&Person>) = people.list.iter().partition(speaks);
        speaker_first.extend(others);
        let screens = speaker_first.iter().filter_map(|person| {
            let track = person.track(RemoteKind::Screen)?;
            Some(Tile {
                person: person.key,
                key: TileKey::Screen(person.key),
                video: Some(Video { track, mirrored: false }),
                label: Text::ScreenOf.with(self.language, &self.name(person)),
                caption: self.presence(person.presence).1,
                screen: true,
                large: false,
            })
        });
        let faces = speaker_first.iter().map(|person| {
            let video = person.track(RemoteKind::Camera).map(|track| Video { track, mirrored: false });
            let caption = self.presence(person.presence).1;
            Tile {
                person: person.key,
                key: TileKey::Person(person.key),
                caption: caption.or_else(|| video.is_none().then(|| self.say(Text::CameraIsOff))),
                video,
                label: self.name(person),
                screen: false,
                large: false,
            }
        });
        let mut tiles: Vec<Tile> = screens.chain(faces).collect();
        if let Some(first) = tiles.first_mut() {
            first.large = true;
        }
        tiles
    }

    fn alone(&self) -> Text {
        match self.machine.people().last {
            Some((_, News::Left)) => Text::AloneLeft,
            Some((_, News::NotBack)) => Text::AloneNotBack,
            _ => match self.machine.role() {
                Some(SeatRole::Agent) => Text::AloneAgent,
                Some(SeatRole::Customer) => Text::AloneCustomer,
                Some(SeatRole::Guest) | None => Text::Alone,
            },
        }
    }

    fn banners(&self, link: Link) -> Vec<Banner> {
        let banner = |urgent, text, button| Banner { urgent, sentence: self.say(text), button };
        let mut banners = Vec::new();
        match link {
            Link::Up(_) => {}
            Link::Reconnecting(_) => banners.push(banner(true, Text::Reconnecting, None)),
            Link::Down | Link::Asking | Link::Connecting(_) | Link::Why(_) => {
                let text =
                    if self.machine.failures() >= PATIENCE { Text::NetworkBlocks } else { Text::Rejoining };
                let again = self.button(Action::Retry, Text::TryNow, Tone::Plain);
                banners.push(banner(true, text, (link == Link::Down).then_some(again)));
            }
        }
        if self.machine.is_sound_blocked() {
            let hear = self.button(Action::Hear, Text::Hear, Tone::Primary);
            banners.push(banner(false, Text::SoundBlocked, Some(hear)));
        }
        match self.machine.held() {
            Some(Held::Call) => banners.push(banner(false, Text::CallHasMicrophone, None)),
            Some(Held::CallOfOld) => {
                let over = self.button(Action::CallIsOver, Text::CallIsOver, Tone::Plain);
                banners.push(banner(false, Text::CallHasMicrophone, Some(over)));
            }
            Some(Held::Unknown) | None => {}
        }
        if let Some(trouble) = self.trouble() {
            let button = trouble.buttons.into_iter().next();
            banners.push(Banner { urgent: false, sentence: trouble.sentence, button });
        }
        banners
    }

    fn room(&self, link: Link, now: Monotonic) -> Room {
        let machine = self.machine;
        let media = machine.media();
        let tiles = self.tiles();
        let people = std::iter::once(self.ourselves(link));
        let own = self.own_video();
        let cameras = self.devices(DeviceKind::Camera).count();
        let can_flip = machine.setup().features.touch && cameras > 1 && own.is_some();
        let mut flip = self.button(Action::Flip, Text::Flip, Tone::Plain);
        flip.busy = media.camera.is_busy();
        let is_shared = matches!(media.share, Share::On { .. });
        let share = Toggle {
            action: Action::ToggleShare,
            label: self.say(if is_shared { Text::StopSharing } else { Text::Share }),
            on: is_shared,
            enabled: link.is_in(),
            busy: matches!(media.share, Share::Asking(_)),
            note: None,
        };
        let mut end = self.button(Action::AskEnd, Text::EndForAll, Tone::Danger);
        end.busy = machine.is_ending();
        Room {
            people: people.chain(machine.people().list.iter().map(|person| self.person(person))).collect(),
            alone: tiles.is_empty().then(|| self.say(self.alone())),
            tiles,
            own: Tile {
                person: OWN_KEY,
                key: TileKey::Person(OWN_KEY),
                caption: own.is_none().then(|| self.no_picture()),
                video: own,
                label: self.say(Text::You).to_owned(),
                screen: false,
                large: false,
            },
            banners: self.banners(link),
            microphone: self.microphone(),
            camera: self.camera(),
            flip: can_flip.then_some(flip),
            share: machine.setup().features.screen.then_some(share),
            menus: self.menus(),
            menus_label: self.say(Text::Devices),
            leave: self.button(Action::Leave, Text::Leave, Tone::Danger),
            end: self.is_agent().then_some(end),
            waiting: machine
                .others_waiting()
                .map(|(waiting, answered)| self.knock(waiting, answered))
                .collect(),
            recording: words::recording(machine.recording()).map(|text| RecordingView {
                on: machine.recording() == Recording::On,
                words: self.say(text),
            }),
            seconds: machine.seconds(now),
            seconds_label: self.say(Text::MetFor),
            question: machine.asks_end().then(|| Question {
                heading: self.say(Text::EndQuestion),
                sentence: self.say(Text::EndHelp),
                yes: self.button(Action::End, Text::EndYes, Tone::Danger),
                no: self.button(Action::Cancel, Text::EndNo, Tone::Plain),
            }),
        }
    }

    fn knock(&self, waiting: &Waiting, answered: bool) -> Knock {
        let mut admit = self.button(Action::Admit(waiting.id.clone()), Text::Admit, Tone::Primary);
        let mut refuse = self.button(Action::Refuse(waiting.id.clone()), Text::Refuse, Tone::Plain);
        (admit.enabled, refuse.enabled) = (!answered, !answered);
        (admit.busy, refuse.busy) = (answered, answered);
        Knock { sentence: self.say(words::knock(waiting.why)), admit, refuse }
    }

    // The end.

    fn notice(&self, end: &End) -> Notice {
        let (heading, sentence) = words::end(end, self.is_agent());
        let mut sentences: Vec<String> = sentence.map(|text| self.say(text).to_owned()).into_iter().collect();
        if let End::NotOpened(message) = end {
            sentences.push(message.clone());
        }
        let kind = match end {
            end if end.is_over() => NoticeKind::Over,
            End::OtherTab | End::OtherBrowser => NoticeKind::Elsewhere,
            End::InApp => NoticeKind::InApp,
            _ => NoticeKind::Trouble,
        };
        let mut buttons = Vec::new();
        match end {
            End::Left | End::Removed => {
                buttons.push(self.button(Action::Retry, Text::ComeBack, Tone::Primary))
            }
            End::OtherTab | End::OtherBrowser => {
                buttons.push(self.button(Action::UseHere, Text::UseHere, Tone::Primary));
            }
            End::InApp => {
                buttons.push(self.button(Action::CopyLink, Text::CopyLink, Tone::Primary));
                buttons.push(self.button(Action::WatchOnly, Text::WatchOnly, Tone::Plain));
            }
            End::TooOld => buttons.push(self.button(Action::CopyLink, Text::CopyLink, Tone::Primary)),
            End::Full | End::Silent | End::Network | End::NoLink => {
                buttons.push(self.button(Action::Retry, Text::Retry, Tone::Primary));
            }
            End::Ended(_)
            | End::TurnedAway
            | End::Insecure
            | End::UnknownLink
            | End::LinkUsed
            | End::NotAllowed
            | End::NotOpened(_) => {}
        }
        if matches!(self.machine.setup().place, Place::Window(_)) {
            buttons.push(self.button(Action::CloseWindow, Text::CloseWindow, Tone::Plain));
        }
        Notice { kind, heading: self.say(heading), sentences, buttons }
    }
}
