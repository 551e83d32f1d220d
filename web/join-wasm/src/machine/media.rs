//! Our own camera, microphone and screen: what the person wants, what runs, what is published.

use kernel::Monotonic;

use super::{
    command::{Command, TrackName},
    event::Permission,
    track::{CaptureFault, Captured, DeviceInfo, DeviceKind, Facing, TrackId, Wish},
};

/// A refusal that comes sooner than this was not a person's: nobody reads and answers a question so fast. In milliseconds.
const AT_ONCE_MS: u64 = 300;
/// A capture that ends before this has run is not tried again by itself. In milliseconds.
const STEADY_MS: u64 = 5_000;

/// Gives out names for tracks.
#[derive(Debug, Default)]
pub struct Ids(u32);

impl Ids {
    /// One that was never given out.
    pub fn give(&mut self) -> TrackId {
        self.0 += 1;
        TrackId(self.0)
    }
}

/// What may be done with captures now.
#[derive(Clone, Copy, Debug)]
pub struct May {
    /// They may run.
    pub capture: bool,
    /// The microphone too: no call is live.
    pub microphone: bool,
    /// They may be published: we are in the room.
    pub publish: bool,
}

/// How far a capture is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Run {
    Off,
    Starting { wish: Wish, at: Monotonic },
    Running { wish: Wish, since: Monotonic },
    Restarting { wish: Wish },
}

/// A camera or a microphone.
#[derive(Debug)]
pub struct Slot {
    /// Whether the person wants to be seen or heard.
    pub on: bool,
    /// The device that was chosen.
    pub device: Option<String>,
    /// The side that was chosen.
    pub facing: Option<Facing>,
    /// Why it is not running although it is wanted.
    pub fault: Option<CaptureFault>,
    /// The device that runs.
    pub in_use: String,
    run: Run,
    published: bool,
    enabled: bool,
    permission: Permission,
}

impl Slot {
    const fn new() -> Self {
        Self {
            on: true,
            device: None,
            facing: None,
            fault: None,
            in_use: String::new(),
            run: Run::Off,
            published: false,
            enabled: true,
            permission: Permission::Unknown,
        }
    }

    /// Its track, running or on the way.
    #[must_use]
    pub const fn track(&self) -> Option<TrackId> {
        match &self.run {
            Run::Off => None,
            Run::Starting { wish, .. } | Run::Running { wish, .. } | Run::Restarting { wish } => {
                Some(wish.track)
            }
        }
    }

    /// Its track, once there is something to see or to hear.
    #[must_use]
    pub const fn live(&self) -> Option<TrackId> {
        match &self.run {
            Run::Off | Run::Starting { .. } => None,
            Run::Running { wish, .. } | Run::Restarting { wish } => Some(wish.track),
        }
    }

    /// Whether it is being switched on or to another device.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self.run, Run::Starting { .. } | Run::Restarting { .. })
    }

    /// What the browser thinks of it.
    #[must_use]
    pub const fn permission(&self) -> Permission {
        self.permission
    }

    fn wish(&self, track: TrackId) -> Wish {
        Wish { track, device: self.device.clone(), facing: self.facing.filter(|_| self.device.is_none()) }
    }

    fn stop(&mut self, out: &mut Vec<Command>) {
        if let Some(track) = self.track() {
            if self.published {
                out.push(Command::Unpublish(track));
            }
            out.push(Command::Stop(track));
        }
        (self.run, self.published, self.enabled) = (Run::Off, false, true);
    }

    /// The other device, or the default after a chosen one has failed; false when there is nothing left to try.
    fn fall_back(&mut self) -> bool {
        self.device.take().is_some() | self.facing.take().is_some()
    }
}

/// The screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// Not shared.
    #[default]
    Off,
    /// The browser asks which.
    Asking(TrackId),
    /// Captured.
    On {
        /// Its track.
        track: TrackId,
        /// The others see it.
        published: bool,
    },
}

