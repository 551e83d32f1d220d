//! How loud something is.

use crate::tree::{El, el};

/// A level of 0 to 100; empty while there is none. The browser's own element, so that no style has to be written into the page.
#[must_use]
pub fn meter(
    label: impl FnMut() -> String + Send + 'static,
    mut level: impl FnMut() -> Option<u8> + Send + 'static,
) -> El {
    let mut label = label;
    el("meter", "meter")
        .fixed("min", "0")
        .fixed("max", "100")
        .live("aria-label", move || Some(label()))
        .live("value", move || Some(level().unwrap_or_default().to_string()))
}
