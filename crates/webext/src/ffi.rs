//! The raw extern blocks.

use js_sys::{Array, Function, Object};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    // `chrome.runtime` itself is undefined in an orphaned content script of some Chrome versions.
    #[wasm_bindgen(thread_local_v2, js_namespace = globalThis, js_name = chrome)]
    static CHROME: JsValue;

    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = getURL)]
    pub fn get_url(path: &str) -> String;
    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = getManifest)]
    pub fn get_manifest() -> Object;
    #[wasm_bindgen(catch, js_namespace = ["chrome", "runtime"], js_name = connect)]
    pub fn connect(info: &Object) -> Result<RawPort, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "runtime", "onConnect"], js_name = addListener)]
    pub fn on_connect(callback: &Function);
    #[wasm_bindgen(js_namespace = ["chrome", "runtime", "onInstalled"], js_name = addListener)]
    pub fn on_installed(callback: &Function);
    #[wasm_bindgen(js_namespace = ["chrome", "runtime", "onStartup"], js_name = addListener)]
    pub fn on_startup(callback: &Function);

    #[wasm_bindgen(js_namespace = ["chrome", "runtime", "onUpdateAvailable"], js_name = addListener)]
    pub fn on_update_available(callback: &Function);
    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = reload)]
    pub fn reload();

    #[wasm_bindgen(catch, js_namespace = ["chrome", "storage", "session"], js_name = get)]
    pub async fn session_get(keys: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["chrome", "storage", "session"], js_name = set)]
    pub async fn session_set(items: &Object) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["chrome", "storage", "local"], js_name = get)]
    pub async fn local_get(keys: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["chrome", "storage", "local"], js_name = set)]
    pub async fn local_set(items: &Object) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["chrome", "storage", "managed"], js_name = get)]
    pub async fn managed_get(keys: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "storage", "managed", "onChanged"], js_name = addListener)]
    pub fn on_managed_changed(callback: &Function);

    #[wasm_bindgen(catch, js_namespace = ["chrome", "offscreen"], js_name = createDocument)]
    pub async fn create_document(options: &Object) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["chrome", "offscreen"], js_name = closeDocument)]
    pub async fn close_document() -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = ["chrome", "action"], js_name = setBadgeText)]
    pub fn set_badge_text(details: &JsValue);
    #[wasm_bindgen(js_namespace = ["chrome", "action"], js_name = setBadgeBackgroundColor)]
    pub fn set_badge_background_color(details: &JsValue);
    #[wasm_bindgen(js_namespace = ["chrome", "action"], js_name = setTitle)]
    pub fn set_title(details: &JsValue);

    #[wasm_bindgen(catch, js_namespace = ["chrome", "action"], js_name = openPopup)]
    pub async fn open_popup() -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = ["chrome", "commands", "onCommand"], js_name = addListener)]
    pub fn on_command(callback: &Function);

    #[wasm_bindgen(js_namespace = ["chrome", "notifications"], js_name = create)]
    pub fn create_notification(id: &str, options: &JsValue);
    #[wasm_bindgen(js_namespace = ["chrome", "notifications"], js_name = update)]
    pub fn update_notification(id: &str, options: &JsValue);
    #[wasm_bindgen(js_namespace = ["chrome", "notifications"], js_name = clear)]
    pub fn clear_notification(id: &str);
    #[wasm_bindgen(js_namespace = ["chrome", "notifications", "onClicked"], js_name = addListener)]
    pub fn on_notification_clicked(callback: &Function);
    #[wasm_bindgen(js_namespace = ["chrome", "notifications", "onButtonClicked"], js_name = addListener)]
    pub fn on_notification_button(callback: &Function);
    #[wasm_bindgen(js_namespace = ["chrome", "notifications", "onClosed"], js_name = addListener)]
    pub fn on_notification_closed(callback: &Function);

    #[wasm_bindgen(js_namespace = ["chrome", "alarms"], js_name = create)]
    pub fn create_alarm(name: &str, info: &JsValue);
    #[wasm_bindgen(js_namespace = ["chrome", "alarms"], js_name = clear)]
    pub fn clear_alarm(name: &str);
    #[wasm_bindgen(js_namespace = ["chrome", "alarms", "onAlarm"], js_name = addListener)]
    pub fn on_alarm(callback: &Function);

    #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = create)]
    pub fn create_tab(options: &JsValue);
    #[wasm_bindgen(catch, js_namespace = ["chrome", "windows"], js_name = create)]
    pub async fn create_window(options: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["chrome", "windows"], js_name = update)]
    pub async fn update_window(id: f64, options: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["chrome", "windows"], js_name = remove)]
    pub async fn remove_window(id: f64) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "windows", "onRemoved"], js_name = addListener)]
    pub fn on_window_removed(callback: &Function);

    #[wasm_bindgen(catch, js_namespace = ["chrome", "tabs"], js_name = query)]
    pub async fn query_tabs(query: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["chrome", "scripting"], js_name = executeScript)]
    pub async fn execute_script(injection: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_namespace = ["chrome", "commands"], js_name = getAll)]
    pub async fn get_all_commands() -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = ["chrome", "i18n"], js_name = getMessage)]
    pub fn get_message(key: &str) -> String;
    #[wasm_bindgen(js_namespace = ["chrome", "i18n"], js_name = getMessage)]
    pub fn get_message_with(key: &str, substitutions: &Array) -> String;

    #[wasm_bindgen(catch, js_namespace = ["navigator", "permissions"], js_name = query)]
    pub async fn query_permission(descriptor: &JsValue) -> Result<JsValue, JsValue>;

    /// `chrome.runtime.Port`.
    pub type RawPort;
    #[wasm_bindgen(method, getter)]
    pub fn name(this: &RawPort) -> String;
    #[wasm_bindgen(method, getter)]
    pub fn sender(this: &RawPort) -> JsValue;
    #[wasm_bindgen(method, catch, js_name = postMessage)]
    pub fn post_message(this: &RawPort, message: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method)]
    pub fn disconnect(this: &RawPort);
    #[wasm_bindgen(method, getter, js_name = onMessage)]
    pub fn on_message(this: &RawPort) -> RawEvent;
    #[wasm_bindgen(method, getter, js_name = onDisconnect)]
    pub fn on_disconnect(this: &RawPort) -> RawEvent;

    /// `chrome.events.Event`.
    pub type RawEvent;
    #[wasm_bindgen(method, js_name = addListener)]
    pub fn add_listener(this: &RawEvent, callback: &Function);
}

/// `chrome.runtime.id`, `None` when the context is orphaned.
pub fn runtime_id() -> Option<String> {
    CHROME.with(|chrome| {
        let runtime = js_sys::Reflect::get(chrome, &"runtime".into()).ok()?;
        js_sys::Reflect::get(&runtime, &"id".into()).ok()?.as_string()
    })
}

/// True when the manifest names commands: without them `chrome.commands` is not there, and calling it would throw.
pub fn has_commands() -> bool {
    CHROME.with(|chrome| {
        js_sys::Reflect::get(chrome, &"commands".into()).is_ok_and(|commands| !commands.is_undefined())
    })
}
