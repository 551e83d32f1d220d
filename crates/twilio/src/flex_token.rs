//! Whose Flex token is this? Asks Twilio, who alone can tell: to us the token is opaque.
//!
//! `POST {base}/v1/Accounts/{AC}/Tokens/validate` with `{"token": "…"}` and Basic authentication. The endpoint is not
//! in Twilio's OpenAPI description; it is what Twilio's own `twilio-flex-token-validator` (1.5.8, 1.6.0) calls, and the
//! shapes below are those of its documentation. That library has no timeout, no size limit and ignores the status;
//! here an answer counts as "valid" only when all of it says so, and everything that is not understood is
//! [`FlexTokenError::Unavailable`].

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use kernel::{AccountSid, Identity, Secret, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

pub use crate::http::{CONNECT_TIMEOUT, HttpClient, NoCertificates};
use crate::{ApiKey, WorkerSid};

/// Where Twilio validates tokens. Regional accounts use `https://iam.{realm}.twilio.com`.
pub const DEFAULT_BASE_URL: &str = "https://iam.twilio.com";

/// How long the whole question may take: both attempts, and the last byte of the answer.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest answer that is read. A real one has less than 1 KiB.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// What we authenticate with to Twilio.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    password: Secret,
}

impl Credentials {
    /// The account's own auth token.
    #[must_use]
    pub fn auth_token(account_sid: &AccountSid, auth_token: Secret) -> Self {
        Self { user: account_sid.to_string(), password: auth_token }
    }

    /// An API key of the account. Twilio's validator does this since 1.6.0 when it has no auth token.
    #[must_use]
    pub fn api_key(key: &ApiKey) -> Self {
        Self { user: key.sid().to_string(), password: key.secret().clone() }
    }
}

impl Credentials {
    /// For the header `Authorization` of a request (Basic authentication), which must go to Twilio.
    #[must_use]
    pub fn basic(&self) -> HeaderValue {
        let both = Secret::new(format!("{}:{}", self.user, self.password.expose()));
        let value = Secret::new(format!("Basic {}", STANDARD.encode(both.expose())));
        // Base64 has no character that a header may not have.
        let mut value = HeaderValue::from_str(value.expose()).unwrap_or(HeaderValue::from_static("Basic"));
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Whom a Flex token belongs to, as Twilio says. What is malformed is left out: it can only mean fewer rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlexUser {
    /// The user's own client identity, as `agent_40example_2Ecom`. `None` when absent or none that Voice allows.
    pub identity: Option<Identity>,
    /// The user's roles, as `admin`, `agent`, `supervisor`; in that order, each once.
    pub roles: Vec<String>,
    /// The user's TaskRouter worker. `None` for a user who is none.
    pub worker_sid: Option<WorkerSid>,
    /// When the Flex token ends, by Twilio's clock.
    pub expires_at: Timestamp,
}

/// Why there is no [`FlexUser`]. Never holds a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlexTokenError {
    /// The token is not valid, or not any more. Final: a new token is needed.
    #[error("the Flex token is not valid: {message}")]
    Invalid {
        /// Twilio's code, 20101 as a rule.
        code: Option<i64>,
        /// Twilio's words, cut to 200 characters.
        message: String,
    },
    /// Twilio knows no such token of this account: it belongs to another, or the account SID is wrong.
    #[error("the Flex token is not of this account")]
    WrongAccount,
    /// Twilio refuses *our* credentials. Final until the configuration is put right.
    #[error("Twilio refuses our own credentials (HTTP {status})")]
    CredentialsRefused {
        /// 401 or 403.
        status: u16,
    },
    /// Twilio could not be asked, or its answer not be understood. Asking again later can help.
    #[error("Flex tokens cannot be validated now: {0}")]
    Unavailable(Unavailable),
}

/// What kept Twilio's answer from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No connection, twice.
    #[error("no connection")]
    Connect,
    /// The connection broke.
    #[error("connection lost")]
    Transport,
    /// No complete answer within [`TOTAL_TIMEOUT`].
    #[error("no answer in time")]
    Timeout,
    /// 429: Twilio is asked too often.
    #[error("HTTP 429")]
    TooManyRequests {
        /// `Retry-After`, in seconds, if Twilio says one.
        retry_after: Option<u64>,
    },
    /// A status that says nothing about the token.
    #[error("HTTP {0}")]
    Status(u16),
    /// More than [`MAX_ANSWER_BYTES`].
    #[error("answer too large")]
    TooLarge,
    /// Not the JSON that was expected.
    #[error("answer not understood")]
    NotUnderstood,
}

