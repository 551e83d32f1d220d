//! Status callbacks: which there are and what is in them. Delivery is somebody else's.
//!
//! Source of names and fields: <https://www.twilio.com/docs/video/api/status-callbacks>. Inferred: that a participant who
//! is reconnecting causes none.

use kernel::Timestamp;

use super::delivery::Callback;
use super::participant::Track;
use super::room::Room;
use crate::ids::ParticipantSid;
use sandbox_kit::clock::iso;

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    RoomCreated,
    RoomEnded,
    ParticipantConnected(ParticipantSid),
    ParticipantDisconnected(ParticipantSid),
    TrackAdded(ParticipantSid, Track),
    TrackRemoved(ParticipantSid, Track),
    TrackEnabled(ParticipantSid, Track),
    TrackDisabled(ParticipantSid, Track),
}

impl Happening {
    const fn name(&self) -> &'static str {
        match self {
            Self::RoomCreated => "room-created",
            Self::RoomEnded => "room-ended",
            Self::ParticipantConnected(_) => "participant-connected",
            Self::ParticipantDisconnected(_) => "participant-disconnected",
            Self::TrackAdded(..) => "track-added",
            Self::TrackRemoved(..) => "track-removed",
            Self::TrackEnabled(..) => "track-enabled",
            Self::TrackDisabled(..) => "track-disabled",
        }
    }
}

/// The callback of a room, if it has an address for them. `sequence` counts those of the room.
pub(crate) fn callback(
    account: &str,
    room: &Room,
    happening: &Happening,
    sequence: u64,
    now: Timestamp,
) -> Option<Callback> {
    let (url, method) = room.settings.callback.clone()?;
    let mut fields = vec![
        ("AccountSid", account.to_owned()),
        ("RoomSid", room.sid.to_string()),
        ("RoomName", room.name.clone()),
        ("RoomType", "group".into()),
        ("RoomStatus", room.status().into()),
        ("StatusCallbackEvent", happening.name().into()),
        ("Timestamp", iso(now)),
        ("SequenceNumber", sequence.to_string()),
    ];
    let (participant, track) = match happening {
        Happening::RoomCreated | Happening::RoomEnded => (None, None),
        Happening::ParticipantConnected(sid) | Happening::ParticipantDisconnected(sid) => (Some(sid), None),
        Happening::TrackAdded(sid, track)
        | Happening::TrackRemoved(sid, track)
        | Happening::TrackEnabled(sid, track)
        | Happening::TrackDisabled(sid, track) => (Some(sid), Some(track)),
    };
    let participant = participant.and_then(|sid| room.participant(sid));
    if let Some(participant) = participant {
        fields.push(("ParticipantSid", participant.sid.to_string()));
        fields.push(("ParticipantIdentity", participant.identity.clone()));
        fields.push(("ParticipantStatus", participant.status().into()));
    }
    if let Some(track) = track {
        fields.push(("TrackSid", track.sid.to_string()));
        fields.push(("TrackKind", track.kind.as_str().into()));
        fields.push(("TrackName", track.name.clone()));
    }
    match (happening, participant) {
        (Happening::RoomEnded, _) => {
            fields.push(("RoomDuration", (now.since(room.created) / 1000).to_string()));
        }
        (Happening::ParticipantDisconnected(_), Some(participant)) => {
            fields.push(("ParticipantDuration", (now.since(participant.started) / 1000).to_string()));
        }
        _ => {}
    }
    Some(Callback { url, method, fields })
}
