//! TaskRouter, Conversations and Media, as far as history is read from them: in the test's own runtime, with what tests put into it.
//! Whatever is asked is recorded; whoever asks otherwise than by `GET` and with history's own key is not answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{HISTORY_KEY, HISTORY_SECRET};

/// `WT` and the like, and a number in 32 digits.
pub fn sid(kind: &str, number: u64) -> String {
    format!("{kind}{number:032x}")
}

pub const SERVICE: &str = "IS00000000000000000000000000000001";

#[derive(Clone, Default)]
pub struct Conversation {
    /// In days since 2023-01-01.
    pub began: u64,
    pub changed: u64,
    pub closed: bool,
    pub participants: Vec<Value>,
    /// By index.
    pub messages: BTreeMap<u64, Value>,
}

/// Whose, and of what status.
type Reservations = Vec<(String, &'static str)>;

#[derive(Default)]
pub struct World {
    /// Attributes and reservations.
    pub tasks: BTreeMap<String, (Value, Reservations)>,
    pub conversations: BTreeMap<String, Conversation>,
    pub users: BTreeMap<String, String>,
    pub link: String,
    /// Page tokens stand for a number of messages, and not for a message.
    pub counts: bool,
    /// What begins so is answered with this status; with 0 it is not answered.
    pub faults: Vec<(String, u16)>,
    pub asked: Vec<String>,
}

pub struct Twilio {
    pub url: String,
    world: Arc<Mutex<World>>,
}

pub fn day(number: u64) -> String {
    let second = 1_672_531_200 + i64::try_from(number * 86_400).unwrap();
    jiff::Timestamp::from_second(second).unwrap().to_string()
}

pub fn message(number: u64, index: u64, author: &str, body: &str, at: &str) -> Value {
    json!({"sid": sid("IM", number), "index": index, "author": author, "body": body, "date_created": at,
        "attributes": "{}", "media": null})
}

pub fn by_number(address: &str) -> Value {
    json!({"identity": null, "attributes": "{}", "messaging_binding": {"type": "sms", "address": address}})
}

pub fn by_chat(identity: &str, member_type: &str) -> Value {
    let attributes = json!({"member_type": member_type}).to_string();
    json!({"identity": identity, "attributes": attributes, "messaging_binding": null})
}

impl Twilio {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World {
            link: "https://media.us1.twilio.com/ME1?Signature=abc".into(),
            ..World::default()
        }));
        let answers = Arc::clone(&world);
        let answer = move |request: Request<Body>| {
            let answer = answers.lock().unwrap().answer(&request);
            async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            }
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        Self { url, world }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// What was asked since this was last called.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.world().asked)
    }
}

impl World {
    /// A task of this worker's, with these attributes.
    pub fn task(&mut self, number: u64, worker: &str, status: &'static str, attributes: Value) -> String {
        let task = sid("WT", number);
        self.tasks.insert(task.clone(), (attributes, vec![(worker.to_owned(), status)]));
        task
    }

    /// A conversation with `count` messages, one after the other, by the customer.
    pub fn conversation(&mut self, number: u64, address: &str, count: u64, began: u64) -> String {
        let own = sid("CH", number);
        let messages = (0..count).map(|index| {
            let body = format!("message {index} of {number}");
            (index, message(number * 1_000_000 + index, index, address, &body, &day(began)))
        });
        let conversation = Conversation {
            began,
            changed: began,
            closed: false,
            participants: vec![by_number(address)],
            messages: messages.collect(),
        };
        self.conversations.insert(own.clone(), conversation);
        own
    }

    fn answer(&mut self, request: &Request<Body>) -> Option<Response<Body>> {
        let path = request.uri().path().to_owned();
        self.asked.push(format!("{} {path}", request.method()));
        let credentials = format!("Basic {}", STANDARD.encode(format!("{HISTORY_KEY}:{HISTORY_SECRET}")));
        let authorized =
            request.headers().get(header::AUTHORIZATION).is_some_and(|given| *given == credentials);
        let (status, body) = if request.method() != Method::GET || !authorized {
            (401, json!({"code": 20003}))
        } else if let Some((_, status)) = self.faults.iter().find(|(begin, _)| path.starts_with(begin)) {
            if *status == 0 {
                return None;
            }
            (*status, json!({"code": 20500, "message": "canary"}))
        } else {
            let query: Vec<(String, String)> = reqwest::Url::parse(&format!("http://x{}", request.uri()))
                .unwrap()
                .query_pairs()
                .into_owned()
                .collect();
            let parts: Vec<&str> = path.split('/').skip(1).collect();
            self.resource(&parts, &query).map_or((404, json!({"code": 20404})), |body| (200, body))
        };
        let answer = Response::builder().status(StatusCode::from_u16(status).unwrap());
        let answer = answer.header(header::CONTENT_TYPE, "application/json");
        Some(answer.body(Body::from(body.to_string())).unwrap())
    }

