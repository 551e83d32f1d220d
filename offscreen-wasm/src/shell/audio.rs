//! Microphones, speakers, and what Chrome says of them.

use gloo_timers::callback::Interval;
use js_sys::{Array, Error, Object, Promise, Reflect, Uint8Array};
use protocol::AudioDevice;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AudioContext, Blob, BlobPropertyBag, HtmlAudioElement, MediaDeviceInfo, MediaDeviceKind, MediaDevices,
    MediaStream, MediaStreamConstraints, MediaStreamTrack, Url,
};

use crate::{
    machine::{Opened, SYSTEM},
    tone::{self, Tone},
};

#[wasm_bindgen]
extern "C" {
    /// `HTMLMediaElement.setSinkId`, which web-sys does not have yet.
    #[wasm_bindgen(extends = HtmlAudioElement, js_name = HTMLMediaElement)]
    type Output;
    #[wasm_bindgen(method, catch, js_name = setSinkId)]
    fn set_sink_id(this: &Output, id: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, getter, js_name = sinkId)]
    fn sink_id(this: &Output) -> String;
    /// `MediaStreamTrack.getSettings`, of which web-sys has no `deviceId`.
    #[wasm_bindgen(extends = MediaStreamTrack, js_name = MediaStreamTrack)]
    type Track;
    #[wasm_bindgen(method, js_name = getSettings)]
    fn settings(this: &Track) -> Object;
}

/// How often a tested microphone's level is reported, in milliseconds.
const LEVEL_MS: u32 = 100;

/// How many samples one reading of the level looks at: a tenth of a second, about.
const LEVEL_SAMPLES: u32 = 4096;

/// Lists microphones and speakers.
pub(super) async fn list(devices: &MediaDevices) -> Result<(Vec<AudioDevice>, Vec<AudioDevice>), JsValue> {
    let all: Array = JsFuture::from(devices.enumerate_devices()?).await?.unchecked_into();
    let all: Vec<MediaDeviceInfo> = all.iter().map(JsCast::unchecked_into).collect();
    let of = |kind: MediaDeviceKind| {
        let these = all.iter().filter(|device| device.kind() == kind);
        // Without the permission Chrome lists one device of each kind without a name, which nobody can choose.
        let named = these.filter(|device| !device.device_id().is_empty());
        named.map(|device| AudioDevice { id: device.device_id(), label: device.label() }).collect()
    };
    Ok((of(MediaDeviceKind::Audioinput), of(MediaDeviceKind::Audiooutput)))
}

