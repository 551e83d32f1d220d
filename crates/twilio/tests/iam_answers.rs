//! Everything that Twilio's validation endpoint can answer, and everything that can go wrong on the way there.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kernel::{AccountSid, Secret, Timestamp};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use twilio::{
    ApiKey, ApiKeySid,
    flex_token::{
        Credentials, FlexTokenError, FlexUser, InvalidBaseUrl, MAX_ANSWER_BYTES, Unavailable, Validator,
        http_client,
    },
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{basic_auth, body_json, header, method, path},
};

fn account() -> AccountSid {
    AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap()
}

fn validator(base_url: &str) -> Validator {
    let credentials = Credentials::auth_token(&account(), Secret::new("auth-token-canary"));
    Validator::new(http_client(base_url).unwrap(), base_url, &account(), &credentials).unwrap()
}

fn token() -> Secret {
    Secret::new("flex-token-canary")
}

/// The answer of Twilio's documentation.
fn valid() -> Value {
    json!({
        "valid": true, "code": 0, "message": null, "expiration": "2018-09-24T23:22:44.240Z",
        "realm_user_id": "user@example.com", "identity": "user_40example_2Dcom", "roles": ["agent"],
        "worker_sid": format!("WK{}", "a".repeat(32)),
    })
}

async fn ask(template: ResponseTemplate) -> Result<FlexUser, FlexTokenError> {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(template).expect(1).mount(&server).await;
    validator(&server.uri()).validate(&token()).await
}

fn unavailable<T>(why: Unavailable) -> Result<T, FlexTokenError> {
    Err(FlexTokenError::Unavailable(why))
}

/// A server that does to each connection what `serve` says, and counts them.
async fn raw_server<F, R>(serve: F) -> (String, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream));
        }
    });
    (url, count)
}

async fn read_some(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
}

#[tokio::test]
async fn the_question_is_asked_as_twilios_own_validator_asks_it() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path(format!("/iam/v1/Accounts/{}/Tokens/validate", account())))
        .and(basic_auth(account().as_str(), "auth-token-canary"))
        .and(header("cache-control", "no-cache"))
        .and(header("content-type", "application/json"))
        .and(body_json(json!({"token": "flex-token-canary"})))
        .respond_with(ResponseTemplate::new(200).set_body_json(valid()))
        .expect(1)
        .mount(&server)
        .await;
    validator(&format!("{}/iam/", server.uri())).validate(&token()).await.unwrap();
}

#[tokio::test]
async fn an_api_key_can_stand_in_for_the_auth_token() {
    let key =
        ApiKey::new(ApiKeySid::new(format!("SK{}", "2".repeat(32))).unwrap(), Secret::new("key-secret"));
    let server = MockServer::start().await;
    Mock::given(basic_auth(key.sid().as_str(), "key-secret"))
        .respond_with(ResponseTemplate::new(200).set_body_json(valid()))
        .expect(1)
        .mount(&server)
        .await;
    let credentials = Credentials::api_key(&key);
    assert!(!format!("{credentials:?}").contains("key-secret"));
    let validator =
        Validator::new(http_client(&server.uri()).unwrap(), &server.uri(), &account(), &credentials).unwrap();
    validator.validate(&token()).await.unwrap();
}

#[tokio::test]
async fn a_valid_token_says_whose_it_is() {
    let user = ask(ResponseTemplate::new(200).set_body_json(valid())).await.unwrap();
    assert_eq!(user.identity.unwrap().as_str(), "user_40example_2Dcom");
    assert_eq!(user.roles.into_iter().collect::<Vec<_>>(), ["agent"]);
    assert_eq!(user.worker_sid.unwrap().as_str(), format!("WK{}", "a".repeat(32)));
    assert_eq!(user.expires_at, Timestamp::from_millis(1_537_831_364_240));
}

#[tokio::test]
async fn what_is_malformed_in_a_valid_answer_grants_nothing() {
    for odd in [json!(null), json!(""), json!([]), json!({}), json!(7), json!("<b>"), json!(["", null, 7])] {
        let mut answer = valid();
        for field in ["identity", "roles", "worker_sid"] {
            answer[field] = odd.clone();
        }
        let user = ask(ResponseTemplate::new(200).set_body_json(answer)).await.unwrap();
        assert_eq!((user.identity, user.worker_sid), (None, None), "{odd}");
        assert!(user.roles.iter().all(String::is_empty), "{odd}");
    }
}

#[tokio::test]
async fn a_valid_answer_without_an_end_is_not_taken() {
    for odd in
        [json!(null), json!(""), json!(1_537_831_364), json!("tomorrow"), json!("1901-01-01T00:00:00Z")]
    {
        let mut answer = valid();
        answer["expiration"] = odd.clone();
        let result = ask(ResponseTemplate::new(200).set_body_json(answer)).await;
        assert_eq!(result, unavailable(Unavailable::NotUnderstood), "{odd}");
    }
}

