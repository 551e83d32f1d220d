//! The Flex cloud through its front doors: HTTP by host, the event bridge, Twilsock.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use sandbox_flex::{Fault, FlexCloud, HttpTarget, LegCommand, LegEnd, PluginFile, Settings, account};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tower::ServiceExt as _;

const PATIENCE: Duration = Duration::from_secs(5);

fn start() -> (FlexCloud, UnboundedReceiver<LegCommand>) {
    FlexCloud::start(Settings::default())
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or_default() }
}

fn post(host: &str, path: &str, body: &Value) -> Request<Body> {
    Request::post(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

fn get(host: &str, path: &str) -> Request<Body> {
    Request::get(path).header(header::HOST, host).body(Body::empty()).unwrap()
}

async fn login(cloud: &FlexCloud) -> String {
    let answer = send(&cloud.router(), post("flex.twilio.com", "/sandbox/login", &json!({}))).await;
    answer.body["token"].as_str().unwrap().to_owned()
}

/// A request of the token service: on the plain port, with basic authentication.
fn validation(account: &str, user: &str, password: &str, token: &str) -> Request<Body> {
    let credentials = STANDARD.encode(format!("{user}:{password}"));
    let mut request =
        post("127.0.0.1", &format!("/v1/Accounts/{account}/Tokens/validate"), &json!({ "token": token }));
    request.headers_mut().insert(header::AUTHORIZATION, format!("Basic {credentials}").parse().unwrap());
    request
}

async fn validate(cloud: &FlexCloud, token: &str) -> Answer {
    let request = validation(account::ACCOUNT_SID, account::ACCOUNT_SID, account::AUTH_TOKEN, token);
    send(&cloud.iam_router(), request).await
}

#[tokio::test]
async fn a_good_flex_token_is_validated_with_everything_a_service_needs() {
    let (cloud, _commands) = start();
    let token = login(&cloud).await;
    let by_token = validate(&cloud, &token).await;
    let by_key = validation(account::ACCOUNT_SID, account::API_KEY_SID, account::API_KEY_SECRET, &token);
    let by_key = send(&cloud.iam_router(), by_key).await;
    for answer in [by_token, by_key] {
        assert_eq!(answer.status, StatusCode::OK);
        let expiration = answer.body["expiration"].as_str().unwrap();
        assert!(
            expiration.ends_with('Z') && expiration.len() == "2018-09-24T23:22:44.240Z".len(),
            "{expiration}"
        );
        assert_eq!(
            answer.body,
            json!({
                "valid": true,
                "code": 0,
                "message": null,
                "expiration": expiration,
                "realm_user_id": account::AGENT_EMAIL,
                "identity": account::AGENT_IDENTITY,
                "roles": ["agent"],
                "worker_sid": account::WORKER_SID,
                "flex_instance_sid": account::FLEX_INSTANCE_SID,
                "flex_user_sid": account::FLEX_USER_SID,
            })
        );
    }
    assert_eq!(cloud.identity_of_flex_token(&token).as_deref(), Some(account::AGENT_IDENTITY));
}

#[tokio::test]
async fn a_token_that_is_none_is_invalid_and_says_so_as_twilio_does() {
    let (cloud, _commands) = start();
    let answer = validate(&cloud, "nonsense").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["valid"], false);
    assert_eq!(answer.body["code"], 20101);
    assert_eq!(answer.body["message"], "Invalid Access Token");
    for name in ["expiration", "identity", "realm_user_id", "roles", "worker_sid"] {
        assert_eq!(answer.body.get(name), Some(&Value::Null), "{name}");
    }
    assert_eq!(cloud.identity_of_flex_token("nonsense"), None);
}

#[tokio::test]
async fn an_expired_token_is_not_valid() {
    let (cloud, _commands) = start();
    cloud.add_fault(Fault::FlexTokenTtl { seconds: 0 });
    let token = login(&cloud).await;
    let answer = validate(&cloud, &token).await;
    assert_eq!((answer.body["valid"].clone(), answer.body["code"].clone()), (json!(false), json!(20104)));
    assert_eq!(cloud.identity_of_flex_token(&token), None);
}

#[tokio::test]
async fn revoked_tokens_are_invalid_until_the_fault_ends() {
    let (cloud, _commands) = start();
    let token = login(&cloud).await;
    let fault = cloud.add_fault(Fault::FlexTokenInvalid {});
    assert_eq!(validate(&cloud, &token).await.body["code"], 20101);
    assert!(cloud.remove_fault(fault));
    assert_eq!(validate(&cloud, &token).await.body["valid"], true);
    assert!(!cloud.remove_fault(fault));
}

#[tokio::test]
async fn another_account_is_not_found() {
    let (cloud, _commands) = start();
    let token = login(&cloud).await;
    let other = "AC11111111111111111111111111111111";
    let request = validation(other, account::ACCOUNT_SID, account::AUTH_TOKEN, &token);
    let answer = send(&cloud.iam_router(), request).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(
        answer.body,
        json!({
            "code": 20404,
            "message": format!("The requested resource /Accounts/{other}/Tokens/validate was not found"),
            "more_info": "https://www.twilio.com/docs/errors/20404",
            "status": 404,
        })
    );
}

#[tokio::test]
async fn wrong_credentials_are_unauthorized() {
    let (cloud, _commands) = start();
    let token = login(&cloud).await;
    for (user, password) in [
        (account::ACCOUNT_SID, "wrong"),
        ("AC11111111111111111111111111111111", account::AUTH_TOKEN),
        (account::API_KEY_SID, account::AUTH_TOKEN),
        ("", ""),
    ] {
        let request = validation(account::ACCOUNT_SID, user, password, &token);
        let answer = send(&cloud.iam_router(), request).await;
        assert_eq!((answer.status, answer.body["code"].clone()), (StatusCode::UNAUTHORIZED, json!(20003)));
    }
}

#[tokio::test]
async fn faults_spoil_answers_of_one_product_for_as_often_as_they_say() {
    let (cloud, _commands) = start();
    let token = login(&cloud).await;
    for (status, code) in [(401, 20003), (403, 20403), (429, 20429), (500, 20500), (503, 20503)] {
        cloud.add_fault(Fault::Http {
            target: HttpTarget::Iam,
            status: Some(status),
            delay_ms: None,
            times: Some(1),
        });
        let answer = validate(&cloud, &token).await;
        assert_eq!((answer.status.as_u16(), answer.body["code"].clone()), (status, json!(code)));
        assert_eq!(validate(&cloud, &token).await.status, StatusCode::OK, "only once");
    }
    cloud.add_fault(Fault::Http { target: HttpTarget::Flex, status: Some(500), delay_ms: None, times: None });
    assert_eq!(validate(&cloud, &token).await.status, StatusCode::OK, "another product");
    let session = send(&cloud.router(), get("flex.twilio.com", "/api/v1/Session")).await;
    assert_eq!(session.status, StatusCode::INTERNAL_SERVER_ERROR);
    cloud.clear_faults();
    let session = send(&cloud.router(), get("flex.twilio.com", "/api/v1/Session")).await;
    assert_eq!(session.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_slow_product_is_slow() {
    let (cloud, _commands) = start();
    let token = login(&cloud).await;
    cloud.add_fault(Fault::Http {
        target: HttpTarget::Iam,
        status: None,
        delay_ms: Some(20_000),
        times: Some(1),
    });
    let before = tokio::time::Instant::now();
    assert_eq!(validate(&cloud, &token).await.body["valid"], true);
    assert!(before.elapsed() >= Duration::from_secs(20));
}

#[tokio::test]
async fn a_refresh_gives_a_new_token_and_leaves_the_old_one_good() {
    let (cloud, _commands) = start();
    let old = login(&cloud).await;
    let path = format!("/v1/Accounts/{}/Tokens/refresh", account::ACCOUNT_SID);
    let answer = send(&cloud.router(), post("iam.twilio.com", &path, &json!({ "token": old }))).await;
    let new = answer.body["token"].as_str().unwrap();
    assert_ne!(new, old);
    assert_eq!(answer.body["identity"], account::AGENT_IDENTITY);
    assert_eq!(answer.body["flexUserSid"], account::FLEX_USER_SID);
    for token in [&old, new] {
        assert_eq!(validate(&cloud, token).await.body["valid"], true);
    }
    let refused = send(&cloud.router(), post("iam.twilio.com", &path, &json!({ "token": "nonsense" }))).await;
    assert_eq!((refused.status, refused.body["code"].clone()), (StatusCode::UNAUTHORIZED, json!(20101)));
}

#[tokio::test]
async fn a_returning_browser_keeps_its_token_while_it_is_good() {
    let (cloud, _commands) = start();
    let first = login(&cloud).await;
    let again = post("flex.twilio.com", "/sandbox/login", &json!({ "token": first }));
    assert_eq!(send(&cloud.router(), again).await.body["token"], json!(first));
    let stranger = post("flex.twilio.com", "/sandbox/login", &json!({ "token": "of another sandbox" }));
    assert_ne!(send(&cloud.router(), stranger).await.body["token"], json!(first));
}

#[tokio::test]
async fn flex_ui_checks_its_login_with_a_form() {
    let (cloud, _commands) = start();
    let token = login(&cloud).await;
    let path = format!("/v1/Accounts/{}/Tokens/Info", account::ACCOUNT_SID);
    let request = Request::post(path)
        .header(header::HOST, "flex-api.twilio.com")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("Token={token}")))
        .unwrap();
    let answer = send(&cloud.router(), request).await;
    assert_eq!(answer.body["valid"], true);
    assert_eq!(answer.body["date_expired"], answer.body["expiration"]);
}

#[tokio::test]
async fn the_flex_configuration_tells_the_plugin_where_its_token_service_is() {
    let settings = Settings { identity_prefix: Some("ext_".to_owned()), ..Settings::default() };
    let (cloud, _commands) = FlexCloud::start(settings);
    let answer =
        send(&cloud.router(), get("flex-api.twilio.com", "/v1/Configuration?UiVersion=2.17.1")).await;
    let attributes = &answer.body["ui_attributes"];
    assert_eq!(
        attributes["holdfast"],
        json!({ "token_service_url": account::TOKEN_SERVICE_URL, "identity_prefix": "ext_", "history": { "customer": true } })
    );
    assert_eq!(answer.body["account_sid"], account::ACCOUNT_SID);
    assert_eq!(answer.body["agent_conv_end_methods"]["enabled"], json!([]));
}

#[tokio::test]
async fn plugins_are_listed_for_the_real_loader_and_served() {
    let file = std::env::temp_dir().join(format!("sandbox-flex-plugin-{}.js", std::process::id()));
    std::fs::write(&file, "Twilio.Flex.Plugins.init(class {})").unwrap();
    let settings = Settings { plugins: vec![PluginFile::holdfast(&file)], ..Settings::default() };
    let (cloud, _commands) = FlexCloud::start(settings);
    let router = cloud.router();
    let list = send(&router, get("flex.twilio.com", "/plugins?roles=agent")).await;
    assert_eq!(
        list.body,
        json!([{
            "name": "holdfast",
            "version": "0.1.0",
            "src": "/plugins/holdfast/0.1.0/bundle.js",
            "phase": 3,
            "provider": "sandbox",
        }])
    );
    let script =
        router.clone().oneshot(get("flex.twilio.com", "/plugins/holdfast/0.1.0/bundle.js")).await.unwrap();
    assert_eq!(script.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
    let bytes = to_bytes(script.into_body(), usize::MAX).await.unwrap();
    assert_eq!(bytes, &b"Twilio.Flex.Plugins.init(class {})"[..]);
    let other = send(&router, get("flex.twilio.com", "/plugins/holdfast/9.9.9/bundle.js")).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn every_address_of_the_agents_desktop_is_the_page_that_loads_flex() {
    let (cloud, _commands) = start();
    for path in ["/", "/agent-desktop", "/agent-desktop/", "/agent-desktop/WR5a5a", "/teams"] {
        let response = cloud.router().oneshot(get("flex.twilio.com:8443", path)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let page = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let page = String::from_utf8(page.to_vec()).unwrap();
        assert!(page.contains("/sandbox/flex-ui/none/flex-ui.js") && page.contains(account::ACCOUNT_SID));
        assert!(!page.contains("{{"), "every placeholder is filled in");
    }
    let data = send(&cloud.router(), get("flex.twilio.com", "/api/v1/Unknown")).await;
    assert_eq!(data.status, StatusCode::NOT_FOUND, "data is never the page");
    let bundle =
        cloud.router().oneshot(get("flex.twilio.com", "/sandbox/flex-ui/2.17.1/flex-ui.js")).await.unwrap();
    assert_eq!(bundle.status(), StatusCode::NOT_FOUND);
    let says = to_bytes(bundle.into_body(), usize::MAX).await.unwrap();
    assert!(String::from_utf8_lossy(&says).contains("without a bundle"), "a person sees what is missing");
}

#[tokio::test]
async fn a_preflight_is_answered_for_the_origin_and_headers_that_ask() {
    let (cloud, _commands) = start();
    let request = Request::options("/v1/Configuration")
        .header(header::HOST, "flex-api.twilio.com")
        .header(header::ORIGIN, "https://flex.twilio.com")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,x-flex-version")
        .body(Body::empty())
        .unwrap();
    let answer = send(&cloud.router(), request).await;
    assert!(answer.status.is_success());
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://flex.twilio.com");
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization,x-flex-version");
    assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
}

#[tokio::test]
async fn hosts_that_are_not_flexs_are_not_served() {
    let (cloud, _commands) = start();
    assert!(FlexCloud::serves("flex.twilio.com") && FlexCloud::serves("media.twiliocdn.com"));
    assert!(!FlexCloud::serves("voice-js.roaming.twilio.com"));
    let answer = send(&cloud.router(), get("example.com", "/")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

// ---- Sockets ----

/// Serves the cloud on a loopback port without TLS, and says where.
async fn serve(cloud: &FlexCloud) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = cloud.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn socket(address: std::net::SocketAddr, host: &str, path: &str) -> WebSocketStream<TcpStream> {
    let request = format!("ws://{host}{path}").into_client_request().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    tokio_tungstenite::client_async(request, stream).await.unwrap().0
}

async fn next_event(socket: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        let message = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        if let Message::Text(text) = message
            && !text.trim().is_empty()
        {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

async fn command(commands: &mut UnboundedReceiver<LegCommand>) -> LegCommand {
    timeout(PATIENCE, commands.recv()).await.unwrap().unwrap()
}

fn bridge(token: &str, method: &str, path: &str, params: &Value) -> Request<Body> {
    bridge_to(token, method, &format!("Workspaces/{}/{path}", account::WORKSPACE_SID), params)
}

fn bridge_to(token: &str, method: &str, url: &str, params: &Value) -> Request<Body> {
    let envelope = json!({ "url": url, "method": method, "params": params, "token": token });
    post("event-bridge.twilio.com", "/v1/wschannels", &envelope)
}

#[tokio::test]
async fn a_reservation_lives_its_life_over_the_event_bridge() {
    let (cloud, mut commands) = start();
    let router = cloud.router();
    let token = login(&cloud).await;
    let address = serve(&cloud).await;
    let mut events = socket(
        address,
        "event-bridge.twilio.com",
        &format!("/v1/wschannels?token={token}&closeExistingSessions=false"),
    )
    .await;
    let init = next_event(&mut events).await;
    assert_eq!(init["event_type"], "init");
    assert_eq!(init["payload"]["channel_id"], account::WORKER_SID);

    let task = cloud.create_voice_task("+15550100");
    let created = next_event(&mut events).await;
    assert_eq!(created["event_type"], "reservation.created");
    let reservation = created["payload"]["sid"].as_str().unwrap().to_owned();
    assert_eq!(task.reservation_sid.as_deref(), Some(reservation.as_str()));

    let path = format!("Workers/{}/Reservations/{reservation}", account::WORKER_SID);
    let accept = json!({
        "Instruction": "conference",
        "EndConferenceOnExit": true,
        "EndConferenceOnCustomerExit": true,
        "To": "client:ext_agent_40example_2Ecom?flex_session_identifier=1b2c",
    });
    let answer = send(&router, bridge(&token, "POST", &path, &accept)).await;
    assert_eq!(answer.body["payload"]["sid"], json!(reservation));
    let LegCommand::CallWorker { call_sid, to, from, .. } = command(&mut commands).await else { panic!() };
    assert_eq!((to.as_str(), from.as_str()), (account::EXTENSION_IDENTITY, "+15550100"));

    cloud.agent_leg_answered(&call_sid);
    let interaction = task.task_sid.replacen("WT", "KD", 1);
    for (kind, sid) in [("customer", &task.customer_call_sid), ("agent", &call_sid)] {
        let added = next_event(&mut events).await;
        assert_eq!(added["event_type"], "participant.added");
        assert_eq!(added["payload"]["type"], kind);
        assert_eq!(added["payload"]["media_properties"]["CallSid"], json!([sid]));
        assert_eq!(added["payload"]["interaction_sid"], json!(interaction));
    }
    let channels = format!("v1/Interactions/{interaction}/Channels");
    let channel =
        send(&router, bridge_to(&token, "GET", &channels, &json!({}))).await.body["payload"]["channels"][0]
            .take();
    assert_eq!(channel["type"], "voice");
    let people = format!("{channels}/{}/Participants", channel["sid"].as_str().unwrap());
    let people = send(&router, bridge_to(&token, "GET", &people, &json!({}))).await;
    assert_eq!(people.body["payload"]["participants"].as_array().map(Vec::len), Some(2));
    assert_eq!(next_event(&mut events).await["event_type"], "task.updated");
    let accepted = next_event(&mut events).await;
    assert_eq!(accepted["event_type"], "reservation.accepted");
    let attributes: Value =
        serde_json::from_str(accepted["payload"]["task"]["attributes"].as_str().unwrap()).unwrap();
    assert_eq!(attributes["conference"]["participants"]["worker"], json!(call_sid));

    let listed = send(
        &router,
        bridge(&token, "GET", "Workers/WK5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a/Reservations", &json!({})),
    )
    .await;
    assert_eq!(listed.body["payload"]["contents"][0]["reservation_status"], "accepted");

    let hold = json!({ "TaskSid": task.task_sid, "Hold": true });
    let path_of_customer = format!("Workers/{}/CustomerParticipant", account::WORKER_SID);
    let held = send(&router, bridge(&token, "POST", &path_of_customer, &hold)).await;
    assert_eq!(held.body["payload"]["sid"], json!(task.task_sid));
    assert_eq!(
        command(&mut commands).await,
        LegCommand::SetLine { call_sid: call_sid.clone(), line: sandbox_flex::Line::Held }
    );
    let held = next_event(&mut events).await;
    assert_eq!(held["event_type"], "participant.modified");
    assert_eq!(held["payload"]["media_properties"]["Hold"], json!(["true"]));

    cloud.agent_leg_ended(&call_sid, LegEnd::Completed);
    for _ in ["agent", "customer"] {
        assert_eq!(next_event(&mut events).await["event_type"], "participant.removed");
    }
    assert_eq!(next_event(&mut events).await["event_type"], "reservation.wrapup");
    let complete = json!({ "ReservationStatus": "completed" });
    let answer = send(&router, bridge(&token, "POST", &path, &complete)).await;
    assert_eq!(answer.body["payload"]["reservation_status"], "completed");
    assert_eq!(next_event(&mut events).await["event_type"], "reservation.completed");
    assert_eq!(cloud.state()["tasks"], json!([]));
}

#[tokio::test]
async fn a_reservation_that_nobody_takes_times_out_by_itself() {
    let settings = Settings { reservation_timeout: Duration::from_millis(50), ..Settings::default() };
    let (cloud, _commands) = FlexCloud::start(settings);
    let mut events = cloud.events();
    cloud.create_voice_task("+15550100");
    loop {
        let event = timeout(PATIENCE, events.recv()).await.unwrap().unwrap();
        if event.kind == "reservation.timeout" {
            break;
        }
    }
    assert_eq!(cloud.state()["worker"]["activity"], "Offline");
}

#[tokio::test]
async fn the_worker_changes_activity_and_attributes_by_command_and_from_outside() {
    let (cloud, _commands) = start();
    let router = cloud.router();
    let token = login(&cloud).await;
    let path = format!("Workers/{}", account::WORKER_SID);
    let attributes = json!({ "contact_uri": "client:ext_agent_40example_2Ecom" });
    let params = json!({ "Attributes": attributes.to_string() });
    let answer = send(&router, bridge(&token, "POST", &path, &params)).await;
    assert_eq!(answer.body["payload"]["attributes"], json!(attributes.to_string()));

    cloud.set_activity(account::ACTIVITY_VOICE_CLIENT_OFFLINE).unwrap();
    assert_eq!(cloud.agent()["activity_name"], account::ACTIVITY_VOICE_CLIENT_OFFLINE);
    assert!(cloud.set_activity("Dancing").is_err());

    let activities = send(&router, bridge(&token, "GET", "Activities", &json!({}))).await;
    let available = activities.body["payload"]["contents"]
        .as_array()
        .unwrap()
        .iter()
        .find(|activity| activity["friendly_name"] == "Available")
        .unwrap();
    let params = json!({ "ActivitySid": available["sid"], "RejectPendingReservations": false });
    let answer = send(&router, bridge(&token, "POST", &path, &params)).await;
    assert_eq!(answer.body["payload"]["available"], true);
}

#[tokio::test]
async fn a_command_with_a_bad_token_is_refused() {
    let (cloud, _commands) = start();
    let answer = send(&cloud.router(), bridge("nonsense", "GET", "Activities", &json!({}))).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_event_socket_with_a_bad_token_is_closed() {
    let (cloud, _commands) = start();
    let address = serve(&cloud).await;
    let mut events = socket(address, "event-bridge.twilio.com", "/v1/wschannels?token=nonsense").await;
    let message = timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(message, Message::Close(Some(_))), "{message:?}");
}

fn frame(header: &Value, payload: &Value) -> Message {
    let payload = if payload.is_null() { String::new() } else { payload.to_string() };
    let mut header = header.clone();
    header["payload_size"] = json!(payload.len());
    let header = header.to_string();
    Message::Binary(format!("TWILSOCK V3.0 {}\r\n{header}\r\n{payload}", header.len()).into_bytes().into())
}

async fn next_frame(socket: &mut WebSocketStream<TcpStream>) -> (Value, Value) {
    let message = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    let text = String::from_utf8(message.into_data().to_vec()).unwrap();
    let (line, rest) = text.split_once("\r\n").unwrap();
    let length: usize = line.strip_prefix("TWILSOCK V3.0 ").unwrap().parse().unwrap();
    let header = serde_json::from_str(&rest[..length]).unwrap();
    (header, serde_json::from_str(&rest[length + 2..]).unwrap_or_default())
}

/// An HTTP request to Sync inside Twilsock.
fn sync_request(id: &str, method: &str, path: &str, body: &Value) -> Message {
    let request = json!({ "host": "cds.us1.twilio.com", "method": method, "path": path, "params": {} });
    frame(&json!({ "id": id, "method": "message", "http_request": request }), body)
}

/// Shows a token, and says with which status it was answered.
async fn init(socket: &mut WebSocketStream<TcpStream>, token: &str) -> Value {
    let header = json!({ "id": "TM1", "method": "init", "token": token });
    socket.send(frame(&header, &Value::Null)).await.unwrap();
    let (header, _) = next_frame(socket).await;
    assert_eq!(header["id"], "TM1");
    header["status"].clone()
}

#[tokio::test]
async fn the_conference_of_a_call_is_pushed_to_whoever_subscribed_to_its_map() {
    let (cloud, mut commands) = start();
    let router = cloud.router();
    let token = login(&cloud).await;
    let address = serve(&cloud).await;
    let mut socket = socket(address, "tsock.us1.twilio.com", "/v3/wsconnect").await;
    assert_eq!(init(&mut socket, "nonsense").await["code"], 401);
    assert_eq!(init(&mut socket, &token).await["code"], 200);

    let task = cloud.create_voice_task("+15550100");
    let map = format!("/v3/Maps/{}.CS", task.task_sid);
    socket.send(sync_request("TM2", "GET", &map, &Value::Null)).await.unwrap();
    let (header, body) = next_frame(&mut socket).await;
    assert_eq!(header["http_status"]["code"], 200);
    let subscription = json!({
        "action": "establish",
        "correlation_id": 5,
        "requests": [{ "object_sid": body["sid"], "object_type": "map" }],
    });
    socket.send(sync_request("TM3", "POST", "/v4/Subscriptions", &subscription)).await.unwrap();
    assert_eq!(next_frame(&mut socket).await.0["http_status"]["code"], 202);
    let (header, established) = next_frame(&mut socket).await;
    assert_eq!(header["message_type"], "twilio.sync.event");
    assert_eq!(established["event_type"], "subscription_established");

    let reservation = task.reservation_sid.unwrap();
    let path = format!("Workers/{}/Reservations/{reservation}", account::WORKER_SID);
    let accept = json!({ "Instruction": "conference", "To": "client:ext_agent_40example_2Ecom" });
    send(&router, bridge(&token, "POST", &path, &accept)).await;
    let LegCommand::CallWorker { call_sid, .. } = command(&mut commands).await else { panic!() };
    cloud.agent_leg_answered(&call_sid);
    let mut joined = Vec::new();
    for _ in 0..2 {
        let (_, push) = next_frame(&mut socket).await;
        assert_eq!(push["event_type"], "map_item_added");
        let event = &push["events"][0];
        assert_eq!(event["item_data"]["status"], "joined");
        joined.push((event["item_key"].clone(), event["item_data"]["participant_type"].clone()));
    }
    assert_eq!(
        joined,
        [(json!(task.customer_call_sid), json!("customer")), (json!(call_sid), json!("worker"))],
        "the customer first: Flex draws its panel for those it knows"
    );

    cloud.customer_hung_up(task.task_sid.as_str());
    assert_eq!(command(&mut commands).await, LegCommand::EndLeg { call_sid });
    let (_, push) = next_frame(&mut socket).await;
    assert_eq!(push["event_type"], "map_item_updated");
    assert_eq!(push["events"][0]["item_data"]["status"], "left");
}

#[tokio::test]
async fn conversations_answers_what_the_client_reads_at_boot() {
    let (cloud, _commands) = start();
    let token = login(&cloud).await;
    let address = serve(&cloud).await;
    let mut socket = socket(address, "tsock.us1.twilio.com", "/v3/wsconnect").await;
    init(&mut socket, &token).await;
    let request =
        json!({ "host": "aim.us1.twilio.com", "method": "GET", "path": "/Client/v2/Configuration" });
    let header = json!({ "id": "TM1", "method": "message", "http_request": request });
    socket.send(frame(&header, &Value::Null)).await.unwrap();
    let (_, configuration) = next_frame(&mut socket).await;
    assert_eq!(configuration["identity"], account::AGENT_IDENTITY);
    for object in ["my_user_info", "my_conversations"] {
        let map = format!("/v3/Maps/{}", configuration["sync_objects"][object].as_str().unwrap());
        socket.send(sync_request("TM2", "GET", &map, &Value::Null)).await.unwrap();
        assert_eq!(next_frame(&mut socket).await.0["http_status"]["code"], 200);
    }
}

#[tokio::test]
async fn no_token_is_ever_in_an_event_or_in_the_state() {
    let (cloud, _commands) = start();
    let mut events = cloud.events();
    let token = login(&cloud).await;
    validate(&cloud, &token).await;
    cloud.create_voice_task("+15550100");
    let mut seen = 0;
    while let Ok(event) = events.try_recv() {
        assert!(!serde_json::to_string(&event).unwrap().contains(&token));
        seen += 1;
    }
    assert!(seen >= 3);
    assert!(!cloud.state().to_string().contains(&token));
}
