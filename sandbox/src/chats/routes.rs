//! The customers who write, as JSON: for tests, for the demo, and for the page.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use sandbox_flex::{ChannelType, Holder};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::story::{self, Content};
use super::{Begun, Chats, DAY_MS, Routing};
use crate::refusal::{DONE, Refusal};

/// The most messages of a long conversation, and the most earlier ones.
const MOST: (u64, u64) = (100_000, 1_000);

/// What the switchboard is asked about customers who write.
pub(crate) fn router(chats: Chats) -> Router {
    Router::new()
        .route("/api/chats", get(all).post(begin))
        .route("/api/chats/bot", post(bot))
        .route("/api/chats/earlier", post(earlier))
        .route("/api/chats/long", post(long))
        .route("/api/chats/{sid}", get(one).delete(remove))
        .route("/api/chats/{sid}/messages", post(say))
        .route("/api/chats/{sid}/typing", post(type_in))
        .route("/api/chats/{sid}/read", post(read))
        .route("/api/chats/{sid}/leave", post(leave))
        .route("/api/chats/{sid}/return", post(come_back))
        .route("/api/chats/{sid}/task", post(route))
        .route("/api/chats/{sid}/transfer", post(transfer))
        .with_state(chats)
}

type Sid = Path<String>;

/// Who writes, and what becomes of it.
#[derive(Deserialize)]
#[serde(default)]
struct Request {
    channel: ChannelType,
    from: Option<String>,
    name: Option<String>,
    /// What the customer writes first; empty: nothing.
    text: Option<String>,
    /// `agent`, or `colleague`: a task that is somebody else's.
    worker: Worker,
    long_lived: bool,
    attributes: Map<String, Value>,
    /// False: no task is made.
    task: bool,
    /// How long ago what was before ended.
    minutes_ago: Option<u64>,
    days_ago: Option<u64>,
    /// By which attribute the task names the conversation with the bot.
    attribute: Source,
    /// How many messages, or conversations.
    count: Option<u64>,
    /// How many conversations with agents there were, before that with the bot.
    earlier: u64,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            channel: ChannelType::Web,
            from: None,
            name: None,
            text: None,
            worker: Worker::Agent,
            long_lived: false,
            attributes: Map::new(),
            task: true,
            minutes_ago: None,
            days_ago: None,
            attribute: Source::Conversation,
            count: None,
            earlier: 0,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Worker {
    Agent,
    Colleague,
}

impl Worker {
    const fn holder(self) -> Holder {
        match self {
            Self::Agent => Holder::Agent,
            Self::Colleague => Holder::Colleague,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
enum Source {
    #[serde(rename = "sourceConversationSid")]
    Conversation,
    #[serde(rename = "sourceChatChannelSid")]
    Channel,
}

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::Conversation => "sourceConversationSid",
            Self::Channel => "sourceChatChannelSid",
        }
    }
}

impl Request {
    fn routing(&self) -> Routing {
        Routing {
            holder: self.worker.holder(),
            long_lived: self.long_lived,
            attributes: self.attributes.clone(),
            unrouted: !self.task,
        }
    }

    /// What the customer writes first.
    fn first(&self, otherwise: &str) -> Vec<Content> {
        let text = self.text.as_deref().unwrap_or(otherwise);
        (!text.is_empty()).then(|| Content::text(text)).into_iter().collect()
    }

    fn ago_ms(&self, otherwise_ms: u64) -> u64 {
        let days = self.days_ago.map(|days| days.saturating_mul(DAY_MS));
        days.or(self.minutes_ago.map(|minutes| minutes.saturating_mul(60_000))).unwrap_or(otherwise_ms)
    }

