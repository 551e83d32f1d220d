//! The shell: sockets, threads, REST and the clock become events; commands become frames, orders and answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use futures_util::{SinkExt as _, StreamExt as _};
use kernel::{AccountSid, Secret};
use sansio::Machine as _;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot};
use twilio::ApiKey;

use crate::config::{Config, LogEvent};
use crate::ids::RoomSid;
use crate::machine::Machine;
use crate::machine::delivery::Callback;
use crate::machine::event::{Answer, Command, Event, SocketId};
use crate::machine::fault::VideoFault;
use crate::machine::request::Request;
use crate::media::order::{MediaNews, Order};
use crate::media::thread::MediaServer;
use crate::problem::Problem;
use crate::rest::{self, Form};
use crate::token;
use sandbox_kit::clock::Clock;

type Reply<T> = oneshot::Sender<T>;

/// All that reaches the one task.
pub(crate) enum Input {
    Admit(Reply<bool>),
    Opened(SocketId, mpsc::UnboundedSender<Frame>),
    Received(SocketId, String),
    Closed(SocketId),
    Media(RoomSid, MediaNews),
    Rest(Request, Reply<Answer>),
    Fault(u64, VideoFault, Reply<()>),
    ClearFault(u64, Reply<bool>),
    ClearFaults(Reply<()>),
    AdHoc(bool, Reply<()>),
    Reset(Reply<()>),
    View(Reply<Value>),
}

/// What a socket's task shall do.
pub(crate) enum Frame {
    Text(String),
    Close,
    Abort,
}

/// What the routes know.
#[derive(Clone)]
pub(crate) struct Shared {
    pub inputs: mpsc::UnboundedSender<Input>,
    credentials: Arc<Credentials>,
}

struct Credentials {
    account: AccountSid,
    auth_token: Secret,
    api_keys: Vec<ApiKey>,
}

/// Starts the task. It ends when every handle is gone.
pub(crate) fn start(config: Config, clock: Clock, events: broadcast::Sender<LogEvent>) -> Shared {
    let Config { account, auth_token, api_keys, callbacks } = config;
    let (whose, keys) = (account.clone(), api_keys.clone());
    let judge = Box::new(move |token: &Secret, now| token::check(token, &whose, &keys, now));
    let (inputs, inbox) = mpsc::unbounded_channel();
    let shell = Shell {
        clock,
        machine: Machine::new(account.clone(), judge, rand::random()),
        events,
        callbacks,
        // Weak, so that the task ends with the last handle; media threads and sockets do not keep it alive.
        inputs: inputs.downgrade(),
        sockets: BTreeMap::new(),
        rooms: BTreeMap::new(),
    };
    tokio::spawn(shell.run(inbox));
    Shared { inputs, credentials: Arc::new(Credentials { account, auth_token, api_keys }) }
}

struct Shell {
    clock: Clock,
    machine: Machine,
    events: broadcast::Sender<LogEvent>,
    callbacks: Option<mpsc::UnboundedSender<Callback>>,
    inputs: mpsc::WeakUnboundedSender<Input>,
    sockets: BTreeMap<SocketId, mpsc::UnboundedSender<Frame>>,
    rooms: BTreeMap<RoomSid, MediaServer>,
}