/// All that we capture.
#[derive(Debug)]
pub struct Media {
    /// The camera.
    pub camera: Slot,
    /// The microphone.
    pub microphone: Slot,
    /// The screen.
    pub share: Share,
    /// The speaker that was chosen.
    pub speaker: Option<String>,
    /// What there is.
    pub devices: Vec<DeviceInfo>,
    /// How loud the microphone is, while that is measured.
    pub level: u8,
    /// A refusal came so fast that no person can have said it, and the browser does not say that it was said before.
    pub refused_at_once: bool,
    /// Both together have failed: each is tried by itself.
    apart: bool,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            camera: Slot::new(),
            microphone: Slot::new(),
            share: Share::Off,
            speaker: None,
            devices: Vec::new(),
            level: 0,
            refused_at_once: false,
            apart: false,
        }
    }
}

impl Media {
    /// Compares what runs with what should, and orders the difference.
    pub fn settle(&mut self, may: May, ids: &mut Ids, now: Monotonic, out: &mut Vec<Command>) {
        if !may.capture {
            self.stop_share(out);
        }
        let camera_wanted = may.capture && self.camera.on && self.camera.fault.is_none();
        // Muting leaves it running, so that speaking again takes no time. It is not started only to be muted.
        let microphone = &self.microphone;
        let microphone_wanted = may.capture
            && may.microphone
            && microphone.fault.is_none()
            && (microphone.on || microphone.track().is_some());
        let mut starts = [None, None];
        for ((slot, wanted), start) in
            [(&mut self.camera, camera_wanted), (&mut self.microphone, microphone_wanted)]
                .into_iter()
                .zip(&mut starts)
        {
            match (&slot.run, wanted) {
                (_, false) => slot.stop(out),
                (Run::Off, true) => {
                    let wish = slot.wish(ids.give());
                    slot.run = Run::Starting { wish: wish.clone(), at: now };
                    *start = Some(wish);
                }
                (Run::Running { wish, .. }, true) => {
                    let wanted = slot.wish(wish.track);
                    if *wish != wanted {
                        out.push(Command::Restart(wanted.clone()));
                        slot.run = Run::Restarting { wish: wanted };
                    }
                }
                (Run::Starting { .. } | Run::Restarting { .. }, true) => {}
            }
        }
        match starts {
            [None, None] => {}
            [Some(camera), Some(microphone)] if self.apart => {
                out.push(Command::Capture { camera: Some(camera), microphone: None });
                out.push(Command::Capture { camera: None, microphone: Some(microphone) });
            }
            [camera, microphone] => out.push(Command::Capture { camera, microphone }),
        }
        if let Some(track) = self.microphone.live()
            && self.microphone.enabled != self.microphone.on
        {
            self.microphone.enabled = self.microphone.on;
            out.push(Command::Enable(track, self.microphone.on));
        }
        if may.publish {
            let slots =
                [(&mut self.camera, TrackName::Camera), (&mut self.microphone, TrackName::Microphone)];
            for (slot, name) in slots {
                if let Some(track) = slot.live().filter(|_| !slot.published) {
                    slot.published = true;
                    out.push(Command::Publish(track, name));
                }
            }
            if let Share::On { track, published: published @ false } = &mut self.share {
                *published = true;
                out.push(Command::Publish(*track, TrackName::Screen));
            }
        }
    }

    /// The tracks to join with; they count as published from now on.
    pub fn to_join_with(&mut self, may: May) -> Vec<TrackId> {
        self.room_gone();
        let mut tracks = Vec::new();
        for (slot, may) in
            [(&mut self.camera, may.capture), (&mut self.microphone, may.capture && may.microphone)]
        {
            if let Some(track) = slot.live().filter(|_| may) {
                slot.published = true;
                tracks.push(track);
            }
        }
        tracks
    }

    /// There is no room any more in which something could be published.
    pub fn room_gone(&mut self) {
        (self.camera.published, self.microphone.published) = (false, false);
        if let Share::On { published, .. } = &mut self.share {
            *published = false;
        }
    }

