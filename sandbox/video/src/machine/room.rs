//! A room: who is in it, and what each of them is told.

use std::collections::BTreeMap;

use kernel::Timestamp;

use super::participant::Participant;
use super::rules::Rules;
use super::settings::Settings;
use crate::ids::{ParticipantSid, RoomSid};
use crate::media::order::{Plan, PlannedPeer, PlannedTrack};
use crate::wire::{
    Channel, Options, PeerConnection, Recording, ServerMessage, State, Subscribed, SubscribedTrack,
    TrackKind, TrackState, Transport, Update,
};

/// Seconds that a session lives on without its socket. Source: seen at Twilio, 30 to 45.
pub(crate) const SESSION_TIMEOUT_S: u64 = 30;

/// Who made a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Rest,
    /// A client, by joining: it ends with its last participant.
    AdHoc,
}

#[derive(Debug)]
pub(crate) struct Room {
    pub sid: RoomSid,
    pub name: String,
    pub origin: Origin,
    pub settings: Settings,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub ended: Option<Timestamp>,
    /// Everybody who was ever here, in the order in which they came.
    pub participants: Vec<Participant>,
    pub recording_rules: Rules,
    pub recording_rules_updated: Timestamp,
    /// What the media server was told last.
    pub plan: Plan,
    /// What everybody was told of recording.
    pub recording: Recording,
    /// How many callbacks there were.
    pub callbacks: u64,
}

impl Room {
    pub fn new(sid: RoomSid, name: String, origin: Origin, settings: Settings, now: Timestamp) -> Self {
        let recording_rules =
            if settings.record_participants_on_connect { Rules::everything() } else { Rules::nothing() };
        Self {
            sid,
            name,
            origin,
            settings,
            created: now,
            updated: now,
            ended: None,
            participants: Vec::new(),
            recording_rules,
            recording_rules_updated: now,
            plan: Plan::default(),
            recording: Recording { enabled: true, is_recording: false, revision: 1 },
            callbacks: 0,
        }
    }

    pub fn is_in_progress(&self) -> bool {
        self.ended.is_none()
    }

    /// As REST and callbacks call it.
    pub fn status(&self) -> &'static str {
        if self.is_in_progress() { "in-progress" } else { "completed" }
    }

    pub fn participant(&self, sid: &ParticipantSid) -> Option<&Participant> {
        self.participants.iter().find(|participant| participant.sid == *sid)
    }

    pub fn participant_mut(&mut self, sid: &ParticipantSid) -> Option<&mut Participant> {
        self.participants.iter_mut().find(|participant| participant.sid == *sid)
    }

    /// Those who take a place.
    pub fn there(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter().filter(|participant| participant.is_there())
    }

    /// Those whom everybody sees.
    pub fn present(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter().filter(|participant| participant.is_present())
    }

    /// Whether any track that is published is recorded.
    pub fn is_recorded(&self) -> bool {
        self.present().any(|participant| {
            participant.shared_tracks().any(|track| {
                track.kind != TrackKind::Data && self.recording_rules.include(participant.subject(track))
            })
        })
    }

    /// What the media server has to do.
    pub fn planned(&self) -> Plan {
        let peers = self.there().map(|participant| {
            let publishes = participant.shared_tracks().map(|track| PlannedTrack {
                id: track.id.clone(),
                sid: track.sid.clone(),
                kind: track.kind,
                owner: participant.sid.clone(),
                enabled: track.enabled,
            });
            let wants = self.subscriptions(participant).map(|(publisher, track)| PlannedTrack {
                id: track.id.clone(),
                sid: track.sid.clone(),
                kind: track.kind,
                owner: publisher.sid.clone(),
                enabled: track.enabled,
            });
            // Nobody gets anything before they are in the room: what they are offered is told over the socket.
            let wants = if participant.is_present() { wants.collect() } else { Vec::new() };
            (participant.sid.clone(), PlannedPeer { publishes: publishes.collect(), wants })
        });
        Plan(peers.collect())
    }

    fn subscriptions<'a>(
        &'a self,
        participant: &'a Participant,
    ) -> impl Iterator<Item = (&'a Participant, &'a super::participant::Track)> {
        self.present().filter(|other| other.sid != participant.sid).flat_map(move |other| {
            other
                .shared_tracks()
                .filter(|track| participant.wants(other, track))
                .map(move |track| (other, track))
        })
    }

    // ---- as it goes onto the wire ---------------------------------------------------------------------------------

    /// The whole list of what one gets.
    pub fn subscribed(&mut self, sid: &ParticipantSid) -> Option<Subscribed> {
        let participant = self.participant_mut(sid)?;
        participant.subscribed_revision += 1;
        let revision = participant.subscribed_revision;
        let participant = self.participant(sid)?;
        let tracks = self.subscriptions(participant).map(|(_, track)| SubscribedTrack {
            sid: track.sid.clone(),
            id: track.id.clone(),
            state: TrackState::Ready,
        });
        Some(Subscribed { revision, tracks: tracks.collect() })
    }

    /// All that one must know, who joins or comes back.
    pub fn state(&mut self, sid: &ParticipantSid, entry: PeerConnection) -> Option<State> {
        let subscribed = self.subscribed(sid)?;
        let participant = self.participant(sid)?;
        let others = self.present().filter(|other| other.sid != *sid).map(Participant::seen_by_others);
        let channel =
            |label: &String| Channel { transport: Transport { kind: "data-channel", label: label.clone() } };
        Some(State {
            version: 2,
            session: participant.session.clone(),
            sid: self.sid.clone(),
            name: self.name.clone(),
            participant: participant.myself(),
            participants: others.collect(),
            published: participant.published(),
            subscribed,
            peer_connections: vec![entry],
            recording: self.recording,
            media_signaling: participant
                .channels
                .iter()
                .map(|(name, label)| (name.clone(), channel(label)))
                .collect::<BTreeMap<_, _>>(),
            options: Options {
                session_timeout: SESSION_TIMEOUT_S,
                signaling_region: "us1",
                media_region: self.settings.media_region.clone(),
                audio_processors: [],
            },
        })
    }

    /// What one is told of another who changed.
    pub fn news_of(&mut self, about: &ParticipantSid, to: &ParticipantSid) -> Option<ServerMessage> {
        let subscribed = self.subscribed(to);
        let changed = self.participant(about)?.seen_by_others();
        Some(ServerMessage::Update(Box::new(Update {
            version: 2,
            participants: Some(vec![changed]),
            subscribed,
            ..Update::default()
        })))
    }
}
