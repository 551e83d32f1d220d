//! Cameras, microphones and screens: whatever the browser gave out is in here until it is stopped, so that no light stays on.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Array, Promise};
use video_sdk::{Constraints, Kind, LocalTrack, SdkError};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{MediaDeviceInfo, MediaDeviceKind, MediaDevices, MediaStream, MediaStreamTrack};

use super::js::{get, has, object};
use crate::machine::{
    command::TrackName,
    track::{CaptureFault, Captured, DeviceInfo, DeviceKind, Facing, TrackId, Wish},
};

/// A phone encodes small pictures, and shows them small.
const PICTURE_OF_PHONE: (u16, u16, u8) = (640, 480, 24);

/// What a desk's camera is asked for.
const PICTURE: (u16, u16, u8) = (1280, 720, 24);

/// What was asked of the browser, by the machine's names.
#[derive(Default)]
pub(super) struct Captures {
    /// `None`: asked for, and not here yet.
    all: RefCell<Vec<(TrackId, Option<LocalTrack>)>>,
}

/// What came of asking.
pub(super) enum Opened {
    /// These run.
    Running(Option<Captured>, Option<Captured>),
    /// None does.
    Nothing(CaptureFault),
    /// Nobody wants them any more, and they were stopped.
    Unwanted,
}

impl Captures {
    /// Asks for a camera, a microphone or both.
    pub(super) async fn open(
        self: Rc<Self>,
        camera: Option<Wish>,
        microphone: Option<Wish>,
        touch: bool,
    ) -> Opened {
        let wishes = [&camera, &microphone];
        self.all.borrow_mut().extend(wishes.into_iter().flatten().map(|wish| (wish.track, None)));
        let of_camera = camera.as_ref().map(|wish| constraints(wish, Some(picture(touch))));
        let of_microphone = microphone.as_ref().map(|wish| constraints(wish, None));
        let opened = video_sdk::open(
            of_microphone.as_ref().map(|constraints| (TrackName::Microphone.as_str(), constraints)),
            of_camera.as_ref().map(|constraints| (TrackName::Camera.as_str(), constraints)),
        )
        .await;
        let wanted = |wish: &Option<Wish>| wish.as_ref().is_some_and(|wish| self.is_wanted(wish.track));
        match opened {
            Err(_) if !wanted(&camera) && !wanted(&microphone) => Opened::Unwanted,
            Err(error) => {
                for wish in [&camera, &microphone].into_iter().flatten() {
                    self.forget(wish.track);
                }
                Opened::Nothing(fault(&error.name))
            }
            Ok(tracks) => {
                let take = |wish: Option<Wish>, kind| {
                    let track = tracks.iter().find(|track| track.kind() == kind);
                    track.zip(wish).and_then(|(track, wish)| self.came(wish.track, track.clone()))
                };
                let (camera, microphone) = (take(camera, Kind::Video), take(microphone, Kind::Audio));
                if camera.is_none() && microphone.is_none() {
                    return Opened::Unwanted;
                }
                Opened::Running(camera, microphone)
            }
        }
    }

    /// Asks for a screen. To be called in the turn of the person's tap, which the browser wants to see.
    pub(super) fn ask_screen(&self, id: TrackId, devices: &MediaDevices) -> Result<Promise, JsValue> {
        self.all.borrow_mut().push((id, None));
        let options = object([("video", true.into()), ("audio", false.into())]);
        devices.get_display_media_with_constraints(options.unchecked_ref())
    }

    /// Takes in what [`Self::ask_screen`] promised. `None`: nobody wants it any more.
    pub(super) async fn take_screen(
        self: Rc<Self>,
        id: TrackId,
        asked: Result<Promise, JsValue>,
    ) -> Option<Result<(), CaptureFault>> {
        let stream = match asked {
            Ok(asked) => JsFuture::from(asked).await,
            Err(error) => Err(error),
        };
        let track = stream.map_err(|error| SdkError::from_js(&error)).and_then(|stream| {
            let track: MediaStreamTrack =
                stream.unchecked_into::<MediaStream>().get_video_tracks().get(0).unchecked_into();
            LocalTrack::of_video(&track, TrackName::Screen.as_str())
        });
        match track {
            Ok(track) => self.came(id, track).map(|_screen| Ok(())),
            Err(_) if !self.is_wanted(id) => None,
            Err(error) => {
                self.forget(id);
                Some(Err(fault(&error.name)))
            }
        }
    }

