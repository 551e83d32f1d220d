//! TaskRouter's public REST API, as a service asks it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox_flex::{FlexCloud, LegCommand, Settings, account};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tower::ServiceExt as _;

const KEY: (&str, &str) = (account::API_KEY_SID, account::API_KEY_SECRET);

fn start() -> (FlexCloud, UnboundedReceiver<LegCommand>) {
    FlexCloud::start(Settings::default())
}

fn workspace(path: &str) -> String {
    format!("/v1/Workspaces/{}/{path}", account::WORKSPACE_SID)
}

async fn send(
    router: Router,
    method: &str,
    path: &str,
    (user, secret): (&str, &str),
    form: &str,
) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "taskrouter.twilio.com")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{user}:{secret}"))))
        .body(Body::from(form.to_owned()))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn get(cloud: &FlexCloud, path: &str) -> (StatusCode, Value) {
    send(cloud.taskrouter_router(), "GET", &workspace(path), KEY, "").await
}

async fn post(cloud: &FlexCloud, path: &str, fields: &[(&str, &str)]) -> (StatusCode, Value) {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    send(cloud.taskrouter_router(), "POST", &workspace(path), KEY, &form).await
}

const ATTRIBUTES: &str = r#"{"conversationSid":"CH00000000000000000000000000000001","channelType":"web"}"#;

