//! Turns what happens in the page and in the room into events, and carries out commands. No decisions.

mod awake;
mod browser;
mod capture;
mod js;
mod keep;
mod room;
mod service;
mod sound;
mod tiles;

use std::{cell::RefCell, rc::Rc};

use js_sys::Array;
use kernel::{Monotonic, Secret};
use protocol::{port, video::code_of, video_window::FromVideoWindow};
use shell::{EventLoop, Shell as _};
use video_sdk::{ConnectOptions, LocalTrack, RemoteTrack, Room};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Document, MediaDevices, MutationObserver, MutationObserverInit, PageTransitionEvent, Window};
use webext::Port;

use self::{
    awake::Awake,
    capture::{Captures, Opened},
    keep::{Lock, Store},
    sound::{Meter, Sounds},
    tiles::{Picture, Tiles},
};
use crate::{
    machine::{
        Machine, Source,
        command::{Command, TrackName},
        event::{Action, Event, Place, RoomEvent},
        track::{DeviceKind, TrackId, Wish},
    },
    view::{View, view},
};

/// The most that sound may take, in bits a second: speech at Opus's wide band.
const MAX_AUDIO_BITRATE: u32 = 16_000;

/// What everything that the page keeps is called, before its link.
const KEPT: &str = "holdfast.video.";

/// Where a person's doings go. To be called in the very turn of a tap: the browser lets screens be shared and sound be played
/// only then.
pub type Act = Rc<dyn Fn(Action)>;

/// Shows a view, in place of the one before.
pub type Show = Box<dyn Fn(View)>;

/// Starts the page, which `mount` draws; it runs until the page is closed.
pub fn start(mount: impl FnOnce(Act) -> Show) {
    let Some(window) = web_sys::window() else { return };
    let Some(document) = window.document() else { return };
    let setup = browser::setup(&window);
    let link = match &setup.place {
        // However the link was written down: it is one link.
        Place::Link(code) => code_of(code).unwrap_or_default(),
        Place::Window(key) => key.clone(),
    };
    let page = Rc::new(Page {
        store: Store(format!("{KEPT}{link}")),
        touch: setup.features.touch,
        machine: EventLoop::new(Machine::new(setup)),
        window,
        document,
        show: RefCell::default(),
        lock: Rc::default(),
        captures: Rc::default(),
        sounds: Sounds::default(),
        meter: RefCell::default(),
        awake: Rc::default(),
        tiles: Tiles::default(),
        call: RefCell::default(),
        port: RefCell::default(),
    });
    let same = Rc::clone(&page);
    page.show.replace(Some(mount(Rc::new(move |action| same.report(Event::Act(action))))));
    page.watch_drawing();
    page.listen();
    page.report(Event::Started);
}

/// The call that the page is in, or on its way into.
struct Call {
    /// The machine's number.
    attempt: u32,
    /// Absent while it is joined.
    room: Option<Rc<Room>>,
    /// By which our pages talk to each other.
    data: LocalTrack,
    /// The pictures that we receive.
    pictures: Vec<RemoteTrack>,
    /// What it was joined with and is not to be published any more, although the SDK cannot be told yet.
    unwanted: Vec<LocalTrack>,
}

struct Page {
    window: Window,
    document: Document,
    machine: EventLoop<Machine>,
    show: RefCell<Option<Show>>,
    touch: bool,
    store: Store,
    lock: Rc<Lock>,
    captures: Rc<Captures>,
    sounds: Sounds,
    meter: RefCell<Option<Meter>>,
    awake: Rc<Awake>,
    tiles: Tiles,
    call: RefCell<Option<Call>>,
    port: RefCell<Option<Port>>,
}

impl shell::Shell for Page {
    type Machine = Machine;

    fn event_loop(&self) -> &EventLoop<Machine> {
        &self.machine
    }

    fn decided(&self, now: Monotonic) {
        if let Some(show) = &*self.show.borrow() {
            show(view(&self.machine.machine(), now));
        }
        self.settle_tiles();
    }

