//! Values that must never be seen: not in a log, a panic, a title, a snapshot or a `Debug` line.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A Flex token, a Voice token or a connectToken: whoever holds the text can act as the agent.
///
/// `Debug` and `Display` show only the length. The text is reached by [`Secret::expose`], so every use can be found.
/// Serialising writes the text: a secret travels between our own processes and to `chrome.storage.session`, which is
/// memory. Where a secret lay, zeros lie once it is dropped; what was made of it (a request, a body) is its maker's business.
#[derive(
    Clone, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree, Zeroize, ZeroizeOnDrop,
)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that must send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True when there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[secret, {} bytes]", self.0.len())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_its_length_and_nothing_else() {
        let secret = Secret::new("eyJhbGciOi");
        assert_eq!(format!("{secret:?} {secret}"), "[secret, 10 bytes] [secret, 10 bytes]");
        assert_eq!(secret.expose(), "eyJhbGciOi");
    }

    #[test]
    fn a_secret_is_wiped_when_it_is_dropped() {
        fn wiped_on_drop<T: ZeroizeOnDrop>(_: &T) {}
        let mut secret = Secret::new("eyJhbGciOi");
        wiped_on_drop(&secret);
        secret.zeroize();
        assert!(secret.is_empty());
    }
}