async fn chat(cloud: &FlexCloud) -> (String, String) {
    let (status, task) = post(cloud, "Tasks", &[("Attributes", ATTRIBUTES), ("TaskChannel", "chat")]).await;
    assert_eq!(status, StatusCode::CREATED, "{task}");
    let sid = task["sid"].as_str().unwrap().to_owned();
    let (_, list) = get(cloud, &format!("Tasks/{sid}/Reservations")).await;
    (sid, list["reservations"][0]["sid"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_task_and_its_reservations_are_read_in_twilios_shape() {
    let (cloud, _commands) = start();
    let (sid, reservation) = chat(&cloud).await;
    let (status, task) = get(&cloud, &format!("Tasks/{sid}")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(task["assignment_status"], "reserved");
    assert_eq!(task["task_channel_unique_name"], "chat");
    assert_eq!(task["url"], format!("https://taskrouter.twilio.com{}", workspace(&format!("Tasks/{sid}"))));
    assert!(task["date_created"].as_str().unwrap().ends_with('Z'), "{task}");
    let attributes: Value = serde_json::from_str(task["attributes"].as_str().unwrap()).unwrap();
    assert_eq!(attributes["conversationSid"], "CH00000000000000000000000000000001");

    let path =
        format!("Tasks/{sid}/Reservations?ReservationStatus=pending&WorkerSid={}", account::WORKER_SID);
    let (status, list) = get(&cloud, &path).await;
    assert_eq!((status, &list["meta"]["key"]), (StatusCode::OK, &json!("reservations")));
    let one = &list["reservations"][0];
    assert_eq!((&one["sid"], &one["task_sid"]), (&json!(reservation), &json!(sid)));
    assert_eq!(
        (&one["worker_sid"], &one["worker_name"]),
        (&json!(account::WORKER_SID), &json!(account::AGENT_NAME))
    );
    for nobody in ["ReservationStatus=accepted", &format!("WorkerSid={}", account::COLLEAGUE_WORKER_SID)] {
        let (_, list) = get(&cloud, &format!("Tasks/{sid}/Reservations?{nobody}")).await;
        assert_eq!(list["reservations"], json!([]), "{nobody}");
    }
}

#[tokio::test]
async fn a_reservation_is_accepted_and_a_task_completed_by_rest() {
    let (cloud, _commands) = start();
    let (sid, reservation) = chat(&cloud).await;
    let path = format!("Tasks/{sid}/Reservations/{reservation}");
    let (status, accepted) = post(&cloud, &path, &[("ReservationStatus", "accepted")]).await;
    assert_eq!((status, &accepted["reservation_status"]), (StatusCode::OK, &json!("accepted")));
    let fields = [("AssignmentStatus", "completed"), ("Reason", "done"), ("Attributes", r#"{"level":2}"#)];
    let (status, task) = post(&cloud, &format!("Tasks/{sid}"), &fields).await;
    assert_eq!(
        (status, &task["assignment_status"], &task["reason"]),
        (StatusCode::OK, &json!("completed"), &json!("done"))
    );
    assert_eq!(task["attributes"], r#"{"level":2}"#);
    let (_, list) = get(&cloud, &format!("Workers/{}/Reservations", account::WORKER_SID)).await;
    assert_eq!(list["reservations"][0]["reservation_status"], "completed", "it is known for a while");
    let (_, list) = get(&cloud, "Tasks?AssignmentStatus=pending,reserved").await;
    assert_eq!(list["tasks"], json!([]));
    let (status, _) = post(&cloud, &format!("Tasks/{sid}"), &[("AssignmentStatus", "wrapping")]).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "what is over cannot be changed");
}

#[tokio::test]
async fn only_the_account_is_answered_and_only_about_its_own() {
    let (cloud, _commands) = start();
    let (sid, _) = chat(&cloud).await;
    let path = workspace(&format!("Tasks/{sid}"));
    for wrong in [("", ""), (account::ACCOUNT_SID, "wrong"), ("token", "some-flex-token")] {
        let (status, body) = send(cloud.taskrouter_router(), "GET", &path, wrong, "").await;
        assert_eq!((status, &body["code"]), (StatusCode::UNAUTHORIZED, &json!(20003)), "{wrong:?}");
    }
    let by_auth_token = (account::ACCOUNT_SID, account::AUTH_TOKEN);
    let by_host = send(cloud.router(), "GET", &path, by_auth_token, "").await;
    assert_eq!(by_host.0, StatusCode::OK, "the same on the host of its own");
    for missing in [
        format!("/v1/Workspaces/WS00000000000000000000000000000000/Tasks/{sid}"),
        workspace("Tasks/WT00000000000000000000000000000000"),
        workspace("Tasks/WT00000000000000000000000000000000/Reservations"),
        workspace("Workers/WK00000000000000000000000000000000/Reservations"),
        workspace("Nonsense"),
    ] {
        let (status, body) = send(cloud.taskrouter_router(), "GET", &missing, KEY, "").await;
        assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!(20404)), "{missing}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_reason() {
    let (cloud, _commands) = start();
    for fields in [
        [("Attributes", "[1]"), ("TaskChannel", "chat")],
        [("Attributes", "no JSON"), ("TaskChannel", "chat")],
        [("Attributes", "{}"), ("TaskChannel", "telegraph")],
    ] {
        let (status, body) = post(&cloud, "Tasks", &fields).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!(20001)), "{fields:?}");
    }
    assert_eq!(get(&cloud, "Tasks").await.1["tasks"], json!([]));
}

#[tokio::test]
async fn lists_come_in_pages_that_name_the_next() {
    let (cloud, _commands) = start();
    for _ in 0..5 {
        post(&cloud, "Tasks", &[("Attributes", "{}"), ("TaskChannel", "default")]).await;
    }
    let mut seen = Vec::new();
    let mut path = workspace("Tasks?PageSize=2&AssignmentStatus=reserved&AssignmentStatus=pending");
    for _ in 0..3 {
        let (_, list) = send(cloud.taskrouter_router(), "GET", &path, KEY, "").await;
        seen.extend(list["tasks"].as_array().unwrap().iter().map(|task| task["sid"].to_string()));
        let Some(next) = list["meta"]["next_page_url"].as_str() else { break };
        path = next.strip_prefix("https://taskrouter.twilio.com").unwrap().to_owned();
    }
    seen.dedup();
    assert_eq!(seen.len(), 5);
    let (_, workers) = get(&cloud, "Workers").await;
    let names: Vec<&Value> =
        workers["workers"].as_array().unwrap().iter().map(|one| &one["friendly_name"]).collect();
    assert_eq!(names, [account::AGENT_NAME, account::COLLEAGUE_NAME]);
}

#[tokio::test]
async fn the_open_tasks_of_a_conversation_are_found_by_their_attributes() {
    let (cloud, _commands) = start();
    let (task, reservation) = chat(&cloud).await;
    let list = async |expression: &str, status: &str| {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("EvaluateTaskAttributes", expression), ("AssignmentStatus", status)])
            .finish();
        let (code, list) = get(&cloud, &format!("Tasks?{query}")).await;
        let sids = list["tasks"].as_array().into_iter().flatten();
        (code, sids.map(|task| task["sid"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
    };
    const OPEN: &str = "pending,reserved,assigned";
    let own = r#"conversationSid == "CH00000000000000000000000000000001""#;
    assert_eq!(list(own, OPEN).await, (StatusCode::OK, vec![task.clone()]));
    let other = r#"conversationSid == "CH00000000000000000000000000000002""#;
    assert_eq!(list(other, OPEN).await, (StatusCode::OK, vec![]));
    assert_eq!(list("conversationSid >", OPEN).await.0, StatusCode::BAD_REQUEST);
    let path = format!("Tasks/{task}/Reservations/{reservation}");
    for status in ["accepted", "wrapping"] {
        assert_eq!(post(&cloud, &path, &[("ReservationStatus", status)]).await.0, StatusCode::OK);
    }
    assert_eq!(list(own, OPEN).await, (StatusCode::OK, vec![]), "after-call work is not open");
    assert_eq!(list(own, "wrapping").await, (StatusCode::OK, vec![task]));
}
