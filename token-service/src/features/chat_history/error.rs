//! What can go wrong at `/v1/history`.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use protocol::history::HistoryErrorCode;
use service_kit::{Kind, Problem, limits::Wait};
use twilio::{flex_token::FlexTokenError, rest::RestError};

use crate::{
    bearer::NoBearer,
    history::ReadError,
    limits::LimitedBy,
    service::{ExchangeError, NoAccount},
    twilio_api::NoAnswer,
};

/// What can go wrong here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No Flex token.
    #[error(transparent)]
    NoBearer(#[from] NoBearer),
    /// The query is none.
    #[error("the query is not understood")]
    MalformedQuery,
    /// It is not clear which account the request is for.
    #[error(transparent)]
    NoAccount(#[from] NoAccount),
    /// It is not known whose the Flex token is, or they are shut out.
    #[error(transparent)]
    NoUser(#[from] ExchangeError),
    /// The Flex user is no worker.
    #[error("the Flex user is no worker")]
    NotAWorker,
    /// The worker has asked too often.
    #[error("too many requests")]
    TooOften(Wait),
    /// The path is of no such thing.
    #[error("the path has something in it that is no SID")]
    NoSuchPath,
    /// Nothing was read; so many seconds later it may be.
    #[error("{why}")]
    NotRead {
        /// Why.
        why: ReadError,
        /// When to come again, where that helps.
        retry_after: u64,
    },
}

/// How long to wait at least where it is not known for how long.
const RETRY_AFTER_SECONDS: u64 = 2;

impl RouteError {
    /// Its public code.
    #[must_use]
    pub const fn code(&self) -> HistoryErrorCode {
        use HistoryErrorCode as Code;
        match self {
            Self::NoBearer(NoBearer::Missing) => Code::MissingToken,
            Self::NoBearer(NoBearer::Malformed)
            | Self::MalformedQuery
            | Self::NoAccount(NoAccount::Several)
            | Self::NotRead { why: ReadError::Cursor(_), .. } => Code::MalformedRequest,
            Self::NoAccount(NoAccount::Unknown) => Code::WrongAccount,
            Self::NoAccount(NoAccount::Origin) => Code::OriginNotAllowed,
            Self::NoUser(error) => match error {
                ExchangeError::TooOften { .. } => Code::RateLimited,
                ExchangeError::FlexToken { error, .. } => match error {
                    FlexTokenError::Invalid { .. } => Code::InvalidFlexToken,
                    FlexTokenError::WrongAccount => Code::WrongAccount,
                    FlexTokenError::Unavailable(_) => Code::UpstreamUnavailable,
                    FlexTokenError::CredentialsRefused { .. } => Code::Internal,
                },
                ExchangeError::NotAsked { .. } => Code::UpstreamUnavailable,
                ExchangeError::Revoked | ExchangeError::Refused(_) => Code::NotAllowed,
                ExchangeError::NoRandomness(_) => Code::Internal,
            },
            Self::NotAWorker => Code::NotAllowed,
            Self::TooOften(_) => Code::RateLimited,
            Self::NoSuchPath | Self::NotRead { why: ReadError::NoTask | ReadError::NotGiven, .. } => {
                Code::NotFound
            }
            Self::NotRead { why: ReadError::NoAnswer(no), .. } => match no {
                // Our own key, or what it may read, is wrong, which the agent can do nothing about.
                NoAnswer::Rest { error: RestError::CredentialsRefused { .. }, .. } => Code::Internal,
                _ => Code::UpstreamUnavailable,
            },
        }
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let code = self.code();
        let problem = Problem::new(kind(code), &self);
        let problem = match &self {
            Self::TooOften(wait) => problem.limited(LimitedBy::Worker.name(), *wait),
            Self::NoUser(ExchangeError::TooOften { by, wait }) => problem.limited(by.name(), *wait),
            Self::NoUser(
                ExchangeError::NotAsked { retry_after, .. }
                | ExchangeError::FlexToken { error: FlexTokenError::Unavailable(_), retry_after },
            )
            | Self::NotRead { retry_after, .. }
                if *retry_after > 0 =>
            {
                problem.retry_after(*retry_after)
            }
            _ if is_retryable(code) => problem.retry_after(RETRY_AFTER_SECONDS),
            _ => problem,
        };
        match code {
            HistoryErrorCode::InvalidFlexToken => problem.hiding("the Flex token is not valid"),
            // Word for word the same for what there is not and for what is not the agent's.
            HistoryErrorCode::NotFound => {
                problem.hiding("there is nothing here that a task of this agent gives them")
            }
            HistoryErrorCode::UpstreamUnavailable => problem.hiding("Twilio cannot be asked now"),
            HistoryErrorCode::Internal => problem.hiding("the service failed"),
            _ => problem,
        }
        .into_response()
    }
}

/// All that the kit must know of a code.
#[must_use]
pub const fn kind(code: HistoryErrorCode) -> Kind {
    Kind { code: code.as_str(), status: status(code), title: title(code), is_retryable: is_retryable(code) }
}

const fn is_retryable(code: HistoryErrorCode) -> bool {
    use HistoryErrorCode as Code;
    matches!(code, Code::RateLimited | Code::UpstreamUnavailable | Code::Internal | Code::Unknown)
}

const fn title(code: HistoryErrorCode) -> &'static str {
    match code {
        HistoryErrorCode::MissingToken => "The request brings no Flex token",
        HistoryErrorCode::MalformedRequest => "The request is not understood",
        HistoryErrorCode::InvalidFlexToken => "Twilio does not accept the Flex token",
        HistoryErrorCode::WrongAccount => "Another Twilio account",
        HistoryErrorCode::NotAllowed => "The Flex user may not read history",
        HistoryErrorCode::OriginNotAllowed => "The web origin may not ask",
        HistoryErrorCode::NotFound => "There is nothing here for this agent",
        HistoryErrorCode::RateLimited => "Too many requests",
        HistoryErrorCode::UpstreamUnavailable => "Twilio cannot be asked now",
        HistoryErrorCode::Internal | HistoryErrorCode::Unknown => "The service failed",
    }
}

const fn status(code: HistoryErrorCode) -> StatusCode {
    match code {
        HistoryErrorCode::MissingToken | HistoryErrorCode::InvalidFlexToken => StatusCode::UNAUTHORIZED,
        HistoryErrorCode::MalformedRequest => StatusCode::BAD_REQUEST,
        HistoryErrorCode::WrongAccount
        | HistoryErrorCode::NotAllowed
        | HistoryErrorCode::OriginNotAllowed => StatusCode::FORBIDDEN,
        HistoryErrorCode::NotFound => StatusCode::NOT_FOUND,
        HistoryErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        HistoryErrorCode::UpstreamUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        HistoryErrorCode::Internal | HistoryErrorCode::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
