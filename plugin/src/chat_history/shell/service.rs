//! Asks the service.

use protocol::history::HistoryErrorCode;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, RequestInit, Response};

use crate::chat_history::machine::trouble::Fault;
use crate::chat_history::machine::{Answer, What};
use crate::flex::{at, object};

/// One request. The token goes to this URL and nowhere else.
pub async fn get(url: String, token: String, what: What, signal: AbortSignal) -> Result<Answer, Fault> {
    let bearer = object(&[("Authorization", JsValue::from_str(&format!("Bearer {token}")))]);
    let init = object(&[
        ("headers", bearer.into()),
        ("signal", signal.into()),
        ("cache", "no-store".into()),
        ("credentials", "omit".into()),
        ("redirect", "error".into()),
        ("referrerPolicy", "no-referrer".into()),
    ]);
    let window = web_sys::window().ok_or(Fault::Network)?;
    let answer = window.fetch_with_str_and_init(&url, init.unchecked_ref::<RequestInit>());
    let Ok(answer) = JsFuture::from(answer).await else {
        return Err(if is_there(&url).await { Fault::Closed } else { Fault::Network });
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
            code: code.and_then(|code| webext::from_js::<HistoryErrorCode>(&code).ok()),
            retry_after_s: retry_after.and_then(|seconds| seconds.trim().parse().ok()),
        });
    }
    let body = body.map_err(|_said| Fault::Malformed)?;
    match what {
        What::Overview => webext::from_js(&body).ok().map(Answer::Overview),
        What::Page => webext::from_js(&body).ok().map(Answer::Page),
        What::Media => webext::from_js(&body).ok().map(Answer::Media),
    }
    .ok_or(Fault::Malformed)
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

/// A link that may be opened: of the web, and nothing else.
pub fn is_web(url: &str) -> bool {
    let parsed = web_sys::Url::new(url);
    parsed.is_ok_and(|parsed| matches!(&*parsed.protocol(), "https:" | "http:"))
}
