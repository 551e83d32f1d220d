//! What the machine wants done, and what it waits for.

use kernel::{DtmfDigits, Secret};
use protocol::offscreen::FromOffscreen;

use crate::tone::Tone;

/// Numbers the connections to the worker, so that news of an old one is not taken for news of the present one.
pub type PortId = u32;

/// Numbers the `Device`s. Each carries at most one call, so this names the call too.
pub type DeviceId = u32;

/// What waits for its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Connect to the worker again.
    Reconnect,
    /// Ping the worker.
    Ping,
    /// The microphone should be open by now.
    Microphone,
    /// The call should be open by now.
    Connect,
    /// The gateway should have answered by now.
    Answer,
    /// The SDK has said all that it has to say.
    Settle,
    /// The call should have ended by now.
    HangUp,
    /// The digits sent last have sounded.
    Digits,
    /// Media should flow by now.
    Silence,
    /// A lost connection should be back by now.
    GiveUp,
    /// A lost media path may be negotiated anew.
    Repair,
    /// A microphone test has gone on for too long.
    Test,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Connect to the worker. Failure is reported as [`super::Event::Closed`].
    Connect(PortId),
    /// Send to the worker. Failure is reported as [`super::Event::Closed`].
    Send(PortId, FromOffscreen),
    /// Build a `Device`, listening for its errors, and open its signalling socket.
    Build {
        /// Its number.
        device: DeviceId,
        /// The Voice token.
        token: Secret,
        /// The edge.
        edge: Option<String>,
    },
    /// Destroy the `Device`, and its call with it.
    Destroy(DeviceId),
    /// Accept the call that the token stands for, or report [`super::Event::SocketLost`].
    Dial(DeviceId, Secret),
    /// End the call.
    Disconnect(DeviceId),
    /// Mute or unmute the call's microphone.
    Mute(DeviceId, bool),
    /// Send DTMF into the call.
    SendDigits(DeviceId, DtmfDigits),
    /// Open the first of these microphones that opens, for this call; the SDK gets it when it asks.
    OpenMicrophone(DeviceId, Vec<String>),
    /// The microphone that was asked for, open or not yet, is for the call on this `Device` now.
    KeepMicrophone(DeviceId),
    /// Open the first of these that opens, and let it take the place of the one in use without a gap.
    SwitchMicrophone(DeviceId, Vec<String>),
    /// Let go of the call's microphone.
    CloseMicrophone,
    /// Report the devices that there are.
    ListDevices,
    /// Play calls on this speaker, so loud in percent, from now on and in the live call.
    UseSpeaker(String, u8),
    /// Open the first of these microphones that opens, and report its level.
    StartTest(Vec<String>),
    /// Let go of the tested microphone.
    StopTest,
    /// Play a tone on this speaker, so loud in percent. Only the agent hears it.
    PlayTone(Tone, String, u8),
    /// Let the SDK negotiate a new media path for the call, if its signalling is connected.
    RestartMedia(DeviceId),
    /// Report the microphone permission, now and after every change.
    CheckPermission,
}
