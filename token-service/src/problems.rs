//! One file for each route: what it takes, what it answers, what can go wrong.

pub mod admin;
pub mod docs;
pub mod extension;
pub mod generate_token;
pub mod revocations;
pub mod voice_token;

use protocol::token::TokenErrorCode;
use twilio::flex_token::FlexTokenError;

use crate::{
    http::{MAX_TOKEN_BYTES, problem::Problem},
    mint::Refusal,
    service::ExchangeError,
};

/// Whether a Flex token can look like that.
fn is_plausible(token: &str) -> bool {
    // All bytes are looked at, whatever the first ones are: the compiler then takes many at once.
    let graphic = token.bytes().fold(true, |all, byte| all & byte.is_ascii_graphic());
    graphic && (1..=MAX_TOKEN_BYTES).contains(&token.len())
}

/// The public code of each cause.
const fn code(error: &ExchangeError) -> TokenErrorCode {
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
        ExchangeError::NoRandomness(_) | ExchangeError::Refused(Refusal::NoKey) => TokenErrorCode::Internal,
        ExchangeError::Refused(Refusal::Expiring) => TokenErrorCode::FlexTokenExpiring,
        ExchangeError::Refused(Refusal::Role | Refusal::NotAWorker | Refusal::Identity) => {
            TokenErrorCode::RoleNotAllowed
        }
    }
}

/// Seconds after which the service may be well again whose own fault it was.
const RETRY_AFTER_SECONDS: u64 = 2;

/// When to come again, for what is worth it.
fn with_retry_after(problem: Problem, error: &ExchangeError) -> Problem {
    match error {
        ExchangeError::TooOften { by, wait } => problem.limited(*by, *wait),
        ExchangeError::NotAsked { retry_after, .. }
        | ExchangeError::FlexToken { error: FlexTokenError::Unavailable(_), retry_after } => {
            problem.retry_after(*retry_after)
        }
        _ if problem.code == TokenErrorCode::Internal => problem.retry_after(RETRY_AFTER_SECONDS),
        _ => problem,
    }
}
