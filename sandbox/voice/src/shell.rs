//! The gateway's shell: sockets, threads and the clock become events, commands become frames and orders.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::{SinkExt as _, StreamExt as _};
use kernel::{CallSid, DtmfDigits, Secret, Timestamp};
use sansio::Machine as _;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::api::types::{
    CallView, Config, Line, NewCall, SocketView, VoiceError, VoiceEvent, VoiceEventKind, VoiceFault,
    VoiceView, WindowsView,
};
use crate::machine::Machine;
use crate::machine::event::{CallFacts, Command, Event, MediaOrder, SocketId};
use crate::media::session::{Facts, MediaNews, Session, SharedFacts};
use crate::media::stats::Window;
use crate::token::{self, Grant};
use crate::view::{self, Times};
use crate::wire::{HEARTBEAT, ServerMessage};
use sandbox_kit::clock::Clock;

type Reply<T> = oneshot::Sender<T>;
type Outcome<T> = Reply<Result<T, VoiceError>>;

/// All that reaches the gateway's one task.
#[derive(Debug)]
pub(crate) enum Input {
    Admit(Reply<bool>),
    Opened { socket: SocketId, origin: Option<String>, out: mpsc::UnboundedSender<Frame> },
    Received(SocketId, String),
    Closed(SocketId, Option<u16>),
    Media(CallSid, MediaNews),
    Call(NewCall, Outcome<CallSid>),
    HangUp(CallSid, Outcome<()>),
    Dtmf(CallSid, DtmfDigits, Outcome<()>),
    Line(CallSid, Line, Outcome<()>),
    Mark(CallSid, String, bool, Outcome<()>),
    Windows(CallSid, Outcome<WindowsView>),
    Record(CallSid, bool, Outcome<()>),
    Recording(CallSid, Outcome<Vec<u8>>),
    CallView(CallSid, Outcome<CallView>),
    View(Reply<VoiceView>),
    Fault(u64, VoiceFault, Reply<()>),
    ClearFault(u64, Reply<bool>),
    Reset(Reply<()>),
}

/// What a socket's task shall do.
#[derive(Debug)]
pub(crate) enum Frame {
    Text(String),
    Abort,
}

/// Starts the task. It ends when every sender of inputs is gone.
pub(crate) fn start(config: Config, events: broadcast::Sender<VoiceEvent>) -> mpsc::UnboundedSender<Input> {
    let (sender, inputs) = mpsc::unbounded_channel();
    let Config { account, api_key, flex_tokens, heartbeat_ms, clock } = config;
    let whose = account.clone();
    let judge = Box::new(move |token: &Secret, now: Timestamp| match &flex_tokens {
        Some(identity_of) if let Some(identity) = identity_of(token) => {
            Ok(Grant { identity, expires_s: now.as_millis() / 1000 + 3600, incoming: true, outgoing: true })
        }
        _ => token::check(token, &whose, &api_key, now),
    });
    let machine = Machine::new(account, judge, heartbeat_ms, rand::random());
    let shell = Shell {
        clock,
        machine,
        events,
        // Weak, so that the task ends with the last handle; media threads and sockets do not keep it alive.
        inputs: sender.downgrade(),
        sockets: BTreeMap::new(),
        calls: BTreeMap::new(),
    };
    tokio::spawn(shell.run(inputs));
    sender
}

struct Shell {
    clock: Clock,
    machine: Machine,
    events: broadcast::Sender<VoiceEvent>,
    inputs: mpsc::WeakUnboundedSender<Input>,
    sockets: BTreeMap<SocketId, mpsc::UnboundedSender<Frame>>,
    calls: BTreeMap<CallSid, Media>,
}

/// What the shell keeps for a call.
#[derive(Default)]
struct Media {
    session: Option<Session>,
    times: Times,
}