    fn slot(&mut self, kind: DeviceKind) -> Option<&mut Slot> {
        match kind {
            DeviceKind::Camera => Some(&mut self.camera),
            DeviceKind::Microphone => Some(&mut self.microphone),
            DeviceKind::Speaker => None,
        }
    }

    /// The camera or microphone of a track.
    fn slot_of(&mut self, track: TrackId) -> Option<&mut Slot> {
        [&mut self.camera, &mut self.microphone].into_iter().find(|slot| slot.track() == Some(track))
    }

    /// Whether this is one of our captures.
    #[must_use]
    pub fn owns(&self, track: TrackId) -> bool {
        let share = match self.share {
            Share::On { track, .. } => Some(track),
            Share::Off | Share::Asking(_) => None,
        };
        [self.camera.live(), self.microphone.live(), share].contains(&Some(track))
    }

    /// Captures run.
    pub fn captured(
        &mut self,
        captured: impl IntoIterator<Item = Captured>,
        now: Monotonic,
        out: &mut Vec<Command>,
    ) {
        for Captured { track, device } in captured {
            match self.slot_of(track) {
                Some(slot) if matches!(slot.run, Run::Starting { .. } | Run::Restarting { .. }) => {
                    let wish = match &slot.run {
                        Run::Starting { wish, .. } | Run::Restarting { wish } => wish.clone(),
                        Run::Off | Run::Running { .. } => continue,
                    };
                    (slot.in_use, slot.fault) = (device, None);
                    slot.run = Run::Running { wish, since: now };
                }
                Some(_) => {}
                // It was stopped before it came; a light that nobody asked for goes out, whatever the shell did.
                None => out.push(Command::Stop(track)),
            }
        }
    }

    /// Captures do not run.
    pub fn not_captured(&mut self, tracks: [Option<TrackId>; 2], fault: CaptureFault, now: Monotonic) {
        let both = tracks.iter().all(Option::is_some);
        let denied = [self.camera.permission, self.microphone.permission].map(|it| it == Permission::Denied);
        // The browser says that just one of the two is not allowed: then the other may be.
        let one_denied =
            both && fault == CaptureFault::Refused && denied.iter().filter(|denied| **denied).count() == 1;
        let denied_any = denied.contains(&true);
        let mut again = false;
        for (track, denied) in tracks.into_iter().zip(denied) {
            let Some(slot) = track.and_then(|track| self.slot_of(track)) else { continue };
            let Run::Starting { at, .. } = slot.run else { continue };
            slot.run = Run::Off;
            let tries_alone = both && (fault != CaptureFault::Refused || one_denied && !denied);
            if tries_alone {
                again = true;
            } else if fault == CaptureFault::Refused || !slot.fall_back() {
                slot.fault = Some(fault);
            }
            let was_said = denied_any || slot.permission == Permission::Granted;
            if fault == CaptureFault::Refused && !was_said && now.since(at) < AT_ONCE_MS {
                self.refused_at_once = true;
            }
        }
        self.apart |= again;
    }

    /// Another device runs under the same name.
    pub fn restarted(&mut self, captured: Captured, now: Monotonic, out: &mut Vec<Command>) {
        self.captured([captured], now, out);
    }

    /// It does not, and the old one was stopped.
    pub fn not_restarted(&mut self, track: TrackId, fault: CaptureFault, out: &mut Vec<Command>) {
        if let Some(slot) = self.slot_of(track) {
            slot.stop(out);
            if !slot.fall_back() {
                slot.fault = Some(fault);
            }
        }
    }

    /// A capture ended by itself. Whether it was the screen.
    pub fn ended(&mut self, track: TrackId, now: Monotonic, out: &mut Vec<Command>) -> bool {
        if matches!(self.share, Share::On { track: shared, .. } if shared == track) {
            self.stop_share(out);
            return true;
        }
        if let Some(slot) = self.slot_of(track) {
            let steady = matches!(slot.run, Run::Running { since, .. } if now.since(since) >= STEADY_MS);
            slot.stop(out);
            let has_other = slot.fall_back();
            if !steady && !has_other {
                slot.fault = Some(CaptureFault::Busy);
            }
        }
        false
    }

