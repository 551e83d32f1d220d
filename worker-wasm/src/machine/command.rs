//! What the shell is told to do.

use kernel::{Secret, TokenUrl};
use protocol::{offscreen::ToOffscreen, page::ToPage, popup::ToPopup, video_window::ToVideoWindow};

use super::{
    config::Edge,
    event::{DeviceId, OfferId, PortId},
    notice::{Notice, NoticeId},
    persisted::{Persisted, Preferences},
    video_window::Address,
};

/// One thing to do. The shell carries commands out in their order and decides nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Send to a content script.
    ToPage { port: PortId, message: Box<ToPage> },
    /// Send to one of the extension's own pages.
    ToPopup { port: PortId, message: Box<ToPopup> },
    /// Send to the offscreen document.
    ToOffscreen { port: PortId, message: Box<ToOffscreen> },
    /// Send to a window of a video session.
    ToVideo { port: PortId, message: Box<ToVideoWindow> },
    /// Open a window of a video session; answered by [`super::Event::VideoOpened`].
    OpenVideo {
        /// Comes back in the answer.
        number: u32,
        address: Address,
    },
    /// Bring a window to the front; [`super::Event::VideoNotFound`] when it is not there any more.
    FocusVideo {
        /// Chrome's number of it.
        window: i64,
    },
    /// Close a window.
    CloseVideo {
        /// Chrome's number of it.
        window: i64,
    },
    /// Disconnect a port. No [`super::Event::PortClosed`] follows.
    ClosePort { port: PortId },
    /// Ask the token service; answered by [`super::Event::Fetched`].
    FetchToken {
        /// Comes back in the answer.
        attempt: u32,
        request: TokenRequest,
    },
    /// Build a `Device`, attach its listeners and register it.
    CreateDevice {
        device: DeviceId,
        token: Secret,
        /// Where to connect, in order of preference; empty leaves it to the SDK.
        edges: Vec<Edge>,
    },
    /// Give a `Device` a newer token.
    UpdateToken { device: DeviceId, token: Secret },
    /// Ask the gateway to confirm the registration once more; answered by [`super::DeviceEvent::Confirmed`].
    ProbeDevice { device: DeviceId },
    /// Destroy a `Device`.
    DestroyDevice { device: DeviceId },
    /// Refuse an offered call, so that its caller is routed on at once.
    RejectOffer { offer: OfferId },
    /// Drop the SDK's object of an offered call without a word to the gateway.
    IgnoreOffer { offer: OfferId },
    /// Open the offscreen document unless it is open; answered by [`super::Event::OffscreenOpened`].
    EnsureOffscreen,
    /// Close the offscreen document; answered by [`super::Event::OffscreenClosed`].
    CloseOffscreen,
    /// Start or stop the repeating alarm that wakes a killed worker.
    Watchdog {
        /// True to start.
        on: bool,
    },
    /// Write the state to `chrome.storage.session`.
    Save(Box<Persisted>),
    /// Write to `chrome.storage.local`.
    SavePreferences(Box<Preferences>),
    /// Show this on the toolbar button.
    Badge(Badge),
    /// Read the microphone permission; answered by [`super::Event::Microphone`].
    CheckMicrophone,
    /// Open the welcome page.
    OpenWelcome,
    /// Open the popup.
    OpenPopup,
    /// Show a notification, or change the one of that id in place.
    Notify {
        id: NoticeId,
        /// What it says.
        notice: Notice,
        /// True when one of that id is shown already.
        is_update: bool,
    },
    /// Take a notification away.
    ClearNotice(NoticeId),
    /// Put the content script into the pages that are open and should have one; where one serves already, nothing
    /// happens.
    EnterOpenPages,
    /// Let Chrome start the new version in place of this one. Nothing of this process goes on after it.
    ApplyUpdate,
}

/// A POST to the token service with a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// Where to.
    pub url: TokenUrl,
    /// For `Authorization: Bearer`; absent in the replaced service's contract, which has the token in the
    /// body.
    pub bearer: Option<Secret>,
    /// The JSON text.
    pub body: Secret,
}

/// What the toolbar button shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Badge {
    /// No Flex page has said hello yet.
    Off,
    /// On the way to being registered.
    Connecting,
    /// Registered: calls arrive.
    Ready,
    /// A call waits for the agent's word, and none is live.
    Ringing,
    /// On a call.
    OnCall,
    /// On a call with the microphone muted.
    Muted,
    /// Something that somebody should look at.
    Problem,
}