/// Opens the first of the microphones that opens, and says which that is.
pub(super) async fn open_first(
    devices: &MediaDevices,
    order: &[String],
) -> Result<(MediaStream, Opened), JsValue> {
    let mut last: JsValue = Error::new("no microphone to open").into();
    for id in order {
        let wanted = Object::new();
        let exact = Object::new();
        Reflect::set(&exact, &"exact".into(), &id.into())?;
        Reflect::set(&wanted, &"deviceId".into(), &exact)?;
        let constraints = MediaStreamConstraints::new();
        // The system's choice is asked for without its name, which is there only with the permission.
        if id == SYSTEM {
            constraints.set_audio(&JsValue::TRUE);
        } else {
            constraints.set_audio(&wanted);
        }
        match JsFuture::from(devices.get_user_media_with_constraints(&constraints)?).await {
            Ok(stream) => {
                let stream: MediaStream = stream.unchecked_into();
                let opened = opened(&stream, order.first().unwrap_or(id), id);
                return Ok((stream, opened));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What Chrome opened when it was asked for `id`.
fn opened(stream: &MediaStream, tried: &str, id: &str) -> Opened {
    let track = tracks(stream).next();
    let chosen = track.as_ref().and_then(|track| {
        let settings = track.unchecked_ref::<Track>().settings();
        Reflect::get(&settings, &"deviceId".into()).ok()?.as_string().filter(|id| !id.is_empty())
    });
    // The system's choice is one, whatever device it comes to.
    let id = chosen.filter(|_| id != SYSTEM).unwrap_or_else(|| id.to_owned());
    let label = track.as_ref().map(MediaStreamTrack::label).unwrap_or_default();
    let muted = track.is_some_and(|track| track.muted());
    Opened { tried: tried.to_owned(), device: AudioDevice { id, label }, muted }
}

/// Reports when the computer or the headset mutes a microphone, and when it lets it be heard again.
pub(super) fn on_muted(stream: &MediaStream, report: impl Fn(bool) + Clone + 'static) {
    for track in tracks(stream) {
        let say = |muted: bool| {
            let report = report.clone();
            Closure::<dyn FnMut()>::new(move || report(muted)).into_js_value()
        };
        track.set_onmute(Some(say(true).unchecked_ref()));
        track.set_onunmute(Some(say(false).unchecked_ref()));
    }
}

/// Whether the microphone may not be used, as opposed to cannot be.
pub(super) fn is_denied(error: &JsValue) -> bool {
    let name = Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string());
    name.as_deref() == Some("NotAllowedError")
}

/// The tracks of a stream, of which a microphone has one.
pub(super) fn tracks(stream: &MediaStream) -> impl Iterator<Item = MediaStreamTrack> {
    stream.get_tracks().into_iter().map(JsCast::unchecked_into)
}

pub(super) fn stop(stream: &MediaStream) {
    tracks(stream).for_each(|track| track.stop());
}

/// Sends what an element plays to a speaker, so loud in percent, and says which one plays then. A speaker that is gone or
/// cannot be used leaves it where it is.
pub(super) async fn direct(element: &HtmlAudioElement, speaker: &str, volume: u8) -> String {
    element.set_volume(f64::from(volume) / 100.0);
    let output: &Output = element.unchecked_ref();
    if let Ok(done) = output.set_sink_id(speaker) {
        // What came of it is read off the element.
        let _tried = JsFuture::from(done).await;
    }
    Some(output.sink_id()).filter(|id| !id.is_empty()).unwrap_or_else(|| SYSTEM.to_owned())
}

/// Plays a tone, on the system's speaker where this one cannot be used, and says which one played.
pub(super) async fn play_tone(tone: Tone, speaker: &str, volume: u8) -> Result<String, JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type("audio/wav");
    let parts = Array::of1(&Uint8Array::from(tone::wav(tone).as_slice()));
    let url =
        Url::create_object_url_with_blob(&Blob::new_with_u8_array_sequence_and_options(&parts, &options)?)?;
    let element = HtmlAudioElement::new_with_src(&url)?;
    let used = direct(&element, speaker, volume).await;
    let over = Closure::once_into_js(move || drop(Url::revoke_object_url(&url)));
    element.set_onended(Some(over.unchecked_ref()));
    JsFuture::from(element.play()?).await?;
    Ok(used)
}

/// A tested microphone. Dropping it closes the microphone.
pub(super) struct Meter {
    stream: MediaStream,
    context: AudioContext,
    _reading: Interval,
}

impl Meter {
    /// Reads the level until dropped.
    pub(super) fn start(stream: MediaStream, mut report: impl FnMut(u8) + 'static) -> Result<Self, JsValue> {
        let context = AudioContext::new()?;
        let analyser = context.create_analyser()?;
        analyser.set_fft_size(LEVEL_SAMPLES);
        context.create_media_stream_source(&stream)?.connect_with_audio_node(&analyser)?;
        let mut samples = vec![0.0_f32; LEVEL_SAMPLES as usize];
        let reading = Interval::new(LEVEL_MS, move || {
            analyser.get_float_time_domain_data(&mut samples);
            report(crate::machine::level(&samples));
        });
        Ok(Self { stream, context, _reading: reading })
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        stop(&self.stream);
        drop(self.context.close());
    }
}
