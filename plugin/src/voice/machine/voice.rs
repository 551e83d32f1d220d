//! How the voice client stands, in one word and a reason.

use kernel::IdentityPrefix;
use lifeline::{Trouble, WrongIdentity};
use protocol::page::SignOutReason;
use protocol::{CallPhase, Problem};

/// How long the voice client may be not ready before it counts as unavailable, in milliseconds: a
/// registration takes about a second, a repaired signalling connection two or three, and neither should cost
/// the agent an activity.
pub const SETTLE_MS: u64 = 5_000;

/// How the voice client stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Not yet ready, and nothing is known to be wrong.
    Connecting,
    /// Calls arrive.
    Ready,
    /// A call is live.
    OnCall {
        phase: CallPhase,
        /// True while the microphone is muted.
        muted: bool,
    },
    /// The agent has signed out, so there is no voice client.
    SignedOut(SignOutReason),
    /// Flex is in a frame of another page: calls go to Flex's own client.
    InFrame,
    /// The worker attribute is neither true nor false, which is taken for false; what it says.
    Unclear(String),
    /// Calls cannot be taken.
    Unavailable(Why),
}

impl Voice {
    /// True when waiting any longer tells nothing new.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Unavailable(why) => why.is_final(),
            Self::Connecting | Self::Ready | Self::OnCall { .. } => false,
            Self::SignedOut(_) | Self::InFrame | Self::Unclear(_) => false,
        }
    }
}

impl From<Trouble> for Why {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::NoAnswer => Self::NoExtension,
            Trouble::Rejected(problem) => Self::Rejected(problem),
            Trouble::Gone => Self::Gone,
            Trouble::Silent => Self::Silent,
        }
    }
}

impl From<WrongIdentity> for Why {
    fn from(wrong: WrongIdentity) -> Self {
        match wrong {
            WrongIdentity::Prefix(prefix) => Self::WrongIdentity(prefix),
            WrongIdentity::OtherAgent => Self::OtherAgent,
        }
    }
}

/// Why calls cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A setting of the plugin is missing; its name.
    Missing(&'static str),
    /// A setting of the plugin is wrong; its name.
    Misconfigured(&'static str),
    /// No extension answered in this page.
    NoExtension,
    /// The extension refuses this page, with its reason if it gave one.
    Rejected(Option<Problem>),
    /// The extension's half in this page is gone: it was updated, removed or restarted.
    Gone,
    /// The extension has fallen silent.
    Silent,
    /// The extension waits for a Flex token.
    NoToken,
    /// The extension is there and is not registered with Twilio.
    NotRegistered,
    /// The extension says what is wrong.
    Problem(Problem),
    /// The extension says only that something is wrong.
    Error,
    /// The extension's identity does not start with the configured prefix.
    WrongIdentity(IdentityPrefix),
    /// The extension's identity is another agent's.
    OtherAgent,
    /// The worker's `contact_uri` could not be set.
    ContactUri,
}

impl Why {
    /// True when this is known at once and does not pass within seconds by itself.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Missing(_) | Self::Misconfigured(_) | Self::NoExtension | Self::Rejected(_) => true,
            Self::Gone | Self::Silent | Self::WrongIdentity(_) | Self::OtherAgent | Self::ContactUri => true,
            Self::Problem(problem) => !problem.retrying,
            Self::NoToken | Self::NotRegistered | Self::Error => false,
        }
    }

    /// True when it does not get better unless somebody does something.
    #[must_use]
    pub const fn needs_the_agent(&self) -> bool {
        self.is_final() && !matches!(self, Self::Silent)
    }
}
