//! What the gateway remembers of one signalling socket.

use kernel::{Identity, Timestamp};

use crate::token::Grant;
use crate::wire::ServerMessage;

#[derive(Debug)]
pub(super) struct Socket {
    pub origin: Option<String>,
    pub opened: Timestamp,
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
    pub fn new(origin: Option<String>, frozen: bool, now: Timestamp) -> Self {
        Self {
            origin,
            opened: now,
            grant: None,
            registered: false,
            forgotten: false,
            keep_ms: 0,
            frozen,
            held: Vec::new(),
        }
    }

    pub fn identity(&self) -> Option<&Identity> {
        self.grant.as_ref().map(|grant| &grant.identity)
    }
}
