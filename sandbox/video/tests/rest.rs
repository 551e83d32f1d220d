//! The hosts as a service of the developer's sees them: HTTP in, JSON out.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kernel::{AccountSid, Secret};
use sandbox_video::{Callback, Config, Video};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::ServiceExt as _;
use twilio::{ApiKey, ApiKeySid};

const TOKEN: &str = "auth-token";

fn account() -> AccountSid {
    AccountSid::new(format!("AC{}", "1".repeat(32))).unwrap()
}

fn started() -> (Video, mpsc::UnboundedReceiver<Callback>) {
    let (callbacks, delivered) = mpsc::unbounded_channel();
    let key = ApiKeySid::new(format!("SK{}", "2".repeat(32))).unwrap();
    let video = Video::start(Config {
        account: account(),
        auth_token: Secret::new(TOKEN),
        api_keys: vec![ApiKey::new(key, Secret::new("key-secret"))],
        callbacks: Some(callbacks),
    });
    (video, delivered)
}

async fn asked(video: &Video, method: &str, path: &str, form: &str, password: &str) -> (StatusCode, Value) {
    let credentials = STANDARD.encode(format!("{}:{password}", account()));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Basic {credentials}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    let response = video.router().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_room_is_made_read_and_ended_over_http_and_its_callbacks_are_handed_on() {
    let (video, mut delivered) = started();
    let form = "UniqueName=chat&StatusCallback=http%3A%2F%2F127.0.0.1%3A9%2Fvideo";
    let (status, room) = asked(&video, "POST", "/v1/Rooms", form, TOKEN).await;
    assert_eq!(
        (status, &room["status"], &room["type"]),
        (StatusCode::CREATED, &json!("in-progress"), &json!("group"))
    );
    let (status, again) = asked(&video, "POST", "/v1/Rooms", form, TOKEN).await;
    assert_eq!(
        (status, &again["code"], &again["status"]),
        (StatusCode::BAD_REQUEST, &json!(53113), &json!(400))
    );
    let (_, found) = asked(&video, "GET", "/v1/Rooms/chat", "", TOKEN).await;
    assert_eq!(found, room);
    let (_, list) = asked(&video, "GET", "/v1/Rooms?PageSize=1", "", TOKEN).await;
    assert_eq!(list["rooms"], json!([room]));
    let path = format!("/v1/Rooms/{}", room["sid"].as_str().unwrap());
    let (_, over) = asked(&video, "POST", &path, "Status=completed", TOKEN).await;
    assert_eq!((&over["status"], &over["duration"]), (&json!("completed"), &json!(0)));
    let mut happened = Vec::new();
    for _ in 0..2 {
        let callback = delivered.recv().await.unwrap();
        assert_eq!(callback.url, "http://127.0.0.1:9/video");
        happened
            .push(callback.fields.into_iter().find(|(name, _)| *name == "StatusCallbackEvent").unwrap().1);
    }
    assert_eq!(happened, ["room-created", "room-ended"]);
}

#[tokio::test]
async fn without_the_accounts_password_nothing_is_answered_and_nothing_is_done() {
    let (video, _delivered) = started();
    let (status, refused) = asked(&video, "POST", "/v1/Rooms", "UniqueName=chat", "guessed").await;
    assert_eq!((status, &refused["code"]), (StatusCode::UNAUTHORIZED, &json!(20003)));
    assert_eq!(video.view().await["rooms"], json!([]));
    let (status, unknown) = asked(&video, "GET", "/v1/Rooms/chat", "", TOKEN).await;
    assert_eq!((status, &unknown["code"]), (StatusCode::NOT_FOUND, &json!(20404)));
}
