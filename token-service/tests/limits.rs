//! How often somebody may fail or be served, how much at once, and what is remembered.

mod support;

use std::{sync::Arc, time::Duration};

use axum::{body::Body, http::HeaderValue};
use futures_util::future::join_all;
use service_kit::client::ClientAddress;
use support::{TestService, builder, hours, invalid, question, valid, with_header};
use token_service::features::voice_token;
use wiremock::ResponseTemplate;

#[tokio::test]
async fn an_identity_gets_so_many_tokens_a_minute_and_others_are_unaffected() {
    let service = TestService::start(&["--mints-per-minute", "6"]).await;
    for (left, reset) in [(5, 10), (4, 20), (3, 30), (2, 40), (1, 50), (0, 60)] {
        let answer = service.ask().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit"), Some(format!("\"identity\";r={left};t={reset}").as_str()));
        assert_eq!(answer.header("ratelimit-policy"), Some("\"identity\";q=6;w=60"));
    }
    let answer = service.ask().await;
    assert_eq!(answer.error(), "429 rate_limited");
    assert_eq!(answer.header("retry-after"), Some("10"));
    assert_eq!(answer.header("ratelimit"), Some("\"identity\";r=0;t=10"));
    service.twilio_says(200, valid("other", hours(1))).await;
    assert_eq!(service.ask().await.status, 200);
    service.twilio_says(200, valid("agent_40example_2Ecom", hours(1))).await;
    assert_eq!(service.ask().await.error(), "429 rate_limited");
    service.clock.advance(Duration::from_secs(10));
    assert_eq!(service.ask().await.status, 200);
}

#[tokio::test]
async fn whoever_tries_out_flex_tokens_is_stopped_before_twilio_is_asked_again() {
    let service = TestService::start(&[]).await;
    service.twilio_says(200, invalid()).await;
    for _ in 0..21 {
        assert_eq!(service.ask().await.error(), "401 invalid_flex_token");
    }
    let asked = service.asked().await;
    let answer = service.ask().await;
    assert_eq!(answer.error(), "429 rate_limited");
    assert_eq!(answer.header("retry-after"), Some("6"));
    assert_eq!(service.asked().await, asked);
    assert_eq!(service.send_from([192, 0, 2, 2], question()).await.error(), "401 invalid_flex_token");
    service.clock.advance(Duration::from_secs(6));
    assert_eq!(service.ask().await.error(), "401 invalid_flex_token");
}

#[tokio::test]
async fn a_whole_contact_centre_behind_one_address_is_served() {
    let service = TestService::start(&[]).await;
    for agent in 0..200 {
        service.twilio_says(200, valid(&format!("agent{agent}"), hours(1))).await;
        assert_eq!(service.ask().await.status, 200);
    }
}

#[tokio::test]
async fn what_costs_twilio_nothing_is_not_counted() {
    let service = TestService::start(&[]).await;
    for _ in 0..100 {
        assert_eq!(service.send(with_header("authorization", None)).await.error(), "401 missing_token");
    }
    service.twilio_says(503, invalid()).await;
    for _ in 0..100 {
        assert_eq!(service.ask().await.error(), "503 upstream_unavailable");
    }
    service.clock.advance(Duration::from_secs(1));
    service.twilio_says(200, valid("ann", hours(1))).await;
    assert_eq!(service.ask().await.status, 200);
}

#[tokio::test]
async fn a_made_up_x_forwarded_for_changes_nothing_unless_its_writer_is_trusted() {
    let from = |address: &str| with_header("x-forwarded-for", Some(address));
    let direct = TestService::start(&["--failures-per-minute", "1"]).await;
    direct.twilio_says(200, invalid()).await;
    for last in 0..3 {
        assert_eq!(direct.send(from(&format!("198.51.100.{last}"))).await.error(), "401 invalid_flex_token");
    }
    assert_eq!(direct.send(from("198.51.100.99")).await.error(), "429 rate_limited");

    let proxied =
        TestService::start(&["--failures-per-minute", "1", "--trusted-proxy", "192.0.2.0/24"]).await;
    proxied.twilio_says(200, invalid()).await;
    for _ in 0..3 {
        assert_eq!(proxied.send(from("198.51.100.1")).await.error(), "401 invalid_flex_token");
    }
    assert_eq!(proxied.send(from("7.7.7.7, 198.51.100.1")).await.error(), "429 rate_limited");
    assert_eq!(proxied.send(from("198.51.100.2")).await.error(), "401 invalid_flex_token");
    // Nor does a byte that is no text, or a name that is no address, before what the proxy writes.
    for made_up in [&b"\xff"[..], b"unknown"] {
        let mut request = from("198.51.100.1");
        request.headers_mut().remove("x-forwarded-for");
        for line in [made_up, b"198.51.100.1"] {
            request.headers_mut().append("x-forwarded-for", HeaderValue::from_bytes(line).unwrap());
        }
        assert_eq!(proxied.send(request).await.error(), "429 rate_limited", "{made_up:?}");
    }
}

