//! Typed bindings to the `chrome.*` calls that Holdfast uses, and nothing more.
//!
//! No decisions live here. Every call that Chrome answers with a promise is an `async fn` that fails with
//! [`Error`]; every listener is registered synchronously and stays for the life of the context, because a
//! service worker must have registered all of them when its first turn ends.

#![warn(missing_docs)]

mod ffi;
mod port;
mod tree;

use std::fmt;

pub use port::{Port, Sender, connect, on_connect};
use wasm_bindgen::prelude::*;
use wire::{FromTree, ToTree};

/// What a `chrome.*` call, or the conversion of its answer, failed with. Text only, for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// An error of our own words.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<JsValue> for Error {
    fn from(value: JsValue) -> Self {
        let text = value
            .dyn_ref::<js_sys::Error>()
            .map(|error| String::from(error.message()))
            .or_else(|| value.as_string())
            .unwrap_or_else(|| "unknown JavaScript error".into());
        Self(text)
    }
}

/// A value as the plain JavaScript object that `JSON.parse` would give: what ports and storage accept.
#[must_use]
pub fn to_js<T: ToTree + ?Sized>(value: &T) -> JsValue {
    tree::to_js(&value.to_tree())
}

/// A plain JavaScript value as one of our types.
///
/// # Errors
/// [`Error`] when the value does not have the type's form. It does not say what was met.
pub fn from_js<T: FromTree>(value: &JsValue) -> Result<T, Error> {
    tree::from_js(value)
        .and_then(|mut tree| T::from_tree(&mut tree))
        .ok_or_else(|| Error::new("not of the wanted form"))
}

/// A plain JavaScript value as a tree, `None` when it is deeper than this many levels.
#[must_use]
pub fn tree_of(value: &JsValue, depth: usize) -> Option<wire::Tree> {
    tree::read(value, depth)
}

/// Writes a warning to the context's console, which is where support looks first. Never pass it a secret.
pub fn console_warn(line: &str) {
    web_sys::console::warn_1(&line.into());
}

/// `chrome.runtime`.
pub mod runtime {
    use super::{ffi, from_js, keep};
    use wasm_bindgen::prelude::*;

    /// False once the extension was updated, disabled or removed under a content script: then every
    /// `chrome.*` call of this context throws from then on.
    #[must_use]
    pub fn is_alive() -> bool {
        ffi::runtime_id().is_some()
    }

    /// The extension's id.
    #[must_use]
    pub fn id() -> String {
        ffi::runtime_id().unwrap_or_default()
    }

    /// `chrome-extension://<id>/<path>`.
    #[must_use]
    pub fn url(path: &str) -> String {
        ffi::get_url(path)
    }

    /// The manifest's `version`.
    #[must_use]
    pub fn version() -> String {
        js_sys::Reflect::get(&ffi::get_manifest(), &"version".into())
            .ok()
            .and_then(|version| version.as_string())
            .unwrap_or_default()
    }

    /// The match patterns of the manifest's content scripts.
    #[must_use]
    pub fn content_script_matches() -> Vec<String> {
        #[derive(Default, wire::FromTree)]
        #[serde(default)]
        struct Manifest {
            content_scripts: Vec<ContentScript>,
        }
        #[derive(wire::FromTree)]
        struct ContentScript {
            matches: Vec<String>,
        }
        let manifest: Manifest = from_js(&ffi::get_manifest()).unwrap_or_default();
        manifest.content_scripts.into_iter().flat_map(|script| script.matches).collect()
    }

    /// Calls back with the reason (`install`, `update`, `chrome_update`) when the extension was installed or
    /// updated.
    pub fn on_installed(mut callback: impl FnMut(String) + 'static) {
        ffi::on_installed(&keep(move |details: JsValue| {
            let reason = js_sys::Reflect::get(&details, &"reason".into()).ok().and_then(|r| r.as_string());
            callback(reason.unwrap_or_default());
        }));
    }

    /// Calls back when the browser profile starts.
    pub fn on_startup(mut callback: impl FnMut() + 'static) {
        ffi::on_startup(&keep(move |_: JsValue| callback()));
    }

    /// Calls back with the version that Chrome has downloaded and would start in place of this one.
    pub fn on_update_available(mut callback: impl FnMut(String) + 'static) {
        ffi::on_update_available(&keep(move |details: JsValue| {
            let version = js_sys::Reflect::get(&details, &"version".into()).ok().and_then(|v| v.as_string());
            callback(version.unwrap_or_default());
        }));
    }

    /// Starts the extension over, in its newest version. This context ends.
    pub fn reload() {
        ffi::reload();
    }
}

/// `chrome.storage`.
pub mod storage {
    use wasm_bindgen::prelude::*;
    use wire::{FromTree, ToTree};

    use super::{Error, ffi, from_js, keep, to_js};

