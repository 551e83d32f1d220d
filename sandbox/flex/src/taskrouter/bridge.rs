//! The event bridge (`event-bridge.twilio.com`): a WebSocket for TaskRouter's events, and POSTs for its commands.
//!
//! A command is a REST request in an envelope, `{url, method, params, token}`, and so is its answer, `{payload}`.

use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::ext::ReasonPhrase;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::interactions;
use super::machine::event::{Attributes, Event, Refusal, ReservationChange, TransferMode};
use super::resource::LONG_AGO;
use crate::account;
use crate::clock::{millis, now};
use crate::fault::HttpTarget;
use crate::iam::tokens::INVALID_ACCESS_TOKEN;
use crate::interference::with_faults;
use crate::state::FlexCloud;
use sandbox_kit::answer::error;

/// The client closes a socket that has been silent for 30 s.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(crate) fn router(cloud: FlexCloud) -> Router {
    let router = Router::new().route("/v1/wschannels", get(connect).post(command)).with_state(cloud.clone());
    with_faults(router, &cloud, HttpTarget::Taskrouter)
}

#[derive(Deserialize)]
struct Connect {
    token: String,
}

async fn connect(
    State(cloud): State<FlexCloud>,
    Query(Connect { token }): Query<Connect>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let user = cloud.check_token(&token);
    upgrade.on_upgrade(async move |mut socket| match user {
        Ok(user) => {
            let life = user.expires.as_millisecond() - now().as_millisecond();
            serve(cloud, socket, life).await;
        }
        Err(reason) => {
            // Inferred: how the bridge refuses a token.
            let frame = CloseFrame { code: 1008, reason: reason.to_string().into() };
            if socket.send(Message::Close(Some(frame))).await.is_err() {
                tracing::debug!("the client of a refused event socket was gone already");
            }
        }
    })
}

async fn serve(cloud: FlexCloud, mut socket: WebSocket, token_life_ms: i64) {
    let init = json!({
        "event_type": "init",
        "payload": {
            "account_sid": account::ACCOUNT_SID,
            "workspace_sid": account::WORKSPACE_SID,
            "channel_id": account::WORKER_SID,
            "token_lifetime": token_life_ms,
        },
    });
    let (sender, mut outgoing) = mpsc::unbounded_channel();
    let id = cloud.bridge_opened(sender);
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.tick().await;
    let mut next = Some(Message::Text(init.to_string().into()));
    loop {
        if let Some(message) = next.take()
            && socket.send(message).await.is_err()
        {
            break;
        }
        tokio::select! {
            event = outgoing.recv() => match event {
                Some(event) => next = Some(Message::Text(event.into())),
                None => break,
            },
            _ = heartbeat.tick() => next = Some(Message::Text(" ".into())),
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
        }
    }
    cloud.bridge_closed(id);
}

#[derive(Deserialize)]
struct Envelope {
    url: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    params: Map<String, Value>,
    token: String,
}

/// The body is JSON that calls itself a form, to spare the browser a preflight.
async fn command(State(cloud): State<FlexCloud>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&body) else {
        return error(StatusCode::BAD_REQUEST, 20001, "The command cannot be read");
    };
    if let Err(reason) = cloud.check_token(&envelope.token) {
        return error(StatusCode::UNAUTHORIZED, INVALID_ACCESS_TOKEN, &reason.to_string());
    }
    let version = headers.get(header::IF_MATCH).and_then(|version| version.to_str().ok());
    match answer(&cloud, &envelope, version) {
        Ok(payload) => Json(json!({ "payload": payload })).into_response(),
        Err(refusal) => {
            tracing::debug!(url = envelope.url, method = envelope.method, %refusal, "event bridge refused");
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            let mut response = error(status, refusal.code, &refusal.message);
            // Flex UI reads the reason from the status line.
            if let Ok(reason) = ReasonPhrase::try_from(refusal.message.into_bytes()) {
                response.extensions_mut().insert(reason);
            }
            response
        }
    }
}

fn list(contents: Vec<Value>) -> Value {
    json!({ "contents": contents, "after_sid": null })
}

