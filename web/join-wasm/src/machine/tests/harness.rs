//! A browser, a service and a room that are played.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Monotonic, Secret};
use messages::Language;
use protocol::{
    video::{Admission, Joined, Looked, Pulsed, Recording, SeatRole, VideoErrorCode, WaitingWhy},
    video_window::{FromVideoWindow, ToVideoWindow},
};
use sansio::rig;

use crate::{
    machine::{
        Machine,
        command::{Ask, Command, TrackName},
        event::{
            Action, Answer, Event, Fault, Features, Place, RemoteKind, RemotePerson, RemoteTrack, RoomEvent,
            Setup,
        },
        phase::{End, Link, Phase},
        track::{CaptureFault, Captured, DeviceInfo, DeviceKind, TrackId, Wish},
    },
    view::{Check, Notice, Room, Screen, View, view},
};

pub const CODE: &str = "0123456789abcdefghjk";
pub const NEW_CODE: &str = "zzzz456789abcdefghjk";
pub const SEAT: &str = "seat-of-this-browser";
pub const TOKEN: &str = "header.payload.signature";
pub const KEY: &str = "CH00000000000000000000000000000001";

pub const ALL: Features = Features {
    secure: true,
    peer_connection: true,
    capture: true,
    screen: true,
    speaker: true,
    touch: false,
};

/// What runs in the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capture {
    Starting(DeviceKind),
    Running(DeviceKind),
}

/// How the browser answers when it is asked for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    Yes,
    No(CaptureFault),
    Later,
}

pub struct World {
    pub rig: rig::Rig<Machine>,
    /// What runs or is on the way; the screen as a speaker, which never is captured.
    pub captures: BTreeMap<TrackId, Capture>,
    pub published: BTreeSet<TrackId>,
    pub muted: BTreeSet<TrackId>,
    pub gives: BTreeMap<&'static str, Gives>,
    /// Asked and not answered yet.
    pub open: Vec<(u32, String, Ask)>,
    /// Attempts that the SDK is in, or joins.
    pub rooms: BTreeSet<u32>,
    /// Those that it is in.
    pub entered: BTreeSet<u32>,
    pub kept: Option<Secret>,
    pub seen: Vec<Command>,
    pub recording: Recording,
}

pub fn setup(place: Place) -> Setup {
    Setup { place, language: Language::English, features: ALL, visible: true, seed: 7 }
}

pub fn admission() -> Admission {
    Admission {
        token: TOKEN.into(),
        room: "CH1-secret".into(),
        identity: "customer_me".into(),
        region: "gll".into(),
    }
}

pub fn person(number: u32, identity: &str) -> RemotePerson {
    let track = |kind, name: &str| RemoteTrack { sid: format!("MT{name}{number}"), kind, enabled: true };
    RemotePerson {
        sid: format!("PA{number}"),
        identity: identity.into(),
        tracks: vec![track(RemoteKind::Sound, "sound"), track(RemoteKind::Camera, "camera")],
        reconnecting: false,
    }
}

pub fn refused(code: VideoErrorCode) -> Fault {
    Fault::Refused { code, retry_after: None }
}

impl World {
    pub fn new(setup: Setup) -> Self {
        Self {
            rig: rig::Rig::new(Machine::new(setup), Monotonic::from_millis(10_000)),
            captures: BTreeMap::new(),
            published: BTreeSet::new(),
            muted: BTreeSet::new(),
            gives: BTreeMap::new(),
            open: Vec::new(),
            rooms: BTreeSet::new(),
            entered: BTreeSet::new(),
            kept: None,
            seen: Vec::new(),
            recording: Recording::Off,
        }
    }

    /// A customer who has tapped, in front of the service's answer to the look.
    pub fn customer() -> Self {
        let mut world = Self::new(setup(Place::Link(CODE.into())));
        world.start();
        world
    }

    /// A customer who sees the check.
    pub fn checking() -> Self {
        let mut world = Self::customer();
        world.looked(SeatRole::Customer);
        world
    }