impl Shell {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Input>) {
        loop {
            let input = match self.machine.poll_timeout() {
                None => inbox.recv().await,
                Some(at) => {
                    tokio::select! {
                        // Whole milliseconds are rounded down on the way in, so wake one later.
                        () = tokio::time::sleep_until(self.clock.instant(at.plus(1)).into()) => {
                            let commands = self.machine.handle_timeout(self.clock.wall(self.clock.now()));
                            self.carry_out(commands);
                            continue;
                        }
                        input = inbox.recv() => input,
                    }
                }
            };
            match input {
                Some(input) => self.take(input),
                None => return,
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Admit(reply) => answer(reply, self.machine.admits()),
            Input::Opened(socket, out) => {
                self.sockets.insert(socket, out);
                self.handle(Event::SocketOpened(socket));
            }
            Input::Received(socket, text) => {
                self.handle(Event::Received(socket, text));
            }
            Input::Closed(socket) => {
                self.sockets.remove(&socket);
                self.handle(Event::SocketClosed(socket));
            }
            Input::Media(room, news) => {
                self.handle(Event::Media(room, news));
            }
            Input::Rest(request, reply) => {
                let answered = self.handle(Event::Rest(request));
                answer(reply, answered.unwrap_or(Err(Problem::NOT_FOUND)));
            }
            Input::Fault(id, fault, reply) => {
                self.handle(Event::FaultBegins { id, fault });
                answer(reply, ());
            }
            Input::ClearFault(id, reply) => {
                let known = self.machine.faults().iter().any(|active| active.id == id);
                self.handle(Event::FaultEnds(id));
                answer(reply, known);
            }
            Input::ClearFaults(reply) => {
                for id in self.machine.faults().iter().map(|active| active.id).collect::<Vec<_>>() {
                    self.handle(Event::FaultEnds(id));
                }
                answer(reply, ());
            }
            Input::AdHoc(on, reply) => {
                self.handle(Event::AdHoc(on));
                answer(reply, ());
            }
            Input::Reset(reply) => {
                self.handle(Event::Reset);
                answer(reply, ());
            }
            Input::View(reply) => {
                tokio::spawn(self.view(reply));
            }
        }
    }

    fn handle(&mut self, event: Event) -> Option<Answer> {
        let commands = self.machine.handle(event, self.clock.wall(self.clock.now()));
        self.carry_out(commands)
    }

    fn carry_out(&mut self, commands: Vec<Command>) -> Option<Answer> {
        let mut answered = None;
        for command in commands {
            match command {
                Command::Send(socket, frame) => self.frame(socket, Frame::Text(frame.to_text())),
                Command::Close(socket) => self.frame(socket, Frame::Close),
                Command::Abort(socket) => self.frame(socket, Frame::Abort),
                Command::Media(room, order) => self.order(&room, order),
                Command::MediaEnds(room) => drop(self.rooms.remove(&room)),
                Command::Answer(answer) => answered = Some(answer),
                Command::Callback(callback) => {
                    if let Some(callbacks) = &self.callbacks
                        && callbacks.send(callback).is_err()
                    {
                        tracing::warn!("nobody delivers callbacks any more");
                    }
                }
                Command::Emit(event) => {
                    tracing::debug!(?event, "video");
                    // Nobody may be listening.
                    drop(self.events.send(LogEvent { at: self.clock.wall(self.clock.now()), event }));
                }
            }
        }
        answered
    }

    fn frame(&self, socket: SocketId, frame: Frame) {
        if let Some(out) = self.sockets.get(&socket)
            && out.send(frame).is_err()
        {
            tracing::debug!(socket = socket.0, "a frame for a socket that is closing");
        }
    }

    fn order(&mut self, room: &RoomSid, order: Order) {
        // A room's thread begins with the first who joins; before that there is nothing to plan.
        if !self.rooms.contains_key(room) && matches!(order, Order::Join { .. }) {
            let (inputs, whose) = (self.inputs.clone(), room.clone());
            let news = move |news| {
                if let Some(inputs) = inputs.upgrade() {
                    drop(inputs.send(Input::Media(whose.clone(), news)));
                }
            };
            match MediaServer::start(self.clock, news) {
                Ok(server) => drop(self.rooms.insert(room.clone(), server)),
                Err(error) => {
                    tracing::error!(%error, "no media server");
                    if let (Order::Join { peer, .. }, Some(inputs)) = (order, self.inputs.upgrade()) {
                        let refused = MediaNews::Refused(peer, error.to_string());
                        drop(inputs.send(Input::Media(room.clone(), refused)));
                    }
                    return;
                }
            }
        }
        if let Some(server) = self.rooms.get(room) {
            server.order(order);
        }
    }

