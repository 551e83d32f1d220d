//! What becomes of what Flex and the browser were asked for: all shells need it.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// Waits for a request and says whether it worked.
pub fn settle(request: Result<Promise, JsValue>, then: impl FnOnce(bool) + 'static) {
    spawn_local(async move {
        let ok = match request {
            Ok(promise) => JsFuture::from(promise).await.is_ok(),
            Err(_) => false,
        };
        then(ok);
    });
}

/// What Flex throws is its own words about its own objects, never a token of ours.
pub fn warn_on_error<T>(result: Result<T, JsValue>) {
    if let Err(error) = result {
        web_sys::console::warn_2(&JsValue::from_str("Holdfast:"), &error);
    }
}
