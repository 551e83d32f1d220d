//! What is said between the voice side and the rest of the sandbox: settings, events, faults, views, errors.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::{AccountSid, CallSid, Identity, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use twilio::ApiKey;

use sandbox_kit::clock::Clock;

/// Looks up who a Flex token belongs to.
pub type FlexTokens = Arc<dyn Fn(&Secret) -> Option<Identity> + Send + Sync>;

/// What the gateway must know of the account whose clients it serves.
#[derive(Clone)]
pub struct Config {
    /// The one account; AccessTokens of another are refused.
    pub account: AccountSid,
    /// The key that must have signed the AccessTokens.
    pub api_key: ApiKey,
    /// Who an opaque Flex token belongs to, if it is a good one: Flex UI's own client shows it instead of an
    /// AccessToken.
    pub flex_tokens: Option<FlexTokens>,
    /// Milliseconds between the gateway's heartbeats. The SDK gives up after 15 s without any message.
    pub heartbeat_ms: u64,
    /// One clock for everything in this process.
    pub clock: Clock,
}

impl Config {
    /// The usual configuration: AccessTokens only, heartbeats every 5 s, the clock starts now.
    #[must_use]
    pub fn new(account: AccountSid, api_key: ApiKey) -> Self {
        Self { account, api_key, flex_tokens: None, heartbeat_ms: 5_000, clock: Clock::start() }
    }
}

/// A call that a customer, or Flex on the customer's behalf, makes to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCall {
    /// The SID to use, when the caller has already decided it (as TaskRouter has); else a new one is made.
    pub sid: Option<CallSid>,
    /// Who is called. Every registered socket of this identity rings.
    pub to: Identity,
    /// What the agent sees as the caller: a number or a `client:` address.
    pub from: String,
    /// Custom parameters: `call.customParameters` in the Voice SDK.
    pub params: BTreeMap<String, String>,
    /// Milliseconds to ring before giving up.
    pub ring_ms: u64,
}

impl NewCall {
    /// A call with a new SID, no parameters, and 30 s to ring, which is the default of TwiML's `<Dial timeout>`.
    #[must_use]
    pub fn new(to: Identity, from: impl Into<String>) -> Self {
        Self { sid: None, to, from: from.into(), params: BTreeMap::new(), ring_ms: 30_000 }
    }
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The Voice SDK: hang-up or reject.
    Agent,
    /// The far end, or Flex on its behalf.
    Customer,
    /// The gateway itself, for the reason that goes with it.
    Gateway,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Hung up after an answer.
    Hangup,
    /// Refused by the agent while ringing.
    Rejected,
    /// Given up by the customer while ringing.
    Canceled,
    /// Nobody answered in time.
    NoAnswer,
    /// No socket of that identity was registered.
    NotRegistered,
    /// The agent's socket was lost and nobody came back for the call within its `reconnectTimeout`.
    SignallingLost,
    /// No media session could be made of the agent's SDP.
    MediaFailed,
    /// The switchboard ended everything.
    Reset,
}

/// Who hears whom on an answered call: what a conference does with its participants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The client and the far end hear each other.
    #[default]
    Talking,
    /// The far end hears music instead of the client, the client hears silence.
    Held,
    /// The far end's telephone rings: the client hears that, and nobody hears the client.
    Ringing,
    /// The client hears the far end, and nobody hears the client: a supervisor who listens.
    Listening,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// `invite` is out, nobody has answered.
    Ringing,
    /// The agent's offer has been answered.
    Answered,
    /// Over.
    Ended,
}

/// What happened, for logs and for the rest of the sandbox. Never contains a token or an SDP.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VoiceEvent {
    /// When, on the sandbox's clock.
    #[serde(skip)]
    pub at: Timestamp,
    #[serde(flatten)]
    pub kind: VoiceEventKind,
}