#[tokio::test]
async fn without_a_cache_nothing_is_remembered_so_a_revoked_token_is_refused_at_once() {
    let service = TestService::start(&["--validation-cache-seconds", "0"]).await;
    assert_eq!(service.ask().await.status, 200);
    service.twilio_says(200, invalid()).await;
    assert_eq!(service.ask().await.error(), "401 invalid_flex_token");
    service.twilio_says(200, valid("ann", hours(1))).await;
    assert_eq!(service.ask().await.status, 200);
}

#[tokio::test]
async fn an_answer_is_remembered_for_as_long_as_configured_and_no_longer() {
    let service = TestService::start(&["--validation-cache-seconds", "30"]).await;
    assert_eq!((service.ask().await.status.as_u16(), service.asked().await), (200, 1));
    service.clock.advance(Duration::from_millis(29_999));
    assert_eq!((service.ask().await.status.as_u16(), service.asked().await), (200, 1));
    assert_eq!(service.send(with_header("authorization", Some("Bearer other"))).await.status, 200);
    assert_eq!(service.asked().await, 2);
    service.twilio_says(200, invalid()).await;
    service.clock.advance(Duration::from_millis(1));
    assert_eq!(service.ask().await.error(), "401 invalid_flex_token");
}

#[tokio::test]
async fn a_remembered_answer_still_ends_with_the_flex_token() {
    let service = TestService::start(&["--validation-cache-seconds", "30"]).await;
    service.twilio_says(200, valid("ann", Duration::from_secs(70))).await;
    assert_eq!(service.ask().await.status, 200);
    service.clock.advance(Duration::from_secs(11));
    assert_eq!(service.ask().await.error(), "401 flex_token_expiring");
}

#[tokio::test]
async fn a_refusal_is_remembered_for_five_seconds_and_counts_once() {
    let service =
        TestService::start(&["--validation-cache-seconds", "30", "--failures-per-minute", "1"]).await;
    service.twilio_says(200, invalid()).await;
    for _ in 0..50 {
        assert_eq!(service.ask().await.error(), "401 invalid_flex_token");
    }
    assert_eq!(service.asked().await, 1);
    service.clock.advance(Duration::from_secs(5));
    assert_eq!(service.ask().await.error(), "401 invalid_flex_token");
    assert_eq!(service.asked().await, 2);
}

#[tokio::test]
async fn that_twilio_could_not_be_asked_is_never_remembered() {
    let service = TestService::start(&["--validation-cache-seconds", "30"]).await;
    for (status, code) in
        [(503, "503 upstream_unavailable"), (401, "500 internal"), (404, "403 wrong_account")]
    {
        service.twilio_says(status, serde_json::json!({})).await;
        assert_eq!(service.ask().await.error(), code);
    }
    service.twilio_says(200, valid("ann", hours(1))).await;
    assert_eq!(service.ask().await.status, 200);
}

#[tokio::test]
async fn a_hundred_who_ask_about_one_token_at_once_are_one_question() {
    for seconds in ["30", "0"] {
        let service = Arc::new(
            TestService::start(&["--validation-cache-seconds", seconds, "--mints-per-minute", "100"]).await,
        );
        let slow = ResponseTemplate::new(200).set_body_json(valid("ann", hours(1)));
        service.twilio_answers(slow.set_delay(Duration::from_millis(200))).await;
        let answers = join_all((0..100).map(|_| service.ask())).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        assert_eq!(service.asked().await, 1);
    }
}

#[tokio::test]
async fn more_requests_at_once_than_allowed_are_sent_away_and_the_others_served() {
    let service = TestService::start(&["--max-in-flight", "3"]).await;
    let slow = ResponseTemplate::new(200).set_body_json(valid("ann", hours(1)));
    service.twilio_answers(slow.set_delay(Duration::from_millis(200))).await;
    let answers = join_all((0..5).map(|_| service.ask())).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(served, 3);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.error(), "503 upstream_unavailable");
        assert_eq!(answer.header("retry-after"), Some("2"));
    }
    assert_eq!(service.ask().await.status, 200);
}

/// A body of which one byte is here, and no more for as long as it is waited for.
fn unfinished() -> Body {
    let first = futures_util::stream::iter([Ok::<_, std::convert::Infallible>("{")]);
    Body::from_stream(futures_util::StreamExt::chain(first, futures_util::stream::pending()))
}

