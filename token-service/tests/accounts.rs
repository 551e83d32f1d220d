//! Several accounts in one service: which one a request is for, and that no one's token is good for another's.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod support;

use axum::{body::Body, http::Request};
use kernel::{AccountSid, Secret};
use serde_json::json;
use service_kit::env::Clock as _;
use support::{Answer, TestService, builder, hours, valid};
use twilio::{ApiKey, ApiKeySid, access_token};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{basic_auth, path},
};

const DESK: &str = "https://desk.example";
const SHOP: &str = "https://shop.example";
const BOTH: &str = "https://both.example";

const FILE: &str = r#"
validation_cache_seconds = 30
[[account]]
account_sid = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
iam_base_url = "{iam}"
allowed_origins = ["https://desk.example", "https://both.example"]
[[account.api_key]]
sid = "SKaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
secret_file = "{secret}"
[[account.api_key]]
sid = "SKcccccccccccccccccccccccccccccccc"
secret_file = "{secret}"

[[account]]
account_sid = "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
iam_base_url = "{iam}"
region = "ie1"
identity_prefix = "voice_"
allowed_origins = ["https://shop.example", "https://both.example"]
[[account.api_key]]
sid = "SKbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
secret_file = "{secret}"
"#;

fn sid(kind: &str, letter: &str) -> String {
    format!("{kind}{}", letter.repeat(32))
}

/// Twilio knows `canary-a` as a token of account a, `canary-b` as one of account b, and each account's own keys.
async fn start(name: &str) -> TestService {
    let service = TestService::with_file(name, FILE).await;
    for (letter, other) in [("a", "b"), ("b", "a")] {
        let own = wiremock::matchers::body_json(json!({"token": format!("canary-{letter}")}));
        let others = wiremock::matchers::body_json(json!({"token": format!("canary-{other}")}));
        let endpoint = || {
            Mock::given(path(format!("/v1/Accounts/{}/Tokens/validate", sid("AC", letter))))
                .and(basic_auth(sid("SK", letter), support::KEY_SECRET))
        };
        let good = ResponseTemplate::new(200).set_body_json(valid("ann", hours(8)));
        endpoint().and(own).respond_with(good).mount(&service.iam).await;
        let foreign = ResponseTemplate::new(404).set_body_json(json!({"code": 20404}));
        endpoint().and(others).respond_with(foreign).mount(&service.iam).await;
    }
    service
}

fn ask(origin: &str, token: &str, account: Option<&str>) -> Request<Body> {
    let body =
        account.map(|letter| json!({"account_sid": sid("AC", letter)}).to_string()).unwrap_or_default();
    let mut request = builder().body(Body::from(body)).unwrap();
    request.headers_mut().insert("origin", origin.parse().unwrap());
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn signed_by(service: &TestService, answer: &Answer, account: &str, key: &str) {
    let api_key = ApiKey::new(ApiKeySid::new(sid("SK", key)).unwrap(), Secret::new(support::KEY_SECRET));
    let account = AccountSid::new(sid("AC", account)).unwrap();
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    access_token::verify(&token, &api_key, &account, service.clock.now()).unwrap();
}

#[tokio::test]
async fn an_origin_that_may_ask_for_one_account_only_need_not_name_it() {
    let service = start("origin").await;
    for (origin, letter, identity, edge, region) in
        [(DESK, "a", "ext_ann", "roaming", "us1"), (SHOP, "b", "voice_ann", "dublin", "ie1")]
    {
        for account in [None, Some(letter)] {
            let answer = service.send(ask(origin, &format!("canary-{letter}"), account)).await;
            signed_by(&service, &answer, letter, letter);
            let body = answer.json();
            assert_eq!(body["identity"], identity);
            assert_eq!(body["account_sid"], sid("AC", letter));
            assert_eq!((&body["edge"], &body["region"]), (&json!(edge), &json!(region)));
        }
    }
}

#[tokio::test]
async fn an_origin_that_may_ask_for_several_accounts_must_name_one() {
    let service = start("several").await;
    let answer = service.send(ask(BOTH, "canary-a", None)).await;
    assert_eq!(answer.error(), "400 malformed_request");
    assert!(answer.json()["detail"].as_str().unwrap().contains("account_sid"));
    for letter in ["a", "b"] {
        let answer = service.send(ask(BOTH, &format!("canary-{letter}"), Some(letter))).await;
        signed_by(&service, &answer, letter, letter);
    }
}

#[tokio::test]
async fn a_token_of_another_account_is_refused_whichever_account_is_named_and_also_when_its_own_is_remembered()
 {
    let service = start("foreign").await;
    assert_eq!(service.send(ask(BOTH, "canary-a", Some("a"))).await.status, 200);
    for _ in 0..2 {
        let answer = service.send(ask(BOTH, "canary-a", Some("b"))).await;
        assert_eq!(answer.error(), "403 wrong_account");
    }
    assert_eq!(service.send(ask(DESK, "canary-b", None)).await.error(), "403 wrong_account");
    assert_eq!(service.send(ask(DESK, "canary-b", Some("a"))).await.error(), "403 wrong_account");
}

#[tokio::test]
async fn an_account_that_is_not_served_or_not_for_this_origin_is_refused_before_twilio_is_asked() {
    let service = start("unknown").await;
    assert_eq!(service.send(ask(DESK, "canary-a", Some("c"))).await.error(), "403 wrong_account");
    assert_eq!(service.send(ask(DESK, "canary-b", Some("b"))).await.error(), "403 origin_not_allowed");
    assert_eq!(
        service.send(ask("https://evil.example", "canary-a", Some("a"))).await.error(),
        "403 origin_not_allowed"
    );
    assert_eq!(service.asked().await, 0);
}

#[tokio::test]
async fn a_prefix_is_compared_with_that_of_the_chosen_account() {
    let service = start("prefix").await;
    let with_prefix = |prefix: &str| {
        let body = json!({"account_sid": sid("AC", "b"), "identity_prefix": prefix}).to_string();
        let mut request = ask(SHOP, "canary-b", None);
        *request.body_mut() = Body::from(body);
        request
    };
    assert_eq!(service.send(with_prefix("ext_")).await.error(), "400 wrong_prefix");
    assert_eq!(service.send(with_prefix("voice_")).await.status, 200);
}

#[tokio::test]
async fn when_twilio_refuses_the_first_key_the_second_asks_and_signs_and_the_agent_notices_nothing() {
    let service = TestService::with_file("rotation", FILE).await;
    let good = || ResponseTemplate::new(200).set_body_json(valid("ann", hours(8)));
    let no_login = || ResponseTemplate::new(401).set_body_json(json!({"code": 20003}));
    let key = |letter: &str| Mock::given(basic_auth(sid("SK", letter), support::KEY_SECRET));
    key("a").respond_with(good()).mount(&service.iam).await;
    let answer = service.send(ask(DESK, "canary-1", None)).await;
    signed_by(&service, &answer, "a", "a");

    // The administrator deletes the first key.
    service.iam.reset().await;
    key("a").respond_with(no_login()).mount(&service.iam).await;
    key("c").respond_with(good()).mount(&service.iam).await;
    for number in 2..5 {
        let answer = service.send(ask(DESK, &format!("canary-{number}"), None)).await;
        signed_by(&service, &answer, "a", "c");
    }
    assert_eq!(service.asked().await, 4, "the first key is tried once");

    // And both.
    service.iam.reset().await;
    key("a").respond_with(no_login()).mount(&service.iam).await;
    key("c").respond_with(no_login()).mount(&service.iam).await;
    assert_eq!(service.send(ask(DESK, "canary-9", None)).await.error(), "500 internal");
}
