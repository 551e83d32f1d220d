//! Reads of Flex's store what chat history needs.

use js_sys::Map;
use wasm_bindgen::prelude::*;

use crate::chat_history::machine::Settings;
use crate::chat_history::machine::flex_view::{
    Attribute, FlexView, SOURCE_ATTRIBUTES, Source, TaskStatus, TaskView,
};
use crate::flex::{Manager, at, text};
use crate::service::is_sid;

/// The tab's `uniqueName`.
pub const TAB: &str = "holdfast-history";

/// The settings, as they stand in the Flex configuration.
pub fn settings(manager: &Manager) -> Settings {
    let holdfast = at(manager.as_ref(), &["serviceConfiguration", "ui_attributes", "holdfast"]);
    let history = at(&holdfast, &["history"]);
    let shared = text(&holdfast, &["token_service_url"])
        .or_else(|| option_env!("HOLDFAST_TOKEN_SERVICE_URL").map(str::to_owned));
    Settings {
        on: history.as_bool().unwrap_or(history.is_object()),
        url: text(&history, &["url"]),
        customer: at(&history, &["customer"]).as_bool() == Some(true),
        token_service_url: shared,
        account_sid: manager.account_sid().unwrap_or_default(),
    }
}

/// What Flex shows now.
pub fn view(manager: &Manager) -> FlexView {
    let state = manager.state();
    let selected = text(&state, &["view", "selectedTaskSid"]);
    let tab = text(&state, &["view", "componentViewStates", "AgentTaskCanvasTabs", "selectedTabName"]);
    let mut view = FlexView { tab_is_ours: tab.as_deref() == Some(TAB), ..FlexView::default() };
    if let Some(tasks) = at(&state, &["worker", "tasks"]).dyn_ref::<Map>() {
        tasks.for_each(&mut |task, _| view.tasks.extend(self::task(&task)));
    }
    view.selected = view
        .tasks
        .iter()
        .find(|task| Some(&task.reservation) == selected.as_ref())
        .map(|task| task.task.clone());
    view
}

fn task(task: &JsValue) -> Option<TaskView> {
    let status = match text(task, &["status"])?.as_str() {
        "pending" => TaskStatus::Pending,
        "accepted" => TaskStatus::Accepted,
        "wrapping" => TaskStatus::Wrapping,
        _ => return None,
    };
    let attributes = at(task, &["attributes"]);
    let conversation = ["conversationSid", "conversation_sid"]
        .iter()
        .filter_map(|name| text(&attributes, &[name]))
        .find(|sid| is_sid("CH", sid));
    Some(TaskView {
        task: text(task, &["taskSid"])?,
        reservation: text(task, &["sid"])?,
        status,
        source: source(task),
        conversation,
    })
}

/// The earlier conversation that a task names.
pub fn source(task: &JsValue) -> Source {
    let attributes = at(task, &["attributes"]);
    Source::of(&SOURCE_ATTRIBUTES.map(|name| {
        let value = at(&attributes, &[name]);
        match value.as_string() {
            Some(text) => Attribute::Text(text),
            None if value.is_undefined() || value.is_null() => Attribute::Absent,
            None => Attribute::Other,
        }
    }))
}
