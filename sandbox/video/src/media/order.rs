//! What passes between the machine and a room's media server.

use std::collections::BTreeMap;

use crate::ids::{ParticipantSid, TrackSid};
use crate::wire::{Description, TrackKind};

/// An order to a room's media server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Somebody joins with their first offer.
    Join {
        /// Who.
        peer: ParticipantSid,
        /// The offer.
        offer: Description,
        /// Labels of the channels of media signalling, by what they are for.
        channels: BTreeMap<String, String>,
    },
    /// A later description of the SDK.
    Description {
        /// Whose.
        peer: ParticipantSid,
        /// The description.
        description: Description,
    },
    /// Who publishes what, and gets what.
    Plan(Plan),
    /// Somebody's datagrams are lost, or come through again.
    Block {
        /// Whose.
        peer: ParticipantSid,
        /// Lost.
        on: bool,
    },
    /// How somebody's network is rated; by what was measured, if nothing is said.
    Quality {
        /// Whose.
        peer: ParticipantSid,
        /// 0 to 5.
        level: Option<u8>,
    },
}

/// Who publishes what, and gets what. Who is not in it is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(pub BTreeMap<ParticipantSid, PlannedPeer>);

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlannedPeer {
    /// Own tracks.
    pub publishes: Vec<PlannedTrack>,
    /// Tracks of others.
    pub wants: Vec<PlannedTrack>,
}

/// A track as the media server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTrack {
    /// The name in the SDP, and the label of a data channel.
    pub id: String,
    /// The SID.
    pub sid: TrackSid,
    /// What it carries.
    pub kind: TrackKind,
    /// Who publishes it.
    pub owner: ParticipantSid,
    /// False while it is muted.
    pub enabled: bool,
}

/// What a room's media server tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaNews {
    /// The server describes itself: an answer, or an offer of its own.
    Description(ParticipantSid, Description),
    /// The SDK's description could not be taken.
    Refused(ParticipantSid, String),
    /// ICE changed its state.
    Ice(ParticipantSid, String),
}
