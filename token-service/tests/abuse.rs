//! What somebody who means harm would send.

mod support;

use std::time::Duration;

use axum::{body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use support::{TestService, builder, hours, invalid, question, valid, with_header};
use wiremock::{Mock, ResponseTemplate, matchers::body_json};

fn bearer(token: &str) -> Request<Body> {
    with_header("authorization", Some(&format!("Bearer {token}")))
}

/// A JWT that says of itself to be somebody.
fn jwt(alg: &str, signature: &str) -> String {
    let header =
        URL_SAFE_NO_PAD.encode(json!({"alg": alg, "typ": "JWT", "cty": "twilio-fpa;v=1"}).to_string());
    let claims = json!({
        "iss": support::KEY, "sub": support::ACCOUNT, "exp": 9_999_999_999_u64, "identity": "boss", "roles": ["admin"],
        "grants": {"identity": "boss", "voice": {"incoming": {"allow": true}}},
    });
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[tokio::test]
async fn what_a_token_says_of_itself_is_never_believed_whatever_its_algorithm() {
    let service = TestService::start(&["--failures-per-minute", "1000"]).await;
    for alg in ["none", "None", "NONE", "", "HS256", "HS512", "RS256", "ES256", "dir"] {
        let token = jwt(alg, if alg.eq_ignore_ascii_case("none") { "" } else { "c2lnbmF0dXJl" });
        service.twilio_says(200, invalid()).await;
        assert_eq!(service.send(bearer(&token)).await.error(), "401 invalid_flex_token", "{alg}");
        // Twilio decides, and says who it is.
        service.twilio_says(200, valid("ann", hours(1))).await;
        assert_eq!(service.send(bearer(&token)).await.json()["identity"], "ext_ann", "{alg}");
    }
}

#[tokio::test]
async fn a_voice_token_is_no_flex_token() {
    let service = TestService::start(&[]).await;
    let token = service.ask().await.json()["token"].as_str().unwrap().to_owned();
    service.twilio_says(200, invalid()).await;
    assert_eq!(service.send(bearer(&token)).await.error(), "401 invalid_flex_token");
}

#[tokio::test]
async fn a_token_with_one_character_changed_is_another_token_also_for_the_memory() {
    let service =
        TestService::start(&["--validation-cache-seconds", "30", "--failures-per-minute", "1000"]).await;
    service.iam.reset().await;
    let own = body_json(json!({"token": support::FLEX_TOKEN}));
    let good = ResponseTemplate::new(200).set_body_json(valid("ann", hours(1)));
    Mock::given(own).respond_with(good).with_priority(1).mount(&service.iam).await;
    let bad = ResponseTemplate::new(200).set_body_json(invalid());
    Mock::given(wiremock::matchers::any()).respond_with(bad).mount(&service.iam).await;
    assert_eq!(service.ask().await.status, 200);
    for index in 0..support::FLEX_TOKEN.len() {
        let mut changed = support::FLEX_TOKEN.to_owned();
        changed.replace_range(index..=index, "X");
        assert_eq!(service.send(bearer(&changed)).await.error(), "401 invalid_flex_token", "{index}");
    }
    for longer in [format!("{}x", support::FLEX_TOKEN), format!("x{}", support::FLEX_TOKEN)] {
        assert_eq!(service.send(bearer(&longer)).await.error(), "401 invalid_flex_token");
    }
}

#[tokio::test]
async fn an_expired_token_gives_none_even_if_twilio_calls_it_valid() {
    let service = TestService::start(&[]).await;
    for end in ["2023-11-14T22:13:19Z", "1970-01-01T00:00:00Z", "2023-11-14T22:13:20Z"] {
        let mut said = valid("ann", hours(1));
        said["expiration"] = json!(end);
        service.twilio_says(200, said).await;
        assert_eq!(service.ask().await.error(), "401 flex_token_expiring", "{end}");
    }
}

#[tokio::test]
async fn nothing_that_a_client_sends_makes_it_another_agent() {
    let service = TestService::start(&["--mints-per-minute", "1000"]).await;
    service.twilio_says(200, valid("n_40x_2Ecom", hours(1))).await;
    // With the prefix `an`, the older service made n@x.com into ann@x.com.
    for body in [
        json!({"identity_prefix": "ext_", "identity": "boss"}),
        json!({"identity_prefix": "ext_", "sub": "boss", "roles": ["admin"], "worker_sid": "WK0"}),
        json!({"account_sid": support::ACCOUNT, "grants": {"identity": "boss"}}),
    ] {
        let mut request = builder().body(body.to_string().into()).unwrap();
        for name in ["x-identity", "x-forwarded-user", "x-twilio-identity", "identity"] {
            request.headers_mut().insert(name, "boss".parse().unwrap());
        }
        *request.uri_mut() = "/v1/voice/token?identity=boss&VoiceClientPrefix=an&Token=x".parse().unwrap();
        assert_eq!(service.send(request).await.json()["identity"], "ext_n_40x_2Ecom", "{body}");
    }
    for prefix in ["an", "an_", "ext__", "EXT_", ""] {
        let body = json!({"identity_prefix": prefix}).to_string();
        let answer = service.send(builder().body(body.into()).unwrap()).await;
        assert!(matches!(answer.status.as_u16(), 400), "{prefix}");
    }
}

#[tokio::test]
async fn ten_thousand_wrong_tokens_cost_twilio_a_few_questions_and_the_others_nothing() {
    let service = TestService::start(&["--validation-cache-seconds", "30"]).await;
    service.iam.reset().await;
    let own = body_json(json!({"token": support::FLEX_TOKEN}));
    let good = ResponseTemplate::new(200).set_body_json(valid("ann", hours(1)));
    Mock::given(own).respond_with(good).with_priority(1).mount(&service.iam).await;
    let bad = ResponseTemplate::new(200).set_body_json(invalid());
    Mock::given(wiremock::matchers::any()).respond_with(bad).mount(&service.iam).await;
    let (mut refused, mut limited) = (0, 0);
    for number in 0..10_000 {
        match service.send_from([198, 51, 100, 7], bearer(&format!("wrong-{number}"))).await.error().as_str()
        {
            "401 invalid_flex_token" => refused += 1,
            "429 rate_limited" => limited += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((refused, limited), (21, 9_979));
    assert_eq!(service.asked().await, 21);
    assert_eq!(service.ask().await.status, 200, "another address");
    let from_there = || service.send_from([198, 51, 100, 7], question());
    assert_eq!(from_there().await.status, 200, "the same address, with a good token that is remembered");
    let unknown = bearer("wrong-10000");
    let answer = service.send_from([198, 51, 100, 7], unknown).await;
    assert_eq!(answer.error(), "429 rate_limited", "and with an unknown one");
    assert!(answer.header("ratelimit").unwrap().starts_with("\"address\";r=0;t="));
    service.clock.advance(Duration::from_secs(31));
    assert_eq!(from_there().await.status, 200, "and with one that was good before");
    let metrics = service.state.service.metrics.render();
    assert!(metrics.contains(r#"token_service_limited_total{by="address"} 9980"#), "{metrics}");
}

#[tokio::test]
async fn a_method_in_disguise_is_the_method_that_it_is() {
    let service = TestService::start(&[]).await;
    for (name, value) in
        [("x-http-method-override", "POST"), ("x-http-method", "POST"), ("x-method-override", "POST")]
    {
        let mut request = question();
        *request.method_mut() = "GET".parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(service.send(request).await.status, 405, "{name}");
    }
    for method in ["post", "POSTX", "CONNECT", "PROPFIND"] {
        let mut request = question();
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(service.send(request).await.status, 405, "{method}");
    }
    assert_eq!(service.asked().await, 0);
}

#[tokio::test]
async fn an_origin_in_disguise_is_not_the_allowed_one() {
    let service = TestService::start(&[]).await;
    for name in ["referer", "x-origin", "x-forwarded-host", "x-forwarded-origin", "host"] {
        let mut request = with_header("origin", Some("https://evil.example"));
        request.headers_mut().insert(name, support::ORIGIN.parse().unwrap());
        assert_eq!(service.send(request).await.error(), "403 origin_not_allowed", "{name}");
    }
    for suffix in [".evil.example", "@evil.example", "#", "?", ":443", "%00", "\t"] {
        let request = with_header("origin", Some(&format!("{}{suffix}", support::ORIGIN)));
        assert_eq!(service.send(request).await.error(), "403 origin_not_allowed", "{suffix}");
    }
    assert_eq!(service.asked().await, 0);
}
