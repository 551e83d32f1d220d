//! The popup hop: popup, options and welcome pages, over the [`crate::port::POPUP`] port.
//!
//! The pages are pure views: the worker pushes [`ToPopup::State`] when it connects and after every change.

use serde::{Deserialize, Serialize};

use crate::{AccountSid, CallSid, DtmfDigits, TokenUrl, page::SelectAudioDevice, state::UiState};

/// From an extension page to the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum FromPopup {
    /// End the live call.
    HangUp,
    /// Mute or unmute.
    SetMute {
        /// True to mute.
        muted: bool,
    },
    /// Send DTMF into the live call.
    SendDigits {
        /// The digits.
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[expect(clippy::large_enum_variant, reason = "sent a few times a second at most, and never kept")]
pub enum ToPopup {
    /// Everything there is to show.
    State {
        /// The state.
        state: UiState,
    },
    /// A command was not carried out.
    Refused {
        /// Why, for a person.
        message: String,
    },
    /// How loud the microphone is, some times a second while it is tested.
    Level {
        /// 0 (silence) to 100.
        percent: u8,
    },
}
