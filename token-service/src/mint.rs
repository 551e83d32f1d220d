//! Who may have a Voice token, as whom, and for how long. Pure decisions: no clock, no network, no randomness.
//!
//! The invariants, each with a property test:
//! * the identity is the configured prefix and the identity that Twilio vouches for, whatever a client sends;
//! * the token ends no later than the configured life allows, and, unless the operator wants otherwise, no later than
//!   the Flex token;
//! * no two tokens have the same name (`jti`).

use std::collections::BTreeSet;

use kernel::{AccountSid, Identity, IdentityPrefix, Secret, Timestamp};
use twilio::{
    ApiKey,
    access_token::{AccessToken, VoiceGrant},
    flex_token::FlexUser,
};

/// The Flex token must have this much life left, in seconds. Below it, the Voice token would be of no use: refreshing
/// it takes longer than it lives.
pub const MIN_LIFE_SECONDS: u64 = 60;

/// How long a token lives unless configured otherwise. Nobody can take back a token that is out: for so long, and no longer,
/// can somebody be called who was shut out of Flex.
pub const DEFAULT_LIFE_SECONDS: u64 = 15 * 60;

/// What the operator has decided.
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// The account that tokens are for.
    pub account_sid: AccountSid,
    /// Sign the tokens: the first as a rule, the second while keys are exchanged. At least one.
    pub api_keys: Vec<ApiKey>,
    /// Put before the agent's own identity. Nobody else's identity can begin with it unless an agent's does.
    pub identity_prefix: IdentityPrefix,
    /// A user with one of these roles may have a token.
    pub allowed_roles: BTreeSet<String>,
    /// The longest life of a token, in seconds.
    pub ttl_seconds: u64,
    /// Whether tokens may end later than the Flex token.
    pub outlive_flex_token: bool,
    /// The region that tokens are for; `None` for the default, us1.
    pub region: Option<String>,
    /// Where clients should connect.
    pub edge: String,
}

/// Why a user whose Flex token is valid gets no Voice token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMinted {
    /// None of the user's roles is allowed.
    #[error("the Flex user has no role that may have a voice client")]
    Role,
    /// The user is no TaskRouter worker, so no call could be routed to the client.
    #[error("the Flex user is no worker")]
    NotAWorker,
    /// The user has no identity that a Voice client can have with the prefix before it.
    #[error("the Flex user has no identity that a voice client can have")]
    Identity,
    /// Less than [`MIN_LIFE_SECONDS`] left.
    #[error("the Flex token expires in less than {MIN_LIFE_SECONDS} seconds")]
    Expiring,
    /// No API key to sign with; the settings make sure of one.
    #[error("there is no API key")]
    NoKey,
}

/// A decision in favour: what token is due. [`TokenPolicy::mint`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    pub identity: Identity,
    /// For how long, in seconds.
    pub ttl_seconds: u64,
}

/// A token, made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minted {
    pub identity: Identity,
    pub token: Secret,
    /// The token's name, for the audit trail.
    pub jti: String,
    /// Seconds until it ends.
    pub expires_in: u64,
    /// The second from which on it is not valid any more, since the Unix epoch.
    pub expires_at: u64,
}

impl TokenPolicy {
    /// Decides.
    ///
    /// # Errors
    /// [`NotMinted`].
    pub fn admit(&self, user: &FlexUser, now: Timestamp) -> Result<Admission, NotMinted> {
        if !user.roles.iter().any(|role| self.allowed_roles.contains(role)) {
            return Err(NotMinted::Role);
        }
        if user.worker_sid.is_none() {
            return Err(NotMinted::NotAWorker);
        }
        let own = user.identity.as_ref().ok_or(NotMinted::Identity)?;
        let identity = Identity::new(format!("{}{own}", self.identity_prefix))
            .map_err(|_too_long_with_the_prefix| NotMinted::Identity)?;
        // Whole seconds, rounded so that the token ends before the Flex token does, never after.
        let left = (user.expires_at.as_millis() / 1000).saturating_sub(now.as_millis() / 1000);
        if self.outlive_flex_token && left > 0 {
            return Ok(Admission { identity, ttl_seconds: self.ttl_seconds });
        }
        if left < MIN_LIFE_SECONDS {
            return Err(NotMinted::Expiring);
        }
        Ok(Admission { identity, ttl_seconds: left.min(self.ttl_seconds) })
    }

