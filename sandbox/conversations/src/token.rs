//! Whose a client's token is, and until when.

use std::sync::Arc;

use kernel::{AccountSid, Secret, Timestamp};
use twilio::ApiKey;
use twilio::access_token::{VerifyError, verify};

/// Who a token lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    pub identity: String,
    pub expires: Timestamp,
}

/// Why a token lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("Access Token expired")]
    Expired,
    #[error("Access Token invalid")]
    Invalid,
    /// It is good, but not for Conversations, or for another service.
    #[error("No chat grant")]
    NoGrant,
}

impl TokenError {
    /// Status and code, as Twilsock says them.
    ///
    /// Source: 51207 is documented. Inferred: which status goes with what, and that all but expiry is 51130.
    #[must_use]
    pub const fn codes(self) -> (u16, &'static str, u32) {
        match self {
            Self::Expired => (401, "EXPIRED", 51207),
            Self::Invalid => (401, "UNAUTHORIZED", 51130),
            Self::NoGrant => (403, "FORBIDDEN", 51130),
        }
    }
}

/// Looks up who a Flex token belongs to, which is opaque. Asked before any lock of this crate is taken.
pub type FlexTokens = Arc<dyn Fn(&str) -> Result<Bearer, TokenError> + Send + Sync>;

/// Checks a token: an AccessToken with a chat grant of this service, or else a Flex token.
///
/// # Errors
/// [`TokenError`].
pub(crate) fn check(
    token: &Secret,
    (account, service_sid, key): (&AccountSid, &str, &ApiKey),
    flex_tokens: Option<&FlexTokens>,
    now: Timestamp,
) -> Result<Bearer, TokenError> {
    if let Some(flex_tokens) = flex_tokens
        && let Ok(bearer) = flex_tokens(token.expose())
    {
        return Ok(bearer);
    }
    match verify(token.expose(), key, account, now) {
        Ok(verified) => {
            let claims = verified.claims;
            let chat = claims.grants.chat.ok_or(TokenError::NoGrant)?;
            if chat.service_sid.as_deref() != Some(service_sid) {
                return Err(TokenError::NoGrant);
            }
            let expires = Timestamp::from_millis(claims.exp.saturating_mul(1000));
            Ok(Bearer { identity: claims.grants.identity.as_str().to_owned(), expires })
        }
        Err(VerifyError::Expired) => Err(TokenError::Expired),
        // What is no AccessToken at all was meant for Flex, which knows why it is not good.
        Err(VerifyError::Malformed | VerifyError::Header) => match flex_tokens {
            Some(flex_tokens) => flex_tokens(token.expose()),
            None => Err(TokenError::Invalid),
        },
        Err(_) => Err(TokenError::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use kernel::Identity;
    use twilio::ApiKeySid;
    use twilio::access_token::{AccessToken, ChatGrant, Grants};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn account() -> AccountSid {
        AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap()
    }

    fn key(secret: &str) -> ApiKey {
        ApiKey::new(ApiKeySid::new(format!("SK{}", "2".repeat(32))).unwrap(), Secret::new(secret))
    }

    fn token(service_sid: Option<&str>, key: &ApiKey) -> Secret {
        let mut grants = Grants::none(Identity::new("ada").unwrap());
        grants.chat =
            service_sid.map(|sid| ChatGrant { service_sid: Some(sid.to_owned()), ..ChatGrant::default() });
        AccessToken::new(account(), key, Identity::new("ada").unwrap(), NOW)
            .grants(grants)
            .ttl_seconds(60)
            .to_jwt()
    }

    fn checked(token: &Secret, now: Timestamp) -> Result<Bearer, TokenError> {
        let flex: FlexTokens = Arc::new(|token| match token {
            "flex" => Ok(Bearer { identity: "agent".to_owned(), expires: NOW.plus(5) }),
            "old flex" => Err(TokenError::Expired),
            _ => Err(TokenError::Invalid),
        });
        check(token, (&account(), "IS1", &key("secret")), Some(&flex), now)
    }

    #[test]
    fn a_token_says_who_its_client_is_and_until_when() {
        let good = checked(&token(Some("IS1"), &key("secret")), NOW).unwrap();
        assert_eq!((good.identity.as_str(), good.expires), ("ada", NOW.plus(60_000)));
        assert_eq!(checked(&Secret::new("flex"), NOW).unwrap().identity, "agent");
    }

    #[test]
    fn a_token_that_is_not_good_says_why() {
        let good = key("secret");
        for (token, why) in [
            (token(None, &good), TokenError::NoGrant),
            (token(Some("IS2"), &good), TokenError::NoGrant),
            (token(Some("IS1"), &key("other")), TokenError::Invalid),
            (Secret::new("nonsense"), TokenError::Invalid),
            (Secret::new("old flex"), TokenError::Expired),
        ] {
            assert_eq!(checked(&token, NOW), Err(why));
        }
        assert_eq!(checked(&token(Some("IS1"), &good), NOW.plus(60_000)), Err(TokenError::Expired));
    }
}
