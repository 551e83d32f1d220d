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

use self::frame::Frame;
use crate::state::FlexCloud;

pub(crate) fn router(cloud: FlexCloud) -> Router {
    Router::new().route("/v3/wsconnect", get(connect)).with_state(cloud)
}

async fn connect(State(cloud): State<FlexCloud>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| serve(cloud, socket))
}

async fn serve(cloud: FlexCloud, mut socket: WebSocket) {
    let (sender, mut outgoing) = mpsc::unbounded_channel();
    let id = cloud.twilsock_opened(sender);
    loop {
        tokio::select! {
            frame = outgoing.recv() => {
                let Some(frame) = frame else { break };
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
                    Some(frame) => cloud.twilsock_received(id, &frame),
                    None => break,
                }
            }
        }
    }
    cloud.twilsock_closed(id);
}
