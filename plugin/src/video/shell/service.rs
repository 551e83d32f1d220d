//! Asks the service.

use wasm_bindgen::JsValue;
use web_sys::AbortSignal;

use crate::ask::ask;
use crate::video::machine::trouble::Fault;
use crate::video::machine::{Answer, Ask};

/// One request. The token goes to this URL and nowhere else.
pub async fn request(url: String, wanted: Ask, token: String, signal: AbortSignal) -> Result<Answer, Fault> {
    let answer =
        ask(&url, body(&wanted).as_ref(), &token, &signal, |code| webext::from_js(code).ok()).await?;
    match wanted {
        Ask::Open(_) => webext::from_js(&answer).ok().map(Answer::Opened),
        Ask::Invite(_) => webext::from_js(&answer).ok().map(Answer::Invitation),
        Ask::Status | Ask::Admit(_) | Ask::End(_) => webext::from_js(&answer).ok().map(Answer::Status),
    }
    .ok_or(Fault::Malformed)
}

fn body(wanted: &Ask) -> Option<JsValue> {
    match wanted {
        Ask::Status => None,
        Ask::Open(open) => Some(webext::to_js(open)),
        Ask::Invite(invite) => Some(webext::to_js(invite)),
        Ask::Admit(admit) => Some(webext::to_js(admit)),
        Ask::End(end) => Some(webext::to_js(end)),
    }
}