#[tokio::test]
async fn a_request_whose_body_is_still_arriving_takes_nobodys_place() {
    let service = TestService::start(&["--max-in-flight", "1"]).await;
    let slow = |last| service.send_from([198, 51, 100, last], builder().body(unfinished()).unwrap());
    let asked = join_all((0..100).map(slow));
    tokio::pin!(asked);
    for _ in 0..10 {
        assert!(futures_util::poll!(&mut asked).is_pending());
        assert_eq!(service.ask().await.status, 200);
    }
    // Each is given up after five seconds, which need not be waited for.
    tokio::time::pause();
    for answer in asked.await {
        assert_eq!(answer.error(), "400 malformed_request");
    }
}

#[tokio::test]
async fn an_address_that_sends_too_many_bodies_at_once_loses_its_oldest_and_meets_only_itself() {
    // A quarter of these is eight.
    for (path, refused) in [("/v1/voice/token", "429"), ("/generateToken", "429")] {
        let service = TestService::start(&[
            "--max-in-flight",
            "32",
            "--legacy-generate-token",
            "--mints-per-minute",
            "999",
        ])
        .await;
        let question = |body: Body| {
            let mut request = builder().body(body).unwrap();
            *request.uri_mut() = path.parse().unwrap();
            request
        };
        let greedy = [198, 51, 100, 7];
        let mut oldest = Box::pin(service.send_from(greedy, question(unfinished())));
        assert!(futures_util::poll!(&mut oldest).is_pending());
        let mut others = Vec::new();
        for _ in 0..7 {
            let mut other = Box::pin(service.send_from(greedy, question(unfinished())));
            assert!(futures_util::poll!(&mut other).is_pending());
            others.push(other);
        }
        assert!(futures_util::poll!(&mut oldest).is_pending(), "its share");
        let mut elsewhere = Box::pin(service.send_from([198, 51, 100, 8], question(unfinished())));
        assert!(futures_util::poll!(&mut elsewhere).is_pending());
        assert!(futures_util::poll!(&mut oldest).is_pending(), "another address");

        // Honest requests of the same address are served all the while, each at the cost of the oldest body.
        let body = match path {
            "/generateToken" => {
                serde_json::json!({"Token": support::FLEX_TOKEN, "VoiceClientPrefix": "ext_"})
            }
            _ => serde_json::json!({}),
        };
        let answer = service.send_from(greedy, question(Body::from(body.to_string()))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let std::task::Poll::Ready(given_up) = futures_util::poll!(&mut oldest) else {
            panic!("still there")
        };
        assert_eq!(given_up.status.as_str(), refused, "{path}");
        assert_eq!(given_up.header("retry-after"), Some("2"));
        let metrics = service.state.service.metrics.render();
        assert!(metrics.contains(r#"token_service_limited_total{by="arriving"} 1"#), "{metrics}");
        // It is here, and its place is free again.
        let answer = service.send_from(greedy, question(Body::from(body.to_string()))).await;
        assert_eq!(answer.status, 200);
        for other in others.iter_mut().chain([&mut elsewhere]) {
            assert!(futures_util::poll!(other).is_pending());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_trusted_proxys_own_address_has_no_share_and_those_behind_it_have_one_each() {
    let service = TestService::start(&["--max-in-flight", "32", "--trusted-proxy", "192.0.2.1"]).await;
    let slow = |forwarded: Option<String>| {
        let mut request = builder().body(unfinished()).unwrap();
        if let Some(forwarded) = forwarded {
            request.headers_mut().insert("x-forwarded-for", forwarded.parse().unwrap());
        }
        service.send(request)
    };
    let by_proxy = join_all((0..100).map(|_| slow(None)));
    let by_clients = join_all((0..100).map(|client| slow(Some(format!("198.51.100.{client}")))));
    let by_one = join_all((0..9).map(|_| slow(Some("203.0.113.1".into()))));
    tokio::pin!(by_proxy, by_clients, by_one);
    assert!(futures_util::poll!(&mut by_proxy).is_pending());
    assert!(futures_util::poll!(&mut by_clients).is_pending());
    assert!(futures_util::poll!(&mut by_one).is_pending());
    let (by_proxy, by_clients, by_one) = tokio::join!(by_proxy, by_clients, by_one);
    for answer in by_proxy.iter().chain(&by_clients).chain(&by_one[1..]) {
        assert_eq!(answer.error(), "400 malformed_request");
    }
    assert_eq!(by_one[0].error(), "429 rate_limited");
}

/// It is moved before it begins, and held for as long as Twilio takes.
#[tokio::test]
async fn what_is_held_for_a_request_is_small() {
    let service = TestService::start(&[]).await;
    // What goes on inside is in a box of its own.
    let client = ClientAddress([192, 0, 2, 1].into());
    let size = std::mem::size_of_val(&service.front.answer(question()))
        + std::mem::size_of_val(&voice_token::answer(service.state.clone(), client, question()));
    assert!(size <= 8 * 1024, "{size} bytes");
}