    /// Reads one key of `chrome.storage.session` (memory; survives the worker, not the browser). `None` when
    /// it is not there or does not have the type's shape (another version wrote it).
    ///
    /// # Errors
    /// [`Error`] with Chrome's words.
    pub async fn session_get<T: FromTree>(key: &str) -> Result<Option<T>, Error> {
        let items = ffi::session_get(&key.into()).await?;
        let value = js_sys::Reflect::get(&items, &key.into())?;
        Ok(from_js(&value).ok())
    }

    /// Writes one key of `chrome.storage.session`.
    ///
    /// # Errors
    /// [`Error`] with Chrome's words.
    pub async fn session_set<T: ToTree>(key: &str, value: &T) -> Result<(), Error> {
        let items = js_sys::Object::new();
        js_sys::Reflect::set(&items, &key.into(), &to_js(value))?;
        ffi::session_set(&items).await?;
        Ok(())
    }

    /// Reads one key of `chrome.storage.local` (disk; survives the browser). `None` as for [`session_get`].
    ///
    /// # Errors
    /// [`Error`] with Chrome's words.
    pub async fn local_get<T: FromTree>(key: &str) -> Result<Option<T>, Error> {
        let items = ffi::local_get(&key.into()).await?;
        let value = js_sys::Reflect::get(&items, &key.into())?;
        Ok(from_js(&value).ok())
    }

    /// Writes one key of `chrome.storage.local`. Nothing secret: it is a file.
    ///
    /// # Errors
    /// [`Error`] with Chrome's words.
    pub async fn local_set<T: ToTree>(key: &str, value: &T) -> Result<(), Error> {
        let items = js_sys::Object::new();
        js_sys::Reflect::set(&items, &key.into(), &to_js(value))?;
        ffi::local_set(&items).await?;
        Ok(())
    }

    /// Reads the administrator's policy, `chrome.storage.managed`: only the keys that the administrator set.
    /// Empty for some seconds after a forced install, so listen to [`on_managed_changed`] too.
    ///
    /// # Errors
    /// [`Error`] with Chrome's words, also when there is no policy support.
    pub async fn managed<T: FromTree>() -> Result<T, Error> {
        from_js(&ffi::managed_get(&JsValue::NULL).await?)
    }

    /// Calls back when the administrator's policy changed.
    pub fn on_managed_changed(mut callback: impl FnMut() + 'static) {
        ffi::on_managed_changed(&keep(move |_: JsValue| callback()));
    }
}

/// `chrome.scripting`.
pub mod scripting {
    use super::{Error, ffi, from_js, to_js};
    use wire::{ToTree as _, Tree};

    /// Runs a script of the extension in the top frame of each open tab that matches one of the patterns. A tab in
    /// which it cannot run, for example because Chrome has put it to sleep, is passed over: it gets its content
    /// script when it is loaded again.
    ///
    /// # Errors
    /// [`Error`] with Chrome's words when the tabs cannot be listed.
    pub async fn run_in_open_tabs(file: &str, patterns: &[String]) -> Result<(), Error> {
        #[derive(wire::FromTree)]
        struct Tab {
            id: Option<i32>,
        }
        let query = Tree::from([("url", patterns.to_tree())]);
        let tabs: Vec<Tab> = from_js(&ffi::query_tabs(&to_js(&query)).await?)?;
        for tab_id in tabs.into_iter().filter_map(|tab| tab.id) {
            let target = Tree::from([("tabId", tab_id.to_tree())]);
            let injection = Tree::from([("target", target), ("files", [file].as_slice().to_tree())]);
            let _passed_over = ffi::execute_script(&to_js(&injection)).await;
        }
        Ok(())
    }
}

/// `chrome.windows`, which needs no permission.
#[expect(clippy::cast_precision_loss, reason = "Chrome numbers its windows from 1")]
pub mod windows {
    use super::{Error, ffi, from_js, keep, object, runtime, to_js};
    use wire::{ToTree as _, Tree};

    /// Opens a page of the extension in a window of its own, in front, and gives the window's number.
    ///
    /// # Errors
    /// [`Error`] with Chrome's words.
    pub async fn open(path: &str, width: u32, height: u32) -> Result<i64, Error> {
        let options = Tree::from([
            ("url", runtime::url(path).to_tree()),
            ("type", Tree::Word("popup")),
            ("width", width.to_tree()),
            ("height", height.to_tree()),
            ("focused", Tree::Bool(true)),
        ]);
        // Only the number is looked at: what else a window says of itself is not read.
        let window = ffi::create_window(&to_js(&options)).await?;
        from_js(&js_sys::Reflect::get(&window, &"id".into())?)
    }

    /// Brings a window to the front.
    ///
    /// # Errors
    /// [`Error`] with Chrome's words when there is none of that number.
    pub async fn focus(id: i64) -> Result<(), Error> {
        ffi::update_window(id as f64, &object("focused", &true)).await?;
        Ok(())
    }

