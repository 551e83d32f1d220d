//! What is kept of an agent's window of a video session, and the address by which it is known again.

use kernel::Identity;
use protocol::video_window::VideoKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How many bytes of an identity's digest tell agents apart at one desk.
const WORD_BYTES: usize = 6;

/// What follows the `#` of a window's address: the session's key, a dot, and a word that is another for each agent. So one
/// agent's click never finds another's window, nor what that window has stored.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, wire::ToTree, wire::FromTree,
)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// The address of an agent's window.
    #[must_use]
    pub fn of(key: &VideoKey, agent: &Identity) -> Self {
        let digest = Sha256::digest(agent.as_str().as_bytes());
        let word: String = digest.iter().take(WORD_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{key}.{word}"))
    }

    /// What a window says that its address is; `None` when no window of ours has such a one.
    #[must_use]
    pub fn read(said: String) -> Option<Self> {
        let (key, word) = said.split_once('.')?;
        let is_word = word.len() == 2 * WORD_BYTES && word.bytes().all(|b| b.is_ascii_hexdigit());
        (VideoKey::new(key).is_ok() && is_word).then_some(Self(said))
    }

    /// As it stands behind the `#`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A window, as a worker that was killed knows it again. Never its link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
pub struct VideoWindow {
    pub address: Address,
    /// Chrome's number of it; `None` while Chrome opens it.
    pub window: Option<i64>,
    /// Its page has said that it is in the room.
    pub in_room: bool,
    /// Its page has said that the session is over.
    pub over: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_has_an_address_of_their_own_for_the_same_session() {
        let key = VideoKey::new("CH11111111111111111111111111111111").unwrap();
        let of = |agent: &str| Address::of(&key, &Identity::new(agent).unwrap());
        assert_eq!(of("ext_ann"), of("ext_ann"));
        assert_ne!(of("ext_ann"), of("ext_ben"));
        assert_eq!(Address::read(of("ext_ann").as_str().to_owned()), Some(of("ext_ann")));
    }

    #[test]
    fn what_is_no_address_is_not_read_as_one() {
        for said in [
            "",
            "CH1",
            ".aabbccddeeff",
            "CH1.aabb",
            "CH1.aabbccddeefg",
            "CH 1.aabbccddeeff",
            "CH1.x.aabbccddeef",
        ] {
            assert_eq!(Address::read(said.to_owned()), None, "{said}");
        }
    }
}