/// The base URL of [`Validator`] is no `https` URL, nor an `http` one to a loopback address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid base URL (https://host[/path]; http only to a loopback address)")]
pub struct InvalidBaseUrl;

/// The client that [`Validator`] counts on: redirects are not followed, since the credentials must go nowhere else. The
/// usual proxy variables of the environment apply, but not to a loopback `base_url`, which no proxy could reach.
///
/// # Errors
/// [`NoCertificates`].
pub fn http_client(base_url: &str) -> Result<HttpClient, NoCertificates> {
    HttpClient::new(!is_on_this_machine(base_url))
}

/// True for the URL of a loopback address.
#[must_use]
pub fn is_on_this_machine(base_url: &str) -> bool {
    Url::parse(base_url).is_ok_and(|url| is_loopback(&url))
}

/// True when credentials may travel to this base URL: `https`, or `http` on this machine, and nothing else in it.
#[must_use]
pub fn is_safe_base_url(base_url: &str) -> bool {
    Url::parse(base_url).is_ok_and(|url| is_safe(&url))
}

fn is_safe(url: &Url) -> bool {
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost"
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// Asks Twilio about Flex tokens of one account.
#[derive(Clone, Debug)]
pub struct Validator {
    http: HttpClient,
    endpoint: Uri,
    /// Shows nothing in `Debug`.
    authorization: HeaderValue,
}

/// `{"token":"…"}`. What needs no escapes is not searched for them byte by byte; no real token does.
fn question(token: &str) -> Vec<u8> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if token.bytes().fold(true, |all, byte| all & plain(byte)) {
        format!("{{\"token\":\"{token}\"}}").into_bytes()
    } else {
        // A string: JSON cannot fail.
        serde_json::to_vec(&serde_json::json!({ "token": token })).unwrap_or_default()
    }
}

impl Validator {
    /// For the tokens of one account.
    ///
    /// # Errors
    /// [`InvalidBaseUrl`]: the credentials travel to it, so it must be `https`, or stay on this machine.
    pub fn new(
        http: HttpClient,
        base_url: &str,
        account_sid: &AccountSid,
        credentials: &Credentials,
    ) -> Result<Self, InvalidBaseUrl> {
        let endpoint =
            format!("{}/v1/Accounts/{account_sid}/Tokens/validate", base_url.trim_end_matches('/'));
        let endpoint = Url::parse(&endpoint).map_err(|_cause| InvalidBaseUrl)?;
        if !is_safe(&endpoint) {
            return Err(InvalidBaseUrl);
        }
        let endpoint = endpoint.as_str().parse().map_err(|_cause| InvalidBaseUrl)?;
        Ok(Self { http, endpoint, authorization: credentials.basic() })
    }

    /// Asks. Takes at most [`TOTAL_TIMEOUT`]; tries again once if, and only if, no connection came about, since then
    /// nothing was sent.
    ///
    /// # Errors
    /// [`FlexTokenError`].
    pub async fn validate(&self, token: &Secret) -> Result<FlexUser, FlexTokenError> {
        tokio::time::timeout(TOTAL_TIMEOUT, async {
            match self.ask(token).await {
                Err(FlexTokenError::Unavailable(Unavailable::Connect)) => self.ask(token).await,
                other => other,
            }
        })
        .await
        .unwrap_or(Err(FlexTokenError::Unavailable(Unavailable::Timeout)))
    }

