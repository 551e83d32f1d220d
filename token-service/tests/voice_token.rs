//! `POST /v1/voice/token`: what is asked, what is answered, each error code, how long a token lives.

mod support;

use std::{collections::HashSet, sync::Arc, time::Duration};

use axum::{body::Body, http::Request};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use service_kit::env::{Clock as _, SystemRandomness};
use support::{
    ACCOUNT, Broken, KEY, Panics, TestService, body, builder, hours, invalid, question, valid, with_header,
};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{basic_auth, body_json, path},
};

#[tokio::test]
async fn a_valid_flex_token_is_exchanged_for_a_voice_token_of_that_agent() {
    let service = TestService::start(&[]).await;
    let answer = service.ask().await;
    assert_eq!(answer.status, 200);
    let mut shown = answer.json();
    shown["token"] = "…".into();
    insta::assert_json_snapshot!(shown, @r#"
    {
      "account_sid": "AC11111111111111111111111111111111",
      "edge": "roaming",
      "expires_at": "2023-11-14T22:28:20Z",
      "expires_in": 900,
      "identity": "ext_agent_40example_2Ecom",
      "region": "us1",
      "token": "…"
    }
    "#);
    insta::assert_json_snapshot!(answer.claims(service.clock.now()), @r#"
    {
      "jti": "SK22222222222222222222222222222222-1700000000-000000000000000000000001",
      "grants": {
        "identity": "ext_agent_40example_2Ecom",
        "voice": {
          "incoming": {
            "allow": true
          }
        }
      },
      "iat": 1700000000,
      "exp": 1700000900,
      "iss": "SK22222222222222222222222222222222",
      "sub": "AC11111111111111111111111111111111"
    }
    "#);
}

#[tokio::test]
async fn twilio_is_asked_about_the_token_of_our_account_with_our_credentials() {
    let service = TestService::start(&[]).await;
    service.iam.reset().await;
    Mock::given(path(format!("/v1/Accounts/{ACCOUNT}/Tokens/validate")))
        .and(basic_auth(ACCOUNT, support::AUTH))
        .and(body_json(json!({"token": support::FLEX_TOKEN})))
        .respond_with(ResponseTemplate::new(200).set_body_json(valid("ann", hours(1))))
        .expect(1)
        .mount(&service.iam)
        .await;
    assert_eq!(service.ask().await.status, 200);
}

#[tokio::test]
async fn a_request_without_a_flex_token_is_told_so_and_twilio_is_not_asked() {
    let service = TestService::start(&[]).await;
    for header in
        [None, Some(""), Some("Bearer"), Some("Bearer "), Some("Basic YTpi"), Some("canary-flex-token")]
    {
        let answer = service.send(with_header("authorization", header)).await;
        assert_eq!(answer.error(), "401 missing_token", "{header:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(service.asked().await, 0);
}

#[tokio::test]
async fn the_scheme_may_be_written_in_any_case() {
    let service = TestService::start(&[]).await;
    assert_eq!(service.send(with_header("authorization", Some("bEARER x"))).await.status, 200);
}

#[tokio::test]
async fn a_flex_token_that_can_be_none_is_malformed() {
    let service = TestService::start(&[]).await;
    let long = format!("Bearer {}", "x".repeat(8 * 1024 + 1));
    for header in [long.as_str(), "Bearer two words"] {
        let answer = service.send(with_header("authorization", Some(header))).await;
        assert_eq!(answer.error(), "400 malformed_request");
    }
    let twice = builder().header("authorization", "Bearer other").body(body().into()).unwrap();
    assert_eq!(service.send(twice).await.error(), "400 malformed_request");
    let longest = format!("Bearer {}", "x".repeat(8 * 1024));
    assert_eq!(service.send(with_header("authorization", Some(&longest))).await.status, 200);
    assert_eq!(service.asked().await, 1);
}

#[tokio::test]
async fn a_body_that_is_not_the_request_is_malformed_and_never_repeated() {
    let service = TestService::start(&[]).await;
    for text in [
        "{".into(),
        "[]".into(),
        "null".into(),
        "canary".into(),
        json!({"account_sid": "canary", "identity_prefix": "ext_"}).to_string(),
        json!({"account_sid": ACCOUNT, "identity_prefix": "canary"}).to_string(),
        json!({"account_sid": ACCOUNT, "identity_prefix": "ext_", "x": "x".repeat(16 * 1024)}).to_string(),
        format!("{}{}", body(), " ".repeat(1_000_000)),
    ] {
        let answer = service.send(builder().body(text.clone().into()).unwrap()).await;
        assert_eq!(answer.error(), "400 malformed_request", "{text:.60}");
    }
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let answer = service.send(with_header("content-type", content_type)).await;
        assert_eq!(answer.error(), "400 malformed_request", "{content_type:?}");
    }
    assert_eq!(service.asked().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up_after_five_seconds() {
    let service = TestService::start(&[]).await;
    let never = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let started = tokio::time::Instant::now();
    let answer = service.send(builder().body(never).unwrap()).await;
    assert_eq!(answer.error(), "400 malformed_request");
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn fields_that_a_newer_client_sends_are_ignored() {
    let service = TestService::start(&[]).await;
    let newer = json!({"account_sid": ACCOUNT, "identity_prefix": "ext_", "device": 1}).to_string();
    assert_eq!(service.send(builder().body(newer.into()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn a_request_for_another_account_or_prefix_is_refused_before_twilio_is_asked() {
    let service = TestService::start(&[]).await;
    let ask = |account: String, prefix: &str| {
        builder().body(json!({"account_sid": account, "identity_prefix": prefix}).to_string().into()).unwrap()
    };
    let other = format!("AC{}", "9".repeat(32));
    assert_eq!(service.send(ask(other, "ext_")).await.error(), "403 wrong_account");
    for prefix in ["an_", "boss_", "ext2_", "e_"] {
        assert_eq!(service.send(ask(ACCOUNT.into(), prefix)).await.error(), "400 wrong_prefix", "{prefix}");
    }
    assert_eq!(service.asked().await, 0);
}

#[test]
fn no_prefix_that_a_client_sends_ever_reaches_an_identity() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let service = runtime.block_on(TestService::start(&["--mints-per-minute", "1000000"]));
    let run = TestRunner::new(ProptestConfig::default()).run(
        &("[a-z0-9]{1,16}_", "[A-Za-z0-9_]{1,100}"),
        |(prefix, own)| {
            let answer = runtime.block_on(async {
                service.twilio_says(200, valid(&own, hours(8))).await;
                let asked = json!({"account_sid": ACCOUNT, "identity_prefix": prefix}).to_string();
                service.send(builder().body(asked.into()).unwrap()).await
            });
            if prefix == "ext_" {
                prop_assert_eq!(&answer.json()["identity"], &json!(format!("ext_{own}")));
            } else {
                prop_assert_eq!(answer.error(), "400 wrong_prefix");
            }
            Ok(())
        },
    );
    run.unwrap();
}

#[tokio::test]
async fn what_twilio_says_decides_the_code() {
    let service = TestService::start(&["--failures-per-minute", "1000"]).await;
    let not_found = json!({"code": 20404, "message": "not found", "status": 404});
    for (status, said, code) in [
        (200, invalid(), "401 invalid_flex_token"),
        (400, invalid(), "401 invalid_flex_token"),
        (404, not_found, "403 wrong_account"),
        // Our own credentials: nothing that the client could mend.
        (401, json!({"code": 20003}), "500 internal"),
        (403, json!({}), "500 internal"),
        (429, json!({}), "503 upstream_unavailable"),
        (500, json!({}), "503 upstream_unavailable"),
        (503, json!({}), "503 upstream_unavailable"),
        (302, json!({}), "503 upstream_unavailable"),
        (200, json!({}), "503 upstream_unavailable"),
        (200, json!("canary"), "503 upstream_unavailable"),
    ] {
        service.twilio_says(status, said.clone()).await;
        assert_eq!(service.ask().await.error(), code, "{status} {said}");
        assert_eq!(service.asked().await, 1, "{status} {said}");
        service.clock.advance(Duration::from_secs(20));
    }
    // And then all is well again.
    service.twilio_says(200, valid("ann", hours(1))).await;
    assert_eq!(service.ask().await.status, 200);
}

#[tokio::test]
async fn only_a_worker_with_an_allowed_role_and_a_usable_identity_gets_a_token() {
    let service = TestService::start(&[]).await;
    let refused = [
        ("roles", json!([])),
        ("roles", json!(null)),
        ("roles", json!("agent")),
        ("roles", json!(["wfo.agent", "Agent", ""])),
        ("worker_sid", json!(null)),
        ("worker_sid", json!("")),
        ("worker_sid", json!("WK1")),
        ("identity", json!(null)),
        ("identity", json!("")),
        ("identity", json!(["ann"])),
        ("identity", json!("client:ann")),
        ("identity", json!("a b")),
        ("identity", json!("undefined\u{0}")),
        ("identity", json!("a".repeat(118))),
    ];
    for (field, value) in refused {
        let mut said = valid("ann", hours(8));
        said[field] = value.clone();
        service.twilio_says(200, said).await;
        assert_eq!(service.ask().await.error(), "403 role_not_allowed", "{field} {value}");
        let mut said = valid("ann", hours(8));
        said.as_object_mut().unwrap().remove(field);
        service.twilio_says(200, said).await;
        assert_eq!(service.ask().await.error(), "403 role_not_allowed", "no {field}");
    }
    for role in ["agent", "supervisor", "admin"] {
        let mut said = valid("ann", hours(8));
        said["roles"] = json!(["something", role]);
        service.twilio_says(200, said).await;
        assert_eq!(service.ask().await.status, 200, "{role}");
    }
}

#[tokio::test]
async fn the_allowed_roles_are_the_operators() {
    let service = TestService::start(&["--allowed-role", "voice.extra"]).await;
    assert_eq!(service.ask().await.error(), "403 role_not_allowed");
    let mut said = valid("ann", hours(8));
    said["roles"] = json!(["voice.extra"]);
    service.twilio_says(200, said).await;
    assert_eq!(service.ask().await.status, 200);
}

#[tokio::test]
async fn a_token_lives_as_configured_but_never_longer_than_the_flex_token() {
    for (ttl, flex_left_ms, expires_in) in [
        ("3600", 8 * 3_600_000, Some(3600)),
        ("3600", 3_600_000, Some(3600)),
        ("3600", 3_599_999, Some(3599)),
        ("3600", 60_000, Some(60)),
        ("3600", 59_999, None),
        ("3600", 0, None),
        ("60", 8 * 3_600_000, Some(60)),
        ("86399", 48 * 3_600_000, Some(86_399)),
        ("86399", 24 * 3_600_000, Some(86_399)),
    ] {
        let service = TestService::start(&["--ttl-seconds", ttl]).await;
        service.twilio_says(200, valid("ann", Duration::from_millis(flex_left_ms))).await;
        let answer = service.ask().await;
        match expires_in {
            Some(seconds) => {
                let claims = answer.claims(service.clock.now());
                assert_eq!(answer.json()["expires_in"], json!(seconds), "{ttl} {flex_left_ms}");
                assert_eq!(claims.exp - claims.iat, seconds);
            }
            None => assert_eq!(answer.error(), "401 flex_token_expiring", "{ttl} {flex_left_ms}"),
        }
    }
}

#[tokio::test]
async fn a_flex_token_that_has_grown_old_gives_ever_shorter_tokens_and_then_none() {
    let service = TestService::start(&[]).await;
    service.twilio_says(200, valid("ann", Duration::from_secs(600))).await;
    assert_eq!(service.ask().await.json()["expires_in"], json!(600));
    service.clock.advance(Duration::from_secs(540));
    assert_eq!(service.ask().await.json()["expires_in"], json!(60));
    service.clock.advance(Duration::from_millis(1000));
    assert_eq!(service.ask().await.error(), "401 flex_token_expiring");
    service.clock.advance(hours(24));
    assert_eq!(service.ask().await.error(), "401 flex_token_expiring");
}

#[tokio::test]
async fn ten_thousand_tokens_of_one_second_have_ten_thousand_names() {
    let random = Arc::new(SystemRandomness::checked().unwrap());
    let service =
        TestService::with(&["--mints-per-minute", "10000", "--validation-cache-seconds", "30"], random).await;
    let mut names = HashSet::new();
    for _ in 0..10_000 {
        let claims = service.ask().await.claims(service.clock.now());
        assert!(claims.jti.starts_with(&format!("{KEY}-1700000000-")), "{}", claims.jti);
        assert_eq!(claims.jti.len(), KEY.len() + 1 + 10 + 1 + 24);
        names.insert(claims.jti);
    }
    assert_eq!(names.len(), 10_000);
}

#[tokio::test]
async fn without_randomness_there_is_no_token_rather_than_one_with_a_known_name() {
    let service = TestService::with(&[], Arc::new(Broken)).await;
    assert_eq!(service.ask().await.error(), "500 internal");
}

#[tokio::test]
async fn a_panic_costs_one_request_and_not_the_service() {
    let service = TestService::with(&[], Arc::new(Panics)).await;
    for _ in 0..2 {
        let answer = service.send(with_header("x-request-id", Some("given"))).await;
        assert_eq!(answer.error(), "500 internal");
        assert_eq!(answer.header("access-control-allow-origin"), Some(support::ORIGIN));
    }
}

#[tokio::test]
async fn a_request_id_is_taken_over_if_it_is_one_and_made_up_if_not() {
    let service = TestService::start(&[]).await;
    let answer = service.send(with_header("x-request-id", Some("Root=1-abc.DEF_9"))).await;
    assert_eq!(answer.header("x-request-id").unwrap().len(), 24);
    let answer = service.send(with_header("x-request-id", Some("1-abc.DEF_9"))).await;
    assert_eq!(answer.header("x-request-id"), Some("1-abc.DEF_9"));
    let long = "x".repeat(65);
    for bad in ["", " ", "<script>", "a b", long.as_str()] {
        let answer = service.send(with_header("x-request-id", Some(bad))).await;
        let id = answer.header("x-request-id").unwrap();
        assert!(id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{bad}: {id}");
    }
}

#[tokio::test]
async fn nothing_else_is_served_here() {
    let service = TestService::start(&[]).await;
    for path in [
        "/",
        "/live",
        "/ready",
        "/metrics",
        "/generateToken?Token=x",
        "/v1",
        "/v1/voice/token/",
        "/v1//voice/token",
    ] {
        let answer =
            service.send(Request::get(path).header("origin", support::ORIGIN).body(Body::empty()).unwrap());
        assert_eq!(answer.await.status, 404, "{path}");
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE"] {
        let mut request = question();
        *request.method_mut() = method.parse().unwrap();
        let answer = service.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")), "{method}");
    }
    assert_eq!(service.asked().await, 0);
}

#[test]
fn every_code_of_the_contract_is_told_by_its_documented_status() {
    use protocol::token::TokenErrorCode as Code;
    let table = [
        (Code::MissingToken, 401),
        (Code::MalformedRequest, 400),
        (Code::InvalidFlexToken, 401),
        (Code::FlexTokenExpiring, 401),
        (Code::WrongAccount, 403),
        (Code::WrongPrefix, 400),
        (Code::RoleNotAllowed, 403),
        (Code::OriginNotAllowed, 403),
        (Code::RateLimited, 429),
        (Code::UpstreamUnavailable, 503),
        (Code::Internal, 500),
    ];
    for (code, status) in table {
        assert_eq!(token_service::problems::status(code), status, "{code:?}");
    }
    let as_json: Value = serde_json::to_value(table.map(|(code, _)| code)).unwrap();
    assert_eq!(as_json.as_array().unwrap().len(), 11);
}
