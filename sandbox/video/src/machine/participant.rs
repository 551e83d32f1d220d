//! Somebody in a room.

use std::collections::BTreeMap;

use kernel::Timestamp;

use super::event::SocketId;
use super::rules::{Rules, Subject};
use crate::ids::{ParticipantSid, TrackSid};
use crate::problem::Problem;
use crate::wire::{
    Description, DescriptionKind, LocalTrack, Myself, ParticipantState, PeerConnection, Published,
    PublishedTrack, RemoteParticipant, RemoteTrack, TrackError, TrackKind, TrackState,
};

/// Where somebody is in their stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The media server works on the first offer; nobody else knows yet.
    Joining,
    Connected,
    /// The socket is lost.
    Reconnecting,
    Disconnected {
        at: Timestamp,
    },
}

/// A track that somebody publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Track {
    pub sid: TrackSid,
    pub id: String,
    pub kind: TrackKind,
    pub name: String,
    pub enabled: bool,
    pub priority: String,
    pub since: Timestamp,
    pub refused: Option<Problem>,
}

/// What became of the tracks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added(Track),
    Removed(Track),
    Enabled(Track),
    Disabled(Track),
}

/// Somebody's stay in a room.
#[derive(Debug)]
pub(crate) struct Participant {
    pub sid: ParticipantSid,
    pub identity: String,
    pub session: String,
    pub stage: Stage,
    pub socket: Option<SocketId>,
    pub started: Timestamp,
    pub updated: Timestamp,
    pub tracks: Vec<Track>,
    pub subscribe_rules: Rules,
    /// Labels of the data channels of media signalling, by what they are for.
    pub channels: BTreeMap<String, String>,
    pub revision: u64,
    pub subscribed_revision: u64,
    published_revision: u64,
    peer_connection: String,
    /// The server's newest offer, until it is answered.
    offer: Option<Description>,
    /// The server's newest answer.
    answer: Option<Description>,
}

impl Participant {
    pub fn new(
        sid: ParticipantSid,
        identity: String,
        session: String,
        socket: SocketId,
        peer_connection: String,
        now: Timestamp,
    ) -> Self {
        Self {
            sid,
            identity,
            session,
            stage: Stage::Joining,
            socket: Some(socket),
            started: now,
            updated: now,
            tracks: Vec::new(),
            subscribe_rules: Rules::everything(),
            channels: BTreeMap::new(),
            revision: 1,
            subscribed_revision: 0,
            published_revision: 0,
            peer_connection,
            offer: None,
            answer: None,
        }
    }

    /// In the room, for everybody to see.
    pub fn is_present(&self) -> bool {
        matches!(self.stage, Stage::Connected | Stage::Reconnecting)
    }

    /// Takes a place in the room.
    pub fn is_there(&self) -> bool {
        !matches!(self.stage, Stage::Disconnected { .. })
    }