    fn count(&self, otherwise: u64, most: u64) -> u64 {
        self.count.unwrap_or(otherwise).min(most)
    }
}

fn begun(begun: Begun) -> Response {
    let Begun { conversation_sid, customer, source, task } = begun;
    let body = json!({
        "conversation_sid": conversation_sid,
        "address": customer.address,
        "name": customer.name,
        "source_conversation_sid": source,
        "task_sid": task.as_ref().map(|task| &task.task_sid),
        "reservation_sid": task.as_ref().and_then(|task| task.reservation_sid.as_ref()),
    });
    (StatusCode::CREATED, Json(body)).into_response()
}

async fn all(State(chats): State<Chats>) -> Json<Value> {
    Json(chats.all())
}

async fn one(State(chats): State<Chats>, Path(sid): Sid) -> Result<Json<Value>, Refusal> {
    chats.one(&sid).map(Json)
}

async fn begin(State(chats): State<Chats>, Json(request): Json<Request>) -> Result<Response, Refusal> {
    let customer = chats.customer(request.channel, request.from.clone(), request.name.clone());
    let first = request.first("Hello, I need help with my order.");
    Ok(begun(chats.begin(customer, &first, request.routing()).await?))
}

/// A customer chats with the bot, then asks for a person.
async fn bot(State(chats): State<Chats>, Json(request): Json<Request>) -> Result<Response, Refusal> {
    let customer = chats.customer(request.channel, request.from.clone(), request.name.clone());
    let ago_ms = request.ago_ms(2 * 60_000);
    for number in 0..request.earlier.min(MOST.1) {
        let days = request.earlier.min(MOST.1) - number;
        chats.talked_to_agent(&customer, ago_ms.saturating_add(days * DAY_MS), number).await?;
    }
    let lines = request.count.map_or_else(story::bot, |count| story::long(count.min(MOST.0)));
    let source = chats.talked_to_bot(&customer, ago_ms, lines).await?;
    let mut routing = request.routing();
    // A test may name another conversation, or none.
    routing.attributes.entry(request.attribute.name()).or_insert_with(|| json!(source));
    let first = request.first("Hello, the bot could not help me.");
    let begun = chats.begin(customer, &first, routing).await?;
    Ok(self::begun(Begun { source: Some(source), ..begun }))
}

/// A customer has had conversations with agents on other days, the last of them a day ago unless it is said otherwise.
async fn earlier(State(chats): State<Chats>, Json(request): Json<Request>) -> Result<Response, Refusal> {
    let customer = chats.customer(request.channel, request.from.clone(), request.name.clone());
    let (count, last_ms) = (request.count(3, MOST.1), request.ago_ms(DAY_MS));
    let mut conversations = Vec::new();
    for number in 0..count {
        let ago_ms = last_ms.saturating_add((count - 1 - number) * DAY_MS);
        conversations.push(chats.talked_to_agent(&customer, ago_ms, number).await?);
    }
    // Newest first, as an agent reads them.
    conversations.reverse();
    let body = json!({ "address": customer.address, "conversations": conversations });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// A very long conversation with a bot.
async fn long(State(chats): State<Chats>, Json(request): Json<Request>) -> Result<Response, Refusal> {
    let customer = chats.customer(request.channel, request.from.clone(), request.name.clone());
    let lines = story::long(request.count(10_000, MOST.0));
    let sid = chats.talked_to_bot(&customer, request.ago_ms(60_000), lines).await?;
    let body = json!({ "conversation_sid": sid, "address": customer.address });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

async fn say(
    State(chats): State<Chats>,
    Path(sid): Sid,
    Json(content): Json<Said>,
) -> Result<Response, Refusal> {
    let content = match content {
        Said::Kind(content) => content,
        Said::Text { text } => Content::Text { text },
    };
    let message = chats.say(&sid, &content).await?;
    let body = json!({ "message_sid": message.sid, "index": message.index });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// `{"kind":"picture"}`, or in short `{"text":"…"}`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Kind(Content),
    Text { text: String },
}

async fn type_in(State(chats): State<Chats>, Path(sid): Sid) -> Result<StatusCode, Refusal> {
    chats.type_in(&sid)?;
    DONE
}

async fn read(State(chats): State<Chats>, Path(sid): Sid) -> Result<StatusCode, Refusal> {
    chats.read_all(&sid)?;
    DONE
}

async fn leave(State(chats): State<Chats>, Path(sid): Sid) -> Result<StatusCode, Refusal> {
    chats.leave(&sid).await?;
    DONE
}

async fn remove(State(chats): State<Chats>, Path(sid): Sid) -> Result<StatusCode, Refusal> {
    chats.remove(&sid)?;
    DONE
}

async fn come_back(
    State(chats): State<Chats>,
    Path(sid): Sid,
    Json(request): Json<Request>,
) -> Result<Response, Refusal> {
    Ok(begun(chats.come_back(&sid, &request.first("I am back."), request.routing()).await?))
}

/// Another task on the same conversation.
async fn route(
    State(chats): State<Chats>,
    Path(sid): Sid,
    Json(request): Json<Request>,
) -> Result<Response, Refusal> {
    Ok(begun(chats.route(sid, request.routing())?))
}

#[derive(Deserialize)]
struct Transfer {
    worker: Worker,
}

/// To the colleague, or from the colleague to the agent.
async fn transfer(
    State(chats): State<Chats>,
    Path(sid): Sid,
    Json(Transfer { worker }): Json<Transfer>,
) -> Result<Response, Refusal> {
    Ok(begun(chats.transfer(sid, worker.holder())?))
}
