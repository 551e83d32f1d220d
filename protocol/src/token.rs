//! The token service's HTTP contract: `POST /v1/voice/token`.
//!
//! Request: `Authorization: Bearer <Flex token>` and a [`VoiceTokenRequest`]. Answer: 200 with a
//! [`VoiceTokenResponse`], or a status from 400 up with a [`TokenErrorBody`].

use serde::{Deserialize, Serialize};

use crate::{AccountSid, Identity, IdentityPrefix, Secret};

/// Body of the request. Everything in it is checked against the service's own configuration and never used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceTokenRequest {
    /// The account that the Flex token should belong to.
    pub account_sid: AccountSid,
    /// The prefix that the page expects.
    pub identity_prefix: IdentityPrefix,
}

/// Body of a 200 answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceTokenResponse {
    /// The identity that the service decided, from the validated Flex token.
    pub identity: Identity,
    /// The account that the token is for.
    pub account_sid: AccountSid,
    /// The Voice token, a JWT.
    pub token: Secret,
    /// Seconds from now until the token expires. Relative, so that the agent's clock does not matter.
    pub expires_in: u64,
}

/// Body of an answer from 400 up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenErrorBody {
    /// For code.
    pub code: TokenErrorCode,
    /// For people; never holds a token.
    pub message: String,
    /// Also in the service's log and in the `x-request-id` header.
    pub request_id: String,
}

/// The closed, stable set of error codes of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenErrorCode {
    /// 401: no `Authorization: Bearer`.
    MissingToken,
    /// 400: the body is not a [`VoiceTokenRequest`].
    MalformedRequest,
    /// 401: the Flex token is not valid (any more).
    InvalidFlexToken,
    /// 401: the Flex token has less than a minute to live; refresh it first.
    FlexTokenExpiring,
    /// 403: the Flex token is for another account, or the request names another than the service's.
    WrongAccount,
    /// 400: the request names another prefix than the service's.
    WrongPrefix,
    /// 403: the Flex user has no role that may have a voice client, or is no worker.
    RoleNotAllowed,
    /// 403: the request comes from a web origin that is not configured.
    OriginNotAllowed,
    /// 429: too many requests; `Retry-After` says when.
    RateLimited,
    /// 503: Twilio could not be asked; `Retry-After` says when.
    UpstreamUnavailable,
    /// 500: the service's own fault.
    Internal,
    /// A code that this build does not know.
    #[serde(other)]
    Unknown,
}

impl TokenErrorCode {
    /// True when asking again later, with the same Flex token, can help.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::UpstreamUnavailable | Self::Internal | Self::Unknown)
    }
}
