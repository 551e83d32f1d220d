//! What the extension said last, and whether it is meant for this page's agent.

use kernel::{Identity, IdentityPrefix};
use protocol::page::Heartbeat;
use protocol::state::ClientState;

/// What is wrong with an identity that a heartbeat names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrongIdentity {
    /// It does not begin with this prefix, or is nothing but it.
    Prefix(IdentityPrefix),
    /// It is another agent's.
    OtherAgent,
}

/// What the extension said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// At least one heartbeat has come since the extension accepted the page.
    pub beating: bool,
    /// The identity that the heartbeat names; `None` while there is none, or it is not one that can be ours.
    pub identity: Option<Identity>,
    /// The heartbeat names an identity that cannot be ours, and what is wrong with it.
    pub wrong_identity: Option<WrongIdentity>,
    /// The heartbeat's error flag.
    pub error: bool,
    /// Everything else. Of a replaced extension: the default, whose `protocol_version` is 0.
    pub state: ClientState,
}

impl Report {
    /// Of a heartbeat, but for its state. Any script in the page can say one, and a browser may still have the agent of the last
    /// shift. A name that is not this agent's own is not believed, so that calls cannot be sent to a colleague's softphone.
    #[must_use]
    pub(crate) fn of(heartbeat: &Heartbeat, prefix: &IdentityPrefix, agent: Option<&Identity>) -> Self {
        let named = Identity::new(&*heartbeat.voice_client_identity).ok();
        let named = named.filter(|identity| agent_of(identity, prefix).is_some());
        let wrong_identity = match &named {
            None => Some(WrongIdentity::Prefix(prefix.clone())),
            Some(named) => agent
                .filter(|agent| agent_of(named, prefix) != Some(agent.as_str()))
                .map(|_| WrongIdentity::OtherAgent),
        };
        Self {
            beating: true,
            identity: named.filter(|_| wrong_identity.is_none()),
            wrong_identity,
            error: heartbeat.error == Some(true),
            state: ClientState::default(),
        }
    }

    /// Takes what the extension says of itself. The call of another agent, who had this browser before, is none of this agent's.
    pub(crate) fn take(&mut self, state: ClientState) {
        self.state = state;
        if self.wrong_identity == Some(WrongIdentity::OtherAgent) {
            (self.state.call, self.state.waiting) = (None, None);
        }
    }

    /// The extension is the one that Holdfast replaces: it says nothing about registration, calls or problems.
    #[must_use]
    pub const fn is_old(&self) -> bool {
        self.state.protocol_version < 2
    }

    /// The extension understands what this version of the contract has brought.
    #[must_use]
    pub const fn speaks(&self, version: u32) -> bool {
        self.state.protocol_version >= version
    }

    /// Calls arrive. The old extension cannot say more than that it has an identity and no error.
    #[must_use]
    pub const fn is_available(&self) -> bool {
        self.beating && !self.error && self.identity.is_some() && (self.is_old() || self.state.registered)
    }
}

/// The agent in an identity of the extension's; `None` when it does not begin with the prefix or is nothing but it.
pub(crate) fn agent_of<'a>(identity: &'a Identity, prefix: &IdentityPrefix) -> Option<&'a str> {
    identity.as_str().strip_prefix(prefix.as_str()).filter(|agent| !agent.is_empty())
}
