//! What the page finds when it starts, and what the browser tells it later.

use messages::Language;
use protocol::video::PAGE_PATH;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{PermissionState, PermissionStatus, Window};

use super::js::{get, has, object, on};
use crate::machine::event::{Features, Permission, Place, Setup};

/// What the page finds.
pub(super) fn setup(window: &Window) -> Setup {
    Setup {
        place: place(window),
        language: Language::from_tag(&window.navigator().language().unwrap_or_default()),
        features: features(window),
        visible: is_visible(window),
        seed: ::shell::seed(),
    }
}

/// Whether somebody looks at the page.
pub(super) fn is_visible(window: &Window) -> bool {
    window.document().is_some_and(|document| !document.hidden())
}

/// By the page's own address: of the extension or of the service.
fn place(window: &Window) -> Place {
    let location = window.location();
    if location.protocol().is_ok_and(|protocol| protocol == "chrome-extension:") {
        let key = location.hash().unwrap_or_default();
        return Place::Window(key.trim_start_matches('#').to_owned());
    }
    let path = location.pathname().unwrap_or_default();
    Place::Link(path.split_once(PAGE_PATH).map(|(_, code)| code.to_owned()).unwrap_or_default())
}

fn features(window: &Window) -> Features {
    let devices = get(&window.navigator(), "mediaDevices");
    let element = get(&get(window, "HTMLMediaElement"), "prototype");
    let coarse = window.match_media("(pointer: coarse)").ok().flatten();
    Features {
        secure: window.is_secure_context(),
        peer_connection: has(window, "RTCPeerConnection"),
        capture: has(&devices, "getUserMedia"),
        screen: has(&devices, "getDisplayMedia"),
        speaker: has(&element, "setSinkId"),
        touch: coarse.is_some_and(|query| query.matches()),
    }
}

/// Tells what the browser thinks of a device, now and at each change; nothing where it cannot be asked (Firefox knows no such names).
pub(super) async fn watch_permission(window: Window, name: &str, changed: impl Fn(Permission) + 'static) {
    let status = async {
        let descriptor = object([("name", name.into())]);
        let asked = window.navigator().permissions().ok()?.query(&descriptor).ok()?;
        JsFuture::from(asked).await.ok()?.dyn_into::<PermissionStatus>().ok()
    };
    let Some(status) = status.await else { return };
    changed(permission(&status));
    let same = status.clone();
    on(&status, "change", move |_: JsValue| changed(permission(&same)));
    // The browser may drop a status that nobody holds, and its listener with it.
    std::mem::forget(status);
}

fn permission(status: &PermissionStatus) -> Permission {
    match status.state() {
        PermissionState::Granted => Permission::Granted,
        PermissionState::Denied => Permission::Denied,
        PermissionState::Prompt => Permission::Prompt,
        _ => Permission::Unknown,
    }
}
