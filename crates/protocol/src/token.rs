//! The token service's HTTP contract: `POST /v1/voice/token`.
//!
//! Request: `Authorization: Bearer <Flex token>` and a [`VoiceTokenRequest`]. Answer: 200 with a
//! [`VoiceTokenResponse`], or a status from 400 up with a [`TokenErrorBody`].

use serde::{Deserialize, Serialize};

use kernel::{AccountSid, Identity, IdentityPrefix, Secret};

/// The longest Flex token that anybody takes, in bytes: what fits into the longest message that a page may send. A real one
/// has one to two thousand.
pub const MAX_FLEX_TOKEN: usize = 8 * 1024;

/// Body of the request; may be empty. Nothing in it is believed: the account is proven by asking Twilio about the Flex
/// token as that account, the prefix is compared with the configured one and never used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VoiceTokenRequest {
    /// The account that the Flex token should belong to. A service for several accounts needs it to know which one to
    /// ask Twilio as.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, pattern = "^AC[0-9a-fA-F]{32}$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_sid: Option<AccountSid>,
    /// The prefix that the page expects.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, pattern = "^[a-z0-9]{1,16}_$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_prefix: Option<IdentityPrefix>,
}

/// Body of a 200 answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VoiceTokenResponse {
    /// The identity that the service decided, from the validated Flex token.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[A-Za-z0-9_]{1,121}$"))]
    pub identity: Identity,
    /// The account that the token is for.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^AC[0-9a-fA-F]{32}$"))]
    pub account_sid: AccountSid,
    /// The Voice token, a JWT.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub token: Secret,
    /// Seconds from now until the token expires. Relative, so that the agent's clock does not matter.
    #[cfg_attr(feature = "openapi", schema(minimum = 60, maximum = 86_399))]
    pub expires_in: u64,
    /// The same moment by the service's clock, in ISO 8601, for logs and people. Empty from an older service.
    #[cfg_attr(feature = "openapi", schema(required, format = DateTime))]
    #[serde(default)]
    pub expires_at: String,
    /// Where the Voice client should connect, as `roaming` or `dublin`. Empty from an older service.
    #[cfg_attr(feature = "openapi", schema(required))]
    #[serde(default)]
    pub edge: String,
    /// The region that the token is for, as `us1`. Empty from an older service.
    #[cfg_attr(feature = "openapi", schema(required))]
    #[serde(default)]
    pub region: String,
}

/// What a client reads of the body of an answer from 400 up, an `application/problem+json` (RFC 9457) with more in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct TokenErrorBody {
    /// For code.
    pub code: TokenErrorCode,
    /// For people; never holds a token.
    pub message: String,
    /// Also in the service's log and in the `x-request-id` header.
    pub request_id: String,
}

/// The closed, stable set of error codes of the service.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenErrorCode {
    /// 401: no `Authorization: Bearer`.
    MissingToken,
    /// 400: the body is not a [`VoiceTokenRequest`], or names no account where several are served.
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
    /// 403: an operator has shut this agent out.
    Revoked,
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
    /// The code as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.name()
    }

    /// True when asking again later, with the same Flex token, can help.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::UpstreamUnavailable | Self::Internal | Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_services_answer_is_still_understood() {
        let older = serde_json::json!({
            "identity": "ext_ann", "account_sid": format!("AC{}", "1".repeat(32)), "token": "t", "expires_in": 60,
        });
        let answer: VoiceTokenResponse = serde_json::from_value(older).unwrap();
        assert_eq!((answer.expires_in, answer.edge.as_str(), answer.expires_at.as_str()), (60, "", ""));
    }

    #[test]
    fn a_request_may_say_nothing() {
        assert_eq!(serde_json::from_str::<VoiceTokenRequest>("{}").unwrap(), VoiceTokenRequest::default());
        assert_eq!(serde_json::to_string(&VoiceTokenRequest::default()).unwrap(), "{}");
    }
}
