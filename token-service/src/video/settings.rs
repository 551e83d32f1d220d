//! The settings of video, for one account.

use std::{collections::BTreeSet, num::NonZeroU32};

use kernel::Secret;
use twilio::{ApiKey, WorkspaceSid};

/// How video is served, for one account. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct VideoConfig {
    /// Signs the tokens of participants, asks for rooms, tasks and workers, and sends text messages.
    pub api_key: ApiKey,
    /// Proves that callbacks come from Twilio; without it they are refused.
    pub auth_token: Option<Secret>,
    /// Where the tasks are.
    pub workspace_sid: WorkspaceSid,
    /// What links begin with, without a slash at its end.
    pub public_origin: String,
    /// The web origins of Flex.
    pub allowed_origins: BTreeSet<String>,
    /// The origins of the extension, whose window is the page, too.
    pub extension_origins: BTreeSet<String>,
    /// What the organisation calls itself, for customers; may be empty.
    pub organisation: String,
    /// So many may be admitted beside the customer and the agent.
    pub max_guests: u8,
    /// The longest that a session may take from when customer and agent have met.
    pub max_minutes: u32,
    /// What is recorded.
    pub recording: RecordingPolicy,
    /// Whether every customer waits for the agent's yes.
    pub knock: bool,
    /// The region of signalling, `gll` for the nearest.
    pub region: String,
    /// The number that text messages are sent from; without one, none are.
    pub text_from: Option<String>,
    /// For one worker.
    pub requests_per_minute: NonZeroU32,
}

/// What is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingPolicy {
    /// Nothing.
    #[default]
    Off,
    /// Everything, once everybody in the room has agreed.
    Ask,
}
