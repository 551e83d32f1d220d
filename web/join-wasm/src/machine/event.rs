//! What may happen to the page of a call, and what a person may do there.

use kernel::Secret;
use messages::Language;
use protocol::{
    video::{Joined, Looked, Pulsed, VideoErrorCode},
    video_window::ToVideoWindow,
};

use super::track::{CaptureFault, Captured, DeviceInfo, DeviceKind, TrackId};

/// What the page finds when it starts.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where it runs.
    pub place: Place,
    /// What the page speaks, of the browser's languages.
    pub language: Language,
    /// What the browser can do.
    pub features: Features,
    /// Whether it is seen now.
    pub visible: bool,
    /// For pauses.
    pub seed: u64,
}

/// Where the page runs.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// Under the service's origin, at `/v/<code>`: a customer's page, or an agent's tab. The code as it stands in the address.
    Link(String),
    /// The extension's `video.html#<key>`: an agent's window. The link comes from the worker.
    Window(String),
}

/// What the browser can do. Looked at, never guessed from the user agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// `isSecureContext`.
    pub secure: bool,
    /// `RTCPeerConnection` is there.
    pub peer_connection: bool,
    /// `navigator.mediaDevices.getUserMedia` is there.
    pub capture: bool,
    /// `navigator.mediaDevices.getDisplayMedia` is there.
    pub screen: bool,
    /// A media element has `setSinkId`.
    pub speaker: bool,
    /// Something to touch is the main pointer (`(pointer: coarse)`): a camera may have another side.
    pub touch: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The page is there. Said once.
    Started,
    /// A person did something.
    Act(Action),
    /// The lock of this link is ours. What [`super::command::Command::Keep`] last kept under this link, read just now.
    Locked(Option<Secret>),
    /// Another page of this browser has taken the lock ([`super::command::Command::Lock`] with `steal`).
    LockLost,

    /// The service answered.
    Answered(u32, Answer),
    /// The service answered with an error; or nothing came of the request.
    Failed(u32, Fault),

    /// What [`super::command::Command::Capture`] asked for is running. With one of the two only, if only that was asked for.
    Captured {
        /// As in the command.
        camera: Option<Captured>,
        /// As in the command.
        microphone: Option<Captured>,
    },
    /// Nothing that the command asked for is running.
    NotCaptured {
        /// The command's camera.
        camera: Option<TrackId>,
        /// The command's microphone.
        microphone: Option<TrackId>,
        /// Why.
        fault: CaptureFault,
    },
    /// The screen is captured.
    ScreenCaptured(TrackId),
    /// It is not.
    ScreenNotCaptured(TrackId, CaptureFault),
    /// [`super::command::Command::Restart`] was carried out.
    Restarted(Captured),
    /// It failed; the track has ended.
    NotRestarted(TrackId, CaptureFault),
    /// A capture ended by itself: unplugged, or a screen share ended by the browser's own bar. Never for one that we stopped.
    TrackEnded(TrackId),
    /// The devices that there are now; at the start, and at each change.
    Devices(Vec<DeviceInfo>),
    /// What the browser thinks of camera and microphone; at the start where it can be asked, and at each change.
    Permission(DeviceKind, Permission),
    /// How loud the microphone of the check is, 0 to 100.
    Level(u8),
    /// The test tone is over.
    TonePlayed,
    /// The browser does not let us play sound before somebody has tapped.
    SoundBlocked,
    /// The page's address is in the clipboard, or not.
    Copied {
        /// Whether.
        ok: bool,
    },

    /// [`super::command::Command::Connect`] has brought us into the room.
    Connected {
        /// The command's number.
        attempt: u32,
        /// Who is there already, with what they publish.
        people: Vec<RemotePerson>,
        /// Twilio's recording of the room is on.
        recording: bool,
    },
    /// It has not.
    NotConnected {
        /// The command's number.
        attempt: u32,
        /// Twilio's code, where there is one.
        code: Option<u32>,
    },
    /// Something happened in the room.
    Room {
        /// Of which [`super::command::Command::Connect`].
        attempt: u32,
        /// What.
        event: RoomEvent,
    },

    /// The page is seen, or not.
    Visible(bool),
    /// The page goes away, perhaps into the back/forward cache. Its commands have to be carried out at once.
    PageHidden,
    /// The page came back out of the back/forward cache.
    PageShown,

    /// The port to the worker is open.
    PortOpened,
    /// The port to the worker has closed.
    PortClosed,
    /// The worker said this.
    Worker(ToVideoWindow),
}

