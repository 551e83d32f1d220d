//! The agent's tabs of video, where the extension cannot hold a window.

use std::cell::RefCell;

use wasm_bindgen::JsValue;
use web_sys::Window;

use crate::by_key::ByKey;
use crate::flex::{at, text};
use crate::outcome::warn_on_error;
use crate::video::machine::Tab;

/// Tabs by the keys of their sessions.
#[derive(Default)]
pub struct Tabs(RefCell<ByKey<String, Window>>);

impl Tabs {
    /// Opens the tab of this key, or brings it forward: from within a click, or the browser does not.
    pub fn open(&self, key: &str, waits: &str) -> Tab {
        if let Some(tab) = self.known(key) {
            warn_on_error(tab.focus());
            return Tab::There;
        }
        let Some(window) = web_sys::window() else { return Tab::Blocked };
        // Without an address a tab of this name stays where it is: after a reload of Flex it is found so.
        let Ok(Some(tab)) = window.open_with_url_and_target("", &format!("holdfast-video-{key}")) else {
            return Tab::Blocked;
        };
        // Where another origin's page is in it, this cannot be read.
        let is_new = text(&tab, &["location", "href"]).as_deref() == Some("about:blank");
        if is_new {
            if let Some(document) = tab.document() {
                document.set_title(waits);
                if let Some(body) = document.body() {
                    body.set_text_content(Some(waits));
                }
            }
        } else {
            warn_on_error(tab.focus());
        }
        self.0.borrow_mut().insert(key.to_owned(), tab);
        if is_new { Tab::New } else { Tab::There }
    }

    /// Lets the tab of this key go to a page.
    pub fn go(&self, key: &str, page: &str) {
        if let Some(tab) = self.known(key) {
            warn_on_error(tab.location().replace(page));
        }
    }

    /// Closes the tab of this key.
    pub fn close(&self, key: &str) {
        let tab = self.0.borrow_mut().remove(key);
        if let Some(tab) = tab {
            warn_on_error(tab.close());
        }
    }

    fn known(&self, key: &str) -> Option<Window> {
        let known = self.0.borrow().get(key).cloned();
        known.filter(|tab| at(tab, &["closed"]) == JsValue::FALSE)
    }
}