    /// As REST and callbacks call it.
    pub fn status(&self) -> &'static str {
        match self.stage {
            Stage::Joining | Stage::Connected => "connected",
            Stage::Reconnecting => "reconnecting",
            Stage::Disconnected { .. } => "disconnected",
        }
    }

    pub fn move_to(&mut self, stage: Stage, now: Timestamp) {
        self.stage = stage;
        self.updated = now;
        self.revision += 1;
    }

    /// Takes the whole list of tracks. `refuses` is for those that are new.
    pub fn take_tracks(
        &mut self,
        list: &[LocalTrack],
        mut new_sid: impl FnMut() -> TrackSid,
        refuses: Option<Problem>,
        now: Timestamp,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut before = std::mem::take(&mut self.tracks);
        for track in list {
            let known = before.iter().position(|old| old.id == track.id);
            let mut taken = match known {
                Some(place) => before.remove(place),
                None => {
                    let track = Track {
                        sid: new_sid(),
                        id: track.id.clone(),
                        kind: track.kind,
                        name: track.name.clone(),
                        enabled: track.enabled,
                        priority: track.priority.clone(),
                        since: now,
                        refused: refuses,
                    };
                    changes.push(Change::Added(track.clone()));
                    self.tracks.push(track);
                    continue;
                }
            };
            if taken.enabled != track.enabled {
                taken.enabled = track.enabled;
                changes.push(if track.enabled {
                    Change::Enabled(taken.clone())
                } else {
                    Change::Disabled(taken.clone())
                });
            }
            taken.priority.clone_from(&track.priority);
            self.tracks.push(taken);
        }
        changes.extend(before.into_iter().map(Change::Removed));
        if !changes.is_empty() {
            self.revision += 1;
            self.published_revision += 1;
            self.updated = now;
        }
        changes
    }

    /// The tracks that others can have.
    pub fn shared_tracks(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.refused.is_none())
    }

    /// Whether this one wants a track of that one.
    pub fn wants(&self, publisher: &Self, track: &Track) -> bool {
        self.subscribe_rules.include(publisher.subject(track))
    }

    /// A track as rules know it.
    pub fn subject<'a>(&'a self, track: &'a Track) -> Subject<'a> {
        Subject {
            identity: &self.identity,
            publisher: self.sid.as_str(),
            name: &track.name,
            track: track.sid.as_str(),
            kind: track.kind,
        }
    }

    // ---- descriptions ---------------------------------------------------------------------------------------------

    pub fn is_peer_connection(&self, id: &str) -> bool {
        self.peer_connection == id
    }

    /// The media server described itself.
    pub fn described(&mut self, description: &Description) {
        match description.kind {
            DescriptionKind::Offer => self.offer = Some(description.clone()),
            _ => self.answer = Some(description.clone()),
        }
    }

    /// The SDK's description came: an answer closes our offer.
    pub fn heard(&mut self, description: &Description) {
        if description.kind == DescriptionKind::Answer
            && self.offer.as_ref().is_some_and(|offer| offer.revision == description.revision)
        {
            self.offer = None;
        }
    }

    /// Whether the SDK's offer was answered already, so that only the answer was lost.
    pub fn has_answered(&self, description: &Description) -> bool {
        description.kind == DescriptionKind::Offer
            && self.answer.as_ref().is_some_and(|answer| answer.revision >= description.revision)
    }

    /// The entry of the peer connection: what the other side must answer or has not heard, if it lost its socket.
    pub fn entry(&self, with_answer: bool) -> PeerConnection {
        let description = self.offer.clone().or_else(|| self.answer.clone().filter(|_| with_answer));
        PeerConnection { id: self.peer_connection.clone(), description }
    }

    /// The entry with a description.
    pub fn entry_with(&self, description: Description) -> PeerConnection {
        PeerConnection { id: self.peer_connection.clone(), description: Some(description) }
    }

    // ---- as it goes onto the wire ---------------------------------------------------------------------------------

    pub fn myself(&self) -> Myself {
        Myself {
            sid: self.sid.clone(),
            identity: self.identity.clone(),
            state: ParticipantState::Connected,
            revision: self.revision,
        }
    }

    pub fn seen_by_others(&self) -> RemoteParticipant {
        let tracks = self.shared_tracks().map(|track| RemoteTrack {
            sid: track.sid.clone(),
            kind: track.kind,
            name: track.name.clone(),
            enabled: track.enabled,
            priority: track.priority.clone(),
            state: TrackState::Ready,
        });
        RemoteParticipant {
            sid: self.sid.clone(),
            identity: self.identity.clone(),
            state: match self.stage {
                Stage::Joining | Stage::Connected => ParticipantState::Connected,
                Stage::Reconnecting => ParticipantState::Reconnecting,
                Stage::Disconnected { .. } => ParticipantState::Disconnected,
            },
            revision: self.revision,
            tracks: tracks.collect(),
        }
    }

    pub fn published(&self) -> Published {
        let tracks = self.tracks.iter().map(|track| match track.refused {
            None => PublishedTrack {
                id: track.id.clone(),
                state: TrackState::Ready,
                sid: Some(track.sid.clone()),
                error: None,
            },
            Some(problem) => PublishedTrack {
                id: track.id.clone(),
                state: TrackState::Failed,
                sid: None,
                error: Some(TrackError { code: problem.code, message: problem.message.into() }),
            },
        });
        Published { revision: self.published_revision, tracks: tracks.collect() }
    }
}
