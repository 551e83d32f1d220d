//! `https://conversations.twilio.com/v1`: Conversations for servers, as Twilio's own libraries ask for it.
//!
//! The same resources are found under `/v1` and under `/v1/Services/IS…`, because the sandbox's account has one service.
//! Parameters are forms in PascalCase, answers JSON in snake_case. Source: Twilio's OpenAPI document of Conversations v1.

pub(crate) mod admin;
mod conversations;
mod form;
mod inbound;
mod page;
mod request;
mod service;
mod view;

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::to_bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use sandbox_callbacks::Courier;
use serde_json::json;

use self::admin::Admin;
use self::form::Form;
use self::request::{Answer, Request};
use self::service::Level;
use self::view::Place;
use crate::change::{Actor, NewMessage, Refusal};
use crate::clock::now;
use crate::gate::Hooks;
use crate::handle::Conversations;
use crate::model::Message;

/// The host under which Twilio serves it.
pub const REST_HOST: &str = "conversations.twilio.com";
/// Largest form; a message's body may have 32 kB, three times that when encoded.
const FORM_BYTES: usize = 256 * 1024;

/// The REST API of a Conversations service, and its webhooks. Clones are handles to the same.
#[derive(Clone)]
pub struct Rest {
    conversations: Conversations,
    admin: Arc<Mutex<Admin>>,
}

impl Rest {
    /// Puts it in front of a service: from now on its webhooks are asked and told by this courier.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(conversations: Conversations, courier: Courier) -> Self {
        let admin = Arc::new(Mutex::new(Admin::new(rand::random(), now())));
        let config = conversations.config();
        let hooks = Hooks {
            account_sid: config.account.as_str().to_owned(),
            service_sid: config.service_sid.clone(),
            conversations: conversations.downgrade(),
            admin: Arc::clone(&admin),
            courier,
        };
        tokio::spawn(hooks.clone().follow(conversations.follow()));
        conversations.set_gate(Arc::new(hooks));
        Self { conversations, admin }
    }

    /// All of it, below `/v1`. Nested below a path of another host, the links of its answers lead there.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// A customer's message by SMS, WhatsApp or the like, with the SID of the conversation that it came into. None: no
    /// conversation of these two is open, and no configuration of the address starts one.
    ///
    /// # Errors
    /// [`Refusal`], also a pre-webhook's.
    pub async fn inbound(
        &self,
        from: &str,
        to: &str,
        message: NewMessage,
    ) -> Result<Option<(String, Message)>, Refusal> {
        inbound::deliver(&self.conversations, &self.admin, (from, to), message, now()).await
    }

    /// Forgets webhooks, roles and addresses.
    pub fn reset(&self) {
        let mut admin = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        *admin = Admin::new(rand::random(), now());
    }
}

/// Twilio's error resource.
fn error(refusal: &Refusal) -> Response {
    let body = json!({
        "code": refusal.code,
        "message": refusal.message,
        "more_info": format!("https://www.twilio.com/docs/errors/{}", refusal.code),
        "status": refusal.status,
    });
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}

async fn answer(
    State(rest): State<Rest>,
    OriginalUri(original): OriginalUri,
    request: axum::extract::Request,
) -> Response {
    if !rest.conversations.knows_password(request.headers()) {
        return error(&Refusal::new(401, 20003, "Authenticate"));
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, FORM_BYTES).await else {
        return error(&Refusal::new(413, 20413, "The form is too long"));
    };
    let segments: Vec<String> = parts.uri.path().trim_matches('/').split('/').map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (level, path) = match segments.as_slice() {
        ["v1", "Services", service, path @ ..] if *service == rest.conversations.config().service_sid => {
            (Level::Service, path)
        }
        ["v1", path @ ..] => (Level::Account, path),
        _ => (Level::Account, &[] as &[&str]),
    };
    let about = match path {
        ["Conversations", name, ..] => rest.conversations.conversation(name).map(|found| found.sid),
        _ => None,
    };
    let interference = rest.conversations.interference(about.as_deref());
    tokio::time::sleep(interference.delay).await;
    if let Some(status) = interference.status {
        return error(&Refusal::new(status, 20500, "A fault of the sandbox"));
    }
    let origin = origin(&parts.headers);
    let url = format!("{origin}{}", original.path().trim_end_matches('/'));
    // Where this API begins, as whoever asks sees it.
    let depth = parts.uri.path().trim_end_matches('/').len();
    let prefix = url.split_at_checked(url.len().saturating_sub(depth)).map_or("", |(prefix, _)| prefix);
    let config = rest.conversations.config();
    let base = match level {
        Level::Account => format!("{prefix}/v1"),
        Level::Service => format!("{prefix}/v1/Services/{}", config.service_sid),
    };
    let webhooks = parts.headers.get("x-twilio-webhook-enabled");
    let webhooks = webhooks.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    let request = Request {
        place: Place { account_sid: config.account.as_str(), service_sid: &config.service_sid, base: &base },
        url: &url,
        method: parts.method,
        path,
        query: Form::parse(parts.uri.query().unwrap_or_default().as_bytes()),
        form: Form::parse(&body),
        actor: Actor { webhooks, ..Actor::api() },
        now: now(),
    };
    let outcome = match path {
        ["Conversations" | "ConversationWithParticipants", ..] => {
            conversations::answer(&rest.conversations, &rest.admin, &request).await
        }
        _ => service::answer(&rest.conversations, &rest.admin, &request, level).await,
    };
    match outcome {
        Ok(answer) => {
            let status = answer.status();
            match answer {
                Answer::Found(body) | Answer::Created(body) | Answer::Accepted(body) => {
                    (status, Json(body)).into_response()
                }
                Answer::Gone => status.into_response(),
            }
        }
        Err(refusal) => error(&refusal),
    }
}

/// Scheme and host as whoever asks named them: Twilio's over TLS, and the sandbox's own port without.
fn origin(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or(REST_HOST);
    let twilio = host.split(':').next().is_some_and(|name| name.ends_with(".twilio.com"));
    if twilio { format!("https://{REST_HOST}") } else { format!("http://{host}") }
}

/// A part of a path: identities and unique names may hold what a URL encodes.
fn decoded(part: &str) -> String {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
}
