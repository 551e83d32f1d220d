//! What is said to the token service, and what its answers mean. The two contracts: ours, and that of the service that it
//! replaces.

use kernel::{Identity, IdentityPrefix, Secret, Timestamp};
use messages::english::{self, Cause};
use protocol::{
    Problem,
    token::{TokenErrorBody, TokenErrorCode, VoiceTokenRequest, VoiceTokenResponse},
};
use wire::json;

use super::{
    command::TokenRequest,
    config::{Config, Share},
    event::FetchOutcome,
    token::VoiceToken,
};

/// The replaced service, a Twilio Function, lives at `…/generateToken` and speaks its own contract.
fn is_legacy(config: &Config) -> bool {
    config.token_url.as_str().ends_with("/generateToken")
}

#[derive(wire::ToTree)]
struct LegacyRequest {
    #[serde(rename = "Token")]
    token: Secret,
    #[serde(rename = "VoiceClientPrefix")]
    prefix: IdentityPrefix,
}

#[derive(wire::FromTree)]
struct LegacyResponse {
    identity: Identity,
    token: Secret,
}

/// What is asked for a Voice token with this Flex token.
pub(super) fn request(config: &Config, flex: &Secret) -> TokenRequest {
    if is_legacy(config) {
        let body = json::write(&LegacyRequest { token: flex.clone(), prefix: config.prefix.clone() });
        return TokenRequest { url: config.token_url.clone(), bearer: None, body: Secret::new(body) };
    }
    let body = json::write(&VoiceTokenRequest {
        account_sid: Some(config.account.clone()),
        identity_prefix: Some(config.prefix.clone()),
    });
    TokenRequest { url: config.token_url.clone(), bearer: Some(flex.clone()), body: Secret::new(body) }
}

/// Why there is no Voice token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Ask again with another Flex token.
    FlexTokenRefused(Cause),
    /// Ask again later.
    Unavailable { cause: Cause, retry_after: Option<u64> },
    /// The Voice token would be for another agent than the page names.
    WrongIdentity,
    /// Somebody has to correct something; ask again now and then.
    Misconfigured(Cause),
}

/// What an answer means.
///
/// # Errors
/// Why there is no Voice token.
pub(super) fn parse_answer(
    config: &Config,
    outcome: &FetchOutcome,
    refresh_at: Share,
    now: Timestamp,
) -> Result<VoiceToken, Failure> {
    match outcome {
        FetchOutcome::TimedOut => {
            Err(Failure::Unavailable { cause: english::TOKEN_SERVICE_SILENT, retry_after: None })
        }
        FetchOutcome::Unreachable => {
            Err(Failure::Unavailable { cause: english::TOKEN_SERVICE_UNREACHABLE, retry_after: None })
        }
        FetchOutcome::TooLong => Err(Failure::Misconfigured(english::ANSWER_TOO_LONG)),
        FetchOutcome::Answer { status: 200, body, .. } => accept(config, body, refresh_at, now),
        FetchOutcome::Answer { status, body, retry_after } => Err(refusal(*status, body, *retry_after)),
    }
}

fn accept(config: &Config, body: &Secret, refresh_at: Share, now: Timestamp) -> Result<VoiceToken, Failure> {
    const NOT_A_TOKEN: Failure = Failure::Misconfigured(english::ANSWER_NO_TOKEN);
    let (identity, token, expires_in) = if is_legacy(config) {
        let answer: LegacyResponse = json::read(body.expose()).ok_or(NOT_A_TOKEN)?;
        (answer.identity, answer.token, None)
    } else {
        let answer: VoiceTokenResponse = json::read(body.expose()).ok_or(NOT_A_TOKEN)?;
        if answer.account_sid != config.account {
            return Err(Failure::Misconfigured(english::TOKEN_FOR_OTHER_ACCOUNT));
        }
        (answer.identity, answer.token, Some(answer.expires_in))
    };
    if token.is_empty() || expires_in == Some(0) {
        return Err(NOT_A_TOKEN);
    }
    // What follows the prefix is the agent's own identity, so it is never empty.
    if identity.as_str().strip_prefix(config.prefix.as_str()).is_none_or(str::is_empty) {
        return Err(Failure::Misconfigured(english::TOKEN_SERVICE_WITH_OTHER_PREFIX));
    }
    let life = expires_in.map(|seconds| seconds.saturating_mul(1_000));
    Ok(VoiceToken {
        token,
        identity,
        fetched_at: now,
        expires_at: life.map(|millis| now.plus(millis)),
        refresh_at: life.map(|millis| now.plus(refresh_at.of_millis(millis))),
        refused: false,
    })
}

fn refusal(status: u16, body: &Secret, retry_after: Option<u64>) -> Failure {
    let code = json::read::<TokenErrorBody>(body.expose()).map(|error| error.code);
    let unavailable = |cause| Failure::Unavailable { cause, retry_after };
    match (status, code) {
        (_, Some(TokenErrorCode::WrongAccount)) => {
            Failure::Misconfigured(english::TOKEN_SERVICE_OF_OTHER_ACCOUNT)
        }
        (_, Some(TokenErrorCode::WrongPrefix)) => {
            Failure::Misconfigured(english::TOKEN_SERVICE_WITH_OTHER_PREFIX)
        }
        (_, Some(TokenErrorCode::OriginNotAllowed)) => Failure::Misconfigured(english::ORIGIN_NOT_ALLOWED),
        (_, Some(TokenErrorCode::RoleNotAllowed)) => Failure::FlexTokenRefused(english::ROLE_NOT_ALLOWED),
        (401 | 403, _) => Failure::FlexTokenRefused(english::FLEX_SESSION_REFUSED),
        (408 | 425 | 429, _) => unavailable(english::TOKEN_SERVICE_BUSY),
        (500..=599, _) => unavailable(english::TOKEN_SERVICE_BROKEN),
        _ => Failure::Misconfigured(english::REQUEST_NOT_UNDERSTOOD),
    }
}

/// The token service and the page do not name the same agent.
pub(super) fn wrong_identity() -> Problem {
    english::OTHER_AGENT.problem(false)
}
