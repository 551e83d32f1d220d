//! Where a list goes on: opaque to whoever has it, and good for the list that it was made for alone.
//!
//! Sealed (HMAC-SHA256) with a key that is made of the API key's secret, so that all replicas know the same one. Sealed together
//! with what the list is of: a cursor of another conversation's is none.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use kernel::Secret;
use serde::{Serialize, de::DeserializeOwned};
use twilio::rest::PageToken;

/// The longest cursor that is looked at, in bytes.
pub const MAX_CURSOR: usize = 4096;

/// The length of the seal, in bytes.
const SEAL: usize = 32;

/// Makes cursors, and takes its own back.
pub struct Seal(hmac::Key);

/// The cursor is none of ours, or of another list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this cursor is none of this list's")]
pub struct InvalidCursor;

impl Seal {
    /// For what is read with this API key.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        let of_key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let own = hmac::sign(&of_key, b"holdfast: cursors of chat history");
        Self(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()))
    }

    /// The cursor of the list `of` for this place in it.
    #[must_use]
    pub fn close(&self, of: &[&str], place: &impl Serialize) -> String {
        // Numbers and texts: JSON cannot fail.
        let mut bytes = serde_json::to_vec(place).unwrap_or_default();
        let seal = hmac::sign(&self.0, &sealed(of, &bytes));
        bytes.extend_from_slice(seal.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place in the list `of` that a cursor is for.
    ///
    /// # Errors
    /// [`InvalidCursor`].
    pub fn open<P: DeserializeOwned>(&self, of: &[&str], cursor: &str) -> Result<P, InvalidCursor> {
        if cursor.len() > MAX_CURSOR {
            return Err(InvalidCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_cause| InvalidCursor)?;
        let (place, seal) = bytes.split_at_checked(bytes.len().saturating_sub(SEAL)).ok_or(InvalidCursor)?;
        hmac::verify(&self.0, &sealed(of, place), seal).map_err(|_cause| InvalidCursor)?;
        serde_json::from_slice(place).map_err(|_cause| InvalidCursor)
    }
}

fn sealed(of: &[&str], place: &[u8]) -> Vec<u8> {
    // No SID has a zero in it.
    let mut bytes: Vec<u8> = of.iter().flat_map(|part| part.bytes().chain([0])).collect();
    bytes.extend_from_slice(place);
    bytes
}

/// A page of messages: where Twilio's list goes on, and where it was, in case that messages of it were removed meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MessagesPlace {
    this: Option<(String, String)>,
    next: Option<(String, String)>,
    /// The place in the conversation of the oldest message that was given out.
    pub before: u64,
}

impl MessagesPlace {
    /// After the page that was asked for by `this`, up to the message `before`.
    #[must_use]
    pub fn new(this: Option<&PageToken>, next: Option<&PageToken>, before: u64) -> Self {
        let parts = |token: Option<&PageToken>| token.map(|token| (token.page.clone(), token.token.clone()));
        Self { this: parts(this), next: parts(next), before }
    }

    /// How the page was asked for; `None` for the first one.
    #[must_use]
    pub fn this(&self) -> Option<PageToken> {
        self.this.as_ref().and_then(|(page, token)| PageToken::new(page, token))
    }

    /// How to ask for the next page; `None` when there was none.
    #[must_use]
    pub fn next(&self) -> Option<PageToken> {
        self.next.as_ref().and_then(|(page, token)| PageToken::new(page, token))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal() -> Seal {
        Seal::new(&Secret::new("secret"))
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_alone() {
        let token = PageToken::new("1", "PT");
        let place = MessagesPlace::new(None, token.as_ref(), 7);
        let cursor = seal().close(&["WT1", "CH1"], &place);
        assert_eq!(seal().open(&["WT1", "CH1"], &cursor), Ok(place.clone()));
        assert_eq!(place.next(), token);
        for other in [&["WT1", "CH2"][..], &["WT2", "CH1"], &["WT1"], &["WT1", "CH1", ""]] {
            assert_eq!(seal().open::<MessagesPlace>(other, &cursor), Err(InvalidCursor), "{other:?}");
        }
        let others = Seal::new(&Secret::new("another"));
        assert_eq!(others.open::<MessagesPlace>(&["WT1", "CH1"], &cursor), Err(InvalidCursor));
    }

    proptest! {
        #[test]
        fn what_is_made_up_or_changed_is_none(text in "[A-Za-z0-9_-]{0,200}", at in 0_usize..200, with in "[A-Za-z0-9_-]") {
            prop_assert_eq!(seal().open::<MessagesPlace>(&["CH1"], &text), Err(InvalidCursor));
            let mut cursor = seal().close(&["CH1"], &MessagesPlace::new(None, None, 7));
            let at = at % cursor.len();
            if cursor[at..=at] != with {
                cursor.replace_range(at..=at, &with);
                // The last letter has bits that mean nothing; base64 refuses them.
                prop_assert_eq!(seal().open::<MessagesPlace>(&["CH1"], &cursor), Err(InvalidCursor));
            }
        }
    }
}
