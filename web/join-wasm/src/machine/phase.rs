//! How far the page is.

use protocol::video::{EndReason, WaitingWhy};

/// How far the page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the start.
    Idle,
    /// Another page of this browser may have this link.
    Locking,
    /// The worker has not said yet what to join.
    AwaitingLink,
    /// What is the link for?
    Looking,
    /// Before joining.
    Check,
    /// May it be recorded?
    Consent,
    /// The service is asked for a place.
    Joining,
    /// The agent is asked.
    Waiting(WaitingWhy),
    /// In the room, or on the way there.
    Room(Link),
    /// Nothing goes on by itself.
    End(End),
}

/// How the room is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Not; after a pause the service is asked again.
    Down,
    /// The service is asked.
    Asking,
    /// The SDK joins, by this attempt.
    Connecting(u32),
    /// We are in it.
    Up(u32),
    /// The SDK has lost it and tries to get it back.
    Reconnecting(u32),
    /// It is gone, and the service is asked whether it is over.
    Why(Cause),
}

impl Link {
    /// The attempt that is joining or has joined.
    #[must_use]
    pub const fn attempt(self) -> Option<u32> {
        match self {
            Self::Connecting(attempt) | Self::Up(attempt) | Self::Reconnecting(attempt) => Some(attempt),
            Self::Down | Self::Asking | Self::Why(_) => None,
        }
    }

    /// Whether things can be published.
    #[must_use]
    pub const fn is_in(self) -> bool {
        matches!(self, Self::Up(_) | Self::Reconnecting(_))
    }
}

/// How a room was lost that is to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody completed it (53118).
    Completed,
    /// We were taken out of it.
    Removed,
}

/// Why nothing goes on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// We left by hand.
    Left,
    /// It is over for all.
    Ended(EndReason),
    /// The agent said no, or the seat has gone to another browser.
    TurnedAway,
    /// We were taken out of the room.
    Removed,
    /// Another tab or window of this browser has it.
    OtherTab,
    /// Another browser has it, with the same identity (53205).
    OtherBrowser,
    /// The app around the page gives no camera.
    InApp,
    /// No camera without `https`.
    Insecure,
    /// No video calls in this browser.
    TooOld,
    /// There is no such link, or no longer.
    UnknownLink,
    /// The agent's link was used.
    LinkUsed,
    /// As many are there as may be.
    Full,
    /// The service does not want this page.
    NotAllowed,
    /// The service does not answer.
    Silent,
    /// Twilio cannot be reached.
    Network,
    /// The worker did not say what to join.
    NoLink,
    /// Flex could not open the session; in its words.
    NotOpened(String),
}

impl End {
    /// Whether the call itself is over for this page, so that what was kept for coming back by itself has no use.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Left | Self::Ended(_) | Self::TurnedAway | Self::Removed)
    }

    /// Whether coming back by this seat cannot work any more.
    #[must_use]
    pub const fn loses_seat(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::TurnedAway | Self::UnknownLink | Self::LinkUsed)
    }
}
