//! Asks our own service, as the agent.

use std::cell::RefCell;

use js_sys::JSON;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal, RequestInit, Response};

use crate::flex::{at, object, set};
use crate::service::Fault;

/// The requests that are on their way, by their numbers: each can be forgotten.
#[derive(Default)]
pub struct Running(RefCell<Vec<(u64, AbortController)>>);

impl Running {
    /// Begins one. The signal is for [`ask`]; `None` where the browser makes none.
    pub fn begin(&self, request: u64) -> Option<AbortSignal> {
        let controller = AbortController::new().ok()?;
        let signal = controller.signal();
        self.0.borrow_mut().push((request, controller));
        Some(signal)
    }

    /// One has ended. Whether somebody still wants to hear of it.
    pub fn end(&self, request: u64) -> bool {
        self.take(request).is_some()
    }

    /// Nobody wants to hear of it any more.
    pub fn forget(&self, request: u64) {
        // Not borrowed any more when the browser tells whoever listens.
        let forgotten = self.take(request);
        if let Some(controller) = forgotten {
            controller.abort();
        }
    }

    fn take(&self, request: u64) -> Option<AbortController> {
        let mut running = self.0.borrow_mut();
        let place = running.iter().position(|(known, _)| *known == request)?;
        Some(running.swap_remove(place).1)
    }
}

/// One request: `body` makes it a POST. The token goes to this URL and nowhere else. `to_code` reads an error's code.
pub async fn ask<Code>(
    url: &str,
    body: Option<&JsValue>,
    token: &str,
    signal: &AbortSignal,
    to_code: impl Fn(&JsValue) -> Option<Code>,
) -> Result<JsValue, Fault<Code>> {
    let headers = object(&[("Authorization", JsValue::from_str(&format!("Bearer {token}")))]);
    let init = object(&[
        ("headers", headers.clone().into()),
        ("signal", signal.into()),
        ("cache", "no-store".into()),
        ("credentials", "omit".into()),
        ("redirect", "error".into()),
        ("referrerPolicy", "no-referrer".into()),
    ]);
    if let Some(body) = body {
        let text = JSON::stringify(body).map_err(|_not_plain| Fault::Malformed)?;
        set(&headers, "Content-Type", &"application/json".into());
        set(&init, "method", &"POST".into());
        set(&init, "body", &text);
    }
    let window = web_sys::window().ok_or(Fault::Network)?;
    let answer = window.fetch_with_str_and_init(url, init.unchecked_ref::<RequestInit>());
    let Ok(answer) = JsFuture::from(answer).await else {
        return Err(if is_there(url).await { Fault::Closed } else { Fault::Network });
    };
    let response: Response = answer.unchecked_into();
    let body = match response.json() {
        Ok(body) => JsFuture::from(body).await,
        Err(error) => Err(error),
    };
    if !response.ok() {
        let code = body.ok().map(|body| at(&body, &["code"])).filter(JsValue::is_string);
        let retry_after = response.headers().get("Retry-After").ok().flatten();
        return Err(Fault::Refused {
            status: response.status(),
            code: code.as_ref().and_then(to_code),
            retry_after_s: retry_after.and_then(|seconds| seconds.trim().parse().ok()),
        });
    }
    body.map_err(|_said| Fault::Malformed)
}

/// Whether the service can be reached at all. Browsers do not say why a request failed: a service that does not let this page
/// ask looks like one that is down. This asks for nothing, brings no token, and reads no answer.
async fn is_there(url: &str) -> bool {
    let (Ok(parsed), Some(window)) = (web_sys::Url::new(url), web_sys::window()) else { return false };
    let init = object(&[
        ("mode", "no-cors".into()),
        ("cache", "no-store".into()),
        ("credentials", "omit".into()),
        ("referrerPolicy", "no-referrer".into()),
    ]);
    let asked = window.fetch_with_str_and_init(&parsed.origin(), init.unchecked_ref::<RequestInit>());
    JsFuture::from(asked).await.is_ok()
}
