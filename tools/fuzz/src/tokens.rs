//! What the token service reads of others: tokens, signatures, Twilio's answers.

use std::sync::LazyLock;

use kernel::{AccountSid, Identity, Secret, Timestamp};
use serde_json::Value;
use twilio::{
    ApiKey, ApiKeySid,
    access_token::{self, AccessToken, VoiceGrant},
    flex_token::{self, FlexTokenError},
    signature,
};

const ACCOUNT: &str = "AC11111111111111111111111111111111";
/// 2023-11-14T22:13:20Z.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// In every secret here, and nowhere else.
const CANARY: &str = "canary-c0ffee";

struct Issuer {
    account: AccountSid,
    key: ApiKey,
    /// The only token that it has ever signed.
    good: Secret,
}

static ISSUER: LazyLock<Option<Issuer>> = LazyLock::new(|| {
    let account = AccountSid::new(ACCOUNT).ok()?;
    let key = ApiKey::new(ApiKeySid::new(format!("SK{}", "2".repeat(32))).ok()?, Secret::new(CANARY));
    let good = AccessToken::new(account.clone(), &key, Identity::new("ext_ann").ok()?, NOW)
        .voice(VoiceGrant::incoming_only())
        .to_jwt();
    Some(Issuer { account, key, good })
});

/// Any text as a JWT: only the one that was signed is good. `$` stands for that one, so that changes of it are tried.
pub fn access_token(bytes: &[u8]) {
    let (Some(issuer), Ok(text)) = (&*ISSUER, std::str::from_utf8(bytes)) else { return };
    let jwt = text.replacen('$', issuer.good.expose(), 1);
    match access_token::verify(&jwt, &issuer.key, &issuer.account, NOW) {
        Ok(verified) => {
            assert_eq!(jwt, issuer.good.expose(), "a token that nobody signed");
            assert_eq!(verified.claims.grants.identity.as_str(), "ext_ann");
        }
        Err(error) => assert!(!format!("{error} {error:?}").contains(CANARY)),
    }
}

/// Any URL, parameters and signature, one a line: a signature that we did not make is never good.
pub fn request_signature(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let token = Secret::new(CANARY);
    let mut lines = text.split('\n');
    let (url, given) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let params: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once('=')).take(50).collect();
    let own = signature::sign(&token, url, &params);
    assert_eq!(signature::verify_form(&token, url, &params, &own), Ok(()), "our own signature");
    assert!(signature::verify_form(&token, url, &params, given).is_err(), "a signature that nobody made");
    assert!(signature::verify_body(&token, url, text.as_bytes(), given).is_err());
}

/// A status in the first line, and any body: a token counts as valid only where the answer says so in all its parts,
/// and no error repeats it.
pub fn iam_answer(bytes: &[u8]) {
    let (head, body) = bytes.split_at(bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len()));
    let status = std::str::from_utf8(head).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(200);
    let body = body.get(1..).unwrap_or_default();
    let Ok(code) = http::StatusCode::from_u16(status) else { return };
    match flex_token::read_answer(code, body, &Secret::new(CANARY)) {
        Ok(user) => {
            let said: Value = serde_json::from_slice(body).unwrap_or_default();
            assert_eq!((status, &said["valid"]), (200, &Value::Bool(true)));
            assert!(said["expiration"].is_string());
            assert_eq!(
                user.identity.as_ref().map(Identity::as_str),
                said["identity"].as_str().filter(|_| user.identity.is_some())
            );
        }
        Err(FlexTokenError::Invalid { message, .. }) => {
            assert!(message.chars().count() <= 200 && !message.contains(CANARY) && !message.is_empty());
        }
        Err(_) => {}
    }
}
