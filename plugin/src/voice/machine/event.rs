//! What may happen to the plugin.

use protocol::AudioKind;
use protocol::page::{ShowVideo, ToPage};

use super::expect::Coming;
use super::flex_view::FlexView;
use super::i18n::Text;
use super::intent::Intent;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    expect(clippy::large_enum_variant, reason = "made a few times a second at most, and never kept")
)]
pub enum Event {
    /// The plugin started. Once, first.
    Started,
    /// The extension sent a message.
    Message(ToPage),
    /// Flex's store changed. The shell looks before every other event too, so the machine never decides on an
    /// old view.
    Flex(FlexView),
    /// Flex has a new token (`tokenUpdated`).
    TokenUpdated,
    /// [`super::Command::SetContactUri`] was carried out, or failed.
    ContactUriSet {
        /// TaskRouter took it.
        ok: bool,
    },
    /// [`super::Command::InstallCall`] was carried out.
    CallInstalled {
        /// Flex's store now holds our call. False when the store's internal action type has changed.
        took: bool,
    },
    /// Flex's hang-up was used on our call.
    HangUp,
    /// Flex's mute was used on our call: what it asks for.
    Mute(bool),
    /// Flex's mute was used while the store does not hold our call: the other of what it is now.
    ToggleMute,
    /// Flex's keypad was used on our call.
    Digits(String),
    /// What the agent was about to do was stopped, because [`super::Machine::refuses`] said so.
    Refused(Intent),
    /// What the agent is about to do goes on, and a call follows from it.
    Expect(Coming),
    /// Flex's logout begins.
    LogOut,
    /// It failed: the agent is still there.
    LogOutFailed,
    /// An outbound call was not started, and this says why.
    NotDialed(Text),
    /// The agent chose a microphone or speaker; `None` for the system's choice.
    ChooseDevice(AudioKind, Option<String>),
    /// The agent chose a volume, in percent.
    ChooseVolume(u8),
    /// The extension is to show the agent's window of a video session.
    ShowVideo(ShowVideo),
}
