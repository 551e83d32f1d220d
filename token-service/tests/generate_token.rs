//! `/generateToken`: exactly what the older extension sends and expects, and nothing that it could be abused for.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod support;

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::json;
use support::{Answer, FLEX_TOKEN, TestService, hours, invalid, valid};

const LEGACY: &[&str] = &["--legacy-generate-token"];

fn get(query: &str) -> Request<Body> {
    Request::get(format!("/generateToken{query}")).body(Body::empty()).unwrap()
}

fn asked() -> Request<Body> {
    get(&format!("?Token={FLEX_TOKEN}&VoiceClientPrefix=ext_"))
}

fn post(content_type: &str, body: String) -> Request<Body> {
    Request::post("/generateToken").header("content-type", content_type).body(body.into()).unwrap()
}

fn text(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    (answer.status.as_u16(), &answer.body)
}

#[tokio::test]
async fn it_is_not_there_unless_the_operator_turns_it_on() {
    let service = TestService::start(&[]).await;
    assert_eq!(service.send(asked()).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_older_extension_gets_identity_and_token_whichever_way_it_asks() {
    let service = TestService::start(LEGACY).await;
    let form = format!("Token={FLEX_TOKEN}&VoiceClientPrefix=ext_");
    let as_json = json!({"Token": FLEX_TOKEN, "VoiceClientPrefix": "ext_"}).to_string();
    for request in [
        asked(),
        post("application/x-www-form-urlencoded", form),
        post("application/json", as_json.clone()),
        post("application/json; charset=utf-8", as_json),
    ] {
        let answer = service.send(request).await;
        let claims = answer.claims(service_kit::env::Clock::now(&*service.clock));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let body = answer.json();
        assert_eq!(body["identity"], "ext_agent_40example_2Ecom");
        assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["identity", "token"]);
        assert_eq!(claims.grants.identity.as_str(), "ext_agent_40example_2Ecom");
        assert!(answer.body.starts_with(r#"{"identity":"ext_agent_40example_2Ecom","token":"eyJ"#));
    }
}

#[tokio::test]
async fn a_refused_flex_token_is_403_with_the_validators_own_words() {
    let service = TestService::start(LEGACY).await;
    service.twilio_says(200, invalid()).await;
    assert_eq!(text(&service.send(asked()).await), (403, "Invalid Access Token"));
}

#[tokio::test]
async fn a_missing_token_is_403_with_the_validators_own_words() {
    let service = TestService::start(LEGACY).await;
    let huge = format!("?Token={}&VoiceClientPrefix=ext_", "x".repeat(8193));
    for request in [
        get(""),
        get("?VoiceClientPrefix=ext_"),
        get("?Token=&VoiceClientPrefix=ext_"),
        get("?Token=a%20b&VoiceClientPrefix=ext_"),
        get("?Token=a&Token=b&VoiceClientPrefix=ext_"),
        get(&huge),
        post("application/json", "{".into()),
        post("application/json", "x".repeat(20_000)),
        post("text/plain", format!("Token={FLEX_TOKEN}")),
    ] {
        let answer = service.send(request).await;
        assert_eq!(text(&answer), (403, "Unauthorized: Token was not provided"));
    }
    assert_eq!(service.asked().await, 0);
}

#[tokio::test]
async fn the_prefix_is_compared_and_never_used() {
    let service = TestService::start(LEGACY).await;
    service.twilio_says(200, valid("n_40x_2Ecom", hours(1))).await;
    // With `an`, the older service would have made the agent n@x.com into ann@x.com.
    for prefix in ["&VoiceClientPrefix=an", "&VoiceClientPrefix=", "&VoiceClientPrefix=EXT_", ""] {
        let answer = service.send(get(&format!("?Token={FLEX_TOKEN}{prefix}"))).await;
        let words = "Unauthorized: VoiceClientPrefix is not the one of this service";
        assert_eq!(text(&answer), (403, words), "{prefix}");
    }
    assert_eq!(service.asked().await, 0);
}

#[tokio::test]
async fn roles_and_lives_hold_here_too() {
    let service = TestService::start(LEGACY).await;
    let mut said = valid("ann", hours(1));
    said["roles"] = json!([]);
    service.twilio_says(200, said).await;
    assert_eq!(service.send(asked()).await.status, 403);
    service.twilio_says(200, valid("ann", Duration::from_secs(90))).await;
    let answer = service.send(asked()).await;
    let claims = answer.claims(service_kit::env::Clock::now(&*service.clock));
    assert_eq!(claims.exp - claims.iat, 90);
    service.twilio_says(200, valid("ann", Duration::from_secs(30))).await;
    assert_eq!(service.send(asked()).await.status, 403);
    service.twilio_says(404, json!({})).await;
    assert_eq!(text(&service.send(asked()).await), (403, "the Flex token is not of this account"));
}

#[tokio::test]
async fn everything_else_is_500_with_words_that_say_nothing_about_us() {
    let service = TestService::start(LEGACY).await;
    for status in [401, 429, 500, 503] {
        service.twilio_says(status, json!({"message": "canary"})).await;
        let answer = service.send(asked()).await;
        assert_eq!(text(&answer), (500, "the Flex token cannot be validated now"), "{status}");
    }
}

#[tokio::test]
async fn too_many_are_429_with_retry_after() {
    let service = TestService::start(&["--legacy-generate-token", "--mints-per-minute", "1"]).await;
    assert_eq!(service.send(asked()).await.status, 200);
    let answer = service.send(asked()).await;
    assert_eq!(text(&answer), (429, "too many requests"));
    assert_eq!(answer.header("retry-after"), Some("60"));
}

#[tokio::test]
async fn the_older_extension_may_read_the_answer_under_any_id() {
    let service = TestService::start(LEGACY).await;
    let origin = format!("chrome-extension://{}", "m".repeat(32));
    for said in [valid("ann", hours(1)), invalid()] {
        service.twilio_says(200, said).await;
        let mut request = asked();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
        let answer = service.send(request).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    let preflight = Request::options("/generateToken")
        .header("origin", &origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .body(Body::empty())
        .unwrap();
    let answer = service.send(preflight).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET,POST"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type"));
    // And the strict route stays strict.
    let mut request = support::question();
    request.headers_mut().insert("origin", origin.parse().unwrap());
    assert_eq!(service.send(request).await.error(), "403 origin_not_allowed");
}

#[tokio::test]
async fn every_answer_says_that_the_route_is_deprecated_and_what_to_use_instead() {
    let service = TestService::start(LEGACY).await;
    for request in [asked(), get(""), post("text/plain", String::new())] {
        let answer = service.send(request).await;
        assert_eq!(answer.header("deprecation"), Some("@1793491200"));
        assert_eq!(answer.header("link"), Some("</v1/voice/token>; rel=\"successor-version\""));
    }
    assert_eq!(service.send(support::question()).await.header("deprecation"), None);
}
