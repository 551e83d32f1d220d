//! No secret ever reaches the log, whatever happens, at any level, of any crate.
//!
//! Beyond these tests, `support` greps every answer, every log line down to `TRACE`, the metrics and the `Debug` of the
//! settings of every test of this crate, and `process` all that the program writes.

mod support;

use axum::{body::Body, http::Request};
use serde_json::json;
use support::{
    FLEX_TOKEN, TestService, assert_no_secret, builder, capture_log, hours, invalid, question, valid,
    with_header,
};

#[tokio::test]
async fn neither_flex_token_nor_voice_token_nor_our_own_secrets_are_ever_logged() {
    let log = capture_log();
    let service =
        TestService::start(&["--validation-cache-seconds", "30", "--failures-per-minute", "3"]).await;
    let mut minted = 0;
    for said in [
        (200, valid("ann", hours(8))),
        (200, invalid()),
        (200, json!({"valid": false, "message": format!("no such token: {FLEX_TOKEN}")})),
        (404, json!({"message": FLEX_TOKEN})),
        (401, json!({"message": support::AUTH})),
        (500, json!({"message": support::KEY_SECRET})),
        (200, json!(FLEX_TOKEN)),
    ] {
        service.twilio_says(said.0, said.1).await;
        service.clock.advance(std::time::Duration::from_secs(31));
        minted += usize::from(service.ask().await.status == 200);
        service.send(with_header("authorization", Some("Bearer canary flex token"))).await;
        service.send(with_header("authorization", Some("Basic canary"))).await;
        service.send(with_header("x-canary", Some(FLEX_TOKEN))).await;
        service.send(builder().body(format!("{{\"account_sid\":\"{FLEX_TOKEN}\"}}").into()).unwrap()).await;
        let mut elsewhere = question();
        *elsewhere.uri_mut() = format!("/{FLEX_TOKEN}?{FLEX_TOKEN}").parse().unwrap();
        service.send(elsewhere).await;
    }
    let text = log.text();
    // The capture works: our own lines and those of the HTTP client are there, down to TRACE.
    assert!(text.contains("token minted") && text.contains(r#""level":"TRACE""#) && text.contains("hyper"));
    assert!(text.contains("invalid_flex_token") && text.contains("HTTP 401"));
    assert!(minted > 0);
    assert_no_secret(&text);
    assert_no_secret(&service.state.service.metrics.render());
}

#[tokio::test]
async fn a_request_is_one_line_with_everything_an_operator_needs_and_nothing_else() {
    let log = capture_log();
    let service = TestService::start(&[]).await;
    service.twilio_says(200, invalid()).await;
    let answer = service.send(with_header("x-request-id", Some("abc"))).await;
    assert_eq!(answer.error(), "401 invalid_flex_token");
    let text = log.text();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| {
            let target = line["target"].as_str().unwrap();
            target.starts_with("token_service") || target.starts_with("service_kit")
        })
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    insta::assert_json_snapshot!(lines[0], { ".timestamp" => "…" }, @r#"
    {
      "cause": "the Flex token is not valid: Invalid Access Token",
      "client": "192.0.2.1",
      "level": "INFO",
      "message": "request",
      "method": "POST",
      "outcome": "invalid_flex_token",
      "request.id": "abc",
      "route": "/v1/voice/token",
      "status": 401,
      "target": "service_kit::front",
      "timestamp": "…",
      "took_ms": 0.0
    }
    "#);
}

#[tokio::test]
async fn a_proxy_that_names_no_address_is_told_in_the_log_and_is_the_client_itself() {
    let log = capture_log();
    let service = TestService::start(&["--trusted-proxy", "192.0.2.1"]).await;
    for (forwarded, line) in [
        ("1.1.1.1, unknown", r#""client":"192.0.2.1","forwarded":"unreadable""#),
        ("unknown, 198.51.100.7", r#""client":"198.51.100.7","took_ms""#),
    ] {
        service.send(with_header("x-forwarded-for", Some(forwarded))).await;
        let text = log.text();
        assert!(text.contains(line), "{text}");
    }
}

#[tokio::test]
async fn the_older_extensions_query_never_reaches_the_log() {
    let log = capture_log();
    let service = TestService::start(&["--legacy-generate-token"]).await;
    for path in [
        "/generateToken?Token=canary&VoiceClientPrefix=ext_",
        "/generateToken?Token=canary",
        "/canary?Token=",
    ] {
        service.send(Request::get(path).body(Body::empty()).unwrap()).await;
    }
    let text = log.text();
    assert!(text.contains(r#""route":"/generateToken""#) && text.contains("token minted"));
    assert!(!text.contains("canary") && !text.contains("Token="), "{text}");
}

#[test]
fn neither_service_nor_settings_show_a_secret_in_debug() {
    let _log = capture_log();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(TestService::start(&[]));
    let config = &service.state.service.config;
    assert!(!format!("{config:?} {config:#?} {config}").contains("canary"));
}

#[tokio::test]
#[should_panic(expected = "a secret is shown")]
async fn a_secret_in_a_log_line_would_be_found() {
    let service = TestService::start(&[]).await;
    tracing::trace!(secret = support::KEY_SECRET, "careless");
    service.ask().await;
}

#[tokio::test]
#[should_panic(expected = "a Voice token is shown")]
async fn a_voice_token_in_a_log_line_would_be_found() {
    let service = TestService::start(&[]).await;
    let answer = service.ask().await;
    tracing::debug!(body = answer.body, "careless");
    service.ask().await;
}
