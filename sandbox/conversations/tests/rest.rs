//! Conversations by REST, and its webhooks, as a server sees them.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic too")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kernel::{AccountSid, Secret};
use sandbox_callbacks::{Courier, Signer, Targets};
use sandbox_conversations::change::{Actor, Change, Happened, NewMessage, NewParticipant};
use sandbox_conversations::{Config, Conversations, Rest};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use twilio::signature::{SIGNATURE_HEADER, verify_form};
use twilio::{ApiKey, ApiKeySid};

const AUTH_TOKEN: &str = "opens-nothing";
const SERVICE: &str = "IS5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

fn account() -> String {
    format!("AC{}", "1".repeat(32))
}

struct Api {
    conversations: Conversations,
    rest: Rest,
    courier: Courier,
}

impl Api {
    fn start() -> Self {
        let api_key = ApiKeySid::new(format!("SK{}", "2".repeat(32))).unwrap();
        let conversations = Conversations::start(Config {
            account: AccountSid::new(account()).unwrap(),
            auth_token: Secret::new(AUTH_TOKEN),
            api_key: ApiKey::new(api_key, Secret::new("key-secret")),
            reading_key: None,
            service_sid: SERVICE.into(),
            flex_tokens: None,
        });
        let courier = Courier::start(sandbox_callbacks::Config {
            signer: Signer::AuthToken(Secret::new(AUTH_TOKEN)),
            targets: Targets::default(),
        });
        let rest = Rest::start(conversations.clone(), courier.clone());
        Self { conversations, rest, courier }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.rest.router().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 10 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        form: &[(&str, &str)],
        webhooks: bool,
    ) -> (StatusCode, Value) {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/v1/{path}"))
            .header("host", "conversations.twilio.com")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", basic(&account(), AUTH_TOKEN));
        if webhooks {
            request = request.header("x-twilio-webhook-enabled", "true");
        }
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, &[], false).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let (status, body) = self.ask("POST", path, form, false).await;
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// A refusal's status and code.
    async fn refused(&self, method: &str, path: &str, form: &[(&str, &str)]) -> (u16, u64) {
        let (status, body) = self.ask(method, path, form, false).await;
        assert_eq!(body["status"], status.as_u16(), "{path}: {body}");
        assert_eq!(body["more_info"], format!("https://www.twilio.com/docs/errors/{}", body["code"]));
        (status.as_u16(), body["code"].as_u64().unwrap())
    }

