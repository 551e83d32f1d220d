//! Text messages that a server has Twilio send (`api.twilio.com`), which the sandbox only keeps: nobody's telephone rings.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/message-resource>.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use sandbox_flex::account;
use sandbox_kit::{answer::error, basic};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::log::Log;

/// The most characters of a message. Source: Twilio's error 21617.
const MOST_CHARACTERS: usize = 1600;

/// The text messages of the account. Clones are handles to the same.
#[derive(Clone)]
pub(crate) struct Texts {
    sent: Arc<Mutex<Vec<Value>>>,
    log: Log,
}

impl Texts {
    pub(crate) fn new(log: Log) -> Self {
        Self { sent: Arc::default(), log }
    }

    fn sent(&self) -> MutexGuard<'_, Vec<Value>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No text was ever sent.
    pub(crate) fn reset(&self) {
        self.sent().clear();
    }

    /// The REST API's part of it, at its own host.
    pub(crate) fn rest(&self) -> Router {
        Router::new()
            .route("/2010-04-01/Accounts/{account}/Messages.json", post(send))
            .fallback(|| async {
                error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found")
            })
            .with_state(self.clone())
    }

    /// What the switchboard is asked.
    pub(crate) fn board(&self) -> Router {
        let all = async |State(texts): State<Self>| Json(json!(*texts.sent()));
        Router::new().route("/api/texts", get(all)).with_state(self.clone())
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Message {
    to: String,
    from: String,
    body: String,
}

/// Text messages are not among the permissions of the key that only reads.
fn is_allowed(headers: &HeaderMap) -> bool {
    let known = [
        (account::ACCOUNT_SID, account::AUTH_TOKEN),
        (account::API_KEY_SID, account::API_KEY_SECRET),
        (account::VIDEO_API_KEY_SID, account::VIDEO_API_KEY_SECRET),
    ];
    basic::credentials(headers).is_some_and(|(user, password)| known.contains(&(&user, &password)))
}

async fn send(
    State(texts): State<Texts>,
    Path(whose): Path<String>,
    headers: HeaderMap,
    Form(message): Form<Message>,
) -> Response {
    if !is_allowed(&headers) {
        return error(StatusCode::UNAUTHORIZED, 20003, "Authenticate");
    }
    if whose != account::ACCOUNT_SID {
        return error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found");
    }
    let bad = |code, message: &str| error(StatusCode::BAD_REQUEST, code, message);
    if !is_number(&message.to) {
        return bad(21211, &format!("Invalid 'To' Phone Number: {}", message.to));
    }
    if message.from != account::CALL_CENTRE_NUMBER {
        return bad(21606, "The 'From' phone number is not a Twilio phone number of this account");
    }
    if message.body.is_empty() {
        return bad(21602, "Message body is required.");
    }
    if message.body.chars().count() > MOST_CHARACTERS {
        return bad(21617, "The concatenated message body exceeds the 1600 character limit");
    }
    let sid = {
        let mut sent = texts.sent();
        let sid = format!("SM{:032x}", sent.len() + 1);
        sent.push(json!({ "sid": sid, "to": message.to, "from": message.from, "body": message.body }));
        sid
    };
    // What it says stays out of the log, as everything that people read does.
    texts.log.add("chat", "text_sent", None, json!({ "sid": sid, "to": message.to }));
    let created = json!({
        "sid": sid,
        "account_sid": account::ACCOUNT_SID,
        "to": message.to,
        "from": message.from,
        "body": message.body,
        "status": "queued",
        "direction": "outbound-api",
        "num_segments": "1",
        "num_media": "0",
        "error_code": null,
        "error_message": null,
        "api_version": "2010-04-01",
        "uri": format!("/2010-04-01/Accounts/{}/Messages/{sid}.json", account::ACCOUNT_SID),
    });
    (StatusCode::CREATED, Json(created)).into_response()
}

/// E.164, of which the sandbox takes any.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (5..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
}
