//! What becomes of tasks, as a developer's server hears of it.

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

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_told_by_signed_events_that_a_task_was_wrapped_up_or_canceled() {
    let (heard, mut events) = mpsc::unbounded_channel();
    let service = Router::new().route(
        "/task",
        post(move |headers: HeaderMap, body: Bytes| async move {
            heard.send((headers, body)).unwrap();
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/task", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    let ports = ["sandbox", "--tls-port=0", "--signalling-port=0", "--http-port=0"];
    let sandbox = Sandbox::start(Cli::parse_from(ports)).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap();
    let base = format!("http://127.0.0.1:{}", sandbox.ports().http);
    let rest = async |path: &str, form: &[(&str, &str)]| -> Value {
        let workspace = account::WORKSPACE_SID;
        let response = client
            .post(format!("{base}/taskrouter/v1/Workspaces/{workspace}{path}"))
            .basic_auth(account::ACCOUNT_SID, Some(account::AUTH_TOKEN))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish())
            .send()
            .await
            .unwrap();
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    };
    let filter = "task.wrapup, task.canceled";
    let kept = rest("", &[("EventCallbackUrl", url.as_str()), ("EventsFilter", filter)]).await;
    assert_eq!(
        (&kept["event_callback_url"], &kept["events_filter"]),
        (&json!(url), &json!("task.wrapup,task.canceled"))
    );

    let begin = async || -> Value {
        let request = client.post(format!("{base}/api/chats")).json(&json!({}));
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
    };
    let (first, second) = (begin().await, begin().await);
    let sid = |chat: &Value, name: &str| chat[name].as_str().unwrap().to_owned();
    let reservation =
        format!("/Tasks/{}/Reservations/{}", sid(&first, "task_sid"), sid(&first, "reservation_sid"));
    rest(&reservation, &[("ReservationStatus", "accepted")]).await;
    rest(&reservation, &[("ReservationStatus", "wrapping")]).await;
    rest(&format!("/Tasks/{}", sid(&second, "task_sid")), &[("AssignmentStatus", "canceled")]).await;
    let mut told = Vec::new();
    for _ in 0..2 {
        let (headers, body) = tokio::time::timeout(SOON, events.recv()).await.unwrap().unwrap();
        let params: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
        let signature = headers["x-twilio-signature"].to_str().unwrap();
        twilio::signature::verify_form(&Secret::new(account::AUTH_TOKEN), &url, &params, signature).unwrap();
        let value = |name: &str| params.iter().find(|(known, _)| known == name).unwrap().1.clone();
        assert!(value("TaskAttributes").contains("conversationSid"));
        told.push((value("EventType"), value("TaskSid"), value("TaskAssignmentStatus")));
    }
    told.sort();
    let expected = |event: &str, chat: &Value, status: &str| {
        (event.to_owned(), sid(chat, "task_sid"), status.to_owned())
    };
    assert_eq!(
        told,
        [expected("task.canceled", &second, "canceled"), expected("task.wrapup", &first, "wrapping")]
    );
    sandbox.stop().await;
}