/// The kinds of [`VoiceEvent`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum VoiceEventKind {
    /// A signalling socket was opened.
    SocketOpened { socket: u64, origin: Option<String> },
    /// A signalling socket is gone, with the close code if the client sent one.
    SocketClosed { socket: u64, identity: Option<Identity>, code: Option<u16> },
    /// A new socket was refused because of a fault.
    SocketRefused,
    /// A token was accepted.
    Connected { socket: u64, identity: Identity, ttl: u64 },
    /// The gateway sent an `error`.
    ErrorSent { socket: u64, identity: Option<Identity>, code: u32 },
    /// The socket takes calls.
    Registered { socket: u64, identity: Identity },
    /// The socket no longer takes calls.
    Unregistered { socket: u64, identity: Identity },
    /// Something arrived that the protocol does not know.
    Unreadable { socket: u64, problem: String },
    /// `invite` has gone out to this many sockets.
    CallRinging { call_sid: CallSid, identity: Identity, from: String, sockets: usize },
    /// A client took the call and the gateway answered its SDP.
    CallAnswered { call_sid: CallSid, identity: Identity, socket: u64 },
    /// The first RTP packet from the agent arrived, this long after `invite` was sent.
    FirstAgentPacket { call_sid: CallSid, answer_ms: f64 },
    /// The socket that holds the call is gone; the call is kept for this long.
    CallSocketLost { call_sid: CallSid, keep_ms: u64 },
    /// A socket came back for the call.
    CallReattached { call_sid: CallSid, socket: u64 },
    /// The client restarted ICE.
    CallRenegotiated { call_sid: CallSid },
    /// The call is over.
    CallEnded { call_sid: CallSid, identity: Identity, by: EndedBy, reason: EndReason },
    /// ICE changed its state.
    Ice { call_sid: CallSid, state: String },
    /// The agent's peer connection was closed.
    PeerClosed { call_sid: CallSid },
    /// The customer heard a key that the agent pressed (RFC 4733).
    DtmfHeard { call_sid: CallSid, digit: char },
    /// The agent's client sent keys over signalling, because RTP could not carry them.
    DtmfSignalled { call_sid: CallSid, digits: String },
    /// The agent's client sent a message on the call.
    MessageReceived { call_sid: CallSid, content_type: String, bytes: usize },
    /// A fault began.
    FaultBegan { id: u64, fault: VoiceFault },
    /// A fault is over.
    FaultEnded { id: u64 },
}

impl VoiceEventKind {
    /// The call that the event is about, if it is about one.
    #[must_use]
    pub fn call_sid(&self) -> Option<&CallSid> {
        match self {
            Self::CallRinging { call_sid, .. }
            | Self::CallAnswered { call_sid, .. }
            | Self::FirstAgentPacket { call_sid, .. }
            | Self::CallSocketLost { call_sid, .. }
            | Self::CallReattached { call_sid, .. }
            | Self::CallRenegotiated { call_sid }
            | Self::CallEnded { call_sid, .. }
            | Self::Ice { call_sid, .. }
            | Self::PeerClosed { call_sid }
            | Self::DtmfHeard { call_sid, .. }
            | Self::DtmfSignalled { call_sid, .. }
            | Self::MessageReceived { call_sid, .. } => Some(call_sid),
            Self::SocketOpened { .. }
            | Self::SocketClosed { .. }
            | Self::SocketRefused
            | Self::Connected { .. }
            | Self::ErrorSent { .. }
            | Self::Registered { .. }
            | Self::Unregistered { .. }
            | Self::Unreadable { .. }
            | Self::FaultBegan { .. }
            | Self::FaultEnded { .. } => None,
        }
    }
}

/// The direction in which packets get lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossDirection {
    /// Both.
    Both,
    /// What the customer sends.
    ToAgent,
    /// What the agent sends.
    FromAgent,
}