#[tokio::test]
async fn each_answer_has_its_one_meaning() {
    let refusal =
        json!({"valid": false, "code": 20101, "message": "Invalid Access Token", "expiration": null});
    let invalid = FlexTokenError::Invalid { code: Some(20101), message: "Invalid Access Token".into() };
    let not_found = json!({"code": 20404, "message": "The requested resource was not found", "status": 404});
    let no_login = json!({"code": 20003, "message": "Authenticate", "status": 401});
    let table: [(u16, Value, FlexTokenError); 12] = [
        (200, refusal.clone(), invalid.clone()),
        (400, refusal.clone(), invalid.clone()),
        (401, refusal.clone(), invalid),
        (404, not_found, FlexTokenError::WrongAccount),
        (401, no_login, FlexTokenError::CredentialsRefused { status: 401 }),
        (403, json!({}), FlexTokenError::CredentialsRefused { status: 403 }),
        (
            429,
            json!({"code": 20429}),
            FlexTokenError::Unavailable(Unavailable::TooManyRequests { retry_after: None }),
        ),
        (503, refusal, FlexTokenError::Unavailable(Unavailable::Status(503))),
        (200, json!({}), FlexTokenError::Unavailable(Unavailable::NotUnderstood)),
        (200, json!({"valid": "true"}), FlexTokenError::Unavailable(Unavailable::NotUnderstood)),
        (200, json!([true]), FlexTokenError::Unavailable(Unavailable::NotUnderstood)),
        // Only 200 can say "valid".
        (201, valid(), FlexTokenError::Unavailable(Unavailable::Status(201))),
    ];
    for (status, body, meaning) in table {
        let result = ask(ResponseTemplate::new(status).set_body_json(body.clone())).await;
        assert_eq!(result, Err(meaning), "{status} {body}");
    }
}

#[tokio::test]
async fn too_many_requests_says_when_to_ask_again_if_twilio_does() {
    let busy = |header: &str| ResponseTemplate::new(429).insert_header("retry-after", header);
    for (header, retry_after) in [("7", Some(7)), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)] {
        let expected = unavailable(Unavailable::TooManyRequests { retry_after });
        assert_eq!(ask(busy(header)).await, expected, "{header}");
    }
}

#[tokio::test]
async fn html_is_no_answer_whatever_its_status() {
    let html = |status| ResponseTemplate::new(status).set_body_raw("<html>oops</html>", "text/html");
    assert_eq!(ask(html(500)).await, unavailable(Unavailable::Status(500)));
    assert_eq!(ask(html(200)).await, unavailable(Unavailable::NotUnderstood));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).expect(0).mount(&elsewhere).await;
    let redirect = ResponseTemplate::new(307).insert_header("location", elsewhere.uri().as_str());
    assert_eq!(ask(redirect).await, unavailable(Unavailable::Status(307)));
}

#[tokio::test]
async fn twilios_words_are_passed_on_short_and_never_with_the_token_in_them() {
    let message = |words: String| {
        let body = json!({"valid": false, "message": words});
        async move {
            match ask(ResponseTemplate::new(200).set_body_json(body)).await {
                Err(FlexTokenError::Invalid { message, .. }) => message,
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(message("Expired\r\nSet-Cookie: x".into()).await, "ExpiredSet-Cookie: x");
    assert_eq!(message("x".repeat(1000)).await.len(), 200);
    assert_eq!(message("token flex-token-canary is bad".into()).await, "Invalid Access Token");
}

#[tokio::test]
async fn an_answer_up_to_the_limit_is_read_and_not_one_byte_more() {
    let padded = |size: usize| {
        let mut body = valid().to_string();
        body.push_str(&" ".repeat(size - body.len()));
        ResponseTemplate::new(200).set_body_raw(body, "application/json")
    };
    assert!(ask(padded(MAX_ANSWER_BYTES)).await.is_ok());
    assert_eq!(ask(padded(MAX_ANSWER_BYTES + 1)).await, unavailable(Unavailable::TooLarge));
    assert_eq!(ask(padded(10_000_000)).await, unavailable(Unavailable::TooLarge));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_costs_three_seconds_and_is_asked_once() {
    let (url, count) = raw_server(|mut stream| async move {
        read_some(&mut stream).await;
        std::future::pending().await
    })
    .await;
    let validator = validator(&url);
    let started = Instant::now();
    assert_eq!(validator.validate(&token()).await, unavailable(Unavailable::Timeout));
    let took = started.elapsed();
    assert!(Duration::from_millis(2900) < took && took < Duration::from_millis(3300), "{took:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_costs_three_seconds_too() {
    let (url, _) = raw_server(|mut stream| async move {
        read_some(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let started = Instant::now();
    assert_eq!(validator(&url).validate(&token()).await, unavailable(Unavailable::Timeout));
    // Its hundred seconds are not waited for.
    assert!(started.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn a_reset_is_not_tried_again_because_the_token_may_have_been_sent() {
    let (url, count) = raw_server(|mut stream| async move {
        read_some(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(validator(&url).validate(&token()).await, unavailable(Unavailable::Transport));
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let started = Instant::now();
    let result = validator(&format!("http://127.0.0.1:{port}")).validate(&token()).await;
    assert_eq!(result, unavailable(Unavailable::Connect));
    assert!(started.elapsed() < Duration::from_secs(1));
}

/// That it is tried again with success is tested with the whole service, which can be given a certificate to trust.
#[tokio::test]
async fn only_a_connection_that_never_came_about_is_tried_again_and_only_once() {
    let (url, count) = raw_server(|stream| async move { drop(stream) }).await;
    let no_tls = validator(&url.replace("http:", "https:")).validate(&token()).await;
    assert_eq!(no_tls, unavailable(Unavailable::Connect));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn credentials_travel_over_https_or_not_beyond_this_machine() {
    let new = |base: &str| {
        let credentials = Credentials::auth_token(&account(), Secret::new("x"));
        Validator::new(http_client(base).unwrap(), base, &account(), &credentials).map(|_| ())
    };
    for good in ["https://iam.twilio.com", "http://127.0.0.1:8080/iam", "http://localhost/", "http://[::1]:1"]
    {
        assert_eq!(new(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "iam.twilio.com",
        "http://iam.twilio.com",
        "http://127.0.0.1.evil.example",
        "https://user@iam.twilio.com",
        "https://iam.twilio.com/?a=",
        "ftp://127.0.0.1",
    ] {
        assert_eq!(new(bad), Err(InvalidBaseUrl), "{bad}");
    }
}
