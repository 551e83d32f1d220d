//! A moving picture.

use wasm_bindgen::JsCast as _;
use web_sys::HtmlVideoElement;

use crate::tree::{El, el};

/// A `<video>` with this id, for whoever has the track. It plays by itself, in its place on phones, too, and makes no sound:
/// sound is played apart from pictures, so that it goes on while no picture is shown.
#[must_use]
pub fn picture(id: String) -> El {
    el("video", "")
        .fixed("id", id)
        .fixed("autoplay", "")
        .fixed("playsinline", "")
        .fixed("muted", "")
        .fixed("disablepictureinpicture", "")
        // The name stands beside it, and in the list of people.
        .fixed("aria-hidden", "true")
        .made(|element| {
            // The attribute counts only in HTML that the browser itself has read.
            if let Ok(element) = element.dyn_into::<HtmlVideoElement>() {
                element.set_muted(true);
            }
        })
}
