//! Customers who write, by the switchboard's JSON.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

use clap::Parser as _;
use sandbox::{Cli, Sandbox};
use serde_json::{Value, json};

struct Board {
    client: reqwest::Client,
    base: String,
}

impl Board {
    async fn start() -> (Sandbox, Self) {
        let ports = ["sandbox", "--tls-port=0", "--signalling-port=0", "--http-port=0"];
        let sandbox = Sandbox::start(Cli::parse_from(ports)).await.unwrap();
        let base = format!("http://127.0.0.1:{}", sandbox.ports().http);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        (sandbox, Self { client, base })
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, format!("{}/api{path}", self.base));
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }

    async fn made(&self, path: &str, body: Value) -> Value {
        let (status, value) = self.ask("POST", path, body).await;
        assert_eq!(status, 201, "{path}: {value}");
        value
    }

    async fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    async fn attributes(&self, task_sid: &Value) -> Value {
        serde_json::from_str(self.task(task_sid).await["attributes"].as_str().unwrap()).unwrap()
    }

    async fn status(&self, task_sid: &Value) -> Value {
        self.task(task_sid).await["assignment_status"].clone()
    }

    /// A task, as TaskRouter has it.
    async fn task(&self, task_sid: &Value) -> Value {
        let workspace = sandbox_flex::account::WORKSPACE_SID;
        let url = format!(
            "{}/taskrouter/v1/Workspaces/{workspace}/Tasks/{}",
            self.base,
            task_sid.as_str().unwrap()
        );
        let (user, secret) = (sandbox_flex::account::API_KEY_SID, sandbox_flex::account::API_KEY_SECRET);
        let answer = self.client.get(url).basic_auth(user, Some(secret)).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }
}

