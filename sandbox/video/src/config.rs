//! What the video side is given, and what it tells.

use kernel::{AccountSid, Secret, Timestamp};
use serde::Serialize;
use tokio::sync::mpsc;
use twilio::ApiKey;

use crate::machine::delivery::Callback;
use crate::machine::event::VideoEvent;

/// Whose rooms these are.
pub struct Config {
    /// The account.
    pub account: AccountSid,
    /// Its auth token: for REST.
    pub auth_token: Secret,
    /// Its API keys: for REST, and what signs access tokens.
    pub api_keys: Vec<ApiKey>,
    /// Where status callbacks go to be delivered, in their order; nowhere, without it.
    pub callbacks: Option<mpsc::UnboundedSender<Callback>>,
}

/// Something that happened, for a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: VideoEvent,
}
