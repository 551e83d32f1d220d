//! What the SDK or the browser fails with.

use js_sys::Reflect;
use wasm_bindgen::prelude::*;

/// The least of Twilio's error codes. A `DOMException` has a `code` as well, a number below 26 from long ago.
const LEAST_CODE: f64 = 10_000.0;

/// An error: of Twilio, by its code, or of the browser, by its name. What it says is for developers, and stays behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{code:?} {name}")]
pub struct SdkError {
    /// Twilio's error code (`20104`, `53105`, …), when the error has one.
    pub code: Option<u32>,
    /// The error's name: `TwilioError`, or the browser's, as `NotAllowedError` and `NotFoundError`.
    pub name: String,
}

impl SdkError {
    /// An error as JavaScript throws it; anything at all.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "Twilio's codes are five-digit integers"
    )]
    pub fn from_js(value: &JsValue) -> Self {
        // A value that is no object has no properties.
        let get = |key: &str| Reflect::get(value, &key.into()).ok();
        let code = get("code").and_then(|code| code.as_f64()).filter(|code| *code >= LEAST_CODE);
        Self {
            code: code.map(|code| code as u32),
            name: get("name").and_then(|name| name.as_string()).unwrap_or_default(),
        }
    }

    /// Whether there is no device of what was asked for.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(&*self.name, "OverconstrainedError" | "NotFoundError")
    }
}

impl From<JsValue> for SdkError {
    fn from(value: JsValue) -> Self {
        Self::from_js(&value)
    }
}
