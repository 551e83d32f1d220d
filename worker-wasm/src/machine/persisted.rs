//! What outlives a killed worker: one value in `chrome.storage.session`, which is memory and gone with the
//! browser. What outlives the browser too is [`Preferences`], one value in `chrome.storage.local`: nothing secret.

use std::collections::{BTreeMap, VecDeque};

use kernel::{CallSid, Identity};
use protocol::{AudioSettings, AudioState, CallSummary, state::LogEntry};
use serde::{Deserialize, Serialize};

use super::{
    config::Config,
    consent::Agreement,
    expected::Expected,
    live::{LiveCall, Waiting},
    notice::Notices,
    sign_in::SignIn,
    token::{HeldFlexToken, VoiceToken},
    video_window::VideoWindow,
};

/// The key in `chrome.storage.session`.
pub const STORAGE_KEY: &str = "state";

/// The key in `chrome.storage.local`.
pub const PREFERENCES_KEY: &str = "remembered";

/// What the agent chose in this browser: written to disk, so nothing secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(default)]
pub struct Preferences {
    /// What the agent has chosen.
    pub audio: AudioSettings,
    /// The token services that the agent has agreed to, oldest first.
    pub agreements: Vec<Agreement>,
}

/// The durable half of the machine's state: what the concerns keep, put together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(default)]
pub struct Persisted {
    /// What this browser is pinned to.
    pub config: Option<Config>,
    pub flex: Option<HeldFlexToken>,
    pub voice: Option<VoiceToken>,
    /// Who is signed in, and who has signed out.
    pub sign_in: SignIn,
    /// The identity that the gateway has confirmed at least once: whom heartbeats speak of.
    pub confirmed: Option<Identity>,
    /// True once something went wrong: until then a heartbeat's `error` is `null`.
    pub error_seen: bool,
    pub call: Option<LiveCall>,
    /// A call that waits for the agent's word.
    pub waiting: Option<Waiting>,
    /// Which calls are answered by themselves.
    pub expected: Expected,
    /// The call that ended last, so that a late word about it does not bring it back.
    pub last_ended: Option<CallSid>,
    /// How many calls the open offscreen document has carried.
    pub calls_carried: u32,
    /// True once a call was open: then the microphone works, whatever the permission's state says.
    pub microphone_proven: bool,
    /// The version that Chrome has ready and that waits for its time: Chrome says so only once.
    pub update: Option<String>,
    /// The devices that the offscreen document named last.
    pub audio: Option<AudioState>,
    /// The token services that the agent has declined, until Restart.
    pub declined: Vec<Agreement>,
    /// The windows of video sessions, without their links.
    pub videos: Vec<VideoWindow>,
    /// The last calls, oldest first.
    pub calls: VecDeque<CallSummary>,
    /// The notifications that are shown.
    pub notices: Notices,
    /// How often something happened, by the names that support greps for.
    pub counters: BTreeMap<String, u32>,
    /// The flight recorder, oldest first.
    pub log: VecDeque<LogEntry>,
}

/// Brings what was saved in line with what is. True when it was not.
pub(super) fn renew<T: Clone + PartialEq>(saved: &mut T, now: &T) -> bool {
    let is_news = saved != now;
    if is_news {
        saved.clone_from(now);
    }
    is_news
}