    /// A customer in the room, alone.
    pub fn joined() -> Self {
        let mut world = Self::checking();
        world.act(Action::Join);
        world.admit();
        world.up(vec![]);
        world
    }

    /// The agent's window, whose link has come.
    pub fn window() -> Self {
        let mut world = Self::new(setup(Place::Window(KEY.into())));
        world.start();
        world.event(Event::PortOpened);
        world.event(Event::Worker(ToVideoWindow::Link {
            service: "https://tokens.acme.test".into(),
            link: CODE.into(),
        }));
        world
    }

    /// An agent in the room, with no call, alone.
    pub fn agent() -> Self {
        let mut world = Self::window();
        world.event(Event::Worker(ToVideoWindow::Call { live: false }));
        world.seat(SeatRole::Agent, Some(admission()), None, false);
        world.up(vec![]);
        world
    }

    /// The same page after a reload: the browser has what was kept, and nothing else.
    pub fn reloaded(&self) -> Self {
        let mut world = Self::new(self.rig.machine.setup().clone());
        world.kept.clone_from(&self.kept);
        world.gives.clone_from(&self.gives);
        world.start();
        world
    }

    pub fn start(&mut self) {
        self.event(Event::Started);
        self.event(Event::Locked(self.kept.clone()));
    }

    pub fn event(&mut self, event: Event) {
        self.rig.event(event);
        self.collect();
    }

    pub fn act(&mut self, action: Action) {
        self.event(Event::Act(action));
    }

    pub fn pass(&mut self, millis: u64) {
        self.rig.pass(millis);
        self.collect();
    }

    pub fn room_event(&mut self, event: RoomEvent) {
        let attempt = *self.rooms.last().unwrap();
        if matches!(event, RoomEvent::Disconnected(_)) {
            self.leave_room(attempt);
        }
        self.event(Event::Room { attempt, event });
    }

    fn leave_room(&mut self, attempt: u32) {
        self.rooms.remove(&attempt);
        self.entered.remove(&attempt);
        if self.rooms.is_empty() {
            self.published.clear();
        }
    }

    fn collect(&mut self) {
        loop {
            let commands = self.rig.take();
            if commands.is_empty() {
                return;
            }
            for command in commands {
                self.seen.push(command.clone());
                self.carry_out(command);
            }
        }
    }

