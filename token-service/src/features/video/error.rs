//! What can go wrong at `/v1/video`.

use std::time::Duration;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use protocol::video::VideoErrorCode;
use service_kit::{
    Kind, Problem,
    arriving::{AFTER_CROWD_SECONDS, NoBody},
    limits::Wait,
};
use twilio::{flex_token::FlexTokenError, rest::RestError};

use crate::{
    bearer::NoBearer,
    limits::LimitedBy,
    service::{ExchangeError, NoAccount},
    twilio_api::NoAnswer,
    video::{session::NotSeated, sessions::VideoError, store::StoreError},
};

/// What can go wrong here.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// No Flex token.
    #[error(transparent)]
    NoBearer(#[from] NoBearer),
    /// The query is none.
    #[error("the query is not understood")]
    MalformedQuery,
    /// The body is not the JSON that it should be, is too large, or did not arrive in time.
    #[error("the body is not understood")]
    MalformedBody,
    /// Its address is sending too much at once.
    #[error("{}", NoBody::GivenUp)]
    GivenUp,
    /// It is not clear which account the request is for.
    #[error(transparent)]
    NoAccount(#[from] NoAccount),
    /// It is not known whose the Flex token is, or they are shut out.
    #[error(transparent)]
    NoUser(#[from] ExchangeError),
    /// The Flex user is no worker.
    #[error("the Flex user is no worker")]
    NotAWorker,
    /// Too often.
    #[error("too many requests")]
    TooOften {
        /// Of whom.
        by: LimitedBy,
        /// For how long.
        wait: Wait,
    },
    /// The path is of no such thing.
    #[error("the path has something in it that is no task")]
    NoSuchPath,
    /// The method does not fit the path.
    #[error("this is not done by that method")]
    Method,
    /// The code is none.
    #[error("no such code")]
    NoSuchCode,
    /// It is not done; so many seconds later it may be.
    #[error("{why}")]
    NotDone {
        /// Why.
        why: VideoError,
        /// When to come again, where that helps.
        retry_after: u64,
    },
}

#[cfg(test)]
impl PartialEq for RouteError {
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// How long to wait at least where it is not known for how long.
const RETRY_AFTER_SECONDS: u64 = 2;

impl RouteError {
    /// Its public code.
    #[must_use]
    pub const fn code(&self) -> VideoErrorCode {
        use VideoErrorCode as Code;
        match self {
            Self::NoBearer(NoBearer::Missing) => Code::MissingToken,
            Self::NoBearer(NoBearer::Malformed)
            | Self::MalformedQuery
            | Self::MalformedBody
            | Self::NoAccount(NoAccount::Several)
            | Self::NotDone { why: VideoError::Text | VideoError::Reason, .. } => Code::MalformedRequest,
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
            Self::GivenUp | Self::TooOften { .. } => Code::RateLimited,
            Self::NoSuchPath | Self::Method | Self::NotDone { why: VideoError::NoTask, .. } => Code::NotFound,
            Self::NoSuchCode => Code::UnknownCode,
            Self::NotDone { why, .. } => code_of(why),
        }
    }
}

const fn code_of(why: &VideoError) -> VideoErrorCode {
    use VideoErrorCode as Code;
    match why {
        VideoError::NoTask => Code::NotFound,
        VideoError::NotSeated(why) => match why {
            NotSeated::UnknownCode => Code::UnknownCode,
            NotSeated::Ended => Code::Ended,
            NotSeated::LinkUsed => Code::LinkUsed,
            NotSeated::Full => Code::RoomFull,
            NotSeated::ConsentNeeded => Code::ConsentNeeded,
        },
        VideoError::UnknownSeat => Code::UnknownCode,
        VideoError::Ended => Code::Ended,
        VideoError::NoText => Code::NoText,
        VideoError::Text | VideoError::Reason => Code::MalformedRequest,
        VideoError::Store(StoreError::NoAnswer(_) | StoreError::Contended) | VideoError::NoRoom => {
            Code::UpstreamUnavailable
        }
        // Our own key, or what it may do, is wrong, which nobody at a page can do anything about.
        VideoError::NoAnswer(NoAnswer::Rest {
            error: RestError::CredentialsRefused { .. } | RestError::Refused { .. } | RestError::BadRequest,
            ..
        }) => Code::Internal,
        VideoError::NoAnswer(_) => Code::UpstreamUnavailable,
        VideoError::Store(StoreError::NotUnderstood) | VideoError::NoRandomness(_) => Code::Internal,
    }
}

/// For how long Twilio will surely not answer.
pub(super) fn wait(why: &VideoError) -> Duration {
    match why {
        VideoError::NoAnswer(no) => no.wait(),
        _ => Duration::ZERO,
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let code = self.code();
        let problem = Problem::new(kind(code), &self);
        let problem = match &self {
            Self::GivenUp => problem.retry_after(AFTER_CROWD_SECONDS),
            Self::TooOften { by, wait } | Self::NoUser(ExchangeError::TooOften { by, wait }) => {
                problem.limited(by.name(), *wait)
            }
            Self::NoUser(
                ExchangeError::NotAsked { retry_after, .. }
                | ExchangeError::FlexToken { error: FlexTokenError::Unavailable(_), retry_after },
            )
            | Self::NotDone { retry_after, .. }
                if *retry_after > 0 =>
            {
                problem.retry_after(*retry_after)
            }
            _ if is_retryable(code) => problem.retry_after(RETRY_AFTER_SECONDS),
            _ => problem,
        };
        match code {
            VideoErrorCode::InvalidFlexToken => problem.hiding("the Flex token is not valid"),
            // Word for word the same for what there is not and for what is not theirs.
            VideoErrorCode::NotFound => problem.hiding("there is no such task of this agent"),
            VideoErrorCode::UnknownCode => problem.hiding("there is no such link or place, or no longer"),
            VideoErrorCode::UpstreamUnavailable => problem.hiding("video cannot be served now"),
            VideoErrorCode::Internal => problem.hiding("the service failed"),
            _ => problem,
        }
        .into_response()
    }
}

/// All that the kit must know of a code.
#[must_use]
pub const fn kind(code: VideoErrorCode) -> Kind {
    Kind { code: code.as_str(), status: status(code), title: title(code), is_retryable: is_retryable(code) }
}

pub(super) const fn is_retryable(code: VideoErrorCode) -> bool {
    use VideoErrorCode as Code;
    matches!(code, Code::RateLimited | Code::UpstreamUnavailable | Code::Internal | Code::Unknown)
}

const fn title(code: VideoErrorCode) -> &'static str {
    use VideoErrorCode as Code;
    match code {
        Code::MissingToken => "The request brings no Flex token",
        Code::MalformedRequest => "The request is not understood",
        Code::InvalidFlexToken => "Twilio does not accept the Flex token",
        Code::WrongAccount => "Another Twilio account",
        Code::NotAllowed => "The Flex user may not ask for this",
        Code::OriginNotAllowed => "The web origin may not ask",
        Code::NotFound => "There is nothing here for this agent",
        Code::UnknownCode => "There is no such link or place",
        Code::Ended => "The session of video is over",
        Code::LinkUsed => "The agent's link was used already",
        Code::RoomFull => "As many are in the room as may be",
        Code::ConsentNeeded => "Whether it may be recorded was not answered",
        Code::NoText => "A text message cannot be sent to this customer",
        Code::RateLimited => "Too many requests",
        Code::UpstreamUnavailable => "Video cannot be served now",
        Code::Internal | Code::Unknown => "The service failed",
    }
}

const fn status(code: VideoErrorCode) -> StatusCode {
    use VideoErrorCode as Code;
    match code {
        Code::MissingToken | Code::InvalidFlexToken => StatusCode::UNAUTHORIZED,
        Code::MalformedRequest => StatusCode::BAD_REQUEST,
        Code::WrongAccount | Code::NotAllowed | Code::OriginNotAllowed => StatusCode::FORBIDDEN,
        Code::NotFound | Code::UnknownCode => StatusCode::NOT_FOUND,
        Code::Ended | Code::LinkUsed | Code::RoomFull | Code::ConsentNeeded | Code::NoText => {
            StatusCode::CONFLICT
        }
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::UpstreamUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal | Code::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
