//! Asks the service.

use gloo_timers::callback::Timeout;
use js_sys::JSON;
use protocol::video::{
    ADMIT_PATH, END_PATH, JOIN_PATH, LEAVE_PATH, LOOK_PATH, Leave, PULSE_PATH, VideoErrorBody,
};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, RequestInit, Response};

use super::js::object;
use crate::machine::{
    command::Ask,
    event::{Answer, Fault},
};

/// How long an answer may take, in milliseconds.
const TIMEOUT_MS: u32 = 15_000;

/// One request. Secrets go in its body and to this origin, and nowhere else.
pub(super) async fn ask(service: String, ask: Ask) -> Result<Answer, Fault> {
    let (path, body) = match &ask {
        Ask::Look(body) => (LOOK_PATH, webext::to_js(body)),
        Ask::Join(body) => (JOIN_PATH, webext::to_js(body)),
        Ask::Pulse(body) => (PULSE_PATH, webext::to_js(body)),
        Ask::Admit(body) => (ADMIT_PATH, webext::to_js(body)),
        Ask::End(body) => (END_PATH, webext::to_js(body)),
    };
    let response = post(&format!("{service}{path}"), &body).await.map_err(|_said| Fault::Unreachable)?;
    let answer = json(&response).await.map_err(|_said| Fault::Unreachable)?;
    if !response.ok() {
        let body: VideoErrorBody = webext::from_js(&answer).map_err(|_form| Fault::Unreachable)?;
        let retry_after = response.headers().get("Retry-After").ok().flatten();
        return Err(Fault::Refused {
            code: body.code,
            retry_after: retry_after.and_then(|seconds| seconds.trim().parse().ok()),
        });
    }
    match ask {
        Ask::Look(_) => webext::from_js(&answer).ok().map(Answer::Looked),
        Ask::Join(_) => webext::from_js(&answer).ok().map(Answer::Joined),
        Ask::Pulse(_) | Ask::Admit(_) | Ask::End(_) => webext::from_js(&answer).ok().map(Answer::Pulsed),
    }
    .ok_or(Fault::Unreachable)
}

/// Says that we leave, in a way that outlives the page.
pub(super) fn beacon(service: &str, leave: &Leave) {
    let (Some(window), Ok(body)) = (web_sys::window(), JSON::stringify(&webext::to_js(leave))) else {
        return;
    };
    let url = format!("{service}{LEAVE_PATH}");
    // A browser that does not take it has no other way either; the service notices by the pulses that do not come.
    drop(window.navigator().send_beacon_with_opt_str(&url, Some(&String::from(body))));
}

async fn post(url: &str, body: &JsValue) -> Result<Response, JsValue> {
    let window = web_sys::window().ok_or(JsValue::UNDEFINED)?;
    let controller = AbortController::new()?;
    let init = object([
        ("method", "POST".into()),
        ("body", JSON::stringify(body)?.into()),
        ("headers", object([("Content-Type", "application/json".into())]).into()),
        ("signal", controller.signal().into()),
        ("cache", "no-store".into()),
        ("credentials", "omit".into()),
        ("redirect", "error".into()),
        ("referrerPolicy", "no-referrer".into()),
    ]);
    // Dropped, and with it cancelled, once the head of the answer is there. Not `AbortSignal.timeout`, which older Safaris lack.
    let _timeout = Timeout::new(TIMEOUT_MS, move || controller.abort());
    let answer = window.fetch_with_str_and_init(url, init.unchecked_ref::<RequestInit>());
    Ok(JsFuture::from(answer).await?.unchecked_into())
}

async fn json(response: &Response) -> Result<JsValue, JsValue> {
    JsFuture::from(response.json()?).await
}
