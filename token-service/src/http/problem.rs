//! An answer from 400 up, before it has its final shape.
//!
//! A route's error says code, words and cause; [`super::scope`], who knows the request id, writes body and log line.
//! The words go to the client; the cause goes to the log. Neither ever holds a token.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use protocol::token::TokenErrorCode;

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
}

impl Problem {
    /// With the cause as the words; see [`Problem::hiding`] for causes that are nobody else's business.
    #[must_use]
    pub fn new(code: TokenErrorCode, cause: impl ToString) -> Self {
        let cause = cause.to_string();
        Self { code, message: cause.clone(), cause, retry_after: None }
    }

    /// Says this to the client instead of the cause.
    #[must_use]
    pub fn hiding(mut self, message: &str) -> Self {
        message.clone_into(&mut self.message);
        self
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
        TokenErrorCode::WrongAccount | TokenErrorCode::RoleNotAllowed | TokenErrorCode::OriginNotAllowed => {
            StatusCode::FORBIDDEN
        }
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
        if response.status() == StatusCode::UNAUTHORIZED {
            // RFC 9110 wants it with every 401.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
