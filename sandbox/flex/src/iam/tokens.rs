//! The Flex tokens that were issued, and what a login is given.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::account;

/// Twilio's code for a token that is not one.
pub const INVALID_ACCESS_TOKEN: u32 = 20101;
/// Twilio's code for a token that was one.
pub const ACCESS_TOKEN_EXPIRED: u32 = 20104;

/// What a Flex token says about its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlexUser {
    /// Encoded identity, for example `agent_40example_2Ecom`.
    pub identity: String,
    /// End of the token.
    pub expires: Timestamp,
}

/// Why a Flex token is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Never issued, or revoked.
    #[error("Invalid Access Token")]
    Invalid,
    /// Its time is over.
    #[error("Access Token expired")]
    Expired,
}

impl TokenError {
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::Invalid => INVALID_ACCESS_TOKEN,
            // Inferred: the code is documented, its use by this endpoint is not.
            Self::Expired => ACCESS_TOKEN_EXPIRED,
        }
    }
}

/// The tokens that were issued. Deliberately without `Debug`.
#[derive(Default)]
pub(crate) struct Tokens {
    issued: HashMap<String, FlexUser>,
}

impl Tokens {
    /// Issues a token. It looks like Twilio's (a JWE in compact form), and nobody can read or guess it.
    pub(crate) fn issue(
        &mut self,
        identity: &str,
        life: Duration,
        now: Timestamp,
        random: [u8; 64],
    ) -> (String, FlexUser) {
        let header = URL_SAFE_NO_PAD.encode(r#"{"cty":"twilio-fpa;v=1","alg":"dir","enc":"A256GCM"}"#);
        let (iv, rest) = random.split_at(12);
        let (ciphertext, tag) = rest.split_at(36);
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let token = format!("{header}..{}.{}.{}", part(iv), part(ciphertext), part(tag));
        let life = SignedDuration::try_from(life).unwrap_or(SignedDuration::MAX);
        let expires = now.checked_add(life).unwrap_or(Timestamp::MAX);
        let user = FlexUser { identity: identity.to_owned(), expires };
        self.issued.insert(token.clone(), user.clone());
        (token, user)
    }

    pub(crate) fn check(&self, token: &str, now: Timestamp) -> Result<FlexUser, TokenError> {
        let user = self.issued.get(token).ok_or(TokenError::Invalid)?;
        if user.expires <= now { Err(TokenError::Expired) } else { Ok(user.clone()) }
    }

    pub(crate) fn clear(&mut self) {
        self.issued.clear();
    }

    pub(crate) fn live(&self, now: Timestamp) -> usize {
        self.issued.values().filter(|user| user.expires > now).count()
    }
}

/// The answer of `Tokens/refresh`, and what the host page seeds as login: the shape of Flex UI's `TWILIO_FLEX_SSO`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Login {
    pub(crate) token: String,
    pub(crate) expiration: String,
    pub(crate) identity: String,
    pub(crate) roles: Vec<String>,
    pub(crate) permissions: Value,
    pub(crate) flex_user_sid: &'static str,
    pub(crate) account_sid: &'static str,
}

impl Login {
    pub(crate) fn new(token: String, user: FlexUser, roles: Vec<String>) -> Self {
        Self {
            token,
            expiration: iso(user.expires),
            identity: user.identity,
            roles,
            permissions: json!({}),
            flex_user_sid: account::FLEX_USER_SID,
            account_sid: account::ACCOUNT_SID,
        }
    }
}

/// An instant as Twilio writes it: milliseconds, and `Z`.
pub(crate) fn iso(at: Timestamp) -> String {
    format!("{at:.3}")
}
