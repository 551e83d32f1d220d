//! What is said to the token service, and what its answers mean. The two contracts: ours, and that of the service that it
//! replaces.

use kernel::{Identity, IdentityPrefix, Secret, Timestamp};
use protocol::{
    Problem, ProblemCode,
    token::{TokenErrorBody, TokenErrorCode, VoiceTokenRequest, VoiceTokenResponse},
};
use serde::{Deserialize, Serialize};

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

#[derive(Serialize)]
struct LegacyRequest<'a> {
    #[serde(rename = "Token")]
    token: &'a str,
    #[serde(rename = "VoiceClientPrefix")]
    prefix: &'a IdentityPrefix,
}

#[derive(Deserialize)]
struct LegacyResponse {
    identity: Identity,
    token: Secret,
}

/// What is asked for a Voice token with this Flex token.
pub(super) fn request(config: &Config, flex: &Secret) -> TokenRequest {
    // Serialising strings to JSON text cannot fail; an empty body would be answered with 400, and seen.
    let json = |result: serde_json::Result<String>| Secret::new(result.unwrap_or_default());
    if is_legacy(config) {
        let body = serde_json::to_string(&LegacyRequest { token: flex.expose(), prefix: &config.prefix });
        return TokenRequest { url: config.token_url.clone(), bearer: None, body: json(body) };
    }
    let body = serde_json::to_string(&VoiceTokenRequest {
        account_sid: Some(config.account.clone()),
        identity_prefix: Some(config.prefix.clone()),
    });
    TokenRequest { url: config.token_url.clone(), bearer: Some(flex.clone()), body: json(body) }
}

/// Why there is no Voice token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Ask again with another Flex token.
    FlexTokenRefused(&'static str),
    /// Ask again later.
    Unavailable { message: &'static str, retry_after: Option<u64> },
    /// The Voice token would be for another agent than the page names.
    WrongIdentity,
    /// Somebody has to correct something; ask again now and then.
    Misconfigured(&'static str),
}

/// What an answer means.
///
/// # Errors
/// Why there is no Voice token.
pub(super) fn understand(
    config: &Config,
    outcome: &FetchOutcome,
    refresh_at: Share,
    now: Timestamp,
) -> Result<VoiceToken, Failure> {
    match outcome {
        FetchOutcome::TimedOut => Err(Failure::Unavailable {
            message: "The token service did not answer in time. Trying again.",
            retry_after: None,
        }),
        FetchOutcome::Unreachable => Err(Failure::Unavailable {
            message: "The token service cannot be reached. Check the network; trying again.",
            retry_after: None,
        }),
        FetchOutcome::TooLong => Err(Failure::Misconfigured(
            "The token service sent something that is not a token. Check its URL in the Flex plugin's \
             configuration.",
        )),
        FetchOutcome::Answer { status: 200, body, .. } => accept(config, body, refresh_at, now),
        FetchOutcome::Answer { status, body, retry_after } => Err(refusal(*status, body, *retry_after)),
    }
}

fn accept(config: &Config, body: &Secret, refresh_at: Share, now: Timestamp) -> Result<VoiceToken, Failure> {
    const NOT_A_TOKEN: Failure =
        Failure::Misconfigured("The token service's answer is not a Voice token. Check its URL and version.");
    let (identity, token, expires_in) = if is_legacy(config) {
        let answer: LegacyResponse = serde_json::from_str(body.expose()).map_err(|_json| NOT_A_TOKEN)?;
        (answer.identity, answer.token, None)
    } else {
        let answer: VoiceTokenResponse = serde_json::from_str(body.expose()).map_err(|_json| NOT_A_TOKEN)?;
        if answer.account_sid != config.account {
            return Err(Failure::Misconfigured(
                "The token service answered for another Twilio account. Check its URL and its account.",
            ));
        }
        (answer.identity, answer.token, Some(answer.expires_in))
    };
    if token.is_empty() || expires_in == Some(0) {
        return Err(NOT_A_TOKEN);
    }
    // What follows the prefix is the agent's own identity, so it is never empty.
    if identity.as_str().strip_prefix(config.prefix.as_str()).is_none_or(str::is_empty) {
        return Err(Failure::Misconfigured(
            "The token service uses another identity prefix than the Flex plugin. Make the two agree.",
        ));
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
    let code = serde_json::from_str::<TokenErrorBody>(body.expose()).ok().map(|error| error.code);
    let unavailable = |message| Failure::Unavailable { message, retry_after };
    match (status, code) {
        (_, Some(TokenErrorCode::WrongAccount)) => Failure::Misconfigured(
            "The token service belongs to another Twilio account than this Flex. Check the token service \
             URL.",
        ),
        (_, Some(TokenErrorCode::WrongPrefix)) => Failure::Misconfigured(
            "The token service uses another identity prefix than the Flex plugin. Make the two agree.",
        ),
        (_, Some(TokenErrorCode::OriginNotAllowed)) => Failure::Misconfigured(
            "The token service does not allow this extension. Add the extension's origin to its \
             configuration.",
        ),
        (_, Some(TokenErrorCode::RoleNotAllowed)) => Failure::FlexTokenRefused(
            "Your Flex user may not use the voice client. Ask an administrator for the agent role.",
        ),
        (401 | 403, _) => Failure::FlexTokenRefused(
            "The token service does not accept your Flex session. Reload Flex; if it stays so, sign in \
             again.",
        ),
        (408 | 425 | 429, _) => unavailable("The token service is busy. Trying again."),
        (500..=599, _) => unavailable("The token service has a problem of its own. Trying again."),
        _ => Failure::Misconfigured(
            "The token service does not understand the request. Check its URL and version.",
        ),
    }
}

/// The token service and the page do not name the same agent.
pub(super) fn wrong_identity() -> Problem {
    Problem {
        code: ProblemCode::WrongIdentity,
        message:
            "The token service takes this Flex session for another agent's, so no calls are taken. Reload \
                  Flex; if it stays so, tell your administrator."
                .into(),
        retrying: false,
    }
}
