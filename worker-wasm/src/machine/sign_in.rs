//! What is kept of who is signed in: pages' sessions, tokens known again by their digests, a call that outlived its agent.

use kernel::{CallSid, Identity, IdentityPrefix, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A Flex token, known again without being kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(transparent)]
pub struct TokenDigest(String);

impl TokenDigest {
    /// Of this token.
    #[must_use]
    pub fn of(token: &Secret) -> Self {
        let digest = Sha256::digest(token.expose().as_bytes());
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// What a page has said of itself since its CONFIGURE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(default)]
pub struct Session {
    /// Whose page it is, as it says; none from an older plugin.
    pub agent: Option<Identity>,
    /// The Flex token that it sent last.
    pub token: Option<TokenDigest>,
    /// It has signed out since.
    pub signed_out: bool,
}

/// A session that a document had with the worker process before this one: its content script will say CONFIGURE again,
/// which is no new session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct SavedSession {
    /// Chrome's name of the document.
    pub document: String,
    pub session: Session,
}

/// A Flex token whose agent has signed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct Retired {
    pub token: TokenDigest,
    /// Only a new session brings it back; otherwise the page needs only to send it again.
    pub for_good: bool,
}

/// A Flex token that the token service has refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct RefusedToken {
    pub token: TokenDigest,
    /// How often.
    pub times: u32,
    /// Not before then it is asked about again.
    pub next_try: Timestamp,
}

/// A live call of an agent who is not signed in any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct Leftover {
    pub call: CallSid,
    /// Whose; `None` when that is not known.
    pub identity: Option<Identity>,
}

/// Who is signed in, as far as it outlives a killed worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(default)]
pub struct SignIn {
    /// The Flex tokens that are known to be of the Voice token's agent: first the one that it was minted for.
    pub tokens: Vec<TokenDigest>,
    /// The newest session names nobody, and its token may be another agent's: the service is being asked.
    pub undecided: bool,
    /// Tokens whose agents have signed out.
    pub retired: Vec<Retired>,
    /// Tokens that the service has refused.
    pub refused: Vec<RefusedToken>,
    /// A live call of somebody who has gone.
    pub leftover: Option<Leftover>,
    /// Since when no page of the agent is open.
    pub absent_since: Option<Timestamp>,
    /// The sessions of the open documents, the newest last.
    pub sessions: Vec<SavedSession>,
}

/// Whose a Flex token is, as far as can be told before the token service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The agent's who is signed in.
    Same,
    /// Somebody else's.
    Another,
    /// Not said.
    Unknown,
}

/// True when the identity is that of this agent.
pub(super) fn is_of(identity: &Identity, prefix: &IdentityPrefix, agent: &Identity) -> bool {
    identity.as_str().strip_prefix(prefix.as_str()) == Some(agent.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_knows_its_token_and_shows_nothing_of_it() {
        let digest = TokenDigest::of(&Secret::new("canary"));
        assert_eq!(digest, TokenDigest::of(&Secret::new("canary")));
        assert_ne!(digest, TokenDigest::of(&Secret::new("canary2")));
        assert!(digest.0.len() == 32 && !digest.0.contains("canary"));
    }

    #[test]
    fn an_identity_is_of_the_agent_whose_name_follows_the_prefix() {
        let (prefix, id) = (IdentityPrefix::new("ext_").unwrap(), |text: &str| Identity::new(text).unwrap());
        assert!(is_of(&id("ext_ann"), &prefix, &id("ann")));
        assert!(!is_of(&id("ext_ann"), &prefix, &id("anna")));
        assert!(!is_of(&id("ext_ann"), &prefix, &id("ext_ann")));
        assert!(!is_of(&id("ann"), &prefix, &id("ann")));
    }
}