    /// What the machine says is taken now; what went through is looked at elsewhere, for signalling does not wait for it.
    fn view(&self, reply: Reply<Value>) -> impl Future<Output = ()> + use<> {
        let mut rooms = self.machine.rooms();
        let faults = json!(self.machine.faults());
        let looks: Vec<_> = self.rooms.values().map(MediaServer::look).collect();
        async move {
            let mut flows = BTreeMap::new();
            for look in looks {
                for track in look.await.unwrap_or_default() {
                    flows.insert(track.sid.to_string(), json!(track));
                }
            }
            let participants =
                rooms.iter_mut().filter_map(|room| room["participants"].as_array_mut()).flatten();
            for track in participants.filter_map(|one| one["tracks"].as_array_mut()).flatten() {
                let flow = track["sid"].as_str().and_then(|sid| flows.remove(sid));
                track["media"] = flow.unwrap_or_default();
            }
            answer(reply, json!({ "rooms": rooms, "faults": faults }));
        }
    }
}

/// Who asked may have gone; then nobody needs the answer.
fn answer<T>(reply: Reply<T>, value: T) {
    drop(reply.send(value));
}

/// All that the hosts answer; their paths differ, so that the host need not be looked at.
pub(crate) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/signaling", get(upgrade))
        .route("/v1/VideoEvents", get(insights))
        .route("/v1/{*path}", any(rest))
        .with_state(shared)
}

async fn rest(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Credentials { account, auth_token, api_keys } = &*shared.credentials;
    let answered = if rest::is_allowed(&headers, account, auth_token, api_keys) {
        let path = uri.path().strip_prefix("/v1").unwrap_or_default();
        let query = Form::parse(uri.query().unwrap_or_default().as_bytes());
        match rest::parse(&method, path, &query, &Form::parse(&body)) {
            Err(problem) => Err(problem),
            Ok(request) => {
                let (reply, answered) = oneshot::channel();
                let asked = shared.inputs.send(Input::Rest(request, reply)).is_ok();
                match answered.await {
                    Ok(answered) if asked => answered,
                    _ => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
                }
            }
        }
    } else {
        Err(Problem::AUTHENTICATE)
    };
    let (status, json) = answered.unwrap_or_else(|problem| (problem.status, problem.to_json()));
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), Json(json)).into_response()
}

async fn upgrade(State(shared): State<Shared>, upgrade: WebSocketUpgrade) -> Response {
    let (reply, admitted) = oneshot::channel();
    let asked = shared.inputs.send(Input::Admit(reply)).is_ok();
    if !(asked && admitted.await.unwrap_or(false)) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    upgrade.on_upgrade(move |socket| serve(socket, shared.inputs))
}

/// One socket, until either side ends it.
async fn serve(socket: WebSocket, inputs: mpsc::UnboundedSender<Input>) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = SocketId(NEXT.fetch_add(1, Ordering::Relaxed));
    let (out, mut frames) = mpsc::unbounded_channel();
    if inputs.send(Input::Opened(id, out)).is_err() {
        return;
    }
    let (mut write, mut read) = socket.split();
    loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                Some(Frame::Text(text)) => {
                    if write.send(Message::Text(text.into())).await.is_err() {
                        break;
                    }
                }
                Some(Frame::Close) => {
                    let close = CloseFrame { code: 1000, reason: "".into() };
                    if write.send(Message::Close(Some(close))).await.is_err() {
                        break;
                    }
                }
                // Dropping both halves closes the connection without a close frame.
                Some(Frame::Abort) | None => break,
            },
            message = read.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if inputs.send(Input::Received(id, text.to_string())).is_err() {
                        break;
                    }
                }
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    drop(inputs.send(Input::Closed(id)));
}

/// Telemetry is taken and forgotten; the token in it is not looked at.
async fn insights(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            let Message::Text(text) = message else { continue };
            let is_connect =
                serde_json::from_str::<Value>(&text).is_ok_and(|message| message["type"] == "connect");
            if is_connect {
                let connected = json!({"type": "connected", "version": 1, "session": "sandbox"}).to_string();
                if socket.send(Message::Text(connected.into())).await.is_err() {
                    return;
                }
            }
        }
    })
}
