//! The popup hop: popup, options and welcome pages, over the [`crate::port::POPUP`] port.
//!
//! The pages are pure views: the worker pushes [`ToPopup::State`] when it connects and after every change.

use serde::{Deserialize, Serialize};

use crate::{ProblemCode, page::SelectAudioDevice, state::UiState};
use kernel::{AccountSid, CallSid, DtmfDigits, TokenUrl};

/// Why a command is not carried out. The popup has words for each; a page gets code and English words.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named,
)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// There is no call.
    NoCall,
    /// The call that was meant is over.
    CallOver,
    /// The second call waits no more.
    WaitingGone,
    /// Policy fixes devices and volume.
    DevicesFixed,
    /// The device is not plugged in.
    DeviceGone,
    /// More digits than a person types.
    DigitsTooFast,
    /// The command is not one of the contract.
    NotUnderstood,
    /// Policy forbids restarting by hand.
    RestartFixed,
    /// A call is live.
    RestartInCall,
    /// The question that was answered is not the one that stands.
    QuestionChanged,
}

impl Refused {
    /// The code that a page is answered with.
    #[must_use]
    pub const fn code(self) -> ProblemCode {
        match self {
            Self::NoCall | Self::CallOver | Self::WaitingGone => ProblemCode::NoCall,
            Self::DevicesFixed | Self::RestartFixed => ProblemCode::DisabledByPolicy,
            Self::DeviceGone => ProblemCode::AudioDeviceMissing,
            Self::DigitsTooFast => ProblemCode::TooManyMessages,
            Self::NotUnderstood => ProblemCode::MalformedMessage,
            Self::RestartInCall => ProblemCode::CallFailed,
            Self::QuestionChanged => ProblemCode::ConsentNeeded,
        }
    }
}

/// From an extension page to the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum FromPopup {
    /// End the live call.
    HangUp {
        /// The call that is shown, so that a click on an older view ends no other; without it, whichever is live.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sid: Option<CallSid>,
    },
    /// Mute or unmute.
    SetMute {
        /// As in [`Self::HangUp`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sid: Option<CallSid>,
        /// True to mute.
        muted: bool,
    },
    /// Send DTMF into the live call.
    SendDigits {
        /// As in [`Self::HangUp`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sid: Option<CallSid>,
        /// Sent one after the other.
        digits: DtmfDigits,
    },
    /// Forget account, tokens and registration and wait for Flex again. Refused during a call.
    Restart,
    /// The microphone permission may have changed.
    MicrophoneChanged,
    /// Answer the call that waits; the live one is hung up first, which is what the button says.
    AnswerWaiting {
        /// The call that waits, so that a click on an older view answers nothing else.
        sid: CallSid,
    },
    /// Refuse the call that waits.
    DeclineWaiting {
        /// The call that waits.
        sid: CallSid,
    },
    /// Use another microphone or speaker.
    SelectAudioDevice(SelectAudioDevice),
    /// How loud the customer is, in percent.
    SetVolume {
        /// 0 to 100.
        percent: u8,
    },
    /// Open the microphone and report [`ToPopup::Level`]s, or stop. Stops by itself when the page is closed.
    TestMicrophone {
        /// True to start.
        on: bool,
    },
    /// Play a tone on the chosen speaker.
    TestSpeaker,
    /// The agent's answer to a [`crate::state::ConsentRequest`].
    Consent {
        /// As it was shown.
        account_sid: AccountSid,
        /// As it was shown.
        token_url: TokenUrl,
        /// True to agree.
        allow: bool,
    },
}

/// From the worker to an extension page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, wire::ToTree, wire::FromTree, wire::Named)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "camelCase")]
#[expect(clippy::large_enum_variant, reason = "sent a few times a second at most, and never kept")]
pub enum ToPopup {
    /// Everything there is to show.
    State {
        /// The whole state, not only what changed.
        state: UiState,
    },
    /// A command was not carried out.
    Refused {
        /// Why it was not.
        reason: Refused,
    },
    /// How loud the microphone is, some times a second while it is tested.
    Level {
        /// 0 (silence) to 100.
        percent: u8,
    },
}
