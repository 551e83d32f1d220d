//! What can be made to go wrong.

use serde::{Deserialize, Serialize};

/// Whom a fault concerns: everybody, the participants of a room, those of an identity, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whom {
    /// The room, by name or SID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// The identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// A fault. Those with a time last that long, or until they are ended; the others happen once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum VideoFault {
    /// The signalling sockets are cut, and none can be opened.
    VideoSocket {
        /// Whose.
        #[serde(flatten)]
        whom: Whom,
        /// How long; not at all: they can come back at once.
        #[serde(default)]
        lasts_ms: Option<u64>,
    },
    /// The signalling sockets stay open, and nothing goes through them.
    VideoSilent {
        /// Whose.
        #[serde(flatten)]
        whom: Whom,
        /// How long.
        lasts_ms: u64,
    },
    /// No datagram goes either way.
    VideoMedia {
        /// Whose.
        #[serde(flatten)]
        whom: Whom,
        /// How long.
        lasts_ms: u64,
    },
    /// Socket and media at once.
    VideoBoth {
        /// Whose.
        #[serde(flatten)]
        whom: Whom,
        /// How long.
        lasts_ms: u64,
    },
    /// The server's messages come late.
    VideoSlow {
        /// Whose.
        #[serde(flatten)]
        whom: Whom,
        /// How late.
        delay_ms: u64,
        /// How long it lasts.
        lasts_ms: u64,
    },
    /// The room is completed.
    VideoCompleted {
        /// The room, by name or SID; every one, without it.
        #[serde(default)]
        room: Option<String>,
    },
    /// A participant is removed, as by REST.
    VideoRemoved {
        /// Who.
        #[serde(flatten)]
        whom: Whom,
    },
    /// Nobody else can join: the room is full.
    VideoFull {
        /// The room, by name or SID; every one, without it.
        #[serde(default)]
        room: Option<String>,
        /// How long.
        lasts_ms: u64,
    },
    /// The access tokens have expired; the sockets are cut, so that it shows.
    VideoExpired {
        /// Whose.
        #[serde(flatten)]
        whom: Whom,
        /// How long tokens stay refused.
        lasts_ms: u64,
    },
    /// A participant was there for as long as anybody may be.
    VideoTooLong {
        /// Who.
        #[serde(flatten)]
        whom: Whom,
    },
    /// No further track is taken.
    VideoTracks {
        /// Whose.
        #[serde(flatten)]
        whom: Whom,
        /// How long.
        lasts_ms: u64,
    },
    /// The network is rated so.
    VideoQuality {
        /// Whose.
        #[serde(flatten)]
        whom: Whom,
        /// 0 (no connection) to 5 (excellent).
        level: u8,
        /// How long.
        lasts_ms: u64,
    },
}

/// A fault that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActiveFault {
    /// By which it is ended.
    pub id: u64,
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: VideoFault,
}

impl VideoFault {
    /// How long it lasts; not at all, if it happens once.
    #[must_use]
    pub const fn lasts_ms(&self) -> Option<u64> {
        match self {
            Self::VideoSocket { lasts_ms, .. } => *lasts_ms,
            Self::VideoSilent { lasts_ms, .. }
            | Self::VideoMedia { lasts_ms, .. }
            | Self::VideoBoth { lasts_ms, .. }
            | Self::VideoSlow { lasts_ms, .. }
            | Self::VideoFull { lasts_ms, .. }
            | Self::VideoExpired { lasts_ms, .. }
            | Self::VideoTracks { lasts_ms, .. }
            | Self::VideoQuality { lasts_ms, .. } => Some(*lasts_ms),
            Self::VideoCompleted { .. } | Self::VideoRemoved { .. } | Self::VideoTooLong { .. } => None,
        }
    }
}

/// Somebody as faults know them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who<'a> {
    pub name: &'a str,
    pub sid: &'a str,
    pub identity: &'a str,
}

impl Whom {
    pub(crate) fn is_everybody(&self) -> bool {
        self.room.is_none() && self.identity.is_none()
    }

    pub(crate) fn covers(&self, who: Who<'_>) -> bool {
        self.room.as_deref().is_none_or(|room| room == who.name || room == who.sid)
            && self.identity.as_deref().is_none_or(|identity| identity == who.identity)
    }
}

/// The faults that last.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<ActiveFault>);

impl Faults {
    pub fn add(&mut self, id: u64, fault: VideoFault) {
        self.0.push(ActiveFault { id, fault });
    }

    pub fn remove(&mut self, id: u64) -> Option<VideoFault> {
        let place = self.0.iter().position(|active| active.id == id)?;
        Some(self.0.remove(place).fault)
    }

    pub fn all(&self) -> &[ActiveFault] {
        &self.0
    }

    fn any(&self, concerns: impl Fn(&VideoFault) -> bool) -> bool {
        self.0.iter().any(|active| concerns(&active.fault))
    }

    /// No socket can be opened at all.
    pub fn refuses_sockets(&self) -> bool {
        self.any(|fault| match fault {
            VideoFault::VideoSocket { whom, .. } | VideoFault::VideoBoth { whom, .. } => whom.is_everybody(),
            _ => false,
        })
    }

    /// This one's sockets are cut.
    pub fn cuts(&self, who: Who<'_>) -> bool {
        self.any(|fault| match fault {
            VideoFault::VideoSocket { whom, .. } | VideoFault::VideoBoth { whom, .. } => whom.covers(who),
            _ => false,
        })
    }

    /// Nothing goes through this one's socket.
    pub fn silences(&self, who: Who<'_>) -> bool {
        self.any(|fault| matches!(fault, VideoFault::VideoSilent { whom, .. } if whom.covers(who)))
    }

    /// No datagram of this one comes through.
    pub fn blocks(&self, who: Who<'_>) -> bool {
        self.any(|fault| match fault {
            VideoFault::VideoMedia { whom, .. } | VideoFault::VideoBoth { whom, .. } => whom.covers(who),
            _ => false,
        })
    }

    /// How late this one's messages come.
    pub fn delay_ms(&self, who: Who<'_>) -> u64 {
        let delay = |active: &ActiveFault| match &active.fault {
            VideoFault::VideoSlow { whom, delay_ms, .. } if whom.covers(who) => Some(*delay_ms),
            _ => None,
        };
        self.0.iter().filter_map(delay).max().unwrap_or(0)
    }

    /// The room is said to be full.
    pub fn fills(&self, name: &str, sid: &str) -> bool {
        self.any(|fault| match fault {
            VideoFault::VideoFull { room, .. } => {
                room.as_deref().is_none_or(|room| room == name || room == sid)
            }
            _ => false,
        })
    }

    /// This one's tokens count as expired.
    pub fn expires(&self, who: Who<'_>) -> bool {
        self.any(|fault| matches!(fault, VideoFault::VideoExpired { whom, .. } if whom.covers(who)))
    }

    /// No further track of this one is taken.
    pub fn refuses_tracks(&self, who: Who<'_>) -> bool {
        self.any(|fault| matches!(fault, VideoFault::VideoTracks { whom, .. } if whom.covers(who)))
    }

    /// How this one's network is rated.
    pub fn quality(&self, who: Who<'_>) -> Option<u8> {
        let level = |active: &ActiveFault| match &active.fault {
            VideoFault::VideoQuality { whom, level, .. } if whom.covers(who) => Some(*level),
            _ => None,
        };
        self.0.iter().filter_map(level).min()
    }
}