    /// Makes the token, signed with the `key`th API key. `random` names it, so it must be new each time.
    ///
    /// # Errors
    /// [`NotMinted::NoKey`].
    pub fn mint(
        &self,
        admission: Admission,
        now: Timestamp,
        key: usize,
        random: [u8; 12],
    ) -> Result<Minted, NotMinted> {
        let Admission { identity, ttl_seconds } = admission;
        let key = self.api_keys.get(key).or_else(|| self.api_keys.first()).ok_or(NotMinted::NoKey)?;
        let mut token = AccessToken::new(self.account_sid.clone(), key, identity.clone(), now)
            .voice(VoiceGrant::incoming_only())
            .ttl_seconds(ttl_seconds)
            .unique(random);
        if let Some(region) = &self.region {
            token = token.region(region);
        }
        let claims = token.claims();
        Ok(Minted {
            identity,
            jti: claims.jti.clone(),
            expires_in: claims.exp - claims.iat,
            expires_at: claims.exp,
            token: token.to_jwt(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use twilio::{ApiKeySid, WorkerSid, access_token};

    use super::*;

    fn policy(prefix: &str, ttl_seconds: u64) -> TokenPolicy {
        TokenPolicy {
            account_sid: AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap(),
            api_keys: ["2", "5"].map(key).into(),
            identity_prefix: IdentityPrefix::new(prefix).unwrap(),
            allowed_roles: ["agent", "admin"].map(String::from).into(),
            ttl_seconds,
            outlive_flex_token: false,
            region: None,
            edge: "roaming".into(),
        }
    }

    fn key(digit: &str) -> ApiKey {
        ApiKey::new(ApiKeySid::new(format!("SK{}", digit.repeat(32))).unwrap(), Secret::new(digit))
    }

    fn user(identity: &str, expires_at: u64) -> FlexUser {
        FlexUser {
            identity: Identity::new(identity).ok(),
            roles: ["agent".to_owned()].into(),
            worker_sid: Some(WorkerSid::new(format!("WK{}", "3".repeat(32))).unwrap()),
            expires_at: Timestamp::from_millis(expires_at),
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn the_region_stands_in_the_token() {
        let policy = TokenPolicy { region: Some("au1".into()), ..policy("ext_", 600) };
        let admission = policy.admit(&user("ann", u64::MAX), NOW).unwrap();
        let minted = policy.mint(admission, NOW, 0, [0; 12]).unwrap();
        let verified =
            access_token::verify(minted.token.expose(), &key("2"), &policy.account_sid, NOW).unwrap();
        assert_eq!(verified.region.as_deref(), Some("au1"));
    }

    #[test]
    fn a_token_is_signed_with_the_key_that_is_asked_for() {
        let policy = policy("ext_", 600);
        let admission = policy.admit(&user("ann", u64::MAX), NOW).unwrap();
        for (index, digit) in [(0, "2"), (1, "5"), (2, "2")] {
            let minted = policy.mint(admission.clone(), NOW, index, [0; 12]).unwrap();
            let token =
                access_token::verify(minted.token.expose(), &key(digit), &policy.account_sid, NOW).unwrap();
            assert_eq!(minted.expires_at, token.claims.exp);
        }
    }

    #[test]
    fn if_the_operator_wants_it_tokens_outlive_the_flex_token_but_an_expired_one_gives_none() {
        let policy = TokenPolicy { outlive_flex_token: true, ..policy("ext_", 600) };
        for (left, life) in [(3_600_000, Ok(600)), (5_000, Ok(600)), (0, Err(NotMinted::Expiring))] {
            let admission = policy.admit(&user("ann", NOW.as_millis() + left), NOW);
            assert_eq!(admission.map(|admission| admission.ttl_seconds), life, "{left}");
        }
    }

    #[test]
    fn an_identity_that_is_too_long_with_its_prefix_is_refused_not_cut() {
        let policy = policy("ext_", 600);
        assert!(policy.admit(&user(&"a".repeat(117), u64::MAX), NOW).is_ok());
        assert_eq!(policy.admit(&user(&"a".repeat(118), u64::MAX), NOW), Err(NotMinted::Identity));
    }

    proptest! {
        #[test]
        fn the_identity_is_always_the_configured_prefix_and_the_validated_identity(
            prefix in "[a-z0-9]{1,16}_",
            own in "[A-Za-z0-9_]{1,104}",
        ) {
            let admission = policy(&prefix, 600).admit(&user(&own, u64::MAX), NOW).unwrap();
            prop_assert_eq!(admission.identity.as_str(), format!("{prefix}{own}"));
        }

        #[test]
        fn a_token_never_outlives_the_flex_token_nor_the_configured_life(
            now in 0..4_000_000_000_000_u64,
            left in 0..200_000_000_u64,
            ttl in MIN_LIFE_SECONDS..=access_token::MAX_TTL_SECONDS,
        ) {
            let (policy, at, end) = (policy("ext_", ttl), Timestamp::from_millis(now), now + left);
            match policy.admit(&user("ann", end), at) {
                Ok(admission) => {
                    let minted = policy.mint(admission, at, 0, [7; 12]).unwrap();
                    let token = access_token::verify(
                        minted.token.expose(), &key("2"), &policy.account_sid, at
                    ).unwrap();
                    prop_assert!(token.claims.exp * 1000 <= end);
                    prop_assert!(token.claims.exp - token.claims.iat <= ttl);
                    prop_assert_eq!(token.claims.exp - token.claims.iat, minted.expires_in);
                    prop_assert!(minted.expires_in >= MIN_LIFE_SECONDS);
                }
                Err(refusal) => {
                    prop_assert_eq!(refusal, NotMinted::Expiring);
                    prop_assert!(left < (MIN_LIFE_SECONDS + 1) * 1000);
                }
            }
        }
    }
}
