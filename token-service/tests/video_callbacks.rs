//! What Twilio tells of rooms and tasks: only what it signed is believed, and what is over is over at once.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

mod support;

use axum::{body::Body, http::Request};
use kernel::Secret;
use protocol::video::{Admission, EndReason, Joined, VideoOpened, VideoPhase, VideoStatus};
use serde_json::{Value, json};
use support::{
    ACCOUNT, AUTH, Answer, FLEX_TOKEN, TestService, VIDEO, VIDEO_ORIGIN, WORKER, WORKSPACE, until,
};
use twilio::signature::{SIGNATURE_HEADER, sign};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{path, path_regex},
};

const ROOM: &str = "/v1/video/callbacks/room";
const TASK: &str = "/v1/video/callbacks/task";

fn sid(prefix: &str, digit: char) -> String {
    format!("{prefix}{}", String::from(digit).repeat(32))
}

/// The rooms and tasks of Twilio's: one task of a chat that the agent has.
async fn twilio(task_status: &str) -> MockServer {
    let server = MockServer::start().await;
    tells(&server, task_status).await;
    server
}

/// From now on the task is so.
async fn tells(server: &MockServer, task_status: &str) {
    server.reset().await;
    let attributes = json!({"conversationSid": sid("CH", '7')}).to_string();
    let task = json!({"sid": sid("WT", '5'), "assignment_status": task_status, "attributes": attributes});
    let tasks = format!("/v1/Workspaces/{WORKSPACE}/Tasks");
    let says = |body: Value| ResponseTemplate::new(200).set_body_json(body);
    let reservation = json!({"worker_sid": WORKER, "reservation_status": "accepted"});
    Mock::given(path(format!("{tasks}/{}/Reservations", sid("WT", '5'))))
        .respond_with(says(json!({"reservations": [reservation], "meta": {}})))
        .mount(server)
        .await;
    Mock::given(path(format!("{tasks}/{}", sid("WT", '5'))))
        .respond_with(says(task.clone()))
        .mount(server)
        .await;
    Mock::given(path(&tasks)).respond_with(says(json!({"tasks": [task], "meta": {}}))).mount(server).await;
    let room = json!({"sid": sid("RM", '1'), "unique_name": "x", "status": "in-progress"});
    Mock::given(path_regex("^/v1/Rooms")).respond_with(says(room)).mount(server).await;
}

async fn service(twilio: &MockServer) -> TestService {
    let url = twilio.uri();
    let flags = ["--taskrouter-base-url", &url, "--video-base-url", &url];
    let flags: Vec<&str> = VIDEO.into_iter().chain(flags).collect();
    TestService::start(&flags).await
}

/// A callback, signed with this for this address; `None` for not at all.
fn callback(path: &str, fields: &[(&str, &str)], signed: Option<(&str, &str)>) -> Request<Body> {
    let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    if let Some((auth_token, address)) = signed {
        let signature = sign(&Secret::new(auth_token), address, fields);
        request = request.header(SIGNATURE_HEADER, signature);
    }
    let form = reqwest::Url::parse_with_params("https://form.invalid/", fields).unwrap();
    request.body(form.query().unwrap_or_default().to_owned().into()).unwrap()
}

async fn says(service: &TestService, path: &str, fields: &[(&str, &str)]) -> Answer {
    let address = format!("{VIDEO_ORIGIN}{path}");
    service.send(callback(path, fields, Some((AUTH, &address)))).await
}

