//! What the service says about itself: the OpenAPI document, and the page made of it.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod support;

use axum::{body::Body, http::Request};
use serde_json::Value;
use support::{Answer, TestService};

const EVERYTHING: [&str; 9] = [
    "--legacy-generate-token",
    "--extension-dir=/nonexistent",
    "--history",
    "--history-api-key-sid=SK99999999999999999999999999999999",
    "--workspace-sid=WS44444444444444444444444444444444",
    "--video",
    "--video-api-key-sid=SK88888888888888888888888888888888",
    "--video-public-origin=https://video.example",
    // Any directory with a page in it; a test runs where its package is.
    "--video-page-dir=../web/join-wasm/static",
];

async fn get(service: &TestService, path: &str) -> Answer {
    service.send(Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_document_is_this_one() {
    let service = TestService::start(&EVERYTHING).await;
    let answer = get(&service, "/openapi.json").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
    insta::assert_json_snapshot!("openapi", answer.json());
}

#[tokio::test]
async fn what_is_switched_off_is_not_documented() {
    let service = TestService::start(&[]).await;
    let document = get(&service, "/openapi.json").await.json();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/docs", "/openapi.json", "/v1/voice/token"]);
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let service = TestService::start(&EVERYTHING).await;
    let document = get(&service, "/openapi.json").await.json();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 5, "{found:?}");
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_page_shows_every_route_and_code_and_loads_nothing() {
    let service = TestService::start(&EVERYTHING).await;
    let answer = get(&service, "/docs").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    for text in [
        "POST /v1/voice/token",
        "GET /generateToken",
        "GET /extension/{file}",
        "GET /v1/history/tasks/{task}",
        "POST /v1/video/tasks/{task}",
        "POST /v1/video/join",
        "POST /v1/video/callbacks/room",
        "GET /v/{page}",
        "<tr id=\"consent_needed\">",
        "expires_at",
        "ratelimit",
        "<tr id=\"not_found\">",
        "<tr id=\"not_allowed\">",
    ] {
        assert!(answer.body.contains(text), "{text}");
    }
    for code in protocol::token::TokenErrorCode::ALL {
        assert!(answer.body.contains(&format!("<tr id=\"{}\">", code.as_str())), "{code:?}");
    }
    for rustdoc in ["# Errors", "[`"] {
        assert!(!answer.body.contains(rustdoc), "{rustdoc}");
    }
    for loading in ["<script", "<link", "<img", "src=", "@import", "url(", "http://"] {
        assert!(!answer.body.contains(loading), "{loading}");
    }
}

#[tokio::test]
async fn document_and_page_are_made_once_may_be_kept_for_a_while_and_are_not_sent_twice() {
    let service = TestService::start(&EVERYTHING).await;
    for path in ["/openapi.json", "/docs"] {
        let first = get(&service, path).await;
        assert_eq!(first.header("cache-control"), Some("public, max-age=300"), "{path}");
        let tag = first.header("etag").unwrap().to_owned();
        let second = get(&service, path).await;
        assert_eq!((second.header("etag"), &second.body), (Some(tag.as_str()), &first.body), "{path}");
        for (known, status) in
            [(tag.clone(), 304), (format!("\"other\", {tag}"), 304), ("\"other\"".into(), 200)]
        {
            let request = Request::get(path).header("if-none-match", &known).body(Body::empty()).unwrap();
            let answer = service.send(request).await;
            assert_eq!((answer.status.as_u16(), answer.body.is_empty()), (status, status == 304), "{known}");
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
        }
    }
}

#[tokio::test]
async fn document_and_page_have_a_limit_of_their_own_which_no_agent_meets() {
    let service = TestService::start(&[]).await;
    for _ in 0..25 {
        assert_eq!(get(&service, "/docs").await.status, 200);
        assert_eq!(get(&service, "/openapi.json").await.status, 200);
    }
    for path in ["/docs", "/openapi.json"] {
        let answer = get(&service, path).await;
        assert_eq!((answer.error().as_str(), answer.header("retry-after")), ("429 rate_limited", Some("1")));
    }
    assert_eq!(service.ask().await.status, 200);
    assert!(service.state.service.metrics.render().contains(r#"token_service_limited_total{by="docs"} 2"#));
    service.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(get(&service, "/docs").await.status, 200);
}

#[tokio::test]
async fn an_answer_has_exactly_the_fields_that_are_documented() {
    let service = TestService::start(&[]).await;
    let document = get(&service, "/openapi.json").await.json();
    let documented = |name: &str| -> Vec<String> {
        let schema = &document["components"]["schemas"][name]["properties"];
        schema.as_object().unwrap().keys().cloned().collect()
    };
    let fields =
        |answer: &Answer| -> Vec<String> { answer.json().as_object().unwrap().keys().cloned().collect() };
    assert_eq!(fields(&service.ask().await), documented("VoiceTokenResponse"));
    service.twilio_says(503, Value::Null).await;
    assert_eq!(fields(&service.ask().await), documented("ProblemBody"));
}
