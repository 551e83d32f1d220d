//! A question that is answered before anything else.

use leptos::prelude::Effect;
use wasm_bindgen::JsCast as _;
use web_sys::HtmlDialogElement;

use crate::tree::{El, el};

/// The browser's own modal dialog: it keeps the focus inside, makes the rest of the page inert, and is closed by Escape, which
/// `cancel` is told of. `heading` is the id of what it is called by, `returns` the `data-action` of the button that the focus goes
/// back to.
#[must_use]
pub fn dialog(heading: &'static str, returns: &'static str, cancel: impl Fn() + 'static) -> El {
    el("dialog", "dialog")
        .fixed("aria-labelledby", heading)
        .fixed("data-returns", returns)
        .on("cancel", move |event| {
            // It goes when the page's state says so.
            event.prevent_default();
            cancel();
        })
        .made(|element| {
            let Ok(element) = element.dyn_into::<HtmlDialogElement>() else { return };
            // Once it is on the page: a dialog that is not cannot be shown.
            Effect::new(move |_: Option<()>| {
                if !element.open() {
                    drop(element.show_modal());
                }
            });
        })
}
