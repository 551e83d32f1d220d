//! How a call sounds, from the Voice SDK's samples and warnings.

use serde::{Deserialize, Serialize};

use kernel::Timestamp;

/// One of the SDK's samples (`call.on('sample')`, once a second), in whole numbers. `None`: not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct QualitySample {
    /// When it was taken.
    pub at: Timestamp,
    /// Round trip to the media edge, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<u32>,
    /// Variation of packet arrival, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<u32>,
    /// Packets lost on the way to the agent in this second, in thousandths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_permille: Option<u16>,
    /// Mean opinion score in hundredths, 100 (bad) to 450: the SDK's estimate of how it sounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos_hundredths: Option<u16>,
}

/// What the SDK's quality monitor warns of (SDK 2.18.5, `lib/twilio/call.ts`: the names in brackets).
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
#[serde(rename_all = "kebab-case")]
pub enum QualityWarning {
    /// Long round trip (`high-rtt`).
    HighRtt,
    /// Uneven arrival (`high-jitter`).
    HighJitter,
    /// Many packets lost (`high-packet-loss`, `high-packets-lost-fraction`).
    HighPacketLoss,
    /// It sounds bad (`low-mos`).
    LowMos,
    /// No media arrives (`low-bytes-received`).
    LowBytesReceived,
    /// No media leaves (`low-bytes-sent`).
    LowBytesSent,
    /// The microphone gives silence (`constant-audio-input-level`).
    ConstantAudioInput,
    /// The customer's side is silent (`constant-audio-output-level`).
    ConstantAudioOutput,
    /// The media path is lost (`ice-connectivity-lost`).
    IceConnectivityLost,
}

/// A finished call in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct QualitySummary {
    /// How many samples there were.
    pub samples: u32,
    /// Mean and worst opinion score, in hundredths.
    pub mos_mean_hundredths: Option<u16>,
    /// The worst opinion score.
    pub mos_worst_hundredths: Option<u16>,
    /// Mean round trip, in milliseconds.
    pub rtt_mean_ms: Option<u32>,
    /// Longest round trip.
    pub rtt_worst_ms: Option<u32>,
    /// Largest jitter, in milliseconds.
    pub jitter_worst_ms: Option<u32>,
    /// Mean of the samples' losses, in thousandths.
    pub loss_mean_permille: Option<u16>,
    /// What was warned of, each once.
    pub warnings: Vec<QualityWarning>,
}
