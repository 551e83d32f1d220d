//! What happens to the machine, and what it wants done.

use serde_json::Value;

use super::delivery::Callback;
use super::fault::VideoFault;
use super::request::Request;
use crate::ids::{ParticipantSid, RoomSid};
use crate::media::order::{MediaNews, Order};
use crate::problem::Problem;
use crate::wire::ServerFrame;

/// One signalling socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketId(pub u64);

/// What may happen.
#[derive(Debug)]
pub enum Event {
    /// A socket was opened.
    SocketOpened(SocketId),
    /// A text came over it.
    Received(SocketId, String),
    /// It is closed.
    SocketClosed(SocketId),
    /// A room's media server has something to tell.
    Media(RoomSid, MediaNews),
    /// Something is asked for by REST. The answer is among the commands.
    Rest(Request),
    /// A fault begins.
    FaultBegins {
        /// By which it is ended.
        id: u64,
        /// What goes wrong.
        fault: VideoFault,
    },
    /// A fault ends, if it has not ended yet.
    FaultEnds(u64),
    /// Whether clients may make rooms by joining them.
    AdHoc(bool),
    /// All rooms end, all faults are over.
    Reset,
}

/// What may be wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Sends a frame.
    Send(SocketId, ServerFrame),
    /// Closes a socket in the regular way, after what was sent.
    Close(SocketId),
    /// Cuts a socket, without a word.
    Abort(SocketId),
    /// An order to a room's media server, which begins with the first.
    Media(RoomSid, Order),
    /// A room's media server ends.
    MediaEnds(RoomSid),
    /// The answer to [`Event::Rest`].
    Answer(Answer),
    /// A status callback.
    Callback(Callback),
    /// For the log.
    Emit(VideoEvent),
}

/// The answer to a request: a status and JSON, or a problem.
pub type Answer = Result<(u16, Value), Problem>;

/// What is told to the log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum VideoEvent {
    /// A room is there.
    RoomCreated {
        /// The room.
        room: RoomSid,
        /// Its name.
        name: String,
    },
    /// A room is over.
    RoomEnded {
        /// The room.
        room: RoomSid,
    },
    /// Somebody is in a room.
    ParticipantConnected {
        /// The room.
        room: RoomSid,
        /// The stay.
        participant: ParticipantSid,
        /// Who.
        identity: String,
    },
    /// Somebody's socket was lost, or is back.
    ParticipantReconnecting {
        /// The room.
        room: RoomSid,
        /// The stay.
        participant: ParticipantSid,
        /// True once the socket is back.
        back: bool,
    },
    /// Somebody is gone.
    ParticipantDisconnected {
        /// The room.
        room: RoomSid,
        /// The stay.
        participant: ParticipantSid,
        /// The code that they were told, if it was an error.
        code: Option<u32>,
    },
    /// Joining was refused.
    Refused {
        /// Why.
        code: u32,
    },
    /// ICE of a participant changed its state.
    Ice {
        /// The stay.
        participant: ParticipantSid,
        /// In words.
        state: String,
    },
    /// A fault began.
    FaultBegan {
        /// Its number.
        id: u64,
        /// What goes wrong.
        fault: VideoFault,
    },
    /// A fault is over.
    FaultEnded {
        /// Its number.
        id: u64,
    },
}