    fn resource(&self, parts: &[&str], query: &[(String, String)]) -> Option<Value> {
        let parameter =
            |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match parts {
            ["v1", "Workspaces", _, "Tasks", task] => {
                let (attributes, _) = self.tasks.get(*task)?;
                Some(
                    json!({"sid": task, "attributes": attributes.to_string(), "assignment_status": "assigned"}),
                )
            }
            ["v1", "Workspaces", _, "Tasks", task, "Reservations"] => {
                let (_, reservations) = self.tasks.get(*task)?;
                let list =
                    reservations.iter().filter(|(worker, _)| Some(worker.as_str()) == parameter("WorkerSid"));
                let list =
                    list.map(|(worker, status)| json!({"worker_sid": worker, "reservation_status": status}));
                Some(json!({"reservations": list.collect::<Vec<_>>(), "meta": {}}))
            }
            ["v1", "Services", SERVICE, "Media", media] => {
                Some(json!({"sid": media, "links": {"content_direct_temporary": self.link}}))
            }
            ["v1", "Users", identity] => {
                Some(json!({"friendly_name": self.users.get(*identity)?, "attributes": "{}"}))
            }
            ["v1", "ParticipantConversations"] => {
                let is_in = |conversation: &(&String, &Conversation)| {
                    conversation.1.participants.iter().any(|participant| {
                        let address = participant["messaging_binding"]["address"].as_str();
                        (address.is_some() && address == parameter("Address"))
                            || (participant["identity"].is_string()
                                && participant["identity"].as_str() == parameter("Identity"))
                    })
                };
                let list: Vec<Value> = self.conversations.iter().filter(is_in).map(|(sid, conversation)| json!({
                    "conversation_sid": sid, "chat_service_sid": SERVICE, "conversation_state": state(conversation),
                    "conversation_date_created": day(conversation.began),
                    "conversation_date_updated": day(conversation.changed),
                    "participant_messaging_binding": {"type": "sms"},
                })).collect();
                let page: usize = parameter("Page").unwrap_or("0").parse().unwrap();
                let next =
                    ((page + 1) * 100 < list.len()).then(|| format!("http://elsewhere/?Page={}", page + 1));
                let list: Vec<Value> = list.into_iter().skip(page * 100).take(100).collect();
                Some(json!({"conversations": list, "meta": {"next_page_url": next}}))
            }
            ["v1", "Conversations", sid, rest @ ..] => self.of_conversation(sid, rest, &parameter),
            _ => None,
        }
    }

    fn of_conversation<'q>(
        &self,
        sid: &str,
        rest: &[&str],
        parameter: &impl Fn(&str) -> Option<&'q str>,
    ) -> Option<Value> {
        let conversation = self.conversations.get(sid)?;
        match rest {
            [] => Some(json!({
                "sid": sid, "chat_service_sid": SERVICE, "friendly_name": "Support", "state": state(conversation),
                "date_created": day(conversation.began), "date_updated": day(conversation.changed),
            })),
            ["Participants"] => Some(json!({"participants": conversation.participants, "meta": {}})),
            ["Messages", message] => {
                conversation.messages.values().find(|known| known["sid"] == *message).cloned()
            }
            ["Messages"] => {
                assert_eq!((parameter("Order"), parameter("PageSize")), (Some("desc"), Some("100")));
                let newest_first = conversation.messages.iter().rev();
                let at: u64 = parameter("PageToken").map_or(0, |token| token.parse().unwrap());
                let page: Vec<(&u64, &Value)> = if self.counts {
                    newest_first.skip(usize::try_from(at).unwrap()).take(100).collect()
                } else {
                    newest_first.skip_while(|(index, _)| at > 0 && **index >= at).take(100).collect()
                };
                let last = page.last().map_or(0, |(index, _)| **index);
                let more = conversation.messages.range(..last).next().is_some() && !page.is_empty();
                let next = if self.counts { at + 100 } else { last };
                let next = more.then(|| format!("http://elsewhere/?PageSize=100&Page=1&PageToken={next}"));
                let list: Vec<&Value> = page.into_iter().map(|(_, message)| message).collect();
                Some(json!({"messages": list, "meta": {"next_page_url": next}}))
            }
            _ => None,
        }
    }
}

fn state(conversation: &Conversation) -> &'static str {
    if conversation.closed { "closed" } else { "active" }
}
