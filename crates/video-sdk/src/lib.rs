//! Typed bindings to the parts of `twilio-video` 2.36 that Holdfast uses.
//!
//! The SDK's file, loaded before our WASM, leaves `globalThis.Twilio.Video`. It is unmodified; what its loading needs under a
//! strict policy is with the page that loads it. Facts in the documentation here were read in the SDK's source or seen when
//! running it (`docs/fidelity.md`).
//!
//! No decisions. Listeners are owned: a [`Room`] that is dropped listens no more.

#![warn(missing_docs)]

mod error;
mod listener;
mod object;
mod room;
mod track;

use wasm_bindgen::prelude::*;

pub use self::{
    error::SdkError,
    room::{ConnectOptions, Other, Participant, Room, RoomEvent, connect},
    track::{Constraints, Facing, Kind, LocalTrack, RemoteTrack, open},
};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_namespace = ["Twilio", "Video"], js_name = version)]
    static VERSION: JsValue;
}

/// The SDK's version, for instance `2.36.0`.
#[must_use]
pub fn version() -> String {
    VERSION.with(|version| version.as_string().unwrap_or_default())
}