    /// Another device under the same name. `None`: nobody wants it any more, and it was stopped.
    pub(super) async fn restart(
        self: Rc<Self>,
        wish: Wish,
        touch: bool,
    ) -> Option<Result<Captured, CaptureFault>> {
        let Some(track) = self.get(wish.track) else { return Some(Err(CaptureFault::Other)) };
        let size = (track.kind() == Kind::Video).then(|| picture(touch));
        let restarted = track.restart(&constraints(&wish, size)).await;
        if !self.is_wanted(wish.track) {
            // Whoever stopped it stopped the device of before.
            track.stop();
            return None;
        }
        Some(match restarted {
            Ok(()) => Ok(captured(wish.track, &track)),
            Err(error) => Err(fault(&error.name)),
        })
    }

    /// Stops a capture, and one that comes later.
    pub(super) fn stop(&self, id: TrackId) {
        if let Some(track) = self.forget(id) {
            track.stop();
        }
    }

    /// What runs under this name.
    pub(super) fn get(&self, id: TrackId) -> Option<LocalTrack> {
        self.all.borrow().iter().find(|(other, _)| *other == id).and_then(|(_, track)| track.clone())
    }

    /// Under which name this runs.
    pub(super) fn id_of(&self, track: &LocalTrack) -> Option<TrackId> {
        self.all.borrow().iter().find(|(_, other)| other.as_ref() == Some(track)).map(|(id, _)| *id)
    }

    fn came(&self, id: TrackId, track: LocalTrack) -> Option<Captured> {
        let mut all = self.all.borrow_mut();
        let Some((_, place)) = all.iter_mut().find(|(other, _)| *other == id) else {
            track.stop();
            return None;
        };
        let captured = captured(id, &track);
        *place = Some(track);
        Some(captured)
    }

    fn is_wanted(&self, id: TrackId) -> bool {
        self.all.borrow().iter().any(|(other, _)| *other == id)
    }

    fn forget(&self, id: TrackId) -> Option<LocalTrack> {
        let mut all = self.all.borrow_mut();
        let place = all.iter().position(|(other, _)| *other == id)?;
        all.swap_remove(place).1
    }
}

/// Calls back when a capture ends by itself: a browser says so of no track that was stopped by its page.
pub(super) fn on_ended(track: &LocalTrack, callback: impl FnOnce() + 'static) {
    let ended = Closure::once_into_js(callback);
    // Fails only for a callback that is no function.
    drop(track.media_stream_track().add_event_listener_with_callback("ended", ended.unchecked_ref()));
}

/// The devices that there are, as far as the browser names them.
pub(super) async fn list(devices: &MediaDevices) -> Result<Vec<DeviceInfo>, JsValue> {
    let all: Array = JsFuture::from(devices.enumerate_devices()?).await?.unchecked_into();
    let info = |device: JsValue| {
        let device: MediaDeviceInfo = device.unchecked_into();
        let kind = match device.kind() {
            MediaDeviceKind::Videoinput => DeviceKind::Camera,
            MediaDeviceKind::Audioinput => DeviceKind::Microphone,
            MediaDeviceKind::Audiooutput => DeviceKind::Speaker,
            _ => return None,
        };
        Some(DeviceInfo { kind, id: device.device_id(), label: device.label() })
    };
    Ok(all.iter().filter_map(info).collect())
}

fn captured(track: TrackId, local: &LocalTrack) -> Captured {
    let media = local.media_stream_track();
    let settings = if has(&media, "getSettings") { media.get_settings().into() } else { JsValue::UNDEFINED };
    let device = get(&settings, "deviceId").as_string().unwrap_or_default();
    Captured { track, device }
}

fn constraints(wish: &Wish, picture: Option<(u16, u16, u8)>) -> Constraints {
    let facing = wish.facing.map(|facing| match facing {
        Facing::User => video_sdk::Facing::User,
        Facing::Environment => video_sdk::Facing::Environment,
    });
    Constraints { device: wish.device.clone(), facing, picture }
}

const fn picture(touch: bool) -> (u16, u16, u8) {
    if touch { PICTURE_OF_PHONE } else { PICTURE }
}

/// Source: the exceptions of `getUserMedia` and `getDisplayMedia` in the Media Capture specifications.
fn fault(name: &str) -> CaptureFault {
    match name {
        "NotAllowedError" | "SecurityError" => CaptureFault::Refused,
        "NotFoundError" | "OverconstrainedError" => CaptureFault::Missing,
        "NotReadableError" | "AbortError" => CaptureFault::Busy,
        _ => CaptureFault::Other,
    }
}