/// A list as it is read page by page in an order that the client names.
fn ordered(contents: Vec<Value>) -> Value {
    json!({ "contents": contents, "after_sid": null, "meta": { "next_token": null } })
}

/// The queues: of calls, and of chats.
fn queues() -> Vec<Value> {
    vec![queue(account::TASK_QUEUE_SID, "Voice"), queue(account::CHAT_TASK_QUEUE_SID, "Chat")]
}

fn queue(sid: &str, name: &str) -> Value {
    json!({
        "account_sid": account::ACCOUNT_SID,
        "workspace_sid": account::WORKSPACE_SID,
        "sid": sid,
        "friendly_name": name,
        "target_workers": "1==1",
        "max_reserved_workers": 1,
        "task_order": "FIFO",
        "lifo_queue": false,
        "reservation_activity_sid": null,
        "reservation_activity_name": null,
        "assignment_activity_sid": null,
        "assignment_activity_name": null,
        "date_created": LONG_AGO,
        "date_updated": LONG_AGO,
    })
}

/// Carries out one command.
fn answer(cloud: &FlexCloud, envelope: &Envelope, version: Option<&str>) -> Result<Value, Refusal> {
    let params = Params(&envelope.params);
    let post = envelope.method == "POST";
    let segments: Vec<&str> = envelope.url.trim_matches('/').split('/').collect();
    let ["Workspaces", account::WORKSPACE_SID, rest @ ..] = segments.as_slice() else {
        return interactions::answer(cloud, &segments, post, &envelope.params);
    };
    let now = millis(now());
    match rest {
        ["Workers"] => Ok(cloud.workspace(|space| ordered(space.workers()))),
        ["TaskQueues"] => Ok(ordered(queues())),
        ["Activities"] => Ok(cloud.workspace(|space| list(space.activities()))),
        ["Tasks"] if post => {
            cloud.apply(Event::CreateTask { attributes: params.attributes().unwrap_or_default() })?;
            cloud.workspace(|space| {
                let sid = space.newest_task_sid().unwrap_or_default();
                space.task(&sid, now)
            })
        }
        ["Tasks", _, "Reservations", reservation]
            if post && params.text("Instruction").as_deref() == Some("supervise") =>
        {
            let to = params.text("To");
            cloud.apply(Event::Supervise { reservation_sid: (*reservation).to_owned(), to })?;
            Ok(json!({ "sid": reservation }))
        }
        ["Tasks", sid] => {
            if post {
                cloud.apply(Event::UpdateTask {
                    sid: (*sid).to_owned(),
                    attributes: params.attributes(),
                    status: params.text("AssignmentStatus"),
                    reason: params.text("Reason"),
                })?;
            }
            // A task that has just been completed or canceled is gone.
            Ok(cloud.workspace(|space| space.task(sid, now)).unwrap_or_else(|_| json!({ "sid": sid })))
        }
        ["Workers", account::WORKER_SID] => {
            if post {
                cloud.apply(Event::UpdateWorker {
                    activity_sid: params.text("ActivitySid"),
                    attributes: params.attributes(),
                    reject_pending_reservations: params.flag("RejectPendingReservations").unwrap_or(false),
                    version: version.map(str::to_owned),
                })?;
            }
            Ok(cloud.workspace(|space| space.worker()))
        }
        ["Workers", account::WORKER_SID, "WorkerChannels" | "Channels"] => {
            Ok(cloud.workspace(|space| list(space.channels())))
        }
        ["Workers", account::WORKER_SID, "Reservations"] => {
            Ok(cloud.workspace(|space| list(space.reservations(now))))
        }
        ["Workers", account::WORKER_SID, "Reservations", sid] => reservation(cloud, sid, post, &params),
        ["Workers", account::WORKER_SID, "Transfers"] if post => {
            let sid = params.text("ReservationSid").unwrap_or_default();
            let mode = params.text("Mode").unwrap_or_else(|| "WARM".to_owned());
            let Some(mode) = TransferMode::named(&mode) else {
                return Err(invalid(format!("There is no transfer mode '{mode}'")));
            };
            let to = params.text("To").unwrap_or_default();
            cloud.apply(Event::Transfer { reservation_sid: sid.clone(), to, mode })?;
            cloud.workspace(|space| space.transfer_of(&sid))
        }
        ["Workers", account::WORKER_SID, "Transfers", sid] if post => {
            cloud.apply(Event::CancelTransfer { sid: (*sid).to_owned() })?;
            cloud.workspace(|space| space.transfer_of(sid))
        }
        ["Workers", account::WORKER_SID, resource] if post => participant(cloud, resource, &params),
        _ => Err(refused(&format!("The requested resource /{} was not found", envelope.url))),
    }
}