    fn gives(&self, what: &str) -> Gives {
        self.gives.get(what).copied().unwrap_or(Gives::Yes)
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Ask { request, service, ask } => self.open.push((request, service, ask)),
            Command::Keep(text) => self.kept = Some(text),
            Command::Forget => self.kept = None,
            Command::Capture { camera, microphone } => self.capture(camera, microphone),
            Command::Restart(wish) => self.restart(&wish),
            Command::CaptureScreen(track) => {
                self.captures.insert(track, Capture::Starting(DeviceKind::Speaker));
                match self.gives("screen") {
                    Gives::Yes => {
                        self.captures.insert(track, Capture::Running(DeviceKind::Speaker));
                        self.rig.event(Event::ScreenCaptured(track));
                    }
                    Gives::No(fault) => {
                        self.captures.remove(&track);
                        self.rig.event(Event::ScreenNotCaptured(track, fault));
                    }
                    Gives::Later => {}
                }
            }
            Command::Stop(track) => {
                assert!(
                    !self.published.contains(&track) || self.rooms.is_empty() || self.is_leaving(),
                    "{track:?}"
                );
                self.captures.remove(&track);
                self.muted.remove(&track);
            }
            Command::Enable(track, on) => {
                if on {
                    self.muted.remove(&track);
                } else {
                    self.muted.insert(track);
                }
            }
            Command::Connect { attempt, tracks, .. } => {
                for track in &tracks {
                    assert!(
                        matches!(self.captures.get(track), Some(Capture::Running(_))),
                        "{track:?} does not run"
                    );
                }
                self.rooms.insert(attempt);
                self.published.extend(tracks);
            }
            Command::Disconnect(attempt) => self.leave_room(attempt),
            Command::Publish(track, name) => {
                let kind = match self.captures.get(&track) {
                    Some(Capture::Running(kind)) => *kind,
                    other => panic!("{track:?} is published and is {other:?}"),
                };
                let wanted = match kind {
                    DeviceKind::Camera => TrackName::Camera,
                    DeviceKind::Microphone => TrackName::Microphone,
                    DeviceKind::Speaker => TrackName::Screen,
                };
                assert_eq!(name, wanted);
                assert!(!self.rooms.is_empty(), "published outside of a room");
                assert!(self.published.insert(track), "published twice");
            }
            Command::Unpublish(track) => {
                assert!(self.published.remove(&track), "unpublished and was not published");
            }
            _ => {}
        }
    }

    /// The last breath of a room: the others are told, and the captures go first.
    fn is_leaving(&self) -> bool {
        matches!(self.rig.machine.phase(), Phase::End(_)) || self.rig.machine.hidden
    }

    fn capture(&mut self, camera: Option<Wish>, microphone: Option<Wish>) {
        let asked =
            [(&camera, DeviceKind::Camera, "camera"), (&microphone, DeviceKind::Microphone, "microphone")];
        let answers: Vec<Gives> =
            asked.iter().filter(|(wish, ..)| wish.is_some()).map(|(.., name)| self.gives(name)).collect();
        for (wish, kind, _) in asked {
            if let Some(wish) = wish {
                self.captures.insert(wish.track, Capture::Starting(kind));
            }
        }
        if answers.contains(&Gives::Later) {
            return;
        }
        let fault = answers.iter().find_map(|answer| match answer {
            Gives::No(fault) => Some(*fault),
            Gives::Yes | Gives::Later => None,
        });
        match fault {
            Some(fault) => self.deny(camera.map(|wish| wish.track), microphone.map(|wish| wish.track), fault),
            None => self.give(camera, microphone),
        }
    }

    pub fn deny(&mut self, camera: Option<TrackId>, microphone: Option<TrackId>, fault: CaptureFault) {
        for track in [camera, microphone].into_iter().flatten() {
            self.captures.remove(&track);
        }
        self.event(Event::NotCaptured { camera, microphone, fault });
    }

    fn give(&mut self, camera: Option<Wish>, microphone: Option<Wish>) {
        let run =
            |wish: Wish| Captured { device: wish.device.unwrap_or_else(|| "d1".into()), track: wish.track };
        if let Some(wish) = &camera {
            self.captures.insert(wish.track, Capture::Running(DeviceKind::Camera));
        }
        if let Some(wish) = &microphone {
            self.captures.insert(wish.track, Capture::Running(DeviceKind::Microphone));
        }
        self.event(Event::Captured { camera: camera.map(run), microphone: microphone.map(run) });
    }

    fn restart(&mut self, wish: &Wish) {
        match self.gives("restart") {
            Gives::Yes => {
                let device = wish.device.clone().unwrap_or_else(|| "d1".into());
                self.rig.event(Event::Restarted(Captured { track: wish.track, device }));
            }
            Gives::No(fault) => self.rig.event(Event::NotRestarted(wish.track, fault)),
            Gives::Later => {}
        }
    }

    // The service.

    pub fn take_open(&mut self, wanted: impl Fn(&Ask) -> bool) -> u32 {
        let at = self.open.iter().rposition(|(.., ask)| wanted(ask)).expect("was not asked");
        self.open.remove(at).0
    }

    pub fn is_asked(&self, wanted: impl Fn(&Ask) -> bool) -> bool {
        self.open.iter().any(|(.., ask)| wanted(ask))
    }

    pub fn looked(&mut self, role: SeatRole) {
        let request = self.take_open(|ask| matches!(ask, Ask::Look(_)));
        let looked = Looked {
            role,
            organisation: "Acme".into(),
            agent: "Ada".into(),
            recording: self.recording,
            seated: false,
            ended: None,
        };
        self.event(Event::Answered(request, Answer::Looked(looked)));
    }

    pub fn seat(
        &mut self,
        role: SeatRole,
        admission: Option<Admission>,
        waiting: Option<WaitingWhy>,
        call_live: bool,
    ) {
        let request = self.take_open(|ask| matches!(ask, Ask::Join(_)));
        let joined = Joined { seat: SEAT.into(), role, admission, waiting, call_live };
        self.event(Event::Answered(request, Answer::Joined(joined)));
    }

    pub fn admit(&mut self) {
        self.seat(SeatRole::Customer, Some(admission()), None, false);
    }

    pub fn refuse(&mut self, fault: Fault) {
        let request = self.take_open(|ask| matches!(ask, Ask::Look(_) | Ask::Join(_)));
        self.event(Event::Failed(request, fault));
    }

    pub fn pulsed(&mut self, pulsed: Pulsed) {
        let request = self.take_open(|ask| matches!(ask, Ask::Pulse(_)));
        self.event(Event::Answered(request, Answer::Pulsed(pulsed)));
    }

    pub fn admit_answered(&mut self, pulsed: Pulsed) {
        let request = self.take_open(|ask| matches!(ask, Ask::Admit(_)));
        self.event(Event::Answered(request, Answer::Pulsed(pulsed)));
    }

    pub fn pulse_fails(&mut self, fault: Fault) {
        let request = self.take_open(|ask| matches!(ask, Ask::Pulse(_)));
        self.event(Event::Failed(request, fault));
    }

    // The room.

    pub fn up(&mut self, people: Vec<RemotePerson>) {
        let attempt = *self.rooms.last().unwrap();
        self.entered.insert(attempt);
        self.event(Event::Connected { attempt, people, recording: false });
    }

    pub fn not_up(&mut self, code: Option<u32>) {
        let attempt = *self.rooms.last().unwrap();
        self.leave_room(attempt);
        self.event(Event::NotConnected { attempt, code });
    }

    // What is there.

    pub fn running(&self, kind: DeviceKind) -> Option<TrackId> {
        self.captures.iter().find(|(_, capture)| **capture == Capture::Running(kind)).map(|(track, _)| *track)
    }

    pub fn is_published(&self, kind: DeviceKind) -> bool {
        self.running(kind).is_some_and(|track| self.published.contains(&track))
    }

    pub fn view(&self) -> View {
        view(&self.rig.machine, self.rig.now)
    }

    pub fn check(&self) -> Check {
        match self.view().screen {
            Screen::Check(check) => *check,
            other => panic!("no check: {other:?}"),
        }
    }

    pub fn room(&self) -> Room {
        match self.view().screen {
            Screen::Room(room) => *room,
            other => panic!("no room: {other:?}"),
        }
    }

    pub fn notice(&self) -> Notice {
        match self.view().screen {
            Screen::Notice(notice) => notice,
            other => panic!("no notice: {other:?}"),
        }
    }

    pub fn end(&self) -> &End {
        match self.rig.machine.phase() {
            Phase::End(end) => end,
            other => panic!("not at an end: {other:?}"),
        }
    }

    pub fn is_up(&self) -> bool {
        matches!(self.rig.machine.phase(), Phase::Room(Link::Up(_)))
    }

    /// Nothing is captured any more, not even soon.
    pub fn is_dark(&self) -> bool {
        self.captures.is_empty()
    }

    /// The last thing said.
    pub fn said(&self) -> String {
        self.view().notes.last().map(|note| note.text.clone()).unwrap_or_default()
    }

    /// What was commanded since the last call.
    pub fn ordered(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.seen)
    }

    pub fn told(&self) -> Vec<FromVideoWindow> {
        let told = self.seen.iter().filter_map(|command| match command {
            Command::Tell(told) => Some(told.clone()),
            _ => None,
        });
        told.collect()
    }
}

pub fn device(kind: DeviceKind, id: &str) -> DeviceInfo {
    DeviceInfo { kind, id: id.into(), label: format!("{id} by Acme") }
}
