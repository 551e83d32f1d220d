//! What can go wrong, for clients: status and words of each code, and the code of each cause that routes share.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use protocol::token::TokenErrorCode;
use service_kit::{Kind, Problem, concurrency_limit::Failure};
use twilio::flex_token::FlexTokenError;

use crate::{mint::NotMinted, service::ExchangeError};

/// A problem with this code; see [`Problem::new`].
#[must_use]
pub fn problem(code: TokenErrorCode, cause: impl ToString) -> Problem {
    Problem::new(kind(code), cause)
}

/// All that the kit must know of a code.
#[must_use]
pub const fn kind(code: TokenErrorCode) -> Kind {
    Kind { code: code.as_str(), status: status(code), title: title(code), is_retryable: code.is_retryable() }
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

/// What went wrong with a request as such, and after how many seconds the client may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardError {
    /// What went wrong.
    pub failure: Failure,
    /// When to come again.
    pub retry_after: u64,
}

impl IntoResponse for GuardError {
    fn into_response(self) -> Response {
        let code = match self.failure {
            Failure::Busy | Failure::TooSlow => TokenErrorCode::UpstreamUnavailable,
            Failure::Panicked => TokenErrorCode::Internal,
        };
        problem(code, self.failure).retry_after(self.retry_after).into_response()
    }
}

/// The public code of each cause.
#[must_use]
pub const fn code(error: &ExchangeError) -> TokenErrorCode {
    match error {
        ExchangeError::TooOften { .. } => TokenErrorCode::RateLimited,
        ExchangeError::FlexToken { error, .. } => match error {
            FlexTokenError::Invalid { .. } => TokenErrorCode::InvalidFlexToken,
            FlexTokenError::WrongAccount => TokenErrorCode::WrongAccount,
            FlexTokenError::Unavailable(_) => TokenErrorCode::UpstreamUnavailable,
            // Our configuration is wrong, which the client can do nothing about.
            FlexTokenError::CredentialsRefused { .. } => TokenErrorCode::Internal,
        },
        ExchangeError::Revoked => TokenErrorCode::Revoked,
        ExchangeError::NotAsked { .. } => TokenErrorCode::UpstreamUnavailable,
        ExchangeError::NoRandomness(_) | ExchangeError::Refused(NotMinted::NoKey) => TokenErrorCode::Internal,
        ExchangeError::Refused(NotMinted::Expiring) => TokenErrorCode::FlexTokenExpiring,
        ExchangeError::Refused(NotMinted::Role | NotMinted::NotAWorker | NotMinted::Identity) => {
            TokenErrorCode::RoleNotAllowed
        }
    }
}

/// Seconds after which the service may be well again whose own fault it was.
const RETRY_AFTER_SECONDS: u64 = 2;

/// When to come again, for what is worth it.
#[must_use]
pub fn with_retry_after(problem: Problem, error: &ExchangeError) -> Problem {
    match error {
        ExchangeError::TooOften { by, wait } => problem.limited(by.name(), *wait),
        ExchangeError::NotAsked { retry_after, .. }
        | ExchangeError::FlexToken { error: FlexTokenError::Unavailable(_), retry_after } => {
            problem.retry_after(*retry_after)
        }
        _ if problem.kind == kind(TokenErrorCode::Internal) => problem.retry_after(RETRY_AFTER_SECONDS),
        _ => problem,
    }
}
