//! Which web origins may ask, and what a browser is told.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod support;

use axum::{body::Body, http::Request};
use support::{Answer, ORIGIN, TestService, question, with_header};

fn preflight(origin: Option<&str>) -> Request<Body> {
    let mut request = Request::options("/v1/voice/token")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    request.body(Body::empty()).unwrap()
}

fn cors(answer: &Answer) -> String {
    let mut lines: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("access-control") || name.as_str() == "vary")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    format!("{}\n{}", answer.status, lines.join("\n"))
}

#[tokio::test]
async fn the_configured_extension_may_ask_and_may_read_the_answer() {
    let service = TestService::start(&[]).await;
    insta::assert_snapshot!(cors(&service.ask().await), @r"
    200 OK
    access-control-allow-origin: chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    access-control-expose-headers: retry-after,x-request-id,ratelimit,ratelimit-policy
    vary: origin
    ");
}

#[tokio::test]
async fn it_may_read_errors_too() {
    let service = TestService::start(&[]).await;
    insta::assert_snapshot!(cors(&service.send(with_header("authorization", None)).await), @r"
    401 Unauthorized
    access-control-allow-origin: chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    access-control-expose-headers: retry-after,x-request-id,ratelimit,ratelimit-policy
    vary: origin
    ");
}

#[tokio::test]
async fn its_preflight_is_told_exactly_what_it_may() {
    let service = TestService::start(&[]).await;
    insta::assert_snapshot!(cors(&service.send(preflight(Some(ORIGIN))).await), @r"
    200 OK
    access-control-allow-headers: authorization,content-type,x-request-id
    access-control-allow-methods: POST
    access-control-allow-origin: chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    access-control-max-age: 7200
    vary: origin
    ");
    assert_eq!(service.asked().await, 0);
}

#[tokio::test]
async fn any_other_origin_is_refused_and_may_read_nothing() {
    let service = TestService::start(&[]).await;
    let other = format!("chrome-extension://{}", "b".repeat(32));
    let upper = ORIGIN.to_uppercase();
    let slash = format!("{ORIGIN}/");
    let longer = format!("{ORIGIN}a");
    let list = format!("{ORIGIN} {other}");
    for origin in [
        other.as_str(),
        &upper,
        &slash,
        &longer,
        &list,
        "null",
        "",
        "*",
        "https://flex.twilio.com",
        "http://localhost:3000",
        "chrome-extension://",
        "moz-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        for request in [with_header("origin", Some(origin)), preflight(Some(origin))] {
            let answer = service.send(request).await;
            assert_eq!(answer.error(), "403 origin_not_allowed", "{origin}");
            assert_eq!(cors(&answer), "403 Forbidden\nvary: origin", "{origin}");
        }
    }
    let mut twice = question();
    twice.headers_mut().append("origin", "https://evil.example".parse().unwrap());
    assert_eq!(service.send(twice).await.error(), "403 origin_not_allowed");
    assert_eq!(service.asked().await, 0);
}

#[tokio::test]
async fn a_request_without_an_origin_is_refused_unless_the_operator_says_otherwise() {
    let strict = TestService::start(&[]).await;
    assert_eq!(strict.send(with_header("origin", None)).await.error(), "403 origin_not_allowed");
    let open = TestService::start(&["--allow-missing-origin"]).await;
    assert_eq!(open.send(with_header("origin", None)).await.status, 200);
    assert_eq!(open.send(with_header("origin", Some("null"))).await.error(), "403 origin_not_allowed");
}

#[tokio::test]
async fn what_the_browser_calls_another_site_needs_an_allowed_origin() {
    let service = TestService::start(&["--allow-missing-origin"]).await;
    for (site, origin, status) in [
        ("cross-site", None, 403),
        ("same-site", None, 403),
        ("Cross-Site", None, 403),
        ("none", None, 200),
        ("same-origin", None, 200),
        ("cross-site", Some(ORIGIN), 200),
        ("none", Some(ORIGIN), 200),
    ] {
        let mut request = with_header("origin", origin);
        request.headers_mut().insert("sec-fetch-site", site.parse().unwrap());
        assert_eq!(service.send(request).await.status, status, "{site} {origin:?}");
    }
}

#[tokio::test]
async fn several_origins_can_be_configured_and_each_is_answered_as_itself() {
    let other = format!("chrome-extension://{}", "p".repeat(32));
    let service = TestService::start(&["--allowed-origin", &other]).await;
    for origin in [ORIGIN, &other] {
        let answer = service.send(with_header("origin", Some(origin))).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
}

#[tokio::test]
async fn browsers_are_bound_to_tls_for_this_host_and_for_those_below_it_only_where_that_is_set() {
    for (flags, said) in [
        (&[][..], "max-age=63072000"),
        (&["--hsts-include-subdomains"], "max-age=63072000; includeSubDomains"),
        (&["--hsts-include-subdomains=false"], "max-age=63072000"),
    ] {
        let service = TestService::start(flags).await;
        assert_eq!(service.ask().await.header("strict-transport-security"), Some(said));
    }
}
