//! Checks the AccessToken of a `listen` as the gateway does.

use kernel::{AccountSid, Identity, Secret, Timestamp};
use twilio::ApiKey;
use twilio::access_token::{VerifyError, verify};

use crate::wire::WireError;

/// What a valid token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who it is.
    pub identity: Identity,
    /// When it ends, seconds since the epoch.
    pub expires_s: u64,
    /// May register for incoming calls.
    pub incoming: bool,
    /// May call out.
    pub outgoing: bool,
}

/// Why a token was refused. The SDK turns the codes into its own: 31204 into 20101, 31205 into 20104, 31201 into 20151.
///
/// Inferred: which of the codes Twilio's gateway sends for which defect. The meanings of the codes are documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not an AccessToken, signed by another secret, not valid yet, or without the claims it must have.
    #[error("Access Token invalid")]
    Invalid,
    /// Past its `exp`.
    #[error("Access Token expired")]
    Expired,
    /// Good, but of another account or key, or without a voice grant.
    #[error("Authentication failed")]
    Forbidden,
    /// Lives longer than 24 hours.
    #[error("Access Token expiration is too long")]
    TooLong,
}

impl TokenError {
    /// The gateway's code.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Invalid => 31204,
            Self::Expired => 31205,
            Self::Forbidden => 31201,
            Self::TooLong => 31207,
        }
    }

    /// As it goes onto the wire.
    #[must_use]
    pub fn to_wire(self) -> WireError {
        WireError { code: self.code(), message: self.to_string() }
    }
}

/// Judges the token of a `listen`. The machine is given one, because there are two kinds of token: AccessTokens, and
/// the opaque Flex token that Flex UI's own client shows.
pub type Judge = Box<dyn Fn(&Secret, Timestamp) -> Result<Grant, TokenError> + Send>;

/// Checks an AccessToken against the account and its API key.
///
/// # Errors
/// [`TokenError`], which says no more of the token than the wire will.
pub fn check(
    token: &Secret,
    account: &AccountSid,
    key: &ApiKey,
    now: Timestamp,
) -> Result<Grant, TokenError> {
    let claims = verify(token.expose(), key, account, now)
        .map_err(|error| match error {
            VerifyError::Expired => TokenError::Expired,
            VerifyError::IssuerOrSubject => TokenError::Forbidden,
            VerifyError::LivesTooLong => TokenError::TooLong,
            _ => TokenError::Invalid,
        })?
        .claims;
    let voice = claims.grants.voice.ok_or(TokenError::Forbidden)?;
    Ok(Grant {
        identity: claims.grants.identity,
        expires_s: claims.exp,
        incoming: voice.incoming,
        outgoing: voice.outgoing.is_some(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    use serde_json::{Value, json};
    use twilio::ApiKeySid;

    use super::*;

    pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    pub(crate) fn account() -> AccountSid {
        AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap()
    }

    pub(crate) fn key() -> ApiKey {
        ApiKey::new(ApiKeySid::new(format!("SK{}", "2".repeat(32))).unwrap(), Secret::new("secret"))
    }

    /// Signed by another library than the one that Holdfast signs with.
    pub(crate) fn signed(claims: &Value, secret: &str) -> Secret {
        let mut header = Header::new(Algorithm::HS256);
        header.cty = Some("twilio-fpa;v=1".into());
        Secret::new(encode(&header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap())
    }

    pub(crate) fn claims(identity: &str, exp: u64) -> Value {
        json!({"jti": "x", "iss": key().sid().as_str(), "sub": account().as_str(), "iat": exp - 3600, "exp": exp,
               "grants": {"identity": identity, "voice": {"incoming": {"allow": true}}}})
    }

    fn checked(token: &Secret) -> Result<Grant, TokenError> {
        check(token, &account(), &key(), NOW)
    }

    #[test]
    fn each_defect_has_its_code() {
        let good = claims("alice", 1_700_003_600);
        let with = |path: &str, value: Value| {
            let mut changed = good.clone();
            *changed.pointer_mut(path).unwrap() = value;
            checked(&signed(&changed, "secret"))
        };
        let grant = checked(&signed(&good, "secret")).unwrap();
        assert_eq!((grant.identity.as_str(), grant.expires_s), ("alice", 1_700_003_600));
        assert!(grant.incoming && !grant.outgoing);
        let code = |result: Result<Grant, TokenError>| result.unwrap_err().code();
        assert_eq!(code(checked(&Secret::new("not a token"))), 31204);
        assert_eq!(code(checked(&Secret::new(""))), 31204);
        assert_eq!(code(checked(&signed(&good, "other"))), 31204);
        assert_eq!(code(with("/grants/identity", json!("client:alice"))), 31204);
        assert_eq!(code(with("/exp", json!(1_700_000_000))), 31205);
        assert_eq!(code(with("/iss", json!(format!("SK{}", "9".repeat(32))))), 31201);
        assert_eq!(code(with("/sub", json!(format!("AC{}", "9".repeat(32))))), 31201);
        assert_eq!(code(with("/grants", json!({"identity": "alice"}))), 31201);
        assert_eq!(code(with("/exp", json!(1_700_000_000 + 2 * 86_400))), 31207);
    }
}
