//! Starts what the plugin is made of.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::flex::{Flex, Manager, at};
use crate::outcome::warn_on_error;
use crate::{chat_history, video, voice};

/// Starts the plugin. Called once, by `entry.js`, with the arguments of Flex's `init`. `fail_closed` makes a
/// before-listener of a function that says whether an action may go on.
///
/// Chrome prerenders an address that an agent has begun to type. Such a page is nobody's yet: it must neither answer for the
/// agent, whose real page may be open in another tab, nor take them off the queue because no extension is there.
#[wasm_bindgen]
pub fn start(flex: Flex, manager: Manager, fail_closed: Function) {
    console_error_panic_hook::set_once();
    let document = web_sys::window().and_then(|window| window.document());
    let Some(document) = document.filter(is_prerendering) else {
        return serve(flex, manager, fail_closed);
    };
    let waiting = RefCell::new(Some((flex, manager, fail_closed)));
    let page = document.clone();
    let activated = Closure::<dyn Fn()>::new(move || {
        if is_prerendering(&page) {
            return; // a script of the page made that event up
        }
        if let Some((flex, manager, fail_closed)) = waiting.take() {
            serve(flex, manager, fail_closed);
        }
    })
    .into_js_value();
    warn_on_error(document.add_event_listener_with_callback("prerenderingchange", activated.unchecked_ref()));
}

/// Each subject for itself: calls first, and a fault in one does not stop what comes after it.
fn serve(flex: Flex, manager: Manager, fail_closed: Function) {
    let (own_flex, own_manager) = (flex.clone(), manager.clone());
    spawn_local(async move { chat_history::serve(own_flex, own_manager) });
    let (video_flex, video_manager) = (flex.clone(), manager.clone());
    let windows = voice::serve(flex, manager, fail_closed);
    spawn_local(async move { video::serve(video_flex, video_manager, windows) });
}

fn is_prerendering(document: &web_sys::Document) -> bool {
    at(document, &["prerendering"]).is_truthy()
}
