//! Access tokens against Twilio's own library, against another JWT implementation, and against every bad token.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kernel::{AccountSid, Identity, Secret, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use twilio::{
    ApiKey, ApiKeySid, ApplicationSid,
    access_token::{AccessToken, MAX_TTL_SECONDS, OutgoingGrant, VerifyError, VoiceGrant, verify},
};

/// Made by twilio-node 6.2.0 and 3.84.1, which agree: now 1700000000, secret `secret`, ttl 3600, incoming allowed.
const GOLDEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImN0eSI6InR3aWxpby1mcGE7dj0xIn0.eyJqdGkiOiJTSzIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyLTE3MDAwMDAwMDAiLCJncmFudHMiOnsiaWRlbnRpdHkiOiJleHRfYWdlbnRfNDBleGFtcGxlXzJFY29tIiwidm9pY2UiOnsiaW5jb21pbmciOnsiYWxsb3ciOnRydWV9fX0sImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAzNjAwLCJpc3MiOiJTSzIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyIiwic3ViIjoiQUMxMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMSJ9._ubQhD60PE3LeXEE-AUPj9a5VIsmSSPpcRF3VR8kjYY";

/// Made by twilio-node 6.2.0 and 3.84.1: identity `alice`, ttl 60, nbf, region au1, incoming and outgoing allowed.
const GOLDEN_WITH_ALL: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImN0eSI6InR3aWxpby1mcGE7dj0xIiwidHdyIjoiYXUxIn0.eyJqdGkiOiJTSzIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyLTE3MDAwMDAwMDAiLCJncmFudHMiOnsiaWRlbnRpdHkiOiJhbGljZSIsInZvaWNlIjp7ImluY29taW5nIjp7ImFsbG93Ijp0cnVlfSwib3V0Z29pbmciOnsiYXBwbGljYXRpb25fc2lkIjoiQVAzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMyJ9fX0sIm5iZiI6MTcwMDAwMDAwNSwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDAwNjAsImlzcyI6IlNLMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIiLCJzdWIiOiJBQzExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExIn0.HaY8hQePc7lMPUaMeN2wLYwRJJOYAGaU1pPeu3sQuBE";

const SECOND: u64 = 1_700_000_000;

fn account() -> AccountSid {
    AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap()
}

fn key() -> ApiKey {
    ApiKey::new(ApiKeySid::new(format!("SK{}", "2".repeat(32))).unwrap(), Secret::new("secret"))
}

fn identity() -> Identity {
    Identity::new("ext_agent_40example_2Ecom").unwrap()
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

fn golden(key: &ApiKey) -> AccessToken<'_> {
    AccessToken::new(account(), key, identity(), at(SECOND)).voice(VoiceGrant::incoming_only())
}

/// A token with any header and any claims, rightly signed by the other implementation.
fn foreign(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(b"secret")).unwrap()
}

fn header() -> Header {
    Header { cty: Some("twilio-fpa;v=1".into()), ..Header::default() }
}

fn claims() -> Value {
    json!({
        "jti": "any", "grants": {"identity": "alice", "voice": {"incoming": {"allow": true}}},
        "iat": SECOND, "exp": SECOND + 60, "iss": key().sid(), "sub": account(),
    })
}

#[test]
fn a_token_is_byte_for_byte_the_one_that_twilios_library_makes() {
    assert_eq!(golden(&key()).to_jwt().expose(), GOLDEN);
}

#[test]
fn the_golden_token_is_found_good_and_says_who_it_is_for() {
    let verified = verify(GOLDEN, &key(), &account(), at(SECOND)).unwrap();
    assert_eq!(verified.claims.grants.identity, identity());
    assert_eq!(verified.claims.grants.voice, Some(VoiceGrant::incoming_only()));
    assert_eq!(verified.claims.exp, SECOND + 3600);
    assert_eq!(verified.region, None);
}

#[test]
fn a_token_with_everything_set_is_byte_for_byte_twilios_too() {
    let key = key();
    let application_sid = ApplicationSid::new(format!("AP{}", "3".repeat(32))).unwrap();
    let token = AccessToken::new(account(), &key, Identity::new("alice").unwrap(), at(SECOND))
        .voice(VoiceGrant {
            outgoing: Some(OutgoingGrant { application_sid, params: None }),
            ..VoiceGrant::incoming_only()
        })
        .ttl_seconds(60)
        .not_before(SECOND + 5)
        .region("au1");
    assert_eq!(token.to_jwt().expose(), GOLDEN_WITH_ALL);
    let verified = verify(GOLDEN_WITH_ALL, &key, &account(), at(SECOND + 5)).unwrap();
    assert_eq!(&verified.claims, token.claims());
    assert_eq!(verified.region.as_deref(), Some("au1"));
}

#[test]
fn a_token_can_be_named_uniquely() {
    let key = key();
    let name = golden(&key).unique([0xab; 12]).claims().jti.clone();
    assert_eq!(name, format!("{}-1700000000-abababababababababababab", key.sid()));
}

#[test]
fn neither_debug_of_a_token_nor_an_error_shows_the_secret() {
    let key = ApiKey::new(key().sid().clone(), Secret::new("canary"));
    assert!(!format!("{:?}", golden(&key)).contains("canary"));
    assert_eq!(format!("{:?}", golden(&key).to_jwt()), "[secret, 460 bytes]");
}

#[test]
fn a_token_counts_until_its_last_second_and_not_one_longer() {
    let verify_at = |second| verify(GOLDEN, &key(), &account(), at(second)).map(|_| ());
    assert_eq!(verify_at(SECOND + 3599), Ok(()));
    assert_eq!(verify_at(SECOND + 3600), Err(VerifyError::Expired));

    let later = golden(&key()).not_before(SECOND + 5).to_jwt();
    let verify_at = |second| verify(later.expose(), &key(), &account(), at(second)).map(|_| ());
    assert_eq!(verify_at(SECOND + 4), Err(VerifyError::NotYetValid));
    assert_eq!(verify_at(SECOND + 5), Ok(()));
}

