//! What goes over the signalling socket, one JSON text per message: frames (TCMP 2) that carry messages (RSP 2).
//!
//! Read in `twilio-video` 2.36.0 (`lib/twilioconnection.js`, `lib/signaling/v2`), and seen with the unmodified SDK.

use std::collections::BTreeMap;

use kernel::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{ParticipantSid, RoomSid, TrackSid};
use crate::problem::Problem;

/// How long a socket lives without a message, at most, in frames' own words: three of these.
pub const HEARTBEAT_MS: u64 = 5_000;

/// A frame from the SDK.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// The first on a socket, said again until it is answered; it carries the first message.
    Hello {
        /// Milliseconds.
        timeout: Option<u64>,
        /// The first message.
        body: Option<ClientMessage>,
    },
    /// A message.
    Msg {
        /// The message.
        body: ClientMessage,
    },
    /// Nothing but a sign of life.
    Heartbeat,
    /// The last; the socket is closed by whoever hears it.
    Bye,
    /// What nobody knows is passed over.
    #[serde(other)]
    Unknown,
}

/// A message from the SDK.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Asks for ICE servers, before joining.
    Ice {
        /// The access token.
        #[serde(default = "no_token")]
        token: Secret,
    },
    /// Joins.
    Connect(Box<Connect>),
    /// Comes back over a new socket.
    Sync(Box<Sync>),
    /// Tracks or descriptions changed.
    Update {
        /// All own tracks.
        participant: Option<LocalParticipant>,
        /// What changed of the peer connection.
        #[serde(default)]
        peer_connections: Vec<PeerConnection>,
    },
    /// Leaves.
    Disconnect,
    /// What nobody knows is passed over.
    #[serde(other)]
    Unknown,
}

fn no_token() -> Secret {
    Secret::new("")
}

/// Joins a room.
#[derive(Debug, Deserialize)]
pub struct Connect {
    /// The room, by name or SID; without one, the token's.
    pub name: Option<String>,
    /// The access token.
    #[serde(default = "no_token")]
    pub token: Secret,
    /// The own tracks.
    #[serde(default)]
    pub participant: LocalParticipant,
    /// The first offer.
    #[serde(default)]
    pub peer_connections: Vec<PeerConnection>,
    /// Data channels that the SDK would speak over, by what they are for.
    #[serde(default)]
    pub media_signaling: BTreeMap<String, Value>,
}

/// Comes back.
#[derive(Debug, Deserialize)]
pub struct Sync {
    /// Whose session it is.
    pub session: String,
    /// The access token, again.
    #[serde(default = "no_token")]
    pub token: Secret,
    /// The own tracks.
    pub participant: Option<LocalParticipant>,
    /// The SDK's newest description.
    #[serde(default)]
    pub peer_connections: Vec<PeerConnection>,
}

/// The SDK's own participant.
#[derive(Debug, Default, Deserialize)]
pub struct LocalParticipant {
    /// All own tracks: who is missing is published no more.
    #[serde(default)]
    pub tracks: Vec<LocalTrack>,
}

/// A track that the SDK publishes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LocalTrack {
    /// The name in the SDP, and the label of a data channel.
    pub id: String,
    /// Sound, picture, or data.
    pub kind: TrackKind,
    /// The application's name for it.
    #[serde(default)]
    pub name: String,
    /// False while it is muted.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// `low`, `standard` or `high`.
    #[serde(default = "standard")]
    pub priority: String,
}

fn yes() -> bool {
    true
}

fn standard() -> String {
    "standard".into()
}

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// A picture.
    Video,
    /// Messages.
    Data,
}

impl TrackKind {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Data => "data",
        }
    }
}

/// A peer connection: its name, and what is new of it. Candidates are not read: a server that is ICE-lite needs none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerConnection {
    /// The SDK's name for it.
    pub id: String,
    /// The newest description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
}

/// One half of an exchange of descriptions.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Which half.
    #[serde(rename = "type")]
    pub kind: DescriptionKind,
    /// Counts the offers of both sides; an answer has its offer's.
    #[serde(default)]
    pub revision: u64,
    /// The description, unless it only closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp: Option<String>,
}

impl std::fmt::Debug for Description {
    /// Without the SDP, which is long and holds the keys of ICE.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.kind, self.revision)
    }
}

/// Which half of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DescriptionKind {
    /// The first half.
    Offer,
    /// The second.
    Answer,
    /// A second half that is not the last; the SDK never sends one.
    Pranswer,
    /// Asks the other side to offer; the SDK never sends one.
    CreateOffer,
    /// The peer connection is over.
    Close,
}

