//! Twilio is not there, or hangs, or talks nonsense: 503 and `Retry-After`, within bounds.

mod support;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use support::{Counter, TestService, hours, iam::Gate, valid, with_header};
use tokio::{io::AsyncReadExt as _, net::TcpListener, time::Instant};
use wiremock::{MockServer, ResponseTemplate};

async fn service_with_twilio_at(url: &str, flags: &[&str]) -> TestService {
    TestService::at(url, MockServer::start().await, flags, Arc::new(Counter::default()))
}

async fn unavailable_within(service: &TestService, limit: Duration) {
    let started = Instant::now();
    let answer = service.ask().await;
    assert_eq!(answer.error(), "503 upstream_unavailable");
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_twilio_that_is_not_there_is_told_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let service = service_with_twilio_at(&format!("http://127.0.0.1:{port}"), &[]).await;
    unavailable_within(&service, Duration::from_secs(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_twilio_that_hangs_is_given_up_after_three_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = service_with_twilio_at(&format!("http://{}", listener.local_addr().unwrap()), &[]).await;
    unavailable_within(&service, Duration::from_millis(3500)).await;
}

#[tokio::test]
async fn a_twilio_that_hangs_up_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = service_with_twilio_at(&format!("http://{}", listener.local_addr().unwrap()), &[]).await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 1024];
            assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
            stream.set_zero_linger().unwrap();
        }
    });
    unavailable_within(&service, Duration::from_secs(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_twilio_makes_everybody_wait_no_longer_than_three_seconds() {
    // 200 questions, 64 at once, two seconds each: whoever would have to wait for a second turn is told so in time.
    let twilio = Gate::start().await;
    let service = service_with_twilio_at(&twilio.url, &["--mints-per-minute", "1000"]).await;
    twilio.answer(1000, Duration::from_secs(2));
    let started = Instant::now();
    let ask = |agent: i32| service.send(with_header("authorization", Some(&format!("Bearer {agent}"))));
    let answers = join_all((0..200).map(ask)).await;
    assert!(started.elapsed() < Duration::from_millis(4500), "{:?}", started.elapsed());
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((1..=64).contains(&served), "{served}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.error(), "503 upstream_unavailable");
    }
    // And it recovers with the next request.
    twilio.answer(0, Duration::ZERO);
    assert_eq!(service.ask().await.status, 200);
}

#[tokio::test]
async fn html_and_floods_are_no_answer() {
    let service = TestService::start(&[]).await;
    let html = |status| ResponseTemplate::new(status).set_body_raw("<html>canary</html>", "text/html");
    let flood = ResponseTemplate::new(200).set_body_string("x".repeat(5_000_000));
    for answer in [html(200), html(500), html(502), flood] {
        service.twilio_answers(answer).await;
        unavailable_within(&service, Duration::from_secs(2)).await;
    }
}

#[tokio::test]
async fn a_twilio_that_fails_again_and_again_is_left_alone_and_one_answer_later_all_is_well() {
    let service = TestService::start(&[]).await;
    service.twilio_answers(ResponseTemplate::new(503)).await;
    for _ in 0..20 {
        assert_eq!(service.ask().await.error(), "503 upstream_unavailable");
    }
    assert_eq!(service.asked().await, 5);
    assert!(service.state.service.metrics.render().contains("token_service_iam_breaker_open 1"));
    service.clock.advance(Duration::from_secs(1));
    assert_eq!(service.ask().await.error(), "503 upstream_unavailable");
    assert_eq!(service.ask().await.error(), "503 upstream_unavailable");
    assert_eq!(service.asked().await, 6, "one probe");
    service.twilio_says(200, valid("ann", hours(1))).await;
    service.clock.advance(Duration::from_secs(2));
    for _ in 0..3 {
        assert_eq!(service.ask().await.status, 200);
    }
    assert!(service.state.service.metrics.render().contains("token_service_iam_breaker_open 0"));
}

#[tokio::test]
async fn a_twilio_that_is_asked_too_often_is_left_alone_for_as_long_as_it_says() {
    let service = TestService::start(&[]).await;
    service.twilio_answers(ResponseTemplate::new(429).insert_header("retry-after", "10")).await;
    assert_eq!(service.ask().await.error(), "503 upstream_unavailable");
    service.twilio_says(200, valid("ann", hours(1))).await;
    let asked = service.ask().await;
    assert_eq!((asked.error().as_str(), service.asked().await), ("503 upstream_unavailable", 0));
    service.clock.advance(Duration::from_secs(10));
    assert_eq!(service.ask().await.status, 200);
}

#[tokio::test]
async fn a_question_is_not_asked_again_because_the_client_that_asked_it_went_away() {
    let twilio = Gate::start().await;
    let service = service_with_twilio_at(&twilio.url, &["--validation-cache-seconds", "30"]).await;
    tokio::select! {
        answer = service.ask() => panic!("{} before Twilio has said anything", answer.status),
        () = twilio.asked() => {}
    }
    twilio.answer(1, Duration::ZERO);
    assert_eq!(service.ask().await.status, 200);
    assert_eq!(twilio.count(), 1);
}
