//! What no crate offers of Twilio's formats: access tokens, the validation of Flex tokens, request signatures,
//! the little that is read of TaskRouter and Conversations, rooms of Video, and text messages.
//!
//! Nothing here reads a clock, makes up randomness or builds an HTTP client on its own: those are parameters.
//!
//! | module | what for | who uses it |
//! |---|---|---|
//! | [`access_token`] | mint and verify the JWT that a Voice client presents | token service mints, a gateway verifies |
//! | [`flex_token`] | ask Twilio whose a Flex token is | token service |
//! | [`rest`] | read a resource, or write one, within bounds; below the next five | |
//! | [`taskrouter`] | a task, and who holds it | token service |
//! | [`conversations`] | conversations, participants, messages, users | token service |
//! | [`media`] | where a file can be fetched for a short while | token service |
//! | [`video`] | rooms: made, found, completed, recorded | token service |
//! | [`texts`] | send a text message | token service |
//! | [`signature`] | prove that a webhook comes from Twilio | whoever receives webhooks |

#![warn(missing_docs)]

pub mod access_token;
pub mod conversations;
pub mod flex_token;
mod http;
pub mod media;
pub mod rest;
mod sid;
pub mod signature;
pub mod taskrouter;
pub mod texts;
pub mod video;

pub use sid::{
    ApiKey, ApiKeySid, ApplicationSid, ChatServiceSid, ConversationSid, MediaSid, MessageSid, RoomSid,
    TaskSid, WorkerSid, WorkspaceSid,
};

/// Bytes as hexadecimal digits, two each, in lower case.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