    fn carry_out(self: &Rc<Self>, command: Command) {
        match command {
            Command::Lock { steal } => self.take_lock(steal),
            Command::Unlock => self.lock.give_back(),
            Command::Keep(text) => self.store.write(&text),
            Command::Forget => self.store.forget(),

            Command::Ask { request, service, ask } => {
                let page = Rc::clone(self);
                spawn_local(async move {
                    page.report(match service::ask(service, ask).await {
                        Ok(answer) => Event::Answered(request, answer),
                        Err(fault) => Event::Failed(request, fault),
                    });
                });
            }
            Command::Beacon { service, leave } => service::beacon(&service, &leave),

            Command::Capture { camera, microphone } => self.capture(camera, microphone),
            Command::CaptureScreen(id) => self.capture_screen(id),
            Command::Restart(wish) => self.restart(wish),
            Command::Stop(id) => {
                self.captures.stop(id);
                self.settle_tiles();
            }
            Command::Enable(id, enabled) => {
                if let Some(track) = self.captures.get(id)
                    && track.enable(enabled).is_err()
                {
                    webext::console_warn("a track could not be muted");
                }
            }
            Command::Meter(id) => self.measure(id),
            Command::Speaker(speaker) => self.sounds.choose(speaker),
            Command::Tone => {
                let page = Rc::clone(self);
                if self.sounds.tone(move || page.report(Event::TonePlayed)).is_err() {
                    self.report(Event::TonePlayed);
                }
            }
            Command::PlaySound => self.sounds.resume(self.reporter(|| Event::SoundBlocked)),

            Command::Connect { attempt, token, room, region, tracks } => {
                self.connect(attempt, token, room, region, &tracks);
            }
            Command::Disconnect(attempt) => self.disconnect(attempt),
            Command::Publish(id, name) => {
                if let Some((room, track)) = self.room().zip(self.captures.get(id)) {
                    // What fails is told of as an event of the room.
                    let published = room.publish(&track, name == TrackName::Screen);
                    spawn_local(async move {
                        drop(published.await);
                    });
                }
            }
            Command::Unpublish(id) => {
                let Some(track) = self.captures.get(id) else { return };
                match self.room() {
                    Some(room) => room.unpublish(&track),
                    None => {
                        self.call.borrow_mut().iter_mut().for_each(|call| call.unwanted.push(track.clone()))
                    }
                }
            }
            Command::SayBye => {
                if let Some(call) = &*self.call.borrow()
                    && call.data.send(room::BYE).is_err()
                {
                    webext::console_warn("the others could not be told");
                }
            }
            Command::RefreshMedia => {
                if let Some(room) = self.room() {
                    room.refresh_inactive_media();
                }
            }
            Command::WakeLock(true) => self.awake.keep(),
            Command::WakeLock(false) => self.awake.let_go(),

            Command::CopyLink => self.copy_link(),
            Command::OpenPort => self.open_port(),
            Command::Tell(message) => self.tell(&message),
            Command::CloseWindow => {
                // Only a window that a script has opened may be closed by one; another stays, and says what it says.
                drop(self.window.close());
            }
        }
    }
}

impl Page {
    /// A callback that reports.
    fn reporter(self: &Rc<Self>, event: fn() -> Event) -> impl Fn() + Clone + use<> {
        let page = Rc::clone(self);
        move || page.report(event())
    }

    fn take_lock(self: &Rc<Self>, steal: bool) {
        let (page, lost) = (Rc::clone(self), self.reporter(|| Event::LockLost));
        // Read when it is ours: another page may have kept something meanwhile.
        let ours = move || {
            let kept = page.store.read();
            page.report(Event::Locked(kept));
        };
        self.lock.take(&self.store.0, steal, ours, lost);
    }

    fn devices(&self) -> Option<MediaDevices> {
        self.window.navigator().media_devices().ok()
    }

    fn list_devices(self: &Rc<Self>) {
        let Some(devices) = self.devices() else { return };
        let page = Rc::clone(self);
        spawn_local(async move {
            if let Ok(devices) = capture::list(&devices).await {
                page.report(Event::Devices(devices));
            }
        });
    }

    fn capture(self: &Rc<Self>, camera: Option<Wish>, microphone: Option<Wish>) {
        let page = Rc::clone(self);
        let ids = [&camera, &microphone].map(|wish| wish.as_ref().map(|wish| wish.track));
        let opening = Rc::clone(&self.captures).open(camera, microphone, self.touch);
        spawn_local(async move {
            match opening.await {
                Opened::Running(camera, microphone) => {
                    for captured in [&camera, &microphone].into_iter().flatten() {
                        page.watch_end(captured.track);
                    }
                    page.report(Event::Captured { camera, microphone });
                    // Their names are told once something is allowed.
                    page.list_devices();
                }
                Opened::Nothing(fault) => {
                    let [camera, microphone] = ids;
                    page.report(Event::NotCaptured { camera, microphone, fault });
                }
                Opened::Unwanted => {}
            }
        });
    }

