//! Cameras, microphones and screens, as the machine knows them.

/// One capture, or one picture that is received: what the machine calls it. Never used twice in a page's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u32);

impl TrackId {
    /// The `id` of the HTML element that shows it.
    #[must_use]
    pub fn element(self) -> String {
        format!("tile-{}", self.0)
    }
}

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceKind {
    /// `videoinput`.
    Camera,
    /// `audioinput`.
    Microphone,
    /// `audiooutput`.
    Speaker,
}

/// A device, as `enumerateDevices` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What it is.
    pub kind: DeviceKind,
    /// Its id; empty before the person has allowed anything.
    pub id: String,
    /// Its name; empty before the person has allowed anything.
    pub label: String,
}

/// Which side of a phone a camera looks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facing {
    /// At the person.
    User,
    /// Away from them.
    Environment,
}

/// What is asked of `getUserMedia` for one device. None of it must be: where a device is gone, another is opened.
/// For a camera 1280×720 at 24 pictures a second, on what is touched 640×480.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// What it is to be called.
    pub track: TrackId,
    /// This device; the system's choice when absent.
    pub device: Option<String>,
    /// This side; for cameras, where no device is named.
    pub facing: Option<Facing>,
}

/// A capture that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// As it was called.
    pub track: TrackId,
    /// The device, by its track's settings; empty where the browser does not say.
    pub device: String,
}

/// Why nothing is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureFault {
    /// `NotAllowedError`, `SecurityError`: by the person, their administrator, the operating system or the app around the page; or a
    /// picker for screens was closed.
    Refused,
    /// `NotFoundError`, `OverconstrainedError`: there is none.
    Missing,
    /// `NotReadableError`, `AbortError`: another program has it, or it is broken.
    Busy,
    /// Anything else.
    Other,
}
