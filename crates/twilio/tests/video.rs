//! What is written to Twilio: rooms, text messages; and what its refusals mean.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use kernel::{AccountSid, Identity, Secret, Timestamp};
use serde_json::{Value, json};
use twilio::{
    ApiKey, ApiKeySid, ConversationSid, RoomSid, TaskSid, WorkspaceSid,
    access_token::{AccessToken, VideoGrant, verify},
    flex_token::{Credentials, http_client},
    rest::{Rest, RestError, Unavailable, WritableRest},
    taskrouter::{TaskRouter, TaskStatus},
    texts::Texts,
    video::{Created, NewRoom, Room, RoomParticipant, RoomStatus, Rooms},
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, basic_auth, body_string, header, method, path, query_param},
};

const KEY: &str = "SK22222222222222222222222222222222";
const ACCOUNT: &str = "AC11111111111111111111111111111111";
const WORKSPACE: &str = "WS44444444444444444444444444444444";

fn key() -> ApiKey {
    ApiKey::new(ApiKeySid::new(KEY).unwrap(), Secret::new("canary"))
}

fn writable(url: &str) -> WritableRest {
    WritableRest::new(http_client(url).unwrap(), url, &Credentials::api_key(&key())).unwrap()
}

fn sid() -> RoomSid {
    RoomSid::new(format!("RM{}", "1".repeat(32))).unwrap()
}

fn room(status: &str) -> Value {
    json!({"sid": sid(), "unique_name": "CH1", "status": status, "type": "group"})
}

/// Twilio, which says this to whatever is asked.
async fn says(status: u16, body: Value) -> (Rooms, MockServer) {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(status).set_body_json(body);
    Mock::given(any()).respond_with(answer).mount(&server).await;
    (Rooms::new(writable(&server.uri())), server)
}

fn error(code: u32) -> Value {
    json!({"code": code, "message": "canary", "status": 400})
}

const NEW: NewRoom<'_> = NewRoom {
    name: "CH1",
    max_participants: 3,
    max_participant_seconds: 14_400,
    timeout_minutes: 60,
    status_callback: Some("https://video.example/v1/video/callbacks/room"),
};

#[tokio::test]
async fn a_room_is_made_of_type_group_and_by_a_form() {
    let server = MockServer::start().await;
    let form = "UniqueName=CH1&Type=group&MaxParticipants=3&MaxParticipantDuration=14400&EmptyRoomTimeout=60\
        &UnusedRoomTimeout=60&StatusCallback=https%3A%2F%2Fvideo.example%2Fv1%2Fvideo%2Fcallbacks%2Froom\
        &StatusCallbackMethod=POST";
    Mock::given(method("POST"))
        .and(path("/v1/Rooms"))
        .and(basic_auth(KEY, "canary"))
        .and(header("content-type", "application/x-www-form-urlencoded"))
        .and(body_string(form))
        .respond_with(ResponseTemplate::new(201).set_body_json(room("in-progress")))
        .mount(&server)
        .await;
    let created = Rooms::new(writable(&server.uri())).create(&NEW).await.unwrap();
    let there = Room { sid: sid(), name: "CH1".into(), status: RoomStatus::InProgress };
    assert_eq!(created, Created::New(there));
}

