//! What can go wrong at `/v1/voice/token`.

use axum::response::{IntoResponse, Response};
use protocol::token::TokenErrorCode;
use service_kit::arriving::{AFTER_CROWD_SECONDS, NoBody};

use crate::{
    bearer::NoBearer,
    problems::{code, problem, with_retry_after},
    service::{ExchangeError, NoAccount},
};

/// What can go wrong here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No `Authorization: Bearer`.
    #[error("{}", NoBearer::Missing)]
    MissingToken,
    /// Several `Authorization`, or one that no Flex token can be.
    #[error("{}", NoBearer::Malformed)]
    MalformedToken,
    /// The body is not the JSON of a [`protocol::token::VoiceTokenRequest`], is too large, or did not arrive in time.
    #[error("the body is not a request for a Voice token")]
    MalformedBody,
    /// Its address is sending too much at once.
    #[error("{}", NoBody::GivenUp)]
    GivenUp,
    /// It is not clear which account the request is for.
    #[error(transparent)]
    NoAccount(#[from] NoAccount),
    /// The page thinks of another prefix.
    #[error("this service uses another identity prefix")]
    WrongPrefix,
    /// The exchange failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

impl From<NoBearer> for RouteError {
    fn from(none: NoBearer) -> Self {
        match none {
            NoBearer::Missing => Self::MissingToken,
            NoBearer::Malformed => Self::MalformedToken,
        }
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let code = match &self {
            Self::MissingToken => TokenErrorCode::MissingToken,
            Self::MalformedToken | Self::MalformedBody | Self::NoAccount(NoAccount::Several) => {
                TokenErrorCode::MalformedRequest
            }
            Self::NoAccount(NoAccount::Unknown) => TokenErrorCode::WrongAccount,
            Self::NoAccount(NoAccount::Origin) => TokenErrorCode::OriginNotAllowed,
            Self::WrongPrefix => TokenErrorCode::WrongPrefix,
            Self::GivenUp => TokenErrorCode::RateLimited,
            Self::Exchange(error) => code(error),
        };
        let problem = problem(code, &self);
        let problem = match &self {
            Self::GivenUp => problem.retry_after(AFTER_CROWD_SECONDS),
            Self::Exchange(error) => with_retry_after(problem, error),
            _ => problem,
        };
        match code {
            TokenErrorCode::InvalidFlexToken => problem.hiding("the Flex token is not valid"),
            TokenErrorCode::UpstreamUnavailable => problem.hiding("Twilio cannot be asked now"),
            TokenErrorCode::Internal => problem.hiding("the service failed"),
            _ => problem,
        }
        .into_response()
    }
}