    fn capture_screen(self: &Rc<Self>, id: TrackId) {
        let Some(devices) = self.devices() else { return };
        let asked = self.captures.ask_screen(id, &devices);
        let page = Rc::clone(self);
        spawn_local(async move {
            match Rc::clone(&page.captures).take_screen(id, asked).await {
                Some(Ok(())) => {
                    page.watch_end(id);
                    page.report(Event::ScreenCaptured(id));
                }
                Some(Err(fault)) => page.report(Event::ScreenNotCaptured(id, fault)),
                None => {}
            }
        });
    }

    fn restart(self: &Rc<Self>, wish: Wish) {
        let (page, id) = (Rc::clone(self), wish.track);
        spawn_local(async move {
            match Rc::clone(&page.captures).restart(wish, page.touch).await {
                Some(Ok(captured)) => {
                    page.watch_end(id);
                    page.report(Event::Restarted(captured));
                }
                Some(Err(fault)) => page.report(Event::NotRestarted(id, fault)),
                None => {}
            }
        });
    }

    /// What ends by itself is stopped for good: the SDK would otherwise hold the device's last track.
    fn watch_end(self: &Rc<Self>, id: TrackId) {
        let Some(track) = self.captures.get(id) else { return };
        let page = Rc::clone(self);
        capture::on_ended(&track, move || page.report(Event::TrackEnded(id)));
    }

    fn measure(self: &Rc<Self>, id: Option<TrackId>) {
        let track = id.and_then(|id| self.captures.get(id));
        let meter = track.and_then(|track| {
            let page = Rc::clone(self);
            // Without a meter the bar does not move, and the check is as good.
            Meter::of(&track.media_stream_track(), move |level| page.report(Event::Level(level))).ok()
        });
        self.meter.replace(meter);
    }

    fn room(&self) -> Option<Rc<Room>> {
        self.call.borrow().as_ref().and_then(|call| call.room.clone())
    }

    fn is_current(&self, attempt: u32) -> bool {
        self.call.borrow().as_ref().is_some_and(|call| call.attempt == attempt)
    }

    fn connect(
        self: &Rc<Self>,
        attempt: u32,
        token: Secret,
        room: String,
        region: String,
        tracks: &[TrackId],
    ) {
        let Ok(data) = LocalTrack::of_data(room::DATA_TRACK) else {
            return self.report(Event::NotConnected { attempt, code: None });
        };
        let mut tracks: Vec<LocalTrack> = tracks.iter().filter_map(|id| self.captures.get(*id)).collect();
        tracks.push(data.clone());
        self.call.replace(Some(Call { attempt, room: None, data, pictures: vec![], unwanted: vec![] }));
        let page = Rc::clone(self);
        spawn_local(async move {
            let options = ConnectOptions {
                room: &room,
                region: &region,
                tracks: &tracks,
                max_audio_bitrate: MAX_AUDIO_BITRATE,
            };
            let joined = video_sdk::connect(token.expose(), &options).await;
            match joined {
                Ok(room) if page.is_current(attempt) => page.joined(attempt, Rc::new(room)),
                Ok(room) => room.disconnect(),
                Err(error) if page.is_current(attempt) => {
                    webext::console_warn(&format!("not joined: {error}"));
                    page.call.take();
                    page.report(Event::NotConnected { attempt, code: error.code });
                }
                Err(_) => {}
            }
        });
    }

    fn joined(self: &Rc<Self>, attempt: u32, room: Rc<Room>) {
        let page = Rc::clone(self);
        room.listen(move |said| page.heard(attempt, &said));
        let others = room.others();
        let recording = room.is_recording();
        if let Some(call) = &mut *self.call.borrow_mut() {
            call.unwanted.drain(..).for_each(|track| room.unpublish(&track));
            call.room = Some(room);
        }
        for track in others.iter().flat_map(|other| &other.tracks) {
            self.receive(track);
        }
        let people = others.iter().map(room::person).collect();
        self.report(Event::Connected { attempt, people, recording });
    }

    fn heard(self: &Rc<Self>, attempt: u32, said: &video_sdk::RoomEvent) {
        match said {
            video_sdk::RoomEvent::ParticipantConnected(other) => {
                other.tracks.iter().for_each(|track| self.receive(track));
            }
            video_sdk::RoomEvent::TrackSubscribed(track, _) => self.receive(track),
            video_sdk::RoomEvent::TrackUnsubscribed(track, _) => self.drop_track(&track.sid()),
            _ => {}
        }
        let Some(event) = room::event(said, |track| self.captures.id_of(track)) else { return };
        if matches!(event, RoomEvent::Disconnected(_)) && self.is_current(attempt) {
            self.call.take();
            self.sounds.stop_all();
        }
        self.report(Event::Room { attempt, event });
        // A picture's element may be there before its track is.
        self.settle_tiles();
    }

