//! Asks the service.

use web_sys::AbortSignal;

use crate::ask::ask;
use crate::chat_history::machine::trouble::Fault;
use crate::chat_history::machine::{Answer, What};

/// One request. The token goes to this URL and nowhere else.
pub async fn get(url: String, token: String, what: What, signal: AbortSignal) -> Result<Answer, Fault> {
    let body = ask(&url, None, &token, &signal, |code| webext::from_js(code).ok()).await?;
    match what {
        What::Overview => webext::from_js(&body).ok().map(Answer::Overview),
        What::Page => webext::from_js(&body).ok().map(Answer::Page),
        What::Media => webext::from_js(&body).ok().map(Answer::Media),
    }
    .ok_or(Fault::Malformed)
}

/// A link that may be opened: of the web, and nothing else.
pub fn is_web(url: &str) -> bool {
    let parsed = web_sys::Url::new(url);
    parsed.is_ok_and(|parsed| matches!(&*parsed.protocol(), "https:" | "http:"))
}
