//! Tracks: our own and the others'.

use js_sys::{Array, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlMediaElement, MediaStreamTrack};

use crate::{error::SdkError, object::object};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["Twilio", "Video"], js_name = createLocalTracks)]
    fn create_local_tracks(options: &Object) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["Twilio", "Video"], js_name = LocalVideoTrack)]
    type RawLocalVideoTrack;
    #[wasm_bindgen(constructor, catch, js_namespace = ["Twilio", "Video"], js_class = "LocalVideoTrack")]
    fn new(track: &MediaStreamTrack, options: &Object) -> Result<RawLocalVideoTrack, JsValue>;

    #[wasm_bindgen(js_namespace = ["Twilio", "Video"], js_name = LocalDataTrack)]
    type RawLocalDataTrack;
    #[wasm_bindgen(constructor, catch, js_namespace = ["Twilio", "Video"], js_class = "LocalDataTrack")]
    fn new(options: &Object) -> Result<RawLocalDataTrack, JsValue>;

    /// What all kinds of tracks have in common, and no class of its own at runtime.
    #[derive(Clone)]
    pub(crate) type RawTrack;
    #[wasm_bindgen(method, getter)]
    fn kind(this: &RawTrack) -> String;
    #[wasm_bindgen(method, getter)]
    fn name(this: &RawTrack) -> String;
    #[wasm_bindgen(method, getter)]
    fn sid(this: &RawTrack) -> Option<String>;
    #[wasm_bindgen(method, getter, js_name = isEnabled)]
    fn is_enabled(this: &RawTrack) -> bool;
    #[wasm_bindgen(method, getter, js_name = isStopped)]
    fn is_stopped(this: &RawTrack) -> bool;
    #[wasm_bindgen(method, getter, js_name = mediaStreamTrack)]
    fn media_stream_track(this: &RawTrack) -> MediaStreamTrack;
    #[wasm_bindgen(method, catch)]
    fn enable(this: &RawTrack, enabled: bool) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn stop(this: &RawTrack) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn restart(this: &RawTrack, constraints: &Object) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn attach(this: &RawTrack, element: &HtmlMediaElement) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn detach(this: &RawTrack, element: &HtmlMediaElement) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn send(this: &RawTrack, text: &str) -> Result<(), JsValue>;
}

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Messages.
    Data,
}

impl Kind {
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "audio" => Self::Audio,
            "video" => Self::Video,
            _ => Self::Data,
        }
    }
}

/// Which camera of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facing {
    /// The one that looks at the person.
    User,
    /// The one on the back.
    Environment,
}

/// Which device of a kind, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// The device, if there is a choice: another is opened when this one is not there.
    pub device: Option<String>,
    /// Which camera of a phone.
    pub facing: Option<Facing>,
    /// Width, height and pictures a second that would be best.
    pub picture: Option<(u16, u16, u8)>,
}

impl Constraints {
    /// With the device, and `exact`: where it is only `ideal`, Chromium opens the system's microphone all the same. Or without it.
    fn to_js(&self, name: Option<&str>, with_device: bool) -> Object {
        let ideal = |value: JsValue| JsValue::from(object([("ideal", value)]));
        let number = |value: Option<f64>| value.map_or(JsValue::UNDEFINED, |value| ideal(value.into()));
        let device = self.device.as_deref().filter(|_| with_device);
        let device = device.map_or(JsValue::UNDEFINED, |id| object([("exact", id.into())]).into());
        let facing = self.facing.map_or(JsValue::UNDEFINED, |facing| {
            ideal(match facing {
                Facing::User => "user".into(),
                Facing::Environment => "environment".into(),
            })
        });
        object([
            ("name", name.map_or(JsValue::UNDEFINED, JsValue::from)),
            ("deviceId", device),
            ("facingMode", facing),
            ("width", number(self.picture.map(|picture| picture.0.into()))),
            ("height", number(self.picture.map(|picture| picture.1.into()))),
            ("frameRate", number(self.picture.map(|picture| picture.2.into()))),
        ])
    }
}

/// Opens a microphone, a camera, or both by one question to the person. Only tracks that were opened so can be
/// [restarted](LocalTrack::restart).
///
/// # Errors
/// The browser's, by name: `NotAllowedError`, `NotFoundError`, `NotReadableError`, `OverconstrainedError`. Where both were asked for
/// and one is not there, nothing is opened.
pub async fn open(
    microphone: Option<(&str, &Constraints)>,
    camera: Option<(&str, &Constraints)>,
) -> Result<Vec<LocalTrack>, SdkError> {
    if microphone.is_none() && camera.is_none() {
        return Ok(vec![]);
    }
    let names_device = [microphone, camera].into_iter().flatten().any(|(_, one)| one.device.is_some());
    match open_once(microphone, camera, true).await {
        Err(error) if names_device && error.is_missing() => open_once(microphone, camera, false).await,
        opened => opened,
    }
}

async fn open_once(
    microphone: Option<(&str, &Constraints)>,
    camera: Option<(&str, &Constraints)>,
    with_device: bool,
) -> Result<Vec<LocalTrack>, SdkError> {
    let wanted = |one: Option<(&str, &Constraints)>| {
        one.map_or(JsValue::FALSE, |(name, constraints)| constraints.to_js(Some(name), with_device).into())
    };
    let options = object([("audio", wanted(microphone)), ("video", wanted(camera))]);
    let tracks: Array = JsFuture::from(create_local_tracks(&options)?).await?.unchecked_into();
    Ok(tracks.iter().map(|track| LocalTrack(track.unchecked_into())).collect())
}