    /// Closes a window.
    ///
    /// # Errors
    /// [`Error`] with Chrome's words when there is none of that number.
    pub async fn close(id: i64) -> Result<(), Error> {
        ffi::remove_window(id as f64).await?;
        Ok(())
    }

    /// Calls back with the number of each window that is closed.
    pub fn on_closed(mut callback: impl FnMut(i64) + 'static) {
        ffi::on_window_removed(&keep(move |id| {
            if let Ok(id) = from_js(&id) {
                callback(id);
            }
        }));
    }
}

/// `chrome.offscreen`.
pub mod offscreen {
    use super::{Error, ffi};

    /// Opens the offscreen document. That it is open already counts as success.
    ///
    /// All three reasons are given because a document with AUDIO_PLAYBACK alone is closed after 30 s of
    /// silence.
    ///
    /// # Errors
    /// [`Error`] with Chrome's words.
    pub async fn ensure(path: &str, justification: &str) -> Result<(), Error> {
        let options = js_sys::Object::new();
        let reasons = js_sys::Array::of3(&"USER_MEDIA".into(), &"WEB_RTC".into(), &"AUDIO_PLAYBACK".into());
        js_sys::Reflect::set(&options, &"url".into(), &path.into())?;
        js_sys::Reflect::set(&options, &"reasons".into(), &reasons)?;
        js_sys::Reflect::set(&options, &"justification".into(), &justification.into())?;
        match ffi::create_document(&options).await.map_err(Error::from) {
            Err(error) if !error.0.contains("Only a single offscreen document") => Err(error),
            _ => Ok(()),
        }
    }

    /// Closes the offscreen document. That there is none counts as success.
    ///
    /// # Errors
    /// [`Error`] with Chrome's words.
    pub async fn close() -> Result<(), Error> {
        match ffi::close_document().await.map_err(Error::from) {
            Err(error) if !error.0.contains("No current offscreen document") => Err(error),
            _ => Ok(()),
        }
    }
}

/// `chrome.action`: the button in the toolbar.
pub mod action {
    use super::{Error, ffi, object};

    /// Opens the popup, as a click on the button does.
    ///
    /// # Errors
    /// [`Error`] with Chrome's words: without a focused window, and before Chrome 127.
    pub async fn open_popup() -> Result<(), Error> {
        ffi::open_popup().await?;
        Ok(())
    }

    /// Sets the badge: at most 4 characters are seen; the colour is CSS.
    pub fn set_badge(text: &str, color: &str) {
        ffi::set_badge_background_color(&object("color", color));
        ffi::set_badge_text(&object("text", text));
    }

    /// Sets the tooltip, which is also what a screen reader says.
    pub fn set_title(title: &str) {
        ffi::set_title(&object("title", title));
    }
}

/// `chrome.alarms`: the second net under a killed worker.
pub mod alarms {
    use super::{ffi, keep, object};
    use wasm_bindgen::JsValue;

    /// Starts (or restarts) a repeating alarm. Chrome's floor is 0.5 minutes.
    pub fn every(name: &str, minutes: f64) {
        ffi::create_alarm(name, &object("periodInMinutes", &minutes));
    }

    /// Stops an alarm. That there is none counts as success.
    pub fn clear(name: &str) {
        ffi::clear_alarm(name);
    }

    /// Calls back with the alarm's name.
    pub fn on_alarm(mut callback: impl FnMut(String) + 'static) {
        ffi::on_alarm(&keep(move |alarm: JsValue| {
            let name = js_sys::Reflect::get(&alarm, &"name".into()).ok().and_then(|name| name.as_string());
            callback(name.unwrap_or_default());
        }));
    }
}

/// `chrome.commands`: keyboard shortcuts.
pub mod commands {
    use super::{Error, ffi, from_js};

    /// A shortcut as the manifest names it and the person has set it.
    #[derive(Clone, Debug, Default, PartialEq, Eq, wire::FromTree)]
    #[serde(default)]
    pub struct Command {
        /// The name in the manifest.
        pub name: String,
        /// The manifest's words, in the person's language; empty for the command that opens the popup.
        pub description: String,
        /// The keys, for example `Alt+Shift+M`; empty while none are set.
        pub shortcut: String,
    }

    /// Every shortcut of the extension.
    ///
    /// # Errors
    /// [`Error`] with Chrome's words, also when the manifest names no commands.
    pub async fn all() -> Result<Vec<Command>, Error> {
        if !ffi::has_commands() {
            return Err(Error::new("the manifest names no commands"));
        }
        from_js(&ffi::get_all_commands().await?)
    }
}

/// `navigator.permissions`, which a worker has too.
pub mod permissions {
    use super::{Error, ffi, object};

