//! The switchboard: REST for tests, a page for people.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, delete, get, on, post, put};
use axum::{Json, Router};
use futures_util::stream::{self, Stream, StreamExt as _};
use kernel::{CallSid, DtmfDigits, Identity};
use sandbox_callbacks::{Courier, Fault as CallbackFault};
use sandbox_conversations::{Fault as ConversationsFault, FaultId as ConversationsFaultId, Rest};
use sandbox_flex::{FarEnd, Fault as FlexFault, FaultId, FlexCloud, Unreached};
use sandbox_video::{Video, VideoFault};
use sandbox_voice::{NewCall, Voice, VoiceFault};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, broadcast};

use crate::chats::Chats;
use crate::glue::Legs;
use crate::log::{Entry, Log};
use crate::proxy::{Proxy, TokenFault};
use crate::refusal::{DONE, Refusal, bad, done};
use crate::texts::Texts;

/// What the switchboard operates. Clones are handles to the same.
#[derive(Clone)]
pub(crate) struct Switchboard(Arc<Inner>);

struct Inner {
    voice: Voice,
    flex: FlexCloud,
    chats: Chats,
    video: Video,
    proxy: Proxy,
    legs: Legs,
    log: Log,
    courier: Courier,
    conversations: Rest,
    texts: Texts,
    settings: Value,
    next_fault: AtomicU64,
    flex_faults: Mutex<BTreeMap<u64, FaultId>>,
    conversations_faults: Mutex<BTreeMap<u64, ConversationsFaultId>>,
}

/// The parts of the account that it operates, and where it writes down what it did.
pub(crate) struct Parts {
    pub voice: Voice,
    pub flex: FlexCloud,
    pub video: Video,
    pub proxy: Proxy,
    pub legs: Legs,
    pub log: Log,
    pub courier: Courier,
    pub conversations: Rest,
    pub texts: Texts,
}

impl Switchboard {
    pub(crate) fn new(parts: Parts, settings: Value) -> Self {
        let Parts { voice, flex, video, proxy, legs, log, courier, conversations, texts } = parts;
        let next_fault = AtomicU64::new(1);
        Self(Arc::new(Inner {
            chats: Chats::new(flex.clone(), log.clone()),
            voice,
            flex,
            video,
            proxy,
            legs,
            log,
            courier,
            conversations,
            texts,
            settings,
            next_fault,
            flex_faults: Mutex::default(),
            conversations_faults: Mutex::default(),
        }))
    }

    /// The customers who write.
    pub(crate) fn chats(&self) -> Chats {
        self.0.chats.clone()
    }
}

/// The page and the REST.
pub(crate) fn router(switchboard: Switchboard) -> Router {
    Router::new()
        .route("/", get(|| async { Html(include_str!("switchboard.html")) }))
        .route("/api/state", get(state))
        .route("/api/clock", get(clock))
        .route("/api/events", get(events))
        .route("/api/events/stream", get(follow))
        .route("/api/tasks", post(task))
        .route("/api/tasks/{sid}/cancel", post(cancel_task))
        .route("/api/calls", post(call))
        .route("/api/calls/{sid}", get(call_view))
        .route("/api/calls/{sid}/hangup", post(hang_up))
        .route("/api/calls/{sid}/dtmf", post(dtmf))
        .route("/api/calls/{sid}/mark", post(mark))
        .route("/api/calls/{sid}/windows", get(windows))
        .route("/api/calls/{sid}/record/start", post(|switchboard, path| record(switchboard, path, true)))
        .route("/api/calls/{sid}/record/stop", post(|switchboard, path| record(switchboard, path, false)))
        .route("/api/calls/{sid}/recording.wav", get(recording))
        .route("/api/faults", post(add_fault).delete(clear_faults))
        .route("/api/faults/{id}", delete(remove_fault))
        .route("/api/callbacks", get(callbacks))
        .route("/api/reset", post(reset))
        .route("/api/video", get(video))
        .route("/api/video/ad-hoc", put(ad_hoc))
        .merge(flex_routes())
        .with_state(switchboard)
}

