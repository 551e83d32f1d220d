//! Microphone and speaker: what there is, what the agent wants, and what is in use.
//!
//! The worker keeps [`AudioSettings`]; the offscreen document, which alone can open devices, carries them out and
//! reports [`AudioState`]. Popup and Flex show that state, and ask by the same message: one path, one truth.

use serde::{Deserialize, Serialize};

/// Which end of the headset.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    wire::ToTree,
    wire::FromTree,
)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum AudioKind {
    /// What the customer hears through.
    Microphone,
    /// What the agent hears through.
    Speaker,
}

/// A device as `MediaDevices.enumerateDevices` names it. Remembered by both: Chrome changes ids when site data is
/// cleared, and two headsets of one make share a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct AudioDevice {
    /// `deviceId`: an opaque name, `default` for the system's choice.
    pub id: String,
    /// `label`: for people. Empty until the microphone's permission is granted.
    pub label: String,
}

/// The longest device id or label that is taken from anyone, in bytes (Chrome's ids have 64).
pub const MAX_AUDIO_NAME: usize = 512;

/// What the agent (or policy) wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct AudioSettings {
    /// The microphone; `None` for the system's choice.
    #[serde(default)]
    pub microphone: Option<AudioDevice>,
    /// The speaker; `None` for the system's choice.
    #[serde(default)]
    pub speaker: Option<AudioDevice>,
    /// How loud the customer is, in percent, 0 to 100.
    #[serde(default = "full_volume")]
    pub volume: u8,
}

const fn full_volume() -> u8 {
    100
}

impl Default for AudioSettings {
    fn default() -> Self {
        Self { microphone: None, speaker: None, volume: full_volume() }
    }
}

/// What there is and what is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct AudioState {
    /// The microphones that are plugged in, the system's choice first.
    #[serde(default)]
    pub microphones: Vec<AudioDevice>,
    /// The speakers that are plugged in, the system's choice first.
    #[serde(default)]
    pub speakers: Vec<AudioDevice>,
    /// What is wanted.
    #[serde(default)]
    pub wanted: AudioSettings,
    /// The microphone that was opened, or would be for the next call: not the wanted one when that is missing or could not be
    /// opened.
    #[serde(default)]
    pub microphone: Option<AudioDevice>,
    /// The speaker that plays, or would.
    #[serde(default)]
    pub speaker: Option<AudioDevice>,
    /// Kinds whose wanted device is not there or could not be opened, so that another is in use.
    #[serde(default)]
    pub missing: Vec<AudioKind>,
    /// True while the microphone is open: in a call, or in a test that the agent started.
    #[serde(default)]
    pub microphone_open: bool,
    /// True while the computer or the headset mutes the open microphone: the customer hears silence, whatever Holdfast's own
    /// mute says.
    #[serde(default)]
    pub microphone_muted: bool,
}
