//! Sound: what the others say, a tone to try the speaker, and how loud the microphone is.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use gloo_timers::callback::Interval;
use js_sys::{Array, Promise};
use video_sdk::RemoteTrack;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AudioContext, HtmlAudioElement, HtmlMediaElement, MediaStream, MediaStreamTrack};

use super::js::{get, let_go};

#[wasm_bindgen]
extern "C" {
    /// `HTMLMediaElement.setSinkId`, which web-sys does not have yet.
    #[wasm_bindgen(extends = HtmlMediaElement)]
    type Output;
    #[wasm_bindgen(method, catch, js_name = setSinkId)]
    fn set_sink_id(this: &Output, id: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, getter, js_name = sinkId)]
    fn sink_id(this: &Output) -> Option<String>;
}

/// How often the microphone's level is told, in milliseconds.
const LEVEL_MS: u32 = 100;

/// How many samples one reading of the level looks at: a twentieth of a second, about.
const LEVEL_SAMPLES: u32 = 2048;

/// The tone: its height in hertz, and its length in seconds.
const TONE: (f32, f64) = (440.0, 0.8);

/// How loud the tone is, of 1.
const TONE_VOLUME: f32 = 0.2;

/// The sounds of a room, each in an audio element of its own that nobody sees.
#[derive(Default)]
pub(super) struct Sounds {
    playing: RefCell<Vec<(String, RemoteTrack, HtmlAudioElement)>>,
    /// By which speaker; the system's choice when empty.
    speaker: RefCell<String>,
}

impl Sounds {
    /// Plays a track; `blocked` is called when the browser wants a tap first.
    pub(super) fn play(&self, track: RemoteTrack, blocked: impl FnOnce() + 'static) {
        let Ok(element) = HtmlAudioElement::new() else { return };
        if track.attach(&element).is_err() {
            return;
        }
        self.direct(&element);
        start(&element, blocked);
        self.playing.borrow_mut().push((track.sid(), track, element));
    }

    /// Plays it no longer.
    pub(super) fn stop(&self, sid: &str) {
        self.playing.borrow_mut().retain(|(playing, track, element)| {
            if playing == sid {
                track.detach(element);
            }
            playing != sid
        });
    }

    /// Plays nothing any more.
    pub(super) fn stop_all(&self) {
        for (_, track, element) in self.playing.take() {
            track.detach(&element);
        }
    }

    /// Starts what the browser held back.
    pub(super) fn resume(&self, blocked: impl Fn() + Clone + 'static) {
        for (_, _, element) in &*self.playing.borrow() {
            start(element, blocked.clone());
        }
    }

    /// All that is played, and will be, goes to this speaker.
    pub(super) fn choose(&self, speaker: Option<String>) {
        self.speaker.replace(speaker.unwrap_or_default());
        for (_, _, element) in &*self.playing.borrow() {
            self.direct(element);
        }
    }

    /// Plays a tone by the chosen speaker. It goes by way of an element, because only those can be given a speaker everywhere.
    ///
    /// # Errors
    /// What the browser says.
    pub(super) fn tone(&self, over: impl Fn() + 'static) -> Result<(), JsValue> {
        let context = AudioContext::new()?;
        let (oscillator, volume) = (context.create_oscillator()?, context.create_gain()?);
        let destination = context.create_media_stream_destination()?;
        oscillator.frequency().set_value(TONE.0);
        volume.gain().set_value(TONE_VOLUME);
        oscillator.connect_with_audio_node(&volume)?;
        volume.connect_with_audio_node(&destination)?;
        let element = HtmlAudioElement::new()?;
        element.set_src_object(Some(&destination.stream()));
        self.direct(&element);
        let_go(context.resume());
        let_go(element.play());
        let ended = Closure::once_into_js(move || {
            element.set_src_object(None);
            let_go(context.close());
            over();
        });
        oscillator.set_onended(Some(ended.unchecked_ref()));
        oscillator.start()?;
        oscillator.stop_with_when(oscillator.context().current_time() + TONE.1)
    }

    fn direct(&self, element: &HtmlAudioElement) {
        let output: &Output = element.unchecked_ref();
        let speaker = self.speaker.borrow();
        // A browser without a choice has no such property. A speaker that is gone: the system's own plays.
        if output.sink_id().is_some_and(|now| now != *speaker) {
            let_go(output.set_sink_id(&speaker));
        }
    }
}

fn start(element: &HtmlMediaElement, blocked: impl FnOnce() + 'static) {
    let Ok(playing) = element.play() else { return };
    spawn_local(async move {
        // Also `AbortError`, where the track was taken away meanwhile: that is no matter of taps.
        if let Err(error) = JsFuture::from(playing).await
            && get(&error, "name").as_string().as_deref() == Some("NotAllowedError")
        {
            blocked();
        }
    });
}

/// The level of one microphone, while it is asked for.
pub(super) struct Meter {
    context: AudioContext,
    _reading: Interval,
}

impl Meter {
    /// Tells how loud a microphone is, from 0 to 100, ten times a second, until it is dropped.
    ///
    /// # Errors
    /// What the browser says.
    pub(super) fn of(track: &MediaStreamTrack, level: impl Fn(u8) + 'static) -> Result<Self, JsValue> {
        let context = AudioContext::new()?;
        let analyser = context.create_analyser()?;
        analyser.set_fft_size(LEVEL_SAMPLES);
        let stream = MediaStream::new_with_tracks(&Array::of1(track))?;
        context.create_media_stream_source(&stream)?.connect_with_audio_node(&analyser)?;
        // A page that nobody has touched yet begins with a context that waits.
        let_go(context.resume());
        let samples = Rc::new(RefCell::new(vec![0_u8; LEVEL_SAMPLES as usize]));
        let last = Cell::new(None);
        let reading = Interval::new(LEVEL_MS, move || {
            let mut samples = samples.borrow_mut();
            analyser.get_byte_time_domain_data(&mut samples);
            let now = loudness(&samples);
            if last.replace(Some(now)) != Some(now) {
                level(now);
            }
        });
        Ok(Self { context, _reading: reading })
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let_go(self.context.close());
    }
}

/// How far the samples, of which silence is 128, go from it: 0 to 100, by the square root, as a quiet voice should show too.
fn loudness(samples: &[u8]) -> u8 {
    let peak = samples.iter().map(|sample| sample.abs_diff(128)).max().unwrap_or_default();
    u8::try_from((u32::from(peak) * 10_000 / 128).isqrt()).unwrap_or(100)
}
