//! A moving picture.

use std::rc::Rc;

use wasm_bindgen::JsCast as _;
use web_sys::HtmlVideoElement;

use crate::tree::{El, el};

/// A `<video>` with this id. Whoever has the track is given the element as soon as it is made. It plays by itself, in its place
/// on phones, too, and makes no sound: sound is played apart from pictures, so that it goes on while no picture is shown.
#[must_use]
pub fn picture(id: String, made: Rc<dyn Fn(&str, &HtmlVideoElement)>) -> El {
    let name = id.clone();
    el("video", "")
        .fixed("id", id)
        .fixed("autoplay", "")
        .fixed("playsinline", "")
        .fixed("muted", "")
        .fixed("disablepictureinpicture", "")
        // The name stands beside it, and in the list of people.
        .fixed("aria-hidden", "true")
        .made(move |element| {
            if let Ok(element) = element.dyn_into::<HtmlVideoElement>() {
                // The attribute counts only in HTML that the browser itself has read.
                element.set_muted(true);
                made(&name, &element);
            }
        })
}