/// Something that goes wrong on purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum VoiceFault {
    /// Cuts the TCP connections now, without a close frame (the client sees 1006).
    SignallingDrop {
        /// Only this identity's sockets; all if absent.
        #[serde(default)]
        identity: Option<Identity>,
    },
    /// Sockets that are open now pass no byte in either direction. What was held back arrives, in order, when the
    /// fault ends.
    SignallingFreeze {
        /// Only this identity's sockets; all if absent.
        #[serde(default)]
        identity: Option<Identity>,
        /// Also whatever is opened while it lasts: accepted, and then not a word.
        #[serde(default)]
        new_sockets: bool,
        /// For how long; until the fault is cleared if absent.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// The gateway forgets the registrations of the sockets that are open now and does not answer their `register`:
    /// half-dead, because heartbeats go on and calls go nowhere. A new socket registers as ever.
    RegistrationForgotten {
        /// Only this identity's sockets; all if absent.
        #[serde(default)]
        identity: Option<Identity>,
        /// For how long; until the fault is cleared if absent.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// The next claim of a call (`invite` with a reconnect token) is refused by a `hangup` with an error.
    ClaimRefused {
        /// Twilio's error code, for example 31404.
        code: u32,
        /// Text that goes with it.
        #[serde(default)]
        message: String,
    },
    /// New sockets get HTTP 503.
    SignallingRefuse {
        /// For how long; until the fault is cleared if absent.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// Sends an `error`, now.
    GatewayError {
        /// Only this identity's sockets; all if absent.
        #[serde(default)]
        identity: Option<Identity>,
        /// Twilio's error code, for example 31206.
        code: u32,
        /// Text that goes with it.
        #[serde(default)]
        message: String,
        /// Then tell the client to close and not to reconnect.
        #[serde(default)]
        close: bool,
    },
    /// Loses media packets.
    MediaLoss {
        /// Only this call; every call if absent.
        #[serde(default)]
        call_sid: Option<CallSid>,
        /// Whose packets.
        direction: LossDirection,
        /// How many of a hundred, 0 to 100.
        percent: u8,
        /// For how long; until the fault is cleared if absent.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// The next `connected` says this time to live, and the gateway means it.
    TokenTtl { seconds: u64 },
    /// The gateway treats the tokens of open sockets as expired: it says so now, and refuses to register until a new
    /// token is shown.
    TokenExpired {
        /// Only this identity's sockets; all if absent.
        #[serde(default)]
        identity: Option<Identity>,
    },
}

/// One signalling socket.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SocketView {
    /// Its number, counted from 1.
    pub socket: u64,
    /// Whose it is, once a token was accepted.
    pub identity: Option<Identity>,
    /// True if it takes calls.
    pub registered: bool,
    /// The page or extension that opened it.
    pub origin: Option<String>,
    /// Milliseconds since the start of the sandbox.
    pub opened_ms: u64,
    /// True while a fault holds its bytes back.
    pub frozen: bool,
}

/// What came from the agent, counted packet by packet as it reached the customer's socket.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AgentToCustomer {
    /// Distinct RTP packets, telephone events included.
    pub packets: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Packets that came after a later one.
    pub out_of_order: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// The longest time without a packet, milliseconds. Counts the silence up to now, or up to the end of the call.
    pub max_gap_ms: f64,
    /// Payload bytes.
    pub bytes: u64,
    /// Root mean square of the last second that the customer heard, 0 to 32767.
    pub rms: f64,
    /// The loudest frequency of the last second, if it is not silent.
    pub tone_hz: Option<f64>,
    /// When the silence began that lasts up to the newest packet, milliseconds since the start of the sandbox.
    pub quiet_since_ms: Option<f64>,
}

/// What went to the agent, and what the agent's RTCP receiver reports say of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CustomerToAgent {
    /// RTP packets sent.
    pub packets: u64,
    /// Cumulative number lost, from the newest report.
    pub lost: i64,
    /// The longest time between two packets sent, milliseconds.
    pub max_gap_ms: f64,
    /// Reports received.
    pub rtcp_reports: u64,
    /// Interarrival jitter of the newest report, milliseconds.
    pub rtcp_jitter_ms: f64,
    /// The largest fraction lost in any report, 0 to 1.
    pub rtcp_fraction_lost_max: f64,
}