/// A message to the SDK.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The ICE servers. None: here the server's own candidate is enough.
    Iced {
        /// Of this message.
        version: u8,
        /// Always empty.
        ice_servers: [Value; 0],
    },
    /// Joined.
    Connected(Box<State>),
    /// Back.
    Synced(Box<State>),
    /// Something changed.
    Update(Box<Update>),
    /// It ends, or joining failed.
    Error {
        /// Of the protocol.
        version: u8,
        /// Twilio's number.
        code: u32,
        /// Twilio's words.
        message: String,
    },
    /// It ends without an error, or because the room is over.
    Disconnected {
        /// Of the protocol.
        version: u8,
        /// Why.
        status: Ended,
    },
}

impl ServerMessage {
    /// An error.
    #[must_use]
    pub fn error(problem: Problem) -> Self {
        Self::Error { version: 2, code: problem.code, message: problem.message.into() }
    }

    /// The end.
    #[must_use]
    pub const fn disconnected(status: Ended) -> Self {
        Self::Disconnected { version: 2, status }
    }
}

/// Why a session ends without an error. The SDK knows `completed` alone.
///
/// Inferred: which word Twilio sends for another end than the room's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The room is over: 53118.
    Completed,
    /// The participant left, or was removed.
    Disconnected,
}

/// A frame to the SDK.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type")]
pub enum ServerFrame {
    /// Answers a hello.
    #[serde(rename = "welcome", rename_all = "camelCase")]
    Welcome {
        /// Milliseconds.
        negotiated_timeout: u64,
    },
    /// Carries a message.
    #[serde(rename = "msg")]
    Msg {
        /// The message.
        body: ServerMessage,
    },
    /// A sign of life.
    #[serde(rename = "heartbeat")]
    Heartbeat,
    /// The last.
    #[serde(rename = "bye")]
    Bye,
}

impl ServerFrame {
    /// As it goes onto the wire.
    #[must_use]
    pub fn to_text(&self) -> String {
        // No map with other keys than strings, no float: JSON cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// All that somebody in a room must know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct State {
    /// Of the protocol.
    pub version: u8,
    /// By which they come back.
    pub session: String,
    /// The room.
    pub sid: RoomSid,
    /// Its name.
    pub name: String,
    /// They themselves.
    pub participant: Myself,
    /// The others.
    pub participants: Vec<RemoteParticipant>,
    /// Their own tracks.
    pub published: Published,
    /// The tracks that they get.
    pub subscribed: Subscribed,
    /// Their peer connection.
    pub peer_connections: Vec<PeerConnection>,
    /// Whether the room is recorded.
    pub recording: Recording,
    /// The data channels that the server speaks over.
    pub media_signaling: BTreeMap<String, Channel>,
    /// Times and places.
    pub options: Options,
}

/// What changed; everything else is as it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Update {
    /// Of the protocol.
    pub version: u8,
    /// The others who changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participants: Option<Vec<RemoteParticipant>>,
    /// Own tracks, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// Subscribed tracks, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribed: Option<Subscribed>,
    /// The server's description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_connections: Option<Vec<PeerConnection>>,
    /// Whether the room is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
}

/// A participant as they see themselves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Myself {
    /// The stay.
    pub sid: ParticipantSid,
    /// Who.
    pub identity: String,
    /// Always connected, when they hear it.
    pub state: ParticipantState,
    /// Grows.
    pub revision: u64,
}

/// A participant as others see them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RemoteParticipant {
    /// The stay.
    pub sid: ParticipantSid,
    /// Who.
    pub identity: String,
    /// There, coming back, or gone.
    pub state: ParticipantState,
    /// Grows; an older one is not read.
    pub revision: u64,
    /// All their tracks.
    pub tracks: Vec<RemoteTrack>,
}

/// Whether a participant is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ParticipantState {
    /// There.
    Connected,
    /// The socket is lost, and they may come back.
    Reconnecting,
    /// Gone.
    Disconnected,
}

/// A track as others see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RemoteTrack {
    /// The track.
    pub sid: TrackSid,
    /// What it carries.
    pub kind: TrackKind,
    /// The publisher's name for it.
    pub name: String,
    /// False while it is muted.
    pub enabled: bool,
    /// The publisher's priority.
    pub priority: String,
    /// Always ready.
    pub state: TrackState,
}

/// Whether a track can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackState {
    /// It can.
    Ready,
    /// It was refused.
    Failed,
}

