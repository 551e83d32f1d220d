//! Video rooms as a developer's service meets them: by REST on the plain port, with callbacks to its own server.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use clap::Parser as _;
use kernel::Secret;
use sandbox::{Cli, Sandbox};
use sandbox_flex::account;
use serde_json::{Value, json};
use tokio::sync::mpsc;

const SOON: Duration = Duration::from_secs(10);

async fn rest(sandbox: &Sandbox, path: &str, form: &[(&str, &str)]) -> Value {
    let client = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
    let response = client
        .post(format!("http://127.0.0.1:{}/video/v1{path}", sandbox.ports().http))
        .basic_auth(account::ACCOUNT_SID, Some(account::AUTH_TOKEN))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish())
        .send()
        .await
        .unwrap();
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rooms_status_callbacks_arrive_signed_and_in_their_order() {
    let (heard, mut callbacks) = mpsc::unbounded_channel();
    let service = Router::new().route(
        "/video",
        post(move |headers: HeaderMap, body: Bytes| async move {
            heard.send((headers, body)).unwrap();
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/video", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    let ports = ["sandbox", "--tls-port=0", "--signalling-port=0", "--http-port=0"];
    let sandbox = Sandbox::start(Cli::parse_from(ports)).await.unwrap();
    let room = rest(&sandbox, "/Rooms", &[("UniqueName", "chat"), ("StatusCallback", &url)]).await;
    let path = format!("/Rooms/{}", room["sid"].as_str().unwrap());
    assert_eq!(rest(&sandbox, &path, &[("Status", "completed")]).await["status"], json!("completed"));
    for event in ["room-created", "room-ended"] {
        let next = tokio::time::timeout(SOON, callbacks.recv());
        let (headers, body) = next.await.unwrap().unwrap();
        let params: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
        assert!(params.contains(&("StatusCallbackEvent".into(), event.into())), "{params:?}");
        let signature = headers["x-twilio-signature"].to_str().unwrap();
        twilio::signature::verify_form(&Secret::new(account::AUTH_TOKEN), &url, &params, signature).unwrap();
    }
    sandbox.stop().await;
}