/// One call with its measurements. Times are milliseconds since the start of the sandbox.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CallView {
    pub call_sid: CallSid,
    /// Where it stands.
    pub state: CallState,
    /// The client called, or the client that calls.
    pub identity: Identity,
    /// The caller as the agent sees it.
    pub from: String,
    /// When the call was asked for.
    pub created_ms: u64,
    /// When `invite` was sent.
    pub invite_ms: Option<f64>,
    /// When the answer to the client's SDP was sent.
    pub answer_sdp_ms: Option<f64>,
    /// When the first RTP packet came from the agent.
    pub first_agent_rtp_ms: Option<f64>,
    /// From `invite` to the first RTP packet from the agent.
    pub answer_ms: Option<f64>,
    pub ended_ms: Option<u64>,
    pub ended_by: Option<EndedBy>,
    pub end_reason: Option<EndReason>,
    /// The socket that holds it.
    pub socket: Option<u64>,
    /// What came from the agent.
    pub agent_to_customer: AgentToCustomer,
    /// What went to the agent.
    pub customer_to_agent: CustomerToAgent,
    /// Keys heard from the agent so far; none is heard while the agent is not.
    pub dtmf: String,
    /// ICE state in words: `new`, `checking`, `connected`, `completed`, `disconnected`.
    pub ice: String,
    /// The codec of the agent's newest audio packet.
    pub codec: Option<String>,
    /// The address that the agent's packets come from.
    pub peer: Option<String>,
    /// True while a recording runs.
    pub recording: bool,
    /// Who hears whom.
    pub line: Line,
}

/// Figures of one direction in one window.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WindowFigures {
    /// Packets in the window.
    pub packets: u64,
    /// Packets lost in it.
    pub lost: i64,
    /// The longest time without a packet that touches it, milliseconds.
    pub max_gap_ms: f64,
}

/// A named stretch of a call, or everything outside such stretches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowView {
    /// The name given; `outside` for the rest.
    pub name: String,
    /// Milliseconds since the start of the sandbox.
    pub start_ms: Option<f64>,
    /// The end; absent while the window is open.
    pub end_ms: Option<f64>,
    /// What came from the agent.
    pub agent_to_customer: WindowFigures,
    /// What went to the agent. `lost` is the growth of the agent's cumulative count between the reports around the window.
    pub customer_to_agent: WindowFigures,
}

/// All windows of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowsView {
    /// In the order they were opened.
    pub windows: Vec<WindowView>,
    /// What no window covers.
    pub outside: WindowView,
}

/// A fault that has not ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActiveFault {
    /// The number it was given.
    pub id: u64,
    /// What it is.
    #[serde(flatten)]
    pub fault: VoiceFault,
}

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VoiceView {
    /// Open sockets.
    pub sockets: Vec<SocketView>,
    /// Calls, oldest first.
    pub calls: Vec<CallView>,
    /// Faults that have not ended.
    pub faults: Vec<ActiveFault>,
}

/// Why a request to [`Voice`](super::handle::Voice) was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoiceError {
    /// There is no such call.
    #[error("no such call")]
    NoSuchCall,
    /// The call is over.
    #[error("the call is over")]
    CallOver,
    /// The call has no media yet.
    #[error("the call has not been answered")]
    NotAnswered,
    /// A call with that SID exists.
    #[error("a call with that SID exists")]
    DuplicateSid,
    /// A window with that name is open, or none is to be closed.
    #[error("no such window, or it is open already")]
    Window,
    /// Nothing was recorded.
    #[error("nothing was recorded")]
    NoRecording,
    /// The gateway has stopped.
    #[error("the gateway has stopped")]
    Stopped,
}