/// The own tracks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Published {
    /// Grows.
    pub revision: u64,
    /// All.
    pub tracks: Vec<PublishedTrack>,
}

/// An own track, with the SID that it was given, or why it was given none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PublishedTrack {
    /// The name in the SDP.
    pub id: String,
    /// Whether it was taken.
    pub state: TrackState,
    /// The SID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<TrackSid>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<TrackError>,
}

/// Why a track was refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrackError {
    /// Twilio's number.
    pub code: u32,
    /// Twilio's words.
    pub message: String,
}

/// The tracks of others that somebody gets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Subscribed {
    /// Grows.
    pub revision: u64,
    /// All.
    pub tracks: Vec<SubscribedTrack>,
}

/// A track of another, and its name in the SDP.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubscribedTrack {
    /// The track.
    pub sid: TrackSid,
    /// The second word of `a=msid`, or the channel's label.
    pub id: String,
    /// Always ready.
    pub state: TrackState,
}

/// Whether a room is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Recording {
    /// Whether it could be.
    pub enabled: bool,
    /// Whether it is.
    pub is_recording: bool,
    /// Grows.
    pub revision: u64,
}

/// A data channel that the server opens.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Channel {
    /// Where it is.
    pub transport: Transport,
}

/// Where a channel of media signalling is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transport {
    /// Always a data channel.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its label.
    pub label: String,
}

/// Times and places.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Options {
    /// Seconds that a lost session lives on.
    pub session_timeout: u64,
    /// Where signalling is.
    pub signaling_region: &'static str,
    /// Where the media server is.
    pub media_region: String,
    /// None.
    pub audio_processors: [&'static str; 0],
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sdks_frames_are_read_and_unknown_ones_passed_over() {
        let read = |value: Value| serde_json::from_value::<ClientFrame>(value);
        let hello = json!({"type": "hello", "id": "1", "timeout": 5000, "version": 2,
            "body": {"type": "ice", "version": 1, "edge": "roaming", "token": "t"}});
        let ClientFrame::Hello { timeout, body: Some(ClientMessage::Ice { token }) } = read(hello).unwrap()
        else {
            panic!("not a hello")
        };
        assert_eq!((timeout, token.expose()), (Some(5000), "t"));
        assert!(matches!(read(json!({"type": "heartbeat"})).unwrap(), ClientFrame::Heartbeat));
        assert!(matches!(read(json!({"type": "news"})).unwrap(), ClientFrame::Unknown));
        let later = json!({"type": "msg", "body": {"type": "something", "new": true}});
        assert!(matches!(read(later).unwrap(), ClientFrame::Msg { body: ClientMessage::Unknown }));
        let update = json!({"type": "msg", "body": {"type": "update", "version": 2, "session": "s",
            "participant": {"revision": 3, "tracks": [{"id": "a", "kind": "audio", "name": "n", "enabled": false,
                "priority": "standard"}]},
            "peer_connections": [{"id": "p", "ice": {"candidates": [], "complete": true, "revision": 1, "ufrag": "u"}}]}});
        let ClientFrame::Msg { body: ClientMessage::Update { participant, peer_connections } } =
            read(update).unwrap()
        else {
            panic!("not an update")
        };
        assert!(!participant.unwrap().tracks[0].enabled);
        assert_eq!(peer_connections, [PeerConnection { id: "p".into(), description: None }]);
    }

    #[test]
    fn frames_are_written_as_the_sdk_reads_them() {
        let text = |frame: ServerFrame| serde_json::from_str::<Value>(&frame.to_text()).unwrap();
        assert_eq!(
            text(ServerFrame::Welcome { negotiated_timeout: 5000 }),
            json!({"type": "welcome", "negotiatedTimeout": 5000})
        );
        let error = ServerFrame::Msg { body: ServerMessage::error(Problem::TOKEN_EXPIRED) };
        assert_eq!(
            text(error)["body"],
            json!({"type": "error", "version": 2, "code": 20104, "message": Problem::TOKEN_EXPIRED.message})
        );
        let update = Update { version: 2, ..Update::default() };
        assert_eq!(
            text(ServerFrame::Msg { body: ServerMessage::Update(Box::new(update)) })["body"],
            json!({"type": "update", "version": 2})
        );
        let answer = Description { kind: DescriptionKind::CreateOffer, revision: 2, sdp: None };
        assert_eq!(json!(answer), json!({"type": "create-offer", "revision": 2}));
    }
}
