//! Checks the access token of somebody who wants to join, or who comes back.
//!
//! Not by `twilio::access_token`, which knows the identities that Holdfast makes: Video lets an identity be any text.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use kernel::{AccountSid, Secret, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use twilio::ApiKey;

use crate::problem::Problem;

/// The longest life of a token, in seconds: 24 hours.
const MAX_TTL_SECONDS: u64 = 86_400;

/// The most characters of an identity. Source: <https://www.twilio.com/docs/video/programmable-video-limits>.
const MAX_IDENTITY: usize = 128;

/// What a good token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who it is.
    pub identity: String,
    /// The one room, by name or SID; any, if there is none.
    pub room: Option<String>,
}

/// Judges a token at a time: a parameter of the machine.
pub type Judge = Box<dyn Fn(&Secret, Timestamp) -> Result<Grant, Problem> + Send>;

#[derive(Deserialize)]
struct Header {
    alg: String,
    cty: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    exp: Option<u64>,
    nbf: Option<u64>,
    #[serde(default)]
    iat: u64,
    #[serde(default)]
    grants: Grants,
}

#[derive(Default, Deserialize)]
struct Grants {
    identity: Option<String>,
    video: Option<VideoGrant>,
}

#[derive(Deserialize)]
struct VideoGrant {
    room: Option<String>,
}

/// Checks a token against the account and its API keys.
///
/// Inferred: the order of the checks. Twilio's own tests show 20103 for a wrong key, 20104 for an old token and 20106
/// for one without a grant; the meaning of each code is documented.
///
/// # Errors
/// The first check that fails.
pub fn check(
    token: &Secret,
    account: &AccountSid,
    keys: &[ApiKey],
    now: Timestamp,
) -> Result<Grant, Problem> {
    let mut parts = token.expose().split('.');
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let header: Header = read(header)?;
    let claims: Claims = read(claims)?;
    if header.alg != "HS256" || header.cty.as_deref() != Some("twilio-fpa;v=1") {
        return Err(Problem::TOKEN_HEADER);
    }
    let key = keys.iter().find(|key| claims.iss.as_deref() == Some(key.sid().as_str()));
    let Some(key) = key.filter(|_| claims.sub.as_deref() == Some(account.as_str())) else {
        return Err(Problem::TOKEN_ISSUER);
    };
    let mut validation = Validation::new(Algorithm::HS256);
    // The crate reads the system's clock for exp and nbf; ours is a parameter, so those two are checked below.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.required_spec_claims.clear();
    let secret = DecodingKey::from_secret(key.secret().expose().as_bytes());
    jsonwebtoken::decode::<Value>(token.expose(), &secret, &validation)
        .map_err(|_other_secret| Problem::TOKEN_SIGNATURE)?;
    let second = now.as_millis() / 1000;
    let exp = claims.exp.unwrap_or(0);
    if second >= exp || exp.saturating_sub(claims.iat.max(1)) > MAX_TTL_SECONDS && claims.iat > 0 {
        return Err(Problem::TOKEN_EXPIRED);
    }
    if claims.nbf.is_some_and(|nbf| second < nbf) {
        return Err(Problem::TOKEN_NOT_YET_VALID);
    }
    let (Some(identity), Some(video)) = (claims.grants.identity, claims.grants.video) else {
        return Err(Problem::TOKEN_GRANTS);
    };
    if identity.is_empty() || identity.chars().count() > MAX_IDENTITY {
        return Err(Problem::IDENTITY_INVALID);
    }
    Ok(Grant { identity, room: video.room.filter(|room| !room.is_empty()) })
}

fn read<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_not_base64| Problem::TOKEN_INVALID)?;
    serde_json::from_slice(&bytes).map_err(|_not_claims| Problem::TOKEN_INVALID)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, encode};
    use serde_json::json;
    use twilio::ApiKeySid;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn account() -> AccountSid {
        AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap()
    }

    fn key() -> ApiKey {
        ApiKey::new(ApiKeySid::new(format!("SK{}", "2".repeat(32))).unwrap(), Secret::new("secret"))
    }

    fn signed(claims: &Value, secret: &str, cty: Option<&str>) -> Secret {
        let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
        header.cty = cty.map(str::to_owned);
        Secret::new(encode(&header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap())
    }

    fn claims() -> Value {
        json!({"jti": "x", "iss": key().sid().as_str(), "sub": account().as_str(), "iat": 1_699_999_000,
               "exp": 1_700_003_600, "grants": {"identity": "Ada Weber", "video": {"room": "chat"}}})
    }

    #[test]
    fn a_good_token_says_who_and_where() {
        let grant = check(&signed(&claims(), "secret", Some("twilio-fpa;v=1")), &account(), &[key()], NOW);
        assert_eq!(grant, Ok(Grant { identity: "Ada Weber".into(), room: Some("chat".into()) }));
    }

    #[test]
    fn each_defect_of_a_token_has_its_code() {
        let code = |token: &Secret| check(token, &account(), &[key()], NOW).unwrap_err().code;
        let with = |path: &str, value: Value| {
            let mut changed = claims();
            *changed.pointer_mut(path).unwrap() = value;
            code(&signed(&changed, "secret", Some("twilio-fpa;v=1")))
        };
        assert_eq!(code(&Secret::new("not a token")), 20101);
        assert_eq!(code(&Secret::new("")), 20101);
        assert_eq!(code(&signed(&claims(), "secret", None)), 20102);
        assert_eq!(with("/iss", json!(format!("SK{}", "9".repeat(32)))), 20103);
        assert_eq!(with("/sub", json!("AC")), 20103);
        assert_eq!(with("/exp", json!(1_700_000_000)), 20104);
        assert_eq!(with("/exp", json!(1_700_000_000 + 2 * 86_400)), 20104);
        assert_eq!(code(&signed(&claims(), "other", Some("twilio-fpa;v=1"))), 20107);
        assert_eq!(with("/grants", json!({"identity": "x"})), 20106);
        assert_eq!(with("/grants", json!({"video": {}})), 20106);
        assert_eq!(with("/grants/identity", json!("x".repeat(129))), 53200);
        let mut later = claims();
        later["nbf"] = json!(1_700_000_001);
        assert_eq!(code(&signed(&later, "secret", Some("twilio-fpa;v=1"))), 20105);
    }
}