#[test]
fn a_token_of_another_secret_key_or_account_is_refused_and_each_is_told_apart() {
    let check =
        |jwt: &str, key: &ApiKey, account: &AccountSid| verify(jwt, key, account, at(SECOND)).unwrap_err();
    let other_secret = ApiKey::new(key().sid().clone(), Secret::new("Secret"));
    assert_eq!(check(GOLDEN, &other_secret, &account()), VerifyError::Signature);
    let other_sid =
        ApiKey::new(ApiKeySid::new(format!("SK{}", "3".repeat(32))).unwrap(), Secret::new("secret"));
    assert_eq!(check(GOLDEN, &other_sid, &account()), VerifyError::IssuerOrSubject);
    let other_account = AccountSid::new(format!("AC{}", "2".repeat(32))).unwrap();
    assert_eq!(check(GOLDEN, &key(), &other_account), VerifyError::IssuerOrSubject);
    assert_eq!(VerifyError::Signature.twilio_code(), 20107);
}

#[test]
fn a_token_with_another_header_is_refused_however_well_signed() {
    let good = foreign(&header(), &claims());
    assert!(verify(&good, &key(), &account(), at(SECOND)).is_ok());

    let mut other_algorithm = header();
    other_algorithm.alg = Algorithm::HS512;
    let mut no_content_type = header();
    no_content_type.cty = None;
    for header in [other_algorithm, no_content_type, Header::default()] {
        let jwt = foreign(&header, &claims());
        assert_eq!(verify(&jwt, &key(), &account(), at(SECOND)), Err(VerifyError::Header));
    }
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT","cty":"twilio-fpa;v=1"}"#);
    let unsigned = format!("{none}.{}.", good.split('.').nth(1).unwrap());
    assert_eq!(verify(&unsigned, &key(), &account(), at(SECOND)), Err(VerifyError::Header));
}

#[test]
fn a_token_that_lacks_what_it_must_say_is_refused() {
    for field in ["jti", "grants", "iat", "exp", "iss", "sub"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(field);
        let jwt = foreign(&header(), &claims);
        assert_eq!(verify(&jwt, &key(), &account(), at(SECOND)), Err(VerifyError::Malformed), "{field}");
    }
    for (field, value) in [
        ("grants", json!({"identity": "client:alice"})),
        ("grants", json!({"identity": ["alice"]})),
        ("exp", json!("tomorrow")),
        ("exp", json!(-1)),
    ] {
        let mut claims = claims();
        claims[field] = value;
        let jwt = foreign(&header(), &claims);
        assert_eq!(verify(&jwt, &key(), &account(), at(SECOND)), Err(VerifyError::Malformed), "{field}");
    }
}

#[test]
fn a_token_without_a_voice_grant_is_good_but_grants_nothing() {
    let mut claims = claims();
    claims["grants"] = json!({"identity": "alice", "chat": {"service_sid": "IS1"}});
    let verified = verify(&foreign(&header(), &claims), &key(), &account(), at(SECOND)).unwrap();
    assert_eq!(verified.claims.grants.voice, None);
    claims["grants"] = json!({"identity": "alice", "voice": {"incoming": {"allow": false}}});
    let verified = verify(&foreign(&header(), &claims), &key(), &account(), at(SECOND)).unwrap();
    assert_eq!(verified.claims.grants.voice, Some(VoiceGrant::default()));
}

#[test]
fn a_token_that_lives_longer_than_a_day_is_refused() {
    let mut claims = claims();
    claims["exp"] = json!(SECOND + 86_400);
    assert!(verify(&foreign(&header(), &claims), &key(), &account(), at(SECOND)).is_ok());
    claims["exp"] = json!(SECOND + 86_401);
    assert_eq!(
        verify(&foreign(&header(), &claims), &key(), &account(), at(SECOND)),
        Err(VerifyError::LivesTooLong)
    );
}

proptest! {
    #[test]
    fn any_token_that_we_mint_verifies_and_lives_no_longer_than_allowed(
        identity in "[A-Za-z0-9_]{1,121}",
        second in 0..10_000_000_000_u64,
        ttl in any::<u64>(),
        random in any::<[u8; 12]>(),
        secret in "[ -~]{1,64}",
    ) {
        let key = ApiKey::new(key().sid().clone(), Secret::new(secret));
        let identity = Identity::new(identity).unwrap();
        let token = AccessToken::new(account(), &key, identity.clone(), at(second))
            .voice(VoiceGrant::incoming_only())
            .ttl_seconds(ttl)
            .unique(random);
        prop_assert!(token.claims().exp - token.claims().iat <= MAX_TTL_SECONDS);
        match verify(token.to_jwt().expose(), &key, &account(), at(second)) {
            Ok(verified) => prop_assert_eq!(&verified.claims, token.claims()),
            Err(error) => prop_assert!(ttl == 0 && error == VerifyError::Expired),
        }
    }

    #[test]
    fn no_text_whatever_is_taken_for_a_token_or_panics(jwt in "\\PC*") {
        prop_assert!(verify(&jwt, &key(), &account(), at(SECOND)).is_err());
    }

    #[test]
    fn a_token_with_one_character_changed_is_refused(index in 0..GOLDEN.len(), with in "[A-Za-z0-9_.-]") {
        let mut changed = GOLDEN.to_owned();
        changed.replace_range(index..=index, &with);
        prop_assume!(changed != GOLDEN);
        prop_assert!(verify(&changed, &key(), &account(), at(SECOND)).is_err());
    }
}
