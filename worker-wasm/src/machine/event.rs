//! What can happen to the worker.

use kernel::{Secret, Timestamp};
use protocol::{
    ProblemCode,
    offscreen::FromOffscreen,
    page::{Kind, ToExtension},
    popup::FromPopup,
    video_window::FromVideoWindow,
};

use super::{
    config::PolicyValues,
    notice::{NoticeId, Shortcut},
    persisted::{Persisted, Preferences},
};

/// A `chrome.runtime` port, as the shell numbers them. Never used twice by one worker process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u64);

/// A `Twilio.Device`, as the machine numbers them: events of one that was replaced are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u32);

/// An offered call's `Twilio.Call` object, as the shell numbers them. One call can be offered more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfferId(pub u32);

/// Anything that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The saved state and the policy have been read. Whatever came before is handled right after this.
    Started {
        /// What the process before this one saved; `None` on a cold start.
        persisted: Option<Box<Persisted>>,
        /// What this browser knows for good.
        preferences: Box<Preferences>,
        /// The administrator's policy.
        policy: PolicyValues,
    },
    /// The administrator's policy changed.
    PolicyChanged {
        /// All of it.
        policy: PolicyValues,
    },
    /// Chrome installed or updated the extension, or itself.
    Installed {
        /// True for a first installation.
        first: bool,
    },
    /// Chrome has downloaded a newer version of the extension.
    UpdateAvailable { version: String },
    /// The browser started.
    BrowserStarted,
    /// The second net under a killed worker.
    Alarm,
    /// Somebody connected.
    PortOpened {
        port: PortId,
        /// The name that the other side gave.
        name: String,
        /// Who it is, as Chrome vouches for it.
        sender: Sender,
    },
    /// The other side is gone.
    PortClosed { port: PortId },
    /// A message of a content script.
    FromPage { port: PortId, message: PageMessage },
    /// A message of one of the extension's own pages.
    FromPopup {
        port: PortId,
        /// `None` when it does not parse.
        message: Option<FromPopup>,
    },
    /// A message of the offscreen document.
    FromOffscreen {
        port: PortId,
        /// `None` when it does not parse.
        message: Option<FromOffscreen>,
    },
    /// A message of a window of a video session.
    FromVideo {
        port: PortId,
        /// `None` when it does not parse.
        message: Option<FromVideoWindow>,
    },
    /// The answer to [`super::Command::OpenVideo`].
    VideoOpened {
        number: u32,
        /// Chrome's number of the window; `None` when it opened none.
        window: Option<i64>,
    },
    /// The answer to [`super::Command::FocusVideo`], when there is no such window any more.
    VideoNotFound { window: i64 },
    /// A window of the browser was closed, of whatever kind.
    WindowClosed { window: i64 },
    /// The answer to [`super::Command::CheckMicrophone`].
    Microphone(MicrophonePermission),
    /// The answer to [`super::Command::FetchToken`].
    Fetched {
        attempt: u32,
        /// What came.
        outcome: FetchOutcome,
    },
    /// Something happened to a `Device`.
    Device { device: DeviceId, event: DeviceEvent },
    /// The answer to [`super::Command::EnsureOffscreen`].
    OffscreenOpened {
        /// False when Chrome refused.
        ok: bool,
    },
    /// The answer to [`super::Command::CloseOffscreen`].
    OffscreenClosed,
    /// A key was pressed.
    Shortcut(Shortcut),
    /// The agent clicked on a notification.
    NoticeClicked(NoticeId),
    /// The agent pressed a notification's button.
    NoticeButton {
        id: NoticeId,
        /// The button, from 0.
        button: u32,
    },
    /// The agent put a notification away.
    NoticeClosed(NoticeId),
}

/// Who opened a port, as Chrome vouches for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The sender's extension id.
    pub id: Option<String>,
    /// The document's URL.
    pub url: Option<String>,
    /// The document's origin.
    pub origin: Option<String>,
    /// The number of the tab that the sender sits in.
    pub tab: Option<i64>,
    /// The number of the window that this tab is in.
    pub window: Option<i64>,
    /// 0 for a tab's top frame.
    pub frame_id: Option<i64>,
    /// Chrome's name of the document: the same when its content script connects again, another after a reload.
    pub document: Option<String>,
}

/// A message of a content script, parsed as far as it goes.
#[derive(Clone, Debug, PartialEq)]
pub enum PageMessage {
    /// One of the contract's messages.
    Parsed {
        message: Box<ToExtension>,
        /// For a FLEX_TOKEN: its `expiration`, read by the browser's `Date.parse`; `None` when that is no
        /// date.
        flex_token_expires_at: Option<Timestamp>,
    },
    /// Not one of the contract's messages; judged by its type.
    Malformed(Kind),
    /// The content script refused a message of the page, and answered it.
    Refused(ProblemCode),
    /// What the content script dropped since it last said so.
    Dropped {
        /// Messages of the contract's namespace that were not the plugin's.
        foreign: u32,
        /// Messages beyond what it takes in a second.
        flooded: u32,
        /// Ports that another script offered while the plugin's was open.
        contested: u32,
    },
}

/// What came of asking the token service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchOutcome {
    /// An HTTP answer.
    Answer {
        status: u16,
        /// The body, which may hold a token.
        body: Secret,
        /// The `Retry-After` header in seconds, when the service sent one that the browser shows.
        retry_after: Option<u64>,
    },
    /// An HTTP answer with a body that is longer than a token service's answer can be.
    TooLong,
    /// No answer in time.
    TimedOut,
    /// The network, TLS, CORS or a redirect stopped it. The browser does not say which.
    Unreachable,
}

/// What the Voice SDK says about a `Device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceEvent {
    /// The gateway confirmed the registration.
    Registered {
        /// The edge that the `Device` is connected to.
        edge: Option<String>,
    },
    /// The gateway's word, heard right now, that the registration stands: its answer to each `register`.
    Confirmed { edge: Option<String> },
    /// The registration is gone.
    Unregistered,
    /// The gateway has told the `Device` to close: it will not connect again by itself.
    Closed,
    /// An error, of the `Device` or of starting it.
    Error {
        /// Twilio's code.
        code: Option<u32>,
    },
    /// The token is about to expire.
    TokenWillExpire,
    /// A call is offered.
    Incoming {
        /// The SDK's object, which the shell keeps.
        offer: OfferId,
        /// The call's parameter `CallSid`.
        call_sid: String,
        /// What the offscreen document needs to accept it.
        connect_token: Option<Secret>,
        /// The call's parameter `From`.
        from: Option<String>,
    },
    /// An offered call is no longer on offer: given up, or handed over. The shell has dropped the SDK's
    /// object.
    OfferGone { offer: OfferId },
}

/// `navigator.permissions.query({name: "microphone"})` for the extension's own origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MicrophonePermission {
    /// The offscreen document can use it.
    Granted,
    /// Nobody has answered yet. An offscreen document cannot ask, so a call would fail.
    Prompt,
    /// Refused.
    Denied,
}