/// What a person may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Into the room, from the check.
    Join,
    /// Once more, whatever failed.
    Retry,
    /// Ask for camera and microphone once more.
    AskAgain,
    /// Ask for the microphone alone.
    SoundOnly,
    /// Neither camera nor microphone.
    WatchOnly,
    /// Whether it may be recorded.
    Consent(bool),
    /// Camera on or off.
    ToggleCamera,
    /// Microphone on or off.
    ToggleMicrophone,
    /// This device; the system's choice when absent.
    Choose(DeviceKind, Option<String>),
    /// The camera on the other side of the phone.
    Flip,
    /// Share the screen, or stop it.
    ToggleShare,
    /// Play a tone by the chosen speaker.
    TestSpeaker,
    /// Out of the room; one may come back.
    Leave,
    /// For all: asks first.
    AskEnd,
    /// For all.
    End,
    /// The question is answered with no.
    Cancel,
    /// Who waits is let in, by [`protocol::video::Waiting::id`].
    Admit(String),
    /// Who waits is not.
    Refuse(String),
    /// The call goes on here rather than in the other tab.
    UseHere,
    /// The address of this page into the clipboard.
    CopyLink,
    /// Play the sound that the browser held back.
    Hear,
    /// The agent says that their phone call is over, where nobody else can say it.
    CallIsOver,
    /// A note was read.
    Dismiss(u64),
    /// The agent's window may go.
    CloseWindow,
}

/// What the service answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To a look.
    Looked(Looked),
    /// To a join.
    Joined(Joined),
    /// To a pulse, an admission or an end.
    Pulsed(Pulsed),
}

/// What came of a request instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service refused.
    Refused {
        /// Why; `Unknown` where the body says nothing that we know.
        code: VideoErrorCode,
        /// `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
    /// Nobody answered in time, or what came is no answer of the service.
    Unreachable,
}

/// What the browser thinks of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permission {
    /// It does not say.
    #[default]
    Unknown,
    /// The person is asked.
    Prompt,
    /// It may be used.
    Granted,
    /// It may not.
    Denied,
}

/// Somebody else in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemotePerson {
    /// `PA…`.
    pub sid: String,
    /// As in [`protocol::video::Admission::identity`].
    pub identity: String,
    /// What we receive of them.
    pub tracks: Vec<RemoteTrack>,
    /// Twilio tries to reach them.
    pub reconnecting: bool,
}

/// A track of somebody else that we receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteTrack {
    /// `MT…`.
    pub sid: String,
    /// What it carries.
    pub kind: RemoteKind,
    /// Not muted.
    pub enabled: bool,
}

/// What a track of somebody else carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteKind {
    /// Sound. The shell plays it.
    Sound,
    /// A camera's picture.
    Camera,
    /// A screen: a video track of the name `screen`.
    Screen,
}

/// What happens in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// `participantConnected`.
    Came(RemotePerson),
    /// `participantDisconnected`.
    Went(String),
    /// `participantReconnecting`.
    Lost(String),
    /// `participantReconnected`.
    Back(String),
    /// They said on the data track that they leave by hand.
    Bye(String),
    /// `trackSubscribed`, by the participant's SID.
    Received(String, RemoteTrack),
    /// `trackUnsubscribed`, by the track's SID.
    Dropped(String),
    /// `trackEnabled` and `trackDisabled`, by the track's SID.
    Enabled(String, bool),
    /// `dominantSpeakerChanged`.
    Speaks(Option<String>),
    /// `networkQualityLevelChanged`, 0 to 5; our own without a SID.
    Quality(Option<String>, u8),
    /// `trackPublicationFailed`.
    NotPublished(TrackId),
    /// `reconnecting`.
    Reconnecting(Option<u32>),
    /// `reconnected`.
    Reconnected,
    /// `recordingStarted` and `recordingStopped`.
    Recording(bool),
    /// `disconnected`, also after our own [`super::command::Command::Disconnect`].
    Disconnected(Option<u32>),
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The code would let anybody in.
        f.write_str(match self {
            Self::Link(_) => "Link",
            Self::Window(_) => "Window",
        })
    }
}
