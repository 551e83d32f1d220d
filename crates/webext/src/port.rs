//! Long-lived connections: `chrome.runtime.connect` and `chrome.runtime.onConnect`.

use std::rc::Rc;

use wasm_bindgen::prelude::*;
use wire::{FromTree, ToTree};

use crate::{Error, ffi, from_js, keep, to_js};

/// One end of a connection. Cheap to clone.
#[derive(Clone)]
pub struct Port {
    raw: Rc<ffi::RawPort>,
}

/// Who opened the connection, as Chrome vouches for it: what a decision about trust may rest on.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromTree)]
#[serde(rename_all = "camelCase", default)]
pub struct Sender {
    /// The sender's extension id: ours, or somebody else's.
    pub id: Option<String>,
    /// The sender's document URL.
    pub url: Option<String>,
    /// The sender's origin.
    pub origin: Option<String>,
    /// 0 for the top frame of a tab.
    pub frame_id: Option<i64>,
    /// Identifies the document: a reload gives another.
    pub document_id: Option<String>,
    /// The tab, for a content script; absent for the extension's own pages without a tab.
    pub tab: Option<Tab>,
}

/// The sender's tab.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromTree)]
#[serde(rename_all = "camelCase", default)]
pub struct Tab {
    /// Chrome's number of the tab.
    pub id: Option<i64>,
    /// Chrome's number of the window that it is in.
    pub window_id: Option<i64>,
}

impl Port {
    fn new(raw: ffi::RawPort) -> Self {
        Self { raw: Rc::new(raw) }
    }

    /// The name given by whoever connected.
    #[must_use]
    pub fn name(&self) -> String {
        self.raw.name()
    }

    /// Who connected; all fields absent on the connecting side.
    #[must_use]
    pub fn sender(&self) -> Sender {
        from_js(&self.raw.sender()).unwrap_or_default()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`Error`] when the other end is gone or the extension was replaced.
    pub fn post<T: ToTree + ?Sized>(&self, message: &T) -> Result<(), Error> {
        Ok(self.raw.post_message(&to_js(message))?)
    }

    /// Sends a message that is a JavaScript value already.
    ///
    /// # Errors
    /// As [`Port::post`].
    pub fn post_value(&self, message: &JsValue) -> Result<(), Error> {
        Ok(self.raw.post_message(message)?)
    }

    /// Closes the connection. Only the other end is told.
    pub fn disconnect(&self) {
        self.raw.disconnect();
    }

    /// Calls back with every message; one that does not have the type's shape comes as an error.
    /// Register in the same turn in which the port appears, or messages are lost in silence.
    pub fn on_message<T: FromTree>(&self, mut callback: impl FnMut(Result<T, Error>) + 'static) {
        self.raw.on_message().add_listener(&keep(move |message: JsValue| callback(from_js(&message))));
    }

    /// As [`Port::on_message`], with the message as it came: for whoever passes it on.
    pub fn on_value(&self, callback: impl FnMut(JsValue) + 'static) {
        self.raw.on_message().add_listener(&keep(callback));
    }

    /// As [`Port::on_message`], with each message as it came, for a listener that judges before it parses.
    pub fn on_raw_message(&self, callback: impl FnMut(JsValue) + 'static) {
        self.raw.on_message().add_listener(&keep(callback));
    }

    /// Calls back when the other end is gone: closed, killed, or its extension replaced.
    pub fn on_disconnect(&self, mut callback: impl FnMut() + 'static) {
        self.raw.on_disconnect().add_listener(&keep(move |_: JsValue| callback()));
    }
}

/// Connects to the worker, waking it if it sleeps.
///
/// # Errors
/// [`Error`] when the extension was replaced under this context.
pub fn connect(name: &str) -> Result<Port, Error> {
    let info = js_sys::Object::new();
    js_sys::Reflect::set(&info, &"name".into(), &name.into())?;
    Ok(Port::new(ffi::connect(&info)?))
}

/// Calls back with every port that somebody opens to this context.
pub fn on_connect(mut callback: impl FnMut(Port) + 'static) {
    ffi::on_connect(&keep(move |port: JsValue| callback(Port::new(port.unchecked_into()))));
}