    fn receive(self: &Rc<Self>, track: &RemoteTrack) {
        match track.kind() {
            video_sdk::Kind::Audio => self.sounds.play(track.clone(), self.reporter(|| Event::SoundBlocked)),
            video_sdk::Kind::Video => {
                if let Some(call) = &mut *self.call.borrow_mut() {
                    call.pictures.push(track.clone());
                }
            }
            video_sdk::Kind::Data => {}
        }
    }

    fn drop_track(&self, sid: &str) {
        self.sounds.stop(sid);
        if let Some(call) = &mut *self.call.borrow_mut() {
            call.pictures.retain(|track| track.sid() != sid);
        }
    }

    fn disconnect(&self, attempt: u32) {
        if !self.is_current(attempt) {
            return;
        }
        match self.room() {
            // Its last event ends the call.
            Some(room) => room.disconnect(),
            None => drop(self.call.take()),
        }
    }

    fn settle_tiles(&self) {
        self.tiles.settle(&self.document, |id| match self.machine.machine().source(id)? {
            Source::Own => self.captures.get(id).map(Picture::Own),
            Source::Remote(sid) => {
                let call = self.call.borrow();
                let pictures = &call.as_ref()?.pictures;
                pictures.iter().find(|track| track.sid() == sid).cloned().map(Picture::Theirs)
            }
        });
    }

    /// Elements for pictures come and go as the drawing makes them, not as the machine decides.
    fn watch_drawing(self: &Rc<Self>) {
        let page = Rc::clone(self);
        let changed = Closure::<dyn Fn()>::new(move || page.settle_tiles());
        let Ok(observer) = MutationObserver::new(changed.as_ref().unchecked_ref()) else { return };
        changed.forget();
        let options = MutationObserverInit::new();
        options.set_child_list(true);
        options.set_subtree(true);
        options.set_attribute_filter(&Array::of1(&"id".into()));
        if let Some(body) = self.document.body() {
            // Fails only for options that ask for nothing.
            drop(observer.observe_with_options(&body, &options));
        }
    }

    fn copy_link(self: &Rc<Self>) {
        let clipboard = js::get(&self.window.navigator(), "clipboard");
        let address = self.window.location().href();
        let written = address.ok().filter(|_| clipboard.is_object());
        let written = written.map(|address| self.window.navigator().clipboard().write_text(&address));
        let page = Rc::clone(self);
        spawn_local(async move {
            let ok = match written {
                Some(written) => JsFuture::from(written).await.is_ok(),
                None => false,
            };
            page.report(Event::Copied { ok });
        });
    }

    fn open_port(self: &Rc<Self>) {
        let Ok(port) = webext::connect(port::VIDEO) else { return self.report(Event::PortClosed) };
        let page = Rc::clone(self);
        port.on_message(move |message| match message {
            Ok(message) => page.report(Event::Worker(message)),
            Err(error) => webext::console_warn(&format!("the worker's message is not understood: {error}")),
        });
        let page = Rc::clone(self);
        port.on_disconnect(move || {
            page.port.replace(None);
            page.report(Event::PortClosed);
        });
        self.port.replace(Some(port));
        self.report(Event::PortOpened);
    }

    fn tell(&self, message: &FromVideoWindow) {
        // A port that closed under us is reported by its own event.
        if let Some(port) = &*self.port.borrow()
            && let Err(error) = port.post(message)
        {
            webext::console_warn(&format!("not sent to the worker: {error}"));
        }
    }

    fn listen(self: &Rc<Self>) {
        let page = Rc::clone(self);
        js::on(&self.document, "visibilitychange", move |_: JsValue| {
            page.report(Event::Visible(browser::is_visible(&page.window)));
        });
        let hidden = self.reporter(|| Event::PageHidden);
        js::on(&self.window, "pagehide", move |_: JsValue| hidden());
        let page = Rc::clone(self);
        js::on(&self.window, "pageshow", move |event: PageTransitionEvent| {
            if event.persisted() {
                page.report(Event::PageShown);
            }
        });
        if let Some(devices) = self.devices() {
            let page = Rc::clone(self);
            js::on(&devices, "devicechange", move |_: JsValue| page.list_devices());
            self.list_devices();
        }
        for (name, kind) in [("camera", DeviceKind::Camera), ("microphone", DeviceKind::Microphone)] {
            let page = Rc::clone(self);
            let changed = move |permission| page.report(Event::Permission(kind, permission));
            spawn_local(browser::watch_permission(self.window.clone(), name, changed));
        }
    }
}