impl Shell {
    async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) {
        loop {
            let input = match self.machine.poll_timeout() {
                None => inputs.recv().await,
                Some(at) => {
                    tokio::select! {
                        // Whole milliseconds are rounded down on the way in, so wake one later.
                        () = tokio::time::sleep_until(self.clock.instant(at.plus(1)).into()) => {
                            let commands = self.machine.handle_timeout(self.clock.wall(self.clock.now()));
                            self.carry_out(commands);
                            continue;
                        }
                        input = inputs.recv() => input,
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
            Input::Admit(reply) => {
                let admits = self.machine.admits();
                if !admits {
                    self.emit(VoiceEventKind::SocketRefused);
                }
                answer(reply, admits);
            }
            Input::Opened { socket, origin, out } => {
                self.sockets.insert(socket, out);
                self.handle(Event::SocketOpened { socket, origin });
            }
            Input::Received(socket, text) => self.handle(Event::Received { socket, text }),
            Input::Closed(socket, code) => {
                self.sockets.remove(&socket);
                self.handle(Event::SocketClosed { socket, code });
            }
            Input::Media(call_sid, news) => self.media_news(call_sid, news),
            Input::Call(call, reply) => {
                // A call that is neither made nor refused there is not.
                let result = self.request(Event::Call(call));
                answer(reply, result.and_then(|called| called.ok_or(VoiceError::NoSuchCall)));
            }
            Input::HangUp(call_sid, reply) => answer(reply, self.done(Event::HangUp(call_sid))),
            Input::Dtmf(call_sid, digits, reply) => answer(reply, self.done(Event::Dtmf(call_sid, digits))),
            Input::Line(call_sid, line, reply) => answer(reply, self.done(Event::Line(call_sid, line))),
            Input::Mark(call_sid, name, end, reply) => answer(reply, self.mark(&call_sid, name, end)),
            Input::Windows(call_sid, reply) => {
                let clock = self.clock;
                self.look(&call_sid, reply, move |facts| Ok(view::windows(clock, facts, clock.now())));
            }
            Input::Record(call_sid, on, reply) => answer(reply, self.record(&call_sid, on)),
            Input::Recording(call_sid, reply) => self.look(&call_sid, reply, |facts| {
                let wav = facts.recording.as_ref().and_then(|recording| recording.to_wav().ok());
                wav.ok_or(VoiceError::NoRecording)
            }),
            Input::CallView(call_sid, reply) => match self.machine.call_facts(&call_sid) {
                None => answer(reply, Err(VoiceError::NoSuchCall)),
                Some(facts) => {
                    let look = self.call_view(facts);
                    tokio::task::spawn_blocking(move || answer(reply, Ok(look())));
                }
            },
            Input::View(reply) => {
                let look = self.view();
                tokio::task::spawn_blocking(move || answer(reply, look()));
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
            Input::Reset(reply) => {
                self.handle(Event::Reset);
                self.calls.clear();
                answer(reply, ());
            }
        }
    }

    fn media_news(&mut self, call_sid: CallSid, news: MediaNews) {
        match news {
            MediaNews::Offered(sdp) => self.handle(Event::MediaOffered { call_sid, sdp }),
            MediaNews::Answered(ticket, sdp) => self.handle(Event::MediaAnswered { call_sid, ticket, sdp }),
            MediaNews::Ice(state) => self.emit(VoiceEventKind::Ice { call_sid, state }),
            MediaNews::Key(digit) => self.emit(VoiceEventKind::DtmfHeard { call_sid, digit }),
            MediaNews::PeerClosed => self.emit(VoiceEventKind::PeerClosed { call_sid }),
            MediaNews::FirstPacket(at) => {
                if let Some(invite) = self.calls.get(&call_sid).and_then(|call| call.times.invite) {
                    let answer_ms = crate::media::stats::millis(at.saturating_duration_since(invite));
                    self.emit(VoiceEventKind::FirstAgentPacket { call_sid, answer_ms });
                }
            }
        }
    }

    /// Something happened that nobody waits for an answer to.
    fn handle(&mut self, event: Event) {
        if let Err(error) = self.request(event) {
            tracing::debug!(%error, "refused");
        }
    }

    /// Something is asked for: whether it was done.
    fn done(&mut self, event: Event) -> Result<(), VoiceError> {
        self.request(event).map(|_called| ())
    }

    /// Something is asked for: the call that was made, if one was, or why it was refused.
    fn request(&mut self, event: Event) -> Result<Option<CallSid>, VoiceError> {
        let now = self.clock.wall(self.clock.now());
        let commands = self.machine.handle(event, now);
        let mut outcome = Ok(None);
        for command in &commands {
            match command {
                Command::Called(call_sid) => outcome = Ok(Some(call_sid.clone())),
                Command::Refuse(error) => outcome = Err(*error),
                _ => {}
            }
        }
        self.carry_out(commands);
        outcome
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Send(socket, message) => {
                    self.note_times(&message);
                    self.frame(socket, Frame::Text(message.to_text()));
                }
                Command::Heartbeat(socket) => self.frame(socket, Frame::Text(HEARTBEAT.to_owned())),
                Command::Abort(socket) => self.frame(socket, Frame::Abort),
                Command::Emit(kind) => self.emit(kind),
                Command::Media(call_sid, order) => self.order(call_sid, order),
                // Whoever asked is answered.
                Command::Called(_) | Command::Refuse(_) => {}
            }
        }
    }

    fn note_times(&mut self, message: &ServerMessage) {
        let now = self.clock.now();
        match message {
            ServerMessage::Invite { callsid, .. } => {
                self.calls.entry(callsid.clone()).or_default().times.invite.get_or_insert(now);
            }
            ServerMessage::Answer { callsid, .. } => {
                self.calls.entry(callsid.clone()).or_default().times.answer_sdp.get_or_insert(now);
            }
            _ => {}
        }
    }

    fn frame(&self, socket: SocketId, frame: Frame) {
        if let Some(out) = self.sockets.get(&socket)
            && out.send(frame).is_err()
        {
            tracing::debug!(socket = socket.0, "a frame for a socket that is closing");
        }
    }

    fn emit(&self, kind: VoiceEventKind) {
        tracing::debug!(event = ?kind, "voice");
        // Nobody may be listening.
        drop(self.events.send(VoiceEvent { at: self.clock.wall(self.clock.now()), kind }));
    }

    fn order(&mut self, call_sid: CallSid, order: MediaOrder) {
        let media = self.calls.entry(call_sid.clone()).or_default();
        let wanted = matches!(order, MediaOrder::Offer | MediaOrder::TakeOffer { .. });
        if media.session.is_none() && wanted {
            let inputs = self.inputs.clone();
            let named = call_sid.clone();
            let news = move |news| {
                if let Some(inputs) = inputs.upgrade() {
                    drop(inputs.send(Input::Media(named.clone(), news)));
                }
            };
            match Session::start(self.clock, rand::random(), news) {
                Ok(session) => media.session = Some(session),
                Err(error) => {
                    tracing::error!(%error, "no media session");
                    let refused = match order {
                        MediaOrder::TakeOffer { ticket, .. } => {
                            MediaNews::Answered(ticket, Err(error.to_string()))
                        }
                        _ => MediaNews::Offered(Err(error.to_string())),
                    };
                    return self.media_news(call_sid, refused);
                }
            }
        }
        if let Some(session) = &media.session {
            session.order(order);
        }
    }

    fn facts(&self, call_sid: &CallSid) -> Result<SharedFacts, VoiceError> {
        self.machine.call_facts(call_sid).ok_or(VoiceError::NoSuchCall)?;
        let session = self.calls.get(call_sid).and_then(|call| call.session.as_ref());
        session.map(Session::facts).ok_or(VoiceError::NotAnswered)
    }

    /// Computes an answer from measurements elsewhere: signalling does not wait for arithmetic.
    fn look<T: Send + 'static>(
        &self,
        call_sid: &CallSid,
        reply: Outcome<T>,
        look: impl FnOnce(&Facts) -> Result<T, VoiceError> + Send + 'static,
    ) {
        match self.facts(call_sid) {
            Err(error) => answer(reply, Err(error)),
            Ok(facts) => {
                tokio::task::spawn_blocking(move || {
                    let looked = look(&facts.lock());
                    answer(reply, looked);
                });
            }
        }
    }

    fn mark(&self, call_sid: &CallSid, name: String, end: bool) -> Result<(), VoiceError> {
        let now = self.clock.now();
        let facts = self.facts(call_sid)?;
        let windows = &mut facts.lock().windows;
        let open = windows.iter_mut().find(|w| w.name == name && w.end.is_none());
        match (open, end) {
            (Some(window), true) => window.end = Some(now),
            (None, false) => windows.push(Window { name, start: now, end: None }),
            (Some(_), false) | (None, true) => return Err(VoiceError::Window),
        }
        Ok(())
    }

    fn record(&self, call_sid: &CallSid, on: bool) -> Result<(), VoiceError> {
        let facts = self.facts(call_sid)?;
        let mut facts = facts.lock();
        if on && facts.over.is_some() {
            return Err(VoiceError::CallOver);
        }
        if on && !facts.is_recording {
            facts.recording.get_or_insert_default().resume();
        }
        facts.is_recording = on;
        Ok(())
    }

    /// How to make the view of a call: what the machine says is taken now, what was measured is looked at later.
    fn call_view(&self, call: CallFacts) -> impl FnOnce() -> CallView + Send + use<> {
        let clock = self.clock;
        let media = self.calls.get(&call.call_sid);
        let times = media.map(|media| media.times).unwrap_or_default();
        let facts = media.and_then(|media| media.session.as_ref()).map(Session::facts);
        move || {
            let facts = facts.as_ref().map(SharedFacts::lock);
            view::call(clock, call, times, facts.as_deref(), clock.now())
        }
    }

    fn view(&self) -> impl FnOnce() -> VoiceView + Send + use<> {
        let sockets = self.machine.sockets().into_iter().map(|s| SocketView {
            socket: s.socket.0,
            identity: s.identity,
            registered: s.registered,
            origin: s.origin,
            opened_ms: self.clock.since_start(s.opened),
            frozen: s.frozen,
        });
        let sockets = sockets.collect();
        let calls: Vec<_> = self.machine.calls().into_iter().map(|call| self.call_view(call)).collect();
        let faults = self.machine.faults();
        move || VoiceView { sockets, calls: calls.into_iter().map(|look| look()).collect(), faults }
    }
}