    /// A capture could not be published.
    pub fn not_published(&mut self, track: TrackId, out: &mut Vec<Command>) {
        if matches!(self.share, Share::On { track: shared, .. } if shared == track) {
            self.stop_share(out);
        } else if let Some(slot) = self.slot_of(track) {
            slot.stop(out);
            slot.fault = Some(CaptureFault::Other);
        }
    }

    /// Share the screen, or stop it.
    pub fn toggle_share(&mut self, ids: &mut Ids, out: &mut Vec<Command>) {
        match self.share {
            Share::Off => {
                let track = ids.give();
                self.share = Share::Asking(track);
                out.push(Command::CaptureScreen(track));
            }
            Share::Asking(_) => {}
            Share::On { .. } => self.stop_share(out),
        }
    }

    fn stop_share(&mut self, out: &mut Vec<Command>) {
        match self.share {
            Share::Off => {}
            Share::Asking(track) => out.push(Command::Stop(track)),
            Share::On { track, published } => {
                if published {
                    out.push(Command::Unpublish(track));
                }
                out.push(Command::Stop(track));
            }
        }
        self.share = Share::Off;
    }

    /// The browser has a screen for us, or none. Whether something other than the person was in the way.
    pub fn screen(&mut self, track: TrackId, fault: Option<CaptureFault>, out: &mut Vec<Command>) -> bool {
        let asked = self.share == Share::Asking(track);
        match fault {
            None if asked => self.share = Share::On { track, published: false },
            None => out.push(Command::Stop(track)),
            Some(_) if asked => self.share = Share::Off,
            Some(_) => {}
        }
        asked && fault.is_some_and(|fault| fault != CaptureFault::Refused)
    }

    /// These devices are there.
    pub fn found(&mut self, devices: Vec<DeviceInfo>) {
        for kind in [DeviceKind::Camera, DeviceKind::Microphone] {
            let count = |list: &[DeviceInfo]| list.iter().filter(|device| device.kind == kind).count();
            let (before, now) = (count(&self.devices), count(&devices));
            let Some(slot) = self.slot(kind) else { continue };
            let missing = matches!(slot.fault, Some(CaptureFault::Missing | CaptureFault::Busy));
            if missing && now > before {
                slot.fault = None;
            }
            // Where nothing at all is listed, the browser does not say.
            if now == 0 && !devices.is_empty() && slot.run == Run::Off && slot.fault.is_none() {
                slot.fault = Some(CaptureFault::Missing);
            }
        }
        self.devices = devices;
    }

    /// The browser thinks otherwise of a device.
    pub fn permitted(&mut self, kind: DeviceKind, permission: Permission) {
        if let Some(slot) = self.slot(kind) {
            slot.permission = permission;
            if permission == Permission::Granted && slot.fault == Some(CaptureFault::Refused) {
                slot.fault = None;
            }
        }
    }

    /// The person wants it to be tried once more.
    pub fn ask_again(&mut self) {
        (self.camera.fault, self.microphone.fault) = (None, None);
        (self.apart, self.refused_at_once) = (false, false);
    }

    /// The person chose a device.
    pub fn choose(&mut self, kind: DeviceKind, device: Option<String>) {
        match self.slot(kind) {
            Some(slot) => (slot.device, slot.facing, slot.fault) = (device, None, None),
            None => self.speaker = device,
        }
    }

    /// The person wants the camera on the other side.
    pub fn flip(&mut self) {
        let facing = match self.camera.facing {
            None | Some(Facing::User) => Facing::Environment,
            Some(Facing::Environment) => Facing::User,
        };
        (self.camera.facing, self.camera.device) = (Some(facing), None);
    }

    /// The person switched a camera or microphone. After a fault that is another try.
    pub fn toggle(&mut self, kind: DeviceKind) {
        if let Some(slot) = self.slot(kind) {
            if slot.fault.take().is_some() {
                slot.on = true;
            } else {
                slot.on = !slot.on;
            }
        }
        (self.apart, self.refused_at_once) = (false, false);
    }
}
