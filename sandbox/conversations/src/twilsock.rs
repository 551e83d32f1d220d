//! Twilsock: the WebSocket of `tsock.*.twilio.com`, which carries HTTP requests to Sync and Conversations, and their
//! events.
//!
//! A frame is `TWILSOCK V3.0 <bytes of header>\r\n<header>\r\n<payload>`; the header is JSON.

pub(crate) mod frame;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use tokio::sync::mpsc;

use self::frame::{Frame, Received};
use crate::backend::{self, Ask};
use crate::handle::{Conversations, Outgoing};
use crate::sync::{Answer, Request, SocketId};
use crate::token::TokenError;

pub(crate) fn router(conversations: Conversations) -> Router {
    Router::new().route("/v3/wsconnect", get(connect)).with_state(conversations)
}

async fn connect(State(conversations): State<Conversations>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| serve(conversations, socket))
}

async fn serve(conversations: Conversations, mut socket: WebSocket) {
    let (sender, mut outgoing) = mpsc::unbounded_channel();
    let id = conversations.socket_opened(sender);
    // A client's changes are made one after the other, however long a webhook thinks about one.
    let (changes, waiting) = mpsc::unbounded_channel();
    tokio::spawn(change(conversations.clone(), id, waiting));
    loop {
        tokio::select! {
            next = outgoing.recv() => {
                let Some(Outgoing::Frame(frame)) = next else { break };
                if socket.send(Message::Binary(Frame::encode(&frame).into())).await.is_err() {
                    break;
                }
            }
            message = socket.recv() => {
                let bytes = match message {
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Text(text))) => text.into(),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                };
                match Frame::decode(&bytes) {
                    Some(frame) => received(&conversations, id, frame, &changes),
                    None => break,
                }
            }
        }
    }
    conversations.socket_closed(id);
}

/// A change that a client asked for: its identity then, the frame to answer, and what it wants.
type Wanted = (String, Frame, Request, Ask);

fn received(
    conversations: &Conversations,
    socket: SocketId,
    frame: Frame,
    changes: &mpsc::UnboundedSender<Wanted>,
) {
    match frame::receive(&frame) {
        Received::Nothing => {}
        Received::Ping => conversations.say(socket, frame::ok(&frame)),
        Received::AddContext(context) => {
            conversations.socket_context(socket, &context, true);
            conversations.say(socket, frame::ok(&frame));
        }
        Received::RemoveContext(context) => {
            conversations.socket_context(socket, &context, false);
            conversations.say(socket, frame::ok(&frame));
        }
        Received::Token(token) => match conversations.bearer(&token) {
            Ok(bearer) => {
                let reply = frame::welcome(&frame, &format!("sandbox-{socket}"));
                conversations.socket_authenticated(socket, bearer, reply);
            }
            Err(error) => conversations.say(socket, frame::denied(&frame, error)),
        },
        Received::Request(request) => {
            let Some(identity) = conversations.identity_of(socket) else {
                return conversations.say(socket, frame::denied(&frame, TokenError::Invalid));
            };
            let ask = match request.host.as_str() {
                "aim.us1.twilio.com" => backend::parse(&request, &identity).unwrap_or(Ask::Read),
                _ => Ask::Read,
            };
            match ask {
                Ask::Read => read(conversations, socket, identity, frame, request),
                ask => {
                    if changes.send((identity, frame, request, ask)).is_err() {
                        tracing::debug!(socket, "nobody makes changes any more");
                    }
                }
            }
        }
    }
}

/// Answers a read at once, or when a fault lets it.
fn read(conversations: &Conversations, socket: SocketId, identity: String, frame: Frame, request: Request) {
    // Sync and telemetry stay up when Conversations is down.
    let interference = match request.host.as_str() {
        "aim.us1.twilio.com" => conversations.interference(backend::about(&request.path).as_deref()),
        _ => Default::default(),
    };
    let conversations = conversations.clone();
    let answer = move || match interference.status {
        Some(status) => conversations.say(socket, frame::http_reply(&frame, &down(status))),
        None => conversations.answer(socket, &identity, &frame, &request),
    };
    if interference.delay.is_zero() {
        return answer();
    }
    tokio::spawn(async move {
        tokio::time::sleep(interference.delay).await;
        answer();
    });
}

async fn change(
    conversations: Conversations,
    socket: SocketId,
    mut waiting: mpsc::UnboundedReceiver<Wanted>,
) {
    while let Some((identity, frame, request, ask)) = waiting.recv().await {
        let interference = conversations.interference(backend::about(&request.path).as_deref());
        tokio::time::sleep(interference.delay).await;
        let answer = match interference.status {
            Some(status) => down(status),
            None => conversations.answer_ask(&identity, ask).await,
        };
        conversations.say(socket, frame::http_reply(&frame, &answer));
    }
}

fn down(status: u16) -> Answer {
    Answer::error(status, 20500, "A fault of the sandbox")
}
