//! The offscreen hop: worker and offscreen document, over the [`crate::port::OFFSCREEN`] port.
//!
//! The document connects to the worker, and connects again whenever the port closes: that wakes a killed worker. Its
//! first message on every port is [`FromOffscreen::Hello`] with the call that it holds, from which a restarted worker
//! learns what really is, whatever its own saved state says.

use serde::{Deserialize, Serialize};

use crate::{AudioSettings, AudioState, Problem, QualitySample, QualityWarning, state::CallPhase};
use kernel::{CallSid, DtmfDigits, Secret};

/// From the worker to the offscreen document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToOffscreen {
    /// A Voice token to be ready with, before a call comes: the document may build its `Device` now.
    /// Never applied to a `Device` that carries a call.
    Prepare {
        /// A current Voice token.
        token: Secret,
        /// The edge that the worker's `Device` is connected to.
        edge: Option<String>,
    },
    /// Accept the call.
    Connect {
        /// Which call.
        call_sid: CallSid,
        /// From the worker's `incoming` event.
        connect_token: Secret,
        /// A current Voice token, of the identity that the call was sent to.
        token: Secret,
        /// The edge that the worker's `Device` is connected to: Twilio requires the same one.
        edge: Option<String>,
        /// Tell the agent by a tone on the speaker that it is answered: nobody clicked for it.
        tone: bool,
    },
    /// End the call, also one that is still connecting.
    HangUp {
        /// Which call.
        call_sid: CallSid,
    },
    /// Mute or unmute.
    SetMute {
        /// Which call.
        call_sid: CallSid,
        /// True to mute.
        muted: bool,
    },
    /// Send DTMF.
    SendDigits {
        /// Which call.
        call_sid: CallSid,
        /// Sent one after the other.
        digits: DtmfDigits,
    },
    /// List the devices again, because somebody looks at them: not every plug comes with an event. What is wanted and could
    /// not be opened is tried once more.
    ListDevices,
    /// Answers [`FromOffscreen::Ping`]; nothing to do.
    Pong,
    /// The devices and the volume to use, from now on and in the live call. The whole of it each time.
    SetAudio {
        /// What is wanted.
        settings: AudioSettings,
    },
    /// Open the microphone and report [`FromOffscreen::Level`]s, or stop.
    TestMicrophone {
        /// True to start.
        on: bool,
    },
    /// Play a tone on the wanted speaker.
    TestSpeaker,
}

/// From the offscreen document to the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FromOffscreen {
    /// First on every port: what this document holds.
    Hello {
        /// The call, if there is one.
        call: Option<OffscreenCall>,
    },
    /// The call's state, after every change.
    Call {
        /// The call as it is now.
        call: OffscreenCall,
    },
    /// The call is over, however it ended.
    Ended {
        /// Which call.
        call_sid: CallSid,
        /// Set when it did not end in good order.
        problem: Option<Problem>,
    },
    /// What devices there are, after every change.
    Audio {
        /// All of it.
        state: Box<AudioState>,
    },
    /// How the call sounds, once a second.
    Quality {
        /// Which call.
        call_sid: CallSid,
        /// What was measured in that second.
        sample: QualitySample,
    },
    /// The SDK's quality monitor warns, or takes a warning back.
    Warning {
        /// Which call.
        call_sid: CallSid,
        /// Of what.
        warning: QualityWarning,
        /// False when it is over.
        raised: bool,
    },
    /// How loud the tested microphone is.
    Level {
        /// 0 (silence) to 100.
        percent: u8,
    },
    /// Every 20 s: keeps the worker awake, or wakes it.
    Ping,
    /// Something for the log; holds nothing secret.
    Note {
        /// What happened.
        message: String,
    },
}

/// The call as the document that carries it sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree)]
#[serde(rename_all = "camelCase")]
pub struct OffscreenCall {
    /// Which call.
    pub sid: CallSid,
    /// How far the call has come.
    pub state: CallPhase,
    /// True while the microphone is muted.
    pub muted: bool,
}
