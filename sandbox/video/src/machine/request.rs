//! What can be asked for by REST.

use super::rules::Rules;
use super::settings::Settings;

/// A request that makes sense by itself; whether it can be done is the machine's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Makes a room.
    Create {
        /// Its name, unique among the rooms in progress.
        unique_name: Option<String>,
        /// How it shall be.
        settings: Settings,
        /// Rules of recording, if any were given.
        recording_rules: Option<Rules>,
    },
    /// Lists rooms.
    Rooms {
        /// `in-progress`, `completed` or `failed`; in progress, if nothing is said.
        status: Option<String>,
        /// Only those of this name.
        unique_name: Option<String>,
        /// Which part of the list.
        page: Page,
    },
    /// Something about one room, by SID, or by name while it is in progress.
    Room(String, OfRoom),
}

/// What can be asked for of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfRoom {
    /// The room.
    Fetch,
    /// Ends it.
    Complete,
    /// Its rules of recording.
    RecordingRules,
    /// Other rules of recording.
    SetRecordingRules(Rules),
    /// Who is or was in it.
    Participants {
        /// `connected`, `reconnecting` or `disconnected`.
        status: Option<String>,
        /// Only this identity.
        identity: Option<String>,
        /// Which part of the list.
        page: Page,
    },
    /// Something about one participant, by SID or identity.
    Participant(String, OfParticipant),
}

/// What can be asked for of a participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfParticipant {
    /// The participant.
    Fetch,
    /// Removes them.
    Disconnect,
    /// Forgets who it was.
    Anonymize,
    /// Their tracks, or one of them by SID or name.
    PublishedTracks(Option<String>),
    /// What they get, or one of it.
    SubscribedTracks(Option<String>),
    /// Their rules of subscription.
    SubscribeRules,
    /// Other rules of subscription.
    SetSubscribeRules(Rules),
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// From 0.
    pub number: usize,
    /// 1 to 100.
    pub size: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self { number: 0, size: 50 }
    }
}
