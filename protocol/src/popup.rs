//! The popup hop: popup, options and welcome pages, over the [`crate::port::POPUP`] port.
//!
//! The pages are pure views: the worker pushes [`ToPopup::State`] when it connects and after every change.

use serde::{Deserialize, Serialize};

use crate::{DtmfDigits, state::UiState};

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
}

/// From the worker to an extension page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[cfg_attr(
    target_pointer_width = "64",
    expect(clippy::large_enum_variant, reason = "sent a few times a second at most, and never kept")
)]
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
}
