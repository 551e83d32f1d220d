//! What outlives a reload of the page: the tab's own storage. Without one nothing is kept.

use web_sys::Storage;

use crate::outcome::warn_on_error;

/// What is kept under a key; empty when there is nothing.
pub fn read(key: &str) -> String {
    storage().and_then(|storage| storage.get_item(key).ok().flatten()).unwrap_or_default()
}

/// Keeps a text in the place of what was there.
pub fn write(key: &str, text: &str) {
    if let Some(storage) = storage() {
        warn_on_error(storage.set_item(key, text));
    }
}

fn storage() -> Option<Storage> {
    web_sys::window()?.session_storage().ok().flatten()
}