#[tokio::test]
async fn that_a_room_exists_that_there_is_none_and_that_it_is_over_are_told_apart() {
    let (rooms, _server) = says(400, error(53113)).await;
    assert_eq!(rooms.create(&NEW).await, Ok(Created::Exists));
    assert_eq!(rooms.complete(&sid()).await, Err(RestError::Refused { code: 53113 }));

    // There is none any more: nothing is left to do.
    for (status, code) in [(404, 20404), (404, 53106), (400, 53106), (400, 53118)] {
        let (rooms, _server) = says(status, error(code)).await;
        assert_eq!(rooms.complete(&sid()).await, Ok(false), "{status} {code}");
        assert_eq!(rooms.disconnect(&sid(), "agent_1").await, Ok(false), "{status} {code}");
        assert_eq!(rooms.record(&sid(), true).await, Ok(false), "{status} {code}");
    }
    let (rooms, _server) = says(404, error(20404)).await;
    assert_eq!(rooms.fetch("CH1").await, Ok(None));
    assert_eq!(rooms.create(&NEW).await, Err(RestError::NotFound));

    let (rooms, _server) = says(403, error(20003)).await;
    let refused = RestError::CredentialsRefused { status: 403 };
    assert_eq!(rooms.create(&NEW).await, Err(refused));
    assert_eq!(rooms.fetch("CH1").await, Err(refused));

    for (status, said, expected) in [
        ("in-progress", true, Ok(RoomStatus::InProgress)),
        ("completed", true, Ok(RoomStatus::Completed)),
        ("failed", true, Ok(RoomStatus::Failed)),
        ("odd", false, Err(RestError::Unavailable(Unavailable::NotUnderstood))),
    ] {
        let (rooms, _server) = says(200, room(status)).await;
        assert_eq!(rooms.fetch("CH1").await.map(|room| room.unwrap().status), expected, "{status}");
        assert_eq!(rooms.complete(&sid()).await, Ok(true));
        assert_eq!(rooms.create(&NEW).await.is_ok(), said);
    }
}

#[tokio::test]
async fn a_form_that_was_perhaps_received_is_not_sent_again() {
    let (rooms, server) = says(503, json!({})).await;
    let unavailable = RestError::Unavailable(Unavailable::Status(503));
    assert_eq!(rooms.create(&NEW).await, Err(unavailable));
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    let (rooms, _server) = says(400, json!("no object")).await;
    assert_eq!(rooms.create(&NEW).await, Err(RestError::BadRequest));
}

#[tokio::test]
async fn who_only_reads_is_told_no_codes_and_takes_no_answer_to_a_form() {
    let (_rooms, server) = says(400, error(53113)).await;
    let credentials = Credentials::api_key(&key());
    let reads = Rest::new(http_client(&server.uri()).unwrap(), &server.uri(), &credentials).unwrap();
    assert_eq!(reads.get(&["v1", "Rooms"], &[]).await, Err(RestError::BadRequest));
    let (_rooms, server) = says(201, json!({})).await;
    let reads = Rest::new(http_client(&server.uri()).unwrap(), &server.uri(), &credentials).unwrap();
    let odd = RestError::Unavailable(Unavailable::Status(201));
    assert_eq!(reads.get(&["v1", "Rooms"], &[]).await, Err(odd));
}

#[tokio::test]
async fn rules_participants_and_removals_name_what_they_are_about() {
    let server = MockServer::start().await;
    let list = json!({"participants": [
        {"identity": "agent_1", "status": "connected"},
        {"identity": "customer_1", "status": "reconnecting"},
        {"identity": "customer_2", "status": "disconnected"},
        {"status": "connected"},
    ], "meta": {}});
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(202).set_body_json(json!({})))
        .mount(&server)
        .await;
    let rooms = Rooms::new(writable(&server.uri()));
    let participants = rooms.participants(&sid()).await.unwrap();
    let one = |identity: &str, connected| RoomParticipant { identity: identity.into(), connected };
    assert_eq!(participants, [one("agent_1", true), one("customer_1", false)]);
    assert_eq!(rooms.record(&sid(), true).await, Ok(true));
    assert_eq!(rooms.record(&sid(), false).await, Ok(true));
    assert_eq!(rooms.disconnect(&sid(), "customer_1").await, Ok(true));
    assert_eq!(rooms.complete(&sid()).await, Ok(true));
    let asked = server.received_requests().await.unwrap();
    let said: Vec<(String, String)> = asked
        .iter()
        .map(|request| {
            let path = request.url.path().replace(sid().as_str(), "RM");
            (path, String::from_utf8(request.body.clone()).unwrap())
        })
        .collect();
    let pair = |path: &str, body: &str| (path.to_owned(), body.to_owned());
    assert_eq!(
        said,
        [
            pair("/v1/Rooms/RM/Participants", ""),
            pair(
                "/v1/Rooms/RM/RecordingRules",
                "Rules=%5B%7B%22type%22%3A%22include%22%2C%22all%22%3Atrue%7D%5D"
            ),
            pair(
                "/v1/Rooms/RM/RecordingRules",
                "Rules=%5B%7B%22type%22%3A%22exclude%22%2C%22all%22%3Atrue%7D%5D"
            ),
            pair("/v1/Rooms/RM/Participants/customer_1", "Status=disconnected"),
            pair("/v1/Rooms/RM", "Status=completed"),
        ]
    );
}