    /// The next page of a list, by the link that the last one gave.
    async fn follow(&self, link: &Value) -> Value {
        self.get(link.as_str().unwrap().strip_prefix("https://conversations.twilio.com/v1/").unwrap()).await
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn a_conversation_lives_its_life_by_rest() {
    let api = Api::start();
    let made = api
        .post(
            "Conversations",
            &[("FriendlyName", "Grace"), ("UniqueName", "grace 1"), ("Attributes", "{\"a\":1}")],
        )
        .await;
    let sid = text(&made["sid"]).to_owned();
    assert_eq!(
        (&made["state"], &made["attributes"], &made["chat_service_sid"], &made["account_sid"]),
        (&json!("active"), &json!("{\"a\":1}"), &json!(SERVICE), &json!(account()))
    );
    assert_eq!(made["url"], format!("https://conversations.twilio.com/v1/Conversations/{sid}"));
    assert!(text(&made["date_created"]).ends_with('Z') && !text(&made["date_created"]).contains('.'));
    let by_name = api.get(&format!("Services/{SERVICE}/Conversations/grace%201")).await;
    assert_eq!(by_name["sid"], made["sid"]);
    assert!(text(&by_name["url"]).contains(SERVICE));
    let timed =
        api.post(&format!("Conversations/{sid}"), &[("State", "inactive"), ("Timers.Closed", "PT10M")]).await;
    assert_eq!(timed["state"], "inactive");
    assert!(timed["timers"]["date_closed"].is_string() && timed["timers"]["date_inactive"].is_null());
    let closed = api.post(&format!("Conversations/{sid}"), &[("State", "closed")]).await;
    assert_eq!(closed["state"], "closed");
    let active = [("State", "active")];
    assert_eq!(api.refused("POST", &format!("Conversations/{sid}"), &active).await, (400, 50377));
    let (status, _) = api.ask("DELETE", &format!("Conversations/{sid}"), &[], false).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(api.refused("GET", &format!("Conversations/{sid}"), &[]).await, (404, 20404));
}

#[tokio::test]
async fn conversations_are_listed_newest_first_by_their_state_and_day() {
    let api = Api::start();
    for (name, day, state) in [
        ("old", "2026-01-01T10:00:00Z", "closed"),
        ("new", "2026-03-01T10:00:00Z", "active"),
        ("mid", "2026-02-01T10:00:00Z", "closed"),
    ] {
        api.post("Conversations", &[("FriendlyName", name), ("DateCreated", day), ("State", state)]).await;
    }
    let names = |list: Value| {
        let all = list["conversations"].as_array().unwrap().iter();
        all.map(|one| text(&one["friendly_name"]).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(api.get("Conversations").await), ["new", "mid", "old"]);
    assert_eq!(names(api.get("Conversations?State=closed").await), ["mid", "old"]);
    let between = "Conversations?StartDate=2026-01-15T00:00:00Z&EndDate=2026-02-15T00:00:00Z";
    assert_eq!(names(api.get(between).await), ["mid"]);
    let first = api.get("Conversations?PageSize=1&State=closed").await;
    let second = api.follow(&first["meta"]["next_page_url"]).await;
    assert_eq!((names(first), names(second.clone())), (vec!["mid".into()], vec!["old".into()]));
    assert_eq!(second["meta"]["next_page_url"], Value::Null);
}

#[tokio::test]
async fn only_the_accounts_own_credentials_open_it() {
    let api = Api::start();
    let key = format!("SK{}", "2".repeat(32));
    for (authorization, status) in [
        (Some(basic(&account(), AUTH_TOKEN)), 200),
        (Some(basic(&key, "key-secret")), 200),
        (Some(basic(&account(), "wrong")), 401),
        (Some(basic(&key, AUTH_TOKEN)), 401),
        (Some("Bearer x".into()), 401),
        (None, 401),
    ] {
        let mut request = Request::builder().uri("/v1/Conversations");
        if let Some(authorization) = &authorization {
            request = request.header("authorization", authorization);
        }
        let (answered, body) = api.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answered.as_u16(), status, "{authorization:?}");
        if status == 401 {
            assert_eq!((&body["code"], &body["message"]), (&json!(20003), &json!("Authenticate")));
        }
    }
}

#[tokio::test]
async fn participants_are_there_once_and_are_found_with_their_conversations() {
    let api = Api::start();
    let mut sids = Vec::new();
    for day in ["2026-02-01T10:00:00Z", "2026-01-01T10:00:00Z"] {
        let made = api.post("Conversations", &[("DateCreated", day)]).await;
        sids.push(text(&made["sid"]).to_owned());
    }
    let people = |sid: &str| format!("Conversations/{sid}/Participants");
    let grace =
        [("MessagingBinding.Address", "+15550100123"), ("MessagingBinding.ProxyAddress", "+15550100000")];
    let made = api.post(&people(&sids[0]), &grace).await;
    assert_eq!(
        made["messaging_binding"],
        json!({ "type": "sms", "address": "+15550100123", "proxy_address": "+15550100000", "projected_address": null })
    );
    assert_eq!(api.refused("POST", &people(&sids[1]), &grace).await, (409, 50416));
    for sid in &sids {
        api.post(
            &people(sid),
            &[("Identity", "ada lovelace"), ("Attributes", "{\"member_type\":\"agent\"}")],
        )
        .await;
    }
    assert_eq!(api.refused("POST", &people(&sids[0]), &[("Identity", "ada lovelace")]).await, (409, 50433));
    assert_eq!(api.refused("POST", &people(&sids[0]), &[]).await.0, 400);

    let found = api.get("ParticipantConversations?Identity=ada%20lovelace").await;
    let of: Vec<&str> =
        found["conversations"].as_array().unwrap().iter().map(|one| text(&one["conversation_sid"])).collect();
    assert_eq!(of, [sids[0].as_str(), &sids[1]]);
    assert!(found["conversations"][0]["participant_user_sid"].is_string());
    let found = api.get("ParticipantConversations?Address=%2B15550100123").await;
    assert_eq!(found["conversations"][0]["participant_messaging_binding"]["type"], "sms");
    assert_eq!(api.get("ParticipantConversations?Address=ada%20lovelace").await["conversations"], json!([]));
    assert_eq!(api.refused("GET", "ParticipantConversations", &[]).await, (400, 20001));

    let message = [("Author", "+15550100123"), ("Body", "hello")];
    for _ in 0..3 {
        api.post(&format!("Conversations/{}/Messages", sids[0]), &message).await;
    }
    let me = format!("{}/ada%20lovelace", people(&sids[0]));
    assert_eq!(api.post(&me, &[("LastReadMessageIndex", "0")]).await["last_read_message_index"], 0);
    let user = api.get("Users/ada%20lovelace").await;
    let mine = api.get(&format!("Users/{}/Conversations", text(&user["sid"]))).await;
    assert_eq!(mine["conversations"][0]["unread_messages_count"], 2);
    let (status, _) = api.ask("DELETE", &me, &[], false).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(api.refused("GET", &me, &[]).await, (404, 20404));
}

#[tokio::test]
async fn all_messages_are_paged_through_once_though_one_is_removed_meanwhile() {
    let api = Api::start();
    let sid = text(&api.post("Conversations", &[]).await["sid"]).to_owned();
    for number in 0..250 {
        let message = NewMessage::text("grace", number.to_string());
        api.conversations.post(&Actor::api(), &sid, message).unwrap();
    }
    for order in ["asc", "desc"] {
        let mut page = api.get(&format!("Conversations/{sid}/Messages?Order={order}&PageSize=100")).await;
        let mut seen = Vec::new();
        let mut pages = 0;
        loop {
            let messages = page["messages"].as_array().unwrap();
            seen.extend(messages.iter().map(|one| text(&one["body"]).parse::<u64>().unwrap()));
            pages += 1;
            let last = messages.last().unwrap();
            if pages == 1 {
                let path = format!("Conversations/{sid}/Messages/{}", text(&last["sid"]));
                assert_eq!(api.ask("DELETE", &path, &[], false).await.0, StatusCode::NO_CONTENT);
            }
            if page["meta"]["next_page_url"].is_null() {
                break;
            }
            page = api.follow(&page["meta"]["next_page_url"]).await;
        }
        let mut sorted = seen.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!((sorted.len(), pages), (seen.len(), 3), "{order}: something was said twice");
        let missing: Vec<u64> = (0..250).filter(|number| !sorted.contains(number)).collect();
        // The second time, what the first removed.
        assert_eq!(missing, if order == "asc" { vec![] } else { vec![99] });
    }
    let forged = format!("Conversations/{sid}/Messages?PageToken=PA%27");
    assert_eq!(api.refused("GET", &forged, &[]).await, (400, 20001));
}

#[tokio::test]
async fn the_links_of_an_answer_lead_where_it_was_asked() {
    let api = Api::start();
    let sid = text(&api.post("Conversations", &[]).await["sid"]).to_owned();
    for number in 0..3 {
        api.conversations.post(&Actor::api(), &sid, NewMessage::text("grace", number.to_string())).unwrap();
    }
    let router = Router::new().nest("/conversations", api.rest.router());
    let request = Request::builder()
        .uri(format!("/conversations/v1/Services/{SERVICE}/Conversations/{sid}/Messages?PageSize=2"))
        .header("host", "127.0.0.1:8080")
        .header("authorization", basic(&account(), AUTH_TOKEN))
        .body(Body::empty())
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    let body: Value =
        serde_json::from_slice(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).unwrap();
    let base =
        format!("http://127.0.0.1:8080/conversations/v1/Services/{SERVICE}/Conversations/{sid}/Messages");
    assert!(text(&body["meta"]["next_page_url"]).starts_with(&format!("{base}?")), "{}", body["meta"]);
    assert_eq!(text(&body["messages"][0]["url"]), format!("{base}/{}", text(&body["messages"][0]["sid"])));
}

#[tokio::test]
async fn a_message_has_a_body_or_none_files_and_receipts() {
    let api = Api::start();
    let sid = text(&api.post("Conversations", &[]).await["sid"]).to_owned();
    let binding =
        [("MessagingBinding.Address", "+15550100123"), ("MessagingBinding.ProxyAddress", "+15550100000")];
    let grace = api.post(&format!("Conversations/{sid}/Participants"), &binding).await;
    let file = sandbox_conversations::change::NewFile {
        filename: Some("cat.png".into()),
        content_type: "image/png".into(),
        size: 3,
        category: "media".into(),
        author: None,
    };
    let media = api.conversations.upload(file, Bytes::from_static(b"cat")).unwrap();
    let messages = format!("Conversations/{sid}/Messages");
    let sent = api.post(&messages, &[("Author", "system"), ("MediaSid", &media.sid)]).await;
    assert_eq!(sent["body"], Value::Null);
    assert_eq!(
        sent["media"],
        json!([{ "sid": media.sid, "category": "media", "filename": "cat.png", "content_type": "image/png", "size": 3 }])
    );
    assert_eq!((&sent["delivery"]["total"], &sent["delivery"]["sent"]), (&json!(1), &json!("all")));
    let receipts = api.get(&format!("{messages}/{}/Receipts", text(&sent["sid"]))).await;
    assert_eq!(receipts["delivery_receipts"][0]["participant_sid"], grace["sid"]);
    let edited = api.post(&format!("{messages}/{}", text(&sent["sid"])), &[("Body", "a cat")]).await;
    assert_eq!((&edited["body"], &edited["index"]), (&json!("a cat"), &json!(0)));
    assert_eq!(api.refused("POST", &messages, &[("MediaSid", "ME1")]).await, (404, 20404));
    assert_eq!(api.refused("POST", &messages, &[("Attributes", "not JSON")]).await, (400, 20001));
}

#[tokio::test]
async fn a_conversation_is_made_with_its_participants_or_not_at_all() {
    let api = Api::start();
    let with = [
        ("FriendlyName", "both"),
        ("Participant", r#"{"identity":"ada","attributes":"{\"member_type\":\"agent\"}"}"#),
        ("Participant", r#"{"messaging_binding":{"address":"+15550100123","proxy_address":"+15550100000"}}"#),
    ];
    let (status, made) = api.ask("POST", "ConversationWithParticipants", &with, false).await;
    assert_eq!((status, &made["state"]), (StatusCode::ACCEPTED, &json!("initializing")));
    let sid = text(&made["sid"]);
    assert_eq!(api.get(&format!("Conversations/{sid}")).await["state"], "active");
    let people = api.get(&format!("Conversations/{sid}/Participants")).await;
    assert_eq!(people["participants"].as_array().unwrap().len(), 2);
    // The pair of addresses is taken.
    assert_eq!(api.refused("POST", "ConversationWithParticipants", &with).await, (409, 50416));
    assert_eq!(api.get("Conversations").await["conversations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_set_up_is_found_again() {
    let api = Api::start();
    let services = api.get("Services").await;
    assert_eq!(services["services"][0]["sid"], SERVICE);
    assert_eq!(api.get(&format!("Services/{SERVICE}")).await["sid"], SERVICE);
    assert_eq!(api.get("Configuration").await["default_chat_service_sid"], SERVICE);
    let default = [("DefaultChatServiceSid", SERVICE)];
    assert_eq!(api.post("Configuration", &default).await["default_chat_service_sid"], SERVICE);
    assert_eq!(api.refused("POST", "Configuration", &[("DefaultClosedTimer", "P1D")]).await, (400, 20001));
    let configuration = format!("Services/{SERVICE}/Configuration");
    assert_eq!(
        api.post(&configuration, &[("ReachabilityEnabled", "true")]).await["reachability_enabled"],
        true
    );

    let role = [("FriendlyName", "guest"), ("Type", "conversation"), ("Permission", "sendMessage")];
    let role = api.post("Roles", &role).await;
    let found = api.get(&format!("Roles/{}", text(&role["sid"]))).await;
    assert_eq!((&found["type"], &found["permissions"]), (&json!("conversation"), &json!(["sendMessage"])));
    assert_eq!(api.get("Roles").await["roles"].as_array().unwrap().len(), 3);

    let user = api.post("Users", &[("Identity", "grace@example.com"), ("FriendlyName", "Grace")]).await;
    assert_eq!(api.get("Users/grace%40example.com").await["sid"], user["sid"]);
    assert_eq!(api.refused("POST", "Users", &[("Identity", "grace@example.com")]).await, (409, 50201));

    let webhooks = format!("Services/{SERVICE}/Configuration/Webhooks");
    let set = [
        ("PostWebhookUrl", "http://127.0.0.1:9/x"),
        ("Filters", "onMessageAdded"),
        ("Filters", "onUserAdded"),
        ("Method", "GET"),
    ];
    api.post(&webhooks, &set).await;
    let found = api.get(&webhooks).await;
    assert_eq!(
        (&found["post_webhook_url"], &found["filters"], &found["method"]),
        (&json!("http://127.0.0.1:9/x"), &json!(["onMessageAdded", "onUserAdded"]), &json!("GET"))
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found_however_it_is_asked() {
    let api = Api::start();
    let sid = text(&api.post("Conversations", &[]).await["sid"]).to_owned();
    for path in [
        "Nothing".to_owned(),
        String::new(),
        "Conversations/CH0".into(),
        format!("Conversations%2f{sid}"),
        format!("Conversations/../Conversations/{sid}"),
        format!("Services/IS{}/Conversations/{sid}", "0".repeat(32)),
        format!("Conversations/{sid}/Messages/0"),
        format!("Conversations/{sid}/Messages/18446744073709551616"),
        format!("Conversations/{sid}/Webhooks/WH0"),
        format!("Conversations/{sid}/Participants/x"),
    ] {
        assert_eq!(api.refused("GET", &path, &[]).await, (404, 20404), "{path}");
    }
    assert_eq!(api.refused("PUT", &format!("Conversations/{sid}"), &[]).await, (404, 20404));
}

// ---- Webhooks ----

type Heard = (String, HeaderMap, Vec<(String, String)>);

/// A developer's server: keeps what it hears, and answers `/reject` with 409, `/change` with another body.
#[derive(Clone, Default)]
struct Server {
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Server {
    async fn start() -> (Self, String) {
        let server = Self::default();
        let app = Router::new().fallback(hear).with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (server, base)
    }

    /// The paths and names of what it was told.
    fn events(&self) -> Vec<(String, String)> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|(path, _, params)| (path.clone(), param(params, "EventType"))).collect()
    }

    fn last(&self) -> Heard {
        self.heard.lock().unwrap().last().unwrap().clone()
    }
}

fn param(params: &[(String, String)], name: &str) -> String {
    params.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

async fn hear(State(server): State<Server>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let params = form_urlencoded::parse(&body).into_owned().collect();
    server.heard.lock().unwrap().push((uri.path().to_owned(), headers, params));
    match uri.path() {
        "/reject" => StatusCode::CONFLICT.into_response(),
        "/change" => axum::Json(json!({ "body": "[removed]", "author": "moderator" })).into_response(),
        _ => StatusCode::OK.into_response(),
    }
}

/// Waits until so many callbacks are over.
async fn told(api: &Api, count: usize) {
    let mut records = api.courier.subscribe();
    while api.courier.records().len() < count {
        tokio::time::timeout(Duration::from_secs(30), records.recv()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn service_and_conversation_are_told_by_signed_webhooks_what_their_filters_name() {
    let api = Api::start();
    let (server, base) = Server::start().await;
    let post = format!("{base}/service?a=b");
    let set = [
        ("PostWebhookUrl", post.as_str()),
        ("Filters", "onMessageAdded"),
        ("Filters", "onConversationStateUpdated"),
    ];
    api.post(&format!("Services/{SERVICE}/Configuration/Webhooks"), &set).await;
    let sid = text(&api.post("Conversations", &[]).await["sid"]).to_owned();
    let own = format!("{base}/own");
    let scoped = [
        ("Target", "webhook"),
        ("Configuration.Url", own.as_str()),
        ("Configuration.Filters", "onMessageAdded"),
    ];
    let scoped = api.post(&format!("Conversations/{sid}/Webhooks"), &scoped).await;
    assert_eq!((&scoped["target"], &scoped["configuration"]["url"]), (&json!("webhook"), &json!(own)));

    // By REST they hear of it only where the request says so.
    let messages = format!("Conversations/{sid}/Messages");
    let hello = [("Author", "grace"), ("Body", "hello à 🐱"), ("Attributes", "{\"x\":1}")];
    api.post(&messages, &hello).await;
    let (status, sent) = api.ask("POST", &messages, &hello, true).await;
    assert_eq!(status, StatusCode::CREATED);
    told(&api, 2).await;
    let mut events = server.events();
    events.sort();
    assert_eq!(events, ["/own", "/service"].map(|path| (path.to_owned(), "onMessageAdded".to_owned())));
    for (path, headers, params) in server.heard.lock().unwrap().iter() {
        let url = if path == "/own" { &own } else { &post };
        let signature = headers[SIGNATURE_HEADER].to_str().unwrap();
        assert_eq!(verify_form(&Secret::new(AUTH_TOKEN), url, params, signature), Ok(()), "{path}");
        for (name, value) in [
            ("AccountSid", account().as_str()),
            ("ChatServiceSid", SERVICE),
            ("ConversationSid", &sid),
            ("MessageSid", text(&sent["sid"])),
            ("Source", "API"),
            ("Author", "grace"),
            ("Body", "hello à 🐱"),
            ("Attributes", "{\"x\":1}"),
            ("Index", "1"),
            ("ClientIdentity", ""),
        ] {
            assert_eq!(param(params, name), value, "{name}");
        }
    }

    // What comes from a client or a channel is always told. A state is told to the service alone.
    let customer = NewParticipant::identity("grace");
    api.conversations.add_participant(&Actor::api(), &sid, customer).unwrap();
    api.conversations.post(&Actor::sdk("grace"), &sid, NewMessage::default()).unwrap();
    told(&api, 4).await;
    let (_, _, params) = server.last();
    assert_eq!((param(&params, "Source"), param(&params, "ClientIdentity")), ("SDK".into(), "grace".into()));
    api.ask("POST", &format!("Conversations/{sid}"), &[("State", "closed")], true).await;
    told(&api, 5).await;
    let (path, _, params) = server.last();
    assert_eq!(
        (
            path.as_str(),
            param(&params, "EventType"),
            param(&params, "StateFrom"),
            param(&params, "StateTo"),
            param(&params, "Reason")
        ),
        ("/service", "onConversationStateUpdated".into(), "active".into(), "closed".into(), "API".into())
    );
}

#[tokio::test]
async fn a_webhook_without_filters_is_told_nothing() {
    let api = Api::start();
    let (_, base) = Server::start().await;
    let set = [("PostWebhookUrl", base.as_str()), ("PreWebhookUrl", base.as_str())];
    api.post(&format!("Services/{SERVICE}/Configuration/Webhooks"), &set).await;
    let (status, made) = api.ask("POST", "Conversations", &[], true).await;
    assert_eq!(status, StatusCode::CREATED);
    let messages = format!("Conversations/{}/Messages", text(&made["sid"]));
    api.ask("POST", &messages, &[("Body", "hello")], true).await;
    // Only now are there filters, and what is told then comes after whatever was told before.
    let filtered = [("Filters", "onMessageAdded")];
    api.post(&format!("Services/{SERVICE}/Configuration/Webhooks"), &filtered).await;
    api.ask("POST", &messages, &[("Body", "again")], true).await;
    told(&api, 1).await;
    assert_eq!(api.courier.records().len(), 1);
}

#[tokio::test]
async fn a_pre_webhook_changes_or_rejects_a_message_before_anybody_sees_it() {
    let api = Api::start();
    let (server, base) = Server::start().await;
    let webhooks = format!("Services/{SERVICE}/Configuration/Webhooks");
    let sid = text(&api.post("Conversations", &[]).await["sid"]).to_owned();
    let messages = format!("Conversations/{sid}/Messages");
    let change = format!("{base}/change");
    api.post(&webhooks, &[("PreWebhookUrl", &change), ("Filters", "onMessageAdd")]).await;
    let (_, sent) =
        api.ask("POST", &messages, &[("Author", "grace"), ("Body", "my card is 4111")], true).await;
    assert_eq!((&sent["body"], &sent["author"]), (&json!("[removed]"), &json!("moderator")));
    let (_, _, params) = server.last();
    assert_eq!(
        (param(&params, "EventType"), param(&params, "Body")),
        ("onMessageAdd".into(), "my card is 4111".into())
    );

    // A client's message, too, whose author it may not choose itself.
    api.conversations.add_participant(&Actor::api(), &sid, NewParticipant::identity("grace")).unwrap();
    let say = || Change::AddMessage {
        conversation: sid.clone(),
        message: NewMessage { body: Some("4111".into()), ..NewMessage::default() },
    };
    let happened = api.conversations.submit(&Actor::sdk("grace"), say()).await.unwrap();
    let Happened::MessageAdded { message, .. } = &happened[0] else { panic!("{happened:?}") };
    assert_eq!((message.body.as_deref(), message.author.as_str()), (Some("[removed]"), "moderator"));
    let (_, _, params) = server.last();
    assert_eq!((param(&params, "Author"), param(&params, "Source")), ("grace".into(), "SDK".into()));

    api.post(&webhooks, &[("PreWebhookUrl", &format!("{base}/reject"))]).await;
    let refused = api.conversations.submit(&Actor::sdk("grace"), say()).await.unwrap_err();
    assert_eq!(refused.status, 409);
    let (status, body) = api.ask("POST", &messages, &[("Body", "no")], true).await;
    assert_eq!((status, &body["status"]), (StatusCode::CONFLICT, &json!(409)));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    api.post(&webhooks, &[("PreWebhookUrl", &format!("http://{closed}/"))]).await;
    let (status, _) = api.ask("POST", &messages, &[("Body", "no")], true).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    // What would leave this machine is not asked, and hinders nothing.
    api.post(&webhooks, &[("PreWebhookUrl", "https://example.com/pre")]).await;
    assert_eq!(api.ask("POST", &messages, &[("Body", "yes")], true).await.0, StatusCode::CREATED);
    assert_eq!(api.conversations.messages(&sid).len(), 3);
}

#[tokio::test]
async fn a_customers_first_message_starts_a_conversation_where_the_address_says_so() {
    let api = Api::start();
    let (server, base) = Server::start().await;
    let (from, to) = ("whatsapp:+15550100123", "whatsapp:+15550100000");
    assert_eq!(api.rest.inbound(from, to, NewMessage::default()).await.unwrap(), None);
    let url = format!("{base}/inbound");
    let address = [
        ("Type", "whatsapp"),
        ("Address", to),
        ("AutoCreation.Enabled", "true"),
        ("AutoCreation.Type", "webhook"),
        ("AutoCreation.WebhookUrl", url.as_str()),
        ("AutoCreation.WebhookFilters", "onMessageAdded"),
    ];
    let made = api.post("Configuration/Addresses", &address).await;
    assert_eq!(
        (&made["auto_creation"]["enabled"], &made["auto_creation"]["webhook_url"]),
        (&json!(true), &json!(url))
    );
    assert_eq!(api.refused("POST", "Configuration/Addresses", &address).await.0, 409);
    let hello = NewMessage { body: Some("hello".into()), ..NewMessage::default() };
    let (first, message) = api.rest.inbound(from, to, hello.clone()).await.unwrap().unwrap();
    assert_eq!((message.author.as_str(), message.index), (from, 0));
    let (second, message) = api.rest.inbound(from, to, hello).await.unwrap().unwrap();
    assert_eq!((&second, message.index), (&first, 1));
    told(&api, 2).await;
    let (path, _, params) = server.last();
    assert_eq!((path.as_str(), param(&params, "Source")), ("/inbound", "WHATSAPP".into()));
    // Closed, the next message begins another.
    api.post(&format!("Conversations/{first}"), &[("State", "closed")]).await;
    let (third, _) = api.rest.inbound(from, to, NewMessage::default()).await.unwrap().unwrap();
    assert_ne!(third, first);
}
