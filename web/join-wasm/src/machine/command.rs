//! What the machine of the page has done.

use kernel::Secret;
use protocol::{
    video::{AdmitBySeat, EndBySeat, Join, Leave, Look, Pulse},
    video_window::FromVideoWindow,
};

use super::track::{TrackId, Wish};

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Command {
    /// Take the Web Lock of this link, and report [`super::event::Event::Locked`] once it is ours, however late; with `steal` from the page that has
    /// it. A browser without Web Locks reports it at once.
    Lock {
        /// Whoever has it loses it.
        steal: bool,
    },
    /// Give the lock back, or stop waiting for it.
    Unlock,
    /// Keep this text under this link in `localStorage`. Where that fails the page goes on without.
    Keep(Secret),
    /// Nothing is kept any more.
    Forget,

    /// Ask the service. Answered by [`super::event::Event::Answered`] or [`super::event::Event::Failed`], always, within 15 seconds.
    Ask {
        /// Its number.
        request: u32,
        /// The service's origin; empty for the page's own.
        service: String,
        /// What.
        ask: Ask,
    },
    /// `POST /v1/video/leave` by `navigator.sendBeacon`, which outlives the page. Nothing is reported.
    Beacon {
        /// As in [`Self::Ask`].
        service: String,
        /// What is said.
        leave: Leave,
    },

    /// Capture a camera, a microphone or both, in one `getUserMedia`, so that the person is asked once. Reported by
    /// [`super::event::Event::Captured`] or [`super::event::Event::NotCaptured`].
    Capture {
        /// The camera.
        camera: Option<Wish>,
        /// The microphone.
        microphone: Option<Wish>,
    },
    /// Capture the screen. Reported by [`super::event::Event::ScreenCaptured`] or [`super::event::Event::ScreenNotCaptured`].
    CaptureScreen(TrackId),
    /// Go on with another device under the same name: the SDK's `restart`, which stops the old one first. Reported by
    /// [`super::event::Event::Restarted`] or [`super::event::Event::NotRestarted`].
    Restart(Wish),
    /// Stop a capture, so that its light goes off; one that has not come yet, as soon as it comes (nothing is reported of it then).
    Stop(TrackId),
    /// Mute or unmute a microphone: its track stays.
    Enable(TrackId, bool),
    /// Report the level of this microphone, or of none.
    Meter(Option<TrackId>),
    /// Play sounds by this speaker; the system's choice when absent.
    Speaker(Option<String>),
    /// Play a tone by that speaker. Reported by [`super::event::Event::TonePlayed`].
    Tone,
    /// Start the sounds that the browser held back.
    PlaySound,

    /// Join a room by the SDK, with these tracks and a data track named `holdfast`. Reported by [`super::event::Event::Connected`] or
    /// [`super::event::Event::NotConnected`]; from then on what happens there is [`super::event::Event::Room`].
    Connect {
        /// Its number.
        attempt: u32,
        /// The access token.
        token: Secret,
        /// The room's name.
        room: String,
        /// The signalling region; empty for the SDK's own.
        region: String,
        /// Captures that run.
        tracks: Vec<TrackId>,
    },
    /// Out of the room, at once, or out of joining it. What comes late of this attempt is not reported or passed over.
    Disconnect(u32),
    /// Publish a capture. A screen by the name `screen`, with high priority.
    Publish(TrackId, TrackName),
    /// Publish it no longer. While a room is being joined with it, as soon as we are in: a [`Self::Stop`] follows at once.
    Unpublish(TrackId),
    /// `{"bye":true}` on the data track.
    SayBye,
    /// The SDK's `refreshInactiveMedia`.
    RefreshMedia,
    /// Keep the screen awake, or no longer. A refusal is silent.
    WakeLock(bool),

    /// The page's own address into the clipboard. Reported by [`super::event::Event::Copied`].
    CopyLink,
    /// Open the port to the worker. Reported by [`super::event::Event::PortOpened`]; later [`super::event::Event::PortClosed`].
    OpenPort,
    /// To the worker, where the port is open.
    Tell(FromVideoWindow),
    /// Close this window.
    CloseWindow,
}

/// What a published track is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackName {
    /// `camera`.
    Camera,
    /// `microphone`.
    Microphone,
    /// `screen`.
    Screen,
}

impl TrackName {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::Screen => "screen",
        }
    }
}

/// What the service is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// `POST /v1/video/look`.
    Look(Look),
    /// `POST /v1/video/join`.
    Join(Join),
    /// `POST /v1/video/pulse`.
    Pulse(Pulse),
    /// `POST /v1/video/admit`.
    Admit(AdmitBySeat),
    /// `POST /v1/video/end`.
    End(EndBySeat),
}