/// A microphone, a camera or a screen of ours, or our end of a data track. A handle; cheap to clone.
#[derive(Clone)]
pub struct LocalTrack(pub(crate) RawTrack);

impl PartialEq for LocalTrack {
    fn eq(&self, other: &Self) -> bool {
        is_same(&self.0, &other.0)
    }
}

impl LocalTrack {
    /// Pictures that the browser gave out without the SDK: a screen.
    ///
    /// # Errors
    /// [`SdkError`] when the SDK throws.
    pub fn of_video(track: &MediaStreamTrack, name: &str) -> Result<Self, SdkError> {
        let track = RawLocalVideoTrack::new(track, &object([("name", name.into())]))?;
        Ok(Self(track.unchecked_into()))
    }

    /// A data track, ordered and reliable.
    ///
    /// # Errors
    /// [`SdkError`] when the SDK throws.
    pub fn of_data(name: &str) -> Result<Self, SdkError> {
        Ok(Self(RawLocalDataTrack::new(&object([("name", name.into())]))?.unchecked_into()))
    }

    /// What it carries.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::of(&self.0.kind())
    }

    /// What it is told apart by.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// Whether the device gives nothing any more: stopped by us, unplugged, or a screen that is no longer shared.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped()
    }

    /// The browser's track; another after a [restart](Self::restart).
    #[must_use]
    pub fn media_stream_track(&self) -> MediaStreamTrack {
        self.0.media_stream_track()
    }

    /// Mutes (`false`) or not. Where it is published the others are told. The device stays open.
    ///
    /// # Errors
    /// [`SdkError`] when the SDK throws.
    pub fn enable(&self, enabled: bool) -> Result<(), SdkError> {
        self.0.enable(enabled)?;
        Ok(())
    }

    /// Closes the device.
    pub fn stop(&self) {
        // Throws for a data track only, which has no device.
        drop(self.0.stop());
    }

    /// Closes the device and opens another, or the same, in its place; the others see no new track. When that fails the track
    /// is stopped.
    ///
    /// # Errors
    /// The browser's, by name, as for [`open`].
    pub async fn restart(&self, constraints: &Constraints) -> Result<(), SdkError> {
        match self.restart_once(constraints, true).await {
            Err(error) if constraints.device.is_some() && error.is_missing() => {
                self.restart_once(constraints, false).await
            }
            restarted => restarted,
        }
    }

    async fn restart_once(&self, constraints: &Constraints, with_device: bool) -> Result<(), SdkError> {
        JsFuture::from(self.0.restart(&constraints.to_js(None, with_device))?).await?;
        Ok(())
    }

    /// Shows or plays it in an element.
    ///
    /// # Errors
    /// [`SdkError`] when the SDK throws.
    pub fn attach(&self, element: &HtmlMediaElement) -> Result<(), SdkError> {
        self.0.attach(element)?;
        Ok(())
    }

    /// The opposite.
    pub fn detach(&self, element: &HtmlMediaElement) {
        // An element that it is not attached to is left alone.
        drop(self.0.detach(element));
    }

    /// Sends a text over a data track. What is sent before the others' ends are open is lost.
    ///
    /// # Errors
    /// [`SdkError`] when the track is none of data.
    pub fn send(&self, text: &str) -> Result<(), SdkError> {
        Ok(self.0.send(text)?)
    }
}

/// A track of somebody else, subscribed to. A handle; cheap to clone.
#[derive(Clone)]
pub struct RemoteTrack(pub(crate) RawTrack);

impl PartialEq for RemoteTrack {
    fn eq(&self, other: &Self) -> bool {
        is_same(&self.0, &other.0)
    }
}

impl RemoteTrack {
    /// What names it in the room: `MT…`.
    #[must_use]
    pub fn sid(&self) -> String {
        self.0.sid().unwrap_or_default()
    }

    /// What it carries.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::of(&self.0.kind())
    }

    /// What its publisher called it.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name()
    }

    /// Whether it is not muted.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.is_enabled()
    }

    /// Shows or plays it in an element.
    ///
    /// # Errors
    /// [`SdkError`] when the SDK throws.
    pub fn attach(&self, element: &HtmlMediaElement) -> Result<(), SdkError> {
        self.0.attach(element)?;
        Ok(())
    }

    /// The opposite.
    pub fn detach(&self, element: &HtmlMediaElement) {
        // An element that it is not attached to is left alone.
        drop(self.0.detach(element));
    }
}

/// The track of a publication, once it is subscribed to.
pub(crate) fn track_of(publication: &JsValue) -> Option<RemoteTrack> {
    let track = Reflect::get(publication, &"track".into()).ok().filter(JsValue::is_object)?;
    Some(RemoteTrack(track.unchecked_into()))
}

/// Whether these are one object of the SDK.
fn is_same(this: &RawTrack, that: &RawTrack) -> bool {
    let (this, that): (&JsValue, &JsValue) = (this.as_ref(), that.as_ref());
    this == that
}
