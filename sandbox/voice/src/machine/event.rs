//! What happens to the gateway, what it has done, and what it says of itself.

use kernel::{CallSid, DtmfDigits, Identity, Timestamp};

use crate::api::types::{
    CallState, EndReason, EndedBy, Line, NewCall, VoiceError, VoiceEventKind, VoiceFault,
};
use crate::wire::ServerMessage;

/// The number of a socket, counted from 1 and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// What happens to the gateway.
#[derive(Clone, Debug)]
pub enum Event {
    /// A socket was opened.
    SocketOpened {
        /// Its number, never used before.
        socket: SocketId,
        /// The `Origin` header.
        origin: Option<String>,
    },
    /// A text frame arrived.
    Received {
        /// On this socket.
        socket: SocketId,
        text: String,
    },
    /// A socket is gone.
    SocketClosed {
        socket: SocketId,
        /// The client's close code, if it sent one.
        code: Option<u16>,
    },
    /// The media session made an offer for `invite`.
    MediaOffered {
        call_sid: CallSid,
        /// The offer, or why there is none.
        sdp: Result<String, String>,
    },
    /// The media session answered an offer of the client's, or took its answer (then the text is empty).
    MediaAnswered {
        call_sid: CallSid,
        /// The number of the order.
        ticket: u64,
        /// The answer, or why there is none.
        sdp: Result<String, String>,
    },
    /// A customer calls. The reply is [`Command::Called`], or [`Command::Refuse`] with [`VoiceError::DuplicateSid`].
    Call(NewCall),
    /// The customer hangs up or gives up. Refused if there is no such call or it is over.
    HangUp(CallSid),
    /// The customer presses keys. Refused if there is no such call, it is over, or not answered.
    Dtmf(CallSid, DtmfDigits),
    /// Who hears whom changes, also before there is media. Refused if there is no such call or it is over.
    Line(CallSid, Line),
    /// A fault begins, in place of one with the same number.
    FaultBegins {
        /// The number that it is ended by.
        id: u64,
        /// What goes wrong.
        fault: VoiceFault,
    },
    /// A fault is ended before its time.
    FaultEnds(u64),
    /// Every call and fault is ended, and ended calls are forgotten.
    Reset,
}

/// What the shell has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Send a message.
    Send(SocketId, ServerMessage),
    /// Send a heartbeat.
    Heartbeat(SocketId),
    /// Cut the connection without a close frame.
    Abort(SocketId),
    /// Tell everybody who listens.
    Emit(VoiceEventKind),
    /// Do something with the call's media.
    Media(CallSid, MediaOrder),
    /// The call that was asked for is made, under this SID.
    Called(CallSid),
    /// What was asked for cannot be done, and nothing has changed.
    Refuse(VoiceError),
}

/// What the media session of a call shall do.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaOrder {
    /// Begin, and make an offer; the reply is [`Event::MediaOffered`].
    Offer,
    /// Take the client's answer to the offer; the reply is [`Event::MediaAnswered`].
    TakeAnswer {
        /// The number to repeat in the reply.
        ticket: u64,
        /// The client's SDP.
        sdp: String,
    },
    /// Answer the client's offer, beginning first if need be; the reply is [`Event::MediaAnswered`].
    TakeOffer {
        /// The number to repeat in the reply.
        ticket: u64,
        /// The client's SDP.
        sdp: String,
    },
    /// Lose this many of a hundred packets.
    Loss {
        /// Of those that the customer sends.
        to_agent: u8,
        /// Of those that the agent sends.
        from_agent: u8,
    },
    /// Send keys to the agent.
    Dtmf(DtmfDigits),
    /// Change who hears whom.
    Line(Line),
    /// End.
    Stop,
}

/// What the machine knows of a call, for views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFacts {
    pub call_sid: CallSid,
    /// Where it stands.
    pub state: CallState,
    pub identity: Identity,
    pub from: String,
    /// When it was asked for.
    pub created: Timestamp,
    /// When, by whom and why it ended.
    pub ended: Option<(Timestamp, EndedBy, EndReason)>,
    /// The socket that holds it.
    pub socket: Option<SocketId>,
    /// Who hears whom.
    pub line: Line,
}

/// What the machine knows of a socket, for views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketFacts {
    pub socket: SocketId,
    /// Whose it is.
    pub identity: Option<Identity>,
    /// Takes calls.
    pub registered: bool,
    /// Who opened it.
    pub origin: Option<String>,
    pub opened: Timestamp,
    /// Held back by a fault.
    pub frozen: bool,
}
