//! What leaves the tab: a print, and a file's own tab.

use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlAnchorElement, HtmlElement, HtmlIFrameElement, HtmlTextAreaElement};

use crate::flex::{at, text as text_at};

/// Prints a text by a frame of its own, which goes afterwards. The text is put in as text, never as markup.
pub fn print(title: &str, text: &str) -> Result<(), JsValue> {
    let missing = || JsValue::from_str("no document");
    let document = web_sys::window().and_then(|window| window.document()).ok_or_else(missing)?;
    let frame: HtmlIFrameElement = document.create_element("iframe")?.unchecked_into();
    frame.set_attribute("style", "position:fixed;width:0;height:0;border:0")?;
    frame.set_attribute("aria-hidden", "true")?;
    frame.set_attribute("data-testid", "holdfast-history-print-frame")?;
    document.body().ok_or_else(missing)?.append_child(&frame)?;
    let inner = frame.content_document().ok_or_else(missing)?;
    inner.set_title(title);
    let paper: HtmlElement = inner.create_element("pre")?.unchecked_into();
    paper.set_attribute("style", "white-space:pre-wrap;overflow-wrap:anywhere;font:11pt/1.4 sans-serif")?;
    paper.set_text_content(Some(text));
    inner.body().ok_or_else(missing)?.append_child(&paper)?;
    let window = frame.content_window().ok_or_else(missing)?;
    let gone = Closure::once_into_js(move || frame.remove());
    window.add_event_listener_with_callback("afterprint", gone.unchecked_ref())?;
    window.print()
}

/// Copies a text as one did before pages had a clipboard: also where that is kept from them, as in some frames.
pub fn copy(text: &str) -> Result<bool, JsValue> {
    let missing = || JsValue::from_str("no document");
    let document = web_sys::window().and_then(|window| window.document()).ok_or_else(missing)?;
    let focused = document.active_element().and_then(|element| element.dyn_into::<HtmlElement>().ok());
    let field: HtmlTextAreaElement = document.create_element("textarea")?.unchecked_into();
    field.set_attribute("style", "position:fixed;opacity:0")?;
    field.set_value(text);
    document.body().ok_or_else(missing)?.append_child(&field)?;
    field.select();
    let command = at(&document, &["execCommand"]);
    let copied = match command.dyn_ref::<Function>() {
        Some(command) => command.call1(&document, &JsValue::from_str("copy"))?.is_truthy(),
        None => false,
    };
    field.remove();
    if let Some(focused) = focused {
        focused.focus()?;
    }
    Ok(copied)
}

/// Opens a link in a tab of its own, which knows nothing of this one.
pub fn open(url: &str) -> Result<(), JsValue> {
    let document = web_sys::window().and_then(|window| window.document());
    let document = document.ok_or_else(|| JsValue::from_str("no document"))?;
    let link: HtmlAnchorElement = document.create_element("a")?.unchecked_into();
    link.set_href(url);
    link.set_target("_blank");
    link.set_rel("noopener noreferrer");
    link.click();
    Ok(())
}

/// The file that a handler's element stands for.
pub fn media_of(event: &JsValue) -> Option<crate::chat_history::machine::MediaRef> {
    let data = at(event, &["currentTarget", "dataset"]);
    Some(crate::chat_history::machine::MediaRef {
        message: text_at(&data, &["message"])?,
        media: text_at(&data, &["media"])?,
    })
}
