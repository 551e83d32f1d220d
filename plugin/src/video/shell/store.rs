//! Reads of Flex's store what video needs, and writes what was answered to the question whether it may be recorded into a task.

use js_sys::{Date, Function, Map, Object, Promise};
use wasm_bindgen::prelude::*;

use crate::flex::{Flex, Manager, at, is_call, object, set, text};
use crate::service::is_sid;
use crate::video::machine::Settings;
use crate::video::machine::flex_view::{FlexView, TaskKind, TaskStatus, TaskView};

/// The task's attribute that holds the answer.
const CONSENT: &str = "holdfast_video";

/// The settings, as they stand in the Flex configuration.
pub fn settings(manager: &Manager) -> Settings {
    let holdfast = at(manager.as_ref(), &["serviceConfiguration", "ui_attributes", "holdfast"]);
    let video = at(&holdfast, &["video"]);
    let shared = text(&holdfast, &["token_service_url"])
        .or_else(|| option_env!("HOLDFAST_TOKEN_SERVICE_URL").map(str::to_owned));
    Settings {
        on: video.as_bool().unwrap_or(video.is_object()),
        url: text(&video, &["url"]),
        text: at(&video, &["text"]).as_bool() == Some(true),
        token_service_url: shared,
        account_sid: manager.account_sid().unwrap_or_default(),
    }
}

/// What Flex shows now.
pub fn view(flex: &Flex, manager: &Manager) -> FlexView {
    let state = manager.state();
    let selected = text(&state, &["view", "selectedTaskSid"]);
    let call = at(&state, &["phone", "activeCall"]);
    let mut view = FlexView { call_live: !call.is_undefined() && !call.is_null(), ..FlexView::default() };
    if let Some(tasks) = at(&state, &["worker", "tasks"]).dyn_ref::<Map>() {
        tasks.for_each(&mut |task, _| {
            let Some(seen) = self::task(flex, &task) else { return };
            // Where Flex's store does not take the extension's call, an accepted task says that there is one.
            view.call_live |= seen.kind == TaskKind::Call && seen.status == TaskStatus::Accepted;
            if selected.is_some() && text(&task, &["sid"]) == selected {
                view.selected = Some(seen.task.clone());
            }
            view.tasks.push(seen);
        });
    }
    view
}

fn task(flex: &Flex, task: &JsValue) -> Option<TaskView> {
    let status = match text(task, &["status"])?.as_str() {
        "pending" => return None,
        "accepted" => TaskStatus::Accepted,
        _ => TaskStatus::Over,
    };
    let attributes = at(task, &["attributes"]);
    let conversation = ["conversationSid", "conversation_sid"]
        .iter()
        .filter_map(|name| text(&attributes, &[name]))
        .find(|sid| is_sid("CH", sid));
    let is_mail = ["channelType", "taskChannelUniqueName"]
        .iter()
        .any(|name| text(task, &[name]).is_some_and(|channel| channel.eq_ignore_ascii_case("email")))
        || text(&attributes, &["channelType"]).is_some_and(|channel| channel.eq_ignore_ascii_case("email"));
    let kind = match &conversation {
        _ if is_call(flex, task) => TaskKind::Call,
        Some(_) if !is_mail => TaskKind::Chat,
        _ => TaskKind::Other,
    };
    let consent = text(&attributes, &[CONSENT, "recording_consent"]);
    Some(TaskView { task: text(task, &["taskSid"])?, status, kind, conversation, consent })
}

/// Writes the answer into the task's attributes and keeps the others: TaskRouter replaces all by what it is given.
///
/// # Errors
/// When Flex has no such task, or refuses at once.
pub fn record(manager: &Manager, sid: &str, consent: &str) -> Result<Promise, JsValue> {
    let tasks = at(&manager.state(), &["worker", "tasks"]);
    let mut found = JsValue::UNDEFINED;
    if let Some(tasks) = tasks.dyn_ref::<Map>() {
        tasks.for_each(&mut |task, _| {
            if text(&task, &["taskSid"]).as_deref() == Some(sid) {
                found = task;
            }
        });
    }
    let known = at(&found, &["attributes"]);
    let known = known.dyn_ref::<Object>().ok_or(JsValue::UNDEFINED)?;
    let write = at(&found, &["setAttributes"]);
    let write = write.dyn_ref::<Function>().ok_or(JsValue::UNDEFINED)?;
    let attributes = Object::assign(&Object::new(), known);
    let answer =
        object(&[("recording_consent", consent.into()), ("at", Date::new_0().to_iso_string().into())]);
    set(&attributes, CONSENT, &answer);
    write.call1(&found, &attributes).map(|written| Promise::resolve(&written))
}
