//! The two tokens that there are: what a page sent, and what the token service minted for it.

use kernel::{Identity, Secret, Timestamp};
use serde::{Deserialize, Serialize};

use super::sign_in::TokenDigest;

/// A Flex token that a page sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct HeldFlexToken {
    /// The token, opaque.
    pub token: Secret,
    pub digest: TokenDigest,
    /// Whose it is, as its page says.
    pub agent: Option<Identity>,
    /// When it expires, as the page says.
    pub expires_at: Timestamp,
    /// True once the token service has refused it.
    pub refused: bool,
}

/// A Voice token that the token service minted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct VoiceToken {
    /// The token, a JWT.
    pub token: Secret,
    /// Whom it is for: the service's decision.
    pub identity: Identity,
    /// When it came.
    pub fetched_at: Timestamp,
    /// When it expires, by this machine's clock; unknown for the replaced service's tokens.
    pub expires_at: Option<Timestamp>,
    /// When to fetch the next one.
    pub refresh_at: Option<Timestamp>,
    /// True once the gateway has refused it.
    pub refused: bool,
}

impl VoiceToken {
    /// True while the gateway should take it.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        !self.refused && self.expires_at.is_none_or(|at| at > now)
    }

    pub(super) fn wants_successor(&self, now: Timestamp) -> bool {
        !self.is_good(now) || self.refresh_at.is_some_and(|at| at <= now)
    }
}
