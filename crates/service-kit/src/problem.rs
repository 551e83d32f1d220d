//! An answer from 400 up, before it has its final shape.
//!
//! A route's error says code, words and cause; [`super::scope`], who knows the request id, writes body and log line.
//! The words go to the client; the cause goes to the log. Neither ever holds a token.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use protocol::token::TokenErrorCode;
use serde::Serialize;

use crate::limits::{LimitedBy, Wait};

/// The media type of [`ProblemBody`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// The body of an answer from 400 up: a problem of RFC 9457, with `code`, `message` and `request_id` in it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemBody {
    /// Where the kind of problem is described, relative to this service.
    #[serde(rename = "type")]
    #[schema(example = "/docs#rate_limited")]
    kind: String,
    /// What the code means, always in the same words.
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong this time, for people; never holds a token.
    detail: String,
    /// For code: the closed, stable set.
    #[schema(schema_with = code_schema)]
    code: &'static str,
    /// The same as `detail`.
    message: String,
    /// Also in the service's log and in the `x-request-id` header.
    request_id: String,
    /// Seconds after which asking again can help, as in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    retry_after: Option<u64>,
}

fn code_schema() -> utoipa::openapi::schema::Object {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .enum_values(Some(TokenErrorCode::ALL.map(TokenErrorCode::as_str)))
        .build()
}

/// What each code means, in words that do not depend on the request.
#[must_use]
pub const fn title(code: TokenErrorCode) -> &'static str {
    match code {
        TokenErrorCode::MissingToken => "The request brings no Flex token",
        TokenErrorCode::MalformedRequest => "The request is not understood",
        TokenErrorCode::InvalidFlexToken => "Twilio does not accept the Flex token",
        TokenErrorCode::FlexTokenExpiring => "The Flex token is about to expire",
        TokenErrorCode::WrongAccount => "Another Twilio account",
        TokenErrorCode::WrongPrefix => "Another identity prefix",
        TokenErrorCode::RoleNotAllowed => "The Flex user may have no voice client",
        TokenErrorCode::Revoked => "An operator has shut the Flex user out",
        TokenErrorCode::OriginNotAllowed => "The web origin may not ask",
        TokenErrorCode::RateLimited => "Too many requests",
        TokenErrorCode::UpstreamUnavailable => "Twilio cannot be asked now",
        TokenErrorCode::Internal | TokenErrorCode::Unknown => "The service failed",
    }
}

/// What went wrong, for the client and for the operator.
#[derive(Clone, Debug)]
pub struct Problem {
    /// For code.
    pub code: TokenErrorCode,
    /// For the person at the client.
    pub message: String,
    /// For the operator.
    pub cause: String,
    /// Seconds after which asking again can help.
    pub retry_after: Option<u64>,
    /// What was too much.
    pub limited: Option<LimitedBy>,
}

impl Problem {
    /// With the cause as the words; see [`Problem::hiding`] for causes that are nobody else's business.
    #[must_use]
    pub fn new(code: TokenErrorCode, cause: impl ToString) -> Self {
        let cause = cause.to_string();
        Self { code, message: cause.clone(), cause, retry_after: None, limited: None }
    }

    /// Says this to the client instead of the cause.
    #[must_use]
    pub fn hiding(mut self, message: &str) -> Self {
        message.clone_into(&mut self.message);
        self
    }

    /// Says what was too much, and until when.
    #[must_use]
    pub fn limited(mut self, by: LimitedBy, wait: Wait) -> Self {
        self.limited = Some(by);
        self.retry_after(wait.seconds())
    }

    /// The body for the request with this id.
    #[must_use]
    pub fn body(self, status: StatusCode, request_id: &str) -> ProblemBody {
        ProblemBody {
            kind: format!("/docs#{}", self.code.as_str()),
            title: title(self.code),
            status: status.as_u16(),
            detail: self.message.clone(),
            code: self.code.as_str(),
            message: self.message,
            request_id: request_id.to_owned(),
            retry_after: self.retry_after,
        }
    }

    /// Says when asking again can help.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// The status of each code, as [`TokenErrorCode`] documents it.
#[must_use]
pub const fn status(code: TokenErrorCode) -> StatusCode {
    match code {
        TokenErrorCode::MissingToken
        | TokenErrorCode::InvalidFlexToken
        | TokenErrorCode::FlexTokenExpiring => StatusCode::UNAUTHORIZED,
        TokenErrorCode::MalformedRequest | TokenErrorCode::WrongPrefix => StatusCode::BAD_REQUEST,
        TokenErrorCode::WrongAccount
        | TokenErrorCode::RoleNotAllowed
        | TokenErrorCode::Revoked
        | TokenErrorCode::OriginNotAllowed => StatusCode::FORBIDDEN,
        TokenErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        TokenErrorCode::UpstreamUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        TokenErrorCode::Internal | TokenErrorCode::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = status(self.code).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if let (Some(by), Some(seconds)) = (self.limited, self.retry_after) {
            let value = format!("\"{}\";r=0;t={seconds}", by.name());
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(super::RATE_LIMIT, value);
            }
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            // RFC 9110 wants it with every 401.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
