//! One file for each route: what it takes, what it answers, what can go wrong.

pub mod admin;
pub mod generate_token;
pub mod voice_token;

use protocol::token::TokenErrorCode;
use twilio::flex_token::FlexTokenError;

use crate::{mint::Refusal, service::ExchangeError};

/// Seconds after which Twilio, or we, may be well again.
const RETRY_AFTER_SECONDS: u64 = 2;

/// The public code of each cause.
const fn code(error: &ExchangeError) -> TokenErrorCode {
    match error {
        ExchangeError::TooOften(_) => TokenErrorCode::RateLimited,
        ExchangeError::FlexToken(FlexTokenError::Invalid { .. }) => TokenErrorCode::InvalidFlexToken,
        ExchangeError::FlexToken(FlexTokenError::WrongAccount) => TokenErrorCode::WrongAccount,
        ExchangeError::FlexToken(FlexTokenError::Unavailable(_)) => TokenErrorCode::UpstreamUnavailable,
        // Our configuration is wrong, which the client can do nothing about.
        ExchangeError::FlexToken(FlexTokenError::CredentialsRefused { .. })
        | ExchangeError::NoRandomness(_) => TokenErrorCode::Internal,
        ExchangeError::Refused(Refusal::Expiring) => TokenErrorCode::FlexTokenExpiring,
        ExchangeError::Refused(Refusal::Role | Refusal::NotAWorker | Refusal::Identity) => {
            TokenErrorCode::RoleNotAllowed
        }
    }
}