fn refused(message: &str) -> Refusal {
    Refusal { status: 404, code: 20404, message: message.to_owned() }
}

fn invalid(message: String) -> Refusal {
    Refusal { status: 400, code: 20001, message }
}

fn reservation(cloud: &FlexCloud, sid: &str, post: bool, params: &Params<'_>) -> Result<Value, Refusal> {
    let now = millis(now());
    if !post {
        return cloud.workspace(|space| space.reservation(sid, now));
    }
    let instruction = params.text("Instruction").unwrap_or_default();
    let status = params.text("ReservationStatus").unwrap_or_default();
    let change = match (instruction.as_str(), status.as_str()) {
        ("conference" | "dequeue" | "call", _) => ReservationChange::Call {
            to: params.text("To"),
            end_conference_on_exit: params.flag("EndConferenceOnExit").unwrap_or(true),
        },
        (_, "accepted") => ReservationChange::Accept,
        (_, "rejected") => ReservationChange::Reject,
        (_, "wrapping") => ReservationChange::Wrap,
        (_, "completed") => ReservationChange::Complete,
        _ => {
            let message =
                format!("The sandbox does not know instruction '{instruction}' and status '{status}'");
            return Err(invalid(message));
        }
    };
    // The answer must be the reservation as it became, also when it is over and gone by then.
    let before = cloud.workspace(|space| space.reservation(sid, now))?;
    cloud.apply(Event::Reservation { sid: sid.to_owned(), change })?;
    Ok(cloud.workspace(|space| space.reservation(sid, now)).unwrap_or_else(|_| {
        let mut gone = before;
        gone["reservation_status"] = json!(status);
        gone
    }))
}

/// Conference participants, as Flex UI names them on the worker.
fn participant(cloud: &FlexCloud, resource: &str, params: &Params<'_>) -> Result<Value, Refusal> {
    let task = params.text("TaskSid");
    let sid = params.text("ReservationSid").or_else(|| task.clone()).unwrap_or_default();
    let hold = params.flag("Hold");
    let agent = |mute, hold, kick| Event::UpdateAgent {
        sid: sid.clone(),
        end_conference_on_exit: params.flag("EndConferenceOnExit"),
        mute,
        hold,
        kick,
    };
    let other = params.text("TargetWorkerSid").is_some_and(|worker| worker != account::WORKER_SID);
    let colleague = |hold, kick| Event::UpdateColleague { task_sid: sid.clone(), hold, kick };
    let event = match resource {
        "HoldWorkerParticipant" if other => colleague(hold, false),
        "KickWorkerParticipant" if other => colleague(None, true),
        "CustomerParticipant" => Event::UpdateCustomer { task_sid: sid.clone(), hold },
        "WorkerParticipant" => agent(params.flag("Mute"), None, false),
        "HoldWorkerParticipant" => agent(None, hold, false),
        "KickWorkerParticipant" => agent(None, None, true),
        _ => return Err(refused(&format!("The sandbox has no {resource}"))),
    };
    cloud.apply(event)?;
    let now = millis(now());
    cloud.workspace(|space| space.task(&sid, now))
}

/// Parameters of a command. Clients send numbers and booleans as such or as text.
struct Params<'a>(&'a Map<String, Value>);

impl Params<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    fn flag(&self, name: &str) -> Option<bool> {
        let value = self.0.get(name)?;
        value.as_bool().or_else(|| value.as_str()?.parse().ok())
    }

    fn attributes(&self) -> Option<Attributes> {
        match self.0.get("Attributes")? {
            Value::Object(attributes) => Some(attributes.clone()),
            Value::String(text) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }
}
