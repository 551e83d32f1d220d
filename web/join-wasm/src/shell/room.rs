//! What the SDK says of a room, in the machine's words.

use video_sdk::{Kind, LocalTrack, Other, RoomEvent as Said};

use crate::machine::{
    command::TrackName,
    event::{RemoteKind, RemotePerson, RemoteTrack, RoomEvent},
    track::TrackId,
};

/// The data track by which our pages talk to each other.
pub(super) const DATA_TRACK: &str = "holdfast";

/// Said over it before leaving by hand.
pub(super) const BYE: &str = r#"{"bye":true}"#;

/// Somebody else, with what we receive of them.
pub(super) fn person(other: &Other) -> RemotePerson {
    RemotePerson {
        sid: other.participant.sid.clone(),
        identity: other.participant.identity.clone(),
        tracks: other.tracks.iter().filter_map(track).collect(),
        reconnecting: other.reconnecting,
    }
}

/// A track that is seen or heard.
pub(super) fn track(track: &video_sdk::RemoteTrack) -> Option<RemoteTrack> {
    let kind = match track.kind() {
        Kind::Audio => RemoteKind::Sound,
        Kind::Video if track.name() == TrackName::Screen.as_str() => RemoteKind::Screen,
        Kind::Video => RemoteKind::Camera,
        Kind::Data => return None,
    };
    Some(RemoteTrack { sid: track.sid(), kind, enabled: track.is_enabled() })
}

/// What happened; `None` for what the machine does not ask about.
pub(super) fn event(said: &Said, id_of: impl Fn(&LocalTrack) -> Option<TrackId>) -> Option<RoomEvent> {
    Some(match said {
        Said::ParticipantConnected(other) => RoomEvent::Came(person(other)),
        Said::ParticipantDisconnected(who) => RoomEvent::Went(who.sid.clone()),
        Said::ParticipantReconnecting(who) => RoomEvent::Lost(who.sid.clone()),
        Said::ParticipantReconnected(who) => RoomEvent::Back(who.sid.clone()),
        Said::TrackSubscribed(theirs, who) => RoomEvent::Received(who.sid.clone(), track(theirs)?),
        Said::TrackUnsubscribed(theirs, _) => RoomEvent::Dropped(track(theirs)?.sid),
        Said::TrackEnabled { sid, enabled, .. } => RoomEvent::Enabled(sid.clone(), *enabled),
        Said::TrackMessage { track, text, participant } if track == DATA_TRACK && text == BYE => {
            RoomEvent::Bye(participant.sid.clone())
        }
        Said::TrackMessage { .. } => return None,
        Said::DominantSpeaker(who) => RoomEvent::Speaks(who.as_ref().map(|who| who.sid.clone())),
        Said::NetworkQuality(who, level) => {
            RoomEvent::Quality(who.as_ref().map(|who| who.sid.clone()), *level)
        }
        Said::Reconnecting(error) => RoomEvent::Reconnecting(error.code),
        Said::Reconnected => RoomEvent::Reconnected,
        Said::Disconnected(error) => RoomEvent::Disconnected(error.as_ref().and_then(|error| error.code)),
        Said::RecordingStarted => RoomEvent::Recording(true),
        Said::RecordingStopped => RoomEvent::Recording(false),
        Said::PublicationFailed(_, track) => RoomEvent::NotPublished(id_of(track)?),
    })
}
