//! Messages between the parts: whatever is understood can be written, and what was written is understood.

use std::fmt::Debug;

use protocol::{
    offscreen::{FromOffscreen, ToOffscreen},
    page::{Kind, Refusal, ToExtension, ToPage, kind_of},
    popup::{FromPopup, ToPopup},
    token::{TokenErrorBody, VoiceTokenRequest, VoiceTokenResponse},
};
use serde::{Serialize, de::DeserializeOwned};

/// Any text as each of the protocol's messages.
pub fn protocol_messages(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Kind::Known(name) = kind_of(Some(text)) {
        assert_eq!(name, text);
    }
    comes_back::<ToExtension>(text);
    comes_back::<ToPage>(text);
    comes_back::<Refusal>(text);
    comes_back::<FromPopup>(text);
    comes_back::<ToPopup>(text);
    comes_back::<ToOffscreen>(text);
    comes_back::<FromOffscreen>(text);
    comes_back::<VoiceTokenRequest>(text);
    comes_back::<VoiceTokenResponse>(text);
    comes_back::<TokenErrorBody>(text);
}

/// A second round must change nothing. (A first one may: serde_json reads a long fraction not quite exactly.)
fn comes_back<T: DeserializeOwned + Serialize + Debug>(text: &str) {
    let Ok(first) = serde_json::from_str::<T>(text) else { return };
    let written = serde_json::to_string(&first).unwrap_or_else(|error| panic!("cannot be written: {error}"));
    let second = serde_json::from_str::<T>(&written);
    assert!(second.is_ok(), "what was written is not understood: {:?}", second.err());
}
