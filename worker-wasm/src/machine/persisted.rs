//! What outlives a killed worker: one value in `chrome.storage.session`, which is memory and gone with the
//! browser.

use std::collections::VecDeque;

use protocol::{CallSid, Identity, state::LogEntry};
use serde::{Deserialize, Serialize};

use super::{
    call::LiveCall,
    config::Config,
    token::{FlexToken, VoiceToken},
};

/// The key in `chrome.storage.session`.
pub const STORAGE_KEY: &str = "state";

/// How many lines the flight recorder keeps.
pub const LOG_LINES: usize = 200;

/// The durable half of the machine's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Persisted {
    /// What this browser is pinned to.
    pub config: Option<Config>,
    /// The newest Flex token.
    pub flex: Option<FlexToken>,
    /// The newest Voice token.
    pub voice: Option<VoiceToken>,
    /// The identity that the gateway has confirmed at least once: whom heartbeats speak of.
    pub confirmed: Option<Identity>,
    /// True once something went wrong: until then a heartbeat's `error` is `null`.
    pub error_seen: bool,
    /// The live call.
    pub call: Option<LiveCall>,
    /// The call that ended last, so that a late word about it does not bring it back.
    pub last_ended: Option<CallSid>,
    /// True once a call was open: then the microphone works, whatever the permission's state says.
    pub microphone_proven: bool,
    /// The version that Chrome has ready and that waits for its time: Chrome says so only once.
    #[serde(default)]
    pub update: Option<String>,
    /// The flight recorder, oldest first.
    pub log: VecDeque<LogEntry>,
}