/// What only the Flex side is asked for. A body is all that there is to say; `{sid}` names what it is about.
fn flex_routes() -> Router<Switchboard> {
    use MethodFilter as M;
    Router::new()
        .route("/api/agent", get(agent))
        .route(
            "/api/agent/activity",
            flex(M::PUT, |switchboard, Named { name }: Named| {
                switchboard.flex.set_activity(&name).map_err(bad)?;
                Ok(Json(switchboard.flex.agent()))
            }),
        )
        .route(
            "/api/agent/attributes",
            flex(M::PATCH, |switchboard, patch: Patch| {
                switchboard.flex.merge_attributes(patch);
                Ok(Json(switchboard.flex.agent()))
            }),
        )
        .route(
            "/api/agent/attributes/race",
            flex(M::PATCH, |switchboard, patch: Patch| {
                switchboard.flex.race_attributes(patch);
                DONE
            }),
        )
        .route(
            "/api/agent/roles",
            flex(M::PUT, |switchboard, roles: Vec<String>| {
                switchboard.log.add("switchboard", "roles", None, json!(roles));
                switchboard.flex.set_roles(roles);
                DONE
            }),
        )
        .route(
            "/api/flex/version",
            flex(M::PUT, |switchboard, Version { version }: Version| {
                if switchboard.flex.choose_flex_ui(&version) {
                    return DONE;
                }
                let why = format!("the sandbox was started without Flex UI {version}");
                Err(Refusal(StatusCode::NOT_FOUND, why))
            }),
        )
        .route(
            "/api/flex/ui-attributes",
            flex(M::PATCH, |switchboard, patch: Patch| {
                switchboard.flex.merge_ui_attributes(patch);
                DONE
            }),
        )
        .route(
            "/api/flex/features",
            flex(M::PUT, |switchboard, features: Vec<String>| {
                switchboard.flex.set_features(features);
                DONE
            }),
        )
        .route(
            "/api/colleague/calls",
            flex(M::POST, |switchboard, Caller { from }: Caller| {
                Ok((StatusCode::CREATED, Json(switchboard.flex.colleague_calls(&from))))
            }),
        )
        .route(
            "/api/colleague/calls/{sid}/hangup",
            post(|State(Switchboard(switchboard)): State<Switchboard>, Path(sid): Sid| async move {
                done(switchboard.flex.colleague_hangs_up(&sid))
            }),
        )
        .route(
            "/api/colleague/calls/{sid}/coach",
            flex_of(M::POST, |switchboard, sid, Coach { coach }: Coach| {
                done(switchboard.flex.coach(sid, coach))
            }),
        )
        .route(
            "/api/transfers/{sid}/answer",
            flex_of(M::POST, |switchboard, sid, Taken { takes }: Taken| {
                done(switchboard.flex.answer_transfer(sid, takes))
            }),
        )
        .route(
            "/api/outbound",
            flex(M::PUT, |switchboard, far_end: FarEnd| {
                switchboard.flex.set_far_end(far_end);
                DONE
            }),
        )
        .route(
            "/api/outbound/{sid}/answer",
            post(|State(Switchboard(switchboard)): State<Switchboard>, Path(sid): Sid| async move {
                done(switchboard.flex.customer_answers(&sid))
            }),
        )
        .route(
            "/api/outbound/{sid}/refuse",
            flex_of(M::POST, |switchboard, sid, Refuse { why }: Refuse| {
                done(switchboard.flex.customer_refuses(sid, why))
            }),
        )
}

/// A request with a body, and its answer.
fn flex<B, A>(method: MethodFilter, work: fn(&Inner, B) -> Result<A, Refusal>) -> MethodRouter<Switchboard>
where
    B: DeserializeOwned + Send + 'static,
    A: IntoResponse + 'static,
{
    on(method, move |State(Switchboard(switchboard)): State<Switchboard>, Json(body): Json<B>| async move {
        work(&switchboard, body)
    })
}