    /// `granted`, `denied` or `prompt`, for this context's own origin.
    ///
    /// # Errors
    /// [`Error`] with the browser's words.
    pub async fn query(name: &str) -> Result<String, Error> {
        let status = ffi::query_permission(&object("name", name)).await?;
        let state = js_sys::Reflect::get(&status, &"state".into())?;
        state.as_string().ok_or_else(|| Error::new("the permission has no state"))
    }
}

/// `chrome.notifications`.
pub mod notifications {
    use super::{ffi, keep, keep2, runtime, to_js};
    use wasm_bindgen::prelude::*;
    use wire::{ToTree as _, Tree};

    /// What is shown.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Notification {
        /// The first line.
        pub title: String,
        /// The text below it.
        pub message: String,
        /// The words on its buttons: at most two.
        pub buttons: Vec<String>,
        /// True when it stays on the screen until somebody has decided.
        pub stays: bool,
    }

    fn options(notification: &Notification) -> JsValue {
        let buttons =
            notification.buttons.iter().map(|title| Tree::from([("title", title.to_tree())])).collect();
        to_js(&Tree::from([
            ("type", Tree::Word("basic")),
            ("iconUrl", runtime::url("icons/holdfast-128.png").to_tree()),
            ("title", notification.title.to_tree()),
            ("message", notification.message.to_tree()),
            ("buttons", Tree::List(buttons)),
            ("requireInteraction", Tree::Bool(notification.stays)),
            ("silent", Tree::Bool(!notification.stays)),
        ]))
    }

    /// Shows one.
    pub fn create(id: &str, notification: &Notification) {
        ffi::create_notification(id, &options(notification));
    }

    /// Changes one in place, without drawing attention to it once more.
    pub fn update(id: &str, notification: &Notification) {
        ffi::update_notification(id, &options(notification));
    }

    /// Takes one away.
    pub fn clear(id: &str) {
        ffi::clear_notification(id);
    }

    /// Calls back with the id of one that was clicked.
    pub fn on_clicked(mut callback: impl FnMut(String) + 'static) {
        ffi::on_notification_clicked(&keep(move |id: JsValue| callback(id.as_string().unwrap_or_default())));
    }

    /// Calls back with id and number of a button that was pressed.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 or 1")]
    pub fn on_button(mut callback: impl FnMut(String, u32) + 'static) {
        ffi::on_notification_button(&keep2(move |id: JsValue, button: JsValue| {
            callback(id.as_string().unwrap_or_default(), button.as_f64().unwrap_or_default() as u32);
        }));
    }

    /// Calls back with the id of one that is gone, and whether a person put it away.
    pub fn on_closed(mut callback: impl FnMut(String, bool) + 'static) {
        ffi::on_notification_closed(&keep2(move |id: JsValue, by_user: JsValue| {
            callback(id.as_string().unwrap_or_default(), by_user.is_truthy());
        }));
    }
}

/// Calls back with the name of a command of the manifest whose key was pressed.
pub fn on_command(mut callback: impl FnMut(String) + 'static) {
    ffi::on_command(&keep(move |name: JsValue| callback(name.as_string().unwrap_or_default())));
}

/// Opens a page of the extension in a new tab.
pub fn open_tab(path: &str) {
    open_url(&runtime::url(path));
}

/// Opens any URL in a new tab, also `chrome://` ones.
pub fn open_url(url: &str) {
    ffi::create_tab(&object("url", url));
}

/// Text from `_locales`, or the key itself when it is missing, so that a gap is seen and nothing breaks.
#[must_use]
pub fn message(key: &str) -> String {
    let text = ffi::get_message(key);
    if text.is_empty() { key.to_owned() } else { text }
}

/// As [`message`], with `$1`, `$2`, … replaced.
#[must_use]
pub fn message_with(key: &str, substitutions: &[&str]) -> String {
    let list: js_sys::Array = substitutions.iter().map(|text| JsValue::from_str(text)).collect();
    let text = ffi::get_message_with(key, &list);
    if text.is_empty() { key.to_owned() } else { text }
}

/// An object with one field, which is what many calls want.
fn object<T: ToTree + ?Sized>(name: &'static str, value: &T) -> JsValue {
    to_js(&wire::Tree::from([(name, value.to_tree())]))
}

/// As [`keep`], for listeners that are told two things.
fn keep2(callback: impl FnMut(JsValue, JsValue) + 'static) -> js_sys::Function {
    Closure::<dyn FnMut(JsValue, JsValue)>::new(callback).into_js_value().unchecked_into()
}

/// A listener for the life of the context: the closure is handed to JavaScript and never taken back.
fn keep(callback: impl FnMut(JsValue) + 'static) -> js_sys::Function {
    Closure::<dyn FnMut(JsValue)>::new(callback).into_js_value().unchecked_into()
}
