//! The sandbox as a browser, a test and a parent process see it.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Parser as _;
use sandbox::{Cli, Sandbox};
use serde_json::{Value, json};
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(10);

async fn start(more: &[&str]) -> Sandbox {
    let ports = ["sandbox", "--tls-port=0", "--signalling-port=0", "--http-port=0"];
    Sandbox::start(Cli::parse_from(ports.iter().chain(more))).await.unwrap()
}

/// A client that, like the browser, is told to find every host on one port and to trust the certificate.
fn browser(host: &str, port: u16) -> reqwest::Client {
    reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .resolve(host, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .no_proxy()
        .timeout(SOON)
        .build()
        .unwrap()
}

struct Switchboard {
    client: reqwest::Client,
    base: String,
}

impl Switchboard {
    fn of(sandbox: &Sandbox) -> Self {
        let base = format!("http://127.0.0.1:{}", sandbox.ports().http);
        Self { client: browser("localhost", 0), base }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_impersonated_host_answers_on_the_tls_port() {
    let service = axum::Router::new().fallback(|| async { "the token service" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token_service = format!("--token-service-url=http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    let sandbox = start(&[&token_service]).await;
    let port = sandbox.ports().tls;
    let get = async |host: &str, path: &str| {
        browser(host, port).get(format!("https://{host}:{port}{path}")).send().await.unwrap()
    };
    let insights = browser("eventgw.us1.twilio.com", port);
    let posted = insights.post(format!("https://eventgw.us1.twilio.com:{port}/v4/EndpointEvents")).body("{}");
    assert_eq!(posted.send().await.unwrap().status(), 200);
    let token = get("voice-tokens.example.com", "/v1/voice/token").await;
    assert_eq!(token.text().await.unwrap(), "the token service");
    let sound = get("sdk.twilio.com", "/js/client/sounds/releases/1.0.0/incoming.mp3").await;
    assert_eq!(sound.headers()["content-type"], "audio/wav");
    let signalling = get("voice-js.roaming.twilio.com", "/signal").await;
    assert!(signalling.status().is_client_error(), "a request that is not an upgrade");
    assert_eq!(get("flex.twilio.com", "/agent-desktop").await.status(), 200);
    assert_eq!(get("example.org", "/").await.status(), 404);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signalling_port_is_a_round_trip_away() {
    let sandbox = start(&["--rtt-ms=100"]).await;
    let port = sandbox.ports().signalling;
    let client = browser("eventgw.twilio.com", port);
    let mut took = Vec::new();
    for _ in 0..2 {
        let began = Instant::now();
        client
            .get(format!("https://eventgw.twilio.com:{port}/"))
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap();
        took.push(began.elapsed());
    }
    // TCP, TLS 1.3 and the request; then the request alone, on the same connection.
    assert!(took[0] >= Duration::from_millis(290), "{took:?}");
    assert!(took[1] >= Duration::from_millis(95) && took[1] < took[0], "{took:?}");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_nobody_can_be_followed_in_state_and_log() {
    let sandbox = start(&[]).await;
    let board = Switchboard::of(&sandbox);
    let mut stream = board.client.get(format!("{}/api/events/stream", board.base)).send().await.unwrap();
    let (status, call) =
        board.ask("POST", "/api/calls", json!({"to": "client:bob", "from": "+15550100"})).await;
    assert_eq!(status, 201);
    let sid = call["call_sid"].as_str().unwrap();
    let mut live = String::new();
    while !live.contains("call_ended") {
        let chunk = tokio::time::timeout(SOON, stream.chunk()).await.unwrap().unwrap().unwrap();
        live.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let log = board.get("/api/events?since=0").await;
    let ended = log["events"].as_array().unwrap().iter().find(|e| e["type"] == "call_ended").unwrap();
    assert_eq!((&ended["call_sid"], &ended["data"]["reason"]), (&json!(sid), &json!("not_registered")));
    assert_eq!((&ended["source"], ended["data"].get("call_sid")), (&json!("voice"), None));
    let later = board.get(&format!("/api/events?since={}", log["next"])).await;
    assert_eq!(later["events"], json!([]));
    let state = board.get("/api/state").await;
    assert_eq!((&state["calls"][0]["call_sid"], &state["calls"][0]["state"]), (&json!(sid), &json!("ended")));
    let call = board.get(&format!("/api/calls/{sid}")).await;
    assert_eq!((&call["ended_by"], &call["answer_ms"]), (&json!("gateway"), &Value::Null));
    assert_eq!(board.ask("POST", &format!("/api/calls/{sid}/hangup"), Value::Null).await.0, 409);
    assert_eq!(board.ask("POST", "/api/reset", Value::Null).await.0, 204);
    assert_eq!(board.get("/api/state").await["calls"], json!([]));
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_every_part_share_one_list() {
    let sandbox = start(&[]).await;
    let board = Switchboard::of(&sandbox);
    let faults = [
        json!({"kind": "signalling_refuse"}),
        json!({"kind": "media_loss", "direction": "both", "percent": 50}),
        json!({"kind": "http", "target": "token_service", "status": 503}),
        json!({"kind": "http", "target": "iam", "status": 429, "times": 1}),
        json!({"kind": "flex_token_ttl", "seconds": 30}),
    ];
    let mut ids = Vec::new();
    for fault in &faults {
        let (status, answer) = board.ask("POST", "/api/faults", fault.clone()).await;
        assert_eq!(status, 201, "{fault}");
        ids.push(answer["id"].as_u64().unwrap());
    }
    let active = board.get("/api/state").await["faults"].clone();
    let kinds: Vec<_> = active.as_array().unwrap().iter().map(|f| f["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["signalling_refuse", "media_loss", "http", "http", "flex_token_ttl"]);
    for id in &ids {
        assert_eq!(board.ask("DELETE", &format!("/api/faults/{id}"), Value::Null).await.0, 204);
        assert_eq!(board.ask("DELETE", &format!("/api/faults/{id}"), Value::Null).await.0, 404);
    }
    for fault in &faults {
        board.ask("POST", "/api/faults", fault.clone()).await;
    }
    assert_eq!(board.ask("DELETE", "/api/faults", Value::Null).await.0, 204);
    assert_eq!(board.get("/api/state").await["faults"], json!([]));
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_of_flex_waits_and_may_give_up() {
    let sandbox = start(&[]).await;
    let board = Switchboard::of(&sandbox);
    let (status, task) = board.ask("POST", "/api/tasks", json!({"from": "+15550100"})).await;
    assert_eq!(status, 201);
    let waiting = board.get("/api/state").await["tasks"][0].clone();
    assert_eq!((&waiting["from"], &waiting["task_sid"]), (&json!("+15550100"), &task["task_sid"]));
    let customer = task["customer_call_sid"].as_str().unwrap();
    assert_eq!(board.ask("POST", &format!("/api/calls/{customer}/hangup"), Value::Null).await.0, 204);
    let state = board.get("/api/state").await;
    assert!(
        state["tasks"].as_array().unwrap().iter().all(|t| t["status"] == "canceled"),
        "{}",
        state["tasks"]
    );
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_with_a_reason() {
    let sandbox = start(&[]).await;
    let board = Switchboard::of(&sandbox);
    for (method, path, body) in [
        ("POST", "/api/calls", json!({"to": "+15550100", "from": "+1"})),
        ("POST", "/api/calls", json!({"to": "client:no such name", "from": "+1"})),
        ("POST", "/api/tasks", json!({"from": "+1", "task_channel": "chat"})),
        ("POST", "/api/faults", json!({"kind": "nonsense"})),
        ("POST", "/api/faults", json!({"kind": "media_loss"})),
        ("PUT", "/api/agent/activity", json!({"name": "Asleep"})),
        ("GET", "/api/calls/CA1", Value::Null),
    ] {
        let (status, answer) = board.ask(method, path, body.clone()).await;
        assert_eq!(status, 400, "{path} {body}");
        assert!(answer["error"].as_str().is_some_and(|text| !text.is_empty()), "{path} {body}: {answer}");
    }
    let unknown = format!("/api/calls/CA{}", "0".repeat(32));
    assert_eq!(board.ask("GET", &unknown, Value::Null).await.0, 404);
    assert_eq!(board.ask("PUT", "/api/agent/activity", json!({"name": "Break"})).await.0, 200);
    sandbox.stop().await;
}

#[tokio::test]
async fn the_process_says_when_it_is_ready_and_ends_with_its_parent() {
    let mut child = Command::new(std::env::var_os("CARGO_BIN_EXE_sandbox").unwrap())
        .args(["--tls-port=0", "--signalling-port=0", "--http-port=0", "--exit-with-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["event"], "ready");
    assert!(
        ["tls", "signalling", "http"].iter().all(|port| ready[port].as_u64().is_some_and(|port| port > 0))
    );
    assert!(child.try_wait().unwrap().is_none(), "it runs while the parent lives");
    drop(child.stdin.take());
    let ended = tokio::task::spawn_blocking(move || child.wait());
    assert!(tokio::time::timeout(SOON, ended).await.unwrap().unwrap().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_read_and_write_conversations_on_both_ports_and_are_told_of_them() {
    let service = axum::Router::new().fallback(|| async { "heard" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token_service = format!("--token-service-url=http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    let sandbox = start(&[&token_service]).await;
    let port = sandbox.ports().tls;
    let ready: Value = serde_json::from_str(&sandbox.ready_line()).unwrap();
    let (account, password) = (sandbox_flex::account::ACCOUNT_SID, sandbox_flex::account::AUTH_TOKEN);

    let host = "conversations.twilio.com";
    let client = browser(host, port);
    let post = async |path: &str, form: &[(&str, &str)]| {
        let url = format!("https://{host}:{port}/v1/{path}");
        let asked =
            client.post(url).basic_auth(account, Some(password)).header("x-twilio-webhook-enabled", "true");
        let body = form.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let answer = asked.header("content-type", "application/x-www-form-urlencoded").body(body);
        serde_json::from_str::<Value>(&answer.send().await.unwrap().text().await.unwrap()).unwrap()
    };
    let hook = "https%3A%2F%2Fvoice-tokens.example.com%2Fhook";
    let set = [("PostWebhookUrl", hook), ("Filters", "onConversationAdded")];
    post(&format!("Services/{}/Configuration/Webhooks", sandbox_flex::account::CHAT_SERVICE_SID), &set).await;
    let switchboard = Switchboard::of(&sandbox);
    let (_, fault) =
        switchboard.ask("POST", "/api/faults", json!({ "kind": "callback_lose", "times": 1 })).await;
    assert_eq!(switchboard.get("/api/state").await["faults"][0]["id"], fault["id"]);
    post("Conversations", &[("FriendlyName", "lost")]).await;
    let made = post("Conversations", &[("FriendlyName", "told")]).await;

    let began = Instant::now();
    let outcomes = loop {
        let told = switchboard.get("/api/callbacks").await;
        let outcomes: Vec<Value> =
            told["callbacks"].as_array().unwrap().iter().map(|one| one["outcome"].clone()).collect();
        if outcomes.len() == 2 {
            break outcomes;
        }
        assert!(began.elapsed() < SOON, "{told}");
    };
    assert_eq!(outcomes, ["lost", "answered"]);
    let events = switchboard.get("/api/events").await;
    let logged = events["events"].as_array().unwrap().iter().filter(|event| event["source"] == "callbacks");
    assert!(logged.count() == 2 && !events.to_string().contains("FriendlyName"), "{events}");

    // A service asks at the plain port, and the links that it is given lead there.
    let base = ready["conversations_base_url"].as_str().unwrap();
    let get = async |url: &str| {
        let asked = browser("localhost", 0).get(url).basic_auth(account, Some(password));
        let answer = asked.send().await.unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap_or_default(),
        )
    };
    let (status, list) = get(&format!("{base}/v1/Conversations?PageSize=1")).await;
    assert_eq!((status, &list["conversations"][0]["sid"]), (200, &made["sid"]));
    let (status, list) = get(list["meta"]["next_page_url"].as_str().unwrap()).await;
    assert_eq!((status, &list["conversations"][0]["friendly_name"]), (200, &json!("lost")));
    let media = ready["media_base_url"].as_str().unwrap();
    let files = format!("{media}/v1/Services/{}/Media", sandbox_flex::account::CHAT_SERVICE_SID);
    let uploaded = browser("localhost", 0).post(&files).basic_auth(account, Some(password));
    let uploaded = uploaded.header("content-type", "text/plain").body("a note").send().await.unwrap();
    let uploaded: Value = serde_json::from_str(&uploaded.text().await.unwrap()).unwrap();
    let (_, file) = get(&format!("{files}/{}", uploaded["sid"].as_str().unwrap())).await;
    let link = file["links"]["content_direct_temporary"].as_str().unwrap();
    let content = browser("media.us1.twilio.com", port).get(link.replace(".com/", &format!(".com:{port}/")));
    assert_eq!(content.send().await.unwrap().text().await.unwrap(), "a note");
    assert_eq!(get(&format!("{files}/ME0")).await.0, 404);

    assert_eq!(switchboard.ask("POST", "/api/reset", Value::Null).await.0, 204);
    let (_, list) = get(&format!("{base}/v1/Conversations")).await;
    assert_eq!(list["conversations"], json!([]));
    sandbox.stop().await;
}