/// Who asked may have gone; then nobody needs the answer.
fn answer<T>(reply: Reply<T>, value: T) {
    drop(reply.send(value));
}

/// `GET /signal`.
pub(crate) fn router(inputs: mpsc::UnboundedSender<Input>) -> Router {
    Router::new().route("/signal", get(upgrade)).with_state(inputs)
}

async fn upgrade(
    State(inputs): State<mpsc::UnboundedSender<Input>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let (reply, admitted) = oneshot::channel();
    let asked = inputs.send(Input::Admit(reply)).is_ok();
    if !(asked && admitted.await.unwrap_or(false)) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok()).map(str::to_owned);
    upgrade.on_upgrade(move |socket| serve(socket, origin, inputs))
}

/// One socket, until either side ends it.
async fn serve(socket: WebSocket, origin: Option<String>, inputs: mpsc::UnboundedSender<Input>) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = SocketId(NEXT.fetch_add(1, Ordering::Relaxed));
    let (out, mut frames) = mpsc::unbounded_channel();
    if inputs.send(Input::Opened { socket: id, origin, out }).is_err() {
        return;
    }
    let (mut write, mut read) = socket.split();
    let mut code = None;
    loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                Some(Frame::Text(text)) => {
                    if write.send(Message::Text(text.into())).await.is_err() {
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
                // The next read sends the close frame back, and the one after it ends the stream.
                Some(Ok(Message::Close(close))) => code = close.map(|close| close.code),
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    drop(inputs.send(Input::Closed(id, code)));
}