#[tokio::test]
async fn a_text_message_is_sent_once_and_its_refusal_says_why() {
    let server = MockServer::start().await;
    Mock::given(path(format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json")))
        .and(body_string("To=%2B15550100&From=%2B15550199&Body=Join%3A+https%3A%2F%2Fv.example%2Fv%2Fx"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"sid": "SM1"})))
        .mount(&server)
        .await;
    let texts = Texts::new(writable(&server.uri()), AccountSid::new(ACCOUNT).unwrap());
    let sent = texts.send("+15550199", "+15550100", "Join: https://v.example/v/x").await;
    assert_eq!(sent.as_deref(), Ok("SM1"));
    server.reset().await;
    let refused = ResponseTemplate::new(400).set_body_json(error(21610));
    Mock::given(any()).respond_with(refused).mount(&server).await;
    assert_eq!(texts.send("+1", "+2", "x").await, Err(RestError::Refused { code: 21610 }));
}

#[tokio::test]
async fn the_open_tasks_of_a_conversation_are_found_by_their_attribute() {
    let server = MockServer::start().await;
    let conversation = ConversationSid::new(format!("CH{}", "7".repeat(32))).unwrap();
    let task = |digit: &str, status: &str| {
        let attributes = json!({"conversationSid": conversation}).to_string();
        json!({"sid": format!("WT{}", digit.repeat(32)), "assignment_status": status, "attributes": attributes})
    };
    let list = json!({"tasks": [task("1", "completed"), task("2", "wrapping"), task("3", "assigned")],
        "meta": {}});
    Mock::given(path(format!("/v1/Workspaces/{WORKSPACE}/Tasks")))
        .and(query_param("EvaluateTaskAttributes", format!("conversationSid == \"{conversation}\"")))
        .respond_with(ResponseTemplate::new(200).set_body_json(list))
        .mount(&server)
        .await;
    let one = TaskSid::new(format!("WT{}", "1".repeat(32))).unwrap();
    Mock::given(path(format!("/v1/Workspaces/{WORKSPACE}/Tasks/{one}")))
        .respond_with(ResponseTemplate::new(200).set_body_json(task("1", "completed")))
        .mount(&server)
        .await;
    let rest = Rest::new(http_client(&server.uri()).unwrap(), &server.uri(), &Credentials::api_key(&key()));
    let taskrouter = TaskRouter::new(rest.unwrap(), WorkspaceSid::new(WORKSPACE).unwrap());
    let open = taskrouter.open_tasks_of_conversation(&conversation).await.unwrap();
    let open: Vec<_> = open.iter().map(|task| (task.sid.as_str(), task.status)).collect();
    assert_eq!(open, [("WT33333333333333333333333333333333", TaskStatus::Assigned)]);
    let task = taskrouter.task(&one).await.unwrap();
    assert_eq!(task.status, TaskStatus::Completed);
    assert_eq!(task.attributes["conversationSid"], json!(conversation));
}

#[test]
fn a_token_for_video_is_for_one_room_and_has_no_beginning() {
    let (account, key) = (AccountSid::new(ACCOUNT).unwrap(), key());
    let now = Timestamp::from_millis(1_700_000_000_000);
    let identity = Identity::new("customer_0123456789abcdef").unwrap();
    let jwt = AccessToken::new(account.clone(), &key, identity.clone(), now)
        .video(VideoGrant::room("CH1"))
        .ttl_seconds(u64::MAX)
        .to_jwt();
    let claims = verify(jwt.expose(), &key, &account, now).unwrap().claims;
    assert_eq!(claims.grants.video, Some(VideoGrant { room: Some("CH1".into()) }));
    assert_eq!((claims.grants.identity, claims.grants.voice, claims.nbf), (identity, None, None));
    assert_eq!(claims.exp - claims.iat, twilio::access_token::MAX_TTL_SECONDS);
}