fn sid(of: &Value) -> &str {
    of["conversation_sid"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_writes_everything_that_people_send_and_leaves_and_comes_back() {
    let (sandbox, board) = Board::start().await;
    let chat = board.made("/chats", json!({ "channel": "whatsapp", "text": "Hello" })).await;
    assert!(chat["reservation_sid"].is_string(), "the agent is available: {chat}");
    let path = format!("/chats/{}", sid(&chat));
    for said in [
        json!({ "text": "😀" }),
        json!({ "kind": "picture" }),
        json!({ "kind": "location" }),
        json!({ "kind": "contact" }),
        json!({ "kind": "nothing" }),
    ] {
        board.made(&format!("{path}/messages"), said).await;
    }
    let seen = board.get(&path).await;
    let messages = seen["messages"].as_array().unwrap();
    let bodies: Vec<&Value> = messages.iter().map(|message| &message["body"]).collect();
    assert_eq!(
        bodies,
        [&json!("Hello"), &json!("😀"), &Value::Null, &Value::Null, &Value::Null, &Value::Null]
    );
    assert!(messages.iter().all(|message| message["side"] == "customer"), "{messages:?}");
    assert_eq!(messages[2]["media"][0]["content_type"], "image/png");
    assert!(messages[3]["attributes"].as_str().unwrap().contains("latitude"));
    assert_eq!(messages[4]["media"][0]["content_type"], "text/vcard");
    assert_eq!(board.ask("POST", &format!("{path}/read"), Value::Null).await.0, 204);
    assert_eq!(board.get(&path).await["participants"][0]["last_read_message_index"], 5);

    assert_eq!(board.ask("POST", &format!("{path}/leave"), Value::Null).await.0, 204);
    let state = board.get("/state").await;
    assert_eq!((&state["tasks"], &state["chats"][0]["present"]), (&json!([]), &json!(false)));
    let back = board.made(&format!("{path}/return"), json!({})).await;
    assert_eq!(sid(&back), sid(&chat), "the conversation was open still");
    assert_ne!(back["task_sid"], chat["task_sid"]);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_talks_to_the_bot_and_then_a_task_names_that_conversation() {
    let (sandbox, board) = Board::start().await;
    for (attribute, channel) in [("sourceConversationSid", "web"), ("sourceChatChannelSid", "sms")] {
        let body = json!({ "channel": channel, "days_ago": 3, "attribute": attribute, "earlier": 2 });
        let chat = board.made("/chats/bot", body).await;
        let attributes = board.attributes(&chat["task_sid"]).await;
        assert_eq!(attributes[attribute], chat["source_conversation_sid"]);
        assert_eq!(attributes["conversationSid"], chat["conversation_sid"]);
        let source =
            board.get(&format!("/chats/{}", chat["source_conversation_sid"].as_str().unwrap())).await;
        let messages = source["messages"].as_array().unwrap();
        assert!(messages.len() > 5 && messages.iter().any(|message| message["author"] == "bot"));
        assert!(messages.iter().any(|message| message["media"][0]["content_type"] == "image/png"));
        let agent = sandbox_flex::account::AGENT_IDENTITY;
        let participants = source["participants"].as_array().unwrap();
        assert!(participants.iter().all(|one| one["identity"] != agent), "the agent takes no part in it");
        assert!(messages[0]["at"].as_str().unwrap() < messages[1]["at"].as_str().unwrap());
    }
    // A test may have the task name anything else.
    let attributes = json!({ "sourceConversationSid": "not a SID" });
    let chat = board.made("/chats/bot", json!({ "attributes": attributes })).await;
    assert_eq!(board.attributes(&chat["task_sid"]).await["sourceConversationSid"], "not a SID");
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_customer_has_closed_conversations_newest_first_and_a_long_one_is_long() {
    let (sandbox, board) = Board::start().await;
    let body = json!({ "channel": "sms", "from": "+15550188", "count": 4, "days_ago": 2 });
    let earlier = board.made("/chats/earlier", body).await;
    let mut dates = Vec::new();
    for conversation in earlier["conversations"].as_array().unwrap() {
        let conversation = board.get(&format!("/chats/{}", conversation.as_str().unwrap())).await;
        assert_eq!(conversation["state"], "closed");
        dates.push(conversation["date_created"].as_str().unwrap().to_owned());
    }
    assert!(dates.len() == 4 && dates.windows(2).all(|pair| pair[0] > pair[1]), "{dates:?}");
    assert_eq!(board.get("/chats").await, json!([]), "nobody writes there any more");
    let now = board.made("/chats", json!({ "channel": "sms", "from": "+15550188" })).await;
    assert_eq!(now["address"], "+15550188");

    let long = board.made("/chats/long", json!({ "channel": "sms", "count": 10_000 })).await;
    let long = board.get(&format!("/chats/{}", sid(&long))).await;
    assert_eq!(long["messages_count"], 10_000);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_task_is_made_on_the_same_conversation_and_one_of_the_colleague_is_his() {
    let (sandbox, board) = Board::start().await;
    let first = board.made("/chats", json!({ "long_lived": true })).await;
    let second = board.made(&format!("/chats/{}/task", sid(&first)), json!({ "long_lived": true })).await;
    assert_eq!(sid(&second), sid(&first));
    assert_ne!(second["task_sid"], first["task_sid"]);
    let theirs = board.made("/chats", json!({ "worker": "colleague" })).await;
    let tasks = board.get("/state").await["tasks"].clone();
    let theirs =
        tasks.as_array().unwrap().iter().find(|task| task["task_sid"] == theirs["task_sid"]).unwrap();
    assert_eq!(
        (&theirs["worker"], &theirs["reservation_status"]),
        (&json!("Ben Colleague"), &json!("accepted"))
    );

    let gone = board.made("/chats", json!({ "task": false })).await;
    assert_eq!(gone["task_sid"], Value::Null);
    let path = format!("/chats/{}", sid(&gone));
    assert_eq!(board.ask("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(board.ask("GET", &path, Value::Null).await.0, 404);
    assert_eq!(board.ask("POST", &format!("{path}/messages"), json!({ "text": "?" })).await.0, 404);
    assert_eq!(board.ask("POST", "/chats", json!({ "channel": "telegraph" })).await.0, 422);
    assert_eq!(board.ask("POST", "/reset", Value::Null).await.0, 204);
    assert_eq!(board.get("/chats").await, json!([]));
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_conversations_are_begun_and_ended_as_all_others() {
    let (sandbox, board) = Board::start().await;
    let faults = [
        json!({ "kind": "conversations_down", "status": 503 }),
        json!({ "kind": "conversation_fails", "conversation": "CH1", "status": 500 }),
        json!({ "kind": "http", "target": "taskrouter_rest", "delay_ms": 5 }),
    ];
    for fault in &faults {
        board.made("/faults", fault.clone()).await;
    }
    let active = board.get("/state").await["faults"].clone();
    let kinds: Vec<&Value> = active.as_array().unwrap().iter().map(|fault| &fault["kind"]).collect();
    assert_eq!(kinds, ["conversations_down", "conversation_fails", "http"]);
    let first = active[0]["id"].as_u64().unwrap();
    assert_eq!(board.ask("DELETE", &format!("/faults/{first}"), Value::Null).await.0, 204);
    assert_eq!(board.ask("DELETE", "/faults", Value::Null).await.0, 204);
    assert_eq!(board.get("/state").await["faults"], json!([]));
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_goes_to_the_colleague_and_back_and_a_task_that_nobody_took_is_canceled() {
    let (sandbox, board) = Board::start().await;
    let first = board.made("/chats", json!({})).await;
    let path = format!("/chats/{}/transfer", sid(&first));
    let to = |worker: &str| json!({ "worker": worker });
    assert_eq!(board.ask("POST", &path, to("colleague")).await.0, 409, "nobody has accepted it");
    let task = board.made(&format!("/chats/{}/task", sid(&first)), to("colleague")).await;
    let back = board.made(&path, to("agent")).await;
    assert_eq!(sid(&back), sid(&first));
    assert_eq!(board.status(&task["task_sid"]).await, "wrapping");
    assert_eq!(board.status(&back["task_sid"]).await, "reserved");
    let cancel = format!("/tasks/{}/cancel", back["task_sid"].as_str().unwrap());
    assert_eq!(board.ask("POST", &cancel, Value::Null).await.0, 204);
    assert_eq!(board.status(&back["task_sid"]).await, "canceled");
    assert_eq!(board.ask("POST", &cancel, Value::Null).await.0, 400);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_message_of_a_server_is_kept_for_the_switchboard() {
    use sandbox_flex::account::{
        ACCOUNT_SID, CALL_CENTRE_NUMBER, READING_API_KEY_SID, VIDEO_API_KEY_SECRET, VIDEO_API_KEY_SID,
    };
    let (sandbox, board) = Board::start().await;
    let send = async |key: &str, from: &str, to: &str, body: &str| {
        let url = format!("{}/texts/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json", board.base);
        let request = board.client.post(url).basic_auth(key, Some(VIDEO_API_KEY_SECRET));
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("To", to), ("From", from), ("Body", body)])
            .finish();
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap())
    };
    let (status, sent) = send(VIDEO_API_KEY_SID, CALL_CENTRE_NUMBER, "+15550100", "Come & see").await;
    assert_eq!((status, &sent["status"], &sent["body"]), (201, &json!("queued"), &json!("Come & see")));
    let kept = board.get("/texts").await;
    assert_eq!((&kept[0]["to"], &kept[0]["body"]), (&json!("+15550100"), &json!("Come & see")));
    for (key, from, to, body, code) in [
        (READING_API_KEY_SID, CALL_CENTRE_NUMBER, "+15550100", "x", 20003),
        (VIDEO_API_KEY_SID, CALL_CENTRE_NUMBER, "anonymous", "x", 21211),
        (VIDEO_API_KEY_SID, "+15550999", "+15550100", "x", 21606),
        (VIDEO_API_KEY_SID, CALL_CENTRE_NUMBER, "+15550100", "", 21602),
        (VIDEO_API_KEY_SID, CALL_CENTRE_NUMBER, "+15550100", "x".repeat(1601).as_str(), 21617),
    ] {
        assert_eq!(send(key, from, to, body).await.1["code"], code);
    }
    assert_eq!(board.get("/texts").await.as_array().map(Vec::len), Some(1));
    assert_eq!(board.ask("POST", "/reset", Value::Null).await.0, 204);
    assert_eq!(board.get("/texts").await, json!([]));
    sandbox.stop().await;
}