/// The agent's request about the task.
async fn agent(service: &TestService, method: &str) -> Value {
    let request = Request::builder()
        .method(method)
        .uri(format!("/v1/video/tasks/{}", sid("WT", '5')))
        .header("origin", "https://flex.twilio.com")
        .header("authorization", format!("Bearer {FLEX_TOKEN}"))
        .header("content-type", "application/json");
    let body = if method == "POST" { Body::from("{}") } else { Body::empty() };
    let answer = service.send(request.body(body).unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

async fn status(service: &TestService) -> VideoStatus {
    serde_json::from_value(agent(service, "GET").await).unwrap()
}

#[tokio::test]
async fn only_what_twilio_signed_for_this_address_is_taken() {
    let twilio = twilio("assigned").await;
    let service = service(&twilio).await;
    let fields = [
        ("AccountSid", ACCOUNT),
        ("RoomSid", "RM1"),
        ("RoomName", "x"),
        ("StatusCallbackEvent", "room-ended"),
    ];
    let address = format!("{VIDEO_ORIGIN}{ROOM}");
    let (other, elsewhere) = (format!("{VIDEO_ORIGIN}{TASK}"), format!("https://evil.example{ROOM}"));
    for (signed, status) in [
        (Some((AUTH, address.as_str())), 204),
        (Some(("canary-other-token", address.as_str())), 403),
        (Some((AUTH, other.as_str())), 403),
        (Some((AUTH, elsewhere.as_str())), 403),
        (None, 403),
    ] {
        let answer = service.send(callback(ROOM, &fields, signed)).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, ""), "{signed:?}");
    }
    // With more behind its address, as an administrator may have written it.
    let long = format!("{TASK}?from=taskrouter");
    assert_eq!(says(&service, &long, &fields).await.status, 204);
    let foreign = sid("AC", '9');
    let of_another = [("AccountSid", foreign.as_str()), ("StatusCallbackEvent", "room-ended")];
    assert_eq!(says(&service, ROOM, &of_another).await.status, 403);
    assert_eq!(says(&service, ROOM, &[]).await.status, 403);
    let answer = service.send(Request::get(ROOM).body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")));
    let large = "x".repeat(70_000);
    assert_eq!(says(&service, ROOM, &[("AccountSid", &large)]).await.status, 413);
}

#[tokio::test]
async fn without_video_there_is_nothing_to_tell() {
    let service = TestService::start(&[]).await;
    for path in [ROOM, TASK] {
        assert_eq!(says(&service, path, &[("AccountSid", ACCOUNT)]).await.status, 404);
    }
}

#[tokio::test]
async fn a_task_that_is_over_ends_its_session_and_its_room_at_once() {
    let twilio = twilio("assigned").await;
    let service = service(&twilio).await;
    let opened: VideoOpened = serde_json::from_value(agent(&service, "POST").await).unwrap();
    assert_eq!(opened.status.phase, VideoPhase::Invited);

    let task = sid("WT", '5');
    let event = |event| [("AccountSid", ACCOUNT), ("EventType", event), ("TaskSid", task.as_str())];
    // Early, or of another of its tasks: what counts is what the task itself says.
    let looks = async || {
        let asked = twilio.received_requests().await.unwrap();
        asked.iter().filter(|request| request.url.path().ends_with(&sid("WT", '5'))).count()
    };
    let before = looks().await;
    assert_eq!(says(&service, TASK, &event("task.completed")).await.status, 204);
    until("the task is looked at", async || looks().await > before).await;
    assert_eq!(status(&service).await.ended, None);

    tells(&twilio, "wrapping").await;
    // Twice, as happens.
    for name in ["task.wrapup", "task.completed"] {
        assert_eq!(says(&service, TASK, &event(name)).await.status, 204);
    }
    let over = async || status(&service).await.ended == Some(EndReason::TaskOver);
    until("the session is over", over).await;
}

#[tokio::test]
async fn a_callback_of_a_room_that_nobody_knows_changes_nothing() {
    let twilio = twilio("assigned").await;
    let service = service(&twilio).await;
    agent(&service, "POST").await;
    let room = sid("RM", '9');
    for (event, name) in
        [("room-ended", "CH1-zzzzzzzzzzzz"), ("participant-connected", "x"), ("room-ended", ""), ("odd", "x")]
    {
        let fields = [
            ("AccountSid", ACCOUNT),
            ("RoomSid", room.as_str()),
            ("RoomName", name),
            ("StatusCallbackEvent", event),
            ("ParticipantIdentity", "customer_1"),
        ];
        assert_eq!(says(&service, ROOM, &fields).await.status, 204, "{event}");
    }
    assert_eq!(status(&service).await.phase, VideoPhase::Invited);
    let asked = twilio.received_requests().await.unwrap();
    assert!(!asked.iter().any(|request| request.url.path().starts_with("/v1/Rooms")));
}

/// The agent taps: they get in.
async fn join(service: &TestService, code: &str) -> Admission {
    let request = Request::post("/v1/video/join")
        .header("origin", VIDEO_ORIGIN)
        .header("content-type", "application/json")
        .body(json!({"code": code}).to_string().into());
    let answer = service.send(request.unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_value::<Joined>(answer.json()).unwrap().admission.unwrap()
}

#[tokio::test]
async fn who_comes_into_a_room_without_a_seat_is_sent_out_again() {
    let twilio = twilio("assigned").await;
    let service = service(&twilio).await;
    let opened: VideoOpened = serde_json::from_value(agent(&service, "POST").await).unwrap();
    let admission = join(&service, &opened.agent_link).await;
    let came = async |identity: &str| {
        let room = sid("RM", '1');
        let fields = [
            ("AccountSid", ACCOUNT),
            ("RoomSid", room.as_str()),
            ("RoomName", admission.room.as_str()),
            ("StatusCallbackEvent", "participant-connected"),
            ("ParticipantIdentity", identity),
        ];
        assert_eq!(says(&service, ROOM, &fields).await.status, 204);
    };
    came(&admission.identity).await;
    came("customer_whose_seat_went_to_another_browser").await;
    let sent_out = async || {
        let asked = twilio.received_requests().await.unwrap();
        let paths = asked.iter().map(|request| request.url.path().to_owned());
        paths.filter(|path| path.contains("/Participants/")).collect::<Vec<_>>()
    };
    until("somebody is sent out", async || !sent_out().await.is_empty()).await;
    let path =
        format!("/v1/Rooms/{}/Participants/customer_whose_seat_went_to_another_browser", sid("RM", '1'));
    assert_eq!(sent_out().await, [path]);
}

#[tokio::test]
async fn a_room_that_ended_while_its_task_lives_is_made_anew_for_whoever_comes() {
    let twilio = twilio("assigned").await;
    let service = service(&twilio).await;
    let opened: VideoOpened = serde_json::from_value(agent(&service, "POST").await).unwrap();
    let admission = join(&service, &opened.agent_link).await;
    let made = async || {
        let asked = twilio.received_requests().await.unwrap();
        let made = |request: &&wiremock::Request| {
            request.method.as_str() == "POST" && request.url.path() == "/v1/Rooms"
        };
        let forms = asked.iter().filter(made).map(|request| String::from_utf8(request.body.clone()).unwrap());
        forms.collect::<Vec<_>>()
    };
    let callback = "StatusCallback=https%3A%2F%2Fvideo.example%2Fv1%2Fvideo%2Fcallbacks%2Froom";
    assert!(made().await.iter().all(|form| form.contains(callback)), "{:?}", made().await);
    assert_eq!(made().await.len(), 1);
    let room = sid("RM", '1');
    let fields = [
        ("AccountSid", ACCOUNT),
        ("RoomSid", room.as_str()),
        ("RoomName", admission.room.as_str()),
        ("StatusCallbackEvent", "room-ended"),
        ("RoomStatus", "completed"),
    ];
    let again = async || {
        let opened: VideoOpened = serde_json::from_value(agent(&service, "POST").await).unwrap();
        assert_eq!(join(&service, &opened.agent_link).await.room, admission.room);
        made().await.len() > 1
    };
    assert_eq!(says(&service, ROOM, &fields).await.status, 204);
    until("the room is made anew", again).await;
}
