//! What the gateway remembers of one signalling socket.

use kernel::{Identity, Timestamp};

use crate::token::Grant;
use crate::wire::ServerMessage;

/// The number of a socket, counted from 1 and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// One socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub origin: Option<String>,
    pub opened: Timestamp,
    pub next_heartbeat: Timestamp,
    /// From the newest token that was accepted.
    pub grant: Option<Grant>,
    pub registered: bool,
    /// A fault lets its `register` go unanswered.
    pub forgotten: bool,
    /// How long a call is kept once this socket is gone.
    pub keep_ms: u64,
    pub frozen: bool,
    /// What a freeze holds back, in order.
    pub held: Vec<Held>,
}

/// A frame that a freeze holds back.
#[derive(Debug)]
pub(super) enum Held {
    In(String),
    Out(ServerMessage),
}

impl Socket {
    pub fn new(origin: Option<String>, now: Timestamp, heartbeat_ms: u64) -> Self {
        Self {
            origin,
            opened: now,
            next_heartbeat: now.plus(heartbeat_ms),
            grant: None,
            registered: false,
            forgotten: false,
            keep_ms: 0,
            frozen: false,
            held: Vec::new(),
        }
    }

    pub fn identity(&self) -> Option<&Identity> {
        self.grant.as_ref().map(|grant| &grant.identity)
    }
}
