//! An agent who is shut out gets no token from that moment on, and only the operator can shut anybody out.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

#[path = "support/program.rs"]
mod program;
mod support;

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use program::{command, ready};
use serde_json::{Value, json};
use support::{ACCOUNT, KEY, OPERATOR, ORIGIN, TestService, WORKER, capture_log, hours, valid};
use token_service::features::revocations;
use tokio::process::Command;
use tower::ServiceExt as _;

const IDENTITY: &str = "ext_agent_40example_2Ecom";

async fn start() -> TestService {
    TestService::start(&["--validation-cache-seconds", "30"]).await
}

/// What the operator's port answers.
async fn order(service: &TestService, method: &str, token: Option<&str>, body: &str) -> (u16, String) {
    let mut request = Request::builder().method(method).uri("/v1/revocations");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let routes = revocations::router(Arc::clone(&service.state.service));
    let response = routes.oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status();
    assert!(status == 404 || response.headers()["cache-control"] == "no-store");
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
}

async fn operator(service: &TestService, method: &str, body: &Value) -> Value {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = order(service, method, Some(OPERATOR), &text).await;
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test]
async fn whoever_is_revoked_gets_no_token_from_then_on_by_either_name_until_let_in_again_or_the_time_is_over()
{
    let log = capture_log();
    let service = start().await;
    for who in [json!({"identity": IDENTITY}), json!({"worker_sid": WORKER})] {
        assert_eq!(service.ask().await.status, 200);
        let mut revoke = who.clone();
        revoke["minutes"] = 10.into();
        let done = operator(&service, "POST", &revoke).await;
        assert_eq!(done["known_to"], "this_replica");
        assert_eq!(done["answers_forgotten"], 1, "what was remembered of them");
        assert_eq!(service.ask().await.error(), "403 revoked");
        let listed = operator(&service, "GET", &Value::Null).await;
        assert_eq!(listed["revocations"].as_array().unwrap().len(), 1);
        assert_eq!(listed["revocations"][0]["until"], done["until"]);
        assert_eq!(operator(&service, "DELETE", &who).await["was_revoked"], true);
        assert_eq!(operator(&service, "DELETE", &who).await["was_revoked"], false);
        assert_eq!(service.ask().await.status, 200);
    }
    operator(&service, "POST", &json!({"identity": IDENTITY, "minutes": 10})).await;
    assert_eq!(service.ask().await.error(), "403 revoked");
    service.clock.advance(Duration::from_secs(600));
    assert_eq!(service.ask().await.status, 200, "the time is over");
    assert_eq!(operator(&service, "GET", &Value::Null).await["revocations"], json!([]));
    operator(&service, "POST", &json!({"identity": IDENTITY})).await;
    service.twilio_says(200, valid("somebody_else", hours(8))).await;
    assert_eq!(service.ask().await.status, 200, "somebody else");
    let text = log.text();
    assert!(
        text.contains("an operator has shut somebody out") && text.contains("let somebody in again"),
        "{text}"
    );
}

#[tokio::test]
async fn only_the_operator_can_revoke_and_only_where_there_is_one() {
    let service = start().await;
    let body = json!({"identity": IDENTITY}).to_string();
    for method in ["GET", "POST", "DELETE"] {
        for token in [None, Some("canary"), Some(""), Some(&OPERATOR[1..]), Some(support::FLEX_TOKEN)] {
            assert_eq!(order(&service, method, token, &body).await.0, 401, "{method} {token:?}");
        }
    }
    let public = Request::post("/v1/revocations").header("authorization", format!("Bearer {OPERATOR}"));
    assert_eq!(
        service.send(public.body(Body::from(body.clone())).unwrap()).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(service.ask().await.status, 200);
    for bad in [
        json!({}),
        json!([]),
        json!({"identity": "ext ann"}),
        json!({"worker_sid": "ext_ann"}),
        json!({"identity": IDENTITY, "worker_sid": WORKER}),
        json!({"identity": IDENTITY, "minutes": 0}),
        json!({"identity": IDENTITY, "minutes": 43_201}),
        json!({"identity": IDENTITY, "hours": 1}),
    ] {
        assert_eq!(order(&service, "POST", Some(OPERATOR), &bad.to_string()).await.0, 400, "{bad}");
    }
    let nobodys = format!(
        "[[account]]\naccount_sid = \"{ACCOUNT}\"\niam_base_url = \"{{iam}}\"\nallowed_origins = [\"{ORIGIN}\"]\n\
         [[account.api_key]]\nsid = \"{KEY}\"\nsecret_file = \"{{secret}}\"\n"
    );
    let service = TestService::with_file("revocations", &nobodys).await;
    assert_eq!(order(&service, "POST", Some(OPERATOR), &body).await.0, 404);
}

/// Runs the program with an operator's command. Returns whether all went well, and what it wrote.
async fn say(admin_port: u16, token: &str, words: &[&str]) -> (bool, String) {
    let output = Command::new(std::env::var_os("CARGO_BIN_EXE_token-service").unwrap())
        .env_clear()
        .env("TOKEN_SERVICE_OPERATOR_TOKEN", token)
        .args(words)
        .args(["--admin-port", &admin_port.to_string()])
        .output()
        .await
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    support::assert_no_secret(&text);
    (output.status.success(), text)
}

#[tokio::test]
async fn the_operators_commands_tell_the_running_service() {
    let mut command = command("https://iam.twilio.com");
    command.env("TOKEN_SERVICE_OPERATOR_TOKEN", OPERATOR);
    let service = ready(command).await;
    let port = service.admin_port;

    let (well, text) = say(port, OPERATOR, &["revoke", "--identity", IDENTITY, "--minutes", "10"]).await;
    assert!(well && text.contains(IDENTITY) && text.contains("this_replica"), "{text}");
    let (well, text) = say(port, OPERATOR, &["revocations"]).await;
    assert!(well && text.contains(IDENTITY), "{text}");
    let (well, text) = say(port, OPERATOR, &["restore", "--identity", IDENTITY]).await;
    assert!(well && text.contains("\"was_revoked\":true"), "{text}");
    let (well, text) = say(port, "canary-of-somebody-else-altogether", &["revocations"]).await;
    assert!(!well && text.contains("401"), "{text}");
    for wrong in [
        &["revoke"][..],
        &["restore"],
        &["revoke", "--identity", "ext ann"],
        &["revoke", "--identity", IDENTITY, "--minutes", "0"],
        &["restore", "--identity", IDENTITY, "--minutes", "5"],
        &["revocations", "--identity", IDENTITY],
    ] {
        assert!(!say(port, OPERATOR, wrong).await.0, "{wrong:?}");
    }
    assert!(!say(port, "short", &["revocations"]).await.0);
}