    async fn ask(&self, token: &Secret) -> Result<FlexUser, FlexTokenError> {
        let mut request = Request::new(Full::new(Bytes::from(question(token.expose()))));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        headers.reserve(6);
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answered = self.http.request(request).await.map_err(|error| {
            let why = if error.is_connect() { Unavailable::Connect } else { Unavailable::Transport };
            FlexTokenError::Unavailable(why)
        })?;
        let (head, body) = answered.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| {
            FlexTokenError::Unavailable(if error.is::<LengthLimitError>() {
                Unavailable::TooLarge
            } else {
                Unavailable::Transport
            })
        })?;
        match read_answer(head.status, &body.to_bytes(), token) {
            Err(FlexTokenError::Unavailable(Unavailable::TooManyRequests { .. })) => {
                let retry_after = head.headers.get(header::RETRY_AFTER);
                // The other form, a date, is not worth a clock here.
                let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
                Err(FlexTokenError::Unavailable(Unavailable::TooManyRequests { retry_after }))
            }
            other => other,
        }
    }
}

/// The fields that matter; each of any JSON type, because one odd field must not hide what the others say.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    valid: Option<bool>,
    code: Value,
    message: Value,
    expiration: Value,
    identity: Value,
    roles: Value,
    worker_sid: Value,
}

/// What Twilio's answer to the question about `token` says.
///
/// # Errors
/// [`FlexTokenError`].
pub fn read_answer(status: StatusCode, body: &[u8], token: &Secret) -> Result<FlexUser, FlexTokenError> {
    // As text: what serde_json passes over in bytes need not be any.
    let answer = std::str::from_utf8(body).ok().and_then(|text| serde_json::from_str::<Answer>(text).ok());
    // Inferred: Twilio's validator looks at `valid` and never at the status, so a refusal may come with any 4xx.
    if let Some(answer) = &answer
        && answer.valid == Some(false)
        && (status.is_success() || status.is_client_error())
    {
        let code = answer.code.as_i64();
        return Err(FlexTokenError::Invalid { code, message: words(&answer.message, token) });
    }
    match status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(FlexTokenError::CredentialsRefused { status: status.as_u16() });
        }
        StatusCode::NOT_FOUND => return Err(FlexTokenError::WrongAccount),
        StatusCode::TOO_MANY_REQUESTS => {
            return Err(FlexTokenError::Unavailable(Unavailable::TooManyRequests { retry_after: None }));
        }
        other => return Err(FlexTokenError::Unavailable(Unavailable::Status(other.as_u16()))),
    }
    let not_understood = FlexTokenError::Unavailable(Unavailable::NotUnderstood);
    let Some(answer) = answer.filter(|answer| answer.valid == Some(true)) else { return Err(not_understood) };
    // Without an end, a token minted from it could outlive it.
    let Some(expires_at) = answer.expiration.as_str().and_then(instant) else { return Err(not_understood) };
    let roles = answer.roles.as_array().into_iter().flatten();
    let mut roles: Vec<String> = roles.filter_map(|role| role.as_str().map(ToOwned::to_owned)).collect();
    roles.sort_unstable();
    roles.dedup();
    Ok(FlexUser {
        identity: answer.identity.as_str().and_then(|text| Identity::new(text).ok()),
        roles,
        worker_sid: answer.worker_sid.as_str().and_then(|text| WorkerSid::new(text).ok()),
        expires_at,
    })
}

fn instant(iso_8601: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = iso_8601.parse().ok()?;
    u64::try_from(instant.as_millisecond()).ok().map(Timestamp::from_millis)
}

/// Twilio's message, fit to be shown: bounded, printable, and never with the token in it.
fn words(message: &Value, token: &Secret) -> String {
    const DEFAULT: &str = "Invalid Access Token";
    match message.as_str() {
        Some(text) if !text.is_empty() && (token.is_empty() || !text.contains(token.expose())) => {
            text.chars().filter(|c| !c.is_control()).take(200).collect()
        }
        _ => DEFAULT.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_question_is_json_whatever_the_token_is(token in "[ -~]{0,40}|\\PC{0,40}|[A-Za-z0-9._-]{0,40}") {
            let asked: Value = serde_json::from_slice(&question(&token)).unwrap();
            prop_assert_eq!(asked, serde_json::json!({ "token": token }));
        }
    }
}
