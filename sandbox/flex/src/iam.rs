//! Twilio IAM: Flex tokens.
//!
//! A Flex token is what an agent's browser holds after login. It is opaque to everybody but Twilio; a service asks
//! IAM what it is worth. The endpoint that answers is not in Twilio's published API. Its answers are those that
//! Twilio's own `twilio-flex-token-validator` expects, and those seen in the field.

pub mod tokens;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::tokens::{FlexUser, TokenError, iso};
use crate::account;
use crate::fault::HttpTarget;
use crate::interference::with_faults;
use crate::state::FlexCloud;
use sandbox_kit::answer::error;
use sandbox_kit::basic;

/// The answer of `Tokens/validate`, and, with a token, of the Flex API's `Tokens/Info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// Whether the token is good.
    pub valid: bool,
    /// 0, or Twilio's error code.
    pub code: u32,
    /// Twilio's error message.
    pub message: Option<String>,
    /// End of the token, ISO 8601.
    pub expiration: Option<String>,
    /// The user's name at the identity provider.
    pub realm_user_id: Option<String>,
    /// Encoded identity.
    pub identity: Option<String>,
    /// Roles, for example `agent`.
    pub roles: Option<Vec<String>>,
    /// The TaskRouter worker.
    pub worker_sid: Option<String>,
    /// Flex instance; newer.
    pub flex_instance_sid: Option<String>,
    /// Flex user; newer.
    pub flex_user_sid: Option<String>,
}

impl Validation {
    pub(crate) fn of(outcome: &Result<FlexUser, TokenError>, roles: Vec<String>) -> Self {
        match outcome {
            Ok(user) => Self {
                valid: true,
                code: 0,
                message: None,
                expiration: Some(iso(user.expires)),
                realm_user_id: Some(account::AGENT_EMAIL.to_owned()),
                identity: Some(user.identity.clone()),
                roles: Some(roles),
                worker_sid: Some(account::WORKER_SID.to_owned()),
                flex_instance_sid: Some(account::FLEX_INSTANCE_SID.to_owned()),
                flex_user_sid: Some(account::FLEX_USER_SID.to_owned()),
            },
            Err(error) => Self {
                valid: false,
                code: error.code(),
                message: Some(error.to_string()),
                expiration: None,
                realm_user_id: None,
                identity: None,
                roles: None,
                worker_sid: None,
                flex_instance_sid: None,
                flex_user_sid: None,
            },
        }
    }
}

pub(crate) fn router(cloud: FlexCloud) -> Router {
    let router = Router::new()
        .route("/v1/Accounts/{account}/Tokens/validate", post(validate))
        .route("/v1/Accounts/{account}/Tokens/refresh", post(refresh))
        .fallback(|| async { error(StatusCode::NOT_FOUND, 20404, "The requested resource was not found") })
        .with_state(cloud.clone());
    with_faults(router, &cloud, HttpTarget::Iam)
}

#[derive(Deserialize)]
struct TokenBody {
    token: String,
}

/// The token of a request: `{"token": ...}` as services and Flex UI's refresh send it, or the form `Token=...` as
/// Flex UI's check of a login sends it. A token needs no unescaping.
pub(crate) fn token_of(body: &[u8]) -> Option<String> {
    if let Ok(TokenBody { token }) = serde_json::from_slice(body) {
        return Some(token);
    }
    let form = std::str::from_utf8(body).ok()?;
    form.split('&').find_map(|pair| pair.strip_prefix("Token=")).map(str::to_owned)
}

async fn validate(
    State(cloud): State<FlexCloud>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(caller) = caller(&headers) else {
        cloud.log_iam("validate.unauthorized", json!({}));
        return error(StatusCode::UNAUTHORIZED, 20003, "Authenticate");
    };
    if let Some(response) = wrong_account(&account, "validate") {
        cloud.log_iam("validate.wrong_account", json!({ "account": account }));
        return response;
    }
    let token = match caller {
        Caller::Server => token_of(&body),
        Caller::Browser { token } => Some(token),
    };
    let Some(token) = token else {
        return error(StatusCode::BAD_REQUEST, 20001, "Missing required parameter token in the post body");
    };
    let validation = Validation::of(&cloud.check_token(&token), cloud.roles());
    cloud.log_iam("validate", json!({ "valid": validation.valid, "code": validation.code }));
    // Inferred: that an invalid token is answered with status 200; Twilio's own library ignores the status.
    Json(validation).into_response()
}

async fn refresh(State(cloud): State<FlexCloud>, Path(account): Path<String>, body: Bytes) -> Response {
    if let Some(response) = wrong_account(&account, "refresh") {
        return response;
    }
    let token = token_of(&body).unwrap_or_default();
    match cloud.check_token(&token) {
        Ok(_) => {
            cloud.log_iam("refresh", json!({}));
            // Inferred: the old token stays good until its own end.
            Json(cloud.issue_token()).into_response()
        }
        Err(reason) => {
            cloud.log_iam("refresh.refused", json!({ "code": reason.code() }));
            error(StatusCode::UNAUTHORIZED, reason.code(), &reason.to_string())
        }
    }
}

/// The refusal for an account that this is not.
pub(crate) fn wrong_account(account: &str, operation: &str) -> Option<Response> {
    (account != account::ACCOUNT_SID).then(|| {
        let message = format!("The requested resource /Accounts/{account}/Tokens/{operation} was not found");
        error(StatusCode::NOT_FOUND, 20404, &message)
    })
}

/// Who asks by basic authentication: a server with the account's auth token or an API key, or an agent's browser, which
/// says `token` and its Flex token.
enum Caller {
    Server,
    Browser { token: String },
}

/// Whether a server asks, with the account's own credentials.
pub(crate) fn is_server(headers: &HeaderMap) -> bool {
    matches!(caller(headers), Some(Caller::Server))
}

fn caller(headers: &HeaderMap) -> Option<Caller> {
    // Flex UI 2.7 closes a bracket that it has not opened.
    let (user, password) = basic::decoded(basic::encoded(headers)?.trim_end_matches(')'))?;
    match (user.as_str(), password.as_str()) {
        (account::ACCOUNT_SID, account::AUTH_TOKEN)
        | (account::API_KEY_SID, account::API_KEY_SECRET)
        | (account::READING_API_KEY_SID, account::READING_API_KEY_SECRET)
        | (account::VIDEO_API_KEY_SID, account::VIDEO_API_KEY_SECRET) => Some(Caller::Server),
        ("token", token) => Some(Caller::Browser { token: token.to_owned() }),
        _ => None,
    }
}