/// The same about what the path names.
fn flex_of<B, A>(
    method: MethodFilter,
    work: fn(&Inner, &str, B) -> Result<A, Refusal>,
) -> MethodRouter<Switchboard>
where
    B: DeserializeOwned + Send + 'static,
    A: IntoResponse + 'static,
{
    on(
        method,
        move |State(Switchboard(switchboard)): State<Switchboard>, Path(sid): Sid, Json(body): Json<B>| async move {
            work(&switchboard, &sid, body)
        },
    )
}

type Sid = Path<String>;

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// The order of the attributes does not matter, and null removes one: JSON merge patch, one level deep.
type Patch = Map<String, Value>;

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Caller {
    from: String,
}

#[derive(Deserialize)]
struct Coach {
    coach: bool,
}

#[derive(Deserialize)]
struct Taken {
    takes: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refuse {
    why: Unreached,
}

fn sid(text: String) -> Result<CallSid, Refusal> {
    CallSid::new(text).map_err(bad)
}

/// The sandbox's clock alone, which is quick enough to compare another clock with.
async fn clock(State(Switchboard(switchboard)): State<Switchboard>) -> Json<Value> {
    Json(json!({ "now_ms": switchboard.log.now_ms() }))
}

async fn state(State(Switchboard(switchboard)): State<Switchboard>) -> Result<Json<Value>, Refusal> {
    let voice = switchboard.voice.view().await?;
    let mut registrations: BTreeMap<&Identity, Vec<u64>> = BTreeMap::new();
    for socket in voice.sockets.iter().filter(|socket| socket.registered) {
        if let Some(identity) = &socket.identity {
            registrations.entry(identity).or_default().push(socket.socket);
        }
    }
    let registrations: Vec<_> = registrations
        .iter()
        .map(|(identity, sockets)| json!({ "identity": identity, "sockets": sockets }))
        .collect();
    let mut flex = switchboard.flex.state();
    let tasks = flex["tasks"].take();
    let agent = flex["worker"].take();
    let colleague = flex["colleague"].take();
    let faults = faults(&switchboard, &voice.faults, &flex["faults"]).await;
    Ok(Json(json!({
        "now_ms": switchboard.log.now_ms(),
        "registrations": registrations,
        "sockets": voice.sockets,
        "calls": voice.calls,
        "chats": switchboard.chats.all(),
        "tasks": tasks,
        "agent": agent,
        "colleague": colleague,
        "activities": flex["activities"].take(),
        "flex": { "sockets": flex["sockets"].take(), "tokens": flex["flex_tokens"].take(), "features": flex["features"].take() },
        "faults": faults,
        "settings": switchboard.settings,
    })))
}

async fn faults(switchboard: &Inner, voice: &[sandbox_voice::ActiveFault], flex: &Value) -> Vec<Value> {
    let mut all: Vec<Value> = voice.iter().map(|fault| json!(fault)).collect();
    for (id, fault) in switchboard.proxy.faults() {
        all.push(json!({ "id": id, "kind": "http", "target": "token_service", "status": fault.status,
                         "delay_ms": fault.delay_ms, "times": fault.times }));
    }
    let numbers = switchboard.flex_faults.lock().await;
    for (id, flex_id) in numbers.iter() {
        let entry = flex.as_array().into_iter().flatten().find(|entry| entry["id"] == json!(flex_id));
        if let Some(Value::Object(fields)) = entry.map(|entry| entry["fault"].clone()) {
            let mut fields = fields;
            fields.insert("id".into(), json!(id));
            all.push(Value::Object(fields));
        }
    }
    let chat = switchboard.flex.conversations().state()["faults"].take();
    for (id, chat_id) in switchboard.conversations_faults.lock().await.iter() {
        let entry = chat.as_array().into_iter().flatten().find(|entry| entry["id"] == json!(chat_id));
        if let Some(Value::Object(mut fields)) = entry.map(|entry| entry["fault"].clone()) {
            fields.insert("id".into(), json!(id));
            all.push(Value::Object(fields));
        }
    }
    for (id, fault) in switchboard.courier.faults().await {
        let mut fields = json!(fault);
        fields["id"] = json!(id);
        all.push(fields);
    }
    let video = switchboard.video.view().await["faults"].take();
    all.extend(video.as_array().into_iter().flatten().cloned());
    all.sort_by_key(|fault| fault["id"].as_u64());
    all
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn events(
    State(Switchboard(switchboard)): State<Switchboard>,
    Query(Since { since }): Query<Since>,
) -> Json<Value> {
    let (events, next) = switchboard.log.since(since);
    Json(json!({ "events": events, "next": next }))
}

async fn follow(
    State(Switchboard(switchboard)): State<Switchboard>,
    Query(Since { since }): Query<Since>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<SseEvent, Infallible>>> {
    // A browser that comes back says what it has seen.
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
    let (past, live) = switchboard.log.follow(seen.map_or(since, |seen| seen + 1));
    let live = stream::unfold(live, |mut live| async move {
        loop {
            match live.recv().await {
                Ok(entry) => return Some((entry, live)),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    let sse = |entry: Entry| {
        let event = SseEvent::default().id(entry.seq.to_string());
        Ok(event.data(serde_json::to_string(&entry).unwrap_or_default()))
    };
    Sse::new(stream::iter(past).chain(live).map(sse)).keep_alive(KeepAlive::default())
}

#[derive(Deserialize)]
struct NewTask {
    from: String,
    #[serde(default = "voice_channel")]
    task_channel: String,
}

fn voice_channel() -> String {
    "voice".into()
}

async fn task(
    State(Switchboard(switchboard)): State<Switchboard>,
    Json(task): Json<NewTask>,
) -> Result<Response, Refusal> {
    if task.task_channel != "voice" {
        return Err(bad("only the task channel \"voice\" exists"));
    }
    let task = switchboard.flex.create_voice_task(&task.from);
    Ok((StatusCode::CREATED, Json(task)).into_response())
}

/// Whoever made the task takes it back before anybody has accepted it.
async fn cancel_task(
    State(Switchboard(switchboard)): State<Switchboard>,
    Path(sid): Sid,
) -> Result<StatusCode, Refusal> {
    done(switchboard.flex.cancel_task(&sid))
}

#[derive(Deserialize)]
struct DirectCall {
    to: String,
    from: String,
    #[serde(default)]
    params: BTreeMap<String, String>,
    call_sid: Option<CallSid>,
    ring_ms: Option<u64>,
}

async fn call(
    State(Switchboard(switchboard)): State<Switchboard>,
    Json(call): Json<DirectCall>,
) -> Result<Response, Refusal> {
    let to = call.to.strip_prefix("client:").ok_or_else(|| bad("`to` must begin with client:"))?;
    let mut new = NewCall::new(Identity::new(to).map_err(bad)?, call.from);
    new.params = call.params;
    new.sid = call.call_sid;
    new.ring_ms = call.ring_ms.unwrap_or(new.ring_ms);
    let call_sid = switchboard.voice.call(new).await?;
    Ok((StatusCode::CREATED, Json(json!({ "call_sid": call_sid }))).into_response())
}

async fn call_view(
    State(Switchboard(switchboard)): State<Switchboard>,
    Path(text): Path<String>,
) -> Result<Response, Refusal> {
    Ok(Json(switchboard.voice.call_view(&sid(text)?).await?).into_response())
}

async fn hang_up(
    State(Switchboard(switchboard)): State<Switchboard>,
    Path(text): Path<String>,
) -> Result<StatusCode, Refusal> {
    let call_sid = sid(text)?;
    let tasks = switchboard.flex.state()["tasks"].take();
    let waits =
        tasks.as_array().into_iter().flatten().any(|task| task["customer"]["call_sid"] == call_sid.as_str());
    if waits || switchboard.legs.contain(&call_sid) {
        // Flex ends the conference, and with it the agent's leg.
        switchboard.flex.customer_hung_up(call_sid.as_str());
        return DONE;
    }
    switchboard.voice.hang_up(&call_sid).await?;
    DONE
}

#[derive(Deserialize)]
struct Keys {
    digits: DtmfDigits,
}

async fn dtmf(
    State(Switchboard(switchboard)): State<Switchboard>,
    Path(text): Path<String>,
    Json(keys): Json<Keys>,
) -> Result<StatusCode, Refusal> {
    switchboard.voice.send_dtmf(&sid(text)?, keys.digits).await?;
    DONE
}

#[derive(Deserialize)]
struct Mark {
    name: String,
    #[serde(default)]
    end: bool,
}

async fn mark(
    State(Switchboard(switchboard)): State<Switchboard>,
    Path(text): Path<String>,
    Json(mark): Json<Mark>,
) -> Result<StatusCode, Refusal> {
    let call_sid = sid(text)?;
    switchboard.voice.mark(&call_sid, &mark.name, mark.end).await?;
    let kind = if mark.end { "window_closed" } else { "window_opened" };
    switchboard.log.add("switchboard", kind, Some(&call_sid), json!({ "name": mark.name }));
    DONE
}

async fn windows(
    State(Switchboard(switchboard)): State<Switchboard>,
    Path(text): Path<String>,
) -> Result<Response, Refusal> {
    let view = switchboard.voice.windows(&sid(text)?).await?;
    let mut all: Vec<Value> = view.windows.iter().map(|window| json!(window)).collect();
    all.push(json!(view.outside));
    Ok(Json(all).into_response())
}

async fn record(
    State(Switchboard(switchboard)): State<Switchboard>,
    Path(text): Path<String>,
    on: bool,
) -> Result<StatusCode, Refusal> {
    let call_sid = sid(text)?;
    switchboard.voice.record(&call_sid, on).await?;
    let kind = if on { "recording_started" } else { "recording_stopped" };
    switchboard.log.add("switchboard", kind, Some(&call_sid), Value::Null);
    DONE
}

async fn recording(
    State(Switchboard(switchboard)): State<Switchboard>,
    Path(text): Path<String>,
) -> Result<Response, Refusal> {
    let call_sid = sid(text)?;
    let wav = switchboard.voice.recording(&call_sid).await?;
    let name = format!("attachment; filename=\"{call_sid}.wav\"");
    Ok(([(header::CONTENT_TYPE, "audio/wav".to_owned()), (header::CONTENT_DISPOSITION, name)], wav)
        .into_response())
}

async fn add_fault(
    State(Switchboard(switchboard)): State<Switchboard>,
    Json(fault): Json<Value>,
) -> Result<Response, Refusal> {
    let id = switchboard.next_fault.fetch_add(1, Ordering::Relaxed);
    let kind = fault["kind"].as_str().unwrap_or_default().to_owned();
    match kind.as_str() {
        "http" if fault["target"] == "token_service" => {
            let fault: TokenFault = serde_json::from_value(fault.clone()).map_err(bad)?;
            switchboard.proxy.add_fault(id, fault);
            switchboard.log.add(
                "switchboard",
                "fault_began",
                None,
                json!({ "id": id, "fault": described("token_service", fault) }),
            );
        }
        "http" | "flex_token_ttl" | "flex_token_invalid" => {
            let parsed: FlexFault = serde_json::from_value(fault.clone()).map_err(bad)?;
            let flex_id = switchboard.flex.add_fault(parsed);
            switchboard.flex_faults.lock().await.insert(id, flex_id);
            switchboard.log.add("switchboard", "fault_began", None, json!({ "id": id, "fault": fault }));
        }
        "conversations_down" | "conversation_fails" => {
            let parsed: ConversationsFault = serde_json::from_value(fault.clone()).map_err(bad)?;
            let conversations_id = switchboard.flex.conversations().add_fault(parsed);
            switchboard.conversations_faults.lock().await.insert(id, conversations_id);
            switchboard.log.add("switchboard", "fault_began", None, json!({ "id": id, "fault": fault }));
        }
        // These two are over at once.
        "twilsock_drop" | "twilsock_offload" => {
            let conversations = switchboard.flex.conversations();
            if kind == "twilsock_drop" {
                conversations.drop_sockets()
            } else {
                conversations.offload_sockets()
            }
            switchboard.log.add("switchboard", "fault_began", None, json!({ "id": id, "fault": fault }));
        }
        "callback_lose" | "callback_double" | "callback_delay" | "callback_reorder" => {
            let parsed: CallbackFault = serde_json::from_value(fault.clone()).map_err(bad)?;
            switchboard.courier.add_fault(id, parsed);
            switchboard.log.add("switchboard", "fault_began", None, json!({ "id": id, "fault": fault }));
        }
        kind if kind.starts_with("video_") => {
            switchboard.video.fault(id, serde_json::from_value::<VideoFault>(fault).map_err(bad)?).await;
        }
        _ => switchboard.voice.fault(id, serde_json::from_value::<VoiceFault>(fault).map_err(bad)?).await?,
    }
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))).into_response())
}

fn described(target: &str, fault: TokenFault) -> Value {
    json!({ "kind": "http", "target": target, "status": fault.status, "delay_ms": fault.delay_ms, "times": fault.times })
}

async fn remove_fault(
    State(Switchboard(switchboard)): State<Switchboard>,
    Path(id): Path<u64>,
) -> Result<StatusCode, Refusal> {
    if switchboard.voice.clear_fault(id).await? {
        return DONE; // the voice side has told the log
    }
    if switchboard.video.clear_fault(id).await {
        return DONE; // the video side too
    }
    let flex_id = switchboard.flex_faults.lock().await.remove(&id);
    let conversations_id = switchboard.conversations_faults.lock().await.remove(&id);
    if switchboard.courier.remove_fault(id).await
        || switchboard.proxy.remove_fault(id)
        || flex_id.is_some_and(|id| switchboard.flex.remove_fault(id))
        || conversations_id.is_some_and(|id| switchboard.flex.conversations().remove_fault(id))
    {
        switchboard.log.add("switchboard", "fault_ended", None, json!({ "id": id }));
        return DONE;
    }
    Err(Refusal(StatusCode::NOT_FOUND, "no such fault, or it is over".into()))
}

async fn clear_faults(State(Switchboard(switchboard)): State<Switchboard>) -> Result<StatusCode, Refusal> {
    for fault in switchboard.voice.view().await?.faults {
        switchboard.voice.clear_fault(fault.id).await?;
    }
    switchboard.video.clear_faults().await;
    clear_http_faults(&switchboard).await;
    DONE
}

async fn clear_http_faults(switchboard: &Inner) {
    switchboard.flex_faults.lock().await.clear();
    switchboard.flex.clear_faults();
    switchboard.conversations_faults.lock().await.clear();
    switchboard.flex.conversations().clear_faults();
    switchboard.proxy.clear_faults();
    switchboard.courier.clear_faults();
    switchboard.log.add("switchboard", "faults_cleared", None, Value::Null);
}

async fn reset(State(Switchboard(switchboard)): State<Switchboard>) -> Result<StatusCode, Refusal> {
    clear_http_faults(&switchboard).await;
    switchboard.courier.reset();
    switchboard.conversations.reset();
    switchboard.flex.reset();
    switchboard.chats.reset();
    switchboard.voice.reset().await?;
    switchboard.video.reset().await;
    switchboard.texts.reset();
    switchboard.log.add("switchboard", "reset", None, Value::Null);
    DONE
}

/// What developers' servers were told, the oldest first.
async fn callbacks(State(Switchboard(switchboard)): State<Switchboard>) -> Json<Value> {
    Json(json!({ "callbacks": switchboard.courier.records() }))
}

/// The rooms, who is in them, and what goes to whom.
async fn video(State(Switchboard(switchboard)): State<Switchboard>) -> Json<Value> {
    Json(switchboard.video.view().await)
}

#[derive(Deserialize)]
struct AdHoc {
    on: bool,
}

/// Whether clients may make rooms by joining them.
async fn ad_hoc(
    State(Switchboard(switchboard)): State<Switchboard>,
    Json(AdHoc { on }): Json<AdHoc>,
) -> Result<StatusCode, Refusal> {
    switchboard.video.set_ad_hoc(on).await;
    DONE
}

async fn agent(State(Switchboard(switchboard)): State<Switchboard>) -> Json<Value> {
    Json(switchboard.flex.agent())
}
